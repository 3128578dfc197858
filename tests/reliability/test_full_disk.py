"""A command on a full disk says so in one line, loses nothing, and goes on when there is room."""

import pytest

QUICK = (100,)
TURNS = 24


def fill_and_check(forks, lot, check, verb, limit):
    """Run a command where no file may grow beyond `limit` bytes; return whether it failed."""
    lot.restore()
    done = forks.run(verb, lot.folder, file_limit=limit)
    what = f"{verb.name} with at most {limit} bytes a file: {done['said'][-2000:]}"
    assert done["signal"] == 0, what
    assert done["code"] in (0, 2), what
    assert "Traceback" not in done["said"], what
    if done["code"] == 2:
        said = [line for line in done["said"].splitlines() if "error: " in line]
        assert len(said) == 1, what
    check(what)
    return done["code"] == 2


def test_a_full_disk_is_said_in_one_line(forks, lot, check, full_verb):
    for limit in QUICK:
        assert fill_and_check(forks, lot, check, full_verb, limit)


@pytest.mark.long
def test_disks_full_at_any_byte_lose_nothing(forks, lot, check, verb, draws):
    failed = 0
    for _ in range(TURNS):
        failed += fill_and_check(forks, lot, check, verb, int(10 ** draws.uniform(0, 5)))
    assert failed > 0
    done = forks.run(verb, lot.folder)
    assert verb.has_ended(done), done["said"]
    check(f"{verb.name}, with room again")
