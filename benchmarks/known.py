"""How well `--known` sets aside what is known: each type in turn is withheld, then arrives.

    python benchmarks/known.py --data ../shared/data --weights FILE --stores FOLDER

Half of the images of the other types are known; the lot is the rest of them and the withheld type.
Per set, the mean over the types: the share of the known types' images that is set aside, how many
of the images set aside bear the right label (purity; .95 is asked for), and the share of new images
that is lost among them. Stores are those of benchmarks/quality.py, which must have run before.
Prints Markdown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from alarm import NORMAL, load_views
from numpy.typing import NDArray
from quality_sets import GIVEN_NORMALS, GIVEN_REFERENCES, find_cases

from discovery.flow.known_types import group_together, stack_views
from discovery.flow.space import fit_space
from discovery.graph import choose_n_neighbors
from discovery.stages.place import NAMED, PlaceOptions, match_known
from embeddings.records import Vectors


def withhold(
    views: Sequence[Vectors], types: NDArray[np.str_], hidden: str, seed: int
) -> tuple[float, float, float]:
    """Return the share set aside, its purity, and the share of new images lost."""
    others = np.random.default_rng(seed).permutation(np.flatnonzero(types != hidden))
    half = len(others) // 2
    known = np.sort(others[:half])
    lot = np.sort(np.concatenate([others[half:], np.flatnonzero(types == hidden)]))
    parts = [[view.take(rows) for view in views] for rows in (lot, known)]
    rows = fit_space(stack_views(*parts), seed=seed).rows
    n = len(lot)
    found = match_known(
        rows[:n],
        rows[n:],
        types[known],
        groups=group_together(rows, seed=seed),
        n_neighbors=choose_n_neighbors(len(rows)) - 1,
        options=PlaceOptions(),
    )
    named, is_new = found.verdicts == NAMED, types[lot] == hidden
    right = found.labels[named] == types[lot][named]
    purity = float(right.mean()) if len(right) else np.nan
    return float(named[~is_new].mean()), purity, float(named[is_new].mean())


def main() -> None:
    """Measure every set and print one row each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--stores", type=Path, required=True)
    options = parser.parse_args()
    cases = find_cases(options.data, options.stores, str(options.weights))
    heads = ("set", "set aside of the known types", "purity", "new images lost")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, case in cases.items():
        if name in (GIVEN_NORMALS, GIVEN_REFERENCES):
            continue
        views, types = load_views(case)
        hidden = [one for one in sorted(set(types.tolist())) if one not in NORMAL]
        rows = [withhold(views, types, one, seed=0) for one in hidden]
        cells = [f"{one:.3f}" for one in np.nanmean(rows, axis=0)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
