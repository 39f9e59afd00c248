"""A class of the wrong kind in a place is told by the check; every class of conf/ is of the kind of its place."""

import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.errors import ConfigError

WRONG = {
    "model.decoder.attention": ("model.cell.GruCell", "expected a Attention"),
    "model.cell": ("model.attention.DotAttention", "expected Callable"),
    "data.corpus": ("decoding.greedy.Greedy", "expected a Corpus"),
    "data.tokenizer": ("decoding.greedy.Greedy", "expected a Tokenizer"),
    "decoding": ("data.tokenizer.word.WordTokenizer", "expected a SearchSettings, got WordTokenizer"),
    "training.loss": ("model.cell.GruCell", "expected a class of seq2seq_lab.training.loss, got"),
    "training.lr_schedule": ("training.scheduled_sampling.unit.Token", "choose an option of training/lr"),
    "training.scheduled_sampling": ("training.scheduled_sampling.unit.Token", "got Token"),
    "training.scheduled_sampling.schedule": ("data.synthetic.Copy", "a Copy node"),
    "training.callback.progress": ("training.loss.TokenCrossEntropy", "expected a Callback, got TokenCrossEntropy"),
    "training.logger.wandb": ("training.logger.wandb_labels.Labels", "expected a Logger, got Labels"),
    "training.trainer": ("training.callback.bleu.Bleu", "expected a Trainer, got Bleu"),
    "model": ("model.recurrent_encoder.RecurrentEncoder", "expected a EncoderDecoder"),
}  # fmt: skip


@pytest.mark.parametrize("path", WRONG)
def test_a_class_of_the_wrong_kind_is_told(path):
    cfg = compose_config(["data=copy", f"{path}._target_=seq2seq_lab.{WRONG[path][0]}"])
    with pytest.raises(ConfigError) as told:
        check(cfg)
    assert WRONG[path][1] in str(told.value)
    assert path in str(told.value)
