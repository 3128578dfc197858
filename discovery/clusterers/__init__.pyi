from .agglomerative import Agglomerative as Agglomerative
from .communities import GraphCommunities as GraphCommunities
from .condensed import FlatClusters as FlatClusters
from .condensed import LinkageTree as LinkageTree
from .hdbscan import HDBSCAN as HDBSCAN
from .kmeans import KMeans as KMeans
