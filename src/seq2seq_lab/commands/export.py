"""Export a trained model: safetensors, JSON and checksums, without pickle; with --onnx also as two ONNX graphs.

seq2seq-lab export outputs/<name>/<run> my_model
seq2seq-lab translate my_model --text "..."
seq2seq-lab export outputs/<name>/<run> my_model --onnx

Where a graph differs from the model, nothing is exported. Recurrent decoders can be expressed, with most kinds of
attention; Transformer decoders, location-aware and uniform attention are refused.
"""

import argparse
import os
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("checkpoint", help="a checkpoint file or a run folder")
    flags.add_argument("folder", help="an empty folder, or one that does not exist")
    flags.add_argument(
        "--onnx",
        action="store_true",
        help="encoder.onnx (source ids, lengths -> first state) and step.onnx (tokens, state -> logits, new state)",
    )
    return flags


def main(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # the exporter warns on stderr of its own
    from seq2seq_lab.inference.stored_model import FILES, new_folder, write_export, write_manifest
    from seq2seq_lab.inference.trained import build_model, read_model

    stored = read_model(arguments.checkpoint)
    model = build_model(stored, arguments.checkpoint)
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
    print(errors.one_line(f"exported to {folder}/: {', '.join(names)}, export.json"))
