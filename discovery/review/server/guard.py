"""Who may talk to the server: the page it serves itself, opened by who started it, and nobody else.

Bound to 127.0.0.1 the server is still in reach of every page that is open in a browser on the same
machine, and of every other user of it. So each request must name this machine in its Host (a
foreign name that resolves to 127.0.0.1 does not), must not come from another page (Origin,
Sec-Fetch-Site), and must bear a secret: the token in a header for what reads or writes decisions,
a cookie that scripts cannot read for pictures and events, which a browser fetches without headers.
"""

import hmac
import secrets
import threading
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-token"  # nosec B105 # the name of a header
HELLO = "/api/hello"
_HOSTS = frozenset({"127.0.0.1", "localhost"})
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What tells the one who started the server from everybody else.

    Attributes
    ----------
    token : str
        In the fragment of the page's address, which no browser sends anywhere.
    cookie : str
        Set once the token was shown.
    cookie_name : str
        Cookies are shared by all ports of a machine: each server has a name of its own.
    launch : str
        Stands for the token once: the browser that is opened is given it as an argument, and a
        program's arguments are seen by every user of the machine.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie_name: str = field(default_factory=lambda: f"review-{secrets.token_hex(4)}")
    launch: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _spent: threading.Event = field(default_factory=threading.Event, repr=False)

    def is_token(self, given: str | None) -> bool:
        """Tell whether this is the token."""
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def spend_launch(self, given: str | None) -> bool:
        """Tell whether this is the launch code, and not spent yet; it is from now on."""
        if given is None or self._spent.is_set():
            return False
        if not hmac.compare_digest(given.encode(), self.launch.encode()):
            return False
        self._spent.set()
        return True

    def is_cookie(self, header: str | None) -> bool:
        """Tell whether a Cookie header bears the cookie."""
        try:
            morsel = SimpleCookie(header or "").get(self.cookie_name)
        except CookieError:  # another program's, on another port
            return False
        return morsel is not None and hmac.compare_digest(
            morsel.value.encode(), self.cookie.encode()
        )


class Guard:
    """The outermost layer of the server: refuses, and gives every answer its headers.

    Parameters
    ----------
    app : ASGI application
    secrets : Secrets
    """

    def __init__(self, app: ASGIApp, *, secrets: Secrets) -> None:
        self.app, self._secrets = app, secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # none is served
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        fault = find_fault(scope, self._secrets)
        if fault:
            await JSONResponse({"error": fault}, status_code=403)(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)


def find_fault(scope: Scope, secrets: Secrets) -> str:
    """Say why a request is refused; empty where it is not."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if len(headers.getlist("host")) != 1 or host.rsplit(":", 1)[0].lower() not in _HOSTS:
        return "this server answers to 127.0.0.1 and localhost alone"
    # A page of the same address: through a tunnel the port may be another than the server's.
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return "a request from another page"
    path = scope["path"]
    if path.startswith(("/api/", "/image/", "/events")):
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "a request from another page"
        return _find_missing(path, headers, secrets)
    return ""  # the page itself holds nothing of the run


def _find_missing(path: str, headers: Headers, secrets: Secrets) -> str:
    if not path.startswith("/api/"):
        if secrets.is_cookie(headers.get("cookie")):
            return ""
        return "not signed in: open the address that the command printed"
    # What a form of another page can send without asking is none of these.
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return "expected content of the type application/json"
    given = headers.get(TOKEN_HEADER)
    if secrets.is_token(given) or (path == HELLO and secrets.spend_launch(given)):
        return ""
    return "the token is missing or of another server: open the address the command printed"
