from .agglomerative import Agglomerative as Agglomerative
from .communities import GraphCommunities as GraphCommunities
from .kmeans import KMeans as KMeans
