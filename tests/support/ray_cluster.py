"""A Ray cluster of two nodes on this machine, one core each: `ray start` in sessions of their own."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from support.sessions import kill_session

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
"""Nothing is sent, no token is asked for, and a lost node is noticed in seconds."""


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
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Start both nodes."""
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

    def kill(self, node: int) -> None:
        """Kill a node with all that it started, as when its machine loses power."""
        kill_session(self.nodes[node].pid)
        self.nodes[node].wait(10)

    def close(self) -> None:
        for node in range(len(self.nodes)):
            self.kill(node)
