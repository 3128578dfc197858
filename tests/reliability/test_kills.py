"""A command killed at any change of the file system leaves all readable, and goes on after it."""

import signal

import pytest

KILLS = 20  # in each of ten parts: two hundred a command
CHOSEN = (0.1, 0.5, 0.95)  # of a command's changes: as it begins, in its midst, as it ends


def count_receipts(folder):
    said = folder / "said.txt"
    return len(said.read_text().split()) if said.exists() else 0


def kill_and_check(forks, lot, check, verb, **fault):
    """Kill a command once; say where it died, or that it had ended before."""
    done = forks.run(verb, lot.folder, **fault)
    what = f"{verb.name} killed: {fault}"
    if done["signal"] != signal.SIGKILL:
        assert verb.has_ended(done), (what, done["said"])
    check(what, receipts=count_receipts(lot.folder))
    return done


def end_and_compare(forks, lot, check, calm, verb):
    """Run a command to its end after it was killed: what it leaves is as if it never had been."""
    done = forks.run(verb, lot.folder)
    assert verb.has_ended(done), (verb.name, done["said"])
    check(f"{verb.name}, in the end", receipts=count_receipts(lot.folder))
    assert calm(verb, verb.same)[1] == lot.read(verb.same)
    left = [str(path) for path in lot.folder.rglob(".*.tmp")]
    assert left == [], verb.name


def test_three_kills_lose_nothing(forks, lot, check, calm, verb):
    events = calm(verb, verb.same)[0]["events"]
    assert events > 5
    lot.restore()
    for share in CHOSEN:
        kill_and_check(forks, lot, check, verb, stop_event=max(1, int(share * events)))
    end_and_compare(forks, lot, check, calm, verb)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_two_hundred_kills_lose_nothing(forks, lot, check, calm, verb, part, draws):
    done, _ = calm(verb, verb.same)
    lot.restore()
    for turn in range(KILLS):
        if turn % 4 == 0:  # by the clock, in the midst of a write too
            fault = {"stop_seconds": draws.uniform(0, done["seconds"])}
        else:
            fault = {"stop_event": draws.randint(1, done["events"])}
        kill_and_check(forks, lot, check, verb, **fault)
        if turn % 5 == 4:
            end_and_compare(forks, lot, check, calm, verb)
            lot.restore()
