import subprocess
import sys

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import discovery.clusterers
from discovery.clusterers import HDBSCAN, Agglomerative, GraphCommunities, KMeans

# Every check of scikit-learn applies and passes; those of the array API are skipped by
# scikit-learn itself where that is not switched on.
ESTIMATORS = [
    GraphCommunities(),
    GraphCommunities(1.0, min_community_size=2, n_runs=1),
    HDBSCAN(),
    HDBSCAN(exact=False),
    KMeans(),
    KMeans(3),
    Agglomerative(),
    Agglomerative(3, linkage="average"),
    Agglomerative(exact_below=20),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_public_names_are_there():
    for name in discovery.clusterers.__all__:
        assert name == getattr(discovery.clusterers, name).__name__
    with pytest.raises(AttributeError, match="no attribute 'Spectral'"):
        _ = discovery.clusterers.Spectral


def test_the_package_is_light_until_used():
    code = (
        "import sys, discovery.clusterers as c; assert not {'faiss', 'sklearn'} & set(sys.modules);"
        "c.KMeans; assert 'sklearn' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
