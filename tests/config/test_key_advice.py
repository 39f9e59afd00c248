"""What people type who know Lightning, its Hydra template or another toolkit is answered by what to write here."""

import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config, conf_dir, session
from seq2seq_lab.config.familiar_keys import _KEYS, our_key
from seq2seq_lab.config.overrides import check_overrides
from seq2seq_lab.errors import ConfigError

ADVICE = {
    # keys of Lightning and its template
    "trainer.max_epochs=3": "did you mean training.trainer.max_epochs?",
    "trainer.devices=2": "did you mean training.trainer.devices?",
    "trainer=ddp": "write training/trainer=ddp",
    "optimizer.lr=0.1": "did you mean training.optimizer.lr?",
    "optimizer=sgd": "write training/optimizer=sgd",
    "lr=0.1": "did you mean training.optimizer.lr?",
    "model.lr=0.1": "did you mean training.optimizer.lr?",
    "model.optimizer.lr=0.1": "did you mean training.optimizer.lr?",
    "learning_rate=0.1": "did you mean training.optimizer.lr?",
    "epochs=3": "did you mean training.trainer.max_epochs?",
    "batch_size=3": "did you mean data.batching.batch_size?",
    "data.batch_size=3": "did you mean data.batching.batch_size?",
    "datamodule.batch_size=3": "did you mean data.batching.batch_size?",
    "datamodule=copy": "write data=copy",
    "logger=csv": "write training/logger=csv",
    "scheduler=linear": "write training/lr_schedule=linear",
    "scheduler=cosin": "training/lr_schedule is a group; write training/lr_schedule=NAME",
    "callbacks=none": "training/callback is a group; write training/callback=NAME; available: ",
    "callbacks.early_stopping.patience=3": "did you mean training.callback.early_stopping.patience?",
    "paths.output_dir=x": "did you mean run_dir?",
    "task_name=x": "did you mean name?",
    "hidden_size=3": "did you mean model.dim?",
    "gpus=1": "did you mean training.trainer.devices?",
    "teacher_forcing_ratio=0.5": "write training/scheduled_sampling/schedule=NAME",
    # keys that need a plus, and keys of another option
    "training.trainer.limit_train_batches=10": "write +training.trainer.limit_train_batches=10",
    "trainer.limit_train_batches=10": "write +training.trainer.limit_train_batches=10",
    "training.optimizer.foreach=true": "write +training.optimizer.foreach=true",
    "training.trainer.overfit_batches=1": "1 is not supported; use debug=overfit",
    "beam_size=4": "it is a key of decoding=beam,diverse_beam",
    # groups written as keys
    "attention=dot": "write model/attention=dot",
    "model.attention=dot": "model.attention is a group; write model/attention=dot",
    "model.attention=dto": "write model/attention=NAME; did you mean dot?",
    "model.decoder.attention=dot": "chosen by its group; write model/attention=dot",
    "training.optimizer=dam": "write training/optimizer=NAME; did you mean adam?",
    "tokenizer=bpe": "write data/tokenizer=bpe",
    # leaving parts out
    "~training/callback": "leave one out by training.callback.NAME=null, or write those to have",
    "~training/callback=bleu": "leave one out by training.callback.NAME=null",
    "~training.callback.lr_monitor": "nothing to delete: 'training.callback.lr_monitor' does not exist",
    "training/logger=null": "a run without any is training.logger=null",
    "training/callback=null": "leave one out by training.callback.NAME=null",
    "model/attention=null": "write model/attention=none",
    "training.callback={}": "changes nothing",
}  # fmt: skip


@pytest.fixture
def opened():
    with session(str(conf_dir())) as one:
        yield one


@pytest.mark.parametrize("line", ADVICE)
def test_a_key_of_another_tool_is_answered_by_what_to_write(opened, line):
    with pytest.raises(ConfigError) as caught:
        check_overrides(opened, [line])
    assert ADVICE[line] in str(caught.value)
    assert str(caught.value).startswith(line.partition("=")[0])


@pytest.mark.parametrize(
    "line",
    [
        ["+training.trainer.limit_train_batches=10", "training/lr_schedule=linear"],
        ["training.callback.bleu=null", "~training.callback.samples", "training.logger=null"],
        ["training/callback=[checkpoint,progress]", "decoding=beam", "decoding.beam_size=3"],
    ],
)
def test_what_the_advice_says_works(line):
    check(compose_config(line))


def test_every_key_that_is_advised_exists():
    cfg = compose_config(["decoding=beam"])
    with session(str(conf_dir())) as one:
        groups = [group.replace("/", ".") for group in one.groups()]
    keys = {key for key in _KEYS.values() if key not in groups}
    unset = {"training.trainer.fast_dev_run"}  # not in the config: what to do instead is said
    for key in keys - unset:
        node, _, last = key.rpartition(".")
        assert last in (cfg if not node else one_at(cfg, node)), key


def one_at(cfg, path):
    for part in path.split("."):
        cfg = cfg[part]
    return cfg


def test_a_longer_name_wins_and_the_rest_stays():
    assert our_key("trainer.x.y") == "training.trainer.x.y"
    assert our_key("paths.output_dir") == "run_dir"
    assert our_key("paths.data_dir") == "paths.data_dir"
