# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of RoBERTa, ELECTRA, DistilBERT, XLM-RoBERTa, CamemBERT and ModernBERT: what transformers computes, for tests without Python.

usage: families_golden.py            writes golden/ beside this file
       families_golden.py --check    computes everything again and compares with the stored files

golden/tiny_FAMILY/               a random masked-language model of 2 layers of 16: config.json and model.safetensors
golden/FAMILY.safetensors         what it computes; weights float32, arithmetic float64, stored as float32:
    input_ids [T], offsets [9]    8 texts of 1 to 40 tokens, the longest that the positions allow
    hidden.0 .. hidden.2          [T, 16]    what enters the layers, then after each layer; token types all 0
    logits                        [T, 60]    head outputs

RoBERTa has relu between the layers, to show that its head keeps gelu; ELECTRA has embeddings of 24, wider than its
layers; ModernBERT's second layer has a window of 4 columns on either side.
"""

# ctest: --check

import argparse
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import (CamembertConfig, CamembertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM, ElectraConfig, ElectraForMaskedLM,
                          ModernBertConfig, ModernBertForMaskedLM, RobertaConfig, RobertaForMaskedLM, XLMRobertaConfig,
                          XLMRobertaForMaskedLM)

from bert_golden import compare

HERE = pathlib.Path(__file__).resolve().parent
SHAPE = dict(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
             hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
LENGTHS = (1, 2, 40, 3, 17, 5, 2, 26)


def families():
    """name: model, id of the first token, of the last, of the first ordinary word."""
    return {
        "roberta": (RobertaForMaskedLM(RobertaConfig(**SHAPE, hidden_act="relu", max_position_embeddings=42, type_vocab_size=1,
                                                     layer_norm_eps=1e-5)), 0, 2, 5),
        "electra": (ElectraForMaskedLM(ElectraConfig(**SHAPE, embedding_size=24, max_position_embeddings=40)), 2, 3, 5),
        "distilbert": (DistilBertForMaskedLM(DistilBertConfig(vocab_size=60, dim=16, n_layers=2, n_heads=2, hidden_dim=32, dropout=0.0,
                                                              attention_dropout=0.0, max_position_embeddings=40)), 2, 3, 5),
        "xlm-roberta": (XLMRobertaForMaskedLM(XLMRobertaConfig(**SHAPE, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5)), 0, 2, 5),
        "camembert": (CamembertForMaskedLM(CamembertConfig(**SHAPE, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5,
                                                           bos_token_id=5, eos_token_id=6)), 5, 6, 7),
        "modernbert": (ModernBertForMaskedLM(ModernBertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                                                              intermediate_size=24, max_position_embeddings=40, local_attention=8,
                                                              global_attn_every_n_layers=2, pad_token_id=0, bos_token_id=2, cls_token_id=2,
                                                              eos_token_id=3, sep_token_id=3, attn_implementation="eager")), 2, 3, 5),
    }


def write_all(folder):
    """Writes every golden file under `folder`."""
    for seed, (name, (model, first, last, ordinary)) in enumerate(families().items()):
        generator = torch.Generator().manual_seed(100 + seed)
        with torch.no_grad():
            for parameter, value in model.named_parameters():
                noise = torch.randn(value.shape, generator=generator, dtype=torch.float64) * 0.15
                is_scale = parameter.lower().endswith(("norm.weight", "layer_norm.weight"))
                value.copy_(1 + noise if is_scale else noise)
        model.tie_weights()
        model.eval().save_pretrained(folder / f"tiny_{name}")
        (folder / f"tiny_{name}" / "generation_config.json").unlink(missing_ok=True)
        model = model.double()
        words = [torch.randint(ordinary, 60, (max(n - 2, 0),), generator=generator) for n in LENGTHS]
        texts = [torch.tensor([first, *w.tolist(), last])[:n] for w, n in zip(words, LENGTHS)]

        # One text at a time for the numbers; the padded batch must give the same.
        with torch.no_grad():
            alone = [model(input_ids=t[None], output_hidden_states=True) for t in texts]
            pad = lambda rows, value: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
            real = pad([torch.ones(len(t), dtype=torch.long) for t in texts], 0)
            padded = model(input_ids=pad(texts, model.config.pad_token_id), attention_mask=real).logits
        logits = torch.cat([a.logits[0] for a in alone])
        exact = 1e-6 if name == "modernbert" else 1e-10   # its rotation and its softmax are float32 in any model
        torch.testing.assert_close(logits, padded[real.bool()], rtol=exact, atol=exact)
        tensors = {"input_ids": torch.cat(texts), "offsets": torch.tensor([0, *LENGTHS]).cumsum(0), "logits": logits.float(),
                   **{f"hidden.{n}": torch.cat([a.hidden_states[n][0] for a in alone]).float() for n in range(3)}}
        save_file({n: t.contiguous() for n, t in tensors.items()}, str(folder / f"{name}.safetensors"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.check:
        with tempfile.TemporaryDirectory() as scratch:
            write_all(pathlib.Path(scratch))
            return compare(HERE / "golden", pathlib.Path(scratch))
    write_all(HERE / "golden")
    return 0


if __name__ == "__main__":
    sys.exit(main())
