"""Cut KLARF text into words, quoted strings and marks, and walk them with the line at hand."""

import re
from bisect import bisect_left

from embeddings.errors import TableError

MOST_DIGITS = 19  # of a number in 64 bits
_TOKEN = re.compile(r'"(?P<quoted>[^"]*)"|(?P<open>")|(?P<mark>[;{}])|(?P<word>[^\s;{}"]+)')
_TOKEN_OR_COMMA = re.compile(
    r'"(?P<quoted>[^"]*)"|(?P<open>")|(?P<mark>[;{},])|(?P<word>[^\s;{},"]+)'
)


def is_whole(text: str) -> bool:
    """Tell whether a word is a whole number, in the digits that int() and every tool read."""
    # isdigit alone takes the digits of every script, and int() refuses thousands of them.
    return len(text) < MOST_DIGITS and text.isascii() and text.removeprefix("-").isdigit()


class Tokens:
    """A walk over the tokens of a text.

    `peek` and `take` return a word or quoted string as it is, without quotes; `at_mark` tells
    whether the next token is one of ``;``, ``{`` and ``}`` (and not the same in quotes).
    """

    def __init__(self, text: str, *, source: str, has_commas: bool = False) -> None:
        self.source = source
        self._text = text
        self._tokens = [
            (match.group("quoted") if match.group("quoted") is not None else match.group(),
             match.start(), match.lastgroup)
            for match in (_TOKEN_OR_COMMA if has_commas else _TOKEN).finditer(text)
        ]  # fmt: skip
        # Where lines end, to find a token's line by bisection: only errors ask for it.
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._next = 0
        # Before anything is read: a quote that never closes makes nonsense of all that follows.
        for _, start, group in self._tokens:
            if group == "open":
                raise self.fail("a quote that is not closed", start)

    def __bool__(self) -> bool:
        return self._next < len(self._tokens)

    @property
    def position(self) -> int:
        """Number of the next token, from 0."""
        return self._next

    def span(self, position: int) -> tuple[int, int]:
        """Return where a token begins and ends in the text, with its quotes."""
        text, start, group = self._tokens[position]
        return start, start + len(text) + (2 if group == "quoted" else 0)

    @property
    def line(self) -> int:
        """Line of the next token, from 1."""
        return self._line_of(self._start(self._next))

    def at_mark(self, marks: str) -> bool:
        """Tell whether the next token is one of these marks."""
        if not self:
            return False
        text, _, group = self._tokens[self._next]
        return group == "mark" and text in marks

    def peek(self) -> str:
        """Return the next token without going past it; empty at the end."""
        return self._tokens[self._next][0] if self else ""

    def take(self, what: str) -> str:
        """Return the next word or string.

        Raises
        ------
        TableError
            A mark or the end comes instead; `what` tells what was expected.
        """
        if not self or self.at_mark(";{},"):
            raise self.fail(f"expected {what}, got {self._describe_next()}")
        self._next += 1
        return self._tokens[self._next - 1][0]

    def take_many(self, count: int, what: str) -> list[str]:
        """Return the next `count` words; `take` for long rows."""
        chunk = self._tokens[self._next : self._next + count]
        # A mark within the row is a cell too few: one by one, so that the error names the cell.
        if len(chunk) < count or any(group == "mark" for _, _, group in chunk):
            return [self.take(what) for _ in range(count)]
        self._next += count
        return [text for text, _, _ in chunk]

    def take_class(self) -> int:
        """Return the next word as the number of a class: -1 is one, too."""
        line = self.line
        text = self.take("a class number")
        if not is_whole(text):
            raise TableError(
                f"{self.source}, line {line}: expected a class number, got {text[:40]!r}"
            )
        return int(text)

    def take_count(self, what: str) -> int:
        """Return the next word as a whole number of at least 0."""
        line = self.line
        text = self.take(what)
        if not is_whole(text) or text.startswith("-"):
            raise TableError(f"{self.source}, line {line}: expected {what}, got {text[:40]!r}")
        return int(text)

    def take_mark(self, mark: str) -> None:
        """Go past a mark that must come next."""
        if not self.at_mark(mark):
            raise self.fail(f"expected {mark!r}, got {self._describe_next()}")
        self._next += 1

    def take_until(self, mark: str) -> list[str]:
        """Return all words up to a mark, and go past it."""
        words: list[str] = []
        while not self.at_mark(mark):
            words.append(self.take(f"{mark!r}"))
        self._next += 1
        return words

    def take_line(self) -> list[str]:
        """Return the words up to the end of the line, or to a mark on it."""
        words = [self.take("a keyword")]
        while self and not self.at_mark(";{},") and not self.starts_line():
            words.append(self.take("a word"))
        return words

    def is_alone_on_line(self) -> bool:
        """Tell whether the next token has its line for itself."""
        return self.starts_line() and (
            self._next + 1 >= len(self._tokens)
            or "\n" in self._text[self._start(self._next) : self._start(self._next + 1)]
        )

    def starts_line(self) -> bool:
        """Tell whether the next token is the first of its line."""
        start = self._start(self._next)
        return not self._text[self._text.rfind("\n", 0, start) + 1 : start].strip()

    def fail(self, what: str, start: int | None = None) -> TableError:
        """Return the error of the next token, for the caller to raise."""
        at = self._start(self._next) if start is None else start
        return TableError(f"{self.source}, line {self._line_of(at)}: {what}")

    def _describe_next(self) -> str:
        return repr(self.peek()) if self else "the end of the file"

    def _start(self, position: int) -> int:
        return self._tokens[position][1] if position < len(self._tokens) else len(self._text)

    def _line_of(self, start: int) -> int:
        return bisect_left(self._breaks, start) + 1
