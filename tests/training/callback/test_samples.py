import pytest
from pytorch_lightning.loggers import Logger

from seq2seq_lab.training.callback.samples import COLUMNS, Samples
from support.small_runs import small, trainer


class Tables(Logger):
    name = version = ""

    def __init__(self):
        super().__init__()
        self.tables = []

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        pass

    def log_table(self, name, columns, rows):
        self.tables.append((name, columns, rows))


def test_the_first_validation_pairs_are_logged_with_their_translations(tmp_path):
    parts, log = small(), Tables()
    engine = trainer(tmp_path, callbacks=[Samples(3)], logger=[log])
    engine.validate(parts.module, datamodule=parts.data, verbose=False)
    ((name, columns, rows),) = log.tables
    pairs = parts.data.pairs["val"][:3]
    found = parts.module.translator.translate([p.source for p in pairs])
    assert (name, columns) == ("samples", COLUMNS)
    assert rows == [
        [0, p.source, p.target, t.text, t.score] for p, t in zip(pairs, found, strict=True)
    ]


def test_every_validation_gives_a_table_with_its_epoch(tmp_path):
    parts, log = small(), Tables()
    trainer(tmp_path, callbacks=[Samples(1)], logger=[log], max_epochs=2).fit(
        parts.module, datamodule=parts.data
    )
    assert [rows[0][0] for _, _, rows in log.tables] == [0, 1]


def test_without_a_logger_for_tables_nothing_is_translated(tmp_path):
    parts = small()
    parts.module.translator = None
    trainer(tmp_path, callbacks=[Samples(3)]).validate(
        parts.module, datamodule=parts.data, verbose=False
    )


class Maps(Tables):
    def __init__(self):
        super().__init__()
        self.maps = []

    def log_attention(self, name, weights, source_tokens, target_tokens, title):
        self.maps.append((name, weights, source_tokens, target_tokens, title))


def test_attention_of_the_first_samples_goes_to_loggers_that_draw(tmp_path):
    parts, log = small(), Maps()
    engine = trainer(tmp_path, callbacks=[Samples(3, num_attention_maps=2)], logger=[log])
    engine.validate(parts.module, datamodule=parts.data, verbose=False)
    found = parts.module.translator.translate([p.source for p in parts.data.pairs["val"][:3]])
    assert log.maps == [
        (
            f"attention_by_epoch/{number}",
            one.attention.tolist(),
            one.source_tokens,
            one.target_tokens,
            f"after training: {one.text}",
        )
        for number, one in enumerate(found[:2], start=1)
    ]


def test_the_same_sentences_are_followed_at_every_validation(tmp_path):
    parts, log = small(), Maps()
    trainer(tmp_path, callbacks=[Samples(1)], logger=[log], max_epochs=2).fit(
        parts.module, datamodule=parts.data
    )
    (_, first, source, _, title), (_, second, again, _, next_title) = log.maps
    assert source == again
    assert first != second
    assert (title.partition(":")[0], next_title.partition(":")[0]) == ("epoch 0", "epoch 1")


@pytest.mark.parametrize(("overrides", "num_maps"), [(("model=lstm",), 2), ((), 0)])
def test_without_attention_or_maps_nothing_is_sent(tmp_path, overrides, num_maps):
    parts, log = small(*overrides), Maps()
    engine = trainer(tmp_path, callbacks=[Samples(2, num_maps)], logger=[log])
    engine.validate(parts.module, datamodule=parts.data, verbose=False)
    assert log.maps == []
    assert len(log.tables) == 1


def test_no_sample_is_refused():
    with pytest.raises(ValueError, match="num_samples=0: must be >= 1"):
        Samples(0)


def test_a_negative_number_of_maps_is_refused():
    with pytest.raises(ValueError, match="num_attention_maps=-1: must be >= 0"):
        Samples(1, -1)
