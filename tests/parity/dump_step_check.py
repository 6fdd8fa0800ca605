# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Recomputes a dumped training step in plain PyTorch and compares every loss and every gradient norm.

usage: dump_step_check.py [--float64] [--tolerance 1e-5] [--json] [--quiet] FILE...        a folder stands for its .safetensors files

A dump (docs: `bmae pretrain --dump-step`) holds the token views, the parameters and the report of one step. This program shares
no code with the library: it runs one text at a time, without padding and without packing, straight from the papers' equations.

Exit status: 0 all agree, 1 a number differs or the inputs are implausible, 2 the file does not follow the format, 77 without PyTorch.

Notation: L tokens of a text, H hidden size, V vocabulary, B texts of a view.
"""

import argparse
import json
import pathlib
import re
import sys

try:
    import torch
    import torch.nn.functional as F
    from safetensors import safe_open
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    print(f"skipped: dump_step_check.py needs the Python package `{error.name}`, which is not installed")
    sys.exit(77)

IGNORED = -100


class FormatError(Exception):
    """The file does not say what the format demands."""


# ---------------------------------------------------------------------------------------------------------------- the file


class View:
    """One packed view: input_ids, original_ids, labels [T], offsets [B+1] and what may stand beside them."""

    def __init__(self, tensors, prefix, first_position=0):
        self.name = prefix
        for part in ("input_ids", "original_ids", "labels", "offsets"):
            key = f"{prefix}.{part}"
            if key not in tensors:
                raise FormatError(f"tensor {key} is missing")
            if tensors[key].dtype != torch.int64 or tensors[key].dim() != 1:
                raise FormatError(f"tensor {key}: expected int64 of one dimension, found {tensors[key].dtype} {list(tensors[key].shape)}")
            setattr(self, part, tensors[key])
        tokens = self.input_ids.numel()
        offsets = self.offsets.tolist()
        if offsets[0] != 0 or offsets[-1] != tokens or any(b < a for a, b in zip(offsets, offsets[1:])):
            raise FormatError(f"{prefix}.offsets must rise from 0 to {tokens}, found {offsets[:4]} .. {offsets[-1]}")
        if self.original_ids.numel() != tokens or self.labels.numel() != tokens:
            raise FormatError(f"{prefix}: input_ids, original_ids and labels differ in length")
        self.texts = [slice(a, b) for a, b in zip(offsets, offsets[1:])]
        self.types = tensors.get(f"{prefix}.token_types")
        self.types = torch.zeros(tokens, dtype=torch.int64) if self.types is None else self.types.long()
        self.positions = tensors.get(f"{prefix}.positions")
        if self.positions is None:
            self.positions = torch.cat([torch.arange(s.stop - s.start) for s in self.texts])
        self.positions = self.positions + first_position
        self.flags = tensors.get(f"{prefix}.flags")
        packed = tensors.get(f"{prefix}.visibility")
        self.visibility = None
        if packed is not None:
            lengths = [s.stop - s.start for s in self.texts]
            if packed.dtype != torch.uint8 or packed.numel() != sum(n * n for n in lengths):
                raise FormatError(f"{prefix}.visibility: expected {sum(n * n for n in lengths)} uint8, found {packed.numel()} {packed.dtype}")
            self.visibility = [m.view(n, n).bool() for m, n in zip(packed.flatten().split([n * n for n in lengths]), lengths)]


class Dump:
    """Tensors, parameters and report of one file."""

    def __init__(self, path, dtype):
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if "report" not in metadata:
            raise FormatError("the metadata has no key `report`")
        self.report = json.loads(metadata["report"])
        for key in ("preset", "composition", "total", "special_ids", "config", "terms", "views", "gradient_norms"):
            if key not in self.report:
                raise FormatError(f"the report has no `{key}`")
        self.tensors = tensors
        # A file may also hold whole gradients, as the golden files do; only the norms are judged here.
        self.parameters = {n: t.to(dtype).requires_grad_() for n, t in tensors.items() if t.is_floating_point() and not n.startswith("gradients.")}
        self.dtype = dtype
        self.config = self.report["config"]
        self.heads = int(self.config["num_attention_heads"])
        self.epsilon = float(self.config["layer_norm_eps"])
        self.activation = {"gelu": F.gelu, "relu": F.relu, "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
                           "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh")}[self.config["hidden_act"]]
        self.modern = self.config.get("model_type") == "modernbert"
        # RoBERTa's rows of the table of positions begin behind that of the padding.
        roberta = self.config.get("model_type") in ("roberta", "xlm-roberta", "camembert")
        self.first_position = int(self.config["pad_token_id"]) + 1 if roberta else 0
        self.words = "encoder.embeddings.tok_embeddings.weight" if self.modern else "encoder.embeddings.word_embeddings.weight"
        self.special = {k: int(v) for k, v in self.report["special_ids"].items()}
        passes = {int(m.group(1)) for m in map(re.compile(r"passes\.(\d+)\.view\.").match, tensors) if m}
        if passes != set(range(len(passes))) or not passes:
            raise FormatError(f"passes must be counted from 0, found {sorted(passes)}")
        self.passes = [View(tensors, f"passes.{i}.view", self.first_position) for i in range(len(passes))]

    def view_of(self, term):
        """The view a term reads: its own if the file has one, else the one of its pass."""
        return View(self.tensors, f"{term['name']}.view", self.first_position) if self.has_view(term) else self.passes[pass_of(term)]

    def has_view(self, term):
        return f"{term['name']}.view.input_ids" in self.tensors


def pass_of(term):
    match = re.match(r"passes\.(\d+)\.", term["name"])
    if not match:
        raise FormatError(f"term {term['name']} belongs to no pass")
    return int(match.group(1))


# ------------------------------------------------------------------------------------------------------------- the network


def is_gated(name):
    return ".layers." in name


def turned(x, theta):
    """Rotary positions by complex numbers: columns i and i + d/2 of a head are a point that row p turns by p theta^(-2i/d)."""
    half = x.shape[-1] // 2
    speeds = 1.0 / theta ** (torch.arange(half, dtype=torch.float32) * 2 / (2 * half))
    angles = (torch.arange(x.shape[-2], dtype=torch.float32)[:, None] * speeds).to(x.dtype)
    points = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([points.real, points.imag], -1)


class Network:
    """BERT and the decoders, one text at a time, from the parameters of a dump."""

    def __init__(self, dump):
        self.dump, self.p = dump, dump.parameters

    def has(self, name):
        return name in self.p

    def linear(self, name, x):
        return x @ self.p[f"{name}.weight"].T + self.p[f"{name}.bias"]

    def norm(self, name, x):
        centered = x - x.mean(-1, keepdim=True)
        scaled = centered / (centered.square().mean(-1, keepdim=True) + self.dump.epsilon).sqrt() * self.p[f"{name}.weight"]
        return scaled + self.p[f"{name}.bias"] if self.has(f"{name}.bias") else scaled

    def embed(self, ids, positions, types, root="encoder.embeddings"):
        if self.dump.modern:   # positions enter in the layers
            return self.norm(f"{root}.norm", self.p[f"{root}.tok_embeddings.weight"][ids])
        summed = (self.p[f"{root}.word_embeddings.weight"][ids] + self.p[f"{root}.position_embeddings.weight"][positions]
                  + self.p[f"{root}.token_type_embeddings.weight"][types])
        return self.norm(f"{root}.LayerNorm", summed)

    def attend(self, name, query, context, allowed):
        """softmax(Q K^T / sqrt(H / heads) + M) V; allowed is bool [rows, columns] or None."""
        rows, width = query.shape
        split = lambda x: x.view(x.shape[0], self.dump.heads, -1).transpose(0, 1)
        q, k, v = split(self.linear(f"{name}.query", query)), split(self.linear(f"{name}.key", context)), split(self.linear(f"{name}.value", context))
        scores = q @ k.transpose(1, 2) / (width / self.dump.heads) ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
        return (scores.softmax(-1) @ v).transpose(0, 1).reshape(rows, width)

    def layer(self, name, query, context=None, allowed=None, sentence=None, crossing=None):
        """A post-LayerNorm BERT layer. The residual is the query; context None means self-attention. Cross-attention to `sentence` has
        the parameters of the layer, or of `crossing` where the layer is another network's."""
        context = query if context is None else context
        if is_gated(name):
            return self.gated_layer(name, query, context, allowed, float(self.dump.config["global_rope_theta"]))
        hidden = self.attend(f"{name}.attention.self", query, context, allowed)
        hidden = self.norm(f"{name}.attention.output.LayerNorm", query + self.linear(f"{name}.attention.output.dense", hidden))
        if sentence is not None:
            crossing = f"{crossing or name}.crossattention"
            crossed = self.attend(f"{crossing}.self", hidden, sentence[None], None)
            hidden = self.norm(f"{crossing}.output.LayerNorm", hidden + self.linear(f"{crossing}.output.dense", crossed))
        return self.norm(f"{name}.output.LayerNorm", hidden + self.feed_forward(name, hidden))

    def gated_layer(self, name, query, context, allowed, theta):
        """A layer of ModernBERT: norms before the blocks, rotary queries and keys, a gated feed-forward block, no biases. All rows are
        those of one text from its first: their positions are 0, 1, 2 ..."""
        rows, width = query.shape
        normed = [self.norm(f"{name}.attn_norm", x) if self.has(f"{name}.attn_norm.weight") else x for x in (query, context)]
        wq, wk, wv = self.p[f"{name}.attn.Wqkv.weight"].split(width)
        split = lambda x: x.view(x.shape[0], self.dump.heads, -1).transpose(0, 1)
        q, k, v = turned(split(normed[0] @ wq.T), theta), turned(split(normed[1] @ wk.T), theta), split(normed[1] @ wv.T)
        scores = q @ k.transpose(1, 2) / (width / self.dump.heads) ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
        x = query + (scores.softmax(-1) @ v).transpose(0, 1).reshape(rows, width) @ self.p[f"{name}.attn.Wo.weight"].T
        value, gate = (self.norm(f"{name}.mlp_norm", x) @ self.p[f"{name}.mlp.Wi.weight"].T).chunk(2, -1)
        return x + (self.dump.activation(value) * gate) @ self.p[f"{name}.mlp.Wo.weight"].T

    def gated_encoder(self, root, hidden):
        """The states after each layer of ModernBERT, the last behind its norm; local layers see half a window on either side."""
        config, states = self.dump.config, [hidden]
        at = torch.arange(len(hidden))
        near = (at[:, None] - at[None]).abs() <= int(config["local_attention"]) // 2
        for name, kind in zip(self.layers(root), config["layers"], strict=True):
            theta = float(config["local_rope_theta" if kind == "local" else "global_rope_theta"])
            states.append(self.gated_layer(name, states[-1], states[-1], near if kind == "local" else None, theta))
        states[-1] = self.norm(f"{root}.final_norm", states[-1])
        return states

    def placed(self, root, hidden):
        """Rows with the decoder's own table of positions, where it has one."""
        table = self.p.get(f"{root}.position_embeddings.weight")
        return hidden if table is None else hidden + table[: len(hidden)]

    def feed_forward(self, name, x):
        return self.linear(f"{name}.output.dense", self.dump.activation(self.linear(f"{name}.intermediate.dense", x)))

    def pre_norm_layer(self, name, x, allowed):
        """A GPT-2 block under BERT's names: each LayerNorm stands before its sub-layer."""
        normed = self.norm(f"{name}.attention.output.LayerNorm", x)
        x = x + self.linear(f"{name}.attention.output.dense", self.attend(f"{name}.attention.self", normed, normed, allowed))
        return x + self.feed_forward(name, self.norm(f"{name}.output.LayerNorm", x))

    def layers(self, root):
        found = {m.groups() for m in map(re.compile(re.escape(root) + r"\.(layers?)\.(\d+)\.").match, self.p) if m}
        numbers = sorted(int(n) for _, n in found)
        if numbers != list(range(len(numbers))) or len({kind for kind, _ in found}) > 1:
            raise FormatError(f"{root}.layer must be counted from 0, found {numbers}")
        return [f"{root}.{kind}.{n}" for kind, n in sorted(found, key=lambda f: int(f[1]))]

    def encode(self, ids, positions, types, tower=""):
        """Hidden states [L, H]: the embeddings, then after each layer."""
        states = [self.embed(ids, positions, types, f"{tower}encoder.embeddings")]
        if self.dump.modern:
            return self.gated_encoder(f"{tower}encoder", states[0])
        for name in self.layers(f"{tower}encoder"):
            states.append(self.layer(name, states[-1]))
        return states

    def vocabulary_logits(self, hidden, head="cls.predictions"):
        """A language-model head: dense, activation, LayerNorm, tied word embeddings with their own bias."""
        if self.dump.modern and head == "cls.predictions":   # the encoder's own
            hidden = self.norm("head.norm", F.gelu(hidden @ self.p["head.dense.weight"].T))
            return hidden @ self.p[self.dump.words].T + self.p["head.bias"]
        hidden = self.norm(f"{head}.transform.LayerNorm", self.dump.activation(self.linear(f"{head}.transform.dense", hidden)))
        tied = self.p.get(f"{head}.decoder.weight", self.p[self.dump.words])
        bias = self.p.get(f"{head}.bias", self.p.get(f"{head}.decoder.bias"))
        if bias is None:
            raise FormatError(f"{head}.bias is missing")
        return hidden @ tied.T + bias


# --------------------------------------------------------------------------------------------------------------- the terms


class Step:
    """Every loss term of a dump and the gradient of their weighted sum."""

    def __init__(self, dump):
        self.dump, self.net, self.notes = dump, Network(dump), []
        tower = {"momentum": "momentum.", "second": "second."}
        towers = [tower.get(p.get("encoder"), "") for p in dump.report.get("passes", [])] or [""] * len(dump.passes)
        self.states = [[self.net.encode(view.input_ids[s], view.positions[s], view.types[s], towers[i]) for s in view.texts]
                       for i, view in enumerate(dump.passes)]
        self.sentences = [[self.sentence(i, b) for b in range(len(view.texts))] for i, view in enumerate(dump.passes)]
        for i, p in enumerate(dump.report.get("passes", [])):
            if p.get("projection") == "batch_norm":
                self.sentences[i] = list(self.batch_norm_projection(torch.stack(self.sentences[i])))

    def batch_norm_projection(self, rows):
        """DiffCSE: linear, batch norm, ReLU, linear, batch norm without affine; statistics of the batch."""
        self.note("batch-norm projection")
        p, root = self.net.p, "shared.projection"
        norm = lambda x: (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
        wide = norm(rows @ p[f"{root}.first.weight"].T) * p[f"{root}.first.LayerNorm.weight"] + p[f"{root}.first.LayerNorm.bias"]
        return norm(wide.relu() @ p[f"{root}.second.weight"].T)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def sentence(self, number, b, term=None):
        """The bottleneck of text b of a pass, or that of a term with its own: the last state of [CLS], a mean, a mixture of words, one
        weight per word, or [CLS] through a dense layer."""
        last = self.states[number][b][-1]
        kind = term["bottleneck"] if term else bottleneck_name(self.dump.report, number)
        place = term["name"] if term else f"pass {number}"
        root = term["name"] if term else f"passes.{number}"
        if kind == "mean":
            self.note(f"{place}: mean bottleneck")
            return last.mean(0)
        if kind == "lexical":
            if self.dump.report["preset"] != "mlm-flops":
                raise FormatError(f"{place}: which rows a lexical bottleneck pools is known of mlm-flops alone")
            self.note(f"{place}: log(1 + ReLU) of the highest logits of all rows")
            return self.net.vocabulary_logits(last).max(0).values.relu().log1p()
        if kind == "lexicon":
            view = self.dump.passes[number]
            self.note(f"{place}: lexicon bottleneck over rows 1 .. L-2")
            rows = last[1:-1] if view.texts[b].stop - view.texts[b].start > 2 else last
            pooled = self.net.vocabulary_logits(rows).max(0).values.softmax(-1)
            return pooled @ self.net.p[self.dump.words].detach()
        vector = last[0]
        dense = [n[: -len(".weight")] for n in self.net.p if n.startswith(f"{root}.bottleneck.") and n.endswith(".weight")]
        if dense:
            self.note(f"{place}: projected bottleneck tanh({', '.join(dense)})")
        for name in dense:
            vector = torch.tanh(self.net.linear(name, vector))
        return vector

    def decoder_root(self, term):
        return f"shared.{term['decoder_name']}" if term.get("decoder_name") else f"{term['name']}.decoder"

    def allowed(self, term, view, b):
        """Which columns each row of text b may read, or None for all."""
        if view.visibility is not None:
            return view.visibility[b]
        if term.get("decoder") in ("causal_window", "cross_attention"):
            length = view.texts[b].stop - view.texts[b].start
            i, j = torch.arange(length)[:, None], torch.arange(length)[None]
            window = term.get("window", {"cot-mae-qc": 3, "seed": 2}.get(self.dump.report["preset"]))
            if window is None:
                raise FormatError(f"{term['name']}: a causal decoder needs `window` in its report entry or a visibility tensor")
            self.note(f"{term['name']}: causal window {window}, column 0 open")
            return (j == 0) | ((j <= i) & (j > i - int(window)))
        if term.get("decoder") == "tied":
            length = view.texts[b].stop - view.texts[b].start
            return torch.ones(length, length, dtype=torch.bool).tril()
        return None

    def decode(self, term, view, b):
        """Decoder states [L, H] of text b of a branch."""
        net, rows = self.net, view.texts[b]
        ids, positions = view.input_ids[rows], view.positions[rows]
        types = torch.zeros_like(ids)   # token types are the encoder's alone
        number = pass_of(term)
        h = self.sentence(number, b, term) if "bottleneck" in term else self.sentences[number][b]
        kind, root = term["decoder"], self.decoder_root(term)
        layers = net.layers(root)
        if not layers:
            raise FormatError(f"{term['name']}: no parameter {root}.layer.0.*")
        if kind not in ("full_depth", "tied") and "decoder_layers" in term and int(term["decoder_layers"]) != len(layers):
            raise FormatError(f"{term['name']}: the report says {term['decoder_layers']} decoder layers, the file has {len(layers)}")
        if kind == "enhanced":
            # Context H2 = [h, E(x_1) ..]: h without position, LayerNorm or dropout. The query stream alone is updated, so that a
            # deeper decoder cannot read x_i through another row.
            context = torch.cat([h[None], net.placed(root, net.embed(ids, positions, types))[1:]])
            query = term.get("query", "layer_norm" if self.dump.report["preset"] in ("retromae-layernorm-query", "dupmae") else "plain")
            self.note(f"{term['name']}: {query} query, {len(layers)} layer(s)")
            if self.dump.modern:   # positions enter by turned queries and keys, or by the decoder's own table
                one = net.norm("encoder.embeddings.norm", h) if query == "layer_norm" else h
                hidden = net.placed(root, one.expand(len(ids), -1))
            elif query == "layer_norm":
                place = net.p["encoder.embeddings.position_embeddings.weight"][positions]
                hidden = net.norm("encoder.embeddings.LayerNorm", h + place + net.p["encoder.embeddings.token_type_embeddings.weight"][0])
            elif query == "plain":
                hidden = h + net.p["encoder.embeddings.position_embeddings.weight"][positions]
            else:
                raise FormatError(f"{term['name']}: query `{query}` is not one of plain, layer_norm")
            if view.visibility is None:
                raise FormatError(f"{term['name']}: an enhanced decoder needs {view.name}.visibility")
            for name in layers:
                hidden = net.layer(name, hidden, context, view.visibility[b])
            return net.norm(f"{root}.final_norm", hidden) if is_gated(layers[0]) else hidden
        if kind in ("basic", "tap", "causal_window", "full_depth"):
            if kind == "tap":
                tap = int(term["tap"])
                hidden = self.states[number][b][tap]
            else:
                own = f"{root}.embeddings"
                copied = net.has(f"{own}.word_embeddings.weight") or net.has(f"{own}.tok_embeddings.weight")
                hidden = net.embed(ids, positions, types, own if copied else "encoder.embeddings")
            hidden = torch.cat([h[None], net.placed(root, hidden)[1:]])
            if is_gated(layers[0]):
                self.note(f"{term['name']}: {len(layers)} layer(s) of ModernBERT")
                if kind == "full_depth":
                    return net.gated_encoder(root, hidden)[-1]
                for name in layers:
                    hidden = net.layer(name, hidden, None, self.allowed(term, view, b))
                return net.norm(f"{root}.final_norm", hidden)
            final = next((f"{root}.{n}" for n in ("LayerNorm", "final_norm", "final_layer_norm", "norm") if net.has(f"{root}.{n}.weight")), None)
            if final is not None:
                self.note(f"{term['name']}: LayerNorm before each sub-layer, {final} at the end")
            for name in layers:
                allowed = self.allowed(term, view, b)
                hidden = net.layer(name, hidden, None, allowed) if final is None else net.pre_norm_layer(name, hidden, allowed)
            return hidden if final is None else net.norm(final, hidden)
        if kind == "cross_attention":
            hidden = net.placed(root, net.embed(ids, positions, types))
            for name in layers:
                hidden = net.layer(name, hidden, None, self.allowed(term, view, b), sentence=h)
            return hidden
        if kind == "tied":
            own = net.layers("encoder")
            if len(own) != len(layers):
                raise FormatError(f"{term['name']}: {len(layers)} cross-attentions for {len(own)} layers of the encoder")
            hidden = net.embed(ids, positions, types)
            for name, crossing in zip(own, layers):
                hidden = net.layer(name, hidden, None, self.allowed(term, view, b), sentence=h, crossing=crossing)
            return hidden
        raise FormatError(f"{term['name']}: decoder `{kind}` is not known")

    def token_loss(self, view, states, head="cls.predictions"):
        """Mean cross-entropy over the labeled rows, 0 if there are none; summed in double."""
        total, count = torch.zeros((), dtype=torch.float64), 0
        for rows, hidden in zip(view.texts, states):
            labels = view.labels[rows]
            at = (labels != IGNORED).nonzero().flatten()
            if at.numel() == 0:
                continue
            losses = F.cross_entropy(self.net.vocabulary_logits(hidden[at], head), labels[at], reduction="none")
            total, count = total + losses.double().sum(), count + at.numel()
        return (total / count if count else total), count

    def bag_of_words(self, term, view, number):
        """DupMAE: max-pooled head logits of rows 1 .. L-1 against the distinct content ids, weight 1/n each (n counts repeats).
        BoW-DPR: the logits of [CLS] against the uniform distribution over the distinct ids > 998. With a view of its own (EBAE and
        EBAR) the words are those of another text, and a text without words does not count."""
        preset = self.dump.report["preset"]
        pooling = term.get("pooling", "cls" if preset == "bow-dpr" else "max")
        self.note(f"{term['name']}: bag of words over {pooling} logits")
        outside = {self.dump.special[k] for k in ("cls", "sep", "pad")}
        lowest = int(term.get("lowest_id", 999 if pooling == "cls" else 0))
        words = term.get("words", "one_over_words" if pooling == "cls" else "one_over_tokens")
        if words not in ("one_over_tokens", "one_over_words", "one"):
            raise FormatError(f"{term['name']}: words `{words}` is not one of one_over_tokens, one_over_words, one")
        own = self.dump.has_view(term)
        total, count = torch.zeros((), dtype=torch.float64), 0
        for rows, states in zip(view.texts, self.states[number], strict=True):
            content = [i for i in view.original_ids[rows].tolist() if i not in outside and i >= lowest]
            bag = sorted(set(content))
            count += 1 if bag or not own else 0
            if not bag:
                continue
            pooled = self.net.vocabulary_logits(states[-1][:1] if pooling == "cls" else states[-1][1:]).max(0).values
            weight = {"one_over_tokens": 1.0 / len(content), "one_over_words": 1.0 / len(bag), "one": 1.0}[words]
            total = total - weight * F.log_softmax(pooled, -1)[bag].double().sum()
        return total / max(count, 1), count

    def flops(self, term, view, number):
        """The squared mean weight of each word over the texts, summed over words."""
        vectors = [self.sentence(number, b, term) for b in range(len(view.texts))] if "bottleneck" in term else self.sentences[number]
        return torch.stack(vectors).double().abs().mean(0).square().sum(), len(view.texts)

    def contrast(self, term):
        """InfoNCE: each anchor against its positive among the candidate rows."""
        name = term["name"]
        if term.get("candidates") == "queue":
            return self.queue_contrast(term)
        pairs = self.dump.tensors.get(f"{name}.pairs")
        if pairs is None or pairs.dim() != 2 or pairs.shape[1] != 2:
            raise FormatError(f"{name}.pairs: expected int64 [N, 2]")
        sentences = self.sentences[pass_of(term)] if name.startswith("passes.") else [h for rows in self.sentences for h in rows]
        rows = torch.stack(sentences)
        projections = [n[: -len(".weight")] for n in self.net.p if n.startswith(f"{name}.") and n.endswith(".weight")]
        for projection in projections:
            self.note(f"{name}: rows projected by tanh({projection})")
            rows = torch.tanh(self.net.linear(projection, rows))
        scores = self.row_scores(term, rows, rows) / float(term["temperature"])
        anchors = set(pairs[:, 0].tolist())
        others = len(anchors) == len(sentences)
        self.note(f"{name}: candidates are " + ("all other rows" if others else "all rows that are no anchor"))
        total = torch.zeros((), dtype=torch.float64)
        for anchor, positive in pairs.tolist():
            candidates = [r for r in range(len(sentences)) if (r != anchor if others else r not in anchors)]
            total = total - F.log_softmax(scores[anchor, candidates], -1)[candidates.index(positive)].double()
        return total / max(len(pairs), 1), len(pairs)

    def queue_contrast(self, term):
        """Contriever: each anchor of pass 0 against its own key of pass 1, which has no gradient, and the rows of the queue."""
        name = term["name"]
        pairs, queue = self.dump.tensors[f"{name}.pairs"], self.net.p[f"{name}.queue"].detach()
        self.note(f"{name}: {len(queue)} keys in the queue")
        rows = torch.stack([h for sentences in self.sentences for h in sentences])
        if term["similarity"] == "cosine":   # the queue holds unit vectors
            rows = rows / rows.norm(dim=-1, keepdim=True)
        total = torch.zeros((), dtype=torch.float64)
        for anchor, positive in pairs.tolist():
            keys = torch.cat([rows[positive].detach()[None], queue])
            scores = self.row_scores({**term, "similarity": "dot"} if term["similarity"] == "cosine" else term, keys, rows[anchor][None])
            total = total - F.log_softmax(scores[:, 0] / float(term["temperature"]), -1)[0].double()
        return total / max(len(pairs), 1), len(pairs)

    @staticmethod
    def row_scores(term, first, second):
        """[A, D] and [B, D] -> [A, B]; a distance of 0, as of a row with itself, has no gradient."""
        if term["similarity"] == "cosine":
            first, second = (rows / rows.norm(dim=-1, keepdim=True) for rows in (first, second))
        elif term["similarity"] == "euclidean":
            squares = (first[:, None] - second[None]).square().sum(-1)
            equal = squares == 0
            return -squares.masked_fill(equal, 1).sqrt().masked_fill(equal, 0)
        elif term["similarity"] != "dot":
            raise FormatError(f"{term['name']}: similarity `{term['similarity']}` is not one of dot, cosine, euclidean")
        return first @ second.T

    def replaced_token_detection(self, term, view):
        """Which tokens of the view are not the original ones; a linear layer of two outputs (or one) on the decoder's states."""
        head = next((n[: -len(".weight")] for n, t in self.net.p.items()
                     if n.startswith(f"{term['name']}.") and n.endswith(".weight") and t.dim() == 2 and t.shape[0] in (1, 2) and ".embeddings." not in n), None)
        if head is None:
            raise FormatError(f"{term['name']}: no linear layer with one or two outputs")
        self.note(f"{term['name']}: head {head}")
        total, count = torch.zeros((), dtype=torch.float64), 0
        for b, rows in enumerate(view.texts):
            labels = view.labels[rows]
            at = (labels != IGNORED).nonzero().flatten()
            if at.numel() == 0:
                continue
            target = labels[at] if int(view.labels.max()) <= 1 else (view.input_ids[rows] != view.original_ids[rows]).long()[at]
            logits = self.net.linear(head, self.decode({**term, "decoder": term.get("decoder", "full_depth")}, view, b)[at])
            if logits.shape[1] == 2:
                losses = F.cross_entropy(logits, target, reduction="none")
            else:
                losses = F.binary_cross_entropy_with_logits(logits[:, 0], target.to(logits.dtype), reduction="none")
            total, count = total + losses.double().sum(), count + at.numel()
        return (total / count if count else total), count

    def term(self, term):
        kind = term["kind"]
        if kind == "contrast":
            return self.contrast(term)
        view, number = self.dump.view_of(term), pass_of(term)
        if kind == "masked_language_model":
            return self.token_loss(view, [s[-1] for s in self.states[number]])
        if kind == "branch":
            own = f"{term['name']}.head"
            head = own if self.net.has(f"{own}.bias") else "cls.predictions"
            return self.token_loss(view, (self.decode(term, view, b) for b in range(len(view.texts))), head)
        if kind == "bag_of_words":
            return self.bag_of_words(term, view, number)
        if kind == "flops":
            return self.flops(term, view, number)
        if kind == "replaced_token_detection":
            return self.replaced_token_detection(term, view)
        raise FormatError(f"{term['name']}: kind `{kind}` is not known")


def bottleneck_name(report, number):
    listed = report.get("passes")
    if isinstance(listed, list) and number < len(listed) and "bottleneck" in listed[number]:
        return listed[number]["bottleneck"]
    return {"contriever": "mean", "lexmae": "lexicon"}.get(report["preset"], "cls")


# -------------------------------------------------------------------------------------------------------- plausible inputs


def implausible(dump):
    """Sentences that say what cannot be right in the views, masks, labels and weights."""
    found = []
    special = dump.special
    fixed = {special[k] for k in ("cls", "sep", "pad")}
    report = dump.report

    def examine(view, what):
        for b, rows in enumerate(view.texts):
            ids, length = view.original_ids[rows], rows.stop - rows.start
            if length < 2:
                found.append(f"{what}: text {b} has {length} token(s), even an empty one is [CLS][SEP]")
            elif int(ids[0]) != special["cls"] or int(ids[-1]) != special["sep"]:
                found.append(f"{what}: text {b} does not run from [CLS] to [SEP]")
        vocabulary = dump.parameters[dump.words].shape[0]
        if int(view.input_ids.min()) < 0 or int(view.input_ids.max()) >= vocabulary:
            found.append(f"{what}: ids outside 0 .. {vocabulary - 1}")
        firsts = torch.tensor([s.start for s in view.texts])
        if (view.input_ids[firsts] != view.original_ids[firsts]).any():
            found.append(f"{what}: a [CLS] was corrupted")

    def recovered(view, what):
        """Labels of a term that recovers hidden tokens."""
        labeled = view.labels != IGNORED
        if (view.labels[labeled] != view.original_ids[labeled]).any():
            found.append(f"{what}: a label is not the original id")
        if torch.isin(view.original_ids[labeled], torch.tensor(sorted(fixed))).any():
            found.append(f"{what}: a label stands at [CLS], [SEP] or [PAD]")
        changed = (view.input_ids != view.original_ids) & ~labeled
        if changed.any():
            found.append(f"{what}: {int(changed.sum())} corrupted token(s) without a label")

    for i, view in enumerate(dump.passes):
        examine(view, f"passes.{i}.view")
    pass_labels_used = {pass_of(t) for t in report["terms"] if t["kind"] == "masked_language_model"}
    for i in pass_labels_used:
        recovered(dump.passes[i], f"passes.{i}.view")
    for term in report["terms"]:
        if term["kind"] not in ("branch", "bag_of_words") or not dump.has_view(term):
            continue
        view, name, outer = dump.view_of(term), term["name"], dump.passes[pass_of(term)]
        examine(view, f"{name}.view")
        if len(view.texts) != len(outer.texts):
            found.append(f"{name}: {len(view.texts)} texts, its pass has {len(outer.texts)}")
        if term["kind"] == "bag_of_words":
            if not torch.equal(view.input_ids, view.original_ids):
                found.append(f"{name}: a bag counts the words of a clean text")
            continue
        decoder = term.get("decoder")
        if decoder == "enhanced":
            if not torch.equal(view.input_ids, view.original_ids):
                found.append(f"{name}: the context of enhanced decoding must be clean")
            for b, rows in enumerate(view.texts):
                length, labels, sees = rows.stop - rows.start, view.labels[rows], view.visibility[b]
                expected = view.original_ids[rows].clone()
                expected[0] = expected[-1] = IGNORED
                if not torch.equal(labels, expected):
                    found.append(f"{name}: text {b}: labels are not all ids but the first and the last")
                if sees.diagonal().any():
                    found.append(f"{name}: text {b}: a row sees its own token")
                if length > 1 and not sees[1:, 0].all():
                    found.append(f"{name}: text {b}: a row does not see the sentence vector")
        elif decoder in ("causal_window", "cross_attention", "tied"):
            same, shifted = True, True
            for rows in view.texts:
                ids, labels = view.original_ids[rows], view.labels[rows]
                at = (labels != IGNORED).nonzero().flatten()
                same &= bool((labels[at] == ids[at]).all())
                shifted &= bool((at < len(ids) - 1).all()) and bool((labels[at] == ids[(at + 1).clamp(max=len(ids) - 1)]).all())
            if not shifted:
                found.append(f"{name}: a causal decoder must be asked for the next token" + (", found the token itself" if same else ""))
        else:
            recovered(view, f"{name}.view")
        if term.get("task") == "cmp":
            hidden, shown = outer.labels != IGNORED, view.labels != IGNORED
            ordinary = ~torch.isin(view.original_ids, torch.tensor(sorted(special.values())))
            if torch.equal(outer.offsets, view.offsets) and ((hidden & shown).any() or not torch.equal((hidden | shown) & ordinary, ordinary)):
                found.append(f"{name}: encoder and decoder labels are not complementary")
    total = sum(float(t["weight"]) * float(t["loss"]) for t in report["terms"])
    if abs(total - float(report["total"])) > 1e-5 * max(1.0, abs(total)):
        found.append(f"total {report['total']} is not the sum of weight x loss, {total}")
    missing = sorted(set(dump.parameters) ^ set(report["gradient_norms"]))
    if missing:
        found.append(f"parameters and gradient_norms differ in: {', '.join(missing[:4])}{' ...' if len(missing) > 4 else ''}")
    return found


# ------------------------------------------------------------------------------------------------------------------ the run


def relative(ours, theirs, floor=0.0):
    """|ours - theirs| over the larger of both, or over `floor`: a gradient that is zero in exact arithmetic (a key's bias shifts
    all scores of a row alike) leaves only rounding noise of the size of the whole gradient."""
    return abs(ours - theirs) / max(abs(ours), abs(theirs), floor, 1e-30)


def check(path, dtype=torch.float32, tolerance=1e-5):
    """Recomputes one file. Returns {"terms", "gradients", "total", "problems", "notes", "ok"}."""
    dump = Dump(path, dtype)
    step = Step(dump)
    rows, total = [], torch.zeros((), dtype=torch.float64)
    problems = implausible(dump)
    for term in dump.report["terms"]:
        loss, labels = step.term(term)
        total = total + float(term["weight"]) * loss
        if labels != int(term["labels"]):
            problems.append(f"{term['name']}: the report counts {term['labels']} labels, the view has {labels}")
        rows.append({"name": term["name"], "kind": term["kind"], "decoder": term.get("decoder", ""), "labels": labels,
                     "ours": float(term["loss"]), "theirs": loss.item(), "difference": relative(float(term["loss"]), loss.item())})
    names = list(dump.parameters)
    gradients = torch.autograd.grad(total, [dump.parameters[n] for n in names], allow_unused=True) if total.requires_grad else [None] * len(names)
    theirs = {n: 0.0 if g is None else g.double().norm().item() for n, g in zip(names, gradients)}
    whole = sum(v * v for v in theirs.values()) ** 0.5
    ours = {n: float(dump.report["gradient_norms"].get(n, float("nan"))) for n in names}
    # A key's bias has an exactly zero gradient; elsewhere a norm below this share of the whole one is rounding, too.
    # So has a shift of all sentence vectors where batch norm takes it out again.
    shift = f"{step.net.layers('encoder')[-1]}.output.LayerNorm.bias" if not dump.modern and any(p.get("projection") == "batch_norm" for p in dump.report.get("passes", [])) else ""
    floor = lambda n: whole * (1.0 if n.endswith(".self.key.bias") or n == shift else 1e-3)
    norms = [{"name": n, "ours": ours[n], "theirs": theirs[n], "difference": relative(ours[n], theirs[n], floor(n))} for n in names]
    norms.sort(key=lambda r: r["difference"] if r["difference"] == r["difference"] else float("inf"), reverse=True)
    result = {"file": str(path), "preset": dump.report["preset"], "terms": rows, "gradients": norms, "problems": problems, "notes": step.notes,
              "total": {"ours": float(dump.report["total"]), "theirs": total.item(), "difference": relative(float(dump.report["total"]), total.item())}}
    differences = [r["difference"] for r in rows + norms + [result["total"]]]
    result["ok"] = not problems and all(d <= tolerance for d in differences)   # NaN compares false
    return result


def show(result, worst):
    print(f"{result['file']}: {result['preset']}")
    print(f"  {'term':<22} {'kind':<34} {'labels':>7} {'ours':>14} {'theirs':>14} {'rel diff':>9}")
    for r in result["terms"] + [{"name": "total", "kind": "", "decoder": "", "labels": "", **result["total"]}]:
        kind = f"{r['kind']} {r['decoder']}".strip()
        print(f"  {r['name']:<22} {kind:<34} {r['labels']:>7} {r['ours']:>14.8f} {r['theirs']:>14.8f} {r['difference']:>9.1e}")
    print(f"  gradient norms, the worst {min(worst, len(result['gradients']))} of {len(result['gradients'])}")
    for r in result["gradients"][:worst]:
        print(f"    {r['name']:<62} {r['ours']:>14.6e} {r['theirs']:>14.6e} {r['difference']:>9.1e}")
    for note in result["notes"]:
        print(f"  note: {note}")
    for problem in result["problems"]:
        print(f"  PROBLEM: {problem}")
    print(f"  {'agrees' if result['ok'] else 'DIFFERS'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--float64", action="store_true", help="compute in double precision (default: float32)")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="largest relative difference (default: %(default)g)")
    parser.add_argument("--worst", type=int, default=5, help="gradient norms to print (default: %(default)d)")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object per file instead of a table")
    parser.add_argument("--quiet", action="store_true", help="print only files that differ")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    status = 0
    given = [pathlib.Path(name) for name in options.files]
    for path in [file for name in given for file in (sorted(name.glob("*.safetensors")) if name.is_dir() else [name])]:
        try:
            result = check(path, torch.float64 if options.float64 else torch.float32, options.tolerance)
        except (FormatError, KeyError, OSError) as error:
            print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
            status = 2
            continue
        if options.json:
            print(json.dumps(result))
        elif not (options.quiet and result["ok"]):
            show(result, options.worst)
        if not result["ok"]:
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main())
