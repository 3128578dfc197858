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
- `BarSurvey`: the data bars that the tools of a source write, from that sample and some more files.

A stack of a thousand pages is never held: pages are streamed, and a bounded number of prepared
pictures waits for its consumer. `Previews` keeps what an extraction saw, small, so that copies and
thumbnails need no file again in a first round.
"""

from embeddings.reader.ahead import CHUNK as CHUNK
from embeddings.reader.ahead import Fault as Fault
from embeddings.reader.ahead import ReadParts as ReadParts
from embeddings.reader.ahead import map_parts as map_parts
from embeddings.reader.ahead import read_ahead as read_ahead
from embeddings.reader.ahead import read_parts as read_parts
from embeddings.reader.ahead import run_ahead as run_ahead
from embeddings.reader.bar_survey import BarSurvey as BarSurvey
from embeddings.reader.parts import OpenPart as OpenPart
from embeddings.reader.parts import Part as Part
from embeddings.reader.parts import list_parts as list_parts
from embeddings.reader.parts import name_part as name_part
from embeddings.reader.parts import open_parts as open_parts
from embeddings.reader.preparation import Image as Image
from embeddings.reader.preparation import Preparation as Preparation
from embeddings.reader.preparation import choose_windows as choose_windows
from embeddings.reader.previews import THUMBNAIL_SIDE as THUMBNAIL_SIDE
from embeddings.reader.previews import Previews as Previews
from embeddings.reader.previews import are_maps as are_maps
from embeddings.reader.references import Reference as Reference
from embeddings.reader.references import open_reference as open_reference
from embeddings.reader.shrink import PREVIEW_SIDE as PREVIEW_SIDE
from embeddings.reader.shrink import Preview as Preview
from embeddings.reader.shrink import make_preview as make_preview
from embeddings.reader.shrink import resize_values as resize_values
