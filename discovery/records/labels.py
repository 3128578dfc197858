"""The grammar of a defect type's name, and what spreadsheets do to one.

A label is a path in the taxonomy, from the general to the particular: ``defect/large/particle``.
`tidy_label` forgives what a person does without meaning it; `find_label_fault` names what cannot
be a label.
"""

import re
import unicodedata

# Verdicts of a classifier that cannot or need not name an image: never something to learn.
VERDICT_WORDS = frozenset({"unknown", "undecided"})
_MAX_LENGTH = 200  # a folder is named after each part; most file systems take 255 bytes
FORMULA_MARKS = ("=", "+", "-", "@")  # a spreadsheet runs a cell that begins so
_MONTH = r"(jan|feb|m[aä]r|mrz|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*"
# What Excel and LibreOffice make of a typed 1/2, 1-2 or 3.4.
_DATE = re.compile(
    rf"\d{{1,2}}[-. ]+{_MONTH}\.?([-. ]+\d{{2,4}})?|{_MONTH}[-. ]+\d{{1,4}}"
    r"|\d{4}-\d{1,2}-\d{1,2}.*|\d{1,2}[./-]\d{1,2}[./-](\d{2}|\d{4})",
    re.IGNORECASE,
)
# What a spreadsheet would take for a date, were it typed in.
_DATE_TO_BE = re.compile(r"\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?")


def tidy_label(text: str) -> str:
    """Drop blanks around the label and its parts, and compose accents (Unicode NFC)."""
    parts = unicodedata.normalize("NFC", text).strip().split("/")
    return "/".join(part.strip() for part in parts)


def find_label_fault(label: str) -> str:
    """Say what is wrong with a tidy label; empty where nothing is."""
    parts = label.split("/")
    if not all(parts):
        return f"{label!r} has an empty part: write it as defect/large/particle"
    if len(label) > _MAX_LENGTH:
        return f"a label of {len(label)} characters, at most {_MAX_LENGTH} are allowed"
    # Cc: line breaks, tabs, NUL; Cf: invisible marks that make two equal-looking labels differ
    if any(unicodedata.category(mark) in ("Cc", "Cf", "Cs") for mark in label):
        return f"{label!r} holds a control or invisible character: type it anew"
    if "\\" in label:
        return f"{label!r} holds a backslash: separate the parts with /"
    if label.startswith(FORMULA_MARKS):
        return f"{label!r} begins with {label[0]}, which spreadsheets run as a formula"
    if label.startswith("#"):
        return f"{label!r} begins with #, as a spreadsheet's errors do"
    if _DATE.fullmatch(label):
        return f"{label!r} looks like a date a spreadsheet made: format the column as text"
    for part in parts:
        if part.casefold() in VERDICT_WORDS:
            return f"{label!r} is a verdict and no type: leave the label empty"
        if part in (".", ".."):
            return f"{label!r} holds the part {part}, which is a folder's own name"
    return ""


def is_same_to_spreadsheet(written: str, read: str) -> bool:
    """Tell whether a spreadsheet may have turned the first label into the second by itself.

    It does so to numbers (007 becomes 7), to TRUE and FALSE and to what it takes for a date.
    """
    if written == read:
        return True
    if written.casefold() == read.casefold() and read.casefold() in ("true", "false"):
        return True
    if _DATE_TO_BE.fullmatch(written) and (_DATE.fullmatch(read) or _as_number(read) is not None):
        return True
    number = _as_number(written)
    return number is not None and number == _as_number(read)


def _as_number(text: str) -> float | None:
    if not re.fullmatch(r"[-+]?\d*[.,]?\d+([eE][-+]?\d+)?", text):
        return None
    return float(text.replace(",", "."))
