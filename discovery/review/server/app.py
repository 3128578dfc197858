"""The review over HTTP: methods, pictures, events and the page itself, as one Starlette app.

::

    POST /api/{method}              JSON in, JSON or an `Answer` in bytes out
    GET  /image/{index}/{kind}      thumb, full, heat, reference
    GET  /events                    server-sent events: {"revision": r}, {"job": {...}}
    GET  /                          the built page

Decisions, slow questions and pictures run in pools of threads of their own, so that nothing slow
ever stands before a decision.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from discovery.review import ConflictError
from discovery.review.server.answers import JSON, format_json
from discovery.review.server.events import EventHub
from discovery.review.server.guard import HELLO, Guard, Secrets
from discovery.review.server.rpc import ReviewApi, describe_conflict
from embeddings.errors import DefectDiscoveryError, ImageError

Result = TypeVar("Result")

_MOST_BODY = 16_000_000  # bytes: a lasso round a million images
_BODY_SECONDS = 120.0  # for all of it: a lasso through a slow tunnel
_MOST_STREAMS = 32  # of events: a browser opens one a page, and six in all
_POLL_SECONDS = 0.5  # how soon a decision of another process is seen
_INDEX = re.compile(r"[0-9]{1,9}")  # Python refuses to read numbers of thousands of digits
_POOLS = {"quick": 4, "slow": 2, "pictures": 4}  # threads
# A picture never changes under its address and cookie; the next server has another cookie.
_CACHEABLE = {"cache-control": "private, max-age=86400, immutable", "vary": "Cookie"}


def make_app(
    api: ReviewApi, secrets: Secrets, *, page: Path | None = None, hub: EventHub | None = None
) -> Guard:
    """Make the application.

    Parameters
    ----------
    api : ReviewApi
    secrets : Secrets
    page : Path, optional
        Folder of the built page; none is served without it.
    hub : EventHub, optional
        Where events are handed on; closing it ends every open stream.
    """
    server = _Server(api, secrets, hub or EventHub())
    routes = [
        Route(HELLO, server.say_hello, methods=["POST"]),
        Route("/api/{method}", server.call_method, methods=["POST"]),
        Route("/image/{index}/{kind}", server.send_picture, methods=["GET"]),
        Route("/events", server.send_events, methods=["GET"]),
    ]
    if page is not None:
        routes.append(Mount("/", _Page(directory=page, html=True)))  # type: ignore[arg-type]
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: _answer_fault, Exception: _answer_bug},
        lifespan=server.live,
    )
    # Around all of it: the answer to a bug has the same headers.
    return Guard(app, secrets=secrets)


class _Page(StaticFiles):
    """The built page; asked for anew each time, since another version may serve the next one."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


class _Server:
    def __init__(self, api: ReviewApi, secrets: Secrets, hub: EventHub) -> None:
        self._api, self._secrets, self._hub = api, secrets, hub
        self._pools: dict[str, anyio.CapacityLimiter] = {}

    @contextlib.asynccontextmanager
    async def live(self, _app: Starlette) -> AsyncIterator[None]:
        """Watch the ledger as long as the server lives."""
        self._hub.open()
        forget = self._api.subscribe(self._hub.publish)
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            forget()
            self._hub.close()

    async def say_hello(self, _request: Request) -> Response:
        """Set the cookie that pictures and events are fetched with; the guard saw the token."""
        response = JSONResponse(
            {
                "user": self._api.user,
                "revision": self._api.revision,
                "token": self._secrets.token,
            }
        )
        response.set_cookie(
            self._secrets.cookie_name, self._secrets.cookie, httponly=True, samesite="strict"
        )
        return response

    async def call_method(self, request: Request) -> Response:
        """Call a method of the review."""
        method = request.path_params["method"]
        try:
            args = _parse_body(await _read_body(request))
            pool = self._api.find_pool(method)
            body, media_type = await self._run(pool, partial(self._call, method, args))
        except ConflictError as error:
            conflict = describe_conflict(error, self._api.revision)
            return JSONResponse({"conflict": conflict}, status_code=409)
        except DefectDiscoveryError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return Response(body, media_type=media_type)

    async def send_picture(self, request: Request) -> Response:
        """Send a picture of an image, by the image's position."""
        index, kind = request.path_params["index"], request.path_params["kind"]
        if not _INDEX.fullmatch(index):
            raise HTTPException(404, "a picture's address holds the position of an image")
        query = {name: _parse_number(text) for name, text in request.query_params.items()}
        args = {"index": int(index), "kind": kind, **query}
        try:
            drawn = await self._run("pictures", partial(self._api.draw, args))
        except ImageError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except DefectDiscoveryError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        headers = {**_CACHEABLE, "x-shrunk": str(drawn.shrunk)}
        return Response(drawn.data, media_type=drawn.media_type, headers=headers)

    async def send_events(self, _request: Request) -> Response:
        """Answer as long as the page is open."""
        if self._hub.n_streams >= _MOST_STREAMS:
            raise HTTPException(503, f"{_MOST_STREAMS} pages are open: close one")
        first: list[dict[str, Any]] = [{"revision": self._api.revision}]
        first += [{"job": job} for job in self._api.list_jobs()]
        return StreamingResponse(self._hub.stream(first), media_type="text/event-stream")

    def _call(self, method: str, args: Any) -> tuple[bytes, str]:
        # Packed here, in the pool's thread: a state of 100,000 images takes milliseconds.
        answer = self._api.call(method, args)
        return answer.pack(), answer.media_type

    async def _run(self, pool: str, work: Callable[[], Result]) -> Result:
        if pool not in self._pools:  # made on the loop that uses them
            self._pools[pool] = anyio.CapacityLimiter(_POOLS[pool])
        return await anyio.to_thread.run_sync(work, limiter=self._pools[pool])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            await self._run("quick", self._api.poll)


async def _read_body(request: Request) -> bytes:
    """Read what was sent, at most a bound of it, in a bounded time."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > _MOST_BODY:
                    raise HTTPException(413, f"more than {_MOST_BODY} bytes")
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, f"the request took more than {_BODY_SECONDS:g} s") from None
    return b"".join(parts)


def _parse_body(body: bytes) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no number of JSON")

    try:
        # RecursionError: brackets in brackets, thousands deep.
        return json.loads(body or b"{}", parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the request is no JSON: {error}") from None


def _parse_number(text: str) -> Any:
    """Return the number a query holds; other text as it is, to be refused by its check."""
    for parse in (int, float):
        with contextlib.suppress(ValueError):
            return parse(text)
    return text


async def _answer_fault(_request: Request, error: Exception) -> Response:
    status, detail = (
        (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    )
    body = format_json({"error": " ".join(str(detail).split())})
    return Response(body, status_code=status, media_type=JSON)


async def _answer_bug(_request: Request, error: Exception) -> Response:
    """Tell the page; the traceback goes to the terminal, as it is raised again behind this."""
    text = f"{type(error).__name__}: a bug, see the terminal of the command"
    return Response(format_json({"error": text}), status_code=500, media_type=JSON)
