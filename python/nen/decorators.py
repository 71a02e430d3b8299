"""Protection of single endpoints, for Starlette and FastAPI: also to be had from :mod:`nen.asgi`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from nen._native import STREAM_CONTENT_TYPE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from nen._types import Receive, Scope, Send

    _Result = TypeVar("_Result")
    _Handler: TypeAlias = Callable[[Request, Any], _Result | Awaitable[_Result]]
    _Endpoint: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
    _Chunks: TypeAlias = Iterable[str | bytes] | AsyncIterable[str | bytes]

__all__ = ["with_nen", "with_nen_stream"]

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PARAMETERS = 2

PROTECTED = "nen.protected"
"""Where in the scope the middleware leaves the function that protects the answer of one application to one request."""


def with_nen(handler: _Handler[Any]) -> _Endpoint:
    """Protect one endpoint: ``handler(request, body)`` gets the opened JSON, and what it returns is sealed.

    It goes under the route's decorator, and needs the middleware in the application, which holds the sessions::

        app.add_middleware(NenMiddleware, protect="decorated")

        @app.post("/api/secure-data")
        @with_nen
        async def secure_data(request: Request, body: Any) -> Any:
            return {"message": "Securely processed", "received": body}

    ``body`` is None for a request without one. The handler returns what ``json.dumps`` takes, or a ``Response`` for a
    status and headers of its own. An ``HTTPException`` is sealed with its status. A plain function runs in a thread. To
    FastAPI, the endpoint has the request as its only parameter: neither ``Depends`` nor models are filled in; protect
    the path by the middleware to have these.

    :raises TypeError: if the handler has other parameters than these two.
    :raises RuntimeError: at a request, if the application has no middleware, or a dependency has read the sealed body.
    """
    from starlette.responses import JSONResponse, Response  # noqa: PLC0415 - who decorates has it

    def respond(value: object) -> Response:
        return value if isinstance(value, Response) else JSONResponse(value)

    return _protected(handler, respond)


def with_nen_stream(handler: _Handler[_Chunks | Response]) -> _Endpoint:
    """Protect one endpoint that streams: each chunk of what ``handler(request, body)`` returns is sealed and sent.

    It returns an iterable of str or bytes, best an asynchronous one, or is an asynchronous generator itself. A
    ``Response`` goes as it is, for example an error. Else as :func:`with_nen`.
    """
    from starlette.responses import Response, StreamingResponse  # noqa: PLC0415 - who decorates has it

    def respond(chunks: object) -> Response:
        if isinstance(chunks, Response):
            return chunks
        if isinstance(chunks, (str, bytes)) or not isinstance(chunks, (Iterable, AsyncIterable)):
            msg = f"a handler of with_nen_stream must return an iterable of str or bytes, not {type(chunks).__name__}"
            raise TypeError(msg)
        return StreamingResponse(chunks, media_type=STREAM_CONTENT_TYPE)

    return _protected(handler, respond)


def _protected(handler: _Handler[Any], respond: Callable[[object], Response]) -> _Endpoint:
    from starlette.concurrency import run_in_threadpool  # noqa: PLC0415 - who decorates has it
    from starlette.exceptions import HTTPException  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import request_response  # noqa: PLC0415

    _check_parameters(handler)
    is_plain = not (inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler))

    async def answer(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else None
        except (ValueError, RecursionError):
            # Python's numbers and depth have limits that JSON has not.
            raise HTTPException(400, "the body is JSON that cannot be read here") from None
        value = await run_in_threadpool(handler, request, body) if is_plain else handler(request, body)
        return respond(await value if inspect.isawaitable(value) else value)

    application = request_response(answer)

    # What an endpoint returns must be a response. This one is made when it is sent: by the handler, within the
    # middleware's protection.
    async def send_protected(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer_and_finish(scope: Scope, receive: Receive, send: Send) -> None:
            await application(scope, receive, send)
            # FastAPI leaves here what the dependencies of the route want done afterwards: not for one that was refused.
            if response.background is not None:
                await response.background()

        await scope[PROTECTED](answer_and_finish, scope, receive, send)

    protected: type[Response] = type("Protected", (Response,), {"__call__": send_protected})

    async def endpoint(request: Request) -> Response:
        if "nen" in request.scope:
            return await answer(request)
        if PROTECTED not in request.scope:
            msg = f'{endpoint.__name__} needs the middleware: app.add_middleware(NenMiddleware, protect="decorated")'
            raise RuntimeError(msg)
        if getattr(request, "_stream_consumed", False):
            # What is to be opened would be waited for without end.
            msg = f"a dependency of {endpoint.__name__} has read the sealed body: protect the path instead"
            raise RuntimeError(msg)
        return protected()

    # The name and the text that OpenAPI shows are the handler's, the parameters are not.
    named = ("__module__", "__name__", "__qualname__", "__doc__")
    functools.update_wrapper(endpoint, handler, assigned=named, updated=())
    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
    signature = inspect.Signature([request], return_annotation=Response)
    del endpoint.__dict__["__wrapped__"]
    endpoint.__dict__["__signature__"] = signature
    return endpoint


def _check_parameters(handler: _Handler[Any]) -> None:
    """Refuse what is never filled in: one with a default, such as a ``Depends`` that checks a login, would not run."""
    parameters = inspect.signature(handler).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind not in _VARIADIC]
    if len(names) > _PARAMETERS or (len(names) < _PARAMETERS and len(names) == len(parameters)):
        msg = (
            f"a handler gets a request and a body, and nothing else is filled in: it cannot be ({', '.join(names)})."
            ' For dependencies and models, protect the path: NenMiddleware, protect=["/api/*"], and no decorator'
        )
        raise TypeError(msg)
