# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""The RetroMAE training step in PyTorch, as well as we can write it: the peer of bench_retromae_step.

usage: retromae_peer.py [--workload base-8x128] [--variant strong] [--precision fp32] [--threads 2] [--steps 5] [--repeats 1]
       retromae_peer.py --serve ...         reads commands on stdin, answers one JSON line each (see below)
       retromae_peer.py --write FILE ...    makes the workload's batches and initial weights and writes them

Variants
  published   the graph as published: eager attention, dense additive masks, the head on every position, plain AdamW
  strong      scaled_dot_product_attention, the head on labeled rows only and once for both losses, fused AdamW
  compiled    strong under torch.compile
  packed      strong without padding: every linear layer runs on real tokens only, attention alone on a padded copy
  packed-compiled

A step = forward, backward, clipping of the gradient norm at 1, AdamW (1e-4, weight decay .01 but on biases and LayerNorms), dropout
0.1. Batches are collated beforehand. Tokens are real tokens of the encoder's view. bf16 means autocast over float32 weights.

The file of batches: for batch k, under the prefix `batches.k.`, the views of a dumped step (`passes.0.view.{input_ids,original_ids,
labels,offsets}`, `passes.0.terms.1.view.{...,visibility}`); the parameters under their dump names without prefix; metadata `config`
(JSON of the BERT config). A dumped step itself is read as one batch.

Commands of --serve, one per line
  run N    trains N steps over the batches in turn     -> {"seconds": s, "tokens": t, "loss": last}
  loss     loss of batch 0 without dropout or update   -> {"loss": total, "mlm": a, "decoder": b}
  encode N vectors of N batches in turn, no graph      -> {"seconds": s, "tokens": t, "sum": of the last vectors}
  quit
"""

import argparse
import contextlib
import json
import os
import sys
import time

ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20)}

if __name__ == "__main__" and "--system-allocator" not in sys.argv and any(os.environ.get(k) != v for k, v in ALLOCATOR.items()):
    # glibc would hand every large block back to the kernel and fault it in again, a quarter of a step; it reads these at start.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import BertConfig, BertForMaskedLM

IGNORED = -100
SHAPES = {"base": (12, 768, 12, 3072), "minilm": (6, 384, 12, 1536), "mini": (4, 256, 4, 1024), "tiny": (2, 128, 2, 512)}
WORKLOADS = {  # shape, texts of a batch, shortest and longest text
    "base-8x128": ("base", 8, 128, 128), "base-8x60..128": ("base", 8, 60, 128), "minilm-32x128": ("minilm", 32, 128, 128),
    "base-128x128": ("base", 128, 128, 128), "base-128x60..128": ("base", 128, 60, 128), "base-32x512": ("base", 32, 512, 512),
    "minilm-32x60..128": ("minilm", 32, 60, 128), "mini-32x128": ("mini", 32, 128, 128), "tiny-8x32..64": ("tiny", 8, 32, 64)}
VARIANTS = ("published", "strong", "compiled", "packed", "packed-compiled")


def bert_config(shape, dropout=0.1, longest=512):
    layers, width, heads, inner = SHAPES[shape] if isinstance(shape, str) else shape
    return BertConfig(vocab_size=30522, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
                      max_position_embeddings=max(longest, 512), hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)


# ------------------------------------------------------------------------------------------------------------------ batches


def make_batch(texts, shortest, longest, generator):
    """Random texts under RetroMAE's masks: .30 of the tokens by 80/10/10, decoder rows from a pool at .50. Packed, dump names."""
    draw = lambda *s: torch.rand(*s, generator=generator)
    ids, labels, clean, decoder_labels, sees, lengths = [], [], [], [], [], []
    for _ in range(texts):
        length = int(torch.randint(shortest, longest + 1, (), generator=generator))
        text = torch.randint(1000, 30522, (length,), generator=generator)
        text[0], text[-1] = 101, 102
        flags = torch.zeros(length, dtype=torch.bool)
        flags[1 + torch.randperm(length - 2, generator=generator)[: round(0.3 * length)]] = True
        kind, word = draw(length), torch.randint(0, 30522, (length,), generator=generator)
        hidden = torch.where(flags & (kind < 0.8), 103, text)
        ids.append(torch.where(flags & (kind >= 0.9), word, hidden))
        labels.append(torch.where(flags, text, IGNORED))
        clean.append(text)
        target = text.clone()
        target[0] = target[-1] = IGNORED
        decoder_labels.append(target)
        pool = draw(min(length, 256), length) >= 0.5
        rows = pool[torch.randint(0, len(pool), (length,), generator=generator)]
        rows[:, 0] = rows[:, -1] = True
        sees.append(rows.fill_diagonal_(False).flatten())
        lengths.append(length)
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    encoder, decoder = "passes.0.view", "passes.0.terms.1.view"
    return {f"{encoder}.input_ids": torch.cat(ids), f"{encoder}.original_ids": torch.cat(clean), f"{encoder}.labels": torch.cat(labels),
            f"{encoder}.offsets": offsets, f"{decoder}.input_ids": torch.cat(clean), f"{decoder}.original_ids": torch.cat(clean),
            f"{decoder}.labels": torch.cat(decoder_labels), f"{decoder}.offsets": offsets.clone(), f"{decoder}.visibility": torch.cat(sees).to(torch.uint8)}


def make_file(path, workload, batches, seed=1):
    """Batches, initial weights (N(0, .02), as BERT) and config of a workload: what both sides of a comparison read."""
    shape, texts, shortest, longest = WORKLOADS[workload]
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    config = bert_config(shape, longest=longest)
    tensors = dump_names(RetroMae(config, "strong"))
    tensors = {n: t.detach().clone() for n, t in tensors.items()}
    for k in range(batches):
        tensors.update({f"batches.{k}.{n}": t for n, t in make_batch(texts, shortest, longest, generator).items()})
    save_file(tensors, str(path), metadata={"config": json.dumps(config.to_diff_dict())})


def read_file(path):
    """(list of packed batches, weights, config entries or None)"""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        names = list(file.keys())
        tensors = {n: file.get_tensor(n) for n in names}
    weights = {n: t for n, t in tensors.items() if t.is_floating_point() and not n.startswith("gradients.")}
    numbers = sorted({int(n.split(".")[1]) for n in names if n.startswith("batches.")})
    prefixes = [f"batches.{k}." for k in numbers] or ([""] if "passes.0.view.input_ids" in tensors else [])
    batches = [{n[len(p):]: t for n, t in tensors.items() if n.startswith(p) and "view." in n} for p in prefixes]
    if "config" in metadata:
        return batches, weights, json.loads(metadata["config"])
    return batches, weights, json.loads(metadata["report"])["config"] if "report" in metadata else None


def collate(packed, length, rows=None, tokens=None):
    """A batch padded to `length`. Shapes that torch.compile would trace again are padded too: `rows` labels, `tokens` packed tokens."""
    view, branch = "passes.0.view", "passes.0.terms.1.view"
    offsets = packed[f"{view}.offsets"].tolist()
    lengths = [b - a for a, b in zip(offsets, offsets[1:])]
    count = len(lengths)

    def pad(values, fill):
        out = torch.full((count, length), fill)
        for i, (a, b) in enumerate(zip(offsets, offsets[1:])):
            out[i, : b - a] = values[a:b]
        return out

    real = pad(torch.ones(offsets[-1], dtype=torch.long), 0).bool()
    sees = torch.zeros(count, length, length, dtype=torch.bool)
    at = 0
    for i, n in enumerate(lengths):
        sees[i, :n, :n] = packed[f"{branch}.visibility"][at: at + n * n].view(n, n).bool()
        at += n * n
    sees[:, :, 0] |= ~sees.any(-1)     # a row that may see nothing has no label; let it read h, so that no softmax is empty
    labels = [pad(packed[f"{v}.labels"], IGNORED).flatten() for v in (view, branch)]
    where = [(l != IGNORED).nonzero().flatten() for l in labels]
    targets = [l[w] for l, w in zip(labels, where)]
    counts = [len(w) for w in where]
    if rows:
        where = [F.pad(w, (0, n - len(w))) for w, n in zip(where, rows)]
        targets = [F.pad(t, (0, n - len(t)), value=IGNORED) for t, n in zip(targets, rows)]
    index = real.flatten().nonzero().flatten()      # packed row -> padded row
    if tokens:
        index = F.pad(index, (0, tokens - len(index)))
    inverse = torch.zeros(count * length, dtype=torch.long)
    inverse[index.flip(0)] = torch.arange(len(index)).flip(0)
    full = bool(real.all())
    return {"ids": pad(packed[f"{view}.input_ids"], 0), "clean": pad(packed[f"{branch}.input_ids"], 0),
            "mask": None if full else real[:, None, None].expand(-1, 1, length, -1).contiguous(),
            "sees": sees[:, None].contiguous(), "where": where, "targets": targets, "labels": labels,
            "divisors": [torch.tensor(float(max(c, 1))) for c in counts], "tokens": offsets[-1], "index": index, "inverse": inverse}


# -------------------------------------------------------------------------------------------------------------------- model


class Decoder(nn.Module):
    """One two-stream post-LayerNorm layer: queries from h + P, keys and values from [h, E(x)], residual on the queries."""

    def __init__(self, config, fused):
        super().__init__()
        width, self.heads, self.fused, self.drop = config.hidden_size, config.num_attention_heads, fused, config.attention_probs_dropout_prob
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, config.intermediate_size), nn.Linear(config.intermediate_size, width)
        self.norm_1, self.norm_2 = nn.LayerNorm(width, eps=config.layer_norm_eps), nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def attend(self, query, context, sees):
        q, k, v = self.split(self.query(query)), self.split(self.key(context)), self.split(self.value(context))
        drop = self.drop if self.training else 0.0
        if self.fused:
            read = F.scaled_dot_product_attention(q, k, v, attn_mask=sees, dropout_p=drop)
        else:
            scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
            scores = scores + torch.zeros_like(scores[:, :1]).masked_fill(~sees, torch.finfo(scores.dtype).min)
            read = F.dropout(scores.softmax(-1), drop, self.training) @ v
        return read.transpose(1, 2).flatten(2)

    def finish(self, query, read):
        hidden = self.norm_1(query + self.dropout(self.dense(read)))
        return self.norm_2(hidden + self.dropout(self.down(F.gelu(self.up(hidden)))))

    def forward(self, query, context, sees):
        return self.finish(query, self.attend(query, context, sees))


class RetroMae(nn.Module):
    def __init__(self, config, variant):
        super().__init__()
        self.variant = variant
        self.published = variant == "published"
        self.packed = variant.startswith("packed")
        config._attn_implementation = "eager" if self.published else "sdpa"
        self.config = config
        self.lm = BertForMaskedLM(config)
        self.decoder = Decoder(config, not self.published)
        for name, value in self.decoder.named_parameters():
            if value.dim() == 2:
                nn.init.normal_(value, std=config.initializer_range)
            elif name.endswith("bias"):
                nn.init.zeros_(value)

    def encode_packed(self, batch):
        """BERT on real tokens only; attention alone sees the padded batch. Returns [T, H]."""
        bert, (count, length) = self.lm.bert, batch["ids"].shape
        index, inverse, width = batch["index"], batch["inverse"], self.config.hidden_size
        positions = index % length
        hidden = bert.embeddings(batch["ids"].flatten()[index][None], position_ids=positions[None])[0]
        drop = self.config.attention_probs_dropout_prob if self.training else 0.0
        for layer in bert.encoder.layer:
            inner = layer.attention.self
            q, k, v = (linear(hidden).index_select(0, inverse).view(count, length, inner.num_attention_heads, -1).transpose(1, 2)
                       for linear in (inner.query, inner.key, inner.value))
            read = F.scaled_dot_product_attention(q, k, v, attn_mask=batch["mask"], dropout_p=drop)
            read = read.transpose(1, 2).reshape(count * length, width).index_select(0, index)
            hidden = layer.feed_forward_chunk(layer.attention.output(read, hidden))
        return hidden

    def forward(self, batch):
        """(total, mlm, decoder): each the mean over its labels."""
        embeddings, (count, length) = self.lm.bert.embeddings, batch["ids"].shape
        place = embeddings.position_embeddings.weight
        if self.packed:
            encoded, index, inverse = self.encode_packed(batch), batch["index"], batch["inverse"]
            firsts = inverse.view(count, length)[:, 0]
            h = encoded[firsts]
            query = (h[:, None] + place[:length]).flatten(0, 1)[index]
            context = embeddings(batch["clean"].flatten()[index][None], position_ids=(index % length)[None])[0]
            context = context.index_copy(0, firsts, h.to(context.dtype))
            read = self.decoder
            q, k, v = (read.split(linear(x).index_select(0, inverse).view(count, length, -1))
                       for linear, x in ((read.query, query), (read.key, context), (read.value, context)))
            got = F.scaled_dot_product_attention(q, k, v, attn_mask=batch["sees"], dropout_p=read.drop if self.training else 0.0)
            got = got.transpose(1, 2).reshape(count * length, -1).index_select(0, index)
            decoded = read.finish(query, got)
            rows = [states.index_select(0, inverse[w]) for states, w in zip((encoded, decoded), batch["where"])]
        else:
            mask = batch["mask"]
            if self.published and mask is not None:     # eager attention adds its mask
                mask = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)
            hidden = self.lm.bert(input_ids=batch["ids"], attention_mask=mask).last_hidden_state
            h = hidden[:, :1]
            context = torch.cat([h, embeddings(batch["clean"])[:, 1:]], 1)
            decoded = self.decoder(h + place[:length], context, batch["sees"])
            if self.published:
                losses = [F.cross_entropy(self.lm.cls(states).flatten(0, 1), labels, ignore_index=IGNORED)
                          for states, labels in zip((hidden, decoded), batch["labels"])]
                return losses[0] + losses[1], losses[0], losses[1]
            rows = [states.flatten(0, 1).index_select(0, w) for states, w in zip((hidden, decoded), batch["where"])]
        logits = self.lm.cls(torch.cat(rows))
        parts = logits.split([len(r) for r in rows])
        losses = [F.cross_entropy(p.float(), t, reduction="sum", ignore_index=IGNORED) / n
                  for p, t, n in zip(parts, batch["targets"], batch["divisors"])]
        return losses[0] + losses[1], losses[0], losses[1]


def dump_names(model):
    """Dump name -> parameter."""
    own = {"query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value", "dense": "attention.output.dense",
           "norm_1": "attention.output.LayerNorm", "up": "intermediate.dense", "down": "output.dense", "norm_2": "output.LayerNorm"}
    out = {}
    for name, value in model.lm.named_parameters():
        name = name.replace("bert.embeddings.", "encoder.embeddings.").replace("bert.encoder.", "encoder.")
        out["cls.predictions.bias" if name == "cls.predictions.decoder.bias" else name] = value
    for name, value in model.decoder.named_parameters():
        part, kind = name.split(".")
        out[f"passes.0.terms.1.decoder.layer.0.{own[part]}.{kind}"] = value
    return out


def moved(batch, device):
    """The tensors of a batch on the device."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: moved(v, device) for k, v in batch.items()}
    return [moved(v, device) for v in batch] if isinstance(batch, list) else batch


def load_weights(model, weights):
    parameters = dump_names(model)
    missing = sorted(set(parameters) ^ set(weights))
    if missing:
        raise SystemExit(f"the weights differ from the model in: {', '.join(missing[:6])}")
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(weights[name])


class Trainer:
    def __init__(self, options):
        packed, weights, stored = read_file(options.batches) if options.batches else ([], {}, None)
        shape, texts, shortest, longest = WORKLOADS[options.workload]
        config = bert_config(shape, options.dropout, longest)
        if stored is not None:
            merged = {**config.to_dict(), **stored}
            words = weights["encoder.embeddings.word_embeddings.weight"].shape
            merged.update(vocab_size=words[0], hidden_size=words[1], max_position_embeddings=weights["encoder.embeddings.position_embeddings.weight"].shape[0],
                          intermediate_size=weights["encoder.layer.0.intermediate.dense.bias"].shape[0],
                          num_hidden_layers=1 + max(int(n.split(".")[2]) for n in weights if n.startswith("encoder.layer.")),
                          hidden_dropout_prob=options.dropout)
            config = BertConfig(**merged)
        config.attention_probs_dropout_prob = options.dropout if options.attention_dropout is None else options.attention_dropout
        if not packed:
            generator = torch.Generator().manual_seed(options.seed)
            packed = [make_batch(texts, shortest, longest, generator) for _ in range(options.distinct)]
        torch.manual_seed(options.seed)
        self.model = RetroMae(config, options.variant)
        if weights:
            load_weights(self.model, weights)
        self.device = torch.device(options.device)
        self.model.to(self.device).train()
        lengths = [int((p["passes.0.view.offsets"][1:] - p["passes.0.view.offsets"][:-1]).max()) for p in packed]
        if options.variant.endswith("compiled"):
            most = [max(int((p[f"{v}.labels"] != IGNORED).sum()) for p in packed) for v in ("passes.0.view", "passes.0.terms.1.view")]
            tokens = max(int(p["passes.0.view.offsets"][-1]) for p in packed) if self.model.packed else None
            same = len({len(p["passes.0.view.offsets"]) for p in packed}) == 1
            if not same:
                raise SystemExit("compiled variants want the same number of texts in every batch")
            if tokens is not None and any(int(p["passes.0.view.offsets"][-1]) < tokens for p in packed) and max(lengths) * (len(packed[0]["passes.0.view.offsets"]) - 1) == tokens:
                tokens = None
            self.batches = [collate(p, max(lengths), most, tokens) for p in packed]
            self.loss = torch.compile(self.model, dynamic=False)
        else:
            self.batches = [collate(p, n) for p, n in zip(packed, lengths)]
            self.loss = self.model
        self.batches = [moved(b, self.device) for b in self.batches]
        decayed = [p for n, p in dump_names(self.model).items() if p.dim() >= 2]
        rest = [p for n, p in dump_names(self.model).items() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], lr=1e-4,
                                           fused=not self.model.published)
        self.bf16, self.next = options.precision == "bf16", 0

    def autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else contextlib.nullcontext()

    def run(self, steps):
        start, tokens, loss = time.perf_counter(), 0, None
        for _ in range(steps):
            batch = self.batches[self.next % len(self.batches)]
            self.next += 1
            self.optimizer.zero_grad(set_to_none=True)
            with self.autocast():
                loss = self.loss(batch)[0]
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            tokens += batch["tokens"]
        last = loss.item()      # waits for the device
        return {"seconds": time.perf_counter() - start, "tokens": tokens, "loss": last}

    def encode(self, batches):
        self.model.eval()
        start, tokens, vectors = time.perf_counter(), 0, None
        with torch.no_grad(), self.autocast():
            for k in range(batches):
                batch = self.batches[k % len(self.batches)]
                if self.model.packed:
                    vectors = self.model.encode_packed(batch)[batch["inverse"].view(batch["ids"].shape)[:, 0]]
                else:
                    vectors = self.model.lm.bert(input_ids=batch["ids"], attention_mask=batch["mask"]).last_hidden_state[:, 0]
                tokens += batch["tokens"]
        total = vectors.double().sum().item()
        self.model.train()
        return {"seconds": time.perf_counter() - start, "tokens": tokens, "sum": total}

    def evaluate(self):
        self.model.eval()
        with torch.no_grad(), self.autocast():
            total, mlm, decoder = (x.item() for x in self.model(self.batches[0]))
        self.model.train()
        return {"loss": total, "mlm": mlm, "decoder": decoder}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, default="base-8x128")
    parser.add_argument("--variant", choices=VARIANTS, default="strong")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--attention-dropout", type=float, help="of the attention weights (default: as --dropout)")
    parser.add_argument("--batches", metavar="FILE", help="batches and weights to use; default: random ones of the workload")
    parser.add_argument("--write", metavar="FILE", help="write batches and weights of the workload, then exit")
    parser.add_argument("--distinct", type=int, default=4, help="number of different batches to make (default: %(default)d)")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help="take commands from stdin")
    parser.add_argument("--system-allocator", action="store_true", help="leave glibc's allocator settings alone")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.write:
        make_file(options.write, options.workload, options.distinct, options.seed)
        return 0
    trainer = Trainer(options)
    name = f"{options.variant}-{options.precision}" + ("-system-allocator" if options.system_allocator else "")
    if options.serve:
        print(json.dumps({"ready": name, "parameters": sum(p.numel() for p in trainer.model.parameters())}), flush=True)
        for line in sys.stdin:
            words = line.split()
            if not words:
                continue
            if words[0] == "quit":
                break
            calls = {"run": trainer.run, "encode": trainer.encode}
            print(json.dumps(calls[words[0]](int(words[1])) if words[0] in calls else trainer.evaluate()), flush=True)
        return 0
    before = trainer.evaluate()
    trainer.run(options.warmup)
    for _ in range(options.repeats):
        out = trainer.run(options.steps)
        print(json.dumps({"variant": name, "workload": options.workload, "threads": options.threads, "tokens_per_second": out["tokens"] / out["seconds"],
                          **out, "first_loss": before["loss"]}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
