"""Defect-weighted pooling: patches count by how unlike the rest they are.

The way of a picture: maps of middle layers -> `make_patches` -> distances (`PatchMemory.measure`
or `measure_against_reference`) -> `weigh_patches` -> `pool_patches`. What is compared with, and
the constants measured on it, is a `Bank`. For residuals the nearest known patches are found too
(`PatchMemory.find_nearest` or `find_in_reference`), and `pool_residuals` averages what is left.

Sources: Sohn, Yoon, Li, Lee and Pfister, Anomaly Clustering, WACV 2023; Roth, Pemula, Zepeda,
Schoelkopf, Brox and Gehler, Towards Total Recall in Industrial Anomaly Detection (PatchCore),
CVPR 2022.
"""

from embeddings.pooling.bank import Bank, Memory, fingerprint_picture
from embeddings.pooling.memory import PatchMemory
from embeddings.pooling.patches import (
    PatchWeights,
    make_patches,
    pool_map,
    pool_patches,
    pool_residuals,
    weigh_patches,
)
from embeddings.pooling.reference import find_in_reference, measure_against_reference

__all__ = [
    "Bank",
    "Memory",
    "PatchMemory",
    "PatchWeights",
    "find_in_reference",
    "fingerprint_picture",
    "make_patches",
    "measure_against_reference",
    "pool_map",
    "pool_patches",
    "pool_residuals",
    "weigh_patches",
]
