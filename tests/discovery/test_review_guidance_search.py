import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.review.guidance import GrowSearch


def play(of, size, pure_pages):
    """Answer as someone to whose type the first pages belong; return the cursor and the pages."""
    search, shown = GrowSearch(of=of, size=size), []
    while not search.done:
        shown.append(search.page)
        search = search.answer(search.page < pure_pages)
    return search, shown


@given(st.integers(0, 5000), st.integers(1, 60), st.data())
def test_it_finds_where_a_type_ends_in_few_pages(of, size, data):
    pages = math.ceil(of / size)
    pure = data.draw(st.integers(0, pages))
    search, shown = play(of, size, pure)
    assert (pure, min(pure * size, of)) == (search.pure, search.take)
    assert len(shown) == len(set(shown)) <= 2 * math.log2(pages + 1) + 2


def test_pages_jump_on_by_one_two_four_and_eight():
    _, shown = play(6000, 60, 100)
    assert [0, 1, 3, 7, 15, 31, 63, 99] == shown


def test_a_search_without_images_is_done():
    search = GrowSearch(of=0)
    assert (True, 0, 0, 0) == (search.done, search.take, search.start, search.stop)
    with pytest.raises(ValueError, match="done"):
        search.answer(True)


def test_the_last_page_ends_with_the_ranking():
    search = GrowSearch(of=70).answer(True)
    assert (60, 70) == (search.start, search.stop)
