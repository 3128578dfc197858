"""The console: one line for a user's error, exit codes, options anywhere, progress, stages."""

import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
import tyro

from embeddings import activities, console
from embeddings.console import (
    get_logger,
    note_kept,
    parse_options,
    run_command,
    say,
    stage,
    track,
)
from embeddings.errors import InputError, MissingExtraError, OptionError


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int | None = None
    """Side in pixels."""
    window: tuple[float, float] | None = None
    how: Literal["a", "b"] = "a"
    turns: Literal[1, 8] | None = None
    share: float = 0.5
    count: int = 1

    def __post_init__(self):
        if self.size is not None and self.size < 3:
            raise OptionError(f"--size {self.size}: expected 3 or more")


@dataclass(frozen=True, kw_only=True)
class One:
    n: int = 1


@dataclass(frozen=True, kw_only=True)
class Two:
    m: int = 2


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command does."""

    source: tyro.conf.Positional[str]
    """Where from."""
    out: str
    """Where to."""
    inner: Inner = field(default_factory=Inner)
    choice: (
        Annotated[One, tyro.conf.subcommand("one")] | Annotated[Two, tyro.conf.subcommand("two")]
    ) = field(default_factory=One)


def parse(*words):
    return parse_options(Options, prog="P", args=words)


def run(command, *words):
    return run_command(command, Options, prog="P", args=["s", "--out", "o", *words])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("s", "--out", "o", "--size", "2"), "--size 2: expected 3 or more; see `P --help`"),
        (("s", "--out", "o", "--size", "x"), "--size 'x': expected INT; see `P --help`"),
        (
            ("s", "--out", "o", "--window", "3"),
            "--window '3': expected {FLOAT FLOAT}; see `P --help`",
        ),
        (("s",), "missing --out STR Where to; see `P --help`"),
        (("--out", "o"), "missing STR Where from; see `P --help`"),
        (
            ("s", "--out", "o", "--nope"),
            "Unrecognized options: --nope Available subcommands: one, two; see `P --help`",
        ),
        (
            ("s", "--out", "o", "--how", "c"),
            "--how 'c': expected a or b; see `P --help`",
        ),
        (
            ("s", "--out", "o", "--turns", "3"),
            "--turns '3': expected 1 or 8; see `P --help`",
        ),
        (("s", "--out", "o", "--share", "x"), "--share 'x': expected FLOAT; see `P --help`"),
        (("s", "--out", "o", "--count", "1.5"), "--count '1.5': expected INT; see `P --help`"),
        (
            ("s", "--out"),
            "Missing value for argument '--out'. Expected 1 values; see `P --help`",
        ),
    ],
)
def test_a_wrong_option_is_one_plain_line(words, text):
    with pytest.raises(OptionError) as caught:
        parse(*words)
    assert text == str(caught.value)


def test_a_terminal_without_utf8_gets_the_same_line():
    done = subprocess.run(
        [sys.executable, "-m", "embeddings.extract", "i", "--store", "s", "--size", "3"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    prog = "python -m embeddings.extract"
    expected = f"{prog}: error: --size 3: expected 32 to 2048; see `{prog} --help`\n"
    assert (2, expected) == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("s", "--out", "o", "--size", "5", "two", "--m", "7"),
        ("s", "--out", "o", "two", "--m", "7", "--size", "5"),
        ("--size", "5", "s", "two", "--out", "o", "--m", "7"),
    ],
)
def test_options_are_valid_before_and_after_the_subcommand(words):
    assert parse(*words) == Options(source="s", out="o", inner=Inner(size=5), choice=Two(m=7))


def test_without_a_subcommand_the_default_is_taken():
    assert parse("s", "--out", "o").choice == One()


def test_help_is_shown_on_standard_output_and_ends_with_0(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(lambda _: 0, Options, prog="P", args=["--help"])
    out, err = capsys.readouterr()
    assert caught.value.code == 0
    assert "usage: P" in out
    assert "What the command does." in out
    assert "Side in pixels." in out
    assert err == ""


def test_a_users_error_is_one_line_on_standard_error_and_exit_code_2(capsys):
    def command(options):
        raise InputError(f"{options.source}\nholds a line break")

    assert run(command) == 2
    assert ("", "P: error: s holds a line break\n") == capsys.readouterr()


def test_a_wrong_option_never_reaches_the_command(capsys):
    assert run(lambda _: pytest.fail("called"), "--size", "1") == 2
    assert capsys.readouterr().err == "P: error: --size 1: expected 3 or more; see `P --help`\n"


@pytest.mark.parametrize(("came", "code"), [(None, 0), (0, 0), (3, 3)])
def test_the_commands_own_exit_code_is_returned(came, code):
    assert run(lambda _: came) == code


def test_ctrl_c_ends_with_130(capsys):
    def command(_):
        raise KeyboardInterrupt

    assert run(command) == 130
    assert capsys.readouterr().err == "P: interrupted\n"


def test_what_is_kept_is_said_where_something_was(capsys):
    def command(_):
        note_kept("5 vectors in STORE")
        note_kept("9 vectors in STORE")
        raise KeyboardInterrupt

    assert run(command) == 130
    said = "P: interrupted; what was committed is kept: 9 vectors in STORE\n"
    assert capsys.readouterr().err == said
    # Not what an earlier command said of itself.
    test_ctrl_c_ends_with_130(capsys)


def test_sigterm_ends_as_ctrl_c_does(capsys):
    before = signal.getsignal(signal.SIGTERM)

    def command(_):
        note_kept("5 vectors in STORE")
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("went on")

    assert run(command) == 143
    said = "P: terminated; what was committed is kept: 5 vectors in STORE\n"
    assert capsys.readouterr().err == said
    assert before is signal.getsignal(signal.SIGTERM)


def test_a_callers_own_way_with_sigterm_is_left_to_it(capsys):
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    try:
        assert run(lambda _: os.kill(os.getpid(), signal.SIGTERM)) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ([1], "") == (came, capsys.readouterr().err)


def test_a_bug_keeps_its_traceback():
    def command(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(command)


def test_a_missing_extra_says_how_to_install_it(capsys):
    def command(_):
        raise MissingExtraError("selenium", "test")

    assert run(command) == 2
    expected = "selenium is not installed: run `pip install 'defect-discovery[test]'`"
    assert capsys.readouterr().err == f"P: error: {expected}\n"


def test_a_reader_that_goes_away_is_nobodys_error():
    code = (
        "from embeddings.console import run_command, say\n"
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class O:\n"
        "    n: int = 1\n"
        "def main(o):\n"
        "    for i in range(100000): say('x' * 100)\n"
        "import sys\n"
        "sys.exit(run_command(main, O, prog='P', args=[]))\n"
    )
    program = f'{sys.executable} -W error -c "{code}" | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (0, "x" * 100 + "\n", "") == (done.returncode, done.stdout, done.stderr)


def test_say_writes_to_standard_output_at_once(capsys):
    say("three types")
    assert ("three types\n", "") == capsys.readouterr()


def test_two_commands_in_one_process_log_each_line_once(capsys):
    def command(_):
        get_logger().info("hello")

    run(command)
    capsys.readouterr()
    run(command)
    assert capsys.readouterr().err.count("hello") == 1


def test_a_library_users_log_handlers_survive_a_command(capsys):
    logger, mine = get_logger(), logging.NullHandler()
    logger.addHandler(mine)
    try:
        run(lambda _: None)
        assert (logger.handlers, logger.propagate) == ([mine], True)
    finally:
        logger.removeHandler(mine)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_drawn_on_a_terminal_and_cleared():
    out = Terminal()
    assert list(track(range(5), total=5, what="extract", stream=out)) == [0, 1, 2, 3, 4]
    drawn = out.getvalue()
    assert "\r\x1b[Kextract 5/5, " in drawn
    assert f" [{'#' * 24}]\r" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_progress_counts_what_earlier_calls_did(monkeypatch):
    out = Terminal()
    monkeypatch.setattr(console, "_REDRAW_SECONDS", -1)
    assert list(track("ab", total=6, before=3, what="describe", stream=out)) == ["a", "b"]
    drawn = [re.split(r",| \[", line)[0] for line in out.getvalue().split("\r\x1b[K") if line]
    assert drawn == ["describe 3/6", "describe 4/6", "describe 5/6"]
    bars = re.findall(r"\[([#-]+)\]", out.getvalue())
    assert bars == ["#" * 12 + "-" * 12, "#" * 16 + "-" * 8, "#" * 20 + "-" * 4]


def test_progress_is_there_before_the_first_batch_is_done():
    out = Terminal()
    for _ in track("ab", total=2, what="extract", stream=out):
        assert out.getvalue() == f"\r\x1b[Kextract 0/2 [{'-' * 24}]"
        break


def test_no_progress_is_written_into_a_file():
    out = io.StringIO()
    assert list(track("abc", total=3, what="extract", stream=out)) == ["a", "b", "c"]
    assert out.getvalue() == ""


def list_told(work, capsys):
    assert run(work) == 0
    lines = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert activities._NOW == []
    return [line.partition("still at it: ")[2] for line in lines if "still at it" in line]


def test_a_log_without_a_terminal_says_every_half_minute_what_is_being_done(capsys, monkeypatch):
    assert activities._LINE_SECONDS == 30
    monkeypatch.setattr(activities, "_LINE_SECONDS", 0.02)

    def work(_):
        with stage("cluster"):
            time.sleep(0.1)
        for _item in track(range(4), total=4, what="extract"):
            time.sleep(0.06)
        time.sleep(0.1)  # between stages there is nothing to say

    told = list_told(work, capsys)
    assert told.count("cluster, 0 s so far") >= 2
    assert any(re.fullmatch(r"extract [123]/4, \d+/s, 0 s left", text) for text in told)


def test_what_began_just_now_is_not_told_however_long_the_command_takes(capsys, monkeypatch):
    monkeypatch.setattr(activities, "_LINE_SECONDS", 0.2)

    def work(_):
        for _turn in range(12):  # more than half a minute in all, none of them by itself
            with stage("propose"):
                time.sleep(0.02)
        with stage("outer"):
            for _turn in range(12):
                with stage("inner"):
                    time.sleep(0.02)

    assert {"outer, 0 s so far"} == set(list_told(work, capsys))


def test_a_stage_logs_its_name_facts_and_seconds(caplog):
    logger = get_logger()
    with caplog.at_level(logging.INFO, logger=logger.name), stage("fingerprint") as facts:
        facts.update(files=3, ignored=0)
    (line,) = caplog.messages
    assert line.startswith("fingerprint: files 3, ignored 0 (0.")
    assert line.endswith(" s)")


def test_a_stage_that_fails_does_not_claim_to_be_done(caplog):
    logger = get_logger()
    listening = caplog.at_level(logging.INFO, logger=logger.name)
    with listening, pytest.raises(InputError), stage("read"):
        raise InputError("x")
    assert caplog.messages == []
