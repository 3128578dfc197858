"""Vectors become named defect types: clusters, proposals with evidence, and the handoff.

::

    from pathlib import Path
    from discovery import HDBSCANOptions, RoundOptions, discover_types

    options = RoundOptions(clusterer=HDBSCANOptions(min_cluster_size=20))
    found = discover_types(Path("images"), Path("run"), options=options)
    for proposal in found.run.load_proposals():
        ...

The estimators are in `discovery.estimators`. The public names stand in `__init__.pyi`, one a
line; each is loaded when first used, so `import discovery` needs neither torch nor faiss.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
