"""Check or mend a store from the command line: `python -m embeddings.store verify STORE`.

`verify` lists every fault and exits with 2 where the store is damaged; `repair` puts damaged
files into STORE/damaged, keeps every sound row, and says what it did.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from embeddings.console import run_command, say
from embeddings.errors import StoreCorruptError
from embeddings.plurals import tell_count
from embeddings.store.folder import repair_command
from embeddings.store.reader import open_store
from embeddings.store.repair import repair_store
from embeddings.store.verify import verify_store


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """Check every checksum and every row of a store; nothing is changed."""

    store: tyro.conf.Positional[Path]
    """Folder of the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOptions:
    """Put damaged files aside, keep every sound row, and say what was lost."""

    store: tyro.conf.Positional[Path]
    """Folder of the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Check or mend a store of embeddings."""

    action: (
        Annotated[VerifyOptions, tyro.conf.subcommand("verify")]
        | Annotated[RepairOptions, tyro.conf.subcommand("repair")]
    )


def main(options: StoreOptions) -> None:
    """Run the action; a damaged store raises, so that the command exits with 2."""
    if isinstance(options.action, RepairOptions):
        for line in repair_store(options.action.store).describe():
            say(line)
    else:
        _verify(options.action.store)


def _verify(folder: Path) -> None:
    faults = verify_store(folder)
    for fault in faults:
        say(str(fault))
    damage = [fault for fault in faults if fault.kind != "leftover"]
    if damage:
        more = f" and {len(damage) - 1} more" if len(damage) > 1 else ""
        raise StoreCorruptError(f"{folder}: {damage[0]}{more}: run `{repair_command(folder)}`")
    store = open_store(folder)
    say(
        f"{folder} is sound: {tell_count(len(store), 'vector')} of "
        f"{tell_count(len(store.files()), 'file')}"
    )


if __name__ == "__main__":
    sys.exit(run_command(main, StoreOptions, prog="python -m embeddings.store"))
