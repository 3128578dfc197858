"""`make bench`: ours and the peers' on the same work, in turns; writes docs/benchmarks.md.

    PYTHONPATH=.:benchmarks python -m bench --plan bench --minutes 38

One module a part of the page (extraction, whole_job, stored_vectors, density, linkage, means); each
says its sizes and its cases. `runner` runs one case in a process of its own, `child` is that
process, `records` keeps what came of it as JSON lines, and `page` writes the page from these.
"""
