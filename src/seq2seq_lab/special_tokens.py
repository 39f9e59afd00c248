"""The four special tokens: their ids and spellings, defined here and nowhere else."""

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPELLINGS = ("<pad>", "<bos>", "<eos>", "<unk>")
NUM_SPECIAL_TOKENS = len(SPELLINGS)
