"""Texts of a stranger's files, from the table to every page: shown as text, and run nowhere."""

import csv
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from discovery import RoundOptions, discover_types, open_review
from discovery.flow.refresh import publish_sheets
from discovery.runs import HANDOFF_CSV, REPORT, open_run
from embeddings.extract import ExtractOptions

SCRIPT = "</script><script>window.owned=1</script>"
IMAGE = "<img src=x onerror=window.owned=1>"
QUOTES = "\"'><svg onload=window.owned=1>"
KLARF = f"""FileVersion 1 2;
FileTimestamp 01-02-26 10:00:00;
InspectionStationID "A" "{SCRIPT}" "{IMAGE}";
ResultTimestamp 01-02-26 10:00:00;
LotID "{IMAGE}";
SampleSize 1 300;
DeviceID "{SCRIPT}";
SetupID "{IMAGE}" 01-02-26 10:00:00;
StepID "{IMAGE}";
WaferID "{SCRIPT}";
DefectRecordSpec 7 DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST ;
"""


class Elements(HTMLParser):
    """Counts what would run: scripts, handlers, and what is fetched."""

    def __init__(self):
        super().__init__()
        self.scripts, self.faults, self.text = 0, [], ""

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        if tag in ("iframe", "object", "embed", "svg") and not dict(attributes).get("class"):
            self.faults.append(tag)
        for name, value in attributes:
            address = name in ("src", "href") and not (value or "").startswith(("data:", "#"))
            if name.startswith("on") or address:
                self.faults.append((tag, name, value))

    def handle_data(self, data):
        self.text += data


def read_page(path):
    found = Elements()
    found.feed(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two kinds of pictures, some with hostile names."""
    folder = tmp_path_factory.mktemp("hostile") / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    for number in range(16):
        pattern = 60 * np.sin((x if number % 2 else y) / 1.5)
        pixels = np.clip(120 + pattern + rng.normal(0, 5, (48, 48)), 0, 255).astype(np.uint8)
        # No file's name may hold a slash.
        name = f"{IMAGE}{number:02}.png" if number < 4 else f"{number:02}.png"
        Image.fromarray(pixels).save(folder / name)
    return folder


def write_csv(table, names):
    with table.open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["path", "tool", "lot", f"{IMAGE}", "wafer"])
        for number, name in enumerate(names):
            rows.writerow([name, (SCRIPT, QUOTES)[number % 2], IMAGE, SCRIPT, f"{QUOTES}{number}"])


def write_klarf(table, names):
    """Write a KLARF, whose texts hold no quotes of their own."""
    defects = [
        f'TiffFileName "{name}";\nDefectList\n {number} 1.0 2.0 1 1 1 1 1 0;\n'
        for number, name in enumerate(names, start=1)
    ]
    table.write_text(KLARF + "".join(defects) + "EndOfFile;\n", encoding="utf-8")


@pytest.mark.parametrize("write", [write_csv, write_klarf], ids=["csv", "klarf"])
def test_metadata_labels_and_definitions_are_text_in_the_report(images, tmp_path, write):
    table = tmp_path / f"meta.{write.__name__.removeprefix('write_')}"
    write(table, sorted(path.name for path in images.iterdir()))
    out = tmp_path / "run"
    extract = ExtractOptions(extractor="texture", metadata=table)
    discover_types(images, out, options=RoundOptions(extract=extract))
    plain = read_page(out / REPORT)
    with open_review(out, by=f"eve {IMAGE}") as review:
        first = review.state.proposals[0].proposal_id
        review.accept(first, f"defect/{IMAGE}", definition=f"{QUOTES} {SCRIPT}")
    publish_sheets(open_run(out))
    page = read_page(out / REPORT)
    assert plain.faults == page.faults == []
    assert plain.scripts == page.scripts == 2  # the page's data and its own script
    assert IMAGE in page.text  # shown, as text
    with (out / HANDOFF_CSV).open(encoding="utf-8", newline="") as handle:
        assert f"defect/{IMAGE}" in {row["label"] for row in csv.DictReader(handle)}
