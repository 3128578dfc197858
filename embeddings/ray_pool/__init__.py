"""Work spread over a Ray cluster: blocks of it, each done once, whichever machines come and go.

The pool is the driver's own, of plain actors: a member that is lost (its process killed, its
machine gone) is told by Ray as an error of the call, and the block it had goes to another. Ray's
own retries are not used: they are spent within seconds, before the loss of a machine is noticed.
Nothing large passes through the driver; members read and write a file system that all machines
share.
"""

from embeddings.ray_pool.connection import Capacity, connect, measure_capacity
from embeddings.ray_pool.pool import RayPool, open_pool

__all__ = ["Capacity", "RayPool", "connect", "measure_capacity", "open_pool"]
