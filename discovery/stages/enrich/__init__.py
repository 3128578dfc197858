"""What a cluster's images have in common beside their look: metadata, and places on the wafer."""

from discovery.stages.enrich.associations import (
    attach_associations,
    find_associations,
    format_associations,
)
from discovery.stages.enrich.records import Association, Enrichment, EnrichOptions, Signature
from discovery.stages.enrich.signature import name_signature

__all__ = [
    "Association",
    "EnrichOptions",
    "Enrichment",
    "Signature",
    "attach_associations",
    "find_associations",
    "format_associations",
    "name_signature",
]
