"""A projection learned of the user's own images: what changes between variants of one counts less.

variants = make_variants(image, view=spec.view, rng=rng)
evidence, projection = learn_projection(values, of_variants, dimensions=100, whiten=0.75)
rows = projection.apply(values)
"""

from discovery.stages.adapt.projection import Evidence as Evidence
from discovery.stages.adapt.projection import Projection as Projection
from discovery.stages.adapt.projection import learn_projection as learn_projection
from discovery.stages.adapt.variants import VARIANTS as VARIANTS
from discovery.stages.adapt.variants import make_variants as make_variants
