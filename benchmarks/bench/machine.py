"""Which machine, and which versions: no names, no paths."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy", "scipy", "scikit-learn", "numba", "faiss-gpu", "fastcluster", "hdbscan", "umap-learn",
    "pynndescent", "torch", "torchvision", "timm", "pillow", "onnx", "onnxruntime", "openvino",
    "fast-hdbscan", "fast-plscan", "evoc",
)  # fmt: skip


def find_version(package: str) -> str | None:
    """Return the version of a package that is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_machine() -> dict[str, Any]:
    """Return the processor, cores, memory, system and versions as JSON-ready values."""
    versions = {package: find_version(package) for package in PACKAGES}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "processor": _find_processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: found for name, found in versions.items() if found},
        "missing": [name for name, found in versions.items() if not found],
    }


def today() -> str:
    """Return the day, in UTC."""
    return datetime.now(UTC).date().isoformat()


def _find_processor() -> str:
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
