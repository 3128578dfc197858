"""ImageFolder: one folder a type, the labelled images in it.

The layout torchvision's ImageFolder, Keras and MVTec-like tools read. The label's levels become
nested folders; ImageFolder itself takes the first level as the class, so `flat` joins the levels.
"""

from pathlib import PurePosixPath

from discovery.formats.pictures import name_picture
from discovery.records import Handoff


def plan_imagefolder(handoff: Handoff) -> dict[PurePosixPath, tuple[str, str]]:
    """Say where each labelled image goes: ``<label>/<file name>`` -> (image id, path).

    Exact duplicates go once. Two images of one name in one folder are told apart by the image
    id's first digits.
    """
    plan: dict[PurePosixPath, tuple[str, str]] = {}
    seen: set[str] = set()
    for image_id, path, label in handoff.labelled[["image_id", "path", "label"]].itertuples(
        index=False, name=None
    ):
        if image_id in seen:
            continue
        seen.add(image_id)
        name = PurePosixPath(name_picture(image_id, path))
        target = PurePosixPath(label) / name
        if target in plan:
            target = PurePosixPath(label) / f"{name.stem}_{image_id[:16]}{name.suffix}"
        plan[target] = (image_id, path)
    return plan
