"""The small pictures that a run keeps: thumbnails of the images worth one, heat maps of medoids.

Of the images beyond the thumbnails' limit there are tiles, a few hundred bytes each, as far as they
were at hand when the round was made: for them no file is opened.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from PIL import Image

from discovery.flow.context import RoundContext
from discovery.records import Pictures, Proposal, TileSheet
from discovery.runs import PICTURES
from discovery.stages.report import choose_thumbnails
from embeddings.console import get_logger
from embeddings.errors import RunError, WeightsError
from embeddings.reader import THUMBNAIL_SIDE
from embeddings.thumbnails import read_thumbnails

_LARGER_SIDE, _MOST_LARGER = 224, 60  # pixels, pictures: about 12 kB each
_TILE_SIDE, _TILE_COLUMNS, _TILES_A_SHEET = 44, 40, 1000
_MOST_TILES = 12_000  # of half a kB: what is over it is shown from its file
_QUALITY = 70  # of a sheet of tiles


def collect_pictures(context: RoundContext) -> Pictures:
    """Make the pictures of a run; of previews, or of its earlier pictures, no file is opened."""
    run, proposals = context.run, context.run.load_proposals()
    clustering = run.load_clustering()
    wanted = choose_thumbnails(
        clustering, proposals, limit=context.options.thumbnails, rarity=context.rarity
    )
    known = _find_known(context)
    thumbnails = _read_missing(context, wanted, known.thumbnails, side=THUMBNAIL_SIDE)
    first = list(islice(dict.fromkeys(_list_first(proposals)), _MOST_LARGER))
    shown = set(wanted)
    # A picture that its thumbnail holds whole is not opened again to be drawn no larger.
    longest = context.vectors.rows[["width", "height"]].max(axis=1)
    sides = dict(zip(context.vectors.ids.tolist(), longest.tolist(), strict=True))
    larger = [name for name in first if name in shown and sides[name] > THUMBNAIL_SIDE]
    # The most wanted of the others: each group has its share.
    more = choose_thumbnails(
        clustering, proposals, limit=len(wanted) + _MOST_TILES, rarity=context.rarity
    )
    rest = [name for name in more if name not in shown][:_MOST_TILES]
    return Pictures(
        thumbnails=thumbnails,
        larger=_read_missing(context, larger, known.larger, side=_LARGER_SIDE),
        heats=_draw_heats(context, [one.medoid for one in proposals], thumbnails),
        tiles=_collect_tiles(context, rest, known),
    )


def _list_first(proposals: Sequence[Proposal]) -> Iterator[str]:
    """List what a page shows largest: the medoids, then typical and untypical images in turn."""
    ranked = sorted(proposals, key=lambda one: one.rank)
    yield from (one.medoid for one in ranked)
    for place in range(6):
        for one in ranked:
            for kind in ("central", "edge", "diverse"):
                yield from one.exemplars[kind][place : place + 1]


def _find_known(context: RoundContext) -> Pictures:
    """Return the pictures of the round before, where they are of the same vectors."""
    run = context.run
    entry = run.entry(PICTURES)
    made_of = context.hash_inputs("vectors")
    # The vectors' hash covers the store: its windows decide what is black in a thumbnail.
    if entry is None or not made_of.items() <= entry["inputs"].items():
        return Pictures()
    try:
        return run.load_pictures()
    except RunError:
        return Pictures()  # damaged: they are made anew


def _read_missing(
    context: RoundContext, wanted: Sequence[str], known: Mapping[str, bytes], *, side: int
) -> dict[str, bytes]:
    # Of previews where this process extracted; else files are opened once more.
    made = read_thumbnails(
        context.vectors,
        [name for name in wanted if name not in known],
        context.source.store,
        side=side,
        max_pixels=context.options.extract.max_pixels,
        previews=context.previews,
    )
    found = ((name, known.get(name) or made.get(name)) for name in wanted)
    return {name: data for name, data in found if data is not None}


def _collect_tiles(
    context: RoundContext, rest: Sequence[str], known: Pictures
) -> tuple[TileSheet, ...]:
    """Put the images without a thumbnail on sheets; sheets of the round before are kept."""
    there = {name for sheet in known.tiles for name in sheet.ids}
    wanted = [name for name in rest if name not in there]
    made = read_thumbnails(
        context.vectors,
        [name for name in wanted if name not in known.thumbnails],
        context.source.store,
        max_pixels=context.options.extract.max_pixels,
        previews=context.previews,
        open_files=False,
    )
    found = ((name, known.thumbnails.get(name) or made.get(name)) for name in wanted)
    at_hand = ((name, data) for name, data in found if data is not None)
    return tuple(chain(known.tiles, draw_tiles(at_hand)))


def draw_tiles(pictures: Iterable[tuple[str, bytes]]) -> Iterator[TileSheet]:
    """Shrink JPEGs to tiles and put them on sheets."""
    waiting = iter(pictures)
    while part := list(islice(waiting, _TILES_A_SHEET)):
        rows = -(-len(part) // _TILE_COLUMNS)
        sheet = Image.new("RGB", (_TILE_COLUMNS * _TILE_SIDE, rows * _TILE_SIDE), "#e6e9ec")
        for place, (_, data) in enumerate(part):
            row, column = divmod(place, _TILE_COLUMNS)
            with Image.open(io.BytesIO(data)) as picture:
                picture.draft("L", (_TILE_SIDE, _TILE_SIDE))  # decodes no more than it needs
                small = picture.convert("RGB")
            small.thumbnail((_TILE_SIDE, _TILE_SIDE))
            x = column * _TILE_SIDE + (_TILE_SIDE - small.width) // 2
            sheet.paste(small, (x, row * _TILE_SIDE + (_TILE_SIDE - small.height) // 2))
        file = io.BytesIO()
        sheet.save(file, "JPEG", quality=_QUALITY)
        ids = tuple(name for name, _ in part)
        yield TileSheet(ids=ids, data=file.getvalue(), columns=_TILE_COLUMNS, side=_TILE_SIDE)


def _draw_heats(
    context: RoundContext, medoids: list[str], thumbnails: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Colour the medoids where they are unlike the rest, where the vectors were made so."""
    store = context.source.store
    if not store.spec.bank_sha256 or store.spec.view in ("polar", "highlight"):
        return {}  # of no places, or of places that are not the picture's
    from embeddings.heat import draw_heat, weigh_images

    try:
        # Only the medoids: a heat map takes as long as extracting the picture.
        heats = weigh_images(context.vectors, medoids, store, options=context.options.extract)
    except WeightsError as error:
        get_logger().warning("WARNING: the report has no heat maps: %s", error)
        return {}
    return {name: draw_heat(thumbnails[name], heats[name]) for name in heats if name in thumbnails}
