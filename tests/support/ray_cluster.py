"""A Ray cluster of two nodes on this machine, one core each: `ray start` in sessions of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_gcs_server_request_timeout_seconds": "10",
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "2",
}
"""Nothing is sent, no token is written to the user's folder, and a lost node is noticed in seconds."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class RayCluster:
    """`address` for `hydra.launcher.ray.init.address`; `environment` for the command."""

    def __init__(self, folder: Path, source: list[str]) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"127.0.0.1:{self.port}"
        folder.mkdir()
        self.environment = {**QUIET, "HOME": str(folder), "TMPDIR": str(folder)}
        self.nodes: list[subprocess.Popen] = []
        self.source = os.pathsep.join(source)
        self.add(
            "--head",
            f"--port={self.port}",
            "--include-dashboard=false",
            f"--temp-dir={self.folder}/r",
        )
        self.wait_until_it_answers()
        self.add(f"--address={self.address}")
        self.wait_until_it_answers()

    def add(self, *arguments: str) -> None:
        """Start a node in the foreground of a session of its own."""
        line = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
        line += ["--node-ip-address=127.0.0.1", "--object-store-memory=80000000", "--num-gpus=0"]
        path = os.pathsep.join([self.source, os.environ.get("PYTHONPATH", "")])
        with (self.folder / f"node{len(self.nodes)}.log").open("wb") as log:
            self.nodes.append(
                subprocess.Popen(
                    [*line, *arguments], env={**os.environ, **self.environment, "PYTHONPATH": path},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip

    def wait_until_it_answers(self) -> None:
        """Wait for the newest node's line that it is up."""
        log = self.folder / f"node{len(self.nodes) - 1}.log"
        end = time.monotonic() + 60
        while b"Ray runtime started" not in log.read_bytes():
            assert self.nodes[-1].poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)

    def processes(self, node: int) -> dict[int, str]:
        """Return the processes of a node's session: id and command line."""
        return dict(processes_of_session(self.nodes[node].pid))

    def kill(self, node: int) -> None:
        """Kill a node with all that it started, as when its machine loses power."""
        for number in (self.nodes[node].pid, *self.processes(node)):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.nodes[node].wait(10)

    def workers(self) -> list[int]:
        """Return the ids of the processes that carry out a run now."""
        every = {**self.processes(0), **self.processes(1)}
        return [number for number, text in every.items() if "_run_job" in text]

    def close(self) -> None:
        for node in range(len(self.nodes)):
            self.kill(node)


def processes_of_session(session: int) -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parts = (entry / "stat").read_text().rpartition(")")[2].split()
                text = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if int(parts[3]) == session:
                found.append((int(entry.name), text))
    return found
