"""A picture's background is taken off once, and what is kept of it is what a new look finds."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.highlight import (
    Looks,
    describe_regions,
    draw_crop,
    highlight_picture,
)


def draw(seed, shape=(1, 64, 80)):
    rng = np.random.default_rng(seed)
    picture = 0.4 + rng.normal(0, 0.02, shape)
    y, x = rng.integers(12, 50, 2)
    picture[:, y : y + 9, x : x + 9] += 0.3 * (seed % 3)  # in one of three nothing
    return np.clip(picture, 0, 1).astype(np.float32)


PICTURES = [draw(seed) for seed in range(4)] + [np.full((1, 4, 90), 0.5, np.float32)]  # a sliver
SEEN = [highlight_picture(one) for one in PICTURES]


def check(look, number):
    seen = SEEN[number]
    if seen is None:
        assert look is None
        return
    np.testing.assert_array_equal(describe_regions(seen), look.numbers)
    np.testing.assert_array_equal(draw_crop(seen, side=40), look.draw(40))
    assert (bool(seen.regions), seen.is_clear) == (look.is_found, look.is_clear)


@settings(max_examples=20, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["first", "last", "numbers"])), max_size=9
    ),
    most=st.integers(1, 9),
    most_bytes=st.sampled_from([0, 20_000, 10**8]),
)
def test_whatever_is_asked_in_whatever_order_the_answer_is_that_of_a_new_look(
    asked, most, most_bytes
):
    looks = Looks(most=most, most_bytes=most_bytes)
    for number, how in asked:
        if how == "numbers":
            numbers = looks.describe(PICTURES[number].copy())
            if SEEN[number] is None:
                assert numbers is None
            else:
                np.testing.assert_array_equal(describe_regions(SEEN[number]), numbers)
        else:
            check(looks.look_at(PICTURES[number].copy(), is_last=how == "last"), number)


def test_the_background_is_taken_off_once(count_calls):
    looks = Looks()
    with count_calls("remove_background") as calls:
        for one in PICTURES:  # the sample, what a network sees, and the numbers
            looks.look_at(one)
        for one in PICTURES:
            looks.look_at(one, is_last=True)
        for one in PICTURES:
            looks.describe(one)
    assert 4 == calls["remove_background"]


def test_a_picture_that_differs_in_one_pixel_or_in_shape_is_another():
    looks = Looks()
    one = PICTURES[1]
    other = one.copy()
    other[0, 3, 3] += 1e-6
    turned = one.reshape(1, 80, 64)
    for picture in (one, other, turned):
        check_numbers = describe_regions(highlight_picture(picture))
        np.testing.assert_array_equal(check_numbers, looks.describe(picture))


def test_memory_is_bounded(count_calls):
    looks = Looks(most=2, most_bytes=0)
    pictures = [draw(seed) for seed in range(3)]
    for one in pictures:
        looks.describe(one)
    with count_calls("remove_background") as calls:
        looks.describe(pictures[2])  # is still known
        looks.describe(pictures[0])  # had to go
    assert 1 == calls["remove_background"]


@pytest.mark.parametrize("is_last", [False, True])
def test_several_threads_look_at_once(is_last):
    looks, found = Looks(), {}

    def work(number):
        found[number] = looks.look_at(PICTURES[number % 4], is_last=is_last)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for number, look in found.items():
        check(look, number % 4)
