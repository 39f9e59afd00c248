"""A stand-in for the Hugging Face hub on this machine: repositories with commits, large files apart, a token to write.

It answers the requests that huggingface_hub and datasets make for a push, a download and a stream, and nothing else.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_stand_in"
LARGE = (".safetensors", ".onnx", ".parquet")
_REPOSITORY = r"(?P<name>[\w.-]+/[\w.-]+)"
_API = rf"/api/(?P<kind>models|datasets)/{_REPOSITORY}"


@dataclass
class Repository:
    """Commits in their order, each {path: content}."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit that has these files besides those of the last one, and return its hash."""
        now = {**self.files("main"), **files}
        text = repr(sorted((name, hashlib.sha1(body).hexdigest()) for name, body in now.items()))
        sha = hashlib.sha1(f"{len(self.commits)} {text}".encode()).hexdigest()
        self.commits[sha] = now
        return sha

    def sha(self, revision: str) -> str | None:
        """Return the commit of a revision, or None."""
        if revision == "main":
            return next(reversed(self.commits), "0" * 40)
        return revision if revision in self.commits else None

    def files(self, revision: str) -> dict[str, bytes]:
        """Return the files at a revision."""
        return self.commits.get(self.sha(revision) or "", {})


class Hub(ThreadingHTTPServer):
    """The server: its repositories by kind and name, large files by SHA-256, and the requests it had."""

    daemon_threads, block_on_close = True, False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        """Return the value of HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One method for each request, found by its pattern."""

    server: Hub
    ROUTES = (
        ("POST", "/api/repos/create", "create"),
        ("POST", "/api/validate-yaml", "validate"),
        ("POST", rf"{_API}/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", rf"{_API}/commit/(?P<revision>[^/]+)", "commit"),
        ("POST", rf"{_API}/paths-info/(?P<revision>[^/]+)", "paths_info"),
        ("POST", rf"/{_REPOSITORY}\.git/info/lfs/objects/batch", "batch"),
        ("PUT", r"/large/(?P<oid>\w+)", "put"),
        ("GET", rf"{_API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?", "tree"),
        ("GET", rf"{_API}(?:/revision/(?P<revision>[^/]+))?", "info"),
        ("HEAD|GET", rf"/(?P<kind>datasets)?/?{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
    )  # fmt: skip

    def do_GET(self):
        """Answer by the first route that fits."""
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        for method, pattern, name in self.ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method.split("|"):
                getattr(self, name)(body, found.groupdict())
                return
        self.answer({"error": "no such page"}, 404)

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        headers.setdefault("Content_Type", "application/json")
        for name, value in {**headers, "Content_Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def has_token(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def found(self, route, *, write=False):
        """Return repository and commit of a route; an answer is given and None returned where it may not be."""
        key = ((route.get("kind") or "models"), route["name"])
        repository = self.server.repositories.get(key)
        if write and not self.has_token():
            return self.answer({"error": "Invalid token"}, 401)
        if repository is None or (repository.private and not self.has_token()):
            return self.answer({"error": "Not found"}, 404, X_Error_Code="RepoNotFound")
        sha = repository.sha(route.get("revision") or "main")
        if sha is None:
            return self.answer({"error": "Not found"}, 404, X_Error_Code="RevisionNotFound")
        return repository, sha

    def create(self, body, route):
        asked = json.loads(body)
        if not self.has_token():
            return self.answer({"error": "Invalid token"}, 401)
        name, kind = f"{asked['organization']}/{asked['name']}", f"{asked.get('type') or 'model'}s"
        url = {"url": f"{self.server.address}/{name}", "name": name}
        if (kind, name) in self.server.repositories:
            return self.answer({"error": "You already created this repo", **url}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.server.repositories[kind, name] = Repository(private)
        self.answer(url)

    def validate(self, body, route):
        self.answer({"errors": [], "warnings": []})

    def preupload(self, body, route):
        if self.found(route, write=True):
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {name: "lfs" if name.endswith(LARGE) else "regular" for name in names}
            plain = {"shouldIgnore": False}
            self.answer(
                {"files": [{"path": n, "uploadMode": m, **plain} for n, m in modes.items()]}
            )

    def batch(self, body, route):
        if self.found(route, write=True):
            objects = json.loads(body)["objects"]
            for one in objects:
                one["actions"] = {"upload": {"href": f"{self.server.address}/large/{one['oid']}"}}
            self.answer({"transfer": "basic", "objects": objects})

    def put(self, body, route):
        is_right = hashlib.sha256(body).hexdigest() == route["oid"]
        self.server.large |= {route["oid"]: body} if is_right else {}
        self.answer({}, 200 if is_right else 400)

    def commit(self, body, route):
        found = self.found(route, write=True)
        if not found:
            return
        files = {}
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
        sha = found[0].commit(files)
        self.answer(
            {"commitUrl": f"{self.server.address}/{route['name']}/commit/{sha}", "commitOid": sha}
        )

    def info(self, body, route):
        found = self.found(route)
        if found:
            repository, sha = found
            names = [{"rfilename": name} for name in repository.files(sha)]
            facts = {"id": route["name"], "sha": sha, "private": repository.private}
            self.answer({**facts, "siblings": names, "tags": [], "downloads": 0, "likes": 0})

    def entries(self, repository, sha, inside):
        """Return files and folders of a commit as the hub lists them."""
        listed = []
        for name, content in repository.files(sha).items():
            if name.startswith(inside):
                entry = {
                    "type": "file",
                    "path": name,
                    "size": len(content),
                    "oid": git_hash(content),
                }
                if name.endswith(LARGE):
                    digest = hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
                listed.append(entry)
        folders = {e["path"].rpartition("/")[0] for e in listed} - {""}
        listed += [
            {"type": "directory", "path": f, "oid": git_hash(f.encode())} for f in sorted(folders)
        ]
        return listed

    def tree(self, body, route):
        found = self.found(route)
        if found:
            inside = f"{route['path']}/" if route.get("path") else ""
            entries = [e for e in self.entries(*found, inside) if e["path"] != inside[:-1]]
            if not entries:
                self.answer({"error": "Not found"}, 404, X_Error_Code="EntryNotFound")
                return
            if "recursive=True" not in self.path:
                entries = [e for e in entries if "/" not in e["path"].removeprefix(inside)]
            self.answer(entries)

    def paths_info(self, body, route):
        found = self.found(route)
        if found:
            text = body.decode()
            asked = (
                json.loads(text)["paths"]
                if text.startswith("{")
                else re.findall(r"paths=([^&]+)", text)
            )
            asked = {unquote(path) for path in ([asked] if isinstance(asked, str) else asked)}
            self.answer([e for e in self.entries(*found, "") if e["path"] in asked])

    def resolve(self, body, route):
        found = self.found(route)
        if not found:
            return
        repository, sha = found
        content = repository.files(sha).get(route["path"])
        if content is None:
            self.answer(
                {"error": "Not found"}, 404, X_Error_Code="EntryNotFound", X_Repo_Commit=sha
            )
            return
        is_large = route["path"].endswith(LARGE)
        etag = hashlib.sha256(content).hexdigest() if is_large else git_hash(content)
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        sent = content[int(part[1]) : int(part[2]) + 1 if part[2] else None] if part else content
        headers = {
            "ETag": f'"{etag}"',
            "X_Repo_Commit": sha,
            "Content_Type": "application/octet-stream",
        }
        if part:
            headers["Content_Range"] = (
                f"bytes {part[1]}-{int(part[1]) + len(sent) - 1}/{len(content)}"
            )
        self.answer(sent, 206 if part else 200, **headers)

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_):
        """Say nothing."""


def git_hash(content: bytes) -> str:
    """Return the hash that git gives a file."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@contextlib.contextmanager
def hub():
    """Run the hub; yields it."""
    server = Hub()
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def environment(server: Hub, home: object, token: str = TOKEN) -> dict[str, str]:
    """Return the variables under which a process uses this hub and this folder, and nothing of the user's."""
    return {
        "HF_ENDPOINT": server.address,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_ETAG_TIMEOUT": "5",
        "NO_PROXY": "127.0.0.1",
    }
