"""KLARF 1.2: the images of a run as a defect list with classes, for yield management systems.

The mapping: CLASSNUMBER and FINEBINNUMBER are the type (0: not classified), ROUGHBINNUMBER its
first level, CLUSTERNUMBER the cluster plus one (0: in no cluster), DEFECTID the row of the handoff
from 1, FILENAME the image. Positions, sizes and die are not in a handoff: they are 0, and the
header says of the wafer what the format asks for and nobody knows. Where the images came from a
KLARF, that one is written again instead (`discovery.formats.klarf_back`).
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
    # Last, in quotes: readers that cut a row at its blanks have all that they know before it.
    "FILENAME",
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
    rows = handoff.rows[["image_id", "path", "cluster_id", "label"]]
    # One list and one semicolon at its end: readers take a second one for another wafer.
    defects = [
        _format_defect(
            number,
            image_id,
            path,
            bins=(cluster + 1, rough.get(_root(label), 0), fine.get(label, 0)),
        )
        for number, (image_id, path, cluster, label) in enumerate(
            rows.itertuples(index=False, name=None), start=1
        )
    ]
    lines = [
        *_format_header(handoff.run_id, at=at),
        f"ClassLookup {len(fine) + 1}",
        *_end([' 0 "unclassified"', *(f' {n} "{_quote(label)}"' for label, n in fine.items())]),
        "InspectionTest 1;",
        "SampleTestPlan 1",
        " 0 0;",
        "AreaPerTest 1.0;",
        f"DefectRecordSpec {len(_COLUMNS)} {' '.join(_COLUMNS)} ;",
        "DefectList",
        *_end(defects),
        "SummarySpec 5 TESTNO NDEFECT DEFDENSITY NDIE NDEFDIE ;",
        "SummaryList",
        f" 1 {len(defects)} {len(defects):.1f} 1 {min(len(defects), 1)};",
        "EndOfFile;",
    ]
    return ("\n".join(lines) + "\n").encode()


def _format_header(run_id: str, *, at: str) -> list[str]:
    """Return what every reader wants to know of the wafer before its defects."""
    return [
        "FileVersion 1 2;",
        f"FileTimestamp {at};",
        'InspectionStationID "defect-discovery" "ADC" "1";',
        "SampleType WAFER;",
        f"ResultTimestamp {at};",
        f'LotID "{_quote(run_id)}";',
        "SampleSize 1 300;",
        'DeviceID "unknown";',
        f'SetupID "defect-discovery" {at};',
        'StepID "unknown";',
        "SampleOrientationMarkType NOTCH;",
        "OrientationMarkLocation DOWN;",
        "DiePitch 1.0 1.0;",
        "DieOrigin 0.0 0.0;",
        'WaferID "1";',
        "Slot 1;",
        "SampleCenterLocation 0.0 0.0;",
    ]


def _format_defect(number: int, image_id: str, path: str, *, bins: tuple[int, int, int]) -> str:
    page, _ = split_id(image_id)
    cluster, rough, fine = bins
    # One image: IMAGECOUNT 1, then IMAGELIST as its count, the number in the file and its kind.
    numbers = [number, *[0] * 8, fine, 1, cluster, rough, fine, 1, 1, (page or 0) + 1, 0]
    return f' {" ".join(map(str, numbers))} "{_quote(PurePosixPath(path).name)}"'


def _end(lines: list[str]) -> list[str]:
    """End the last of a statement's lines; one that has none is the mark alone."""
    return [*lines[:-1], lines[-1] + ";"] if lines else [";"]


def _root(label: str) -> str:
    return label.split("/")[0]


def _number(labels: Iterable[str]) -> dict[str, int]:
    return {label: number for number, label in enumerate(sorted(set(labels)), start=1)}


def _quote(text: str) -> str:
    """Replace what would end a text of KLARF: it knows no escape."""
    return re.sub(r'["\r\n;]', "_", text)
