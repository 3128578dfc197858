"""python -m embeddings.search STORE IMAGE: the images of a store that look most like one image."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from embeddings.console import run_command, say
from embeddings.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class SearchCommand:
    """List the look-alikes of an image as CSV: rank, distance, image_id, path; nearest first.

    The image is embedded as the store's own images were; it need not be one of them.
    """

    store: tyro.conf.Positional[Path]
    """Folder of the store, or of the run that has it in it."""
    image: tyro.conf.Positional[Path]
    """The image to find look-alikes of."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10
    """How many."""
    page: int = 0
    """Which page of a file of several, from 0."""
    out: Path | None = None
    """Draw them as a contact sheet too, into this PNG or JPEG."""
    weights: str | None = None
    """Where the weights of the store's extractor are now; others are refused."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""
    max_pixels: int = 100_000_000
    """A larger picture is refused: a guard against decompression bombs."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise OptionError(f"-k {self.k}: expected 1 or more")
        if self.page < 0:
            raise OptionError(f"--page {self.page}: expected 0 or more")


def main(command: SearchCommand) -> int:
    """Run the command."""
    from embeddings.extract import ExtractOptions
    from embeddings.search.look_alikes import (
        check_no_picture,
        check_sheet_path,
        find_look_alikes,
        write_sheet,
    )
    from embeddings.store import open_store, store_exists

    if command.out is not None:
        check_sheet_path(command.out)
    # A run made of images has its store in it.
    own = command.store / "store"
    is_run = not store_exists(command.store) and store_exists(own)
    store = open_store(own if is_run else command.store)
    if command.out is not None:
        check_no_picture(command.out, command.image, store)
    options = ExtractOptions(
        weights=command.weights, device=command.device, max_pixels=command.max_pixels
    )
    found = find_look_alikes(store, command.image, k=command.k, page=command.page, options=options)
    if command.out is not None:
        write_sheet(found, store, command.out, max_pixels=command.max_pixels)
    table = found.table.assign(distance=found.table["distance"].map("{:.6f}".format))
    say(table.to_csv(index=False, lineterminator="\n").rstrip("\n"))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, SearchCommand, prog="python -m embeddings.search"))
