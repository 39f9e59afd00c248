"""Multi30k, task 1: 29,000 image captions in English, German, French and Czech (Elliott et al., 2016).

The texts are for research and education; they are not part of this package but downloaded from their repository.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.download import cache_folder, fetch
from seq2seq_lab.data.language import TOKENIZED
from seq2seq_lab.data.parallel import drop_empty, read_parallel
from seq2seq_lab.errors import DataError

LANGUAGES = ("en", "de", "fr", "cs")
URL = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d/data/task1"
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
    "train.lc.norm.tok.de": "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505",
    "train.lc.norm.tok.en": "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
    "train.lc.norm.tok.fr": "8fa41bb718412bcb7c5dfa58603842810a01543eae86a51279f9886b901266e1",
    "val.lc.norm.tok.de": "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00",
    "val.lc.norm.tok.en": "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
    "val.lc.norm.tok.fr": "b303e301aa21fe7822a846b2b3fb2d5a1121ec807cd5b1d006fb7b2b5507168a",
    "test_2016_flickr.lc.norm.tok.de": "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
    "test_2016_flickr.lc.norm.tok.en": "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
    "test_2016_flickr.lc.norm.tok.fr": "1463bd5960f9bfe098ec3cd752d3df0c49c84dc646fb518964a29232658cd836",
}
FOLDERS = {"raw": "raw", "tokenized": "tok"}
"""Form of the text: its folder in the repository."""
WORDS = {
    ("test_2016_flickr", "de"): 12_103,
    ("test_2016_flickr", "en"): 12_968,
    ("test_2016_flickr", "fr"): 13_988,
}
"""Words of the tokenized test sets: other files under these names would give scores that compare with nothing."""
_REPOSITORY = "https://github.com/multi30k/dataset"

TestSet = Literal["test_2016_flickr", "test_2017_flickr", "test_2017_mscoco", "test_2018_flickr"]


class Multi30k:
    """Any two of en, de, fr and cs, in the published splits.

    `form=raw` is text as it was written. `form=tokenized` is the text of most papers: lower-cased, normalised and
    tokenized by Moses; its languages are `de-x-tok` and so on, so that scores count its words as they stand.

    With `root` the files are read from that folder, {train,val,TEST SET}.{language}.gz or without .gz, tokenized ones
    {train,val,TEST SET}.lc.norm.tok.{language}. Without it they are downloaded once from `url` into the cache folder,
    compared with pinned SHA-256 sums; Czech and the test sets after 2016 have no pinned sum here and need `root`.
    """

    def __init__(
        self,
        source_language: str = "de",
        target_language: str = "en",
        root: str | None = None,
        test_set: TestSet = "test_2016_flickr",
        url: str = URL,
        timeout: float = 30.0,
        form: Literal["raw", "tokenized"] = "raw",
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
        self.languages = source_language, target_language
        self.form, suffix = form, TOKENIZED if form == "tokenized" else ""
        self.source_language, self.target_language = (
            source_language + suffix,
            target_language + suffix,
        )
        self.root, self.test_set, self.url, self.timeout = root, test_set, url.rstrip("/"), timeout

    def read(self) -> ParallelText:
        """Read, or first download, the six files."""
        splits: dict[str, Sequence[Pair]] = {}
        dropped: dict[str, dict[str, int]] = {}
        for split, names in self._names().items():
            paths = [self._downloaded(n) if self.root is None else self._local(n) for n in names]
            splits[split], dropped[split] = read_parallel(*paths)
        self._check_words(splits["test"])
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
        end = ".gz" if self.form == "raw" else ""
        form = "" if self.form == "raw" else ".lc.norm.tok"
        splits = (("train", "train"), ("val", "val"), ("test", self.test_set))
        return {
            split: [f"{name}{form}.{code}{end}" for code in self.languages]
            for split, name in splits
        }

    def _check_words(self, test: Sequence[Pair]) -> None:
        wanted = WORDS.get((self.test_set, self.languages[1]))
        found = sum(len(pair.target.split()) for pair in test)
        if self.form == "tokenized" and wanted not in (None, found):
            raise DataError(
                f"{self._names()['test'][1]}: {found:,} words, the published file has {wanted:,}; get the files of "
                f"data/task1/tok from {_REPOSITORY}"
            )

    @staticmethod
    def _cached(name: str) -> Path:
        return cache_folder() / "multi30k" / name

    def _local(self, name: str) -> Path:
        folder = Path(self.root or "").expanduser()
        if not folder.is_dir():
            raise DataError(
                f"data.root={self.root}: no such folder; it must name the folder with {name}"
            )
        plain = name.removesuffix(".gz")
        paths = [folder / f"{plain}.gz", folder / plain]
        for path in paths:
            if path.exists():
                return path
        raise DataError(
            f"{folder}: holds neither {paths[0].name} nor {plain}; data.root must name the folder with them"
        )

    def _downloaded(self, name: str) -> Path:
        where = f"data/task1/{FOLDERS[self.form]}"
        if name not in SHA256:
            raise DataError(
                f"{name}: not downloaded, since this version knows no SHA-256 of it; get the files of {where} "
                f"from {_REPOSITORY} yourself, then data.root=FOLDER"
            )
        return fetch(
            f"{self.url}/{FOLDERS[self.form]}/{name}",
            SHA256[name],
            self._cached(name),
            advice=f"or get the files of {where} from {_REPOSITORY} yourself, then data.root=FOLDER",
            timeout=self.timeout,
            max_bytes=8 << 20,
        )
