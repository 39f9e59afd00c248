"""A real HTTP server on this machine, for downloads in tests."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """/good, /cut, /hang, /drip: how the server treats the client; anything under `files` is served whole."""

    def do_GET(self):
        self.server.requests.append(self.path)
        name = self.path.rsplit("/", 1)[-1]
        if name == "hang":
            self.server.over.wait(10)
            return
        if name not in {"cut", "drip"} and name not in self.server.files:
            self.send_error(404)
            return
        body = self.server.files.get(name, b"x" * 1000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if name == "drip":
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        else:
            self.wfile.write(body[:500] if name == "cut" else body)

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def serve(files):
    """Serve the files ({name: bytes}); yields (address, the server, whose `requests` lists the paths asked for)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.files, server.requests, server.over = files, [], threading.Event()
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
