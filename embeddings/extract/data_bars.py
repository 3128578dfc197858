"""The microscope's data bar in an extraction: found before any picture is shown, noted, told."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from embeddings.console import stage
from embeddings.errors import InputError
from embeddings.extract.options import ExtractOptions
from embeddings.images import stream_pictures
from embeddings.plurals import tell_count
from embeddings.reader import BarSurvey
from embeddings.reader.preparation import Stream
from embeddings.records import DATA_BAR, DataBar, DataBars

NO_BAR = "no data bar was found (--data-bar crop)"


def survey_bars(
    survey: BarSurvey,
    paths: Sequence[str],
    options: ExtractOptions,
    *,
    stream: Stream = stream_pictures,
    again: bool = False,
) -> DataBars:
    """Return the bars of the pictures of these files, of each size that several of them have.

    Parameters
    ----------
    survey : BarSurvey
        It may have looked at some of them already.
    stream, again
        As `BarSurvey.extend`.

    Raises
    ------
    InputError
        Every picture must have a bar, and none that was looked at has.
    """
    with stage("data bars") as facts:
        survey.extend(
            paths, max_pixels=options.max_pixels, workers=options.threads, stream=stream,
            again=again,
        )  # fmt: skip
        bars = survey.settle()
        facts.update(pictures=survey.n_pictures, bars=survey.n_bars)
    if options.data_bar == "crop" and survey.n_pictures and not survey.n_bars:
        raise InputError(
            f"--data-bar crop: none of {tell_count(survey.n_pictures, 'picture')} looked at has "
            "a data bar; expected pictures of an electron microscope with their bar: pass "
            "--data-bar auto"
        )
    return bars


def note_bar(text: str, bar: DataBar | None) -> str:
    """Note in an image's metadata the bar that it was seen without."""
    if bar is None:
        return text
    return json.dumps({**(json.loads(text) if text else {}), DATA_BAR: str(bar)})


def describe_bars(metadata: Iterable[str]) -> tuple[str, ...]:
    """Say of how many images which bar was left out, the most frequent first.

    Parameters
    ----------
    metadata : iterable of str
        As `Vectors.rows` has it.
    """
    texts = list(metadata)
    noted = Counter(json.loads(text).get(DATA_BAR) for text in texts if DATA_BAR in text)
    return tuple(
        f"data bar of {rows} rows at the {edge} left out of {n} of "
        f"{tell_count(len(texts), 'image')}"
        for (edge, _, rows), n in (
            (bar.partition(" "), n) for bar, n in noted.most_common() if bar is not None
        )
    )
