from .extracted import Extracted as Extracted
from .metadata import add_metadata as add_metadata
from .options import ExtractOptions as ExtractOptions
from .run import extract_vectors as extract_vectors
