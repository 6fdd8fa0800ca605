# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest: --families xlm-roberta camembert
"""The presets of four papers over encoders beyond BERT: a dumped step equals an independent computation (dump_step_check), and with --steps a
run that is killed and resumed ends in the bits of one that was left alone. Tiny models; ModernBERT's dumps are in modern_bert.py too.

usage: encoder_training.py [--steps N] [--families NAME...] [--presets NAME...]      --steps 200 is the long form, over all families
"""
import argparse
import json
import pathlib
import sys
import tempfile

import modern_bert
import presets_parity
from cli_support import result

PRESETS = ("retromae", "dupmae", "master-as-released", "simlm")


def write_roberta_config(path, model_type, vocabulary):
    """Two layers of width 32, drawn wide, so that a wrong term is loud; positions begin behind the padding's."""
    path.write_text(json.dumps({"model_type": model_type, "vocab_size": vocabulary, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                                "intermediate_size": 64, "max_position_embeddings": 66, "type_vocab_size": 1, "hidden_act": "gelu", "layer_norm_eps": 1e-5,
                                "initializer_range": .15, "hidden_dropout_prob": .1, "attention_probs_dropout_prob": .1, "pad_token_id": 0}))
    return path


def config_of(family, path, vocabulary):
    return modern_bert.write_config(path, vocabulary) if family == "modernbert" else write_roberta_config(path, family, vocabulary)


def check_family(family, options, work):
    options.data = presets_parity.write_corpus(work)
    vocabulary = json.loads((options.data / "manifest.json").read_text())["tokenizer"]["vocabulary_size"]
    options.config = config_of(family, work / "config.json", vocabulary)
    result("pretrain", "--preset", "mlm", "--config", options.config, "--data", options.data, "--steps", 2, "--threads", 1, "--output", work / "generator")
    for preset in options.presets:
        parameters, terms, worst = presets_parity.check_dump(preset, work, options)
        line = f"{family:<12} {preset:<20} {parameters:>8} parameters, {terms} terms, largest deviation {worst:.1e}"
        if options.steps:
            first, last, _ = presets_parity.check_training(preset, work, options)
            line += f"; {options.steps} steps, loss {first:.3f} to {last:.3f}, resumed to the same bits"
            assert last < first, line
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=0, help="of training; 0: the dumped step alone")
    parser.add_argument("--batch", type=int, default=6, help="examples of a training batch")
    parser.add_argument("--families", nargs="*", default=["xlm-roberta", "camembert", "modernbert"])
    parser.add_argument("--presets", nargs="*", default=PRESETS)
    options = parser.parse_args()
    for family in options.families:
        with tempfile.TemporaryDirectory() as folder:
            check_family(family, options, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
