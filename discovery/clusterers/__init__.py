"""scikit-learn estimators that group vectors: GraphCommunities, HDBSCAN, KMeans, Agglomerative.

Loaded when first used (PEP 562), as FAISS and scikit-learn take a second.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
