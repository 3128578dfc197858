"""What is wrong with a command line, in one line of plain words, made of what tyro says of it."""

import ast
import re
from collections.abc import Callable


def reword_fault(box: str) -> str:
    """Make one line of tyro's error box: drop colours, frames, titles and usage hints."""
    kept: list[str] = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines():
        text = line.strip("│╰╯─ ")
        if text.startswith(("For full helptext", "Argument helptext")):
            break
        if text and not text.startswith("╭"):
            kept.append(text)
    # A terminal without UTF-8 gets rules of hyphens, the first of them below the title.
    rules = [position for position, text in enumerate(kept) if set(text) == {"-"}]
    if rules[:1] == [1]:
        kept = kept[1:]
    kept = [text for text in kept if set(text) != {"-"}]
    joined = " ".join(kept)
    for pattern, replacement in _REWORDED:
        joined = re.sub(pattern, replacement, joined)
    return joined.rstrip(".:; ") or "the options were not understood"


def _list_choices(found: re.Match[str]) -> str:
    """Say what may be chosen, without the None that leaving an option out stands for."""
    came, flag, choices = found.groups()
    # tyro has them in a set, whose order is another each time.
    names = sorted(name for name in ast.literal_eval(choices) if name != "None")
    return f"{flag} {came}: expected {', '.join(names[:-1])} or {names[-1]}"


# How tyro words it -> what came and what was expected.
_REWORDED: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"\[/?bold\]", ""),
    (r"invalid choice (.+?) for argument '(--\S+)'\. Expected one of (\(.+?,.+?\))",
     _list_choices),
    (r"Error parsing (--\S+): no type matching (?:\{None\}\|)?(.+?) could be instantiated "
     r"from \[(.*?)\]\..*", r"\1 \3: expected \2"),
    (r"Error parsing (--\S+): invalid literal for int\(\) with base 10: (.+)",
     r"\1 \2: expected INT"),
    (r"Error parsing (--\S+): could not convert string to float: (.+)", r"\1 \2: expected FLOAT"),
    (r"^Error parsing [\w.]+: ", ""),  # the group an option belongs to is no concern of a user's
    (r"^Missing from .*?: ", "missing "),
    (r" \(required\)", ""),
)  # fmt: skip
