"""What a file that a user gives may ask for: JSON, .npz, safetensors, what ``torch.save`` wrote.

A few kilobytes can hold brackets in brackets, a number of a million digits, or gigabytes that are
packed. All is told before it is read; a `ValueError` says what there is too much of.
"""

import io
import json
import math
import pickletools  # nosec B403 # lists what a pickle would do, and does none of it
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from numpy.lib import format as npy
from numpy.typing import NDArray

_DEEPEST = 64  # brackets in brackets: what is written here has seven
_MOST_BITS = 64
_MOST_HEADER = 8_000_000  # bytes: 1,000 tensors take 150 kB
_MOST_TENSORS = 20_000  # of the largest network that is known, 2,000
_MOST_DIRECTORY = 4_000_000  # bytes: the list of what a zip holds
_MOST_STEPS = 2_000_000  # of a pickle: a network of 1,000 tensors takes 50,000
_SLACK = 1_000_000  # bytes
_MOST_RATIO = 50  # of an .npz: ids, four bytes a letter, shrink to a seventh
# What zipfile raises of a damaged zip in memory: no list or a wrong checksum, bytes that cannot be
# unpacked, a flipped bit that asks for another method or a password, an end that is missing.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)
_UNPARSED = (ValueError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError)
_NPY_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def parse_json(data: bytes | str) -> Any:
    """Return the values of a JSON text.

    Raises
    ------
    ValueError
        It is none, is nested too deeply, or holds a whole number beyond 64 bits.
    """
    try:
        values = json.loads(data, parse_int=_parse_int)
    except RecursionError:
        raise ValueError("brackets in brackets without end") from None
    _check_depth(values)
    return values


def _parse_int(text: str) -> int:
    # 2**64 has 20 digits; Python itself refuses those of 4,300.
    if len(text) > 21 or (number := int(text)).bit_length() > _MOST_BITS:
        raise ValueError(f"a number beyond {_MOST_BITS} bits: {text[:40]}")
    return number


def _check_depth(values: Any) -> None:
    level = [values] if isinstance(values, dict | list) else []
    for _ in range(_DEEPEST):
        if not level:
            return
        level = [
            child
            for one in level
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
    if level:
        raise ValueError(f"brackets in brackets, more than {_DEEPEST} deep")


def parse_npz(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz, without pickle; each is held against its bytes first.

    Raises
    ------
    ValueError
        It is none, or an array asks for more than its bytes or the file's can hold.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
            if unpacked > _MOST_RATIO * len(data) + _SLACK:
                raise ValueError(f"{len(data)} bytes become {unpacked}")
            return {one.filename.removesuffix(".npy"): _read_npy(archive, one)
                    for one in archive.infolist()}  # fmt: skip
    except ZIP_DAMAGE as error:
        raise ValueError(str(error) or "it ends early") from error


def _read_npy(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as handle:
        version = npy.read_magic(handle)
        if version not in _NPY_HEADERS:
            raise ValueError(f"{member.filename} is of version {version}")
        try:
            shape, _, dtype = _NPY_HEADERS[version](handle)
        except _UNPARSED as error:  # NumPy says it with the whole header, in several lines
            raise ValueError(f"the header of {member.filename} cannot be read") from error
        asked, there = math.prod(shape) * max(dtype.itemsize, 1), member.file_size - handle.tell()
    if asked != there or any(side < 0 for side in shape):
        raise ValueError(f"{member.filename} of shape {shape} asks for {asked} bytes of {there}")
    with archive.open(member) as handle:
        array: NDArray[Any] = npy.read_array(handle, allow_pickle=False)
    return array


def check_safetensors(path: Path) -> None:
    """Look at the header of a safetensors file before it is loaded.

    Raises
    ------
    ValueError
        It is longer than the file, or names more tensors than any network has.
    OSError
        The file cannot be read.
    """
    with path.open("rb") as handle:
        size = path.stat().st_size
        (length,) = struct.unpack("<Q", handle.read(8).ljust(8, b"\0"))
        if length > min(size, _MOST_HEADER):
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        tensors = handle.read(length).count(b'"data_offsets"')
    if tensors > _MOST_TENSORS:
        raise ValueError(f"{tensors} tensors, expected at most {_MOST_TENSORS}")


def check_torch_file(path: Path) -> None:
    """Look at a file of ``torch.save`` before it is loaded: nothing of it is unpacked or run.

    Raises
    ------
    ValueError
        It is compressed, which ``torch.save`` never does, or its pickle is too long.
    OSError
        The file cannot be read.
    """
    with path.open("rb") as handle:
        if handle.read(4) == b"PK\3\4":
            _check_zip(handle, path.stat().st_size)
        else:
            handle.seek(0)
            _check_pickles(handle)


def _check_zip(handle: BinaryIO, size: int) -> None:
    handle.seek(max(0, size - 65_557))
    tail = handle.read()
    at = tail.rfind(b"PK\5\6")
    entries, length = struct.unpack("<HI", tail[at + 10 : at + 16].ljust(6, b"\0"))
    if at < 0 or entries == 0xFFFF or length > _MOST_DIRECTORY:
        raise ValueError(f"a zip of {entries} entries in {length} bytes")
    try:
        with zipfile.ZipFile(handle) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(str(error)) from error
    unpacked = sum(one.file_size for one in listed)
    if unpacked > size + _SLACK or any(one.compress_type for one in listed):
        raise ValueError(
            f"it is compressed: {size} bytes become {unpacked}; save it by torch.save alone"
        )
    pickled = max((one.file_size for one in listed if one.filename.endswith(".pkl")), default=0)
    if pickled > _MOST_HEADER:
        raise ValueError(f"a pickle of {pickled} bytes")


def _check_pickles(handle: BinaryIO) -> None:
    """Count the steps of the pickles that an older ``torch.save`` wrote one behind another."""
    steps = 0
    for _ in range(4):  # a magic number, a protocol, the system, the tensors
        for _ in pickletools.genops(handle):
            steps += 1
            if steps > _MOST_STEPS:
                raise ValueError(f"a pickle of more than {_MOST_STEPS} steps")
