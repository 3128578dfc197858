"""What is known of a run's images beside the decisions: each part is loaded when first used.

What computes it is imported then, too: a review opens without SciPy.
"""

from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.records import Clustering, Neighbours
from discovery.runs import CLUSTERING, COPIES, Run
from embeddings.records import Vectors
from embeddings.store import Store


class ReviewData:
    """Vectors, neighbours, map and metadata of the n images, in the order of clustering.parquet.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def clustering(self) -> Clustering:
        """The clusters of the run."""
        return self.run.load_clustering()

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """The (n,) ids of the images."""
        return self.clustering.ids

    @cached_property
    def stores(self) -> tuple[Store, ...]:
        """The stores of the run's views."""
        from discovery.flow.new_images import open_fitted_stores

        return open_fitted_stores(self.run)

    @property
    def store(self) -> Store:
        """The first view's store, which knows the files."""
        return self.stores[0]

    @cached_property
    def views(self) -> tuple[Vectors, ...]:
        """The vectors, view by view."""
        from discovery.flow.adaptation import load_adapted, open_fitted_adaptation

        return load_adapted(self.stores, self.ids, open_fitted_adaptation(self.run))

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The (n, d) unit vectors, views side by side."""
        from discovery.flow.space import join_views

        return np.asarray(join_views(self.views))

    def drop_vectors(self) -> None:
        """Forget the vectors: what was made of them stays, and they are loaded when next used."""
        for name in ("views", "vectors"):
            self.__dict__.pop(name, None)

    @cached_property
    def rows(self) -> NDArray[np.float32]:
        """The (n, p) unit rows that the neighbour graph is made of."""
        from discovery.flow.space import fit_space

        entry = self.run.entry(CLUSTERING) or {}
        made = self.clustering.spec
        # Where the clusterer took other rows it says nothing of the graph's, which are the default.
        return fit_space(
            self.views, seed=int(entry.get("seed", 0)), dimensions=made.get("graph_dimensions")
        ).rows

    @cached_property
    def neighbours(self) -> Neighbours:
        """The nearest neighbours of each image."""
        return self.run.load_neighbours(self.ids)

    @cached_property
    def positions(self) -> NDArray[np.float32]:
        """The (n, 2) places on the map."""
        return self.run.load_layout().xy

    @cached_property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Every path of each image."""
        return self.run.load_layout().paths

    @cached_property
    def copies(self) -> NDArray[np.int32]:
        """The (n,) group of near copies an image is in; -1 without a copy."""
        from discovery.stages.duplicates import read_duplicates

        files = np.array([len(paths) for paths in self.paths], np.int32)
        groups = read_duplicates(self.run.read_bytes(COPIES), self.ids, files).groups
        single = np.bincount(groups)[groups] == 1
        return np.where(single, np.int32(-1), groups)

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """What is known of the images beside their look: n rows of text, index 0..n-1."""
        from discovery.stages.enrich.columns import spread_metadata

        return spread_metadata(self.views[0].rows["metadata"].tolist())
