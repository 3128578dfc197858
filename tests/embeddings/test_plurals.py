"""Counts with their nouns in the right number."""

import pytest

from embeddings.plurals import tell_count


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (2, ("image",), "2 images"),
        (1, ("box", "boxes"), "1 box"),
        (2, ("box", "boxes"), "2 boxes"),
        (1, ("row has", "rows have"), "1 row has"),
    ],
)
def test_the_noun_goes_with_the_count(count, words, expected):
    assert expected == tell_count(count, *words)
