"""Export of a model as two ONNX graphs: `encoder.onnx` (source ids to the first decoder state) and `step.onnx`.

A decoder state is a dataclass of tensors; the graphs have these tensors as inputs and outputs under
their names. Both graphs work for any number of sentences and any lengths. Only PyTorch's older exporter, TorchScript,
knows packed sequences, so that one is used; its graphs are compared with the model here.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.data.collate import pad_source
from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.extras import install_line
from seq2seq_lab.special_tokens import BOS, NUM_SPECIAL_TOKENS

ENCODER, STEP = "encoder.onnx", "step.onnx"
FILES = (ENCODER, STEP)
MAX_DEVIATION = 1e-4
_WITHOUT = "the other files are exported"
EXAMPLES = ([7, 3, 5], [4, 2], [1])
"""Source lengths of the batches on which shapes are observed and outputs compared."""
STEPS = 5


def _children(value: Any) -> dict[str, Any] | None:
    """Return the parts of a dataclass or tuple by name; None for a tensor."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return {str(i): part for i, part in enumerate(value)} if isinstance(value, tuple) else None


def flatten(value: Any, name: str = "") -> list[tuple[str, Tensor]]:
    """Return the tensors of nested dataclasses and tuples with their dotted names; a part that is None has none."""
    if value is None:
        return []
    children = _children(value)
    if children is None:
        return [(name, value)]
    prefix = f"{name}." if name else ""
    return [pair for key, part in children.items() for pair in flatten(part, prefix + key)]


def unflatten(like: Any, tensors: Iterable[Tensor]) -> Any:
    """Return a copy of nested dataclasses and tuples with these tensors in the order of `flatten`."""
    queue = iter(tensors)

    def fill(value: Any) -> Any:
        if value is None:
            return None
        children = _children(value)
        if children is None:
            return next(queue)
        parts = {key: fill(part) for key, part in children.items()}
        return tuple(parts.values()) if isinstance(value, tuple) else replace(value, **parts)

    return fill(like)


class _Encode(nn.Module):
    """Source ids and lengths -> the tensors of the first decoder state."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        state = self.model.initial_state(self.model.encode(source, lengths))
        return tuple(tensor for _, tensor in flatten(state))


class _Step(nn.Module):
    """A token per sentence and the tensors of a state -> logits and the tensors of the next state."""

    def __init__(self, model: Any, like: Any):
        super().__init__()
        self.model, self.like = model, like

    def forward(self, token: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, new = self.model.step(token, unflatten(self.like, state))
        return (logits, *(tensor for _, tensor in flatten(new)))


@dataclass(frozen=True)
class _Example:
    """One batch: its encoder inputs, the token and state before some step."""

    source: Tensor
    lengths: Tensor
    token: Tensor
    state: Any


def _examples(model: Any, vocabulary: int) -> list[_Example]:
    """Return the states of greedy decoding on random batches, step by step."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for sizes in EXAMPLES:
        draw = [
            torch.randint(NUM_SPECIAL_TOKENS, vocabulary, (n,), generator=generator) for n in sizes
        ]
        source, lengths = pad_source([ids.tolist() for ids in draw])
        state = model.initial_state(model.encode(source, lengths))
        token = torch.full((len(sizes),), BOS)
        for _ in range(STEPS):
            found.append(_Example(source, lengths, token, state))
            logits, state = model.step(token, state)
            token = most_likely(logits)
    return found


def _dynamic_axes(names: list[str], examples: list[list[Tensor]]) -> dict[str, dict[int, str]]:
    """Return the axes whose size varies over the examples: they are dynamic in the graph."""
    axes = {}
    for place, name in enumerate(names):
        shapes = [tensors[place].shape for tensors in examples]
        varies = [i for i, sizes in enumerate(zip(*shapes, strict=True)) if len(set(sizes)) > 1]
        axes[name] = {i: f"{name}_{i}" for i in varies}
    return axes


@torch.no_grad()
def export_onnx(model: Any, vocabulary: int, folder: Path) -> dict[str, float]:
    """Write both graphs; return for each the largest deviation from the model on the examples.

    Raises `ConfigError`, and leaves no graph, where ONNX is not installed or a graph and the model differ.
    """
    _require()
    try:
        found = _export_and_compare(model, vocabulary, folder)
        for name, gap in found.items():
            if not gap <= MAX_DEVIATION:
                raise ConfigError(f"--onnx: {name} is {gap:.2g} off the model; {_WITHOUT}")
    except ConfigError:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        raise
    return found


def _export_and_compare(model: Any, vocabulary: int, folder: Path) -> dict[str, float]:
    model = model.eval().cpu()
    examples = _examples(model, vocabulary)
    # in the middle of decoding: before the first step a state may have widths that no later one has
    one = examples[1]
    state_names = [name for name, _ in flatten(one.state)]
    states = [[tensor for _, tensor in flatten(e.state)] for e in examples]
    # the wrappers too: the exporter puts the whole module back into the mode of its outermost part
    encode, step = _Encode(model).eval(), _Step(model, one.state).eval()
    given = _dynamic_axes(["source", "lengths"], [[e.source, e.lengths] for e in examples])
    made = _dynamic_axes(state_names, states)
    before = _dynamic_axes(["token"], [[e.token] for e in examples])
    after = {f"new.{name}": axes for name, axes in made.items()}
    _export(encode, (one.source, one.lengths), folder / ENCODER, given, made)
    logits = {"logits": {0: "rows"}}
    inputs = (one.token, *states[1])
    _export(step, inputs, folder / STEP, before | made, logits | after)
    return {
        ENCODER: _deviation(
            folder / ENCODER, encode, list(given), [(e.source, e.lengths) for e in examples]
        ),
        STEP: _deviation(
            folder / STEP,
            step,
            ["token", *state_names],
            [(e.token, *s) for e, s in zip(examples, states, strict=True)],
        ),
    }


def _require() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--onnx: {error.name} is not installed; {install_line('onnx')}; {_WITHOUT}"
        ) from error


def _export(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    given: dict[str, dict[int, str]],
    made: dict[str, dict[int, str]],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # it advises the other exporter, and warns where shapes are constants
        try:
            torch.onnx.export(
                module,
                inputs,
                str(path),
                dynamo=False,
                input_names=list(given),
                output_names=list(made),
                dynamic_axes=given | made,
            )
        except (
            RuntimeError,
            ValueError,
            TypeError,
        ) as error:  # OnnxExporterError is a RuntimeError
            raise ConfigError(
                f"--onnx: PyTorch's exporter cannot express this model ({error}); {_WITHOUT}"
            ) from error


def _deviation(
    path: Path, module: nn.Module, names: list[str], batches: list[tuple[Tensor, ...]]
) -> float:
    """Return the largest difference between the graph in onnxruntime and the module.

    A graph has no input for what the model does not read, such as the attention of the step before.
    """
    import onnxruntime

    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4  # the error reports what fails
    worst = 0.0
    try:
        session = onnxruntime.InferenceSession(str(path), quiet, providers=["CPUExecutionProvider"])
        read = {one.name for one in session.get_inputs()}
        for inputs in batches:
            named = zip(names, inputs, strict=True)
            found = session.run(None, {name: one.numpy() for name, one in named if name in read})
            pairs = zip(module(*inputs), map(torch.from_numpy, found), strict=True)
            worst = max(worst, *(_gap(ours, theirs) for ours, theirs in pairs))
    except Exception as error:  # the runtime's errors have no common class
        raise ConfigError(
            f"--onnx: onnxruntime cannot run {path.name} ({error}); {_WITHOUT}"
        ) from error
    return worst


def _gap(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours.double() - theirs.double()).abs().max()) if ours.numel() else 0.0
