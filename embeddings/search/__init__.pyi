from .verb import LookAlikes as LookAlikes
from .verb import find_look_alikes as find_look_alikes
