# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Peak memory and time of RetroMAE steps over an XLM-RoBERTa of a large vocabulary, by the program `bmae`.

usage: large_vocabulary.py [--vocabulary N] [--hidden H] [--layers N] [--batch-tokens N] [--steps N] [--preset NAME]

The tokenizer has N pieces, nearly all invented, so that the head has the size of the published models: 250,002 pieces. BMAE_BIN names the folder of
the program.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile

PROGRAM = pathlib.Path(os.environ.get("BMAE_BIN", ".")) / "bmae-torch"


def write_tokenizer(folder, vocabulary, words):
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [("\u2581" + word, -8.0) for word in words] + [(chr(code), -12.0) for code in range(97, 123)] + [("\u2581", -9.0)]
    pieces += [(f"\u2581{chr(0x4e00 + i % 20000)}{i}", -15.0) for i in range(vocabulary - len(names) - len(pieces) - 1)]
    every = names + [piece for piece, _ in pieces] + ["<mask>"]
    special = [{"id": every.index(name), "content": name, "special": True, "single_word": False, "lstrip": name == "<mask>", "rstrip": False,
                "normalized": False} for name in [*names, "<mask>"]]
    document = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
                "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
                "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                                                            {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [],
                                   "special_tokens": {name: {"id": name, "ids": [every.index(name)], "tokens": [name]} for name in ("<s>", "</s>")}},
                "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
                "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": False,
                          "vocab": [[name, 0.0] for name in names] + [list(piece) for piece in pieces] + [["<mask>", 0.0]]}}
    (folder / "tokenizer.json").write_text(json.dumps(document))
    assert len(every) == vocabulary, len(every)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", type=int, default=250002)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--preset", default="retromae")
    options = parser.parse_args()
    rng = random.Random(1)
    words = sorted({"".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(rng.randint(2, 4))) for _ in range(4000)})
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        write_tokenizer(work, options.vocabulary, words)
        texts = [" ".join(rng.choices(words, k=140)) for _ in range(400)]
        (work / "texts.jsonl").write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)))
        config = {"model_type": "xlm-roberta", "architectures": ["XLMRobertaForMaskedLM"], "vocab_size": options.vocabulary, "hidden_size": options.hidden,
                  "num_hidden_layers": options.layers, "num_attention_heads": options.hidden // 32, "intermediate_size": 4 * options.hidden, "hidden_act": "gelu",
                  "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
        (work / "config.json").write_text(json.dumps(config))
        quiet = {"check": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        subprocess.run([PROGRAM, "prepare", "--input", work / "texts.jsonl", "--tokenizer", work, "--max-length", "150", "--output", work / "store"], **quiet)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        done = subprocess.run([PROGRAM, "pretrain", "--preset", options.preset, "--config", work / "config.json", "--data", work / "store", "--steps",
                               str(options.steps), "--batch-tokens", str(options.batch_tokens), "--json", "--output", work / "run"], **quiet)
        told = json.loads(done.stdout.splitlines()[-1])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert peak > before, "the tokenizer took more memory than the training"
        print(f"{options.preset}, V {options.vocabulary}, H {options.hidden}, {options.layers} layers, {options.batch_tokens} tokens a step: "
              f"peak {peak / 1024 ** 2:.2f} GiB, {told['seconds'] / options.steps:.1f} s a step with saving")


if __name__ == "__main__":
    sys.exit(main())
