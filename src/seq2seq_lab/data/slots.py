"""Copy slots: ids for the unknown words of a source, so that a word that no vocabulary has can still be copied.

Slot k stands for the k-th distinct unknown word of the source, on both sides of the pair; further unknown words, and
those of a target that its source does not have, stay UNK. Luong et al. (2015, "Addressing the rare word problem")
number unknown words so (their copyable model); with the copy mechanism, slots are the extended vocabulary of See et
al. (2017).
"""

from collections.abc import Sequence

from seq2seq_lab.special_tokens import UNK


def check_slots(copy_slots: int, min_frequency: int, max_size: int | None) -> None:
    """Raise `ValueError` for a number of slots below 0, and for slots that no training text would fill."""
    if copy_slots < 0:
        raise ValueError(f"copy_slots={copy_slots}: must be >= 0; 0 is for no slots")
    if copy_slots and min_frequency == 1 and max_size is None:
        raise ValueError(
            f"copy_slots={copy_slots}: with min_frequency=1 and max_size=null no word of the training text is unknown, "
            "so no slot is ever trained; set min_frequency=2 or a max_size"
        )


def unknown_words(pieces: Sequence[str], ids: Sequence[int], most: int) -> list[str]:
    """Return the words of the slots of a source: its first distinct pieces whose id is UNK, at most so many."""
    pairs = zip(pieces, ids, strict=True)
    return list(dict.fromkeys(piece for piece, id_ in pairs if id_ == UNK))[:most]


def with_slots(
    ids: Sequence[int], pieces: Sequence[str], words: Sequence[str], first: int
) -> list[int]:
    """Return the ids of a text with a slot for each unknown piece that is one of `words`; `first` is the first slot."""
    slots = {word: first + k for k, word in enumerate(words)}
    pairs = zip(ids, pieces, strict=True)
    return [slots.get(piece, UNK) if id_ == UNK else id_ for id_, piece in pairs]
