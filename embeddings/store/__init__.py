"""The FAISS-backed store of embeddings: append, read, verify, repair.

::

    store = create_store("store", spec)
    with store.write() as writer:
        writer.set_files(files)
        writer.append(ids, values, rows)
    vectors = open_store("store").load_vectors()

A folder: `store.json` says what is committed; `segments/NNNNNN.faiss` and `.parquet` hold the
vectors and what is known of each; `paths/NNNNNN.parquet` is the log of files. Files are never
changed once committed, so a crash loses nothing that was committed, a reader is never
disturbed by a writer, and a checksum finds every flipped bit when a file is first read.
"""

from embeddings.store.create import create_store, remember_weights, store_exists
from embeddings.store.folder import StoreFault
from embeddings.store.parquet_files import find_among
from embeddings.store.reader import Store, open_store
from embeddings.store.repair import Repair, repair_store
from embeddings.store.verify import verify_store
from embeddings.store.writer import StoreWriter

__all__ = [
    "Repair",
    "Store",
    "StoreFault",
    "StoreWriter",
    "create_store",
    "find_among",
    "open_store",
    "remember_weights",
    "repair_store",
    "store_exists",
    "verify_store",
]
