"""The correctness properties O1 to O25: name, one sentence, and where each is checked.

The doctor, the tests and docs/properties.md (`page`) take them from here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Property:
    """A property; `doctor` is the function of this package that checks it on a composed model, if there is one."""

    id: str
    name: str
    sentence: str
    tests: tuple[str, ...]
    doctor: str = ""


_ALL = (
    Property(
        "O1",
        "a beam of one equals greedy search",
        "Beam search with one hypothesis returns the tokens, scores and attention weights of greedy search.",
        ("tests/decoding/test_beam.py",),
        "enumeration.beam_of_one_is_greedy",
    ),
    Property(
        "O2",
        "a beam of full width equals enumeration",
        "Beam search that can hold every string returns the n best strings of an exhaustive enumeration, in order, "
        "under every length penalty.",
        ("tests/decoding/test_beam_enumeration.py",),
        "enumeration.full_beam_is_enumeration",
    ),
    Property(
        "O3",
        "a score is the teacher-forced log-probability",
        "The score of a hypothesis is the log-probability of its tokens when they are the decoder's inputs.",
        (
            "tests/decoding/test_greedy.py",
            "tests/decoding/test_beam.py",
            "tests/inference/test_scorer.py",
            "tests/commands/test_score_command.py",
        ),
        "searching.score_is_teacher_forced_score",
    ),
    Property(
        "O4",
        "batch mates and their order have no effect",
        "A sentence gets the same tokens and scores alone, in a batch, in a permuted batch and at another batch size.",
        ("tests/decoding/test_greedy.py", "tests/decoding/test_beam.py"),
        "searching.batch_mates_have_no_effect",
    ),
    Property(
        "O5",
        "padding has no effect",
        "More padding, random ids under it or NaN as its embedding change neither logits, loss, gradients nor "
        "attention weights.",
        (
            "tests/model/test_encoder_decoder.py",
            "tests/model/test_transformer.py",
            "tests/model/test_attention.py",
            "tests/model/kernel/test_padded_lstm.py",
        ),
        "padding.padding_has_no_effect",
    ),
    Property(
        "O6",
        "step by step equals all steps at once",
        "A loop over decoder steps with reference tokens as inputs gives the logits and every gradient of the "
        "parallel forward pass, with dropout too.",
        (
            "tests/model/test_encoder_decoder.py",
            "tests/model/test_transformer.py",
            "tests/training/scheduled_sampling/test_sequential_and_parallel.py",
        ),
        "examination.sequential_is_parallel",
    ),
    Property(
        "O7",
        "teacher forcing at ratio 0 is greedy decoding",
        "Scheduled sampling at ratio 0 with the most likely token has the inputs of greedy decoding, up to the end "
        "token.",
        (
            "tests/decoding/test_greedy.py",
            "tests/training/scheduled_sampling/test_sequential_and_parallel.py",
        ),
        "examination.ratio_zero_is_greedy",
    ),
    Property(
        "O8",
        "sampling follows its ratio, never in validation",
        "Scheduled sampling uses reference tokens at the rate of its ratio (within 4 sigma), with one draw per unit "
        "from a generator of its own; validation ignores the ratio.",
        (
            "tests/training/scheduled_sampling/test_unit.py",
            "tests/training/scheduled_sampling/test_schedule.py",
            "tests/training/scheduled_sampling/test_sampled_token.py",
        ),
        "examination.sampling_follows_its_ratio",
    ),
    Property(
        "O9",
        "attention is a distribution over real tokens",
        "Attention weights sum to 1 and are exactly 0 on padding, for a source of one token too; a source without a "
        "real token is refused.",
        ("tests/model/test_attention.py", "tests/model/test_full_matrix.py"),
        "attending.attention_is_a_distribution",
    ),
    Property(
        "O10",
        "attention equals its formula and its gradients",
        "Attention weights and contexts equal the published formula as a loop over floats, and gradients equal finite "
        "differences.",
        ("tests/model/test_attention.py",),
        "attending.attention_equals_its_formula",
    ),
    Property(
        "O11",
        "the encoder reads each sentence as if alone",
        "Outputs and final states of every layer and direction on a padded batch equal those of torch's own module on "
        "each unpadded sentence.",
        ("tests/model/test_recurrent_encoder.py", "tests/model/test_transformer.py"),
        "encoding.encoder_reads_each_sentence_alone",
    ),
    Property(
        "O12",
        "every parameter is trained, padding is not",
        "Every parameter gets a gradient, and the padding row of an embedding gets none.",
        ("tests/model/test_encoder_decoder.py", "tests/model/test_full_matrix.py"),
        "examination.everything_is_trained",
    ),
    Property(
        "O13",
        "loss and perplexity equal their closed forms",
        "Loss and label smoothing equal a loop over floats; the reported perplexity is unsmoothed and weighted by "
        "tokens, and that of a uniform model is its vocabulary size.",
        ("tests/training/test_loss.py", "tests/training/test_module.py"),
        "losses.loss_and_perplexity_equal_their_closed_forms",
    ),
    Property(
        "O14",
        "accumulated batches equal one big batch",
        "The optimizer step of k accumulated batches is that of one big batch, with unequal token counts too.",
        ("tests/training/test_module.py",),
        "losses.accumulation_changes_nothing",
    ),
    Property(
        "O15",
        "several processes equal one",
        "Two processes train like one with the same global batch, and loss and BLEU do not depend on the number of "
        "processes.",
        ("tests/training/test_distributed.py", "tests/data/test_batching.py"),
    ),
    Property(
        "O16",
        "scores equal the sacreBLEU command",
        "BLEU and chrF equal what the sacreBLEU command computes from the stored files, and the signature is stored.",
        ("tests/metrics/test_bleu.py", "tests/test_train.py"),
    ),
    Property(
        "O17",
        "output line i belongs to input line i",
        "Translation writes as many lines as it reads, in their order, with bucketing too.",
        ("tests/inference/test_translator.py",),
    ),
    Property(
        "O18",
        "nothing comes after the end token",
        "A hypothesis ends at its first end token or at the length limit of its own source, and n-best lists are "
        "sorted and unique.",
        ("tests/decoding/test_greedy.py", "tests/decoding/test_beam.py"),
    ),
    Property(
        "O19",
        "a resumed run equals an uninterrupted one",
        "A run that is killed and resumed ends with the same weights, optimizer state, random generators, training "
        "pairs and logged numbers, bit for bit.",
        ("tests/training/test_resume.py",),
    ),
    Property(
        "O20",
        "the seed fixes the run",
        "The same seed gives the same weights, bit for bit, in fresh processes, whatever the number of workers, the "
        "hash seed, the locale or the time zone.",
        (
            "tests/test_sweep.py",
            "tests/training/test_observing.py",
            "tests/data/test_batching.py",
        ),
    ),
    Property(
        "O21",
        "a checkpoint decodes the same everywhere",
        "A checkpoint or an export in a moved folder and a fresh process gives the same hypotheses, bit for bit.",
        (
            "tests/commands/test_translate_command.py",
            "tests/inference/test_stored_model.py",
            "tests/training/test_session.py",
        ),
    ),
    Property(
        "O22",
        "observing changes nothing",
        "Loggers, progress bar, callbacks and the frequency of validation have no effect on the weights.",
        ("tests/training/test_observing.py",),
    ),
    Property(
        "O23",
        "a model learns what it can",
        "Models learn to copy and to reverse and overfit 32 pairs, and attention on a copied sentence is diagonal.",
        ("tests/test_learning.py",),
    ),
    Property(
        "O24",
        "tokenizers are lossless and safe",
        "Text of a user never becomes a special token, known words survive encoding and decoding, and the vocabulary "
        "does not depend on the hash seed or on the order of the text.",
        ("tests/data/tokenizer/test_tokenizers_contract.py",),
    ),
    Property(
        "O25",
        "a copying output is the mixture it claims to be",
        "The distribution of a model that copies is g x generator + (1 - g) x attention on the source words: it equals "
        "a loop over floats, sums to 1, is the plain model's at g = 1 and has source words only at g = 0, and other "
        "unknown words in the source give the same output with these words.",
        ("tests/model/test_output.py", "tests/inference/test_copying.py"),
        "copying.output_is_the_mixture",
    ),
)

PROPERTIES = {one.id: one for one in _ALL}

_HEAD = """# Correctness properties

Each property below is tested, and each has planted bugs that must be caught (`tests/mutations.toml`, `make mutation`).
The doctor checks those with a function on the model of any config: `make doctor ARGS="model=lstm_attn"`.
This page is `page()` of `src/seq2seq_lab/doctor/properties.py`; change the list there.

| id | property | what holds | doctor | tests |
|---|---|---|---|---|
"""


def page() -> str:
    """Return docs/properties.md."""
    rows = []
    for one in PROPERTIES.values():
        doctor = f"`{one.doctor}`" if one.doctor else ""
        tests = "<br>".join(f"`{path}`" for path in one.tests)
        rows.append(f"| {one.id} | {one.name} | {one.sentence} | {doctor} | {tests} |\n")
    return _HEAD + "".join(rows)
