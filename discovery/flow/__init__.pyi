from .options import RoundOptions as RoundOptions
from .pipeline import Discovered as Discovered
from .pipeline import discover_types as discover_types
