"""The small neural network that decides at one node of the tree: fused vector in, logits out."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

_BATCH = 256
_SMOOTHING = 0.05  # of the labels: clusters were named by majority, some of their images wrongly
_LEAST_STEPS = 400  # sixty images would else see a hundred steps, and stay half trained
_DROPOUT = 0.3
_WEIGHT_DECAY = 1e-3


class FusedNetwork(ClassifierMixin, BaseEstimator):
    """One hidden layer with batch norm and dropout, trained by AdamW on one cycle.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer.
    epochs : int
        Turns over the rows; a small set gets more, so that it sees enough steps.
    learning_rate : float
        The highest of the cycle (Smith and Topin 2019).
    random_state : int
        The same seed gives the same network on the same machine.

    Attributes
    ----------
    classes_ : (k,) array
    """

    def __init__(
        self,
        *,
        hidden: int = 256,
        epochs: int = 40,
        learning_rate: float = 2e-3,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[Any],
        sample_weight: NDArray[np.floating] | None = None,
    ) -> Self:
        """Train on rows (n, p) with labels (n,) and weights (n,), 1 where not given.

        Raises
        ------
        ValueError
            There are fewer than two classes, or a weight is negative or no number.

        Notes
        -----
        Rows of weight 0 are left out, from the batch norm's statistics and `classes_` too.
        """
        rows, y = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        weights = check_weights(sample_weight, len(rows))
        there = weights > 0
        rows, y, weights = rows[there], y[there], weights[there]
        if not len(rows):
            raise ValueError("every weight is zero, expected one above 0 at least")
        self.classes_ = unique_labels(y)
        if len(self.classes_) < 2:
            raise ValueError(f"the rows have 1 class ({self.classes_[0]}), expected two or more")
        targets = np.searchsorted(self.classes_, y)  # (n,)
        self.net_ = _train(
            _make_net(rows.shape[1], self.hidden, len(self.classes_), seed=self.random_state),
            (rows, targets, weights),
            epochs=self.epochs,
            rate=self.learning_rate,
            seed=self.random_state,
        )
        return self

    def decision_function(self, X: NDArray[np.floating]) -> Floats:
        """Return the logits (n, k)."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        with torch.inference_mode():
            logits: Floats = self.net_(torch.from_numpy(rows)).numpy()
        return logits

    def predict_proba(self, X: NDArray[np.floating]) -> Floats:
        """Return the probabilities (n, k), not calibrated."""
        shown = torch.from_numpy(self.decision_function(X))
        probabilities: Floats = torch.softmax(shown, dim=1).numpy()
        return probabilities

    def predict(self, X: NDArray[np.floating]) -> NDArray[Any]:
        """Return the likeliest class of each row, (n,)."""
        logits = self.decision_function(X)
        return np.asarray(self.classes_[logits.argmax(axis=1)])

    def to_arrays(self) -> Arrays:
        """Return the weights as named arrays, for a file."""
        check_is_fitted(self)
        return {name: value.numpy() for name, value in self.net_.state_dict().items()}

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]], classes: NDArray[Any]) -> Self:
        """Take back what `to_arrays` gave, for these classes (k,).

        Raises
        ------
        KeyError, RuntimeError
            An array is missing or has another shape.
        """
        self.classes_ = classes
        width = arrays["0.weight"].shape[1]
        self.n_features_in_ = int(width)
        self.net_ = _make_net(width, self.hidden, len(classes), seed=0)
        state = {name: torch.from_numpy(np.array(arrays[name])) for name in self.net_.state_dict()}
        self.net_.load_state_dict(state)
        self.net_.eval()
        return self


def check_weights(weights: NDArray[np.floating] | None, n: int) -> Floats:
    """Return the weights (n,), 1 where none are given.

    Raises
    ------
    ValueError
        They are not one a row, or one is negative or no number.
    """
    if weights is None:
        return np.ones(n, np.float32)
    given = np.asarray(weights, dtype=np.float32)
    if given.shape != (n,) or not np.isfinite(given).all() or (given < 0).any():
        raise ValueError(f"weights {given.shape} for {n} rows: expected one a row, 0 or more")
    return given


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: on matrices this small, waiting for others costs more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _make_net(width: int, hidden: int, classes: int, *, seed: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # a GPU's generator stays as it is
        return nn.Sequential(
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(hidden, classes),
        )


def _train(
    net: nn.Sequential,
    data: tuple[Floats, NDArray[np.intp], Floats],
    *,
    epochs: int,
    rate: float,
    seed: int,
) -> nn.Sequential:
    rows, targets, weights = (torch.from_numpy(np.ascontiguousarray(part)) for part in data)
    steps_a_turn = -(-len(rows) // _BATCH)
    epochs = max(epochs, -(-_LEAST_STEPS // steps_a_turn))
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=epochs * steps_a_turn
    )
    net.train()
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.default_generator.manual_seed(seed)  # a GPU's generator stays as it is
        for _ in range(epochs):
            for batch in torch.split(torch.randperm(len(rows)), _BATCH):
                if len(batch) > 1:  # batch norm has no spread over one row
                    losses = nn.functional.cross_entropy(
                        net(rows[batch]),
                        targets[batch],
                        reduction="none",
                        label_smoothing=_SMOOTHING,
                    )
                    share = weights[batch]
                    loss = (losses * share).sum() / share.sum().clamp(min=1e-6)
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                schedule.step()
    net.eval()
    return net
