"""KLARF 1.2: the labelled images as a defect list with classes, for yield management systems.

The mapping: CLASSNUMBER and FINEBINNUMBER are the type (0: not classified), ROUGHBINNUMBER its
first level, CLUSTERNUMBER the cluster plus one (0: in no cluster), DEFECTID the row of the handoff
from 1. Each defect follows the TiffFileName of its image. Positions, sizes and die are not in a
handoff: they are 0, and the file is joined to the inspection's own KLARF by the image's name.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from discovery.records import Handoff
from embeddings.images import split_id

_COLUMNS = (
    "DEFECTID", "XREL", "YREL", "XINDEX", "YINDEX", "XSIZE", "YSIZE", "DEFECTAREA", "DSIZE",
    "CLASSNUMBER", "TEST", "CLUSTERNUMBER", "ROUGHBINNUMBER", "FINEBINNUMBER", "IMAGECOUNT",
    "IMAGELIST",
)  # fmt: skip


def format_klarf(handoff: Handoff, *, at: str) -> bytes:
    """Return the bytes of a KLARF 1.2 file with every row of the handoff.

    Parameters
    ----------
    at : str
        Time of the result, as ``MM-DD-YYYY HH:MM:SS``.
    """
    fine = _number(handoff.labelled["label"])
    rough = _number(label.split("/")[0] for label in handoff.labelled["label"])
    lines = [
        "FileVersion 1 2;",
        f"FileTimestamp {at};",
        'InspectionStationID "defect-discovery" "ADC" "1";',
        "SampleType WAFER;",
        f"ResultTimestamp {at};",
        f'LotID "{_quote(handoff.run_id)}";',
        'WaferID "1";',
        "Slot 1;",
        f"ClassLookup {len(fine) + 1}",
        ' 0 "unclassified"',
        *(f' {number} "{_quote(label)}"' for label, number in fine.items()),
    ]
    lines[-1] += ";"
    lines.append(f"DefectRecordSpec {len(_COLUMNS)} {' '.join(_COLUMNS)} ;")
    rows = handoff.rows[["image_id", "path", "cluster_id", "label"]]
    for defect, (image_id, path, cluster, label) in enumerate(
        rows.itertuples(index=False, name=None), start=1
    ):
        page, _ = split_id(image_id)
        kind, bin_ = fine.get(label, 0), rough.get(label.split("/")[0], 0)
        # One image: IMAGECOUNT 1, then IMAGELIST as its count, the number in the file and its kind.
        numbers = [defect, *[0] * 8, kind, 1, cluster + 1, bin_, kind, 1, 1, (page or 0) + 1, 0]
        lines.append(f'TiffFileName "{_quote(PurePosixPath(path).name)}";')
        lines.append("DefectList")
        lines.append(" " + " ".join(map(str, numbers)) + ";")
    lines.append("EndOfFile;")
    return ("\n".join(lines) + "\n").encode()


def _number(labels: Iterable[str]) -> dict[str, int]:
    return {label: number for number, label in enumerate(sorted(set(labels)), start=1)}


def _quote(text: str) -> str:
    """Replace what would end a text of KLARF: it knows no escape."""
    return re.sub(r'["\r\n;]', "_", text)
