"""The tables of bad command lines, configs and data files for train.py."""

TINY = ("debug=tiny", "data=copy", "training/logger=csv")
TABLE = ("debug=tiny", "data=table_file", "training/logger=csv")
FILES = ("debug=tiny", "data=text_files", "training/logger=csv")
OWN = ("--config-dir=@/conf",)

# arguments (@ is the folder of the bad files), exit code, what the line must say
CONFIGS = {
    "model name": (["model=lstm_atn"], 2, "model=lstm_atn", "did you mean lstm_attn?"),
    "data name": (["data=number"], 2, "data=number", "did you mean numbers?"),
    "group": (["modle=lstm"], 2, "modle=lstm", "did you mean model?"),
    "inner group": (["model/atention=dot"], 2, "model/atention", "did you mean model/attention?"),
    "inner option": (["model/attention=dto"], 2, "model/attention=dto", "did you mean dot?"),
    "group as key": (["model.bridge=linear"], 2, "write model/bridge=linear"),
    "key": (["model.dmi=8"], 2, "model.dmi=8", "did you mean model.dim?"),
    "root key": (["sed=1"], 2, "sed=1", "did you mean seed?"),
    "new root key": (["+foo=1"], 2, "foo: no such key", "the keys here are seed"),
    "new argument": (["+model.foo=1"], 2, "model.foo: no such key", "EncoderDecoder takes"),
    "argument of a partial": (["training.optimizer.lrr=1"], 2, "did you mean training.optimizer.lr?"),
    "new argument of a partial": (["+training.optimizer.beta=1"], 2, "optimizer.beta: no such key", "betas"),
    "no value": (["seed"], 2, "seed: an override is KEY=VALUE", "write seed=VALUE"),
    "open bracket": (["model.dim=[1"], 2, "model.dim=[1", "put special characters in quotes"),
    "sweep without -m": (["model=gru,lstm"], 2, "model=gru,lstm", "need -m"),
    "flag": (["--multirum"], 2, "--multirum", "did you mean --multirun?"),
    "pickle of a job": (["--experimental-rerun", "job.pickle"], 7, "--experimental-rerun", "run by overrides"),
    "float for int": (["model.dim=12.5"], 2, "model.dim: expected int, got 12.5"),
    "text for int": (["training.trainer.max_epochs=abc"], 2, "max_epochs: expected int, got 'abc'"),
    "text for bool": (["traceback=maybe"], 2, "traceback: expected bool, got 'maybe'"),
    "text for list": ([*FILES, "data.train=a.txt"], 2, "data.train: expected list[str]", "got 'a.txt'"),
    "null for a node": (["training.loss=null"], 2, "training.loss", "null"),
    "dropout": (["model.dropout=1.5"], 2, "dropout=1.5", "must be in [0, 1)"),
    "width 0": (["model.dim=0"], 2, "dim=0: must be >= 1"),
    "no layers": (["model.num_layers=0"], 2, "num_layers=0: must be >= 1"),
    "batch size": (["data.batching.batch_size=0"], 2, "batch_size=0: must be >= 1"),
    "token budget": (
        ["data/batching=by_tokens", "data.batching.max_tokens=0", "debug=null"], 2, "max_tokens=0: must be >= 1"),
    "learning rate": (["training.optimizer.lr=-1"], 2, "training.optimizer", "learning rate: -1"),
    "epochs": (["training.trainer.max_epochs=0"], 2, "epochs=0: must be >= 1", "training.trainer.max_epochs"),
    "clipping": (["training.trainer.gradient_clip_val=-1"], 2, "gradient_clip_val: -1", "must be >= 0"),
    "accumulation": (["training.trainer.accumulate_grad_batches=0"], 2, "accumulate_grad_batches: 0", "from 1"),
    "accelerator": (["training.trainer.accelerator=abacus"], 2, "abacus", "Available names are: auto"),
    "logger that writes anywhere": (
        ["training/logger=csv", "training.logger.csv._target_=pytorch_lightning.loggers.CSVLogger"],
        7, "CSVLogger is not on the list",
    ),
    "averaging that cannot be resumed": (
        ["+training.callback.swa._target_=pytorch_lightning.callbacks.StochasticWeightAveraging"],
        7, "StochasticWeightAveraging is not on the list",
    ),
    "file name outside the run": (
        ["training.callback.checkpoint.filename=../../evil"], 2, "must be a plain file name",
    ),
    "file name of the last state": (
        ["training.callback.checkpoint.filename=last"], 2, "that is the file of the current state",
    ),
    "mode against its metric": (
        ["data.monitor=val/loss", "training.callback.checkpoint.mode=max"], 2, "of val/loss less is better",
    ),
    "vocabulary size by hand": (["model.source_vocab_size=5"], 2, "is filled by the tokenizer", "leave it out"),
    "monitor": (["data.monitor=val/blue"], 2, "monitor=val/blue", "did you mean val/bleu?"),
    "patience": (["training.callback.early_stopping.patience=-1"], 2, "patience=-1", "must be >= 0"),
    "mode": (["training.callback.early_stopping.mode=up"], 2, "early_stopping.mode", "'min', 'max'", "got 'up'"),
    "samples": (["training.callback.samples.num_samples=0"], 2, "num_samples=0: must be >= 1"),
    "pairs": (["data.max_pairs=0"], 2, "max_pairs=0: must be >= 1"),
    "negative seed": (["seed=-1"], 2, "seed: -1", "must be from 0 to 4,294,967,295"),
    "key deleted": (["~traceback"], 2, "traceback: missing", "give it a value"),
    "seed not given": (["seed=???"], 2, "seed: still ???", "give it a value"),
    "huge seed": (["seed=99999999999999999999"], 2, "seed: 99999999999999999999", "from 0 to"),
    "smoothing": (["training.loss.label_smoothing=2.0"], 2, "label_smoothing=2.0: must be in [0, 1)"),
    "forcing": (
        ["training/scheduled_sampling/schedule=constant", "training.scheduled_sampling.schedule.ratio=2.0"],
        2, "ratio=2.0: must be in"),
    "search": (["decoding.max_ratio=-1.0"], 2, "max_ratio=-1.0: must be"),
    "unequal widths for dot": (["model/attention=dot", "model.encoder.dim=32"], 2, "dim=32", "attention=general"),
    "heads": (
        ["model/attention=multi_head", "model.decoder.attention.num_heads=3"], 2, "num_heads=3", "dim=16", "a divisor"),
    "window": (["model/attention=local_m", "model.decoder.attention.half_width=0"], 2, "half_width=0: must be >= 1"),
    "even filter": (
        ["model/attention=location", "model.decoder.attention.kernel_size=4"], 2, "kernel_size=4: must be odd"),
    "temperature": (["model.decoder.attention.temperature=0.0"], 2, "temperature=0.0: must be > 0", "attention"),
    "temperature of nothing": (
        ["model/attention=none", "+model.decoder.attention.temperature=2"], 2, "temperature: no such key"),
    "normalizer name": (["model/normalizer=sparsmax"], 2, "model/normalizer=sparsmax", "did you mean sparsemax?"),
    "normalizer of nothing": (
        ["model/attention=none", "model/normalizer=sparsemax"], 2, "attention.normalizer: no such key", "NoAttention"),
    "normalizer of uniform": (
        ["model/attention=uniform", "model/normalizer=entmax15"], 2, "normalizer: no such key", "UniformAttention"),
    "source unread": (["model/attention=none", "model/bridge=zero"], 2, "nothing of the source", "model/bridge=linear"),
    "odd width both ways": (["model.encoder.bidirectional=true", "model.dim=15"], 2, "dim=15", "an even number"),
    "backwards both ways": (
        ["model.encoder.bidirectional=true", "model.encoder.reverse_source=true"], 2, "reverse_source=true", "off"),
    "attention thrown away": (["model/readout=state"], 2, "model/readout=state", "use model/readout=state_context"),
    "part of another model": (
        ["model=transformer", "model/attention=dot"], 2, "model/attention: the chosen model has no such part"),
    "heads that do not divide": (["model=transformer", "model.num_heads=5"], 2, "num_heads=5", "share dim equally"),
    "odd heads turned": (
        ["model=transformer", "model/position=rotary", "model.dim=12"], 2, "must be even", "position=sinusoidal"),
    "last state of another depth": (
        ["model=transformer_rnn", "model/bridge=last"], 2, "an encoder of 2 x", "use model/bridge=linear"),
    "unequal tied widths": (
        ["model.tie_output=true", "model.embedding_dim=8"], 2, "model.tie_output=true", "make both equal"),
    "tied vocabularies": (["model.tie_source=true"], 2, "model.tie_source: needs data.joint=true"),
    "features unread": (
        ["model/feature_encoder=set"],
        2, "model.feature_encoder: needs a FeaturesTokenizer", "source_tokenizer=features"),
    "features of a target": (
        ["data/tokenizer=features"], 2, "a target has no features", "data/tokenizer@data.source_tokenizer=features"),
    "features by hand": (
        ["model/feature_encoder=set", "data/tokenizer@data.source_tokenizer=features",
         "model.feature_encoder.text_vocab_size=5"], 2, "text_vocab_size: is filled by the tokenizer"),
    "joint with own": (
        ["data.joint=true", "data/tokenizer@data.source_tokenizer=byte"], 2, "joint=true", "leave the sides' own null"),
    "foreign target": (["model.cell._target_=os.system"], 7, "os.system", "refused"),
    "foreign target in YAML": ([*OWN, "experiment=foreign_target"], 7, "builtins.open", "refused"),
    "python tag in YAML": ([*OWN, "experiment=python_tag"], 7, "python_tag.yaml:3", "python"),
    "target of ours": (["model.cell._target_=seq2seq_lab.model.cell.LSTMM"], 2, "no class LSTMM"),
    "broken YAML": ([*OWN, "experiment=broken"], 2, "broken.yaml:3"),
    "YAML not UTF-8": ([*OWN, "experiment=latin"], 2, "not UTF-8"),
    "key in YAML": ([*OWN, "experiment=misspelt_key"], 2, "dimm", "dim"),
    "option in YAML": ([*OWN, "experiment=misspelt_option"], 2, "lstm_atn", "did you mean lstm_attn?"),
    "several keys": (["model.dimm=3", "sed=2", "data=copi"], 2, "model.dimm", "sed", "data=copi", "3 problems"),
    "several ranges": (
        ["model.dropout=2.0", "data.batching.batch_size=0", "seed=-1", "training.optimizer.lr=-2"],
        2, "4 problems", "dropout=2.0", "batch_size=0", "seed: -1", "learning rate: -2"),
    "number language": (["data=numbers", "data.source_language=englsh"], 2, "englsh", "did you mean en (English)?"),
    "locale": (["data=phrases", "data.target_language=germn"], 2, "germn", "did you mean de (German)?"),
    "no such language": (["data=numbers", "data.source_language=klingon"], 2, "klingon", "among them ar, de, en"),
    "language of the captions": (["data=multi30k", "data.source_language=it"], 2, "it: must be one of en, de"),
    "no path": ([*TABLE], 2, "data.path is not set", "data.path=FILE"),
    "no files": ([*FILES], 2, "data.train is not set", "data.train=[SOURCE,TARGET]"),
    "one file": ([*FILES, "data.train=[a.txt]"], 2, "must be two files", "data.train=[SOURCE,TARGET]"),
    "one column twice": ([*TABLE, "data.path=@/good.tsv", "data.source_column=2"], 2, "source_column=2", "must differ"),
    "column 0": ([*TABLE, "data.path=@/good.tsv", "data.source_column=0"], 2, "source_column=0", "counted from 1"),
    "nothing to train on": ([*TABLE, "data.path=@/good.tsv", "data.val_fraction=0.95"], 2, "sum must be < 1"),
    "name leaves the outputs": (["name=../../x", "run_dir=null"], 2, "name=../../x", "use run_dir=PATH"),
    "absolute name": (["name=/tmp/x", "run_dir=null"], 2, "name=/tmp/x", "use run_dir=PATH"),
    "long name": (["name=" + "x" * 300, "run_dir=null"], 2, "name=xxx", "choose a shorter one"),
    "folder name with a line end": (["run_dir='a\nb'"], 2, "run_dir=a b", "control characters"),
    "long folder name": (["run_dir=" + "x" * 300], 2, "run_dir=xxx", "choose a shorter one"),
    "folder is a file": (["run_dir=@/good.tsv"], 2, "good.tsv: is a file", "choose a folder"),
    "used folder": (["run_dir=@/used"], 2, "used: holds a run already", "choose another folder"),
}  # fmt: skip

DATA = {
    "missing table": (["data.path=@/god.tsv"], 3, "god.tsv: no such file", "did you mean", "good.tsv?"),
    "unknown suffix": (["data.path=@/book.xlsx"], 3, "book.xlsx: which format", ".csv", "export as UTF-8 CSV"),
    "a folder": (["data.path=@/folder"], 3, "folder: which format", ".tsv"),
    "UTF-16": (["data.path=@/utf16.tsv"], 3, "utf16.tsv: this is UTF-16", "iconv -f UTF-16 -t UTF-8"),
    "Latin 1": (["data.path=@/latin.tsv"], 3, "latin.tsv:2:4: not UTF-8", "iconv"),
    "NUL": (["data.path=@/nul.tsv"], 3, "nul.tsv:2:2: a NUL byte", "Remove it with"),
    "zip": (["data.path=@/zipped.tsv"], 3, "zipped.tsv: this is a zip archive", "unpack it"),
    "truncated gzip": (["data.path=@/cut.tsv.gz"], 3, "cut.tsv.gz:", "cut off", "fetch or pack the file again"),
    "damaged gzip": (["data.path=@/flipped.tsv.gz"], 3, "flipped.tsv.gz:1", "damaged", "again"),
    "empty table": (["data.path=@/empty.tsv"], 3, "empty.tsv: empty", "choose another file"),
    "blank table": (["data.path=@/blank.tsv"], 3, "blank.tsv: empty", "choose another file"),
    "one pair": (["data.path=@/one.tsv"], 3, "one.tsv: 1 pairs", "debug=overfit"),
    "one column": (["data.path=@/narrow.tsv"], 3, "narrow.tsv:1", "put one tab between"),
    "wrong column": (["data.path=@/good.tsv", "data.source_column=7"], 3, "good.tsv:1", "no column 7, only 1 to 2"),
    "wrong name": (["data.path=@/good.tsv", "data.source_column=en"], 3, "no column named 'en'", "source_column=1"),
    "ragged row": (["data.path=@/ragged.tsv"], 3, "ragged.tsv:41: 3 columns", "fix the row"),
    "wrong separator": (["data.path=@/semicolons.csv"], 3, "semicolons.csv:1", "save it with commas"),
    "broken CSV": (["data.path=@/quote.csv"], 3, "quote.csv:2: not CSV", "double quotes"),
    "broken JSON": (
        ["data.path=@/broken.jsonl", "data.source_column=a", "data.target_column=b"], 3,
        "broken.jsonl:2:", "not JSON", "write one object per line"),
    "number in JSON": (
        ["data.path=@/number.jsonl", "data.source_column=a", "data.target_column=b"], 3,
        "number.jsonl:1: 'a' must be a string"),
    "all over-long": (
        ["data.path=@/long.tsv", "data.length_filter.max_source_tokens=4"], 3, "source over 4 tokens",
        "raise data.length_filter.max_source_tokens"),
    "empty vocabulary": (
        ["data.path=@/unlike.tsv", "data.tokenizer.min_frequency=2"], 3, "min_frequency=2", "lower the tokenizer's"),
    "unequal line counts": (
        [*FILES, "data.train=[@/a.txt,@/shorter.txt]"], 3, "a.txt has 30 lines", "shorter.txt has 29", "line i"),
    "same file twice": (
        [*FILES, "data.train=[@/a.txt,@/a.txt]"], 3, "a.txt are the same file", "name one file per language"),
    "missing second file": ([*FILES, "data.train=[@/a.txt,@/b.txt]"], 3, "b.txt: no such file"),
    "folder for a file": ([*FILES, "data.train=[@/a.txt,@/folder]"], 3, "folder: a folder", "name a file inside"),
    "two empty files": ([*FILES, "data.train=[@/empty.txt,@/empty.tsv]"], 3, "empty.txt", "choose other files"),
    "captions missing": (["data=multi30k", "data.root=@/folder"], 3, "folder: holds neither train.de.gz", "data.root"),
    "no caption folder": (["data=multi30k", "data.root=@/nowhere"], 3, "nowhere: no such folder", "train.de.gz"),
    "pairs of another file": (["data=tatoeba", "data.path=@/narrow.tsv"], 3, "narrow.tsv:1"),
    "folder below a file": ([*TINY, "run_dir=@/good.tsv/run"], 5, "run_dir: cannot create", "choose another run_dir"),
}  # fmt: skip

SLOW = (
    "data name, inner group, group as key, new root key, new argument of a partial, open bracket, text for int, "
    "text for list, null for a node, width 0, no layers, token budget, epochs, accumulation, patience, samples, "
    "huge seed, window, even filter, temperature of nothing, normalizer of uniform, smoothing, forcing, search, odd "
    "width both ways, attention thrown away, unequal tied widths, "
    "target of ours, YAML not UTF-8, option in YAML, locale, no such language, language of the captions, one column "
    "twice, column 0, nothing to train on, absolute name, long name, a folder, Latin 1, zip, damaged gzip, blank "
    "table, one column, wrong name, wrong separator, number in JSON, folder for a file, two empty files, no caption "
    "folder, pairs of another file, no last line end, right to left marks, the same pair often, BOM, range"
)
"""Cases that `make slow` runs: each takes a second, and has a near relative among the others."""
