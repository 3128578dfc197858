"""The parts of the page, by their letters."""

from bench import density, extraction, linkage, means, stored_vectors, whole_job
from bench.case import Part

ALL = (
    extraction.PART, whole_job.PART, stored_vectors.PART, density.PART, linkage.PART, means.PART,
    stored_vectors.MILLION,
)  # fmt: skip
PARTS: dict[str, Part] = {part.letter: part for part in ALL}
