"""What to do with a file of a version that this program does not read."""

UPGRADE = "upgrade with `pip install --upgrade defect-discovery`"


def advise_version(version: object, newest: int, *, otherwise: str) -> str:
    """Return the advice: to upgrade where the version is a newer one.

    Parameters
    ----------
    version : object
        What the file says.
    newest : int
        The newest version that this program reads.
    otherwise : str
        What to do with any other one.
    """
    is_newer = isinstance(version, int) and version > newest
    return UPGRADE if is_newer else otherwise
