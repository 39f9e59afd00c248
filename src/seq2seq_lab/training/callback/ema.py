"""The exponential moving average of the weights: what is validated, kept as the best and tested."""

from typing import Any

from pytorch_lightning.callbacks import EMAWeightAveraging


class Ema(EMAWeightAveraging):
    """Averages the weights after each `every_n_steps`-th optimizer step: average <- decay * average + (1 - decay) * w.

    The average begins with the weights of the first averaged step, from `start_step` on; before that the weights
    themselves stand for it. Validation, best.ckpt, the test and `translate` see the average; training does not. A
    checkpoint holds both, so that a resumed run goes on exactly.

    Why not Lightning's callback itself: it swaps the weights back before the other callbacks have scored the
    validation, swaps them again when the finished run is tested, and overwrites the current weights before `last.ckpt`
    is written.
    """

    def __init__(self, decay: float = 0.999, every_n_steps: int = 1, start_step: int = 0):
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay={decay}: must be >= 0 and < 1")
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps={every_n_steps}: must be >= 1")
        if start_step < 0:
            raise ValueError(f"start_step={start_step}: must be >= 0")
        super().__init__(
            use_buffers=False,
            decay=decay,
            update_every_n_steps=every_n_steps,
            update_starting_at_step=start_step,
        )

    def _has_begun(self) -> bool:
        return self._average_model is not None and int(self._average_model.n_averaged) > 0

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Bring the average to the device of the weights: it is made before they go there."""
        assert self._average_model is not None
        self._average_model.to(pl_module.device)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Put the average in the place of the weights."""
        if self._has_begun():
            self._swap_models(pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Put the weights back, once every callback has scored."""
        self.on_validation_start(trainer, pl_module)

    def on_validation_epoch_start(self, *_: Any) -> None:
        """Do nothing: `on_validation_start` did it."""

    def on_validation_epoch_end(self, *_: Any) -> None:
        """Do nothing: other callbacks score now."""

    def on_train_end(self, *_: Any) -> None:
        """Do nothing: `last.ckpt` still needs the weights."""

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Leave the average in the model when training is over, for a run without a best checkpoint."""
        if stage == "fit" and self._has_begun():
            self._copy_average_to_current(pl_module)
        self._average_model = None

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Store the average as the weights, and the weights beside it; before the first step they are the same."""
        current = checkpoint["state_dict"]
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if not self._has_begun():
            checkpoint["state_dict"] = current
