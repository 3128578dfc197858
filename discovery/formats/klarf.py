"""KLARF 1.2: the images of a run as a defect list with classes, for yield management systems.

The mapping: CLASSNUMBER and FINEBINNUMBER are the type (0: not classified), ROUGHBINNUMBER its
first level, CLUSTERNUMBER the cluster plus one (0: in no cluster), DEFECTID the row of the handoff
from 1, FILENAME the image. Lot, wafer, places and sizes are those of the images' metadata; what
nobody knows is 0, and the header says what the format asks for. Where the images came from a KLARF
that is there, that one is written again instead (`discovery.formats.klarf_back`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from discovery.formats.klarf_known import Known, WaferFacts, describe_wafer, group_wafers
from discovery.records import Handoff
from embeddings.images import split_id

_COLUMNS = (
    "DEFECTID", "XREL", "YREL", "XINDEX", "YINDEX", "XSIZE", "YSIZE", "DEFECTAREA", "DSIZE",
    "CLASSNUMBER", "TEST", "CLUSTERNUMBER", "ROUGHBINNUMBER", "FINEBINNUMBER", "IMAGECOUNT",
    "IMAGELIST",
    # Last, in quotes: readers that cut a row at its blanks have all that they know before it.
    "FILENAME",
)  # fmt: skip


def format_klarf(
    handoff: Handoff, *, at: datetime, known: Mapping[str, Known] | None = None
) -> bytes:
    """Return the bytes of a KLARF 1.2 file with every row of the handoff.

    Parameters
    ----------
    at : datetime
        Time of the result.
    known : mapping of image id to metadata, optional
        Lot, wafer, places and sizes, as far as they are known.
    """
    fine = _number(handoff.labelled["label"])
    rough = _number(label.split("/")[0] for label in handoff.labelled["label"])
    rows = handoff.rows[["image_id", "path", "cluster_id", "label"]]
    facts = [(known or {}).get(image_id, {}) for image_id in rows["image_id"]]
    wafers: list[str] = []
    # One list a wafer, with one semicolon at its end: readers take a second for another wafer.
    for test, positions in enumerate(group_wafers(facts) or [[]], start=1):
        wafer = describe_wafer([facts[position] for position in positions])
        chosen = rows.iloc[positions].itertuples(index=False, name=None)
        defects = [
            _format_defect(
                (position + 1, image_id, path),
                [*wafer.places[place], *wafer.sizes[place]],
                bins=(cluster + 1, rough.get(_root(label), 0), fine.get(label, 0)),
            )
            for place, (position, (image_id, path, cluster, label)) in enumerate(
                zip(positions, chosen, strict=True)
            )
        ]
        wafers += _format_wafer(wafer, handoff.run_id, number=test)
        wafers += _format_classes(fine) if test == 1 else []
        wafers += [
            "InspectionTest 1;",
            "SampleTestPlan 1",
            " 0 0;",
            "AreaPerTest 1.0;",
            # Again for each wafer: readers begin a new list of defects with it.
            f"DefectRecordSpec {len(_COLUMNS)} {' '.join(_COLUMNS)} ;",
            "DefectList",
            *_end(defects),
            "SummarySpec 5 TESTNO NDEFECT DEFDENSITY NDIE NDEFDIE ;",
            "SummaryList",
            f" 1 {len(defects)} {len(defects):.1f} 1 {min(len(defects), 1)};",
        ]
    lines = [*_format_header(f"{at:%m-%d-%Y %H:%M:%S}"), *wafers, "EndOfFile;"]
    return ("\n".join(lines) + "\n").encode()


def _format_header(at: str) -> list[str]:
    return [
        "FileVersion 1 2;",
        f"FileTimestamp {at};",
        'InspectionStationID "defect-discovery" "ADC" "1";',
        "SampleType WAFER;",
        f"ResultTimestamp {at};",
        f'SetupID "defect-discovery" {at};',
        "SampleOrientationMarkType NOTCH;",
        "OrientationMarkLocation DOWN;",
        "DieOrigin 0.0 0.0;",
    ]


def _format_wafer(wafer: WaferFacts, run_id: str, *, number: int) -> list[str]:
    """Return what every reader wants to know of a wafer before its defects."""
    pitch, centre = (" ".join(map(_write, pair)) for pair in (wafer.die_pitch, wafer.sample_center))
    return [
        f'LotID "{_quote(wafer.lot or run_id)}";',
        f"SampleSize 1 {wafer.diameter_mm:g};",
        f'DeviceID "{_quote(wafer.device or "unknown")}";',
        f'StepID "{_quote(wafer.step or "unknown")}";',
        f"DiePitch {pitch};",
        f'WaferID "{_quote(wafer.wafer or str(number))}";',
        f"Slot {wafer.slot if wafer.slot.isdecimal() else number};",
        f"SampleCenterLocation {centre};",
    ]


def _format_classes(fine: Mapping[str, int]) -> list[str]:
    named = [f' {number} "{_quote(label)}"' for label, number in fine.items()]
    return [f"ClassLookup {len(fine) + 1}", *_end([' 0 "unclassified"', *named])]


def _format_defect(
    image: tuple[int, str, str], measures: Sequence[float], *, bins: tuple[int, int, int]
) -> str:
    number, image_id, path = image
    page, _ = split_id(image_id)
    cluster, rough, fine = bins
    places = [_write(value) for value in measures]
    places[2:4] = [str(round(value)) for value in measures[2:4]]  # the die's column and row
    # One image: IMAGECOUNT 1, then IMAGELIST as its count, the number in the file and its kind.
    numbers = [number, *places, fine, 1, cluster, rough, fine, 1, 1, (page or 0) + 1, 0]
    return f' {" ".join(map(str, numbers))} "{_quote(PurePosixPath(path).name)}"'


def _write(value: float) -> str:
    """Write a length to the nanometre; 0 as every tool writes what it does not know."""
    return f"{value:.3f}" if value else "0"


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
