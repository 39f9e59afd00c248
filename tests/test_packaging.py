"""The files around the package: release, workflows, citation and container agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def workflow(name: str) -> dict:
    return yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))


def runs(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_calls_what_decides_on_the_oldest_and_newest_python():
    jobs = workflow("ci.yml")["jobs"]
    assert runs(jobs["linux"]) == [".ci/run"]
    versions = jobs["linux"]["strategy"]["matrix"]["python"]
    classified = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: 3." in c]
    assert versions == [classified[0], classified[-1]]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert jobs["macos"]["runs-on"].startswith("macos")
    assert any("seq2seq-lab train" in line for line in runs(jobs["macos"]))


def test_a_release_tries_the_wheel_and_stores_no_token():
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    jobs = workflow("release.yml")["jobs"]
    assert "make wheel" in runs(jobs["build"])
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert not re.search("secrets|password|api-token", text)


def test_every_way_to_decide_builds_and_tries_the_wheel():
    assert "make wheel" in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_the_citation_names_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_container_installs_extras_that_exist():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    extras = re.search(r"ARG EXTRAS=(\S+)", text)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    copied = re.findall(r"^COPY (\S+) ", text, re.M)
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("package", ["noto-cjk-sans-jp-regular", "manimgx-fonts"])
def test_fonts_are_an_extra(package):
    assert not any(one.startswith(package) for one in PROJECT["dependencies"])
    assert any(one.startswith(package) for one in PROJECT["optional-dependencies"]["fonts"])
