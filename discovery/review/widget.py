"""The review in a notebook: the same front end and the same methods, over the kernel's messages."""

from pathlib import Path
from typing import TYPE_CHECKING

from discovery.review.review import open_review
from discovery.review.server.build import PAGE, ensure_page
from discovery.review.server.rpc import ReviewApi
from discovery.runs import Run
from embeddings.errors import MissingExtraError

if TYPE_CHECKING:
    from discovery.review.notebook import ReviewWidget


def review_widget(
    run: Run | Path | str, by: str | None = None, *, height: int = 760
) -> "ReviewWidget":
    """Open a run for review in JupyterLab, Jupyter Notebook or VS Code.

    Parameters
    ----------
    run : Run or Path
    by : str, optional
        Who decides; by default the user's name.
    height : int
        Of the widget in the notebook, in CSS pixels.

    Returns
    -------
    ReviewWidget
        Shown where it is the last value of a cell. What is decided in it is in `decisions` at once.

    Raises
    ------
    MissingExtraError
        anywidget is not installed.
    InputError
        The front end is not built, and cannot be built here.
    RunError
        The folder is no run, or is damaged.
    """
    try:
        from discovery.review.notebook import ReviewWidget
    except ModuleNotFoundError as error:
        raise MissingExtraError("anywidget", "notebook") from error
    ensure_page()
    review = open_review(run, by)
    return ReviewWidget(
        ReviewApi(review),
        review,
        module=(PAGE / "widget.js").read_text(encoding="utf-8"),
        style=(PAGE / "widget.css").read_text(encoding="utf-8"),
        height=height,
    )
