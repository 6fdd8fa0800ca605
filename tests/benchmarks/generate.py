# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Times `bmae generate` against transformers on the same random model, turn by turn, and prints the ratio of new tokens per second.

usage: generate.py PROGRAM [--kind gpt2 t5] [--size tiny|small] [--texts 32] [--batch 16] [--new-tokens 64] [--repeats 5] [--threads 2]

Both sides write greedy texts of full length (no token ends them) for the same rows in the same batches, and must write the same texts.
Reading the model is not timed on either side. transformers runs its own `generate` with left padding, key/value cache and SDPA.
`tiny` is 2 layers of 32, `small` 6 layers of 384 with 6 heads. The ratio is ours over theirs: above 1 we are faster.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "parity"))
import torch  # noqa: E402

from generate_models import gpt2, invented_texts, t5, write_rows  # noqa: E402

SMALL = {"gpt2": {"n_embd": 384, "n_layer": 6, "n_head": 6, "n_positions": 256},
         "t5": {"d_model": 384, "d_kv": 64, "num_heads": 6, "d_ff": 1024, "num_layers": 6, "num_decoder_layers": 6}}


@torch.no_grad()
def theirs(model, tokenizer, rows, options):
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    encoder = model.config.is_encoder_decoder
    tokenizer.padding_side = "right" if encoder else "left"
    texts, seconds, tokens = [], 0.0, 0
    for at in range(0, len(rows), options.batch):
        inputs = tokenizer([r["text"] for r in rows[at:at + options.batch]], return_tensors="pt", padding=True, add_special_tokens=encoder)
        inputs.pop("token_type_ids", None)
        start = time.perf_counter()
        output = model.generate(**inputs, max_new_tokens=options.new_tokens, do_sample=False, pad_token_id=0, eos_token_id=None)
        seconds += time.perf_counter() - start
        new = output[:, 1 if encoder else inputs["input_ids"].shape[1]:]
        tokens += new.numel()
        texts += tokenizer.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return tokens / seconds, texts


def ours(folder, work, options, number):
    output = work / f"out-{number}.jsonl"
    command = [options.program, "generate", "--model", folder, "--input", work / "in.jsonl", "--output", output, "--method", "greedy", "--json",
               "--max-new-tokens", options.new_tokens, "--batch-size", options.batch, "--threads", options.threads]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": str(options.threads)})
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    texts = [row["continuation"] if "continuation" in row else "".join(row["queries"]) for row in rows]
    return json.loads(done.stdout.splitlines()[-1])["tokens_per_second"], texts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--kind", nargs="+", choices=("gpt2", "t5"), default=["gpt2", "t5"])
    parser.add_argument("--size", choices=("tiny", "small"), default="tiny")
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        rows = write_rows(work / "in.jsonl", [" ".join(t.split()[:10]) for t in invented_texts(options.texts, seed=3)])
        for kind in options.kind:
            numbers = SMALL[kind] if options.size == "small" else {}
            model, tokenizer = {"gpt2": gpt2, "t5": t5}[kind](work / kind, invented_texts(400), numbers)
            for name in ("config.json", "generation_config.json"):   # no token ends a text: both sides write as many
                config = json.loads((work / kind / name).read_text())
                (work / kind / name).write_text(json.dumps({**config, "eos_token_id": None}))
            model.generation_config.eos_token_id = None
            rates, same = ([], []), 0
            for repeat in range(options.repeats + 1):   # the first round warms up
                mine, my_texts = ours(work / kind, work, options, f"{kind}-{repeat}")
                peer, peer_texts = theirs(model, tokenizer, rows, options)
                same = sum(a.strip() == b.strip() for a, b in zip(my_texts, peer_texts, strict=True))
                if repeat > 0:
                    rates[0].append(mine)
                    rates[1].append(peer)
            ratios = [a / b for a, b in zip(*rates)]
            print(json.dumps({"kind": kind, "size": options.size, "texts": len(rows), "same_texts": same, "ours": round(statistics.median(rates[0])),
                              "transformers": round(statistics.median(rates[1])), "ratio": round(statistics.median(ratios), 2),
                              "lowest": round(min(ratios), 2), "highest": round(max(ratios), 2)}), flush=True)


if __name__ == "__main__":
    main()
