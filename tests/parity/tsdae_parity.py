# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""One dumped step of the preset `tsdae` equals sentence-transformers' own loss with tied weights: loss and gradient norms.

The views of the dump are padded and given to DenoisingAutoEncoderLoss, whose encoder, decoder and cross-attention get the dump's weights.
"""
import json
import pathlib
import sys
import tempfile

try:
    import torch
    from safetensors.torch import load_file, safe_open
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import DenoisingAutoEncoderLoss
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

from cli_support import result
from presets_parity import write_config, write_corpus

TOLERANCE = 2e-5


def peer_name(name):
    """The parameter of the causal language model that has the weights of `name` in a dump."""
    if name.startswith("passes."):
        return "bert.encoder." + name.split(".decoder.")[1]
    return name.replace("encoder.embeddings", "bert.embeddings").replace("encoder.layer", "bert.encoder.layer")


def padded(tensors, view):
    """The texts of a packed view as [B, L] with zeros behind, and their attention mask."""
    ids, offsets = tensors[f"{view}.input_ids"], tensors[f"{view}.offsets"].tolist()
    texts = [ids[a:b] for a, b in zip(offsets, offsets[1:])]
    rows = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=0)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(t) for t in texts], batch_first=True, padding_value=0)
    return {"input_ids": rows, "attention_mask": mask}


def peer_loss(folder, config, vocabulary):
    """sentence-transformers' loss over a BERT of the same sizes, without dropout."""
    sizes = json.loads(config.read_text())
    sizes.update(hidden_dropout_prob=0., attention_probs_dropout_prob=0.)
    BertForMaskedLM(BertConfig(**sizes)).save_pretrained(folder)
    BertTokenizerFast(vocab=str(vocabulary), vocab_file=str(vocabulary)).save_pretrained(folder)
    encoder = Transformer(str(folder))
    width = sizes["hidden_size"]
    return DenoisingAutoEncoderLoss(SentenceTransformer(modules=[encoder, Pooling(width, pooling_mode="cls")], device="cpu")).eval()


def main():
    with tempfile.TemporaryDirectory() as place:
        work = pathlib.Path(place)
        store = write_corpus(work)
        config = write_config(work / "config.json", len((work / "vocab.txt").read_text().splitlines()))
        file = work / "step.safetensors"
        result("pretrain", "--preset", "tsdae", "--config", config, "--data", store, "--threads", 1, "--batch-examples", 6, "--dump-step", file)
        tensors = load_file(file)
        with safe_open(file, "pt") as dump:
            report = json.loads(dump.metadata()["report"])
        loss = peer_loss(work / "peer", config, work / "vocab.txt")
        peers = dict(loss.decoder.named_parameters())
        names = {name: peer_name(name) for name in report["gradient_norms"]}
        with torch.no_grad():
            for name, peer in names.items():
                peers[peer].copy_(tensors[name])
        assert not {p for p in peers if not p.endswith("cls.predictions.decoder.bias")} - set(names.values()), "parameters without a weight"
        tied = dict(loss.encoder.transformers_model.named_parameters())["encoder.layer.0.output.dense.weight"]
        assert tied is peers["bert.encoder.layer.0.output.dense.weight"], "encoder and decoder are not tied"
        total = loss([padded(tensors, "passes.0.view"), padded(tensors, "passes.0.terms.0.view")], None)
        total.backward()
        deviation = abs(total.item() - report["total"]) / report["total"]
        print(f"loss {total.item():.6f}, {report['total']:.6f} here: {deviation:.1e}")
        assert deviation <= TOLERANCE
        whole = sum(value * value for value in report["gradient_norms"].values()) ** .5
        worst = 0
        for name, peer in names.items():
            theirs = 0. if peers[peer].grad is None else peers[peer].grad.double().norm().item()
            difference = abs(theirs - report["gradient_norms"][name]) / max(theirs, 1e-3 * whole)
            assert difference <= 10 * TOLERANCE, (name, theirs, report["gradient_norms"][name])
            worst = max(worst, difference)
        print(f"{len(names)} gradient norms, the worst differs by {worst:.1e}")


if __name__ == "__main__":
    main()
