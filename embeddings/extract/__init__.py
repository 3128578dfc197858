"""Images become vectors in a store: `extract_vectors`, and python -m embeddings.extract.

Each name is loaded when first used: the options alone need neither torch nor faiss.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
