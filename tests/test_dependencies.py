"""Every dependency and extra of pyproject.toml is used by some code, and no code imports an undeclared package."""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT, TESTS = ("src", "scripts", "train.py"), ("tests",)
NOT_IMPORTED = {
    "ruff": "a command of `make check`",
    "mypy": "a command of `make check`",
    "hatchling": "the command of `make wheel`",
    "sphinx": "the command of `make docs`",
    "myst-parser": "an extension that docs/conf.py names",
    "furo": "the theme that docs/conf.py names",
    "pytest-cov": "a plugin of pytest: `make coverage`",
    "pytest-timeout": "a plugin of pytest: `timeout` in pyproject.toml",
    "pytest-xdist": "a plugin of pytest: -n",
    "joblib": "a bound for hydra-joblib-launcher: the ray launcher refuses the cloudpickle of 1.6",
    "tensorboard": "torch.utils.tensorboard imports it",
    "noto-cjk-sans-jp-regular": "fonts, loaded by path (attention_map.FONT_PACKAGES)",
    "manimgx-fonts": "fonts, loaded by path (attention_map.FONT_PACKAGES)",
}


def project() -> dict:
    """Return the table of the project, with the groups of its developers as further extras."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    read["project"]["optional-dependencies"] |= read["dependency-groups"]
    return read["project"]


def names(requirements: Iterable[str]) -> set[str]:
    """Return the packages of requirements such as torch>=2.10."""
    return {re.match(r"[A-Za-z0-9._-]+", one)[0].lower() for one in requirements}


def python_files(places: Iterable[str], root: Path = ROOT) -> list[Path]:
    paths = [root / place for place in places]
    return [file for p in paths for file in ([p] if p.is_file() else sorted(p.rglob("*.py")))]


@functools.cache
def imported_by(path: Path) -> set[str]:
    """Return the top-level modules that a file imports, at its head or within a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def imported(files: Iterable[Path]) -> set[str]:
    return set().union(*map(imported_by, files))


installed = functools.cache(packages_distributions)


def packages(modules: Iterable[str]) -> set[str]:
    """Return the packages that install modules; a module that is not installed stands for itself."""
    return {d.lower() for m in modules for d in installed().get(m, [m.replace("_", "-")])}


def of_configs() -> set[str]:
    """Return the packages of Hydra's plugins that a `_target_` in conf/ or an import of the product names."""
    files = [*(ROOT / "conf").rglob("*.yaml"), *python_files(PRODUCT)]
    texts = [path.read_text(encoding="utf-8") for path in files]
    named = r"(?:_target_:|from) hydra_plugins\.(\w+)"
    found = {m for text in texts for m in re.findall(named, text)}
    return {module.replace("_", "-") for module in found}


def own_modules() -> set[str]:
    folders = [ROOT / "src", ROOT / "scripts", ROOT / "tests"]
    return {path.stem for folder in folders for path in folder.iterdir()} | {"conftest"}


def unused(facts: dict) -> set[str]:
    """Return what is declared and neither imported, nor named by a config, nor listed with a reason."""
    extras = names(r for one in facts["optional-dependencies"].values() for r in one)
    in_product = packages(imported(python_files(PRODUCT))) | of_configs() | set(NOT_IMPORTED)
    in_tests = packages(imported(python_files(TESTS)))
    return (names(facts["dependencies"]) - in_product) | (extras - in_product - in_tests)


def undeclared(facts: dict, files: Iterable[Path], *extras: str) -> set[str]:
    """Return the packages that files import without a declaration in the dependencies or these extras."""
    known = names(facts["dependencies"])
    known |= names(r for extra in extras for r in facts["optional-dependencies"][extra])
    modules = imported(files) - own_modules() - set(sys.stdlib_module_names)
    return {m for m in modules if not packages([m]) & known}


def product_extras(facts: dict) -> set[str]:
    return set(facts["optional-dependencies"]) - {"dev", "docs"}


def test_every_dependency_is_used():
    assert unused(project()) == set()


def test_the_product_imports_nothing_undeclared():
    facts = project()
    assert undeclared(facts, python_files(PRODUCT), *product_extras(facts)) == set()


def test_tests_import_nothing_undeclared():
    facts = project()
    files = python_files(TESTS)
    assert undeclared(facts, files, *facts["optional-dependencies"]) == set()


def test_what_is_not_imported_is_declared():
    facts = project()
    extras = names(r for one in facts["optional-dependencies"].values() for r in one)
    assert set(NOT_IMPORTED) - names(facts["dependencies"]) - extras == set()


# planted bugs


@pytest.mark.parametrize("place", ["dependencies", "colorlog", "dev"])
def test_planted_dependency_that_nothing_imports_is_caught(place):
    facts = project()
    extras = facts["optional-dependencies"]
    group = facts["dependencies"] if place == "dependencies" else extras.setdefault(place, [])
    group.append("colorlog>=6")
    assert unused(facts) == {"colorlog"}


def test_planted_dependency_of_tests_alone_is_caught():
    facts = project()
    facts["dependencies"].append("hypothesis>=6.130")
    assert unused(facts) == {"hypothesis"}


def test_planted_import_without_a_declaration_is_caught(tmp_path):
    (tmp_path / "planted.py").write_text(
        "def f():\n    import requests.sessions\n    import pytest\n"
    )
    facts = project()
    found = undeclared(facts, python_files(["planted.py"], tmp_path), *product_extras(facts))
    assert found == {"requests", "pytest"}
