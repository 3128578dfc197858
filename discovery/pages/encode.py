"""How numbers, pictures and texts travel inside the page: base64 arrays, data URIs, safe JSON.

Used by `page`, which puts them into one data block that the scripts read.
"""

import base64
import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

# First bytes of the formats every browser shows, with their media types.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"RIFF", "image/webp"),
)


def encode_array(values: NDArray[Any]) -> str:
    """Write an array as base64 of its little-endian bytes, as JavaScript's typed arrays read it."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def encode_picture(data: bytes) -> str:
    """Write a JPEG, PNG or WebP as a data URI.

    Raises
    ------
    ValueError
        The bytes are none of these.
    """
    for magic, media_type in _MAGIC:
        if data.startswith(magic) and (magic != b"RIFF" or data[8:12] == b"WEBP"):
            return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
    raise ValueError(f"a thumbnail begins with {data[:12]!r}, expected JPEG, PNG or WebP")


def encode_json(value: Any) -> str:
    """Write JSON that cannot end or confuse the script element it stands in.

    Everything outside ASCII is escaped (U+2028 and lone surrogates among it), and so are the
    three characters that HTML gives a meaning.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":  # in JSON these occur inside strings only
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def hash_source(content: str) -> str:
    """Name an inline script or style the way a Content-Security-Policy allows it."""
    digest = base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
