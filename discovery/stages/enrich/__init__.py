"""What a cluster's images have in common beside their look: metadata, and places on the wafer."""

from discovery.stages.enrich.associations import attach_associations as attach_associations
from discovery.stages.enrich.associations import find_associations as find_associations
from discovery.stages.enrich.associations import format_associations as format_associations
from discovery.stages.enrich.records import Association as Association
from discovery.stages.enrich.records import Enrichment as Enrichment
from discovery.stages.enrich.records import EnrichOptions as EnrichOptions
from discovery.stages.enrich.records import Signature as Signature
from discovery.stages.enrich.signature import name_signature as name_signature
