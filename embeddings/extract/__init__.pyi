from .options import ExtractOptions as ExtractOptions
from .verb import Extracted as Extracted
from .verb import extract_vectors as extract_vectors
