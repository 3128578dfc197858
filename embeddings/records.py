"""The data classes of `embeddings`: what an extractor is, and the vectors it made.

Both are frozen and checked once, when they are made; a function that receives one
does not check it again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.errors import StoreError
from embeddings.large_values import LargeValues, Values
from embeddings.reading import READING, check_reading
from embeddings.versions import UPGRADE

Fit = Literal["pad", "stretch", "aspect", "none"]
Resize = Literal["auto", "bilinear", "nearest"]
Level = Literal["none", "plane", "line"]
View = Literal["picture", "map", "polar", "highlight"]
Pooling = Literal["mean", "max", "gem", "defect", "residual"]
Precision = Literal["float32", "bf16", "fp16"]
BarEdge = Literal["top", "bottom"]
DataBarUse = Literal["keep", "auto"]

# Places count by how unlike what is known they are: patches are compared, with a bank at hand.
COMPARING: tuple[Pooling, ...] = ("defect", "residual")
REFERENCE = "reference"  # as normals_sha256: each picture is compared with its own golden image
# In a row's metadata: where the image was listed, and its defect's box in the picture. They say
# nothing of how it was made, so no association is looked for in them.
KLARF_FILE, DEFECT_BOX = "klarf_file", "defect_box"
# Who says how large a pixel is, and what speaks against it.
SIZE_SOURCE, SIZE_DOUBT = "pixel_size_source", "pixel_size_doubt"
DATA_BAR = "data_bar"  # of a row whose picture was seen without its data bar: "bottom 59"
NOTES = frozenset({KLARF_FILE, DEFECT_BOX, SIZE_SOURCE, SIZE_DOUBT, DATA_BAR})

# Fields of a spec that earlier versions did not have, with what they did.
_ADDED: dict[str, Any] = {
    "orientations": 1, "view": "picture", "cell": 32, "data_bar": "keep", "reading": 1,
}  # fmt: skip
_ANY = object()  # equal to nothing

# One row of Vectors.rows; defect_px is the longest side of the defect box, in pixels.
# Text columns are "" and number columns NaN or -1 where nothing is known.
ROW_COLUMNS = (
    "path", "paths", "width", "height", "bit_depth", "channels", "nan_pixels", "um_per_pixel",
    "defect_px", "parent_id", "page", "x0", "y0", "metadata",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DataBar:
    """The band of text that a microscope writes along an edge of its pictures.

    Attributes
    ----------
    edge : {"top", "bottom"}
    rows : int
        How many rows of the picture it takes.
    level : float or None
        The grey level it is drawn on, in those of the picture; None where the file itself says
        how many rows the bar has.
    """

    edge: BarEdge
    rows: int
    level: float | None = None

    def __post_init__(self) -> None:
        if self.edge not in ("top", "bottom") or self.rows < 1:
            raise ValueError(f"a data bar of {self.rows} rows at the {self.edge}")

    def __str__(self) -> str:
        return f"{self.edge} {self.rows}"

    def rows_kept(self, height: int) -> slice:
        """Return the rows that are left of a picture of this height."""
        return slice(self.rows, height) if self.edge == "top" else slice(0, height - self.rows)


# By the size of the picture, "1024x943": what its tools write there. Sizes that were looked at and
# have no bar are there too.
DataBars = Mapping[str, tuple[DataBar, ...]]


def bars_to_dict(bars: DataBars) -> dict[str, list[list[Any]]]:
    """Return data bars as JSON-ready values: edge, rows and level of each."""
    return {size: [[one.edge, one.rows, one.level] for one in bars[size]] for size in sorted(bars)}


def bars_from_dict(values: Mapping[str, Any]) -> dict[str, tuple[DataBar, ...]]:
    """Read data bars back from `bars_to_dict`."""
    return {
        size: tuple(DataBar(edge=edge, rows=rows, level=level) for edge, rows, level in bars)
        for size, bars in values.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorSpec:
    """All that decides what vector an image gets; its hash is the store's identity.

    Attributes
    ----------
    name : str
        Of a module of `embeddings.extractors`, with its argument: ``timm:convnext_tiny``.
    weights, weights_sha256 : str
        Name and sha256 of the weights file; both empty for what is no network. Only the hash
        counts: the same weights under another file name are the same extractor.
    layers : tuple of str
        The network's stages that are pooled and concatenated, such as ``("layer4",)``.
    pooling : {"mean", "max", "gem", "defect", "residual"}
        `tau`, `bank_sha256` and `normals_sha256` belong to the last two, which compare patches
        (zero and empty otherwise). With "residual", the network's deepest layer beside others is
        not compared: it is pooled where they say, and is the vector's second block (see
        `embeddings.extractors.vector_blocks`).
    normals_sha256 : str
        Of the defect-free images, or `REFERENCE` where each picture has its golden image.
    orientations : {1, 4, 8}
        4: the mean over the picture's quarter turns; 8: over their mirror images too.
    input_size : int
        Side of the square the network sees, in pixels (0: the image's own size); with `fit`
        "aspect" the longest side.
    fit, resize, level
        How an image is brought to that square, and whether AFM levelling comes first.
    view : {"picture", "map", "polar", "highlight"}
        How pictures are shown to the network, see `embeddings.images.show_picture`: wafer maps as
        maps ("map", "polar"; all others as they are), or the surroundings of what stands out.
    cell : int
        Pixels of a place in the network's coarsest map: with `fit` "aspect" sides are multiples.
    decoder, backend, precision : str
        Who decoded, who computed, and with which arithmetic: each moves neighbours.
    reading : {1, 2}
        The rules by which files become pictures (`embeddings.reading`).
    window : tuple of float or None
        Grey levels shown as black and white, only when the user gave them; otherwise the
        store fixes one a kind of picture.
    data_bar : {"keep", "auto"}
        "auto": a microscope's data bar, where one is found, is cut off before the picture is seen.
    dim : int
        Length of a vector.
    """

    name: str
    weights: str = ""
    weights_sha256: str = ""
    layers: tuple[str, ...] = ()
    pooling: Pooling = "mean"
    tau: float = 0.0
    bank_sha256: str = ""
    normals_sha256: str = ""
    input_size: int = 224
    fit: Fit = "pad"
    resize: Resize = "auto"
    level: Level = "none"
    decoder: str = "pillow+tifffile"
    backend: str = "torch-cpu"
    precision: Precision = "float32"
    window: tuple[float, float] | None = None
    orientations: int = 1
    view: View = "picture"
    cell: int = 32
    data_bar: DataBarUse = "keep"
    reading: int = READING
    dim: int

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"dim is {self.dim}, expected 1 or more")
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"window is {self.window}, expected low < high")
        if self.orientations not in (1, 4, 8):
            raise ValueError(f"orientations is {self.orientations}, expected 1, 4 or 8")

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as JSON-ready values."""
        values = asdict(self)
        values["layers"] = list(self.layers)
        # As floats, as they are read back: 0 and 0.0 are one window and must be one hash.
        values["window"] = None if self.window is None else [float(one) for one in self.window]
        # A store that has no use for a field added later is the store it was before.
        return {key: value for key, value in values.items() if _ADDED.get(key, _ANY) != value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a spec back from `to_dict`.

        Raises
        ------
        StoreError
            A field is missing or unknown (a store of another version).
        """
        names = {field.name for field in fields(cls)}
        values = _ADDED | dict(values)
        if set(values) != names:
            odd = ", ".join(sorted(set(values) ^ names))
            advice = UPGRADE if set(values) > names else "made by another version"
            raise StoreError(f"an extractor spec with other fields ({odd}): {advice}")
        check_reading(values["reading"])
        window = values["window"]
        return cls(
            **{
                **values,
                "layers": tuple(values["layers"]),
                "window": None if window is None else (float(window[0]), float(window[1])),
            }
        )

    @property
    def compares(self) -> bool:
        """Whether patches are compared with a bank, or with each picture's golden reference."""
        return self.pooling in COMPARING

    @property
    def hash(self) -> str:
        """First 16 hex digits of the sha256 over every field but the weights' name."""
        values = self.to_dict()
        del values["weights"]  # a file name is not part of what was computed
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: "ExtractorSpec") -> list[str]:
        """Name each field that differs, as ``field: ours != theirs``."""
        ours, theirs = _ADDED | self.to_dict(), _ADDED | other.to_dict()
        return [
            f"{name}: {ours[name]} != {theirs[name]}"
            for name in ours
            if name != "weights" and ours[name] != theirs[name]
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """Embeddings of n images, aligned with what is known of each.

    Attributes
    ----------
    ids : (n,) array of str
        Content hash, with ``#page`` and ``@x,y,w,h`` for pages, tiles and crops; unique.
    values : (n, d) float32, unit rows
        `LargeValues` only where a round asked for what need not be in memory.
    rows : DataFrame, n rows, index 0..n-1
        The columns of `ROW_COLUMNS`. `path` is the first path of the image, `paths` the list
        of all of them (exact duplicates), `metadata` a JSON object as text.
    spec : ExtractorSpec
    """

    ids: NDArray[np.str_]
    values: Values
    rows: pd.DataFrame
    spec: ExtractorSpec

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.values.dtype != np.float32 or self.values.shape != (n, self.spec.dim):
            raise ValueError(
                f"values are {self.values.dtype} {self.values.shape}, "
                f"expected float32 {(n, self.spec.dim)}"
            )
        if len(self.rows) != n:
            raise ValueError(f"{len(self.rows)} rows for {n} ids")
        if len(np.unique(self.ids)) != n:
            raise ValueError("ids are not unique")
        missing = set(ROW_COLUMNS) - set(self.rows.columns)
        if missing:
            raise ValueError(f"rows lack the columns {sorted(missing)}")
        if isinstance(self.values, LargeValues):
            return  # looked at when they were written, and by their checksum when they are read
        # einsum, since np.linalg.norm would square a copy as large as the values themselves.
        norms = np.sqrt(np.einsum("ij,ij->i", self.values, self.values))  # (n,)
        if not np.allclose(norms, 1.0, atol=2e-3):  # fp16 storage rounds to about 5e-4
            raise ValueError("values are not unit rows")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: NDArray[np.intp]) -> "Vectors":
        """Return the images at these positions, in that order."""
        rows = self.rows.iloc[positions].reset_index(drop=True)
        return replace(self, ids=self.ids[positions], values=self.values[positions], rows=rows)


def unit_rows(values: NDArray[Any]) -> NDArray[np.float32]:
    """Scale each row of an (n, d) array to length 1; a zero row becomes the constant unit row.

    A zero row has no direction: the constant one keeps it finite, and keeps all such
    images (uniform fields) together.
    """
    scale = np.abs(values).max(axis=1, keepdims=True, initial=0).astype(np.float64)  # (n, 1)
    zero = scale[:, 0] == 0
    # By the largest entry first: the squares of very small ones would vanish.
    unit = values / np.where(scale == 0, 1.0, scale)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1.0)
    unit[zero] = 1.0 / np.sqrt(values.shape[1])
    return np.ascontiguousarray(unit, dtype=np.float32)
