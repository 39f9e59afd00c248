"""Multi30k, task 1: 29,000 image captions in English, German, French and Czech (Elliott et al., 2016).

The texts are for research and education; they are not part of this package but downloaded from their repository.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.download import cache_folder, fetch
from seq2seq_lab.data.parallel import drop_empty, read_parallel
from seq2seq_lab.errors import DataError

LANGUAGES = ("en", "de", "fr", "cs")
URL = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d/data/task1/raw"
SHA256 = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
}
_REPOSITORY = "https://github.com/multi30k/dataset"
_ADVICE = f"or get the files of data/task1/raw from {_REPOSITORY} yourself, then data.root=FOLDER"

TestSet = Literal["test_2016_flickr", "test_2017_flickr", "test_2017_mscoco", "test_2018_flickr"]


class Multi30k:
    """Any two of en, de, fr and cs, raw (neither lower-cased nor tokenized), in the published splits.

    With `root` the files are read from that folder, {train,val,TEST SET}.{language}.gz or without .gz. Without it
    they are downloaded once from `url` into the cache folder and compared with pinned SHA-256 sums; Czech and the
    test sets after 2016 have no pinned sum here and need `root`.
    """

    def __init__(
        self,
        source_language: str = "de",
        target_language: str = "en",
        root: str | None = None,
        test_set: TestSet = "test_2016_flickr",
        url: str = URL,
        timeout: float = 30.0,
    ):
        for name, code in (
            ("source_language", source_language),
            ("target_language", target_language),
        ):
            if code not in LANGUAGES:
                raise ValueError(f"{name}={code}: must be one of {', '.join(LANGUAGES)}")
        if source_language == target_language:
            raise ValueError(
                f"source_language={source_language}, target_language={target_language}: must differ"
            )
        if timeout <= 0:
            raise ValueError(f"timeout={timeout}: must be > 0 seconds")
        self.source_language, self.target_language = source_language, target_language
        self.root, self.test_set, self.url, self.timeout = root, test_set, url.rstrip("/"), timeout

    def read(self) -> ParallelText:
        """Read, or first download, the six files."""
        splits: dict[str, Sequence[Pair]] = {}
        dropped: dict[str, dict[str, int]] = {}
        for split, names in self._names().items():
            paths = [self._downloaded(n) if self.root is None else self._local(n) for n in names]
            splits[split], dropped[split] = read_parallel(*paths)
        splits["train"], empty = drop_empty(splits["train"])
        dropped["train"] |= empty
        return ParallelText(
            **splits, dropped={name: counts for name, counts in dropped.items() if counts}
        )

    def paths(self) -> list[Path]:
        """Return the six files, once they are there."""
        names = [name for pair in self._names().values() for name in pair]
        return [self._cached(n) if self.root is None else self._local(n) for n in names]

    def _names(self) -> dict[str, list[str]]:
        both = self.source_language, self.target_language
        splits = (("train", "train"), ("val", "val"), ("test", self.test_set))
        return {split: [f"{name}.{language}.gz" for language in both] for split, name in splits}

    @staticmethod
    def _cached(name: str) -> Path:
        return cache_folder() / "multi30k" / name

    def _local(self, name: str) -> Path:
        folder = Path(self.root or "").expanduser()
        if not folder.is_dir():
            raise DataError(
                f"data.root={self.root}: no such folder; it must name the folder with {name}"
            )
        paths = [folder / name, folder / name.removesuffix(".gz")]
        for path in paths:
            if path.exists():
                return path
        raise DataError(
            f"{folder}: holds neither {name} nor {paths[1].name}; data.root must name the folder with them"
        )

    def _downloaded(self, name: str) -> Path:
        if name not in SHA256:
            raise DataError(
                f"{name}: not downloaded, since this version knows no SHA-256 of it; get the files of data/task1/raw "
                f"from {_REPOSITORY} yourself, then data.root=FOLDER"
            )
        return fetch(
            f"{self.url}/{name}",
            SHA256[name],
            self._cached(name),
            advice=_ADVICE,
            timeout=self.timeout,
            max_bytes=8 << 20,
        )
