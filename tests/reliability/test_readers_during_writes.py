"""Whoever reads while a command writes sees what was, or what is; never something between."""

import threading

import pytest

WRITERS = ("extract", "cluster again", "read back", "review")


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_read_meanwhile_is_whole(forks, lot, verbs, check, name):
    done = {}
    writer = threading.Thread(target=lambda: done.update(forks.run(verbs[name], lot.folder)))
    writer.start()
    looks = 0
    while writer.is_alive():
        check(f"{name}, looked at {looks} times")
        looks += 1
    writer.join(60)
    assert done["code"] == 0, done["said"]
    check(f"{name}, at its end")
    assert looks > 2
