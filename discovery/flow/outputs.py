"""The last steps of a round: what a person looks at and fills in.

As in `discovery.flow.steps`, what a step computes with is imported inside it.
"""

from datetime import UTC, datetime

from discovery.flow.beside import Facts, Made
from discovery.flow.context import RoundContext, find_user
from discovery.runs import FACTS, HANDOFF_CSV, HANDOFF_JSON, PICTURES, REPORT, Run


def keep_pictures(context: RoundContext, facts: Facts) -> Made:
    """Keep small pictures of the images: pages and sheets are made of them, also later."""
    from discovery.flow.pictures import collect_pictures
    from discovery.runs.pictures import format_pictures

    pictures = collect_pictures(context)
    facts.update(thumbnails=len(pictures.thumbnails))
    return {PICTURES: format_pictures(pictures)}


def write_handoff(context: RoundContext, facts: Facts) -> Made:
    """Write the clusters with what is decided of them, for a person to fill in."""
    from discovery.flow.refresh import absorb_sheets
    from discovery.formats.handoff import format_handoff
    from discovery.stages.handoff_io import compose_handoff

    # A round takes minutes: what was typed into the files since its start is kept, too.
    now = datetime.now(UTC).isoformat(timespec="seconds")
    absorb_sheets(context.run, by=find_user(), at=now)
    handoff = compose_handoff(context.run)
    table, description = format_handoff(handoff)
    facts.update(images=len(handoff), labelled=len(handoff.labelled))
    return {HANDOFF_CSV: table, HANDOFF_JSON: description}


def write_types(context: RoundContext, facts: Facts) -> Made:
    """Write the sheet with one row a proposal, for a person to fill in."""
    from discovery.stages.type_sheet_io import compose_types

    facts.update(rows=len(context.run.load_proposals()))
    return compose_types(context.run)


def draw_report(context: RoundContext, facts: Facts) -> Made:
    """Draw the page that a person looks at."""
    from discovery.flow.facts import format_facts, gather_facts
    from discovery.flow.report import compose_report

    told = gather_facts(context)
    page = compose_report(context.run, told)
    facts.update(size=f"{len(page) / 1e6:.1f} MB")
    return {FACTS: format_facts(told), REPORT: page}


def follow_move(run: Run) -> None:
    """Draw the page again where it is current but for the place of the run, which it names."""
    from discovery.flow.facts import has_moved

    if has_moved(run):
        from discovery.flow.report import refresh_report

        refresh_report(run)
