"""Ids of proposals survive from run to run: who goes on, merged, split, is new, or has gone."""

from discovery.stages.lineage.generations import gather_generation, remember_generation
from discovery.stages.lineage.trace import renew_name, trace_lineage

__all__ = ["gather_generation", "remember_generation", "renew_name", "trace_lineage"]
