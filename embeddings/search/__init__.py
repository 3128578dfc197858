"""Look-alikes of one image among those of a store: `find_look_alikes`, python -m embeddings.search.

Each name is loaded when first used: to know what is here takes neither torch nor faiss.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
