"""Hostile artefacts with a canary: nothing of them runs, no secret gets out, time and memory are bounded."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.child import run_train, start
from faults.hostile_files import (
    CALLS,
    CHANGES,
    ESCAPE,
    FORMS,
    SECRET,
    YAML,
    archive,
    bombs,
    export_of,
    pickled,
    rewritten,
)
from faults.row import Attempts, Scale, row
from faults.training_runs import RUN, RUN_DIR, ended_well
from seq2seq_lab.commands.dispatch import carry_out
from support.bad_input_files import Outcome, assert_error_lines
from support.small_runs import train

MEMORY, SECONDS = 2 << 30, 60.0
RUNNING = ("debug=tiny", "training/logger=csv", RUN_DIR)


def nothing_happened(
    outcome: Outcome, place: Path, canary: Path, codes: tuple[int, ...], stored: str = ""
) -> None:
    """Demand the exit code, no canary, no secret and no escape anywhere. `stored` may lie in files, never on screen."""
    assert not canary.exists(), "EXECUTED"
    shown = outcome.out + outcome.err
    assert "\x1b" not in shown, f"an escape reaches the terminal: {shown[-200:]!r}"
    assert SECRET not in shown, "the secret is printed"
    for path in place.rglob("*"):
        assert SECRET not in path.name, f"the secret names {path.name[:40]}"
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), f"secret: {path}"
    assert outcome.code in codes, f"exit {outcome.code}: {outcome.err[-300:]}"
    if outcome.code:
        assert "Traceback" not in shown, outcome.err[-300:]
        assert_error_lines(outcome.err)


def _script(name: str, *arguments: str) -> Callable[[], int]:
    def act() -> int:
        os.environ["SECRET"] = SECRET
        return carry_out([name, *arguments])

    return act


def _train(*overrides: str) -> Callable[[], int]:
    def act() -> int:
        os.environ["SECRET"] = SECRET
        return train(*overrides)

    return act


def hostile_pickles(form: str, calls: list[str], folder: Path, attempts: Attempts) -> None:
    """Give pickles that call to translate, bare and beside a right checksum."""
    for number, call in enumerate(calls):
        canary, place = folder / f"canary{number}", folder / str(number)
        place.mkdir()
        pickled(call, form, canary, place / "best.ckpt", beside=number % 2 == 0)
        with attempts.one(f"{call}:"):
            act = _script("translate", "best.ckpt", "--text", "1 2")
            outcome = start(act, place, memory=MEMORY).wait(SECONDS)
            nothing_happened(outcome, place, canary, (6, 7))


def hostile_archives(folder: Path, attempts: Attempts) -> None:
    """Archives that climb, nest or swell."""
    for kind in ("path traversal", "nested", "bomb"):
        canary, place = folder / f"{kind} canary", folder / kind
        place.mkdir()
        archive(kind, canary, place / "best.ckpt")
        with attempts.one(f"{kind}:"):
            act = _script("translate", "best.ckpt", "--text", "1 2")
            outcome = start(act, place, memory=MEMORY).wait(SECONDS)
            nothing_happened(outcome, place, canary, (5, 6, 7))


HARMLESS = (
    "secret in the search", "secret in the name", "foreign argument", "list of calls",
)  # fmt: skip
"""What stands where nothing reads it: it may be passed over."""


def hostile_contents(changes: list[str], folder: Path, attempts: Attempts) -> None:
    """Checkpoints and exports that are whole, with a right checksum, and ask for foreign code."""
    ended_well(run_train(folder / "good", *RUN, RUN_DIR))
    good = folder / "good" / "run" / "checkpoints" / "best.ckpt"
    for number, change in enumerate(changes):
        codes = (0, 2, 6, 7) if change in HARMLESS else (6, 7)
        for form in ("checkpoint", "export"):
            canary, place = folder / f"canary{number}", folder / f"{form}{number}"
            place.mkdir()
            if form == "export":
                export_of(good, place / "model", change, canary)
            else:

                def apply(contents: dict, change: str = change, canary: Path = canary) -> None:
                    CHANGES[change](contents, str(canary))

                rewritten(good, place / "model", apply)
            with attempts.one(f"{change} in a {form}:"):
                act = _script("translate", "model", "--text", "1 2")
                outcome = start(act, place, memory=MEMORY).wait(SECONDS)
                nothing_happened(outcome, place, canary, codes)


def hostile_configs(names: list[str], folder: Path, attempts: Attempts) -> None:
    """Experiments of a foreign --config-dir."""
    for number, name in enumerate(names):
        canary, place = folder / f"canary{number}", folder / str(number)
        experiments = folder / f"conf{number}" / "experiment"
        experiments.mkdir(parents=True)
        text = f"# @package _global_\n{YAML[name].replace('@', str(canary))}"
        (experiments / "bad.yaml").write_text(text)
        with attempts.one(f"{name}:"):
            act = _train(
                f"--config-dir={experiments.parent}", "experiment=bad", "data=copy", *RUNNING
            )
            outcome = start(act, place, memory=MEMORY).wait(SECONDS)
            nothing_happened(outcome, place, canary, (2, 7))


OVERRIDES = {
    "target": ["model.cell._target_=os.system"],
    "new target": ["+model.x._target_=os.mkdir", "+model.x.path=@"],
    "target in a list": ["+model.x=[{_target_:os.mkdir,path:'@'}]"],
    "callback": ["+training.callback.x={_target_:os.mkdir,path:'@'}"],
    "secret": ["name=x-${oc.env:SECRET}"],
    "secret in a run folder": ["run_dir=x-${oc.env:SECRET}"],
    "secret in a path": ["data=table_file", "data.path=${oc.env:SECRET}"],
    "callback of Hydra": ["+hydra.callbacks.x._target_=os.mkdir", "+hydra.callbacks.x.path=@"],
    "logging of Hydra": [
        "hydra.job_logging={version:1,handlers:{a:{class:logging.FileHandler,filename:'@'}},root:{handlers:[a]}}"],
    "launcher": ["-m", "seed=1,2", "hydra.launcher._target_=os.mkdir"],
    "sweeper": ["-m", "seed=1,2", "hydra.sweeper._target_=os.mkdir"],
    "search path": ["hydra.searchpath=[pkg://antigravity]", "modle=x"],
    "variable of Hydra": ["+hydra.job.env_set={LD_PRELOAD:x}", "seed=-1"],
    "escapes in a name": [f"name={ESCAPE}", "run_dir=null"],
    "escapes in a key": [f"{ESCAPE}=1"],
    "escapes in a value": [f"model={ESCAPE}"],
}  # fmt: skip


def hostile_overrides(names: list[str], folder: Path, attempts: Attempts) -> None:
    """Command lines that were copied from an enemy."""
    for number, name in enumerate(names):
        canary, place = folder / f"canary{number}", folder / str(number)
        given = [text.replace("@", str(canary)) for text in OVERRIDES[name]]
        keys = {text.partition("=")[0] for text in given}
        line = [o for o in ("data=copy", *RUNNING) if o.partition("=")[0] not in keys]
        with attempts.one(f"{name}:"):
            outcome = start(_train(*given, *line), place, memory=MEMORY).wait(SECONDS)
            nothing_happened(outcome, place, canary, (2, 3, 7))


def hostile_data(folder: Path, attempts: Attempts) -> None:
    """Data files that swell, and text that would paint the terminal."""
    bombs(folder)
    for name, codes in (("bomb.tsv.gz", (7,)), ("lines.tsv.gz", (7,)), ("escapes.tsv", (0,))):
        with attempts.one(f"{name}:"):
            act = _train("data=table_file", f"data.path={folder / name}", *RUNNING)
            place = folder / name.partition(".")[0]
            outcome = start(act, place, memory=MEMORY).wait(SECONDS)
            nothing_happened(outcome, place, folder / "canary", codes)


@row("hostile")
def hostile(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """Pickles, archives, contents, configs, command lines, data."""
    calls = scale.thin(list(CALLS), 6, 2)
    for form in list(FORMS)[: scale.pick(4, 4, 1)]:
        yield f"pickles, {form}", lambda f, a, n=form: hostile_pickles(n, calls, f, a)
    if scale.size == "slice":
        return
    yield "archives", hostile_archives
    yield "contents", lambda f, a: hostile_contents(list(CHANGES), f, a)
    yield "configs", lambda f, a: hostile_configs(list(YAML), f, a)
    yield "overrides", lambda f, a: hostile_overrides(list(OVERRIDES), f, a)
    yield "data", hostile_data
