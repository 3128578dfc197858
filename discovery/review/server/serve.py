"""The server of one review: a port of 127.0.0.1, from its start to its clean end."""

import os
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from discovery.review.server.app import make_app
from discovery.review.server.connections import MOST_HEAD, BoundedProtocol
from discovery.review.server.events import EventHub
from discovery.review.server.guard import Guard, Secrets
from discovery.review.server.rpc import ReviewApi
from embeddings.console import get_logger, say
from embeddings.errors import OptionError

_ADDRESS = "127.0.0.1"  # this machine alone; from another one a tunnel leads here
_GOODBYE_SECONDS = 3  # for requests that are being answered when the server ends


def serve_review(api: ReviewApi, *, page: Path, port: int = 0, opens_browser: bool = True) -> None:
    """Serve a review until Ctrl-C or SIGTERM.

    Parameters
    ----------
    api : ReviewApi
    page : Path
        Folder of the built page.
    port : int
        0 takes a free one.
    opens_browser : bool

    Raises
    ------
    OptionError
        The port is taken.
    """
    secrets, hub = Secrets(), EventHub()
    app = make_app(api, secrets, page=page, hub=hub)
    with bind_port(port) as bound:
        api.warm()
        address = f"http://{_ADDRESS}:{bound.getsockname()[1]}/#token="
        get_logger().info("the review is open until Ctrl-C; nothing that was decided is lost")
        say(address + secrets.token)
        if opens_browser and _has_screen():
            webbrowser.open(address + secrets.launch)
        ReviewServer(app, hub).run(sockets=[bound])


class ReviewServer(uvicorn.Server):
    """Uvicorn as a review is served: bounded connections, no websockets, streams that end.

    Parameters
    ----------
    app : Guard
    hub : EventHub
        Closed when the server is told to end: its streams would never end by themselves.
    """

    def __init__(self, app: Guard, hub: EventHub) -> None:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="on",
            http=BoundedProtocol,  # and not whichever parser is installed: others have no bounds
            h11_max_incomplete_event_size=MOST_HEAD,
            ws="none",
            proxy_headers=False,  # nobody stands between, so nobody's word for where it comes from
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_GOODBYE_SECONDS,
        )
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, the streams of events first."""
        self._hub.close()
        super().handle_exit(sig, frame)


def _has_screen() -> bool:
    """Tell whether a browser has a window: a text browser would take the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@contextmanager
def bind_port(port: int) -> Iterator[socket.socket]:
    """Listen on a port of this machine, 0 for a free one.

    Raises
    ------
    OptionError
        The port is taken.
    """
    # TCP by name: of a socket of protocol 0 asyncio does not know that small answers must not wait
    # for the acknowledgement of what went before, which takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        # A port that a review just left may be taken again at once.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((_ADDRESS, port))
        except OSError as error:
            raise OptionError(
                f"--port {port}: {error.strerror}; leave it out to take a free one"
            ) from error
        # Before the address is told: a browser that is quick waits in line, and is not refused.
        bound.listen()
        yield bound
