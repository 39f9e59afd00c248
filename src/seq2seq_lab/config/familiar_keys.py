"""Keys that other tools have for what a config here says elsewhere: those of Lightning, its Hydra template, fairseq."""

_TRAINER = "training.trainer"
_KEYS = {
    "accelerator": f"{_TRAINER}.accelerator",
    "accumulate_grad_batches": f"{_TRAINER}.accumulate_grad_batches",
    "amp": f"{_TRAINER}.precision",
    "batch_size": "data.batching.batch_size",
    "beam": "decoding.beam_size",
    "beam_size": "decoding.beam_size",
    "callback": "training.callback",
    "callbacks": "training.callback",
    "ckpt_path": "resume",
    "clip_grad_norm": f"{_TRAINER}.gradient_clip_val",
    "clip_norm": f"{_TRAINER}.gradient_clip_val",
    "criterion": "training.loss",
    "d_model": "model.dim",
    "data_module": "data",
    "datamodule": "data",
    "dataset": "data",
    "default_root_dir": "run_dir",
    "devices": f"{_TRAINER}.devices",
    "embed_dim": "model.embedding_dim",
    "embedding_size": "model.embedding_dim",
    "epochs": f"{_TRAINER}.max_epochs",
    "exp_name": "name",
    "experiment_name": "name",
    "fast_dev_run": f"{_TRAINER}.fast_dev_run",
    "fp16": f"{_TRAINER}.precision",
    "gpus": f"{_TRAINER}.devices",
    "grad_clip": f"{_TRAINER}.gradient_clip_val",
    "hidden_dim": "model.dim",
    "hidden_size": "model.dim",
    "learning_rate": "training.optimizer.lr",
    "log_dir": "run_dir",
    "logger": "training.logger",
    "loggers": "training.logger",
    "loss": "training.loss",
    "loss_fn": "training.loss",
    "lr": "training.optimizer.lr",
    "lr_schedule": "training.lr_schedule",
    "lr_scheduler": "training.lr_schedule",
    "max_epoch": f"{_TRAINER}.max_epochs",
    "max_epochs": f"{_TRAINER}.max_epochs",
    "max_steps": f"{_TRAINER}.max_steps",
    "max_update": f"{_TRAINER}.max_steps",
    "n_epochs": f"{_TRAINER}.max_epochs",
    "net": "model",
    "num_beams": "decoding.beam_size",
    "num_epochs": f"{_TRAINER}.max_epochs",
    "num_train_epochs": f"{_TRAINER}.max_epochs",
    "optim": "training.optimizer",
    "optimizer": "training.optimizer",
    "output_dir": "run_dir",
    "paths.log_dir": "run_dir",
    "paths.output_dir": "run_dir",
    "random_seed": "seed",
    "resume_from_checkpoint": "resume",
    "run_name": "name",
    "save_dir": "run_dir",
    "scheduler": "training.lr_schedule",
    "seed_everything": "seed",
    "task_name": "name",
    "teacher_forcing": "training.scheduled_sampling.schedule",
    "teacher_forcing_ratio": "training.scheduled_sampling.schedule",
    "trainer": _TRAINER,
    "wandb": "training.logger",
}


def our_key(key: str) -> str:
    """Return the key that is meant by one of another tool; a key that no tool is known for, as it is."""
    parts = key.replace("/", ".").split(".")
    for i in range(len(parts), 0, -1):
        meant = _KEYS.get(".".join(parts[:i]))
        if meant is not None:
            return ".".join([meant, *parts[i:]])
    return key
