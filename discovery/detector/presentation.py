"""How pictures are brought before a detector: in which grey levels, and which rows of them."""

from collections.abc import Mapping, Sequence

from discovery.detector.dataset import PictureRef
from embeddings.console import get_logger
from embeddings.errors import ImageError
from embeddings.extract.data_bars import NO_BAR, survey_bars
from embeddings.extract.options import DataBarOption, ExtractOptions
from embeddings.images import MAX_PIXELS, Picture, cut_data_bar, fix_window, pick_data_bar
from embeddings.images.prepare import Window
from embeddings.reader import BarSurvey, choose_windows
from embeddings.records import DataBar, DataBars


class Presentation:
    """The grey-level window of each kind of picture, and the data bars that are not seen.

    Both are fixed when a kind or a size of picture is first met, then kept.

    Parameters
    ----------
    windows : mapping of kind to (low, high)
        Those of a trained detector.
    bars : DataBars
        Those of a trained detector.
    data_bar : {"auto", "keep", "crop"}
        As for `ExtractOptions`: crop refuses a picture that has none.
    max_pixels : int
        Most pixels a page may have that is read for them.
    """

    def __init__(
        self,
        windows: Mapping[str, Window] | None = None,
        bars: DataBars | None = None,
        *,
        data_bar: DataBarOption = "keep",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._windows, self._bars = dict(windows or {}), dict(bars or {})
        self.data_bar: DataBarOption = data_bar
        self.max_pixels = max_pixels

    @property
    def windows(self) -> dict[str, Window]:
        """All windows fixed so far."""
        return dict(self._windows)

    @property
    def bars(self) -> DataBars:
        """All bars found so far, by the size of the pictures."""
        return dict(self._bars)

    def fix_from(self, refs: Sequence[PictureRef]) -> None:
        """Fix what is new in an evenly spaced sample of these pictures' files.

        Raises
        ------
        InputError
            Every picture must have a data bar, and none that was looked at has.
        """
        # Each file once: of a stack every page is a ref, and each is in the sample anyway.
        paths = list(dict.fromkeys(str(ref.path) for ref in refs))
        if self.data_bar == "keep":
            self._windows |= choose_windows(paths, self._windows, max_pixels=self.max_pixels)
            return
        survey = BarSurvey(self._bars)
        self._windows |= choose_windows(
            paths, self._windows, max_pixels=self.max_pixels, cut=survey.look
        )
        options = ExtractOptions(data_bar=self.data_bar, max_pixels=self.max_pixels)
        self._bars = dict(survey_bars(survey, paths, options))

    def find_window(self, picture: Picture) -> Window:
        """Return the window of a picture's kind; a kind rarer than the sample gets its own now."""
        if picture.kind not in self._windows:
            seen = cut_data_bar(picture, self._find_bar(picture))
            low, high = self._windows[picture.kind] = fix_window([seen])
            get_logger().info("grey-level window of %s: %g to %g", picture.kind, low, high)
        return self._windows[picture.kind]

    def find_rows(self, picture: Picture) -> slice:
        """Return the rows of a picture that are seen: all but its data bar.

        Raises
        ------
        ImageError
            It must have a bar, and has none.
        """
        bar = self._find_bar(picture)
        if bar is None:
            if self.data_bar == "crop":
                raise ImageError(NO_BAR)
            return slice(0, picture.height)
        return bar.rows_kept(picture.height)

    def _find_bar(self, picture: Picture) -> DataBar | None:
        return None if self.data_bar == "keep" else pick_data_bar(picture, self._bars)
