"""The sets of images that benchmarks measure on: where they are listed, and their true types.

Four sets choose (NEU-DET, magnetic tiles, WM-811K, and synthetic images drawn on the spot); crops
of DeepPCB are kept aside and choose nothing.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from discovery.synthetic import plan_pictures
from discovery.synthetic.folder import write_folder
from embeddings.extract import Extracted, ExtractOptions, extract_vectors
from embeddings.extract.recipe import make_recipe
from embeddings.records import Vectors
from embeddings.store import open_store
from embeddings.tables import read_table
from embeddings.tables.locate import resolve_path

CHOOSING = ("neu_det", "magnetic_tile", "wm811k", "synthetic")
ASIDE = "deeppcb crops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """A set: a CSV with path and label; `boxes` cuts one crop a defect.

    `normals` is a folder of images known to be free of defects, none of which is in `source`;
    with `has_references`, `source` names the golden image of each picture.
    """

    source: Path
    boxes: Path | None = None
    normals: Path | None = None
    has_references: bool = False


def find_sets(data: Path, stores: Path) -> dict[str, Images]:
    """Return the sets; the synthetic one is drawn where it is not there yet."""
    drawn = stores / "synthetic-images"
    if not (drawn / "truth.csv").exists():
        write_folder(plan_pictures(600, seed=0), drawn, seed=0)
    sets = {name: Images(source=data / name / "labels.csv") for name in CHOOSING[:3]}
    sets["synthetic"] = Images(source=drawn / "truth.csv")
    board = data / "deeppcb"
    return sets | {ASIDE: Images(source=board / "boxes.csv", boxes=board / "boxes.csv")}


def load_set(
    images: Images, store: Path, *, options: ExtractOptions
) -> tuple[Vectors, NDArray[np.str_]]:
    """Extract what is not in the store yet; return n vectors and their (n,) true types.

    Images whose exact copies have different types are left out, and counted on stderr.
    """
    options = replace(options, boxes=images.boxes)
    found = extract_vectors(images.source, store, options=options)
    type_of = _name_types(images, found, options)
    ids = [image_id for image_id in found.ids.tolist() if image_id in type_of]
    if len(ids) < len(found.ids):
        print(f"{len(found.ids) - len(ids)} images without one true type", file=sys.stderr)
    truth = np.array([type_of[image_id] for image_id in ids], dtype=np.str_)
    return open_store(store).load_vectors(ids), truth


def _name_types(images: Images, found: Extracted, options: ExtractOptions) -> dict[str, str]:
    """Return the true type by image id."""
    file_of = dict(zip(found.paths["path"], found.paths["file_id"], strict=True))
    table = read_table(images.source, required=("path", "label"))
    table["path"] = [str(resolve_path(path, images.source.parent)) for path in table["path"]]
    table = table[table["path"].isin(file_of)]  # quarantined ones have no vector
    if images.boxes is None:
        types = table["label"].groupby(table["path"].map(file_of))
        return {file_id: of.iloc[0] for file_id, of in types if of.nunique() == 1}
    recipe = make_recipe(options)  # crops in the order of the table
    type_of: dict[str, str] = {}
    for path, labels in table.groupby("path")["label"]:
        crops = recipe.crop_ids(str(path), file_of[path])
        type_of.update(zip(crops, labels, strict=True))
    return type_of
