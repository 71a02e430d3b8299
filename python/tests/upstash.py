"""A server that speaks Upstash's REST API in front of a real Redis."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import redis
from typing_extensions import Self

TOKEN = "the-token-of-the-database"  # noqa: S105

Answer = tuple[int, dict[str, str], bytes]


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


class UpstashServer:
    """The API as https://upstash.com/docs/redis/features/restapi describes it, or scripted answers instead."""

    def __init__(self, port: int) -> None:
        self.redis: Any = redis.Redis(port=port, decode_responses=True)
        self.redis.response_callbacks.clear()  # so that it replies as the protocol does
        self.script: Callable[[Any], Answer] | None = None
        self.requests: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.requests.append({name.lower(): value for name, value in self.headers.items()})
                command = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = outer.script or outer._answer
                status, headers, body = answer(command) if self._is_authentic() else (401, {}, b'{"error":"WRONGPASS"}')
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST  # noqa: N815

            def _is_authentic(self) -> bool:
                return bool(self.headers["Authorization"] == f"Bearer {TOKEN}")

            def log_message(self, *_: object) -> None: ...

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        self.redis.close()

    def _answer(self, command: list[Any]) -> Answer:
        try:
            return 200, {}, json.dumps({"result": self.redis.execute_command(*command)}).encode()
        except redis.ResponseError as error:
            return 400, {}, json.dumps({"error": f"{error}, command was: {command}"}).encode()
