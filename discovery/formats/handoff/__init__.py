"""handoff.csv and handoff.json: written for a person to fill in, read back with every row checked.

The format is public: docs/handoff-format.md. `build_handoff` makes one, `write_handoff` the
two files, `read_handoff` checks and reads them, `decide_handoff` turns what a person filled in
into decisions, and `read_known_types` takes the labelled rows alone. `HandoffTemplate` writes one
whose labels change again and again.
"""

from discovery.formats.handoff.decide import Taken, decide_handoff, find_group_labels
from discovery.formats.handoff.read import find_handoff, read_handoff, read_known_types
from discovery.formats.handoff.row_checksums import digest_rows
from discovery.formats.handoff.template import HandoffTemplate
from discovery.formats.handoff.write import (
    build_handoff,
    format_handoff,
    group_accepted,
    write_handoff,
)

__all__ = [
    "HandoffTemplate",
    "Taken",
    "build_handoff",
    "decide_handoff",
    "digest_rows",
    "find_group_labels",
    "find_handoff",
    "format_handoff",
    "group_accepted",
    "read_handoff",
    "read_known_types",
    "write_handoff",
]
