from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

import nen.asgi
import nen.wsgi
from tests.app import KABOOM, Gate

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the tests",  # noqa: S106 - it signs nothing
)
django.setup()
gate = Gate()


def peer_of(request: HttpRequest) -> Any:
    """Find the peer where the server's interface has it."""
    return request.scope.get("nen") if hasattr(request, "scope") else request.META.get("nen")


def secure_data(request: HttpRequest) -> JsonResponse:
    received = json.loads(request.body) if request.body else None
    return JsonResponse(
        {"received": received, "nen": peer_of(request) is not None, "text": "long enough to be compressed" * 20}
    )


def notes(_: HttpRequest, note: str) -> JsonResponse:
    return JsonResponse({"id": note})


def created(request: HttpRequest) -> JsonResponse:
    value = {"created": json.loads(request.body)}
    return JsonResponse(value, status=201, headers={"Location": "/api/notes/1", "ETag": '"1"'})


def whoami(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"session": peer_of(request).session_id})


def nothing(_: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def moved(_: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/api/secure-data")


def teapot(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"detail": "I'm a Teapot"}, status=418)


def boom(_: HttpRequest) -> HttpResponse:
    raise RuntimeError(KABOOM)


def stream(chunks: Callable[[], Iterator[str]], async_chunks: Callable[[], AsyncIterator[str]]) -> Any:
    """Make a view of a stream, for either interface."""

    def view(request: HttpRequest) -> StreamingHttpResponse:
        make = async_chunks if hasattr(request, "scope") else chunks
        return StreamingHttpResponse(make(), content_type="text/event-stream")

    return view


def gated() -> Iterator[str]:
    yield "first"
    gate.open.wait(10)
    yield "second"


async def async_gated() -> AsyncIterator[str]:
    yield "first"
    await asyncio.to_thread(gate.open.wait, 10)
    yield "second"


def broken() -> Iterator[str]:
    yield "so far so good"
    raise RuntimeError(KABOOM)


async def async_broken() -> AsyncIterator[str]:
    yield "so far so good"
    raise RuntimeError(KABOOM)


def endless() -> Iterator[str]:
    try:
        while True:
            yield "on and on"
            time.sleep(0.01)
    finally:
        gate.ended.set()


async def async_endless() -> AsyncIterator[str]:
    try:
        while True:
            yield "on and on"
            await asyncio.sleep(0.01)
    finally:
        gate.ended.set()


def open_gate(_: HttpRequest) -> JsonResponse:
    gate.open.set()
    return JsonResponse({})


def ended(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"ended": gate.ended.wait(5)})


urlpatterns = [
    path("api/secure-data", csrf_exempt(secure_data)),
    path("plain/secure-data", csrf_exempt(secure_data)),
    path("api/notes/<note>", notes),
    path("api/created", csrf_exempt(created)),
    path("api/whoami", csrf_exempt(whoami)),
    path("api/nothing", csrf_exempt(nothing)),
    path("api/moved", moved),
    path("api/teapot", teapot),
    path("api/boom", csrf_exempt(boom)),
    path("api/gated", stream(gated, async_gated)),
    path("api/broken-stream", stream(broken, async_broken)),
    path("api/endless", stream(endless, async_endless)),
    path("api/form", secure_data),
    path("plain/open", csrf_exempt(open_gate)),
    path("plain/ended", ended),
]

wsgi = nen.wsgi.NenMiddleware(get_wsgi_application(), protect=["/api/*"])
asgi = nen.asgi.NenMiddleware(get_asgi_application(), protect=["/api/*"])  # type: ignore[arg-type]
