"""The command that writes synthetic inspection images and their truth into a folder.

    python -m discovery.synthetic FOLDER --n 600 --seed 0

FOLDER then holds `images/` (8-bit PNG and 16-bit TIFF), `truth.csv` (`path,label` and what was
drawn), `boxes.csv` (one row a defect), `metadata.csv` (lot, wafer, tool, ...) and
`synthetic.json`, by which the folder is known as its own when the command runs again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from discovery.synthetic.folder import write_folder
from discovery.synthetic.plan import NO_DEFECT, plan_pictures
from embeddings.console import run_command, say, stage
from embeddings.errors import OptionError

_PROG = "python -m discovery.synthetic"
_MOST = 9_999  # four digits in a file name


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticOptions:
    """Write synthetic SEM review images with their truth.

    Attributes
    ----------
    folder : Path
        Folder to write into; new, empty, or written by this command before.
    n : int
        Number of images.
    seed : int
        The same seed and number give the same images.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    n: int = 600
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n <= _MOST:
            raise OptionError(f"--n is {self.n}, expected 1 to {_MOST}")
        if self.seed < 0:
            raise OptionError(f"--seed is {self.seed}, expected 0 or more")


def main(options: SyntheticOptions) -> None:
    """Draw the images and say where they are."""
    pictures = plan_pictures(options.n, seed=options.seed)
    with stage("synthetic") as facts:
        write_folder(pictures, options.folder, seed=options.seed)
        facts["images"] = len(pictures)
        facts["defect types"] = len({picture.label for picture in pictures} - {NO_DEFECT})
    say(str(options.folder))


if __name__ == "__main__":
    sys.exit(run_command(main, SyntheticOptions, prog=_PROG))
