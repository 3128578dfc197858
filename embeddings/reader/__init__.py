"""The one way from a file to an array: for extraction, copies, thumbnails, classifier and detector.

*What* is a `Part`: a page of a file by its number in that file, and a region of it. *How* is a
`Preparation`: the spec of an extractor, the grey-level windows, and the most pixels a picture may
have, as the user gave it. The ways to read:

- `open_parts`: the parts of one file, page by page, each page decoded once; what sees the pixels
  as they are (exports, the detector) works from it.
- `map_parts`: some function of each part of many files, threads ahead; a file that has gone or
  changed is left out (copies, thumbnails, heat maps).
- `read_parts`: prepared as an extractor sees them, with faults and kinds of pictures that have no
  window yet (the classifier). `embeddings.extract` cuts whole files into parts as it reads them.
- `choose_windows`: the grey-level windows, from a sample of files.

A stack of a thousand pages is never held: pages are streamed, and a bounded number of prepared
pictures waits for its consumer. `Previews` keeps what an extraction saw, small, so that copies and
thumbnails need no file again in a first round.
"""

from embeddings.reader.ahead import read_ahead, run_ahead
from embeddings.reader.parts import (
    CHUNK,
    Fault,
    Image,
    OpenPart,
    Part,
    Preparation,
    ReadParts,
    list_parts,
    map_parts,
    name_part,
    open_parts,
    raise_limit,
    read_parts,
)
from embeddings.reader.previews import (
    PREVIEW_SIDE,
    THUMBNAIL_SIDE,
    Preview,
    Previews,
    are_maps,
    make_preview,
    resize_values,
)
from embeddings.reader.references import Reference, open_reference
from embeddings.reader.windows import choose_windows

__all__ = [
    "CHUNK",
    "PREVIEW_SIDE",
    "THUMBNAIL_SIDE",
    "Fault",
    "Image",
    "OpenPart",
    "Part",
    "Preparation",
    "Preview",
    "Previews",
    "ReadParts",
    "Reference",
    "are_maps",
    "choose_windows",
    "list_parts",
    "make_preview",
    "map_parts",
    "name_part",
    "open_parts",
    "open_reference",
    "raise_limit",
    "read_ahead",
    "read_parts",
    "resize_values",
    "run_ahead",
]
