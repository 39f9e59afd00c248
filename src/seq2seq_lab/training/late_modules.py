"""Modules that Lightning and optimizers import and a plain run never uses: they run once they are asked for more.

They are 2 s of a start: torch's compiler with SymPy (Lightning asks whether a model is compiled, an optimizer says what
the compiler may not trace), and the front door of torchmetrics with SciPy's signal processing and matplotlib (Lightning
derives its sums from `torchmetrics.Metric`). Imported inside `late_modules()` they have the few names that these two
use. Any other name, and after the block any submodule, runs the real code in that same module: who compiles a model
or plots a metric finds what is always there, a second later.
"""

import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import version
from types import ModuleType
from typing import Any

_COMPILER, _BACKEND = "torch._dynamo", "torch._inductor"
_METRICS, _PLOT = "torchmetrics", "torchmetrics.utilities.plot"
_LASTING = {_COMPILER: ("disable", "graph_break"), _BACKEND: ("__path__",)}
"""Names that stay after the block: an optimizer's at every step, and the way to the backend's settings."""
_RUNNING = threading.RLock()


class LateModule(ModuleType):
    """A module that was given a few names; its code runs at the first other one."""

    def give(self, real: Loader, then: Callable[[], object], **names: Any) -> None:
        """Set names; `real` runs the code, and `then` is called after it."""
        self.__dict__.update(names, _real=real, _then=then, _given=tuple(names))

    def end_of_block(self) -> None:
        """Forget the names that only the block needs."""
        for name in {"__path__", *self.__dict__.get("_given", ())}:
            if name not in _LASTING.get(self.__name__, ()):
                self.__dict__.pop(name, None)

    def run(self) -> None:
        """Run the code unless it has run; another thread waits until the module is whole."""
        with _RUNNING:
            real, spec = self.__dict__.pop("_real", None), self.__spec__
            if real is None or spec is None:
                return
            if spec.submodule_search_locations is not None:
                self.__path__ = spec.submodule_search_locations
            self.__loader__ = spec.loader = real
            try:
                real.exec_module(self)
            except BaseException:
                self.__dict__["_real"] = real  # the next one who asks meets the same error
                raise
            del self.__dict__["_given"]
            self.__dict__.pop("_then")()
            self.__class__ = ModuleType  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        is_package = self.__spec__ is not None and self.__spec__.submodule_search_locations
        if name != "__path__" or is_package:  # every `from ... import` asks for the path
            self.run()
        if type(self) is LateModule:  # the code runs, or cannot
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self, name)


class _IsCompiled(type):
    def __instancecheck__(cls, instance: object) -> bool:
        """Ask the real class, if there is one: before the compiler has run nothing is compiled."""
        real = getattr(sys.modules.get(f"{_COMPILER}.eval_frame"), "OptimizedModule", None)
        return real is not None and isinstance(instance, real)


class OptimizedModule(metaclass=_IsCompiled):
    """Stands for torch's class of compiled models in Lightning's questions."""


def _compiler(module: LateModule, real: Loader) -> None:
    """Give what Lightning's questions and eager optimizers need."""
    marked: list[Any] = []
    backend = import_module(_BACKEND)

    def disable(function: Any, *settings: Any, **options: Any) -> Any:
        if not inspect.isfunction(function):
            del module.disable
            return module.disable(function, *settings, **options)
        if not options.get("wrapping", True):  # torch stores what it gets with the function
            marked.append(function)
            return function
        return _untraced(
            module, function, lambda: module.disable(function, *settings, **options), options
        )

    def then() -> None:
        for function in marked:  # torch asks for the real mark at the next call
            function.__dict__.pop("__dynamo_disable", None)
        if isinstance(backend, LateModule):
            backend.run()

    names = {"OptimizedModule": OptimizedModule, "disable": disable}
    module.give(real, then, graph_break=lambda: None, **names)


def _untraced(
    module: LateModule,
    function: Callable[..., Any],
    make: Callable[[], Callable[..., Any]],
    options: Mapping[str, Any],
) -> Callable[..., Any]:
    """Return a function that the compiler does not trace, by the marks that torch's own have."""
    real = functools.cache(make)

    @functools.wraps(function)
    def call(*values: Any, **named: Any) -> Any:
        return (real() if type(module) is ModuleType else function)(*values, **named)

    marks = {"_torchdynamo_disable": True, "_torchdynamo_disable_msg": options.get("reason")}
    call.__dict__.update(marks)
    return call


def _backend(module: LateModule, real: Loader) -> None:
    """Give its path alone: for each trainer torch sets `config.deterministic`, in a submodule that needs no other."""
    module.give(real, lambda: None)


def _metrics(module: LateModule, real: Loader) -> None:
    names = {"__version__": version(_METRICS), "_logger": logging.getLogger(_METRICS)}
    module.give(real, lambda: None, **names)
    import_module(f"{_METRICS}.utilities")  # first, as torchmetrics does: `metric` imports it
    parts = {"Metric": "metric", "MetricCollection": "collections"}
    found = {n: getattr(import_module(f"{_METRICS}.{part}"), n) for n, part in parts.items()}
    module.give(real, lambda: None, **names, **found)


def _plot(module: LateModule, real: Loader) -> None:
    def plot_single_or_multi_val(*values: Any, **options: Any) -> Any:
        return import_module(_PLOT).plot_single_or_multi_val(*values, **options)

    annotations = {"_AX_TYPE": object, "_PLOT_OUT_TYPE": object}
    module.give(
        real, lambda: None, plot_single_or_multi_val=plot_single_or_multi_val, **annotations
    )


_GIVE = {_COMPILER: _compiler, _BACKEND: _backend, _METRICS: _metrics, _PLOT: _plot}


class _Late(Loader):
    def __init__(self, real: Loader, give: Callable[[LateModule, Loader], None]) -> None:
        self.real, self.give = real, give

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return LateModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        assert isinstance(module, LateModule)
        self.give(module, self.real)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        give = _GIVE.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if give else None
        if give and spec and spec.loader:
            spec.loader = _Late(spec.loader, give)
        return spec


@contextmanager
def late_modules() -> Iterator[None]:
    """Make the compiler and torchmetrics late modules, if the block is the first to import them."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in _GIVE:
            module = sys.modules.get(name)
            if isinstance(module, LateModule):
                module.end_of_block()
