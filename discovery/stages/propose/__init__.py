"""Clusters become proposals of defect types, each with its evidence, exemplars and rank."""

from discovery.stages.propose.evidence import KnownTypes
from discovery.stages.propose.proposals import name_proposal, propose_types, rank_proposals

__all__ = ["KnownTypes", "name_proposal", "propose_types", "rank_proposals"]
