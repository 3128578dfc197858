"""scikit-learn estimators that group vectors: KMeans, HDBSCAN, agglomerative."""
