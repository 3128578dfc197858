"""The constants of poolings that compare patches, in one place, each with its bound or source."""

from typing import Literal

Memory = Literal["images", "normals", "reference"]

TAU = 1.0  # a temperature per spread of the distances, as published (Sohn et al. 2023, eq. 5)
RESIDUAL_TAU = 2.0  # wider: what is normal in each place is gone
DEEP_TAU = 0.25  # of the residual's: a deeper map is seen only where the picture is most unlike
RESIDUAL_FLOOR = 2**-11  # rounding of the bank's float16: a shorter residual has no direction

BANK_IMAGES = 64  # images of the first pass: the mean over 64 has settled, over 32 it has not
BANK_PATCHES = 256  # patches kept of each of them: all of a 14 x 14 grid
NORMAL_IMAGES = 1024  # defect-free images that are looked at
NORMAL_PATCHES = 50_000  # patches kept of all of them together: 150 MB on the disk
SEARCH_DIM = 128  # principal axes that are searched: the order by distance stays, see axes.py
REFERENCE_REACH = 1  # cells of the grid a golden reference may be off, in each direction
SEED = 0  # draws the images and patches of the bank
