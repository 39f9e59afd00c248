"""Nothing reaches the terminal that could steer it: every print of package and scripts goes through `errors`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    *(p for p in sorted((ROOT / "scripts").glob("*.py")) if p.stem not in {"benchmark"}),
    *sorted((ROOT / "src").rglob("*.py")),
]
SAFE = {"one_line", "for_stream", "printable"}


def unsafe_prints(source: str) -> list[int]:
    """Return the lines of the prints whose text is neither a constant, a number nor made safe."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and not all(map(is_safe, node.args))
    ]


def is_safe(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        return name in SAFE
    if isinstance(node, ast.JoinedStr):
        return all(map(is_safe, node.values))
    if isinstance(node, ast.FormattedValue):
        is_number = node.format_spec is not None and ast.unparse(node.format_spec)[-2:-1] in "dgf,"
        return is_number or is_safe(
            node.value if not isinstance(node.value, ast.Subscript) else node.value.value
        )
    return isinstance(node, ast.Constant) or ast.unparse(node) == "__doc__"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_print_is_safe(path):
    assert unsafe_prints(path.read_text(encoding="utf-8")) == []


def test_a_planted_print_is_found():
    safe = ["one_line(text)", '"text", file=f', 'f"{3:.1f} of {n:d} {one_line(e)[:9]}"']
    unsafe = ['f"{text}"', "errors.one_line(a), b", 'f"{name:24s}"', '"".join(lines)', "error"]
    source = "\n".join(f"print({arguments})" for arguments in safe + unsafe)
    assert unsafe_prints(source) == [4, 5, 6, 7, 8]
