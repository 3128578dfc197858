"""Files of JSON lines that prove themselves: the ledger and the history of the proposals."""

from embeddings.chain.faults import Reading, keep_aside, warn_of_faults
from embeddings.chain.lines import (
    FIELD,
    ChainReader,
    NewerLineError,
    chain_lines,
    find_link,
    read_head,
    write_head,
)

__all__ = [
    "FIELD",
    "ChainReader",
    "NewerLineError",
    "Reading",
    "chain_lines",
    "find_link",
    "keep_aside",
    "read_head",
    "warn_of_faults",
    "write_head",
]
