import pytest

import resumption
from resumption import Kill, killed_and_resumed, left_alone, the_same

MID_1, MID_3 = Kill("on_train_batch_end", 3), Kill("on_train_batch_start", 15)
LAST_BATCH = Kill("on_train_batch_end", 12)
IN_VALIDATION = Kill("on_validation_batch_start", 12)
AFTER_VALIDATION = Kill("on_train_epoch_end", 6)
FEEDING = ("sequential", "parallel")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The outcome of an undisturbed run, made once for each choice."""
    made = {}

    def get(*overrides, **settings):
        key = (overrides, tuple(settings.items()))
        if key not in made:
            made[key] = left_alone(tmp_path_factory.mktemp("alone"), *overrides, **settings)
        return made[key]

    return get


@pytest.mark.parametrize("feeding", FEEDING)
@pytest.mark.parametrize(
    "kills",
    [[MID_1], [MID_3], [LAST_BATCH], [IN_VALIDATION], [AFTER_VALIDATION], [MID_1, MID_3]],
    ids=["mid epoch 1", "mid epoch 3", "last batch", "validation", "epoch end", "twice"],
)
def test_a_killed_run_ends_as_if_left_alone(tmp_path, alone, feeding, kills):
    how = f"training/feeding={feeding}"
    the_same(killed_and_resumed(tmp_path, kills, how), alone(how))
