"""Whether a `_target_` names a class that an extension itself defines, by its source alone."""

from seq2seq_lab.config.definition import imported_modules, knows, public_classes, source_file
from seq2seq_lab.config.extension_registry import extensions
from seq2seq_lab.config.problems import Problem, closest
from seq2seq_lab.errors import one_line

_REFUSED = ", so it was refused; a config may name the public classes that {} itself defines"


def is_of_extension(target: str) -> bool:
    """Tell whether the first part of a dotted name is a trusted extension."""
    return target.partition(".")[0] in extensions()


def extension_problem(target: str, path: str) -> Problem | None:
    """Return why the node at `path` may not be built from this name of an extension, or None."""
    module, _, name = target.rpartition(".")
    one = extensions()[target.partition(".")[0]]
    text = f"_target_ {one_line(target)}"
    refused = _REFUSED.format(one.name)
    if any(part.startswith("_") for part in target.split(".")):
        return Problem(path, f"{text} is private{refused}", is_unsafe=True)
    file = source_file(module) if module else None
    places = [] if file is None else [(file, one.root), (file.resolve(), one.root.resolve())]
    if not any(place.is_relative_to(root) for place, root in places):
        what = f"{one_line(module or target)} is no module of {one.name}"
        return Problem(path, f"{text}: {what}{refused}", is_unsafe=True)
    classes = public_classes(module)
    if name in classes:
        return None
    if knows(module, name):
        return Problem(path, f"{text} is no class of {module}{refused}", is_unsafe=True)
    return Problem(path, f"{module} has no class {name}{closest(name, classes)}")


def is_slow(target: str, slow: tuple[str, ...]) -> bool:
    """Tell whether a class of an extension, by what its module imports, needs what takes seconds to import."""
    if not is_of_extension(target):
        return False
    return any(f"{name}.".startswith(slow) for name in imported_modules(target.rpartition(".")[0]))
