"""Counts with their nouns, in the right number: ``1 image``, ``2 images``, ``1 row has``."""


def tell_count(count: int, one: str, many: str = "") -> str:
    """Write a count and its noun, with a verb where there is one.

    Parameters
    ----------
    one : str
        What follows a count of one: ``image``, ``image has``.
    many : str
        What follows any other count; by default `one` and an s.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"
