"""Discovery quality: every route of this toolkit beside the peers' recipes, on every set.

    python benchmarks/quality.py --data ../shared/data --weights FILE --stores FOLDER
    python benchmarks/quality.py --weights FILE --stores FOLDER --set mine labels.csv

Each route runs with three seeds. Vectors are made once and kept in FOLDER; so are the scores, one
row a set, route and seed: a call with `--only` or `--routes` measures a part anew, and the tables
show the whole. Prints Markdown; where every set has been measured, it is also written into
docs/quality.md. A set of one's own (`--set`, a CSV with path and label, with `--normals`, a CSV
of known normals to hold back) is printed and written nowhere else. EVoC is run where it is
installed (`pip install evoc`).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from quality_routes import ROUTES, Route
from quality_sets import Case, find_cases, make_case
from quality_tables import write_gaps, write_head, write_set, write_targets

from embeddings.files import write_bytes

PAGE = Path(__file__).resolve().parent.parent / "docs" / "quality.md"
BEGIN, END = "<!-- table -->", "<!-- end -->"
KEY = ["set", "route", "seed"]


def measure_case(
    case: Case, routes: Sequence[Route], seeds: Sequence[int], kept: Path
) -> pd.DataFrame:
    """Run the routes on one set; each score is kept as soon as it is there."""
    scores = _read_scores(kept)
    for route in routes:
        if route.missing:
            print(f"{route.name}: {route.missing} is not installed", file=sys.stderr)
            continue
        for seed in seeds:
            start = time.monotonic()
            score = case.score(*route.run(case, seed))
            row = {"set": case.name, "route": route.name, "seed": seed, **score}
            row["measured"] = f"{datetime.now(UTC):%Y-%m-%d}"
            scores = pd.concat([scores, pd.DataFrame([row])]).drop_duplicates(KEY, keep="last")
            write_bytes(kept, scores.to_csv(index=False).encode())
            seconds = time.monotonic() - start
            print(
                f"{case.name}, {route.name}, seed {seed}: ARI {score['ari']:.3f}, {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return scores


def compose_tables(scores: pd.DataFrame, names: Sequence[str], *, head: list[str]) -> str:
    """Join head, targets and one table a set into Markdown."""
    scores = scores[scores["set"].isin(names)]
    parts = [
        head,
        ["### What must be reached"],
        write_targets(scores),
        ["### ARI against the best peer"],
        write_gaps(scores, ROUTES),
        *(write_set(scores, ROUTES, name) for name in names if (scores["set"] == name).any()),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def write_page(page: Path, tables: str) -> None:
    """Put the tables between the page's marks; the words around them stay."""
    before, found, rest = page.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"{page} lacks {BEGIN} or {END}: put them where the tables belong")
    write_bytes(page, f"{before}{BEGIN}\n\n{tables}\n{END}{after}".encode())


def main() -> None:
    """Measure what was asked for and show all that is known."""
    options = _parse_arguments()
    folder, weights = options.stores, str(options.weights)
    if options.set is None:
        cases = find_cases(options.data, folder, weights)
        wanted = [name for name in cases if not options.only or _slug(name) in options.only]
        kept = folder / "quality.csv"
    else:
        name, table = options.set
        cases = {
            name: make_case(name, Path(table), options.normals, stores=folder, weights=weights)
        }
        wanted, kept = [name], folder / f"quality-{name}.csv"
    routes = [r for r in ROUTES if not options.routes or any(o in r.name for o in options.routes)]
    for name in wanted:
        measure_case(cases[name], routes, options.seeds, kept)
    scores = _read_scores(kept)
    if scores.empty:
        raise SystemExit("nothing has been measured: leave out --routes, or name some that exist")
    source = f"--data {options.data}" if options.set is None else "--set " + " ".join(options.set)
    command = f"python benchmarks/quality.py {source} --weights {options.weights} --stores FOLDER"
    head = write_head(command, scores, options.weights)
    tables = compose_tables(scores, list(cases), head=head)
    print(tables)
    if options.set is None and set(cases) <= set(scores["set"]):
        write_page(PAGE, tables)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real sets")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--stores", type=Path, required=True, help="kept, so that it is done once")
    parser.add_argument("--only", nargs="*", default=[], type=_slug, metavar="SET")
    parser.add_argument("--routes", nargs="*", default=[], help="parts of their names")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs=2, metavar=("NAME", "CSV"), help="a set of one's own")
    parser.add_argument("--normals", type=Path, metavar="CSV", help="of --set: path, known normals")
    options = parser.parse_args()
    if (options.data is None) == (options.set is None):
        parser.error("expected either --data or --set")
    if options.normals is not None and options.set is None:
        parser.error("--normals belongs to --set")
    return options


def _slug(name: str) -> str:
    """Return a name without blanks, as it is typed."""
    return name.replace(" ", "-")


def _read_scores(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEY)


if __name__ == "__main__":
    main()
