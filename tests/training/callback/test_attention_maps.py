import pytest
from PIL import Image
from pytorch_lightning.loggers import Logger

from seq2seq_lab.training.callback.attention_maps import AttentionMaps
from support.small_runs import small, trainer


class Images(Logger):
    name = version = ""

    def __init__(self):
        super().__init__()
        self.images = []

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        pass

    def log_image(self, name, path):
        self.images.append((name, path.name))


def drawn(folder, *overrides, num_maps=2):
    parts, log = small("decoding.max_ratio=0.5", *overrides), Images()
    engine = trainer(folder, callbacks=[AttentionMaps(num_maps)], logger=[log])
    engine.test(parts.module, datamodule=parts.data, verbose=False)
    return log.images


def test_a_picture_for_each_of_the_first_pairs(tmp_path):
    images = drawn(tmp_path)
    assert sorted(p.name for p in (tmp_path / "attention").iterdir()) == ["1.png", "2.png"]
    assert images == [("attention/1", "1.png"), ("attention/2", "2.png")]
    with Image.open(tmp_path / "attention" / "1.png") as picture:
        assert min(picture.size) > 50


def test_a_model_without_attention_draws_nothing(tmp_path):
    assert drawn(tmp_path, "model=lstm") == []
    assert list((tmp_path / "attention").iterdir()) == []


def test_more_maps_than_pairs_draws_them_all(tmp_path):
    assert len(drawn(tmp_path, "data.max_pairs=3", num_maps=9)) == 3


def test_no_map_is_refused():
    with pytest.raises(ValueError, match="num_maps=0: must be >= 1"):
        AttentionMaps(0)
