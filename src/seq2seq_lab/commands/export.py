"""Export a trained model: safetensors, JSON, checksums and a model card, without pickle; --push sends it to the hub.

seq2seq-lab export outputs/<name>/<run> my_model
seq2seq-lab translate my_model --text "..."
seq2seq-lab export outputs/<name>/<run> my_model --onnx
seq2seq-lab export outputs/<name>/<run> my_model --push USER/REPO --private
seq2seq-lab translate hf://USER/REPO --text "..."

Where a graph differs from the model, nothing is exported. Recurrent decoders can be expressed, with most kinds of
attention; Transformer decoders, location-aware and uniform attention are refused. The folders of this machine are
left out of what is exported.
"""

import argparse
import os
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.files import write_text


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("checkpoint", help="a checkpoint file, a run folder or hf://USER/REPO")
    flags.add_argument("folder", help="an empty folder, or one that does not exist")
    flags.add_argument(
        "--onnx",
        action="store_true",
        help="encoder.onnx (source ids, lengths -> first state) and step.onnx (tokens, state -> logits, new state)",
    )
    flags.add_argument(
        "--push", metavar="USER/REPO", help="upload it to this repository of the Hugging Face hub"
    )
    flags.add_argument(
        "--private", action="store_true", help="with --push: a repository that only you can see"
    )
    flags.add_argument(
        "--dry-run", action="store_true", help="with --push: export and say what would be sent"
    )
    return flags


def main(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # the exporter warns on stderr of its own
    for flag in ("private", "dry_run"):
        if getattr(arguments, flag) and arguments.push is None:
            raise errors.ConfigError(f"--{flag.replace('_', '-')}: belongs to --push USER/REPO")
    from seq2seq_lab.inference import hub, model_card
    from seq2seq_lab.inference.stored_model import (
        CARD,
        FILES,
        MANIFEST,
        new_folder,
        write_export,
        write_manifest,
    )
    from seq2seq_lab.inference.trained import build_model, read_model

    if arguments.push is not None:
        hub.check_push(arguments.push, dry_run=arguments.dry_run)
    stored = read_model(arguments.checkpoint)
    model = build_model(stored, arguments.checkpoint)
    run = model_card.run_of(Path(arguments.checkpoint))
    parameters = sum(weight.numel() for weight in model.parameters())
    folder, names = Path(arguments.folder), FILES
    with new_folder(folder):
        write_export(folder, stored)
        if arguments.onnx:
            from seq2seq_lab.inference import onnx_export

            vocabulary = stored.config["model"]["source_vocab_size"]
            for name, gap in onnx_export.export_onnx(model, vocabulary, folder).items():
                print(errors.one_line(f"{name}: at most {gap:.2g} from the model, in onnxruntime"))
            names = (*FILES, *onnx_export.FILES)
            write_manifest(folder, names)
        write_text(folder / CARD, model_card.card(stored, parameters, run, arguments.push))
        names = (*names, MANIFEST, CARD)
        commit = send(arguments, folder, names)
    print(errors.one_line(f"exported to {folder}/: {', '.join(names)}"))
    if commit is not None:
        print(errors.one_line(f"pushed to hf://{arguments.push}@{commit}"))


def send(arguments: argparse.Namespace, folder: Path, names: tuple[str, ...]) -> str | None:
    """Push the folder if that was asked for, and return the commit; say what would be pushed on a dry run."""
    from seq2seq_lab.inference import hub

    if arguments.push is None:
        return None
    if not arguments.dry_run:
        return hub.push(folder, names, arguments.push, private=arguments.private)
    hub.refuse_private(folder)
    size = sum((folder / name).stat().st_size for name in names)
    print(
        errors.one_line(
            f"--dry-run: {len(names)} files of {size:,} bytes would go to {arguments.push}"
        )
    )
    return None
