"""associations.csv: one row an association, for a spreadsheet or a yield database."""

from collections.abc import Sequence

from discovery.records import Proposal
from discovery.stages.enrich.records import Enrichment
from embeddings.files import format_csv

COLUMNS = (
    "proposal_id", "cluster_id", "column", "kind", "value", "count", "size", "share_in",
    "share_out", "effect", "p", "q", "missing", "wafers", "lots", "wafer_p", "explained_by",
    "same_as",
)  # fmt: skip
SIGNATURE = "wafer map"


def format_associations(proposals: Sequence[Proposal], enrichment: Enrichment) -> bytes:
    """Return associations.csv: the proposals in their order, strongest associations first.

    The signature on the wafer, where there is one, is a row of the column ``wafer map``.
    """
    rows: list[Sequence[str]] = [COLUMNS]
    for proposal in proposals:
        cluster = proposal.cluster_id
        for one in enrichment.found.get(cluster, ()):
            cells = {name: getattr(one, name, "") for name in COLUMNS}
            cells |= {"proposal_id": proposal.proposal_id, "same_as": ", ".join(one.same_as)}
            rows.append([_write(cells[name]) for name in COLUMNS])
        signature = enrichment.signatures.get(cluster)
        if signature is not None and signature.measures:
            told = {
                "proposal_id": proposal.proposal_id, "cluster_id": cluster, "column": SIGNATURE,
                "kind": "place", "value": signature.name, "count": signature.count,
                "size": signature.size, "share_in": signature.count / signature.size,
                "share_out": signature.others / max(signature.rest, 1),
                "effect": signature.effect, "p": signature.p, "q": signature.q,
            }  # fmt: skip
            rows.append([_write(told.get(name)) for name in COLUMNS])
    return format_csv(rows)


def _write(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
