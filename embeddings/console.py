"""What every command shares: logging, progress, options, and one line for a user's error.

The only file that prints. A command is a function of one frozen dataclass of options::

    if __name__ == "__main__":
        sys.exit(run_command(main, ClusterOptions))

`run_command` parses the command line into that dataclass (tyro), calls the function and turns
a user's error into one line on standard error and exit code 2. A bug keeps its traceback.
"""

import contextlib
import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TextIO, TypeVar

from embeddings.activities import doing, name_stage, telling_now
from embeddings.errors import DefectDiscoveryError, OptionError
from embeddings.litter import sweep_places
from embeddings.option_faults import reword_fault
from embeddings.usage import Usage, metering

Options = TypeVar("Options")
Item = TypeVar("Item")

_LOG_NAME = "defect-discovery"
_BAR_CELLS = 24
_REDRAW_SECONDS = 0.2  # fast enough to look alive, slow enough to cost nothing

# How the user called the command, where that is not `python -m MODULE`.
_NAME: ContextVar[str] = ContextVar("name of the command", default="")

# What this command has put on the disk for good, as far as it says so itself.
_KEPT: ContextVar[str] = ContextVar("what is kept", default="")


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


def note_kept(text: str) -> None:
    """Say what is on the disk by now, for a user who ends the command before it is done."""
    _KEPT.set(text)


@contextlib.contextmanager
def naming_command(name: str) -> Iterator[None]:
    """Let help and errors of the command that runs inside call it by the name the user typed."""
    token = _NAME.set(name)
    try:
        yield
    except KeyboardInterrupt:  # while its modules are loaded: later `run_command` says so
        print(f"{name}: interrupted", file=sys.stderr, flush=True)
        raise SystemExit(130) from None
    finally:
        _NAME.reset(token)


def get_logger() -> logging.Logger:
    """Return the project's logger; a library user attaches handlers of their own."""
    return logging.getLogger(_LOG_NAME)


def say(text: str) -> None:
    """Write a result line to standard output."""
    print(text, flush=True)


def report_error(prog: str, error: DefectDiscoveryError) -> None:
    """Write the one line of a user's error to standard error."""
    print(f"{prog}: error: {error}", file=sys.stderr, flush=True)


def run_command(
    command: Callable[[Options], int | None],
    options_type: type[Options],
    *,
    prog: str,
    args: Sequence[str] | None = None,
) -> int:
    """Parse the command line, run the command and return its exit code.

    `prog` is what help and errors call it, unless `naming_command` says how it was called.
    Returns 0, or 2 after one line on standard error for a `DefectDiscoveryError` and for what the
    system says of a file or of memory; 130 after Ctrl-C, 143 after SIGTERM. Any other exception
    is a bug and passes through.
    """
    prog = _NAME.get() or prog
    _KEPT.set("")
    _print_anything()
    try:
        options = parse_options(options_type, prog=prog, args=args)
        with _logging_to_stderr(), _ending_on_sigterm():
            sweep_places(options)  # what a killed command left where this one goes
            with _telling_now(sys.stderr), _telling_kept():
                return command(options) or 0
    except DefectDiscoveryError as error:
        report_error(prog, error)
        return 2
    except KeyboardInterrupt as ended:
        how, code = ("terminated", 143) if isinstance(ended, _Terminated) else ("interrupted", 130)
        kept = f"; what was committed is kept: {_KEPT.get()}" if _KEPT.get() else ""
        print(f"{prog}: {how}{kept}", file=sys.stderr, flush=True)
        return code
    except BrokenPipeError:
        # The reader of our output (head, less) went away: not an error of anyone's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        report_error(prog, _blame_system(error))
        return 2
    except MemoryError:
        text = "there is not enough memory: close other programs, or use a smaller --batch-size"
        report_error(prog, DefectDiscoveryError(text))
        return 2


def _print_anything() -> None:
    """Let names be printed that the terminal has no letters for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _blame_system(error: OSError) -> DefectDiscoveryError:
    """Say what the system says of a file: too long a name, no right, no space, gone."""
    name = "" if error.filename is None else f"{error.filename}: "
    return DefectDiscoveryError(
        f"{name}{error.strerror or error}; expected a file or folder that can be used: check its "
        "name, its permissions and the space on the disk"
    )


def parse_options(
    options_type: type[Options], *, prog: str, args: Sequence[str] | None = None
) -> Options:
    """Parse a command line into a dataclass; options are valid before and after a subcommand.

    Raises
    ------
    OptionError
        A wrong option or value, in one line (tyro's own message is a box of several).
    SystemExit
        With code 0 after ``--help``.
    """
    import tyro

    words = list(sys.argv[1:] if args is None else args)
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(
                options_type,
                prog=prog,
                args=words,
                config=(
                    tyro.conf.OmitArgPrefixes,
                    tyro.conf.OmitSubcommandPrefixes,
                    tyro.conf.CascadeSubcommandArgs,
                    tyro.conf.FlagCreatePairsOff,
                    tyro.conf.DisallowNone,  # left out is how to say none
                ),
            )
    except SystemExit as exit_:
        if exit_.code in (0, None):
            raise
        raise OptionError(f"{reword_fault(box.getvalue())}; see `{prog} --help`") from None


def track(
    items: Iterable[Item],
    *,
    total: int,
    what: str,
    before: int = 0,
    ends: Callable[[Item], bool] = lambda _: True,
    stream: TextIO | None = None,
) -> Iterator[Item]:
    """Yield the items, redrawing one progress line where standard error is a terminal.

    Elsewhere a command's log gets a line every half minute.

    `total` counts those of earlier calls, too, which are `before`. `ends` tells the items that
    count: of the pieces of a file the last.
    """
    out = stream or sys.stderr
    start = last = time.monotonic()
    done = before

    def describe() -> str:
        if done == before:
            return f"{what} {done}/{total}"
        rate = (done - before) / max(time.monotonic() - start, 1e-9)
        left = f", {(total - done) / rate:.0f} s left"
        return f"{what} {done}/{total}, {rate:.{0 if rate >= 1 else 2}f}/s{left}"

    def draw() -> None:
        out.write(f"\r\x1b[K{describe()} {_draw_bar(done, total)}")
        out.flush()

    draws = out.isatty()
    with doing(describe):
        if draws:
            draw()  # the first batch of a network may take long
        for item in items:
            yield item
            done += ends(item)
            now = time.monotonic()
            if draws and (now - last > _REDRAW_SECONDS or done == total):
                last = now
                draw()
    if draws:
        out.write("\r\x1b[K")


class Facts(dict[str, Any]):
    """What a stage says of itself; once it has ended, `usage` is what it took."""

    usage: Usage


def _draw_bar(done: int, total: int) -> str:
    """Draw how much is done, in letters that every terminal has."""
    filled = _BAR_CELLS * min(done, total) // max(total, 1)
    return f"[{'#' * filled}{'-' * (_BAR_CELLS - filled)}]"


@contextlib.contextmanager
def stage(name: str) -> Iterator[Facts]:
    """Log one line when a stage ends: its name, the facts put into the yielded dict, seconds."""
    name, facts = name_stage(name), Facts()
    start = time.monotonic()
    so_far = doing(lambda: f"{name}, {time.monotonic() - start:.0f} s so far")
    with metering(name, facts) as meter, so_far:
        yield facts
    facts.usage = meter.usage
    text = ", ".join(f"{key} {value}" for key, value in facts.items())
    get_logger().info("%s: %s (%.1f s)", name, text or "done", facts.usage.seconds)


def _telling_now(stream: TextIO) -> contextlib.AbstractContextManager[None]:
    """Log what is being done every half minute, where no progress line is redrawn."""
    if stream.isatty():
        return contextlib.nullcontext()
    return telling_now(lambda text: get_logger().info("still at it: %s", text))


@contextlib.contextmanager
def _telling_kept() -> Iterator[None]:
    """Log what is kept of a command that is refused half way."""
    try:
        yield
    except DefectDiscoveryError:
        if _KEPT.get():
            get_logger().info("what was committed is kept: %s", _KEPT.get())
        raise


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, which schedulers and services send, end a command as Ctrl-C does."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # only there can it be caught; or a caller has plans for it
        return

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one does not wait
        raise _Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """Show the log for the length of a command; a library user finds their handlers untouched."""
    logger = get_logger()
    before = logger.handlers[:], logger.level, logger.propagate
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.handlers[:], level, logger.propagate = before
        logger.setLevel(level)  # clears the cache of what is enabled
