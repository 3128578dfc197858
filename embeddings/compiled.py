"""Inner loops that numpy cannot do: compiled once a machine, and kept on its disk.

numba keeps the machine code beside the source, in the user's cache where that folder cannot be
written, or where `NUMBA_CACHE_DIR` says; of another numba, processor or source it takes none.
What is kept is no condition of anything: where it is damaged, or the disk is full, the loops are
compiled in the process, and the log says so once.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from embeddings.console import get_logger

Loop = TypeVar("Loop", bound=Callable[..., object])

# What reading a damaged file can come to.
_DAMAGE = (
    OSError, EOFError, ValueError, LookupError, AttributeError, ImportError, TypeError,
    RuntimeError,
)  # fmt: skip


def compile_loop(function: Loop) -> Loop:
    """Compile a loop when it is first called; a decorator.

    The first call on a machine takes a second or two, the next process none. Other threads run on
    meanwhile.
    """
    import numba

    compiled: Any = numba.njit(nogil=True)(function)
    try:
        compiled._cache = _find_cache_type()(function)
    except RuntimeError as error:  # there is no folder to keep it in
        _tell_once(str(error))
    return cast(Loop, compiled)


@functools.cache
def _find_cache_type() -> type[Any]:
    from numba.core import caching

    module: Any = caching  # numba is not typed
    base: Any = module.FunctionCache
    damage = (*_DAMAGE, module.pickle.PickleError)

    class Kept(base):  # type: ignore[misc]
        """numba's own, but for what goes wrong with it."""

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return super().load_overload(sig, target_context)
            except damage as error:
                _tell_once(f"{self.cache_path}: {error!r}")
            with contextlib.suppress(OSError):  # told above
                self.flush()  # else nothing could be kept there again
            return None

        def save_overload(self, sig: Any, data: Any) -> None:
            try:
                super().save_overload(sig, data)
            except damage as error:
                _tell_once(f"{self.cache_path}: {error!r}")

    return Kept


@functools.cache
def _told() -> list[str]:
    return []


def _tell_once(reason: str) -> None:
    told = _told()
    if not told:
        get_logger().info("compiled code is not kept (%s): each command compiles it anew", reason)
    told.append(reason)
