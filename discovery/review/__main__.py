"""The review of a run in the browser: proposals become types, many images with each key.

python -m discovery.review RUN
"""

import contextlib
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from embeddings.console import get_logger, run_command
from embeddings.errors import OptionError
from embeddings.files import is_writable

_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCommand:
    """Turn the proposals of a run into types, in the browser, by keyboard.

    The page is served on this machine alone, under an address with a token in it. Each decision is
    on the disk before the page shows it; Ctrl-C ends the server.

    Attributes
    ----------
    run : Path
        Folder that discovery.cluster made.
    port : int
        Port of 127.0.0.1; 0 takes a free one.
    no_browser : bool
        Print the address and open no browser.
    by : str or None
        Who decides; by default the user's name.
    """

    run: tyro.conf.Positional[Path]
    port: int = 0
    no_browser: bool = False
    by: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= _MOST_PORT:
            raise OptionError(f"--port {self.port}: expected 0 to {_MOST_PORT}")


def main(command: ReviewCommand) -> None:
    """Open the review and serve it until it is ended."""
    # Inside: `--help` and a wrong option need neither a server nor numpy.
    from discovery.review import open_review
    from discovery.review.server import ReviewApi, serve_review
    from discovery.review.server.build import PAGE, ensure_page

    # SIGTERM, as Ctrl-C, ends what runs: the handoff is written on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if command.run.is_dir() and not is_writable(command.run):
        get_logger().warning(
            "WARNING: %s cannot be written to: it can be looked at, and nothing can be decided; "
            "copy it to a writable place first", command.run,
        )  # fmt: skip
    with open_review(command.run, by=command.by) as review:
        ensure_page()
        api = ReviewApi(review)
        try:
            with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
                serve_review(
                    api, page=PAGE, port=command.port, opens_browser=not command.no_browser
                )
        finally:
            api.close()


if __name__ == "__main__":
    sys.exit(run_command(main, ReviewCommand, prog="python -m discovery.review"))
