"""Images become vectors in a store: `extract_vectors`, and python -m embeddings.extract.

The verb is loaded when first used (PEP 562): the options alone need neither torch nor faiss.
"""

from typing import TYPE_CHECKING, Any

from embeddings.extract.options import ExtractOptions

if TYPE_CHECKING:
    from embeddings.extract.verb import Extracted, extract_vectors

__all__ = ["ExtractOptions", "Extracted", "extract_vectors"]


def __getattr__(name: str) -> Any:
    if name in ("Extracted", "extract_vectors"):
        from embeddings.extract import verb

        return getattr(verb, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
