"""python -m embeddings.extract IMAGES --store STORE: images become vectors in a store."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from embeddings.alike_faults import tell_faults
from embeddings.console import run_command, say
from embeddings.extract.options import ExtractOptions


@dataclass(frozen=True, kw_only=True)
class ExtractCommand:
    """Compute the vectors of images and keep them in a FAISS store. Only new images are computed.

    A second run over the same folder computes nothing; what cannot be read goes to the store's
    quarantine.csv with the reason. Killed at any moment, it goes on where it was.
    """

    images: tyro.conf.Positional[Path]
    """Folder (searched recursively), CSV with a column path, or one image."""
    store: Path
    """Folder of the store; made when absent."""
    extract: ExtractOptions = field(default_factory=ExtractOptions)


def main(command: ExtractCommand) -> int:
    """Run the command."""
    from embeddings.extract import extract_vectors
    from embeddings.store.folder import QUARANTINE

    extracted = extract_vectors(command.images, command.store, options=command.extract)
    tell_faults(extracted.quarantined, what="quarantined", where=command.store / QUARANTINE)
    say(f"{command.store}: {extracted.summary}, {len(extracted.ids)} vectors")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, ExtractCommand, prog="python -m embeddings.extract"))
