"""What a writer notes of files: paths that are new, changed or gone, until they are committed."""

from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa

from embeddings.store.parquet_files import FileFacts, list_file_facts, make_forgotten, make_paths


class FileLog:
    """The live paths of a store, and what is to be committed of them.

    Parameters
    ----------
    load : callable
        Gives path, file_id, size, mtime_ns of the live paths; called when first needed, as a
        writer that only sets a window needs none.
    """

    def __init__(self, load: Callable[[], pd.DataFrame]) -> None:
        self._load = load
        self._noted: dict[str, FileFacts] | None = None
        self.pending: list[pa.Table] = []

    def note(self, frame: pd.DataFrame) -> None:
        """Note files; what is noted already is not noted again."""
        noted = self._live()
        changed = []
        for path, facts in list_file_facts(frame):
            changed.append(noted.get(path) != facts)
            noted[path] = facts
        if any(changed):
            self.pending.append(make_paths(frame[changed]))

    def forget(self, paths: Sequence[str]) -> None:
        """Forget paths; those that are not noted are none."""
        noted = self._live()
        known = [path for path in dict.fromkeys(paths) if noted.pop(path, None) is not None]
        if known:
            self.pending.append(make_forgotten(known))

    def _live(self) -> dict[str, FileFacts]:
        """Return file_id, size and mtime_ns of each live path, pending ones included."""
        if self._noted is None:
            self._noted = dict(list_file_facts(self._load()))
        return self._noted
