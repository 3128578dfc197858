"""Images become vectors: find, decode, embed and keep them in a FAISS-backed store.

::

    from pathlib import Path
    from embeddings import ExtractOptions, extract_vectors, open_store

    extract_vectors(Path("images"), Path("store"), options=ExtractOptions(tile=512))
    vectors = open_store("store").load_vectors()

Each name is loaded when first used (PEP 562): `import embeddings` needs neither torch nor faiss.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embeddings.errors import DefectDiscoveryError
    from embeddings.extract import Extracted, ExtractOptions, extract_vectors
    from embeddings.images import find_images, read_pictures
    from embeddings.records import ExtractorSpec, Vectors, unit_rows
    from embeddings.store import Store, create_store, open_store, repair_store, verify_store
    from embeddings.thumbnails import draw_contact_sheet, read_thumbnails

__all__ = [
    "DefectDiscoveryError",
    "ExtractOptions",
    "Extracted",
    "ExtractorSpec",
    "Store",
    "Vectors",
    "create_store",
    "draw_contact_sheet",
    "extract_vectors",
    "find_images",
    "open_store",
    "read_pictures",
    "read_thumbnails",
    "repair_store",
    "unit_rows",
    "verify_store",
]

# Where each name lives: the imports above, for when there is no type checker.
_HOMES = {
    "embeddings.errors": ("DefectDiscoveryError",),
    "embeddings.extract": ("ExtractOptions", "Extracted", "extract_vectors"),
    "embeddings.images": ("find_images", "read_pictures"),
    "embeddings.records": ("ExtractorSpec", "Vectors", "unit_rows"),
    "embeddings.store": ("Store", "create_store", "open_store", "repair_store", "verify_store"),
    "embeddings.thumbnails": ("draw_contact_sheet", "read_thumbnails"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
