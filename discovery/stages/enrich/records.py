"""What enrichment hands on: associations in the metadata, and the signature on the wafer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichOptions:
    """What counts as an association.

    Attributes
    ----------
    q : float
        Most false discovery rate among all associations of a run (Benjamini-Hochberg).
    least_size : int
        Members with a value known, for a cluster to be tested at all.
    least_count : int
        Members that share the value. Two images have something in common by chance in any lot,
        and a reader would check them by eye.
    least_odds : float
        Odds ratio of a value. With fifty thousand images a share of 51 % instead of 50 % is
        beyond doubt, and of no use to anyone.
    least_effect : float
        Rank-biserial correlation of a number, in [0, 1]: 0.3 means that a member lies above an
        other image in 65 of 100 pairs.
    most : int
        Associations kept of a cluster.
    draws : int
        Random sets of images that a wafer map is held against.
    """

    q: float = 0.05
    least_size: int = 5
    least_count: int = 3
    least_odds: float = 2.0
    least_effect: float = 0.3
    most: int = 12
    draws: int = 99

    def __post_init__(self) -> None:
        if not 0 < self.q < 1:
            raise ValueError(f"q is {self.q}, expected between 0 and 1")
        if min(self.least_size, self.least_count, self.most) < 1 or self.draws < 19:
            raise ValueError("sizes and counts must be 1 or more, draws 19 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One thing that a cluster's images have in common, more than all images of the round.

    Attributes
    ----------
    cluster_id : int
    column : str
        Of the metadata; ``lot, wafer`` where a wafer's name is told apart by its lot.
    kind : {"value", "number", "time"}
        A value over-represented; a number higher or lower; images bunched in time.
    value : str
        The value; for numbers ``higher`` or ``lower``, for times the window.
    count, size : int
        Members with the value (inside the window), of members where the column is known.
    others, rest : int
        The same of all other images.
    effect : float
        Odds ratio (Haldane's half added to each count) for values and windows; for numbers the
        rank-biserial correlation, in [-1, 1].
    p, q : float
        One-sided for values and windows, two-sided for numbers; q over all tests of the run.
    missing : int
        Members where the column is empty.
    wafers, lots : int or None
        How many are behind the `count` images; None where metadata do not tell.
    wafer_p : float or None
        The same question asked of wafers: is the value more frequent among wafers that have a
        member than among all? None where a wafer has several values, or too few are known.
    explained_by : str
        A stronger association of this cluster, within which and without which this one vanishes.
    same_as : tuple of str
        Other columns that split the images in the very same way.
    """

    cluster_id: int
    column: str
    kind: str
    value: str
    count: int
    size: int
    others: int
    rest: int
    effect: float
    p: float
    q: float = 1.0
    missing: int = 0
    wafers: int | None = None
    lots: int | None = None
    wafer_p: float | None = None
    explained_by: str = ""
    same_as: tuple[str, ...] = ()

    @property
    def share_in(self) -> float:
        """Part of the members, in [0, 1]."""
        return self.count / self.size

    @property
    def share_out(self) -> float:
        """Part of all other images, in [0, 1]."""
        return self.others / self.rest if self.rest else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what proposals.csv keeps, without what is empty."""
        values = asdict(self)
        # It stands in the row of the proposal already.
        del values["cluster_id"]
        values["same_as"] = list(self.same_as)
        values |= {name: _shorten(values[name]) for name in ("effect", "p", "q", "wafer_p")}
        # 0 stays: no other image has the value, which is the strongest case there is.
        empty: tuple[Any, ...] = (None, "", [])
        return {name: value for name, value in values.items() if value not in empty}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a test of one column found in one cluster of n images, before its counts are taken.

    Attributes
    ----------
    cluster_id, column, kind, value, effect, p, q, same_as
        As in `Association`.
    mask : (n,) bool
        Images with the value, beyond the median, or inside the window.
    known : (n,) bool
        Images where the column is known.
    """

    cluster_id: int
    column: str
    kind: str
    value: str
    mask: NDArray[np.bool_]
    known: NDArray[np.bool_]
    effect: float
    p: float
    q: float = 1.0
    same_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What the places of a cluster's images on the wafer look like.

    Attributes
    ----------
    name : str
        ``edge ring``, ``edge local``, ``centre``, ``donut``, ``local``, ``scratch``,
        ``reticle repeat``, ``random``, or ``too few points``.
    p : float
        Of so strong a pattern in as many images drawn at random from the round; NaN where there
        are too few to say.
    q : float
        The same, with the false discovery rate held over the clusters of the run.
    count, size : int
        Members in the zone, of members whose place is known.
    others, rest : int
        The same of all other images.
    effect : float
        Odds ratio of the zone; NaN without a zone.
    kind, measures
        The zone's shape, as in `Zone`; empty without one.
    """

    name: str
    p: float
    size: int
    q: float = 1.0
    count: int = 0
    others: int = 0
    rest: int = 0
    effect: float = float("nan")
    kind: str = ""
    measures: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; what is not a number becomes None."""
        values = asdict(self) | {"measures": [_shorten(measure) for measure in self.measures]}
        return values | {name: _shorten(values[name]) for name in ("p", "q", "effect")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Where images lie on their wafers.

    Attributes
    ----------
    xy : (n, 2) float64
        From the wafer's centre in wafer radii, y upwards, notch down; NaN where not known.
    source : str
        The columns they were read from.
    dies : (n, 2) float64
        Column and row of the die; NaN where not known.
    within : (n, 2) float64
        Place in the die, in its own width and height; NaN where not known.
    """

    xy: NDArray[np.float64]
    source: str
    dies: NDArray[np.float64]
    within: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Tell which images have a place, (n,)."""
        return find_known(self.xy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrichment:
    """All that the metadata say of one run's clusters.

    Attributes
    ----------
    found : dict of int to tuple of Association
        By cluster, strongest first.
    signatures : dict of int to Signature
        By cluster; empty without positions.
    maps : dict of int to dict
        JSON-ready places by cluster, for the report to draw.
    left_out : dict of str to str
        Columns that were not tested, and why.
    tests : int
        How many tests the false discovery rate is held over.
    """

    found: Mapping[int, tuple[Association, ...]] = field(default_factory=dict)
    signatures: Mapping[int, Signature] = field(default_factory=dict)
    maps: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    tests: int = 0


def find_known(xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which rows of (n, 2) places hold no NaN, (n,)."""
    return np.asarray(np.isfinite(xy).all(axis=1), np.bool_)


def _shorten(value: float | None) -> float | None:
    """Keep four digits: proposals.csv is read by people too."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.4g}")
