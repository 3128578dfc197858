"""A flipped bit in any file that the toolkit keeps is named, or changes nothing that is read."""

import shutil

import pytest

QUICK, LONG = 2, 60
# What is damaged, the command that reads it, and what that command gives.
READS = {
    "store/segments/*.faiss": ("cluster", "made/clustering.parquet"),
    "store/segments/*.parquet": ("cluster", "made/clustering.parquet"),
    "store/store.json": ("cluster", "made/clustering.parquet"),
    "run/run.json": ("assign", "made.csv"),
    "run/clustering.parquet": ("assign", "made.csv"),
    "run/decisions.jsonl": ("labels", "made/handoff.csv"),
    "run/handoff.json": ("read back", "run/handoff.csv"),
    "run/lineage.jsonl": ("cluster again", "run/lineage.jsonl"),
    "model/*": ("predict", "made.csv"),
    "detector/*": ("count", "made.csv"),
}


def flip(path, place):
    """Turn one bit of a file; `place` counts bits."""
    data = bytearray(path.read_bytes())
    data[place // 8] ^= 1 << place % 8
    path.unlink()  # it may be a link to the file that is kept
    path.write_bytes(data)


def damage_and_read(forks, lot, verbs, calm, kind, draws):
    """Flip one bit, run the command that reads it, and judge what comes."""
    name, result = READS[kind]
    _, (sound,) = calm(verbs[name], (result,))
    lot.restore()
    file = draws.choice(sorted(path for path in lot.folder.glob(kind) if path.is_file()))
    place = draws.randrange(8 * file.stat().st_size)
    flip(file, place)
    done = forks.run(verbs[name], lot.folder)
    what = f"bit {place} of {file.relative_to(lot.folder)}: {done['said'][-1500:]}"
    assert done["signal"] == 0, what
    assert "Traceback" not in done["said"], what
    assert done["code"] in (0, 2), what
    is_named = file.name in done["said"] or file.parent.name in done["said"]
    if done["code"] == 2:
        assert is_named, what
    else:
        assert is_named or lot.read((result,)) == (sound,), what
    shutil.rmtree(lot.folder / "made", ignore_errors=True)


@pytest.mark.parametrize("kind", READS)
def test_a_flipped_bit_is_named(forks, lot, verbs, calm, kind, draws):
    for _ in range(QUICK):
        damage_and_read(forks, lot, verbs, calm, kind, draws)


@pytest.mark.long
@pytest.mark.parametrize("kind", READS)
def test_flipped_bits_are_named_wherever_they_are(forks, lot, verbs, calm, kind, draws):
    for _ in range(LONG):
        damage_and_read(forks, lot, verbs, calm, kind, draws)
