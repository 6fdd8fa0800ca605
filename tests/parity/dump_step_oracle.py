# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""A second way to compute the same losses, which writes dump files: padded batches through transformers' own BERT layers.

usage: dump_step_oracle.py [--output DIR]     writes one file per composition and lets dump_step_check judge each of them

It tests the checker, not the library: what the checker says about the library's dumps is worth what is found here. The checker
runs one text at a time from hand-written equations, this program whole padded batches from library modules, so that an error must
be made twice to stay unseen. Files with one thing wrong each follow, which the checker must refuse. With --output the files are
kept.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM
from transformers.models.bert.modeling_bert import BertLayer

IGNORED = -100
SPECIAL = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}


def tiny_config(**changes):
    """Two layers of width 32: every part of BERT, in 52 thousand numbers."""
    return BertConfig(**{**dict(vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                                max_position_embeddings=64, type_vocab_size=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                                layer_norm_eps=1e-12, hidden_act="gelu", pad_token_id=0, attn_implementation="eager"), **changes})


def randomize(module, generator, deviation=0.15):
    """Draws every parameter: wide enough for attention to be far from uniform, biases and LayerNorms away from 0 and 1."""
    with torch.no_grad():
        for name, value in module.named_parameters():
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64) * deviation
            value.copy_(1 + noise if name.endswith("LayerNorm.weight") else noise)


class Draws:
    """Random texts and masks; simpler than the library's maskers, equal in what they promise."""

    def __init__(self, seed, vocabulary=120):
        self.generator = torch.Generator().manual_seed(seed)
        self.vocabulary = vocabulary

    def uniform(self, *shape):
        return torch.rand(*shape, generator=self.generator)

    def text(self, length):
        body = torch.randint(len(SPECIAL), self.vocabulary, (max(length - 2, 0),), generator=self.generator)
        if len(body) > 3:
            body[0], body[-1] = SPECIAL["unk"], body[1]    # an unknown word, and a word that comes twice
        return torch.tensor([SPECIAL["cls"], *body.tolist(), SPECIAL["sep"]])

    def flags(self, ids, rate):
        """An exact share of the ordinary tokens, at least one."""
        ordinary = (ids >= len(SPECIAL)).nonzero().flatten()
        budget = min(len(ordinary), max(1, round(len(ids) * rate)))
        chosen = ordinary[torch.randperm(len(ordinary), generator=self.generator)[:budget]]
        return torch.zeros(len(ids), dtype=torch.bool).index_fill_(0, chosen, True)

    def bert_80_10_10(self, ids, flags):
        draw, words = self.uniform(len(ids)), torch.randint(0, self.vocabulary, (len(ids),), generator=self.generator)
        out = torch.where(flags & (draw < 0.8), SPECIAL["mask"], ids)
        return torch.where(flags & (draw >= 0.9), words, out)

    def visibility(self, length, rate):
        """Rows drawn from a pool; column 0 and the last column open, the diagonal shut."""
        pool = self.uniform(min(length, 256), length) >= rate
        sees = pool[torch.randint(0, len(pool), (length,), generator=self.generator)]
        sees[:, 0] = sees[:, -1] = True
        sees.fill_diagonal_(False)
        return sees


def masked_view(draws, texts, rate, corrupt=None, flags=None):
    """A view whose flagged tokens are hidden and asked for."""
    flags = [draws.flags(t, rate) for t in texts] if flags is None else flags
    corrupt = corrupt or (lambda ids, hidden: torch.where(hidden, SPECIAL["mask"], ids))
    return {"original": texts, "input": [corrupt(t, f) for t, f in zip(texts, flags)],
            "labels": [torch.where(f, t, IGNORED) for t, f in zip(texts, flags)], "flags": flags}


def clean_view(draws, texts, rate):
    """The view of enhanced decoding: nothing hidden, all but the ends asked for, row masks instead."""
    labels = [t.clone() for t in texts]
    for label in labels:
        label[0] = label[-1] = IGNORED
    return {"original": texts, "input": texts, "labels": labels, "visibility": [draws.visibility(len(t), rate) for t in texts]}


def shifted_view(texts):
    """The view of a causal decoder: row i is asked for token i + 1."""
    return {"original": texts, "input": texts, "labels": [torch.cat([t[1:], torch.tensor([IGNORED])]) for t in texts]}


class Model(torch.nn.Module):
    """BERT with the decoders of a list of terms, on padded batches."""

    def __init__(self, config, seed, dtype=torch.float64):
        super().__init__()
        self.config, self.seed = config, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.bert = BertForMaskedLM(config)
        self.bert.bert.embeddings.word_embeddings.padding_idx = None    # a [PAD] drawn as a random word is a word
        randomize(self.bert, self.generator)
        self.decoders = torch.nn.ModuleDict()
        self.final_norms = torch.nn.ModuleDict()
        self.projections = torch.nn.ModuleDict()
        self.to(dtype)

    def add_decoder(self, name, layers, cross=False, final_norm=False):
        key = name.replace(".", "/")
        if key in self.decoders:
            return
        config = BertConfig(**{**self.config.to_dict(), "is_decoder": cross, "add_cross_attention": cross})
        config._attn_implementation = "eager"
        self.decoders[key] = torch.nn.ModuleList(BertLayer(config) for _ in range(layers))
        randomize(self.decoders[key], self.generator)
        if final_norm:
            self.final_norms[key] = torch.nn.LayerNorm(self.config.hidden_size, eps=self.config.layer_norm_eps)
            with torch.no_grad():
                self.final_norms[key].weight.copy_(1 + 0.15 * torch.randn(self.config.hidden_size, generator=self.generator))
                self.final_norms[key].bias.copy_(0.15 * torch.randn(self.config.hidden_size, generator=self.generator))
        self.to(next(self.bert.parameters()).dtype)

    def add_projection(self, name):
        self.projections[name.replace(".", "/")] = torch.nn.Linear(self.config.hidden_size, self.config.hidden_size)
        randomize(self.projections, self.generator)
        self.to(next(self.bert.parameters()).dtype)

    def dump_names(self):
        """Parameter name of the dump -> parameter."""
        out = {}
        for name, value in self.bert.named_parameters():
            name = name.replace("bert.embeddings.", "encoder.embeddings.").replace("bert.encoder.", "encoder.")
            out["cls.predictions.bias" if name == "cls.predictions.decoder.bias" else name] = value
        for group, middle in ((self.decoders, "layer."), (self.final_norms, "LayerNorm."), (self.projections, "")):
            for name, value in group.named_parameters():
                key, rest = name.split(".", 1)
                root = key.replace("/", ".")
                out[f"{root}.{middle}{rest}"] = value
        return out

    # ---- padded computation

    def pad(self, rows, value=0):
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    def additive(self, allowed):
        return torch.zeros(allowed.shape, dtype=self.bert.dtype).masked_fill_(~allowed, torch.finfo(self.bert.dtype).min)

    def encode(self, view):
        ids = self.pad(view["input"])
        real = self.pad([torch.ones(len(t), dtype=torch.bool) for t in view["input"]])
        types = self.pad(view["types"]) if "types" in view else None
        out = self.bert.bert(input_ids=ids, attention_mask=real.long(), token_type_ids=types, output_hidden_states=True)
        return out.hidden_states

    def cross_entropy(self, hidden, view):
        labels = self.pad(view["labels"], IGNORED).flatten()
        logits = self.bert.cls(hidden).flatten(0, 1)
        count = int((labels != IGNORED).sum())
        return (F.cross_entropy(logits, labels, reduction="sum", ignore_index=IGNORED) / count if count else logits.sum() * 0), count

    def branch(self, term, view, states, key):
        embeddings, layers = self.bert.bert.embeddings, self.decoders[key]
        h, ids = states[-1][:, :1], self.pad(view["input"])
        length = ids.shape[1]
        real = self.pad([torch.ones(len(t), dtype=torch.bool) for t in view["input"]])
        mask = self.additive(real[:, None, None, :].expand(-1, 1, length, -1))
        if term["decoder"] == "enhanced":
            context = torch.cat([h, embeddings(ids)[:, 1:]], 1)
            if term["query"] == "layer_norm":
                hidden = embeddings(inputs_embeds=h.expand(-1, length, -1))
            else:
                hidden = h + embeddings.position_embeddings.weight[:length]
            sees = torch.zeros(len(ids), length, length, dtype=torch.bool)
            for b, matrix in enumerate(view["visibility"]):
                sees[b, : len(matrix), : len(matrix)] = matrix
            for layer in layers:
                inner = layer.attention.self
                split = lambda x: x.unflatten(-1, (inner.num_attention_heads, -1)).transpose(1, 2)
                read = F.scaled_dot_product_attention(split(inner.query(hidden)), split(inner.key(context)), split(inner.value(context)),
                                                      attn_mask=self.additive(sees[:, None]))
                attended = layer.attention.output(read.transpose(1, 2).flatten(2), hidden)
                hidden = layer.feed_forward_chunk(attended)
            return hidden
        if term["decoder"] == "tap":
            hidden = torch.cat([h, states[term["tap"]][:, 1:]], 1)
        elif term["decoder"] == "cross_attention":
            hidden = embeddings(ids)
        else:
            hidden = torch.cat([h, embeddings(ids)[:, 1:]], 1)
        if term["decoder"] in ("causal_window", "cross_attention"):
            near = torch.ones(length, length, dtype=torch.bool).tril().triu(1 - term["window"])
            near[:, 0] = True
            mask = self.additive((near & real[:, None, None, :]) | torch.eye(length, dtype=torch.bool))
        for layer in layers:
            if key in self.final_norms:
                normed = layer.attention.output.LayerNorm(hidden)
                hidden = hidden + layer.attention.output.dense(layer.attention.self(normed, mask)[0])
                hidden = hidden + layer.output.dense(layer.intermediate(layer.output.LayerNorm(hidden)))
            elif term["decoder"] == "cross_attention":
                hidden = layer(hidden, mask, encoder_hidden_states=h)
            else:
                hidden = layer(hidden, mask)
        return self.final_norms[key](hidden) if key in self.final_norms else hidden

    def bag(self, term, view, read, states):
        """Of the texts of `view`, from the logits of the texts that the encoder `read`; their number too."""
        pooling, logits = term["pooling"], self.bert.cls(states[-1])
        if pooling == "cls":
            pooled = logits[:, 0]
        else:
            real = self.pad([torch.ones(len(t)) for t in read["input"]])
            pooled = (logits[:, 1:] - 1e6 * (1 - real[:, 1:, None])).amax(1)
        target = torch.zeros_like(pooled)
        for b, ids in enumerate(view["original"]):
            content = ids[1:-1]
            content = content[content >= 20] if pooling == "cls" else content
            if len(content):
                divisor = {"one_over_tokens": len(content), "one_over_words": len(content.unique()), "one": 1}
                target[b, content] = 1 / divisor[term.get("words", "one_over_words" if pooling == "cls" else "one_over_tokens")]
        losses = -(target * pooled.log_softmax(-1)).sum(-1)
        count = len(losses) if view is read else int((target.sum(-1) > 0).sum())
        return losses.sum() / max(count, 1), count

    def contrast(self, term, vectors):
        name = term["name"].replace(".", "/") + "/projection"
        if name in self.projections:
            vectors = torch.tanh(self.projections[name](vectors))
        if term["similarity"] == "cosine":
            scores = F.cosine_similarity(vectors[:, None], vectors[None], dim=-1) / term["temperature"]
        else:
            scores = vectors @ vectors.T / term["temperature"]
        pairs = term["pairs"]
        anchors, positives = pairs.unbind(1)
        if len(anchors.unique()) == len(vectors):
            return F.cross_entropy(scores.masked_fill(torch.eye(len(vectors), dtype=torch.bool), float("-inf"))[anchors], positives)
        return F.cross_entropy(scores.index_fill(1, anchors, float("-inf"))[anchors], positives)


def run(model, composition):
    """Losses of a composition {"preset", "pooled", "passes": [{"view", "terms"}], "terms"} and the report without gradients."""
    rows, losses, all_states = [], [], []
    for i, one in enumerate(composition["passes"]):
        states = model.encode(one["view"])
        all_states.append(states)
        for j, term in enumerate(one["terms"]):
            name = f"passes.{i}.terms.{j}"
            view = term.get("view", one["view"])
            entry = {"name": name, "kind": term["kind"], "weight": term.get("weight", 1.0)}
            if term["kind"] == "masked_language_model":
                loss, labels = model.cross_entropy(states[-1], view)
            elif term["kind"] == "branch":
                entry.update({k: term[k] for k in ("decoder", "query", "tap", "task", "decoder_name", "window", "decoder_layers") if k in term})
                key = (f"shared/{term['decoder_name']}" if "decoder_name" in term else f"{name}.decoder").replace(".", "/")
                loss, labels = model.cross_entropy(model.branch(term, view, states, key), view)
            elif term["kind"] == "bag_of_words":
                loss, labels = model.bag(term, view, one["view"], states)
                entry.update(pooling=term["pooling"], **({"lowest_id": 20} if term["pooling"] == "cls" else {}))
                entry.update({"words": term["words"]} if "words" in term else {})
            rows.append({**entry, "labels": labels})
            losses.append(loss)
    for k, term in enumerate(composition.get("terms", [])):
        vectors = torch.cat([states[-1][:, 0] for states in all_states])
        term = {**term, "name": f"terms.{k}"}
        losses.append(model.contrast(term, vectors))
        rows.append({"name": term["name"], "kind": "contrast", "labels": len(term["pairs"]), "weight": term.get("weight", 1.0),
                     "temperature": term["temperature"], "similarity": term["similarity"]})
    if composition.get("pooled"):
        everything = sum(r["labels"] for r in rows)
        for row in rows:
            row["weight"] = row["labels"] / everything
    total = sum(r["weight"] * loss for r, loss in zip(rows, losses))
    for row, loss in zip(rows, losses):
        row["loss"] = loss.item()
    return rows, total


def view_tensors(prefix, view):
    out = {f"{prefix}.input_ids": torch.cat(view["input"]), f"{prefix}.original_ids": torch.cat(view["original"]),
           f"{prefix}.labels": torch.cat(view["labels"]),
           f"{prefix}.offsets": torch.tensor([0] + [len(t) for t in view["input"]]).cumsum(0)}
    if "types" in view:
        out[f"{prefix}.token_type_ids"] = torch.cat(view["types"])
    if "visibility" in view:
        out[f"{prefix}.visibility"] = torch.cat([m.flatten() for m in view["visibility"]]).to(torch.uint8)
    return out


def write(path, model, composition, with_gradients=False):
    """Computes the step and writes it. with_gradients adds the whole gradients as `gradients.NAME`, in float32."""
    rows, total = run(model, composition)
    names = model.dump_names()
    gradients = torch.autograd.grad(total, list(names.values()), allow_unused=True)
    gradients = {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(names.items(), gradients)}
    config = model.config
    report = {"preset": composition["preset"], "composition": composition.get("composition", composition["preset"]), "total": total.item(),
              "special_ids": SPECIAL, "terms": rows, "views": {},
              "config": {"num_attention_heads": config.num_attention_heads, "layer_norm_eps": config.layer_norm_eps, "hidden_act": config.hidden_act},
              "gradient_norms": {n: g.double().norm().item() for n, g in gradients.items()}}
    tensors = {n: p.detach().float().clone() for n, p in names.items()}
    if with_gradients:
        tensors.update({f"gradients.{n}": g.float() for n, g in gradients.items()})
    for i, one in enumerate(composition["passes"]):
        tensors.update(view_tensors(f"passes.{i}.view", one["view"]))
        report["views"][f"passes.{i}.view"] = one.get("about", {})
        for j, term in enumerate(one["terms"]):
            if "view" in term:
                tensors.update(view_tensors(f"passes.{i}.terms.{j}.view", term["view"]))
                report["views"][f"passes.{i}.terms.{j}.view"] = term.get("about", {})
    for k, term in enumerate(composition.get("terms", [])):
        tensors[f"terms.{k}.pairs"] = term["pairs"]
    save_file({n: t.contiguous() for n, t in tensors.items()}, str(path), metadata={"report": json.dumps(report)})
    return report


# -------------------------------------------------------------------------------------------------------------- compositions


def compositions(seed=7, lengths=(12, 2, 31, 3, 7, 20), config=None, only=None):
    """Name -> (model, composition), one for every decoder and every kind of term. A length of 2 is the empty text."""
    made = {}
    mlm = {"kind": "masked_language_model"}
    config = config or tiny_config()

    def build(preset, make):
        if only is not None and preset not in only:
            return
        draws, model = Draws(seed, config.vocab_size), Model(config, seed)
        composition = make(draws, model, [draws.text(n) for n in lengths])
        made[preset] = (model, {"preset": preset, **composition})

    def enhanced(layers, query):
        def make(draws, model, texts):
            model.add_decoder("passes.0.terms.1.decoder", layers)
            return {"passes": [{"view": masked_view(draws, texts, 0.3, draws.bert_80_10_10), "terms": [
                mlm, {"kind": "branch", "decoder": "enhanced", "query": query, "decoder_layers": layers, "view": clean_view(draws, texts, 0.5)}]}]}
        return make

    build("retromae", enhanced(1, "plain"))
    build("retromae-layernorm-query", enhanced(1, "layer_norm"))
    build("retromae-deep", enhanced(2, "plain"))

    def basic(draws, model, texts):
        model.add_decoder("passes.0.terms.1.decoder", 1)
        return {"passes": [{"view": masked_view(draws, texts, 0.3, draws.bert_80_10_10), "terms": [
            mlm, {"kind": "branch", "decoder": "basic", "view": masked_view(draws, texts, 0.5)}]}]}

    build("retromae-basic", basic)

    def duplex(draws, model, texts):
        out = enhanced(1, "layer_norm")(draws, model, texts)
        out["passes"][0]["terms"].append({"kind": "bag_of_words", "pooling": "max", "weight": 0.1})
        return out

    build("dupmae", duplex)

    def drop_decoder(draws, model, texts):
        return {"passes": [{"view": masked_view(draws, texts, 0.3), "terms": [mlm, {"kind": "bag_of_words", "pooling": "cls"}]}]}

    build("bow-dpr", drop_decoder)

    def two_bags(draws, model, texts):
        """EBAE and EBAR: the words of the text itself, and those of the next one, which some texts do not have."""
        following = [draws.text(2 if n == max(lengths) else n) for n in reversed(lengths)]
        plain = {"original": following, "input": following, "labels": [torch.full_like(t, IGNORED) for t in following]}
        return {"passes": [{"view": masked_view(draws, texts, 0.3), "terms": [
            mlm, {"kind": "bag_of_words", "pooling": "cls", "words": "one"},
            {"kind": "bag_of_words", "pooling": "cls", "words": "one", "view": plain},
            {"kind": "bag_of_words", "pooling": "max", "weight": 0.5, "view": plain}]}]}

    build("two-bags", two_bags)

    def condenser(draws, model, texts):
        model.add_decoder("passes.0.terms.1.decoder", 2)
        return {"passes": [{"view": masked_view(draws, texts, 0.15), "terms": [mlm, {"kind": "branch", "decoder": "tap", "tap": 1}]}]}

    build("condenser", condenser)

    def co_condenser(draws, model, texts):
        out = condenser(draws, model, texts)
        partner = torch.arange(len(texts)) ^ 1
        return {**out, "terms": [{"pairs": torch.stack([torch.arange(len(texts)), partner], 1), "temperature": 1.0, "similarity": "dot"}]}

    build("cocondenser", co_condenser)

    def simcse(draws, model, texts):
        plain = [{"original": ts, "input": ts, "labels": [torch.full_like(t, IGNORED) for t in ts]}
                 for ts in (texts, [draws.text(n) for n in reversed(lengths)], [draws.text(n) for n in lengths])]
        model.add_projection("terms.0.projection")
        n = len(texts)
        return {"passes": [{"view": v, "terms": []} for v in plain],
                "terms": [{"pairs": torch.stack([torch.arange(n), torch.arange(n) + n], 1), "temperature": 0.05, "similarity": "cosine"}]}

    build("simcse-supervised", simcse)

    def causal(draws, model, texts):
        model.add_decoder("passes.0.terms.1.decoder", 1, final_norm=True)
        return {"passes": [{"view": masked_view(draws, texts, 0.3), "terms": [
            mlm, {"kind": "branch", "decoder": "causal_window", "window": 3, "view": shifted_view([draws.text(n) for n in reversed(lengths)])}]}]}

    build("cot-mae-qc", causal)

    def seed_encoder(draws, model, texts):
        model.add_decoder("passes.0.terms.1.decoder", 3, cross=True)
        return {"passes": [{"view": masked_view(draws, texts, 0.15), "terms": [
            {**mlm, "weight": 0.5}, {"kind": "branch", "decoder": "cross_attention", "window": 2, "weight": 0.5, "view": shifted_view(texts)}]}]}

    build("seed", seed_encoder)

    def master(shared, released):
        def make(draws, model, texts):
            corrupt = draws.bert_80_10_10 if released else None
            other = lambda: [draws.text(n) for n in reversed(lengths)]
            tasks = ["mkp", "cmp", "npr", "dor", "gor"]

            def branch(i, j, task, view):
                model.add_decoder("shared.decoder" if shared else f"passes.{i}.terms.{j}.decoder", 2)
                return {"kind": "branch", "decoder": "basic", "task": task, "view": view, **({"decoder_name": "decoder"} if shared else {})}

            def complement(view):
                flags = [~f & (t >= len(SPECIAL)) for f, t in zip(view["flags"], texts)]
                return masked_view(draws, texts, 0, corrupt, flags)

            main = masked_view(draws, texts, 0.3, corrupt)
            if not released:
                views = {"mkp": masked_view(draws, texts, 0.5), "cmp": complement(main), "npr": masked_view(draws, other(), 0.5),
                         "dor": masked_view(draws, other(), 0.5), "gor": masked_view(draws, [draws.text(2) for _ in texts], 0.5)}
                return {"pooled": True, "passes": [{"view": main, "terms": [mlm] + [branch(0, j + 1, t, views[t]) for j, t in enumerate(tasks)]}]}
            half = masked_view(draws, [torch.cat([t[: len(t) // 2 + 1], t[-1:]]) if len(t) > 2 else t for t in texts], 0.3, corrupt)
            over = masked_view(draws, texts, 0.5, corrupt)
            return {"passes": [
                {"view": main, "terms": [mlm, branch(0, 1, "mkp", masked_view(draws, texts, 0.5, corrupt)),
                                         branch(0, 2, "dor", masked_view(draws, other(), 0.5, corrupt)),
                                         branch(0, 3, "gor", masked_view(draws, other(), 0.5, corrupt))]},
                {"view": half, "terms": [mlm, branch(1, 1, "npr", masked_view(draws, other(), 0.5, corrupt))]},
                {"view": over, "terms": [mlm, branch(2, 1, "cmp", complement(over))]}]}
        return make

    build("master", master(False, False))
    build("master-shared-decoder", master(True, False))
    build("master-as-released", master(False, True))
    build("master-shared-decoder-as-released", master(True, True))
    return made


def damaged(path, folder):
    """Copies of a RetroMAE dump with one thing wrong each: (what, file). The checker must object to all of them."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        report = json.loads(file.metadata()["report"])
    branch, layer = "passes.0.terms.1", "passes.0.terms.1.decoder.layer.0"

    def tensor(name, change):
        def apply(values, _):
            values[name] = values[name].clone()
            change(values[name])
        return apply

    def flip(index):
        return lambda t: t.__setitem__(index, 1 - t[index])

    length = int(tensors["passes.0.view.offsets"][1])
    first_label = int((tensors["passes.0.view.labels"] != IGNORED).nonzero()[0])
    changes = {
        "a term's loss": lambda _, r: r["terms"][1].update(loss=r["terms"][1]["loss"] * 1.0001),
        "the total": lambda _, r: r.update(total=r["total"] * 1.0001),
        "a label count": lambda _, r: r["terms"][0].update(labels=r["terms"][0]["labels"] + 1),
        "a gradient norm": lambda _, r: r["gradient_norms"].update({f"{layer}.output.dense.bias": r["gradient_norms"][f"{layer}.output.dense.bias"] * 1.0001}),
        "the query stream": lambda _, r: r["terms"][1].update(query="layer_norm"),
        "a missing tensor": lambda v, _: v.pop("passes.0.view.labels"),
        "a missing norm": lambda _, r: r["gradient_norms"].pop("cls.predictions.bias"),
        "a parameter": tensor(f"{layer}.attention.self.value.weight", lambda t: t[0, 0].add_(0.01)),
        "a row mask bit": tensor(f"{branch}.view.visibility", flip(3 * length + 5)),
        "a visible diagonal": tensor(f"{branch}.view.visibility", flip(3 * length + 3)),
        "a hidden sentence vector": tensor(f"{branch}.view.visibility", flip(3 * length)),
        "a decoder label": tensor(f"{branch}.view.labels", lambda t: t[4].fill_(IGNORED)),
        "an encoder label": tensor("passes.0.view.labels", lambda t: t[first_label].add_(1)),
        "a corrupted context": tensor(f"{branch}.view.input_ids", lambda t: t[5].fill_(SPECIAL["mask"])),
    }
    for what, change in changes.items():
        values, wrong = dict(tensors), json.loads(json.dumps(report))
        change(values, wrong)
        target = folder / "damaged.safetensors"
        save_file(values, str(target), metadata={"report": json.dumps(wrong)})
        yield what, target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, help="folder that keeps the files")
    options = parser.parse_args()
    import dump_step_check
    status = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.output or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, (model, composition) in compositions().items():
            path = folder / f"{name}.safetensors"
            write(path, model, composition)
            single = dump_step_check.check(path, torch.float32, 1e-5)
            double = dump_step_check.check(path, torch.float64, 1e-5)
            worst = [max([r["difference"] for r in c["terms"] + c["gradients"]]) for c in (single, double)]
            good = single["ok"] and double["ok"]
            print(f"{name:<36} {'agrees' if good else 'DIFFERS'}   worst relative difference {worst[0]:.1e} in float32, {worst[1]:.1e} in float64")
            if not good:
                dump_step_check.show(double if not double["ok"] else single, 8)
                status = 1
        for what, path in damaged(folder / "retromae.safetensors", pathlib.Path(scratch)):
            try:
                seen = not dump_step_check.check(path)["ok"]
            except dump_step_check.FormatError:
                seen = True
            if not seen:
                print(f"the checker did not see that {what} is wrong")
                status = 1
    print("the checker saw every damage" if status == 0 else "FAILED")
    return status


if __name__ == "__main__":
    sys.exit(main())
