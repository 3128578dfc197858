"""What a person looks at and fills in follows the decisions: the run's sheets and its report.

Whoever adds to the ledger calls `publish_sheets`, or `refresh_report` of `discovery.flow.report`
where the sheets were written already. What was typed into the sheets is taken back first, by
`absorb_sheets`.
"""

from discovery.records import Handoff
from discovery.runs import Run
from discovery.stages.handoff_io import absorb_handoff, publish_handoff
from discovery.stages.type_sheet_io import absorb_types, publish_types


def absorb_sheets(run: Run, *, by: str, at: str) -> None:
    """Take back the run's own handoff.csv, types.csv and types.xlsx where someone edited them.

    Raises
    ------
    HandoffError
        An edited file has faults. Nothing is lost: mend or remove the file.
    """
    absorb_handoff(run, by=by, at=at)
    absorb_types(run, by=by, at=at)


def publish_sheets(run: Run) -> Handoff:
    """Write the run's handoff, its sheet of types and its report as things stand now.

    What was there is replaced: call `absorb_sheets` first.

    Raises
    ------
    RunError
        An artefact is missing or damaged, or the ledger has a line that cannot be read.
    """
    # Imported here: a round with nothing to do draws no report, and loads nothing that computes.
    from discovery.flow.report import refresh_report

    handoff = publish_handoff(run)
    publish_types(run)
    refresh_report(run)
    return handoff
