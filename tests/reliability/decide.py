"""A person's session: thirty decisions on a run, and a receipt for each that was acknowledged.

A script for `fork_server.py`.
"""

import sys
from pathlib import Path

from discovery import open_review
from embeddings.errors import DefectDiscoveryError

TURNS = 30

run, said = map(Path, sys.argv[1:])
try:
    with open_review(run, by="anna") as review, said.open("a", buffering=1) as out:
        for turn in range(TURNS):
            review.move([turn], f"type {turn % 3}")
            out.write(f"{turn}\n")
except DefectDiscoveryError as error:  # as the page shows it
    sys.stderr.write(f"error: {error}\n")
    sys.exit(2)
