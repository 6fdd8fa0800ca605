# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""MASTER's training step, beside PyTorch with SDPA under bf16 autocast.

usage: master.py [--device cuda] [--shape base] [--texts 128] [--length 128] [--steps 30] [--json FILE]

Ours is the program: `bmae pretrain --preset master`, collator and reading included. The peer has the same layers over batches that are
already on the device: BERT over the passage, five decoders of two layers, the head on labeled rows. Its tokens are random, so the
two losses are not compared; the tokens that count are those of the encoder's view.
"""
import argparse
import json
import pathlib
import random
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("parity", "benchmarks")]

import torch
import torch.nn.functional as F
from transformers import BertForMaskedLM
from transformers.models.bert.modeling_bert import BertLayer

import presets
import retromae_peer

DECODERS, LAYERS = 5, 2


def write_corpus(folder, documents, sentences, seed=1):
    """Documents of invented words over a vocabulary of BERT's size, with queries and continuations."""
    rng = random.Random(seed)
    parts = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = [a + b + c for a in parts for b in parts for c in parts][:30000]
    sentence = lambda: " ".join(rng.choice(words) for _ in range(12)).capitalize() + "."
    rows = [{"id": f"d{i}", "title": "", "text": " ".join(sentence() for _ in range(sentences)), "queries": [sentence()[:-1] for _ in range(3)],
             "continuation": " ".join(sentence() for _ in range(sentences))} for i in range(documents)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "."] + words) + "\n")


def ours(options, work):
    write_corpus(work, 2 * options.texts, 3 * max(1, options.length // 12))     # three passages a document
    presets.call(presets.HERE, "prepare", "--input", work / "corpus.jsonl", "--format", "jsonl", "--tokenizer", work / "vocab.txt", "--max-length",
                 options.length, "--output", work / "store")
    layers, width, heads, inner = retromae_peer.SHAPES[options.shape]
    (work / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 30006, "hidden_size": width, "num_hidden_layers": layers,
                                                  "num_attention_heads": heads, "intermediate_size": inner, "max_position_embeddings": 512,
                                                  "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "initializer_range": .02,
                                                  "hidden_dropout_prob": .1, "attention_probs_dropout_prob": .1, "pad_token_id": 0}))
    presets.call(presets.environment_of(options.device), "pretrain", "--preset", "master", "--config", work / "config.json", "--data", work / "store",
                 "--steps", options.warmup + options.steps, "--batch-examples", options.texts, "--precision", "bf16", "--device", options.device,
                 "--loader-threads", 4, "--log-every", 1, "--output", work / "run")
    log = [json.loads(line) for line in (work / "run" / "log.jsonl").read_text().splitlines()]
    rates = [line["tokens_per_second"] for line in log[options.warmup:]]
    return sorted(rates)[len(rates) // 2]


class Peer(torch.nn.Module):
    def __init__(self, options):
        super().__init__()
        config = retromae_peer.bert_config(options.shape)
        config._attn_implementation = "sdpa"
        self.lm = BertForMaskedLM(config)
        self.decoders = torch.nn.ModuleList(torch.nn.ModuleList(BertLayer(config) for _ in range(LAYERS)) for _ in range(DECODERS))

    def forward(self, ids, views, where, targets):
        bert = self.lm.bert
        hidden = bert(input_ids=ids).last_hidden_state
        rows = [hidden.flatten(0, 1).index_select(0, where[0])]
        for decoder, view, place in zip(self.decoders, views, where[1:]):
            states = torch.cat([hidden[:, :1], bert.embeddings(view)[:, 1:]], 1)
            for layer in decoder:
                states = layer(states)
                states = states[0] if isinstance(states, tuple) else states
            rows.append(states.flatten(0, 1).index_select(0, place))
        logits = self.lm.cls(torch.cat(rows)).float()
        parts = logits.split([len(r) for r in rows])
        return sum(F.cross_entropy(p, t) for p, t in zip(parts, targets))


def theirs(options):
    torch.manual_seed(1)
    device = torch.device(options.device)
    model = Peer(options).to(device).train()
    shape = (options.texts, options.length)
    draw = lambda: torch.randint(5, 30000, shape, device=device)
    ids, views = draw(), [draw() for _ in range(DECODERS)]
    cells = options.texts * options.length
    where = [torch.randperm(cells, device=device)[: int(rate * cells)] for rate in (.3, .5, .5, .5, .5, .5)]
    targets = [draw().flatten()[w] for w in where]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    rates = []
    for step in range(options.warmup + options.steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss = model(ids, views, where, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        if step >= options.warmup:
            rates.append(cells / (time.perf_counter() - start))
    return sorted(rates)[len(rates) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=retromae_peer.SHAPES, default="base")
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mine = ours(options, pathlib.Path(folder))
    peer = theirs(options)
    row = {"workload": f"master {options.shape} {options.texts}x{options.length}", "precision": "bf16", "ours": mine, "theirs": peer, "ratio": mine / peer}
    print(f"{row['workload']:<28} bf16 ours {mine:>11.1f} tok/s, PyTorch SDPA {peer:>11.1f} tok/s, ratio {mine / peer:.2f}")
    if options.json:
        options.json.write_text(json.dumps([row], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
