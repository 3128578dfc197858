"""The data classes of `discovery`: what each stage hands to the next. Frozen, aligned, checked.

`clusters` holds what the machine found, `proposals` what it puts before a person, `decisions` what
the person said of it, `duplicates` which images are copies, `labels` the grammar of a defect type's
name, `lineage` what becomes of proposals from run to run, `predictions` what the classifier says.
"""

from discovery.records.clusters import (
    NOISE,
    Clustering,
    Layout,
    Neighbours,
    Rarity,
    Sweep,
    number_by_size,
)
from discovery.records.decisions import (
    HANDOFF_COLUMNS,
    Decided,
    Decision,
    DefectType,
    Handoff,
    ImageLabel,
    LabelSource,
    Scope,
    Verdict,
)
from discovery.records.duplicates import Duplicates
from discovery.records.labels import find_label_fault, is_same_to_spreadsheet, tidy_label
from discovery.records.lineage import (
    EventKind,
    Generation,
    Lineage,
    LineageEntry,
    LineageEvent,
    MatchedBy,
)
from discovery.records.predictions import Outcome, Predictions
from discovery.records.proposals import Proposal

__all__ = [
    "HANDOFF_COLUMNS",
    "NOISE",
    "Clustering",
    "Decided",
    "Decision",
    "DefectType",
    "Duplicates",
    "EventKind",
    "Generation",
    "Handoff",
    "ImageLabel",
    "LabelSource",
    "Layout",
    "Lineage",
    "LineageEntry",
    "LineageEvent",
    "MatchedBy",
    "Neighbours",
    "Outcome",
    "Predictions",
    "Proposal",
    "Rarity",
    "Scope",
    "Sweep",
    "Verdict",
    "find_label_fault",
    "is_same_to_spreadsheet",
    "number_by_size",
    "tidy_label",
]
