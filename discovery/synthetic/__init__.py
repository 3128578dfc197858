"""Synthetic SEM review images with their truth: what `make demo` runs on.

A plan says what each picture shows (`plan_pictures`), a picture is drawn from the plan alone
(`draw_picture`): a surface is built, defects are put on it, and a model of the microscope images
it. The same seed gives the same bytes. From the command line::

    python -m discovery.synthetic FOLDER --n 600 --seed 0
"""

from discovery.synthetic.pictures import Drawing, draw_picture
from discovery.synthetic.plan import LABELS, plan_pictures
from discovery.synthetic.records import Box, PicturePlan

__all__ = ["LABELS", "Box", "Drawing", "PicturePlan", "draw_picture", "plan_pictures"]
