"""Where an artefact came from: what was run, on which inputs, with which versions.

Two artefacts with the same `Provenance.key` were made the same way, so the second need not be
made at all.
"""

import functools
import importlib.metadata
from dataclasses import dataclass, field
from typing import Any

from embeddings.files import hash_json

# The packages whose arithmetic decides what an artefact holds.
_PACKAGES = (
    "defect-discovery", "faiss-gpu", "fastcluster", "hdbscan", "numba", "numpy", "scikit-learn",
    "scipy", "torch",
)  # fmt: skip


@functools.cache
def _read_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def package_versions() -> dict[str, str]:
    """Return the installed version of each package that decides results."""
    return {package: _read_version(package) for package in _PACKAGES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How an artefact was made.

    Attributes
    ----------
    command : str
        What was run, such as ``discovery.cluster``.
    spec : dict
        The options that decide the result, as JSON-ready values.
    seed : int
    inputs : dict of str to str
        sha256 of everything read, under a name a person understands.
    versions : dict of str to str
        Packages that decide the result.
    """

    command: str
    spec: dict[str, Any]
    seed: int
    inputs: dict[str, str]
    versions: dict[str, str] = field(default_factory=package_versions)

    @property
    def key(self) -> str:
        """sha256 over spec, seed, inputs and versions: equal keys, equal results."""
        values = [self.spec, self.seed, self.inputs, self.versions]
        return hash_json(values)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of run.json, without what is only known once the artefact is there."""
        return {
            "command": self.command,
            "spec": self.spec,
            "seed": self.seed,
            "inputs": self.inputs,
            "versions": self.versions,
            "key": self.key,
        }
