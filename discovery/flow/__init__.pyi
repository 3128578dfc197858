from .options import AgglomerativeOptions as AgglomerativeOptions
from .options import AutoOptions as AutoOptions
from .options import HDBSCANOptions as HDBSCANOptions
from .options import KMeansOptions as KMeansOptions
from .options import RoundOptions as RoundOptions
from .pipeline import Discovered as Discovered
from .pipeline import discover_types as discover_types
