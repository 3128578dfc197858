"""The methods of work in the background: what is left is clustered again; progress, giving up."""

from discovery.review.regroup import regroup_rest
from discovery.review.server.answers import Answer
from discovery.review.server.arguments import text
from discovery.review.server.context import ApiContext
from discovery.review.server.jobs import Progress
from discovery.review.server.method import Method
from embeddings.errors import OptionError
from embeddings.plurals import tell_count


def start_regroup(context: ApiContext) -> Answer:
    """Begin to cluster what is left again; its groups are proposals when the job is done."""
    if not len(context.state.left):
        raise OptionError("nothing is left to group: every image has a label or was rejected")
    job = context.jobs.start("regroup", lambda progress: _regroup(context, progress))
    return Answer(json={"job": job.id})


def tell_job(context: ApiContext, *, id: str) -> Answer:
    """Tell how far a job is."""
    return Answer(json=context.jobs.find(id).to_dict())


def cancel_job(context: ApiContext, *, id: str) -> Answer:
    """Give a job up; it ends at its next step."""
    return Answer(json=context.jobs.cancel(id).to_dict())


def _regroup(context: ApiContext, progress: Progress) -> str:
    state = context.state
    codes = {label: code for code, label in enumerate(state.labels)}
    found = regroup_rest(
        context.rows,
        state.left,
        state.label_codes,
        levels=context.levels,
        excluded={
            codes[label]: barred for label, barred in state.excluded.items() if label in codes
        },
        progress=progress,
    )
    if not found.parts:
        return f"no groups among {tell_count(len(found.noise), 'image')}"
    progress(1.0, "propose the groups")
    # Of the state as it is by now: what was named in the meantime stays out of the groups.
    context.review.regroup(
        [part.images for part in found.parts],
        likely={
            place: state.labels[part.label]
            for place, part in enumerate(found.parts)
            if part.label >= 0
        },
    )
    context.tell_revision()
    images = sum(len(part.images) for part in found.parts)
    groups = f"{tell_count(len(found.parts), 'group')} of {tell_count(images, 'image')}"
    return f"{groups}; {tell_count(len(found.noise), 'image')} in none"


METHODS = {
    "start_regroup": Method(run=start_regroup),
    "job": Method(run=tell_job, arguments={"id": text()}),
    "cancel": Method(run=cancel_job, arguments={"id": text()}),
}
