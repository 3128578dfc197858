"""The only place that knows the order of the stages.

``discover_types`` is one round: source -> vectors -> reduced rows -> neighbours -> copies ->
clusters -> rare images -> proposals -> lineage -> handoff -> report. Each artefact is kept in the
run with what it was made from, and made anew only when that has changed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
