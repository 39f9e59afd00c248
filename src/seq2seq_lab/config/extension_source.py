"""An extension: a trusted package of other people, read as files. Nothing of it is imported here."""

import ast
import functools
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seq2seq_lab.errors import ConfigError, one_line

_HASHED = {".py", ".so", ".pyd", ".yaml", ".yml", ".json", ".tsv", ".csv", ".txt"}
NEVER = frozenset(
    (
        "seq2seq_lab", "hydra_plugins", "torch", "pytorch_lightning", "lightning", "lightning_fabric",
        "lightning_utilities", "torchmetrics", "hydra", "omegaconf", "sacrebleu", "tokenizers", "sentencepiece",
        "safetensors", "wandb", "PIL", "unicode_rbnf", "babel", "matplotlib", "numpy", "scipy", "rich", "jaxtyping",
        "jinja2", "entmax", "filelock", "yaml", "spacy", "jieba", "onnx", "onnxruntime", "optuna", "tensorboard",
        "trackio", "wandb_workspaces", "datasets", "huggingface_hub", "joblib", "submitit", "ray", "argcomplete", "pip",
        "setuptools", "pkg_resources", "pytest",
    )
)  # fmt: skip
"""Top-level names of this package and of what it needs: no extension, whoever declares it."""


@dataclass(frozen=True)
class Extension:
    """A trusted package: `root` is its folder, or the file of a single module.

    `distribution` is the installed package that declares it; None if `--extension` named it.
    """

    name: str
    root: Path
    version: str | None = None
    distribution: str | None = None

    @property
    def is_flag(self) -> bool:
        """Whether the command line named it."""
        return self.distribution is None

    @property
    def conf(self) -> Path | None:
        """The folder of its YAML files, if it has one."""
        folder = self.root / "conf"
        return folder if folder.is_dir() else None

    def files(self) -> list[Path]:
        """Return its source, configs and tables, sorted; hidden folders and caches are no part of it."""
        if self.root.is_file():
            return [self.root]
        return sorted(
            path
            for path in self.root.rglob("*")
            if path.suffix in _HASHED and path.is_file() and not _is_hidden(path, self.root)
        )

    def trees(self) -> Iterator[ast.Module]:
        """Yield the syntax trees of its modules. Raises `ConfigError` for one that is not Python."""
        for path in self.files():
            if path.suffix == ".py":
                yield parsed(path)

    @functools.cached_property
    def sha256(self) -> str:
        """The SHA-256 of all its files."""
        digest = hashlib.sha256()
        for path in self.files():
            name = path.name if self.root.is_file() else path.relative_to(self.root).as_posix()
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()

    @functools.cached_property
    def has_metrics(self) -> bool:
        """Whether the top-level module has the name METRICS, as far as its source tells; a star import may bring it."""
        start = self.root if self.root.is_file() else self.root / "__init__.py"
        return start.is_file() and bool(
            {"METRICS", "*"}
            & {name for line in _statements(parsed(start)) for name in _bound(line)}
        )

    @functools.cached_property
    def imported(self) -> frozenset[str]:
        """The top-level names of all modules that its files import."""
        found = set()
        for tree in self.trees():
            for line in ast.walk(tree):
                if isinstance(line, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in line.names}
                elif isinstance(line, ast.ImportFrom) and line.module and not line.level:
                    found.add(line.module.partition(".")[0])
        return frozenset(found)


def _is_hidden(path: Path, root: Path) -> bool:
    return any(
        part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts
    )


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, those inside `if`, `try` and `with` too."""
    for line in ast.iter_child_nodes(tree):
        if isinstance(line, ast.stmt):
            yield line
        if not isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _statements(line)


def _bound(line: ast.stmt) -> set[str]:
    """Return the names that a statement at the top of a module binds by assignment or import."""
    match line:
        case ast.Assign(targets=targets):
            return {one.id for one in targets if isinstance(one, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {alias.asname or alias.name for alias in names}
    return set()


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file; raises `ConfigError` for one that cannot be read as Python."""
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise ConfigError(
            f"{path}:{error.lineno or 1}: not Python ({error.msg}); correct it"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as Python ({one_line(error)})") from error


def reserved_name(name: str) -> str | None:
    """Return whose name this is if no extension may have it: Python's, ours, or that of a package we need."""
    if name in sys.stdlib_module_names:
        return "a module of Python itself"
    if name in NEVER:
        is_ours = name.startswith("seq2seq")
        return "seq2seq-lab itself" if is_ours else "a package that seq2seq-lab uses"
    return "private" if name.startswith("_") else None


def stated_version(path: Path) -> str | None:
    """Return the text that a module or package assigns to `__version__`."""
    start = path if path.is_file() else path / "__init__.py"
    for line in parsed(start).body if start.is_file() else ():
        match line:
            case ast.Assign(
                targets=[ast.Name(id="__version__")], value=ast.Constant(value=str(text))
            ):
                return text
    return None
