"""The small pictures that a run keeps: thumbnails of the images worth one, heat maps of medoids."""

from collections.abc import Mapping
from dataclasses import replace

from discovery.flow.context import RoundContext
from discovery.records import Pictures
from discovery.runs import PICTURES
from discovery.stages.report import choose_thumbnails
from embeddings.console import get_logger
from embeddings.errors import RunError, WeightsError
from embeddings.thumbnails import read_thumbnails


def collect_pictures(context: RoundContext) -> Pictures:
    """Make the pictures of a run; of previews, or of its earlier pictures, no file is opened."""
    run = context.run
    proposals = run.load_proposals()
    wanted = choose_thumbnails(
        run.load_clustering(), proposals, limit=context.options.thumbnails, rarity=context.rarity
    )
    known = _find_known(context)
    # Of previews where this process extracted; else files are opened once more.
    made = read_thumbnails(
        context.vectors,
        [name for name in wanted if name not in known],
        context.source.store,
        max_pixels=context.options.extract.max_pixels,
        previews=context.previews,
    )
    thumbnails = {
        name: data for name in wanted if (data := known.get(name) or made.get(name)) is not None
    }
    pictures = Pictures(thumbnails=thumbnails)
    return replace(
        pictures, heats=_draw_heats(context, [one.medoid for one in proposals], thumbnails)
    )


def _find_known(context: RoundContext) -> Mapping[str, bytes]:
    """Return the thumbnails of the round before, where they are of the same vectors."""
    run = context.run
    entry = run.entry(PICTURES)
    made_of = context.hash_inputs("vectors")
    # The vectors' hash covers the store: its windows decide what is black in a thumbnail.
    if entry is None or not made_of.items() <= entry["inputs"].items():
        return {}
    try:
        return run.load_pictures().thumbnails
    except RunError:
        return {}  # damaged: they are made anew


def _draw_heats(
    context: RoundContext, medoids: list[str], thumbnails: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Colour the medoids where they are unlike the rest, where the vectors were made so."""
    store = context.source.store
    if not store.spec.bank_sha256 or store.spec.view == "polar":
        return {}  # of no places, or of places that are not the picture's
    from embeddings.heat import draw_heat, weigh_images

    try:
        # Only the medoids: a heat map takes as long as extracting the picture.
        heats = weigh_images(context.vectors, medoids, store, options=context.options.extract)
    except WeightsError as error:
        get_logger().warning("WARNING: the report has no heat maps: %s", error)
        return {}
    return {name: draw_heat(thumbnails[name], heats[name]) for name in heats if name in thumbnails}
