"""What a clusterer says of itself, and which clusterers there are.

Every other module on the `__path__` of `discovery.clusterers` is one clusterer, and holds one
subclass of `ClustererOptions`. Its fields are the options of the subcommand that is named after the
module, its docstring the help. What is heavy (scikit-learn, FAISS) is imported by `build`: listing
the clusterers must cost an idle command nothing.
"""

import abc
import pkgutil
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal

from discovery.graph import Granularity, choose_n_neighbors
from embeddings.errors import OptionError

DEFAULT = "auto"  # the clusterer of a round that names none

# The vectors a clusterer is given: those the neighbour graph is made of (partly whitened), their
# first principal components without whitening, or a UMAP layout of the graph in a few dimensions.
Rows = Literal["graph", "pca", "umap"]


@dataclass(frozen=True, kw_only=True)
class ClustererOptions(abc.ABC):
    """What a user can say of one clusterer, and all a round must know of it.

    Attributes
    ----------
    rows : {"graph", "pca", "umap"}
        The rows that its `fit` is given.
    takes_graph : bool
        Whether its `fit` takes the neighbour graph of these rows as `neighbours`.
    fits_in_threads : bool
        Whether several threads may each fit one of its own at the same time, and gain by it.
    """

    rows: ClassVar[Rows] = "graph"
    takes_graph: ClassVar[bool] = False
    fits_in_threads: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The module's name: of the subcommand, and what the provenance calls it."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def is_k_counted(self) -> bool:
        """Whether `build` must be told k, as many groups as last in the neighbour graph."""
        return False

    @property
    def view_granularity(self) -> Granularity:
        """At which granularity several views of the images are compared."""
        return "auto"

    def check(self, n: int) -> None:  # noqa: B027 - most have nothing to check
        """Refuse options that n images cannot meet.

        Raises
        ------
        OptionError
            Say which option, and what to ask for instead.
        """

    def describe(self, n: int) -> dict[str, Any]:  # noqa: ARG002 - some depend on it
        """Return what `build` makes for n images as JSON-ready values, for the provenance."""
        return asdict(self)

    @abc.abstractmethod
    def build(self, n: int, *, seed: int, share: float = 1.0, k: int | None = None) -> Any:
        """Make the estimator: `fit(rows)`, then `labels_` with -1 for noise.

        Where it has `probabilities_` or `membership_strengths_`, and `outlier_scores_`, these are
        used, too.

        Parameters
        ----------
        n : int
            Images of the round.
        seed : int
        share : float
            Of the n images that are fitted: below 1 in the draws of the bootstrap, where numbers of
            images must shrink with it.
        k : int, optional
            Groups to look for: as counted (`is_k_counted`), or as found before, in a draw.
        """


@dataclass(frozen=True, kw_only=True)
class CountedOptions(ClustererOptions):
    """Base of the clusterers that are told how many groups there are, and call nothing noise."""

    rows: ClassVar[Rows] = "pca"

    n_clusters: int | Literal["auto"] = "auto"
    """How many groups, or auto: as many as last over the resolutions of the neighbour graph."""

    def __post_init__(self) -> None:
        if self.n_clusters != "auto" and self.n_clusters < 2:
            raise OptionError(f"--n-clusters {self.n_clusters}: expected auto, or 2 or more")

    @property
    def is_k_counted(self) -> bool:
        """Whether the number was left to the graph."""
        return self.n_clusters == "auto"

    def check(self, n: int) -> None:
        """Refuse more groups than images.

        Raises
        ------
        OptionError
            More groups are asked for.
        """
        if self.n_clusters != "auto" and self.n_clusters > n:
            raise OptionError(
                f"--n-clusters {self.n_clusters}: there are {n} images, ask for fewer"
            )

    def choose_k(self, k: int | None) -> int:
        """Return k as it was counted or found before, else the number asked for.

        Raises
        ------
        ValueError
            It was to be counted, and was not.
        """
        if k is not None:
            return k
        if self.n_clusters == "auto":
            raise ValueError("n_clusters is 'auto': build must be told k")
        return self.n_clusters

    def describe(self, n: int) -> dict[str, Any]:
        """Return the options, and how k is counted where they do not say it."""
        counted = {"counted": "groups that last", "ties": choose_n_neighbors(n)}
        return super().describe(n) | (counted if self.is_k_counted else {})


def find_clusterers() -> dict[str, type[ClustererOptions]]:
    """Return the options of each clusterer by its name, the default one first.

    Raises
    ------
    TypeError
        A module of the package holds no clusterer, or several.
    """
    package = import_module("discovery.clusterers")
    # Packages are left out: a clusterer that needs more than a module keeps the rest in one.
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg]
    return {
        name: _load_options(f"{package.__name__}.{name}")
        for name in sorted(names, key=lambda name: (name != DEFAULT, name))
        if name != "base"
    }


def make_default() -> ClustererOptions:
    """Return the options of the default clusterer."""
    return find_clusterers()[DEFAULT]()


def check_clusterer(options: object) -> None:
    """Refuse what is not the options of a clusterer that is found.

    Raises
    ------
    OptionError
        It is anything else.
    """
    found = find_clusterers()
    if type(options) not in found.values():
        raise OptionError(
            f"clusterer is a {type(options).__name__}, expected the options of one of "
            f"{', '.join(found)}: a new one is a module in discovery/clusterers"
        )


def _load_options(module_name: str) -> type[ClustererOptions]:
    """Return the one class of options that a module defines; what it imports does not count."""
    found = [
        value
        for value in vars(import_module(module_name)).values()
        if isinstance(value, type)
        and issubclass(value, ClustererOptions)
        and value.__module__ == module_name
    ]
    if len(found) != 1:
        raise TypeError(
            f"{module_name} defines {len(found)} subclasses of ClustererOptions, expected one"
        )
    return found[0]
