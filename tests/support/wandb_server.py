"""A stand-in for a W&B server on 127.0.0.1, for the real client: it answers it and keeps what it sends.

with serve() as server:
    ... a process with the variables server.environment ...
    server.records.run.history

A question that it does not know is refused, and `serve` fails at its end. `server.mood` makes it misbehave:
"silent" (never answers), 401 (wrong key), 500.

What the client (0.31) was seen to do with it:
- A resumed run (`resume="allow"`): `run.starting_step` is the step to go on with; `run.step` is 0 until the first row.
- A row at a step below that is dropped with a warning.
- `wandb sync` of a folder whose run is there already appends: no line is overwritten. Under `resume` its steps are
  moved up to follow the last one. So a folder that holds rows which were synced before doubles them.
"""

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote

from support import (
    wandb_server_artifacts,
    wandb_server_runs,
    wandb_server_sweeps,
    wandb_server_views,
)
from support.wandb_server_records import Records

ANSWERS = (
    wandb_server_runs.ANSWERS
    | wandb_server_artifacts.ANSWERS
    | wandb_server_sweeps.ANSWERS
    | wandb_server_views.ANSWERS
)
KEY = "0123456789abcdef" * 2 + "01234567"
Mood = Literal["well", "silent", 401, 500]


class Server(ThreadingHTTPServer):
    """The server with its records; one request at a time touches them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.records = Records(f"http://127.0.0.1:{self.server_port}")
        self.mood: Mood = "well"
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self.over = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a client that goes online here."""
        return {"WANDB_BASE_URL": self.records.url, "WANDB_API_KEY": KEY}

    def mood_for(self, path: str) -> Mood:
        """Return the mood for a request; a test may let it depend on the path."""
        return self.mood

    def refuse(self, what: str) -> None:
        """Keep what was not understood; `serve` raises it."""
        self.records.refused.append(what)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        self.server.requests.append(f"POST {self.path}")
        if self._misbehaves():
            return
        if self.path.startswith("/sdk/otel/"):  # how the client itself does: not about a run
            self._answer(200, b"")
            return
        with self.server.lock:
            try:
                answer = (
                    self._graphql(json.loads(body))
                    if self.path == "/graphql"
                    else self._stream(body)
                )
            except Exception as error:
                self.server.refuse(f"{self.path}: {type(error).__name__}: {error}: {body[:800]!r}")
                answer = {"errors": [{"message": f"refused by the stand-in: {error}"}]}
        self._answer(200, json.dumps(answer).encode())

    def do_PUT(self) -> None:
        content = self._body()
        self.server.requests.append(f"PUT {self.path}")
        if self._misbehaves():
            return
        with self.server.lock:
            files, name = self._files()
            files[name] = content
        self._answer(200, b"")

    def do_GET(self) -> None:
        self.server.requests.append(f"GET {self.path}")
        if self._misbehaves():
            return
        with self.server.lock:
            files, name = self._files()
        self._answer(200 if name in files else 404, files.get(name, b""))

    def _files(self) -> tuple[dict[str, bytes], str]:
        """Return the files that the path belongs to, and the name among them."""
        _, kind, owner, name = unquote(self.path.partition("?")[0]).split("/", 3)
        records = self.server.records
        return (records.runs[owner] if kind == "storage" else records.artifact(owner)).files, name

    def _graphql(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
        name = found[1] if found else asked["query"]
        self.server.requests[-1] += f" {name}"
        if name not in ANSWERS:
            self.server.refuse(
                f"unknown GraphQL operation {asked['query']} {asked.get('variables')}"
            )
            return {"errors": [{"message": f"the stand-in does not know {name}"}]}
        return {"data": ANSWERS[name](self.server.records, asked.get("variables") or {})}

    def _stream(self, body: bytes) -> dict[str, Any]:
        _, _files, _entity, _project, run, end = unquote(self.path).split("/")
        if end != "file_stream":
            raise ValueError("unknown address")
        self.server.records.runs[run].stream(json.loads(body))
        return {"exitcode": None, "limits": {}}

    def _misbehaves(self) -> bool:
        mood = self.server.mood_for(self.path)
        if mood == "silent":
            self.server.over.wait(600)
            self.close_connection = True
        elif mood != "well":
            self._answer(
                mood, json.dumps({"errors": [{"message": f"the mood is {mood}"}]}).encode()
            )
        return mood != "well"

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(mood: Mood = "well", kind: type[Server] = Server) -> Iterator[Server]:
    """Run a server; raises `AssertionError` at the end when the client asked for what it does not know."""
    server = kind()
    server.mood = mood
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not server.records.refused, "\n".join(server.records.refused)
