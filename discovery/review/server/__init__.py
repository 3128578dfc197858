"""The review served: methods that take and give plain values, and a server on this machine.

`ReviewApi` is the whole of it without a transport: `call(method, args)` gives an `Answer`. The
page speaks to it over HTTP (`serve_review`), the notebook's widget over its own messages.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
