"""The console script: `defect-discovery VERB ...` is `python -m` of the module of that verb.

defect-discovery cluster IMAGES --out RUN
"""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from embeddings.console import naming_command, report_error, say
from embeddings.errors import OptionError

# In the order of a day's work; a verb is the last word of the module's name.
VERBS = {
    "extract": ("embeddings.extract", "images become vectors in a store"),
    "search": ("embeddings.search", "the look-alikes of an image"),
    "store": ("embeddings.store", "check or mend a store"),
    "cluster": ("discovery.cluster", "the main job: images become proposed defect types"),
    "flow": ("discovery.flow", "the same, under another name"),
    "review": ("discovery.review", "turn proposals into types, in the browser"),
    "handoff": ("discovery.handoff", "write, read back or export what was decided"),
    "assign": ("discovery.assign", "new images: named, unknown or undecided"),
    "evaluate": ("discovery.evaluate", "a run against the truth"),
    "classify": ("discovery.classify", "train, use and judge the classifier of named types"),
    "detect": ("discovery.detect", "train, use and judge the counter of defects"),
    "build": ("discovery.review.server.build", "build the review page, in a checkout"),
    "synthetic": ("discovery.synthetic", "write synthetic images with their truth"),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command of the first word with the others; return its exit code."""
    verb, *others = list(sys.argv[1:] if words is None else words) or ["--help"]
    as_module = Path(sys.argv[0]).name == "__main__.py"
    prog = "python -m discovery" if as_module else "defect-discovery"
    if verb in ("-h", "--help"):
        say(_format_help(prog))
        return 0
    if verb not in VERBS:
        names = ", ".join(VERBS)
        report_error(prog, OptionError(f"{verb!r} is no command: expected one of {names}"))
        return 2
    sys.argv = [prog, *others]
    try:
        with naming_command(f"{prog} {verb}"):
            runpy.run_module(VERBS[verb][0], run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _format_help(prog: str) -> str:
    lines = [f"usage: {prog} COMMAND ...", ""]
    lines += [f"  {verb:<10} {what}" for verb, (_, what) in VERBS.items()]
    return "\n".join([*lines, "", f"`{prog} COMMAND --help` shows the options of a command."])


if __name__ == "__main__":
    sys.exit(main())
