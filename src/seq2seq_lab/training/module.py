"""The LightningModule: batch -> logits -> loss, optimizer and schedule; nothing of the model itself."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.float64 import in_float64
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training import pack
from seq2seq_lab.training.finite import FiniteCheck
from seq2seq_lab.training.loss import TokenCrossEntropy
from seq2seq_lab.training.pack_step import Request
from seq2seq_lab.training.training_loss import teacher_forced_loss, training_loss

TRAINING_ADVICE = (
    "; lower training.optimizer.lr or training.trainer.gradient_clip_val; "
    "what is in checkpoints/ is older and finite"
)
EVALUATION_ADVICE = ": the model's numbers have grown too large; lower training.optimizer.lr"
UNSMOOTHED = TokenCrossEntropy()
"""Every reported perplexity comes from it."""


class Seq2SeqModule(pl.LightningModule):
    """Trains an `EncoderDecoder`.

    The loss, and `train/loss`, is the mean over the real target tokens of all batches that make one optimizer step,
    those of all processes together. Validation and test report the teacher-forced perplexity, exp of the unsmoothed
    mean over the whole split. `translator` decodes with the same model for the callbacks.
    """

    def __init__(
        self,
        model: EncoderDecoder,
        loss: nn.Module,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        lr_schedule: Any,
        scheduled_sampling: Any,
        translator: Translator,
        *,
        seed: int = 1,
    ):
        super().__init__()
        self.model, self.loss, self.translator = model, loss, translator
        self.make_optimizer, self.lr_schedule = optimizer, lr_schedule
        self.scheduled_sampling = scheduled_sampling
        self.sampling_generator = torch.Generator().manual_seed(seed)
        self._tokens_in_step = 0
        self._loss_in_step: Tensor | float = 0.0
        self._pairs_in_step: list[int] = []
        self._in_training = FiniteCheck("training pairs", TRAINING_ADVICE)
        self._in_evaluation = FiniteCheck("pairs", EVALUATION_ADVICE)
        self._sums: dict[str, Tensor] = {}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of one batch in nats per target token."""
        ratio = self.scheduled_sampling.schedule(self.global_step, self.current_epoch)
        member = pack.current()
        loss = (
            self.batch_loss(batch, ratio)
            if member is None
            else member.loss(Request(self, batch, ratio))
        )
        tokens = batch.num_target_tokens
        self._tokens_in_step += tokens
        self._pairs_in_step += batch.ids.tolist()
        if self.trainer.world_size == 1:  # else the others would wait; they all see the gradient
            self._in_training.add(loss, "loss", self.global_step, [*self._pairs_in_step])
        self._add("train", loss.detach(), tokens)
        if self._batches_in_step() > 1:
            self._loss_in_step = in_float64(loss.detach()) + self._loss_in_step
            return loss
        self._log_loss(loss.detach() / tokens)
        return loss / tokens

    def batch_loss(self, batch: Batch, ratio: float) -> Tensor:
        """Return the loss of the batch, summed over its target tokens, at this teacher-forcing ratio."""
        sampling, generator = self.scheduled_sampling, self.sampling_generator
        return training_loss(self.model, batch, self.loss, sampling, ratio, generator)

    def _log_loss(self, mean: Tensor) -> None:
        self.log("train/loss", mean, batch_size=1, on_step=True, on_epoch=False)

    def _batches_in_step(self) -> int:
        """How many batches make one optimizer step, those of all processes together."""
        return self.trainer.accumulate_grad_batches * self.trainer.world_size

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:  # noqa: ARG002
        """Turn sums into the mean over all tokens of the step (Lightning divided by the number of its batches)."""
        batches = self._batches_in_step()
        if batches > 1:
            loss, tokens = self._sums_of_step()
            self._log_loss((loss / tokens).float())  # Lightning moves it to the device
            gradients = [p.grad for p in self.parameters() if p.grad is not None]
            torch._foreach_mul_(gradients, batches / tokens)
        self._tokens_in_step, self._loss_in_step = 0, 0.0

    def _sums_of_step(self) -> tuple[Tensor, int]:
        """Return the summed loss and the number of target tokens of the step, those of all processes together."""
        loss = torch.as_tensor(self._loss_in_step, dtype=torch.float64)
        if self.trainer.world_size == 1:
            return loss, self._tokens_in_step
        sums: Any = torch.stack([loss, loss.new_tensor(self._tokens_in_step)]).to(self.device)
        sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        return sums[0], int(sums[1])

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,  # noqa: ARG002
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,  # noqa: ARG002
    ) -> None:
        """Clip the gradient's norm, log it, and stop before a step that is not finite."""
        limit = gradient_clip_val or torch.inf
        norm = nn.utils.clip_grad_norm_(self.parameters(), limit)
        self._in_training.add(norm, "gradient norm", self.global_step, [*self._pairs_in_step])
        self._pairs_in_step = []
        self.log("train/gradient_norm", norm, on_step=True, on_epoch=False)

    def refuse_not_finite(self) -> None:
        """Raise `NotFiniteError` for a loss or gradient of the steps so far that an accelerator has not shown yet."""
        self._in_training.read()

    def on_train_epoch_end(self) -> None:
        """Log the mean training loss of the epoch and the learning rate."""
        self.refuse_not_finite()
        self.log("train/loss_epoch", self._mean("train"))
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])

    def _evaluate(self, batch: Batch, split: str) -> None:
        if not len(batch):  # a process that has no pairs left while others have
            return
        nll = teacher_forced_loss(self.model, batch, UNSMOOTHED)
        self._in_evaluation.add(nll, f"{split} loss", self.global_step, batch.ids.tolist())
        self._add(split, nll, batch.num_target_tokens)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Add the batch to the split's unsmoothed teacher-forced loss."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Add the batch to the split's unsmoothed teacher-forced loss."""
        self._evaluate(batch, "test")

    def on_validation_epoch_end(self) -> None:
        """Log loss and perplexity of the whole split."""
        self._log_split("val")

    def on_test_epoch_end(self) -> None:
        """Log loss and perplexity of the whole split."""
        self._log_split("test")

    def _log_split(self, split: str) -> None:
        self._in_evaluation.read()
        mean = self._mean(split)
        self.log(f"{split}/loss", mean)
        self.log(f"{split}/perplexity", torch.exp(mean))

    def _add(self, split: str, total: Tensor, count: int) -> None:
        total = in_float64(total)
        new = torch.stack([total, total.new_full((), count)])
        self._sums[split] = self._sums[split].to(new) + new if split in self._sums else new

    def _mean(self, split: str) -> Tensor:
        """Return sum / count over all ranks and forget them."""
        sums = self._sums.pop(split, in_float64(torch.zeros(2, device=self.device)))
        if self.trainer.world_size > 1:
            gathered = self.all_gather(sums)
            assert isinstance(gathered, Tensor)
            sums = gathered.sum(dim=0)
        return (sums[0] / sums[1]).float().to(self.device)

    def configure_optimizers(self) -> Any:
        """Return the optimizer, with its schedule where there is one."""
        optimizer = self.make_optimizer(self.parameters())
        schedule = None
        if self.lr_schedule is not None:
            schedule = self.lr_schedule.attach(optimizer, self._count_steps)
        return optimizer if schedule is None else {"optimizer": optimizer, "lr_scheduler": schedule}

    def _count_steps(self, epochs: int) -> int:
        """Return how many optimizer steps so many epochs make.

        Lightning's own count makes the loader, which then no longer starts where a resumed run goes on.
        """
        batches, limit = self.trainer.datamodule.num_batches(), self.trainer.limit_train_batches  # type: ignore[attr-defined]
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        return epochs * math.ceil(batches / self.trainer.accumulate_grad_batches)

    def progress(self) -> dict[str, Any]:
        """Return what changes between batches besides the weights: the sampling generator and the token sums."""
        sums = {name: value.cpu() for name, value in self._sums.items()}
        return {"sampling_generator": self.sampling_generator.get_state(), "sums": sums}

    def restore_progress(self, progress: dict[str, Any]) -> None:
        """Go on from what `progress` returned."""
        self.sampling_generator.set_state(progress["sampling_generator"])
        self._sums = dict(progress["sums"])
