"""The data classes of `discovery`: what each stage hands to the next. Frozen, aligned, checked.

`alike_labels` finds one type that is spelt twice, `clusters` holds what the machine found,
`proposals` what it puts before a person, `decisions` what the person said of it, `duplicates` which
images are copies, `labels` the grammar of a defect type's name, `lineage` what becomes of proposals
from run to run, `pictures` the small pictures of a run, `predictions` what the classifier says.
"""

from discovery.records.alike_labels import describe_alike_labels as describe_alike_labels
from discovery.records.alike_labels import warn_of_alike_labels as warn_of_alike_labels
from discovery.records.clusters import NOISE as NOISE
from discovery.records.clusters import Clustering as Clustering
from discovery.records.clusters import Layout as Layout
from discovery.records.clusters import Neighbours as Neighbours
from discovery.records.clusters import Rarity as Rarity
from discovery.records.clusters import Sweep as Sweep
from discovery.records.clusters import number_by_size as number_by_size
from discovery.records.decisions import HANDOFF_COLUMNS as HANDOFF_COLUMNS
from discovery.records.decisions import HANDOFF_FORMAT as HANDOFF_FORMAT
from discovery.records.decisions import Decided as Decided
from discovery.records.decisions import Decision as Decision
from discovery.records.decisions import DefectType as DefectType
from discovery.records.decisions import Handoff as Handoff
from discovery.records.decisions import ImageLabel as ImageLabel
from discovery.records.decisions import LabelSource as LabelSource
from discovery.records.decisions import Scope as Scope
from discovery.records.decisions import Verdict as Verdict
from discovery.records.duplicates import Duplicates as Duplicates
from discovery.records.labels import FORMULA_MARKS as FORMULA_MARKS
from discovery.records.labels import find_label_fault as find_label_fault
from discovery.records.labels import is_same_to_spreadsheet as is_same_to_spreadsheet
from discovery.records.labels import tidy_label as tidy_label
from discovery.records.lineage import EventKind as EventKind
from discovery.records.lineage import Generation as Generation
from discovery.records.lineage import Lineage as Lineage
from discovery.records.lineage import LineageEntry as LineageEntry
from discovery.records.lineage import LineageEvent as LineageEvent
from discovery.records.lineage import MatchedBy as MatchedBy
from discovery.records.pictures import Pictures as Pictures
from discovery.records.pictures import TileSheet as TileSheet
from discovery.records.predictions import Outcome as Outcome
from discovery.records.predictions import Predictions as Predictions
from discovery.records.proposals import Proposal as Proposal
