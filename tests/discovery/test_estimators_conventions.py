import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from discovery.estimators.agglomerative import Agglomerative
from discovery.estimators.communities import GraphCommunities
from discovery.estimators.kmeans import KMeans

# Every check of scikit-learn applies and passes; those of the array API are skipped by
# scikit-learn itself where that is not switched on.
ESTIMATORS = [
    GraphCommunities(),
    GraphCommunities(1.0, min_community_size=2, n_runs=1),
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
