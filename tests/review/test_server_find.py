"""Images found by their name and by what is known of them."""

import numpy as np
import pytest

from embeddings.errors import OptionError


@pytest.fixture
def find(api, review):
    """Return a function that gives the file names of what was found."""

    def call(**args):
        found = api.call("find", args).columns["images"]
        assert found.dtype == np.int32
        return {review.data.paths[image][0].rsplit("/", 1)[-1] for image in found.tolist()}

    return call


def test_a_name_is_found_by_any_part_of_it_in_either_case(find):
    assert find(text="CHECKS_0") == {f"checks_{number:02}.png" for number in range(10)}
    assert find(text="nowhere") == set()


def test_a_value_must_agree_as_a_whole(find):
    assert find(text="waves", column="die_x", value="1") == {"waves_01.png"}
    assert find(column="tool", value="TOOL-CH") == {f"checks_{n:02}.png" for n in range(12)}
    assert find(column="unknown", value="1") == set()


def test_no_condition_finds_every_image(api, review):
    found = api.call("find", {}).columns["images"]
    assert found.tolist() == list(range(len(review.state)))


def test_a_column_without_a_value_is_refused(api):
    with pytest.raises(OptionError, match="column and value go together"):
        api.call("find", {"column": "tool"})
