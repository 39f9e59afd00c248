import subprocess
import sys

import pytest

from seq2seq_lab.config.build import build
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose, compose_config
from seq2seq_lab.errors import ConfigError, UnsafeError, UserError
from support.miniature_conf import RULES, write


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini")
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(folder)
    yield write(folder)
    patch.undo()
    for name in [n for n in sys.modules if n.split(".")[0] == "minilab"]:
        del sys.modules[name]


def mistake(conf, overrides):
    with pytest.raises(UserError) as caught:
        check(compose_config(overrides, conf), RULES)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return caught.value.exit_code, message


GOOD = [
    [],
    ["model=wide", "model/attention=dot", "+model.widths=[1,2]"],
    ["training/lr_schedule=step", "training/optimizer=sgd"],
    ["training/callback=[samples,early]", "training/logger=csv"],
    ["training.callback.samples=null"],
    ["experiment=good"],
    ["+model.order=before", "+data.corpus.ratio=1", "+data.joint=true"],
    ["training.trainer.max_epochs=5", "+training.trainer.accelerator=cpu"],
]


@pytest.mark.parametrize("overrides", GOOD, ids=" ".join)
def test_a_sound_config_passes(conf, overrides):
    check(compose_config(overrides, conf), RULES)


BAD = [
    # names
    ("+model.dmi=3", 2, "model.dmi: no such key; did you mean model.dim?"),
    ("+model.droput=0.1", 2, "did you mean model.dropout?"),
    ("+data.corpus.pears=3", 2, "data.corpus.pears: no such key; did you mean data.corpus.pairs?"),
    ("+training.optimizer.weight_decy=0.1", 2, "did you mean training.optimizer.weight_decay?"),
    ("+training.trainer.max_epoch=3", 2, "did you mean training.trainer.max_epochs?"),
    ("+trianing.x=3", 2, "trianing: no such key; did you mean training?"),
    (
        "+training.optimiser=3",
        2,
        "training.optimiser: no such key; did you mean training.optimizer?",
    ),
    ("+model.zzz=3", 2, "model.zzz: no such key: Model takes cell, vocab_size"),
    ("+model.cell._recursive_=false", 2, "model.cell._recursive_: no such key"),
    ("+model.cell._args_=[1]", 2, "model.cell._args_: no such key"),
    ("~model.cell.dim", 2, "model.cell: Tanh needs dim"),
    ("~model", 2, None),
    # types
    ("model.dim=seven", 2, "model.dim: expected int, got 'seven'"),
    ("model.dim=7.0", 2, "model.dim: expected int, got 7.0; write 7"),
    ("model.dim=true", 2, "model.dim: expected int, got true"),
    ("model.dim='7'", 2, "model.dim: expected int, got '7'; write 7 without quotes"),
    ("model.dim=null", 2, "model.dim: expected int, got null"),
    (
        "training.optimizer.lr='1e-3'",
        2,
        "training.optimizer.lr: expected float | Tensor, got '1e-3'; write 1.0e-3",
    ),
    ("+model.cell.bias=1", 2, "model.cell.bias: expected bool, got 1"),
    ("+model.cell.bias='no'", 2, "model.cell.bias: expected bool, got 'no'; write false"),
    ("+model.widths=[1,a]", 2, 'model.widths: expected list[int] | None, got [1, "a"]'),
    ("+model.order=middle", 2, "model.order: expected Literal['before', 'after'], got 'middle'"),
    ("model.cell=tanh", 2, None),
    ("data.source_language=3", 2, "data.source_language: expected str, got 3"),
    ("seed=abc", 2, "seed: expected int, got 'abc'"),
    ("traceback=1", 2, "traceback: expected bool, got 1"),
    (
        "training.callback.samples=3",
        2,
        "training.callback.samples: expected a node with _target_, got 3",
    ),
    ("+training.optimizer._partial_=1", 2, None),
    ("++training.optimizer._partial_=yes please", 2, "training.optimizer._partial_: expected bool"),
    ("training.trainer.max_epochs=many", 2, "training.trainer.max_epochs: expected"),
    # ranges and contradictions: what constructors say
    ("model.dim=0", 2, "model.cell: dim=0: must be >= 1"),
    ("model.dropout=1.5", 2, "model: dropout=1.5: must be in [0, 1)"),
    ("+data.corpus.pairs=0", 2, "data.corpus: pairs=0: must be >= 1"),
    ("training.optimizer.lr=-1", 2, "training.optimizer: Invalid learning rate: -1"),
    ("+model.widths=[3]", 2, "model: widths need attention; choose model/attention=dot"),
    ("model.cell._target_=minilab.parts.Buggy", 2, None),
    # interpolations
    (
        "model.dim=${model.dimm}",
        2,
        "model.dim: ${model.dimm}: no such key; did you mean model.dim?",
    ),
    ("model.dim=${model.cell.dim}", 2, "model.dim: Recursive interpolation"),
    ("name=${oc.env:HOME}", 7, "name: ${oc.env:...} is not"),
    # targets
    (
        "model.cell._target_=builtins.open",
        7,
        "model.cell: _target_ builtins.open is not on the list",
    ),
    ("model.cell._target_=os.system", 7, "os.system is not on the list"),
    ("model.cell._target_=torch.optim.adam.Adam", 7, "did you mean torch.optim.Adam?"),
    ("model.cell._target_=torch.load", 7, "torch.load is not on the list"),
    ("model.cell._target_=subprocess.Popen", 7, "is not on the list"),
    (
        "model.cell._target_=minilab.parts.Tnah",
        2,
        "minilab.parts has no class Tnah; did you mean Tanh?",
    ),
    ("model.cell._target_=minilab.parts._Hidden", 2, "minilab.parts has no class _Hidden"),
    ("model.cell._target_='minilab.training./parts.Tanh'", 2, "no such class of ours"),
    ("model.cell._target_=minilab.parts.nn.Linear", 2, "no such class of ours"),
    ("model.cell._target_=minilab.parts.torch", 2, "minilab.parts has no class torch"),
    ("model.cell._target_=3", 2, "_target_ must be a dotted class name, got 3"),
]


@pytest.mark.parametrize(("override", "code", "text"), BAD, ids=[b[0] for b in BAD])
def test_a_mistake_is_named_on_one_line(conf, override, code, text):
    if override in {"~model", "model.cell=tanh", "+training.optimizer._partial_=1"}:
        assert mistake(conf, [override])[0] == code
        return
    found, message = mistake(conf, [override])
    assert found == code, message
    assert text is None or text in message


def test_all_mistakes_come_in_one_message(conf):
    code, message = mistake(
        conf, ["model.dim=x", "+model.droput=1", "+data.corpus.pairs=0", "seed=a"]
    )
    assert code == 2
    assert message.startswith("4 problems: ")
    for text in ("model.dim: expected int", "model.droput", "pairs=0", "seed: expected int"):
        assert text in message


def test_a_mistake_in_an_alias_key_is_reported_once_at_that_key(conf):
    message = mistake(conf, ["model.dim=x"])[1]
    assert message == "model.dim: expected int, got 'x'"


def test_a_forbidden_target_beside_other_mistakes_is_mentioned(conf):
    code, message = mistake(conf, ["model.cell._target_=os.system", "seed=a"])
    assert code == 2
    assert "os.system" in message
    assert "seed" in message


def test_a_forbidden_target_is_neither_imported_nor_called(conf, tmp_path):
    cfg = compose_config([], conf)
    hostile = {
        "_target_": "builtins.open",
        "file": str(tmp_path / "x"),
        "mode": "w",
        "k": "${data.source_language}",
    }
    cfg.data.corpus = hostile
    cfg.model.cell = {"_target_": "antigravity.fly", "dim": "${model.dim}"}
    with pytest.raises(UnsafeError):
        check(cfg, RULES)
    with pytest.raises(UnsafeError):
        build({"_target_": "minilab.parts.Model", "cell": hostile, "vocab_size": 11}, RULES)
    assert not (tmp_path / "x").exists()
    assert "antigravity" not in sys.modules


def test_a_hostile_node_cannot_hide_behind_an_interpolation(conf, tmp_path):
    file = tmp_path / "x"
    node = f"{{_target_:subprocess.Popen,args:[touch,'{file}']}}"
    mistake(conf, [f"+x.sub={node}", "++model.cell=${x.sub}"])
    mistake(
        conf, [f"+x.sub={node}", "+model.attention=${x.sub}", "++training.callback.samples=${x}"]
    )
    mistake(conf, [f"+x=[{node}]", "+data.tokenizer2=${x}", "++data.tokenizer=${x}"])
    assert not file.exists()


def test_a_node_that_contains_itself_is_refused(conf):
    code, message = mistake(conf, ["name=null", "+model.dimension=${data}", "+data.joint=${model}"])
    assert code == 2
    assert "contains itself" in message


def test_a_failed_child_silences_its_parents(conf):
    message = mistake(conf, ["model.dim=0", "model.dropout=2"])[1]
    assert "dropout" not in message  # the model is tried once its cell can be built


def test_a_bug_of_a_constructor_becomes_a_line(conf):
    cfg = compose_config([], conf)
    cfg.model.cell = {"_target_": "minilab.parts.Buggy"}
    cfg.model.dim = 7
    with pytest.raises(ConfigError, match=r"Buggy: RuntimeError: a bug in two lines"):
        check(cfg, RULES)


def test_an_alias_key_without_a_reference_is_a_dead_key(conf):
    cfg = compose_config([], conf)
    cfg.model.cell.dim = 3
    with pytest.raises(ConfigError, match=r"model\.dim: no such key"):
        check(cfg, RULES)


def test_check_imports_neither_lightning_nor_a_slow_module(conf):
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; from support.miniature_conf import RULES\n"
        "from seq2seq_lab.config.check import check\n"
        "from seq2seq_lab.config.compose import compose_config\n"
        "assert 'torch' not in sys.modules\n"
        "check(compose_config([], Path(sys.argv[2], 'conf')), RULES)\n"
        "assert 'pytorch_lightning' not in sys.modules and 'wandb' not in sys.modules\n"
    )
    from pathlib import Path

    arguments = [sys.executable, "-c", code, str(Path(__file__).parents[1]), str(conf.parent)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_random_stream_is_untouched_by_check(conf):
    import torch

    before = torch.get_rng_state()
    check(compose_config([], conf), RULES)
    assert torch.equal(before, torch.get_rng_state())


def test_compose_resolves_choices_and_keeps_missing_values(conf):
    plain = compose(["model=wide"], conf)
    assert plain["name"] == "wide"
    assert plain["model"]["cell"] == {"_target_": "minilab.parts.Wide", "dim": 7}
    assert plain["model"]["vocab_size"] == "???"
    assert plain["training"]["optimizer"]["lr"] == 0.001
    assert "hydra" not in plain


def test_build_drops_alias_keys_and_passes_runtime_arguments(conf):
    node = compose([], conf)["model"]
    model = build(node, RULES, vocab_size=13)
    assert type(model).__name__ == "Model"
    assert model.cell.linear.in_features == 7


def test_build_of_a_partial_waits_for_its_arguments(conf):
    import torch

    node = compose([], conf)["training"]["optimizer"]
    optimizer = build(node, RULES)(params=[torch.nn.Parameter(torch.zeros(2))])
    assert optimizer.param_groups[0]["lr"] == 0.001


def test_build_of_none_is_none():
    assert build(None) is None


def test_build_reports_what_a_nested_constructor_refuses(conf):
    node = compose(["model.dim=0"], conf)["model"]
    with pytest.raises(ConfigError, match=r"^Model\.cell: dim=0: must be >= 1"):
        build(node, RULES, vocab_size=13)
    node = compose(["model.dropout=3"], conf)["model"]
    with pytest.raises(ConfigError, match=r"^Model: dropout=3"):
        build(node, RULES, vocab_size=13)


def test_build_refuses_a_value_that_is_still_missing(conf):
    with pytest.raises(ConfigError, match=r"vocab_size: still \?\?\?"):
        build(compose([], conf)["model"], RULES)
