"""Look-alikes of one image among those of a store: `find_look_alikes`, python -m embeddings.search.

The verb is loaded when first used (PEP 562): the options alone need neither torch nor faiss.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embeddings.search.verb import LookAlikes, find_look_alikes

__all__ = ["LookAlikes", "find_look_alikes"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from embeddings.search import verb

        return getattr(verb, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
