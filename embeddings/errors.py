"""The whole error tree. Each text is one line: what came, what was expected, what to do.

    DefectDiscoveryError            a user can mend it: commands print one line and exit with 2
    |-- OptionError                 an option's value, or two options together, make no sense
    |-- InputError                  a file, folder or table that was given cannot be used
    |   |-- TableError              a CSV or KLARF lacks a column, a row or a valid value
    |   `-- HandoffError            a handoff does not match what was written
    |-- ImageError                  one image cannot be used: it goes to quarantine, the run goes on
    |   `-- ImageChangedError       its bytes are no longer those that were hashed: read it again
    |-- WeightsError                weights cannot be found, read or do not fit the network
    |-- StoreError                  the folder is not a store, or not one of this version
    |   |-- StoreSpecError          the store holds vectors of another extractor
    |   |-- StoreLockedError        another process is writing to the store
    |   `-- StoreCorruptError       a checksum does not match: a segment is damaged
    |-- BusyError                   another command is writing the same files
    |-- RunError                    the folder is not a run, or an artefact is missing or damaged
    |-- ModelError                  the folder is not a model, is damaged, or does not match
    `-- MissingExtraError           an optional package is not installed

Anything else that is raised is a bug and keeps its traceback.
"""

_LONGEST = 2000  # letters of an error


class DefectDiscoveryError(Exception):
    """What a user can mend; the text is one line and says how."""

    def __str__(self) -> str:
        # File names may hold line breaks: the promise of one line is kept here, once for all.
        text = " ".join(super().__str__().splitlines())
        # So may cells of a damaged table, and thousands of brackets.
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 500]} ... {text[-450:]}"


class OptionError(DefectDiscoveryError, ValueError):
    """An option's value, or two options together, make no sense.

    A ValueError too, as scikit-learn's conventions ask of an estimator's bad parameter.
    """


class InputError(DefectDiscoveryError):
    """A file, folder or table that was given cannot be used."""


class TableError(InputError):
    """A CSV or KLARF lacks a column, a row or a valid value."""


class HandoffError(InputError):
    """A handoff does not match what was written."""


class ImageError(DefectDiscoveryError):
    """One image cannot be used; the text is the reason written to quarantine.csv."""


class ImageChangedError(ImageError):
    """A file is no longer the one that was hashed: what it shows has no id."""


class WeightsError(DefectDiscoveryError):
    """Weights cannot be found, read, or do not fit the network."""


class StoreError(DefectDiscoveryError):
    """The folder is not a store, or not one of this version."""


class StoreSpecError(StoreError):
    """The store holds vectors of another extractor."""


class StoreLockedError(StoreError):
    """Another process is writing to the store."""


class StoreCorruptError(StoreError):
    """A checksum does not match: a segment is damaged."""


class BusyError(DefectDiscoveryError):
    """Another command is writing into the same folder; the text says which, where, since when."""


class RunError(DefectDiscoveryError):
    """The folder is not a run, or an artefact of it is missing or damaged."""


class ModelError(DefectDiscoveryError):
    """The folder is not a model, a file of it is damaged, or it does not fit its use."""


class MissingExtraError(DefectDiscoveryError):
    """An optional package is not installed; the text is the command that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed: run `pip install 'defect-discovery[{extra}]'`"
        )
