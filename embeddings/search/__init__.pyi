from .look_alikes import LookAlikes as LookAlikes
from .look_alikes import find_look_alikes as find_look_alikes
