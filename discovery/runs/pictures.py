"""What pictures.npz looks like: ids, sizes, and the bytes of the JPEGs one after the other."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.records import Pictures, TileSheet
from embeddings.bounded import parse_npz
from embeddings.errors import RunError


def format_pictures(pictures: Pictures) -> bytes:
    """Return pictures.npz; the JPEGs are not compressed again."""
    tiles = pictures.tiles
    arrays: dict[str, NDArray[Any]] = {
        **_pack("thumbnails", pictures.thumbnails),
        **_pack("larger", pictures.larger),
        **_pack("heats", pictures.heats),
        **_pack("tiles", {str(number): sheet.data for number, sheet in enumerate(tiles)}),
        "tile_ids": np.array([name for sheet in tiles for name in sheet.ids], np.str_),
        "tile_shapes": np.array(
            [(len(sheet.ids), sheet.columns, sheet.side) for sheet in tiles], np.int64
        ).reshape(-1, 3),
    }
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes the names for options
    return file.getvalue()


def parse_pictures(data: bytes, path: Path) -> Pictures:
    """Read pictures.npz.

    Raises
    ------
    RunError
        The file is damaged.
    """
    try:
        arrays = parse_npz(data)
        return Pictures(
            thumbnails=_unpack("thumbnails", arrays),
            larger=_unpack("larger", arrays),
            heats=_unpack("heats", arrays),
            tiles=tuple(_unpack_tiles(arrays)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}): run discovery.cluster again") from error


def _pack(name: str, pictures: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    return {
        f"{name}_ids": np.array(list(pictures), np.str_),
        f"{name}_sizes": np.array([len(data) for data in pictures.values()], np.int64),
        f"{name}_data": np.frombuffer(b"".join(pictures.values()), np.uint8),
    }


def _unpack(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    data = arrays[f"{name}_data"].tobytes()
    ends = np.cumsum(arrays[f"{name}_sizes"]).tolist()
    starts = [0, *ends][: len(ends)]
    ids: Sequence[str] = arrays[f"{name}_ids"].tolist()
    return {one: data[s:e] for one, s, e in zip(ids, starts, ends, strict=True)}


def _unpack_tiles(arrays: Mapping[str, NDArray[Any]]) -> list[TileSheet]:
    ids = arrays["tile_ids"].tolist()
    sheets, start = [], 0
    shapes = arrays["tile_shapes"].tolist()
    for data, (count, columns, side) in zip(_unpack("tiles", arrays).values(), shapes, strict=True):
        taken = tuple(ids[start : start + count])
        sheets.append(TileSheet(ids=taken, data=data, columns=columns, side=side))
        start += count
    return sheets
