"""Small real runs of the training code: one epoch, or one validation, by the composed trainer's class."""

import copy
import tempfile
import warnings
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from seq2seq_lab.batch import Batch
from seq2seq_lab.config.collection import no_collection
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.doctor.patient import Patient
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.late_modules import late_modules
from seq2seq_lab.training.lr_schedule import Constant as ConstantRate

QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "use_distributed_sampler": False,
    "num_sanity_val_steps": 0,
    "accelerator": "cpu",
    "devices": 1,
    "max_epochs": 1,
}


def make_module(
    patient: Patient, model: EncoderDecoder, ratio: float = 1.0, loss: Any = None
) -> Any:
    """Return the module that trains the model by gradient descent, with the composed loss and scheduled sampling."""
    with no_collection(), late_modules():
        from seq2seq_lab.inference.translator import Translator
        from seq2seq_lab.training import session  # Lightning: a second to import
        from seq2seq_lab.training.scheduled_sampling.schedule import Constant

    session.start(1)
    sampling = copy.copy(patient.scheduled_sampling)
    sampling.schedule = Constant(ratio)
    words = WordTokenizer()
    module = session.Seq2SeqModule(
        model,
        loss=patient.loss if loss is None else loss,
        optimizer=partial(torch.optim.SGD, lr=0.1),
        lr_schedule=ConstantRate(),
        scheduled_sampling=sampling,
        translator=Translator(model, words, words, patient.search, 5),
    )
    # Lightning cannot move a frozen dataclass
    module.transfer_batch_to_device = lambda batch, *_: batch  # type: ignore[method-assign]
    return module


def _loader(batches: list[Batch]) -> DataLoader:
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # any sequence will do


def validate(patient: Patient, module: Any, batches: list[Batch]) -> dict[str, float]:
    """Return what validation logs for these batches."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = patient.make_trainer(**QUIET, default_root_dir=folder)
        return trainer.validate(module, _loader(batches), verbose=False)[0]


def fit(patient: Patient, module: Any, batches: list[Batch], accumulate: int) -> dict[str, Any]:
    """Train for one epoch over these batches and return the weights."""
    module.train()  # the loss is a module too, and may come from a validation
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            **QUIET,
            "limit_val_batches": 0,
            "accumulate_grad_batches": accumulate,
            "default_root_dir": folder,
        }
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
            patient.make_trainer(**settings).fit(module, _loader(batches))
    return dict(module.model.state_dict())
