"""Vectors become named defect types: clusters, proposals with evidence, and the handoff.

::

    from pathlib import Path
    from discovery import HDBSCANOptions, RoundOptions, discover_types

    options = RoundOptions(clusterer=HDBSCANOptions(min_cluster_size=20))
    found = discover_types(Path("images"), Path("run"), options=options)
    for proposal in found.run.load_proposals():
        ...

The estimators are in `discovery.clusterers`. Each name is loaded when first used (PEP 562):
`import discovery` needs neither torch nor faiss.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discovery.classifier.assess import Assessment, assess_classifier
    from discovery.classifier.cascade import CascadeClassifier
    from discovery.classifier.enhance import (
        GateOptions,
        denoise_picture,
        draw_steps,
        estimate_noise,
        highlight_defect,
        pass_gate,
    )
    from discovery.classifier.evaluation import render_evaluation, score_predictions
    from discovery.classifier.examples import Examples, read_examples
    from discovery.classifier.model import Model, load_model, save_model
    from discovery.classifier.options import PredictOptions, TrainOptions
    from discovery.classifier.parts import find_parts
    from discovery.classifier.predict import Answered, predict_images
    from discovery.classifier.tabulate import tabulate_answers
    from discovery.classifier.taxonomy import Taxonomy, make_default_taxonomy
    from discovery.classifier.train import train_classifier
    from discovery.detector.count import count_defects
    from discovery.detector.learn import learn_boxes
    from discovery.detector.model import load_detector, save_detector
    from discovery.flow import (
        AgglomerativeOptions,
        AutoOptions,
        Discovered,
        HDBSCANOptions,
        KMeansOptions,
        RoundOptions,
        discover_types,
    )
    from discovery.flow.lot import AssignOptions
    from discovery.flow.placing import Assigned, assign_images
    from discovery.flow.route import Partitioned, partition_vectors, reduce_vectors
    from discovery.formats.handoff import Taken, read_handoff, read_known_types, write_handoff
    from discovery.ledger import append_decisions, read_decisions, replay_decisions
    from discovery.pictures import (
        choose_colours,
        draw_evidence,
        draw_map,
        draw_proposal,
        draw_wafer,
    )
    from discovery.records import (
        Clustering,
        Decided,
        Decision,
        DefectType,
        Handoff,
        Layout,
        Neighbours,
        Predictions,
        Proposal,
    )
    from discovery.runs import Run, open_run
    from discovery.runs.lineage import read_lineage
    from discovery.stages.export import Exported, export_handoff
    from discovery.stages.handback import compose_handoff, publish_handoff, take_back
    from discovery.stages.neighbours import build_neighbours
    from discovery.stages.partition import partition_rows
    from discovery.stages.propose import KnownTypes, propose_types
    from discovery.stages.reduce import PCAReducer, embed_umap, reduce_pca
    from discovery.stages.score import score_clustering
    from discovery.stages.stability import measure_stability
    from discovery.stages.truth import Matched, TruthRow, match_truth, read_truth

__all__ = [
    "AgglomerativeOptions",
    "Answered",
    "Assessment",
    "AssignOptions",
    "Assigned",
    "AutoOptions",
    "CascadeClassifier",
    "Clustering",
    "Decided",
    "Decision",
    "DefectType",
    "Discovered",
    "Examples",
    "Exported",
    "GateOptions",
    "HDBSCANOptions",
    "Handoff",
    "KMeansOptions",
    "KnownTypes",
    "Layout",
    "Matched",
    "Model",
    "Neighbours",
    "PCAReducer",
    "Partitioned",
    "PredictOptions",
    "Predictions",
    "Proposal",
    "RoundOptions",
    "Run",
    "Taken",
    "Taxonomy",
    "TrainOptions",
    "TruthRow",
    "append_decisions",
    "assess_classifier",
    "assign_images",
    "build_neighbours",
    "choose_colours",
    "compose_handoff",
    "count_defects",
    "denoise_picture",
    "discover_types",
    "draw_evidence",
    "draw_map",
    "draw_proposal",
    "draw_steps",
    "draw_wafer",
    "embed_umap",
    "estimate_noise",
    "export_handoff",
    "find_parts",
    "highlight_defect",
    "learn_boxes",
    "load_detector",
    "load_model",
    "make_default_taxonomy",
    "match_truth",
    "measure_stability",
    "open_run",
    "partition_rows",
    "partition_vectors",
    "pass_gate",
    "predict_images",
    "propose_types",
    "publish_handoff",
    "read_decisions",
    "read_examples",
    "read_handoff",
    "read_known_types",
    "read_lineage",
    "read_truth",
    "reduce_pca",
    "reduce_vectors",
    "render_evaluation",
    "replay_decisions",
    "save_detector",
    "save_model",
    "score_clustering",
    "score_predictions",
    "tabulate_answers",
    "take_back",
    "train_classifier",
    "write_handoff",
]

# Where each name lives: the imports above, for when there is no type checker.
_HOMES = {
    "discovery.flow": (
        "AgglomerativeOptions",
        "AutoOptions",
        "Discovered",
        "HDBSCANOptions",
        "KMeansOptions",
        "RoundOptions",
        "discover_types",
    ),
    "discovery.flow.lot": ("AssignOptions",),
    "discovery.flow.placing": ("Assigned", "assign_images"),
    "discovery.flow.route": ("Partitioned", "partition_vectors", "reduce_vectors"),
    "discovery.formats.handoff": ("Taken", "read_handoff", "read_known_types", "write_handoff"),
    "discovery.classifier.assess": (
        "Assessment",
        "assess_classifier",
    ),
    "discovery.classifier.cascade": ("CascadeClassifier",),
    "discovery.detector.count": ("count_defects",),
    "discovery.detector.learn": ("learn_boxes",),
    "discovery.detector.model": (
        "load_detector",
        "save_detector",
    ),
    "discovery.classifier.enhance": (
        "GateOptions",
        "denoise_picture",
        "draw_steps",
        "estimate_noise",
        "highlight_defect",
        "pass_gate",
    ),
    "discovery.classifier.evaluation": (
        "render_evaluation",
        "score_predictions",
    ),
    "discovery.classifier.examples": (
        "Examples",
        "read_examples",
    ),
    "discovery.classifier.model": (
        "Model",
        "load_model",
        "save_model",
    ),
    "discovery.classifier.options": (
        "PredictOptions",
        "TrainOptions",
    ),
    "discovery.classifier.parts": ("find_parts",),
    "discovery.classifier.predict": (
        "Answered",
        "predict_images",
    ),
    "discovery.classifier.tabulate": ("tabulate_answers",),
    "discovery.classifier.taxonomy": (
        "Taxonomy",
        "make_default_taxonomy",
    ),
    "discovery.classifier.train": ("train_classifier",),
    "discovery.ledger": ("append_decisions", "read_decisions", "replay_decisions"),
    "discovery.pictures": (
        "choose_colours",
        "draw_evidence",
        "draw_map",
        "draw_proposal",
        "draw_wafer",
    ),
    "discovery.records": (
        "Clustering",
        "Decided",
        "Decision",
        "DefectType",
        "Handoff",
        "Layout",
        "Neighbours",
        "Predictions",
        "Proposal",
    ),
    "discovery.runs": ("Run", "open_run"),
    "discovery.runs.lineage": ("read_lineage",),
    "discovery.stages.export": ("Exported", "export_handoff"),
    "discovery.stages.handback": ("compose_handoff", "publish_handoff", "take_back"),
    "discovery.stages.neighbours": ("build_neighbours",),
    "discovery.stages.partition": ("partition_rows",),
    "discovery.stages.propose": ("KnownTypes", "propose_types"),
    "discovery.stages.reduce": ("PCAReducer", "embed_umap", "reduce_pca"),
    "discovery.stages.score": ("score_clustering",),
    "discovery.stages.stability": ("measure_stability",),
    "discovery.stages.truth": ("Matched", "TruthRow", "match_truth", "read_truth"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
