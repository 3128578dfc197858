"""What a method answers: JSON values, and arrays that travel beside them as plain bytes.

An answer with arrays is one block of bytes: the length of the JSON header (uint32, little
endian), the header, padded with blanks so that what follows begins at a multiple of 8, and the
arrays, each padded to 8 bytes. The header's ``columns`` say of each its name, number type
(``f4``, ``i4``, ``u1``), length and offset from the end of the header.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

JSON, BINARY = "application/json", "application/octet-stream"
_ALIGNMENT = 8  # bytes: a browser's typed arrays must begin at a multiple of their number's size
_TYPES = {"f": "<f4", "i": "<i4", "u": "|u1"}  # by the kind of an array's numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a method of the review answers.

    Attributes
    ----------
    json : dict
        JSON-ready; numbers of numpy and what is not finite are written as JSON has them.
    columns : mapping of name to (m,) array
        Floats are sent as float32, whole numbers as int32, bytes as they are.
    """

    json: dict[str, Any]
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        """JSON where there are no arrays."""
        return BINARY if self.columns else JSON

    def pack(self) -> bytes:
        """Return the answer as the bytes that are sent."""
        if not self.columns:
            return format_json(self.json)
        values, arrays = self.split()
        header = format_json(values)
        # The length itself takes four of the bytes that are aligned.
        header = _pad(bytes(4) + header, b" ")[4:]
        return b"".join([len(header).to_bytes(4, "little"), header, *arrays])

    def split(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return the JSON, which describes the arrays, and each array as bytes, padded."""
        described: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for name, values in self.columns.items():
            array = np.ascontiguousarray(values, dtype=_TYPES[values.dtype.kind])
            offset = sum(map(len, parts))
            described.append(
                {"name": name, "dtype": array.dtype.str[1:], "length": array.size, "offset": offset}
            )
            parts.append(_pad(array.tobytes(), b"\0"))
        cleaned: dict[str, Any] = clean_values(self.json)
        return (cleaned | {"columns": described} if described else cleaned), parts


def format_json(values: Any) -> bytes:
    """Return values as JSON in ASCII: any text survives, file names that are no UTF-8 as well."""
    return json.dumps(clean_values(values), allow_nan=False, separators=(",", ":")).encode("ascii")


def clean_values(values: Any) -> Any:
    """Return values with plain numbers and lists; what is not finite becomes None."""
    if isinstance(values, Mapping):
        return {str(key): clean_values(value) for key, value in values.items()}
    if isinstance(values, np.ndarray):
        return clean_values(values.tolist())
    if isinstance(values, list | tuple):
        return [clean_values(value) for value in values]
    if isinstance(values, np.generic):
        return clean_values(values.item())
    if isinstance(values, float) and not math.isfinite(values):
        return None
    return values


def _pad(data: bytes, filling: bytes) -> bytes:
    return data + filling * (-len(data) % _ALIGNMENT)
