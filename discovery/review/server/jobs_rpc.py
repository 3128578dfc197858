"""The methods of work in the background: how far it is, and to give it up."""

from discovery.review.server.answers import Answer
from discovery.review.server.arguments import text
from discovery.review.server.context import ApiContext
from discovery.review.server.method import Method


def tell_job(context: ApiContext, *, id: str) -> Answer:
    """Tell how far a job is."""
    return Answer(json=context.jobs.find(id).to_dict())


def cancel_job(context: ApiContext, *, id: str) -> Answer:
    """Give a job up; it ends at its next step."""
    return Answer(json=context.jobs.cancel(id).to_dict())


METHODS = {
    "job": Method(run=tell_job, arguments={"id": text()}),
    "cancel": Method(run=cancel_job, arguments={"id": text()}),
}
