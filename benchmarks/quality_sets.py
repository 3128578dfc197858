"""One set as `quality.py` sees it: its images, its vectors (made once, kept), its true types."""

import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from image_sets import ASIDE, Images, find_sets, load_set
from numpy.typing import NDArray

from discovery.stages.score import score_clustering
from embeddings.extract import ExtractOptions
from embeddings.extract.choose import choose_extractor
from embeddings.records import Vectors
from embeddings.tables import read_table
from embeddings.tables.locate import resolve_path

# What the peers' users have: the last layer's mean, of pictures squashed to a square.
PEER_VECTORS: dict[str, Any] = {
    "layers": ("layer4",), "pooling": "mean", "size": 224, "fit": "stretch", "resize": "bilinear",
}  # fmt: skip
GIVEN_NORMALS = "magnetic_tile given normals"
GIVEN_REFERENCES = "deeppcb crops given references"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A set, with the folder its stores and runs are kept in."""

    name: str
    images: Images
    stores: Path
    weights: str

    @cached_property
    def peer_vectors(self) -> tuple[Vectors, NDArray[np.str_]]:
        """The vectors that the peers' recipes get, with their (n,) true types."""
        options = self.options(**PEER_VECTORS)
        return load_set(self.images, self.place(options, "peer"), options=options)

    @cached_property
    def own_vectors(self) -> tuple[Vectors, NDArray[np.str_]]:
        """The vectors that this toolkit makes when nothing is said, with their true types."""
        options = self.options()
        return load_set(self.images, self.place(options, "run") / "store", options=options)

    @property
    def types(self) -> dict[str, str]:
        """The true type by image id."""
        vectors, truth = self.peer_vectors
        return dict(zip(vectors.ids.tolist(), truth.tolist(), strict=True))

    def score(self, ids: NDArray[np.str_], labels: NDArray[np.int32]) -> dict[str, float]:
        """Score (n,) labels as `discovery.evaluate` does; an image is counted once."""
        types = self.types
        found = dict(zip(ids.tolist(), labels.tolist(), strict=True))
        known = [image_id for image_id in found if image_id in types]
        return score_clustering(
            np.array([found[image_id] for image_id in known], dtype=np.int32),
            np.array([types[image_id] for image_id in known], dtype=np.str_),
        )

    def options(self, **values: Any) -> ExtractOptions:
        """Return how this set's images become vectors."""
        # The weights are ResNet-50's: a route with another extractor says so.
        given = {"weights": self.weights, "boxes": self.images.boxes} | values
        return ExtractOptions(**given)

    def place(self, options: ExtractOptions, kind: str) -> Path:
        """Return the folder of what is made with these options.

        Named after the extractor that they come to: a store keeps to the defaults it was made
        with, and would hide that they have changed since.
        """
        spec = choose_extractor(options, None).spec
        return self.stores / f"{self.name.replace(' ', '-')}-{kind}-{spec.hash[:8]}"


def find_cases(data: Path, stores: Path, weights: str) -> dict[str, Case]:
    """Return the five sets, two of them also with what is normal, in the order of the tables."""
    stores.mkdir(parents=True, exist_ok=True)
    sets = find_sets(data, stores)
    tiles = sets["magnetic_tile"]
    order = (
        "neu_det", "magnetic_tile", GIVEN_NORMALS, "wm811k", ASIDE, GIVEN_REFERENCES, "synthetic",
    )  # fmt: skip
    sets[GIVEN_NORMALS] = hold_back(tiles, every_second_normal(tiles.source), stores / "normals")
    sets[GIVEN_REFERENCES] = name_references(sets[ASIDE], data / "deeppcb", stores / "references")
    return {
        name: Case(name=name, images=sets[name], stores=stores, weights=weights) for name in order
    }


def name_references(images: Images, board: Path, folder: Path) -> Images:
    """Name the golden image of each box's picture, as labels.csv has it, in a CSV of its own."""
    boxes = _read_paths(images.source)
    pairs = read_table(board / "labels.csv", required=("path", "template"))
    places = {
        (board / path).resolve(): str((board / template).resolve())
        for path, template in zip(pairs["path"], pairs["template"], strict=True)
    }
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "boxes.csv"
    golden = [places[Path(path).resolve()] for path in boxes["path"]]
    boxes.assign(reference=golden).to_csv(table, index=False)
    return replace(images, source=table, boxes=table, has_references=True)


def make_case(name: str, table: Path, normals: Path | None, *, stores: Path, weights: str) -> Case:
    """Make a case of a CSV with path and label; images of the CSV `normals` are held back."""
    stores.mkdir(parents=True, exist_ok=True)
    images = Images(source=table)
    if normals is not None:
        paths = _read_paths(normals)["path"].tolist()
        images = hold_back(images, paths, stores / f"{name}-normals")
    return Case(name=name, images=images, stores=stores, weights=weights)


def every_second_normal(table: Path, label: str = "MT_Free") -> list[str]:
    """Return the paths of the 2nd, 4th, ... row with the label of the normals."""
    rows = _read_paths(table)
    return rows.loc[rows["label"] == label, "path"].tolist()[1::2]


def hold_back(images: Images, normals: list[str], folder: Path) -> Images:
    """Take the normals out of a set: they are copied into a folder, the rest is a CSV beside it."""
    rows = _read_paths(images.source)
    copied = folder / "normals"
    shutil.rmtree(copied, ignore_errors=True)  # of an earlier call, with other normals
    copied.mkdir(parents=True)
    for number, path in enumerate(normals):  # links would count as leaving the folder
        shutil.copyfile(path, copied / f"{number:05d}-{Path(path).name}")
    rest = folder / "rest.csv"
    rows[~rows["path"].isin(normals)][["path", "label"]].to_csv(rest, index=False)
    return replace(images, source=rest, normals=copied)


def _read_paths(table: Path) -> pd.DataFrame:
    """Read a CSV with its paths made absolute; a column label is not needed for normals."""
    rows = read_table(table, required=("path",))
    return rows.assign(path=[str(resolve_path(p, table.parent).absolute()) for p in rows["path"]])
