"""Images become vectors: find, decode, embed and keep them in a FAISS-backed store.

::

    from pathlib import Path
    from embeddings import ExtractOptions, extract_vectors, open_store

    extract_vectors(Path("images"), Path("store"), options=ExtractOptions(tile=512))
    vectors = open_store("store").load_vectors()

The public names stand in `__init__.pyi`, one a line; each is loaded when first used, so
`import embeddings` needs neither torch nor faiss.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
