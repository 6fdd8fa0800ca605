# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of the encoder and of the RetroMAE losses: what transformers computes, for tests without Python.

usage: bert_golden.py            writes golden/ beside this file
       bert_golden.py --check    computes everything again and compares with the stored files
       bert_golden.py --variants DIR   writes tiny_bert under the older names of the same weights

golden/tiny_bert/                 a random BERT of 2 layers: config.json, model.safetensors (BertForMaskedLM) and vocab.txt
golden/bert.safetensors           what it computes; weights float32, arithmetic float64, stored as float32:
    input_ids, labels, token_type_ids [T], offsets [41]   40 texts of 1 to 64 tokens; labels -100 where none
    hidden.0 .. hidden.2          [T, 32]    embeddings, then after each layer; token types all 0
    typed                         [T, 32]    after the last layer, with token_type_ids
    logits_rows, logits           [R], [R, 120]  head outputs of some rows, token types 0
    loss                          []         float64 mean cross-entropy of the labels
    gradients.NAME                           of the loss, under the names of model.safetensors
golden/COMPOSITION.safetensors    a dumped step as `--dump-step` writes it, for a model of width 16, plus gradients.NAME of the total
"""

import argparse
import pathlib
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM

import dump_step_check
import dump_step_oracle as oracle

HERE = pathlib.Path(__file__).resolve().parent
COMPOSITIONS = ("retromae", "retromae-layernorm-query", "retromae-basic", "retromae-deep", "dupmae", "condenser", "cot-mae-qc", "seed")


def vocabulary(size=120):
    """The special tokens, then every letter, digit and mark as a word and every letter as a word's tail, then short words."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = "the a of and to in is it on for with as at by from this that are was be or an not one two all".split()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *"0123456789.,?!-'():"]
    pieces += [w for w in dict.fromkeys(words) if w not in pieces] + ["##s", "##ed", "##ing", "##er", "##ly", "##tion", "##al", "##en", "##es", "##or"]
    pieces = list(dict.fromkeys(pieces))
    return pieces[:size] + [f"[unused{i}]" for i in range(size - len(pieces))]


def texts(draws):
    """40 texts: a bare [CLS], two empty ones, one of full length, else mostly short."""
    lengths = [1, 2, 64, 3, 2] + [3 + (7 * i * i + 3 * i) % 17 for i in range(35)]
    return [draws.text(n)[:n] for n in lengths]


def encoder_golden(folder):
    """Writes the model folder and returns the tensors of bert.safetensors."""
    generator = torch.Generator().manual_seed(11)
    model = BertForMaskedLM(oracle.tiny_config())
    oracle.randomize(model, generator)
    model.tie_weights()
    model.eval().save_pretrained(folder)
    model = model.double()
    model.bert.embeddings.word_embeddings.padding_idx = None
    draws = oracle.Draws(12)
    inputs = texts(draws)
    hidden_flags = [draws.flags(t, 0.3) if len(t) > 2 else torch.zeros(len(t), dtype=torch.bool) for t in inputs]
    labels = [torch.where(f, t, oracle.IGNORED) for f, t in zip(hidden_flags, inputs)]
    inputs = [draws.bert_80_10_10(t, f) for f, t in zip(hidden_flags, inputs)]
    types = [(torch.arange(len(t)) >= (len(t) + 1) // 2).long() for t in inputs]

    # One text at a time for the numbers; the padded batch must give the same.
    states = [model.bert(input_ids=t[None], output_hidden_states=True).hidden_states for t in inputs]
    packed = [torch.cat([s[n][0] for s in states]) for n in range(3)]
    pad = lambda rows: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    real = pad([torch.ones(len(t), dtype=torch.long) for t in inputs])
    padded = model.bert(input_ids=pad(inputs), attention_mask=real, output_hidden_states=True).hidden_states
    for one, other in zip(packed, padded):
        torch.testing.assert_close(one, other[real.bool()], rtol=1e-10, atol=1e-10)
    typed = torch.cat([model.bert(input_ids=t[None], token_type_ids=y[None]).last_hidden_state[0] for t, y in zip(inputs, types)])

    target = torch.cat(labels)
    logits = model.cls(packed[-1])
    loss = F.cross_entropy(logits, target, ignore_index=oracle.IGNORED)
    names = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(names.values()))
    rows = torch.tensor([0, 1, 2, 5, 40, 66, 70, len(target) - 1])
    return {"input_ids": torch.cat(inputs), "labels": target, "token_type_ids": torch.cat(types),
            "offsets": torch.tensor([0] + [len(t) for t in inputs]).cumsum(0),
            "hidden.0": packed[0].float(), "hidden.1": packed[1].float(), "hidden.2": packed[2].float(), "typed": typed.float(),
            "logits_rows": rows, "logits": logits[rows].float(), "loss": loss,
            **{f"gradients.{n}": g.float() for n, g in zip(names, gradients)}}


def write_all(folder):
    """Writes every golden file under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = encoder_golden(folder / "tiny_bert")
    save_file({n: t.detach().contiguous() for n, t in tensors.items()}, str(folder / "bert.safetensors"))
    (folder / "tiny_bert" / "generation_config.json").unlink(missing_ok=True)
    (folder / "tiny_bert" / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")
    config = oracle.tiny_config(hidden_size=16, num_attention_heads=2, intermediate_size=32, vocab_size=60, max_position_embeddings=40)
    for name, (model, composition) in oracle.compositions(21, (12, 2, 31, 3, 7, 20), config, COMPOSITIONS).items():
        path = folder / f"{name}.safetensors"
        oracle.write(path, model, composition, with_gradients=True)
        if not dump_step_check.check(path, torch.float64)["ok"]:
            raise SystemExit(f"{path}: the two routes disagree")


def variants(folder, source=HERE / "golden" / "tiny_bert"):
    """The names under which the same weights are found in the wild; each folder must load to the same numbers."""
    tensors = load_file(source / "model.safetensors")
    word = tensors["bert.embeddings.word_embeddings.weight"]
    old = lambda n: n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    bare = lambda n: n.removeprefix("bert.")
    body = {n: t for n, t in tensors.items() if n.startswith("bert.")}
    made = {
        "gamma_beta": {old(n): t for n, t in tensors.items()},                                             # TensorFlow's names
        "without_prefix": {bare(n): t for n, t in body.items()},                                           # BertModel alone, no head
        "untied_copy": {**tensors, "cls.predictions.decoder.weight": word.clone()},                        # the tied matrix stored twice
        "with_extras": {**tensors, "bert.embeddings.position_ids": torch.arange(64)[None],                 # buffers, pooler, next sentence
                        "bert.pooler.dense.weight": torch.eye(32), "bert.pooler.dense.bias": torch.zeros(32),
                        "cls.seq_relationship.weight": torch.zeros(2, 32), "cls.seq_relationship.bias": torch.zeros(2)},
        "half": {n: t.half() for n, t in tensors.items()},
        "bfloat16": {n: t.bfloat16() for n, t in tensors.items()},
    }
    for name, values in made.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        (target / "config.json").write_bytes((source / "config.json").read_bytes())
        save_file({n: t.contiguous() for n, t in values.items()}, str(target / "model.safetensors"), metadata={"format": "pt"})
        print(f"{target}: {len(values)} tensors")


def compare(stored, fresh):
    """0 if the stored files hold what was just computed."""
    worst = 0.0
    for path in sorted(p.relative_to(fresh) for p in fresh.rglob("*.safetensors")):
        one, other = load_file(stored / path), load_file(fresh / path)
        if one.keys() != other.keys():
            raise SystemExit(f"{path}: the stored file holds other tensors")
        for name, value in one.items():
            scale = max(value.double().abs().max().item(), 1e-6) if value.numel() else 1.0
            worst = max(worst, ((value.double() - other[name].double()).abs().max().item() / scale) if value.numel() else 0.0)
    print(f"stored and fresh golden files differ by at most {worst:.1e}")
    return 0 if worst < 1e-6 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--variants", type=pathlib.Path, metavar="DIR")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.variants:
        variants(options.variants)
        return 0
    if options.check:
        with tempfile.TemporaryDirectory() as scratch:
            write_all(pathlib.Path(scratch))
            return compare(HERE / "golden", pathlib.Path(scratch))
    write_all(HERE / "golden")
    return 0


if __name__ == "__main__":
    sys.exit(main())
