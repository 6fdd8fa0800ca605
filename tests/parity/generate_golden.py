# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of the language models that write texts: what transformers computes, for tests without Python.

usage: generate_golden.py            writes golden/ beside this file
       generate_golden.py --check    computes everything again and compares with the stored files

golden/tiny_gpt2, tiny_t5, tiny_t5_v11    random models: config.json, model.safetensors. v11: gated, a head of its own, nothing scaled
golden/generation.safetensors             for each of them, weights float32, arithmetic float64, one prompt at a time:
    MODEL.prompts [T], MODEL.offsets [N+1]    token ids of the prompts
    MODEL.greedy  [N, 12]                     the best tokens, one after the other; no token ends a text
    MODEL.scores  [N, 12, V]                  logits that each of them was chosen from, float32
"""
import argparse
import json
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

HERE = pathlib.Path(__file__).resolve().parent
WORDS, STEPS = 96, 12


def randomize(model, seed):
    """Weights large enough for attention to matter and for the best token to be clear."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        is_norm = "ln_" in name or "norm" in name
        scale = .1 if is_norm or name.endswith("bias") else .6 if any(w in name for w in ("wte", "wpe", "shared", "relative", "lm_head")) else .2
        value.data = noise * scale + (1 if is_norm and name.endswith("weight") else 0)


def make(name):
    if name == "tiny_gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_positions=48, n_embd=24, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=0))
        randomize(model, 31)
        return model.eval()
    v11 = name == "tiny_t5_v11"
    model = T5ForConditionalGeneration(T5Config(
        vocab_size=WORDS, d_model=24, d_kv=6, num_heads=3, d_ff=32, num_layers=1 if v11 else 2, num_decoder_layers=2, decoder_start_token_id=0,
        relative_attention_num_buckets=8, relative_attention_max_distance=20, feed_forward_proj="gated-gelu" if v11 else "relu", tie_word_embeddings=not v11))
    if v11:
        model.lm_head.weight = torch.nn.Parameter(torch.empty(WORDS, 24))
    randomize(model, 33 if v11 else 32)
    return model.eval()


def save(model, folder):
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads(model.config.to_json_string())
    untied = "lm_head.weight" in dict(model.named_parameters())
    if untied:   # as the files of v1.1 have it
        config["tie_word_embeddings"] = False
        config.pop("scale_decoder_outputs", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    names = {n: v.detach().contiguous() for n, v in model.named_parameters()}
    save_file(names, str(folder / "model.safetensors"), metadata={"format": "pt"})


def prompts(seed, lengths=(1, 9, 30, 4, 17, 2)):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(2, WORDS, (n,), generator=generator) for n in lengths]


def run(model, prompt):
    """Greedy tokens and the scores they were chosen from; every step from the start, without a cache."""
    encoder = model.config.is_encoder_decoder
    ids = torch.zeros(1, dtype=torch.long) if encoder else prompt
    rows = []
    for _ in range(STEPS):
        inputs = {"input_ids": prompt[None], "decoder_input_ids": ids[None]} if encoder else {"input_ids": ids[None]}
        rows.append(model(**inputs, use_cache=False).logits[0, -1])
        best = rows[-1].topk(2)
        assert best.values[0] - best.values[1] > 1e-3, "two tokens are too close"
        ids = torch.cat([ids, best.indices[:1]])
    return ids[-STEPS:], torch.stack(rows).float()


@torch.no_grad()
def write_all(folder):
    tensors = {}
    for number, name in enumerate(("tiny_gpt2", "tiny_t5", "tiny_t5_v11")):
        model = make(name)
        save(model, folder / name)
        model = model.double()
        inputs = prompts(50 + number)
        outputs = [run(model, p) for p in inputs]
        tensors |= {f"{name}.prompts": torch.cat(inputs), f"{name}.offsets": torch.tensor([0] + [len(p) for p in inputs]).cumsum(0),
                    f"{name}.greedy": torch.stack([t for t, _ in outputs]), f"{name}.scores": torch.stack([s for _, s in outputs])}
    save_file({n: t.contiguous() for n, t in tensors.items()}, str(folder / "generation.safetensors"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.check:
        write_all(HERE / "golden")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        write_all(pathlib.Path(scratch))
        one, other = (load_file(p / "generation.safetensors") for p in (HERE / "golden", pathlib.Path(scratch)))
    worst = max((one[n].double() - other[n].double()).abs().max().item() for n in one)
    print(f"stored and fresh golden files differ by at most {worst:.1e}")
    return 0 if one.keys() == other.keys() and worst < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
