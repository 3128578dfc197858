"""Damaged files of every kind a user gives: an answer or one error of ours, soon, in little memory.

`fuzz` makes inputs from a seed, so that what went wrong can be made again: run
`pytest tests/reliability/test_fuzzed_inputs.py -m long` for ten thousand of them.
"""

import contextlib
import io
import json
import resource
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from discovery.classifier.model import load_model
from discovery.formats.handoff import read_known_types
from discovery.ledger.lines import read_decisions
from embeddings.bounded import check_safetensors, check_torch_file
from embeddings.errors import DefectDiscoveryError
from embeddings.images import crop_box, read_headers, read_pictures
from embeddings.store import open_store
from embeddings.tables import (
    read_boxes,
    read_image_list,
    read_klarf,
    read_metadata,
)

SECONDS = 10.0  # of the processor, for one input
MEMORY = 1_000_000  # kB that the process may grow by, whatever it has read
GREY = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)

KLARF_1_2 = b"""FileVersion 1 2;
FileTimestamp 01-02-26 10:00:00;
SampleSize 1 300;
DiePitch 5.0e+03 5.0e+03;
WaferID "W1";
TiffFileName a.tif;
DefectRecordSpec 7 DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST ;
DefectList
 1 10.0 20.0 1 2 1 1 0
 2 11.5 2.0e+02 1 -2 1 2 0;
SummarySpec 2 TESTNO NDEFECT ;
SummaryList 1 2;
EndOfFile;
"""
KLARF_1_8 = b"""Record FileRecord "1.8"
{
  Record LotRecord "L"
  {
    Field DiePitch 2 {5000.0, 5000.0}
    Record WaferRecord "1"
    {
      Field SampleSize 2 {300000000, 0}
      List DefectList
      {
        Columns 3 { int32 DEFECTID, float XREL, ImageInfo IMAGEINFO }
        Data 2
        {
          1 1.5 Images 1 { "a.tif" "TIFF" 0 1 };
          2 2.5 Images 0 {};
        }
      }
    }
  }
}
EndOfFile;
"""
BOXES = b"path,xmin,ymin,xmax,ymax,page,label\na.png,1,2,30.5,40,0,x\nb.png;c,1,2,3,4,1,y\n"
METADATA = b'path;lot;size\na.png;A;1,5\n"b.png";B;2,75\n'
HANDOFF = json.dumps(
    {"format": "defect-discovery-handoff", "version": 1, "run_id": "0" * 16, "types": [],
     "counts": {"images": 1}, "store": {}, "sha256": "0" * 64}
).encode()  # fmt: skip
LEDGER = (
    json.dumps({"action": "accept", "image_ids": ["a", "b"], "label": "x", "by": "me",
                "at": "2026-01-01T00:00:00+00:00", "proposal_id": "P-00000000"}) + "\n"
).encode() * 3  # fmt: skip


def _encode(kind: str, pixels: np.ndarray = GREY, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(pixels: np.ndarray = GREY, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def _read_image(path: Path) -> None:
    read_headers(path)
    read_pictures(path, max_pixels=10_000_000)


def _read_boxes(path: Path) -> None:
    for _, row in read_boxes(path).iterrows():
        region = crop_box((row["xmin"], row["ymin"], row["xmax"], row["ymax"]))
        np.array([region.x0, region.width], dtype=np.int32)


def _read_handoff(path: Path) -> None:
    read_known_types(path.parent)


def _read_tensors(path: Path) -> None:
    with contextlib.suppress(ValueError):  # what the callers turn into their own error
        (check_safetensors if path.suffix == ".safetensors" else check_torch_file)(path)


def _seeds() -> list[tuple[str, bytes, Callable[[Path], object]]]:
    colour = np.stack([GREY] * 3, axis=-1)
    stack = np.stack([GREY] * 3)
    images = {
        "a.tif": _tiff(), "zlib.tif": _tiff(compression="zlib", predictor=True),
        "lzw.tif": _tiff(colour, photometric="rgb", compression="lzw", rowsperstrip=8),
        "tiles.tif": _tiff(GREY.astype(np.uint16), tile=(16, 16), compression="zlib"),
        "float.tif": _tiff(GREY.astype(np.float32)), "big.tif": _tiff(bigtiff=True),
        "jpeg.tif": _tiff(colour, photometric="rgb", compression="jpeg"),
        "stack.tif": _tiff(stack, photometric="minisblack"),
        "bits.tif": _tiff(GREY > 100, compression="packbits"),
        "a.png": _encode("PNG"), "rgb.png": _encode("PNG", colour),
        "wide.png": _encode("PNG", GREY.astype(np.uint16)),
        "a.jpg": _encode("JPEG"), "scans.jpg": _encode("JPEG", colour, progressive=True),
        "a.bmp": _encode("BMP"), "a.pgm": _encode("PPM"), "a.ppm": _encode("PPM", colour),
        "text.pgm": b"P2\n# a\n20 20\n255\n" + b"7 12 200 0\n" * 100,
    }  # fmt: skip
    return [
        *((name, data, _read_image) for name, data in images.items()),
        ("a.klarf", KLARF_1_2, read_klarf),
        ("b.klarf", KLARF_1_8, read_klarf),
        ("boxes.csv", BOXES, _read_boxes),
        ("metadata.csv", METADATA, read_metadata),
        ("list.csv", METADATA, read_image_list),
        ("handoff.json", HANDOFF, _read_handoff),
        ("decisions.jsonl", LEDGER, read_decisions),
        ("model.json", HANDOFF, lambda path: load_model(path.parent)),
        ("store.json", HANDOFF, lambda path: open_store(path.parent)),
        ("a.safetensors", struct.pack("<Q", 60) + b'{"a":{}}'.ljust(60), _read_tensors),
        ("a.pth", b"PK\3\4" + bytes(40) + b"PK\5\6" + bytes(18), _read_tensors),
    ]  # fmt: skip


SEEDS = _seeds()
NUMBERS = (b"1e300", b"-1e300", b"nan", b"inf", b"9" * 40, b"-1", b"0", b"1e-320", b"\xff\xfe",
           b"{" * 500, b"[" * 5000, b'"', b"\0", b"\r", "\u202e".encode(), b"=1+1")  # fmt: skip


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a file damaged in one to four places: bits, numbers, cuts, copies of a part."""
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not damaged:
            break
        at = int(rng.integers(len(damaged)))
        match int(rng.integers(6)):
            case 0:
                damaged[at] ^= 1 << int(rng.integers(8))
            case 1:
                value = int(rng.choice([0, 1, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
                damaged[at : at + 4] = value.to_bytes(4, "little" if rng.random() < 0.7 else "big")
            case 2:
                del damaged[at:]
            case 3:
                del damaged[at : at + int(rng.integers(1, 20))]
            case 4:
                end = min(len(damaged), at + int(rng.integers(1, 200)))
                damaged[at:at] = damaged[at:end] * int(rng.integers(1, 20))
            case 5:
                damaged[at : at + int(rng.integers(0, 6))] = NUMBERS[
                    int(rng.integers(len(NUMBERS)))
                ]
    return bytes(damaged)


def fuzz(seed: int, n: int) -> Iterator[tuple[str, bytes, Callable[[Path], object]]]:
    """Yield `n` damaged inputs: a file's name, its bytes, and what reads it."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        name, data, read = SEEDS[number % len(SEEDS)]
        yield name, mutate(data, rng), read


def try_input(folder: Path, name: str, data: bytes, read: Callable[[Path], object]) -> str:
    """Return what is wrong with the way an input is read; empty where all is well."""
    path = folder / name
    path.write_bytes(data)
    start = time.process_time()
    try:
        read(path)
    except DefectDiscoveryError as error:
        if "\n" in str(error) or len(str(error)) > 2000:
            return f"{name}: an error of more than a line: {str(error)[:200]!r}"
    except Exception as error:  # noqa: BLE001 - all others are what is looked for
        return f"{name}: {type(error).__name__}: {str(error)[:300]}"
    finally:
        path.unlink()
    took = time.process_time() - start
    return f"{name}: {took:.0f} s" if took > SECONDS else ""


def look_for_faults(folder: Path, seed: int, n: int) -> list[str]:
    """Try `n` inputs; return what was wrong, each with the number that makes it again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    faults = []
    for number, (name, data, read) in enumerate(fuzz(seed, n)):
        fault = try_input(folder, name, data, read)
        faults += [f"seed {seed}, input {number}: {fault}"] if fault else []
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > MEMORY:
        faults.append(f"seed {seed}: the process grew by {grown} kB")
    return faults


@pytest.mark.filterwarnings("ignore")  # of libraries, about what is damaged
def test_a_few_damaged_inputs(tmp_path):
    assert [] == look_for_faults(tmp_path, seed=1, n=12 * len(SEEDS))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(100, 110))
def test_ten_thousand_damaged_inputs(tmp_path, seed):
    assert [] == look_for_faults(tmp_path, seed=seed, n=1000)
