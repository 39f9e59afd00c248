"""Train, evaluate and translate: compose -> check -> read data -> build -> fit -> test -> record."""

import sys

import hydra
from omegaconf import DictConfig

from hydra_plugins.seq2seq_lab_study import in_study
from seq2seq_lab.config.build import build
from seq2seq_lab.config.check import check
from seq2seq_lab.config.collection import first_imports
from seq2seq_lab.config.compose import conf_dir
from seq2seq_lab.config.job import job_facts, job_folders
from seq2seq_lab.config.job_command import job_command, resume_command
from seq2seq_lab.config.launch import launch
from seq2seq_lab.config.resolve import resolve, yaml_text
from seq2seq_lab.config.typed_command import remembered, typed
from seq2seq_lab.config.vocabulary_sizes import fill_sizes
from seq2seq_lab.inference import search_choice
from seq2seq_lab.training.late_modules import late_modules
from seq2seq_lab.training.native_memory import take_large_pages


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Carry out one run and return its best validation value of `data.monitor`: a sweeper may search by it."""
    take_large_pages()
    check(cfg)

    with first_imports(), late_modules():
        from seq2seq_lab.training import session  # torch and Lightning: not needed for --help

    session.start(cfg.seed, cfg.torch_threads)
    check(cfg, with_lightning=True)
    session.check_run_folder(cfg.run_dir, cfg.name, cfg.resume)
    session.check_schedule(
        *(build(resolve(cfg)["training"].get(key)) for key in ("optimizer", "lr_schedule"))
    )
    searches = search_choice.of_config(resolve(cfg), job_folders())
    data = session.set_up(build(node := resolve(cfg)["data"]), node)
    fill_sizes(cfg.model, *data.vocabulary_sizes)
    run = resolve(cfg)

    model = build(run["model"])
    training = {name: build(run["training"].get(name)) for name in session.PARTS}
    translator = session.make_translator(model, data, build(run["decoding"]))
    module = session.Seq2SeqModule(model, **training, translator=translator, seed=cfg.seed)

    io = session.checkpoint_io(run, data)
    with (
        session.open_run_folder(run) as run_dir,
        session.Interruption(resume_command(run_dir, cfg.study)) as interruption,
    ):
        start = session.resume_point(run_dir, io)
        facts = job_facts() | session.pack_facts() | session.begin(run, model, data)
        session.write_start(run_dir, run, yaml_text(cfg), data.report, start, facts)
        chosen = [build(part) for part in run["training"]["callback"].values()]
        chosen += [session.ResumeState(), interruption]
        logs = [build(part) for part in (run["training"].get("logger") or {}).values()]
        with session.loggers(logs, run, run_dir) as loggers, session.ending_noted(run_dir):
            trainer = build(
                run["training"]["trainer"],
                **session.trainer_parts(chosen, run_dir, searches),
                logger=loggers,
                plugins=[io],
            )
            with session.together(trainer, job_command(), interruption.resume_command):
                session.fit(trainer, module, data, start)
                numbers = session.evaluate_best(trainer, module, data)
            session.record(run_dir, numbers, loggers)
            interruption.recorded()
        session.print_summary(run_dir, numbers)
    return numbers.get(cfg.data.monitor)


def program(name: list[str], flags: list[str], overrides: list[str]) -> int:
    """Run `main` by Hydra: once, or once for each job of a sweep or study; return the exit code.

    `name` is the command's if it was typed, `flags` are those that the program took out of the command line.
    """
    with remembered(typed(name, flags, overrides)):
        sys.argv[1:] = overrides
        return launch(main, wrap=in_study)
