# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Peak memory and time of what makes a training run fit: the gradient cache, recomputed activations, frozen layers, low-rank factors and
optimizers with smaller states. Every line is one run of the program over invented texts; its peak is that of the process, the time the
median of its steps, each logged by itself.

usage: memory.py [--config SIZE] [--tokens N] [--threads N] [--only cache|recompute|states]
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

PROGRAM = pathlib.Path(os.environ.get("BMAE_BIN", "build/release/bin")) / "bmae"


def run(*arguments):
    """Peak of the process in MB."""
    process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"bmae {' '.join(map(str, arguments))}\n{said}")
    return used.ru_maxrss / 1024


def seconds_per_step(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "tokens_per_second" in line]
    tokens = [after["tokens"] - before["tokens"] for before, after in zip(steps, steps[1:])]
    return statistics.median(count / line["tokens_per_second"] for count, line in zip(tokens, steps[1:]))


def write_texts(folder, words, texts, rng):
    """A BEIR folder of `texts` documents of so many words, each with a query of its own."""
    (folder / "qrels").mkdir(parents=True)
    known = ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(rng.randint(1, 3))) for _ in range(3000)]
    with (folder / "corpus.jsonl").open("w") as corpus, (folder / "queries.jsonl").open("w") as queries, (folder / "qrels" / "train.tsv").open("w") as qrels:
        qrels.write("query-id\tcorpus-id\tscore\n")
        for i in range(texts):
            body = [rng.choice(known) for _ in range(words)]
            corpus.write(json.dumps({"_id": f"d{i}", "title": "", "text": " ".join(body)}) + "\n")
            queries.write(json.dumps({"_id": f"q{i}", "text": " ".join(rng.sample(body, 6))}) + "\n")
            qrels.write(f"q{i}\td{i}\t1\n")
    return folder


class Bench:
    def __init__(self, work, options):
        self.work, self.options, self.count = work, options, 0
        self.common = ["--threads", options.threads, "--log-every", 1, "--save-every", 0, "--warmup", 0]

    def line(self, name, *arguments):
        self.count += 1
        output = self.work / f"run-{self.count}"
        peak = run(*arguments, *self.common, "--output", output)
        print(f"{name:<58} {peak:8.0f} MB {seconds_per_step(output):8.2f} s per step", flush=True)

    def prepare(self):
        rng = random.Random(1)
        long = write_texts(self.work / "long", self.options.tokens, 64, rng)
        self.short = write_texts(self.work / "short", 90, 8192, rng)
        run("prepare", "--input", self.short, "--format", "beir", "--build-vocabulary", 4000, "--max-length", 144, "--output", self.work / "vocabulary")
        run("prepare", "--input", long, "--format", "beir", "--tokenizer", self.work / "vocabulary", "--max-length", self.options.tokens, "--output",
            self.work / "store")
        self.pretrain = ["pretrain", "--config", self.options.config, "--data", self.work / "store", "--max-length", self.options.tokens,
                         "--batch-examples", 8, "--steps", 4]
        run(*self.pretrain, "--threads", self.options.threads, "--save-every", 0, "--output", self.work / "model")
        self.finetune = ["finetune", "--model", self.work / "model", "--data", self.short, "--passages-per-query", 1, "--pooling", "mean"]

    def cache(self):
        self.line("64 pairs", *self.finetune, "--batch-examples", 64, "--steps", 4)
        self.line("512 pairs", *self.finetune, "--batch-examples", 512, "--steps", 3)
        self.line("4,096 pairs, gradient cache of 64", *self.finetune, "--batch-examples", 64, "--accumulate", 64, "--gradient-cache", "--steps", 2)
        self.line("4,096 pairs, gradient cache of 64, --recompute", *self.finetune, "--batch-examples", 64, "--accumulate", 64, "--gradient-cache",
                  "--recompute", "--steps", 2)

    def recompute(self):
        for name, more in (("kept activations", []), ("--recompute", ["--recompute"])):
            for precision in ("fp32", "bf16"):
                self.line(f"8 texts of {self.options.tokens} tokens, {precision}, {name}", *self.pretrain, "--precision", precision, *more)

    def states(self):
        step = [*self.finetune, "--batch-examples", 8, "--steps", 6]
        for optimizer in ("adamw", "lamb", "adamw8", "adafactor"):
            self.line(f"8 pairs, --optimizer {optimizer}", *step, "--optimizer", optimizer)
        self.line("8 pairs, --freeze embeddings,layers:1", *step, "--freeze", "embeddings,layers:1")
        self.line("8 pairs, --lora-rank 8", *step, "--lora-rank", 8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="base", choices=["base", "small", "mini", "tiny"])
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["cache", "recompute", "states"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pathlib.Path(folder), options)
        bench.prepare()
        for part in ("cache", "recompute", "states"):
            if options.only in (None, part):
                getattr(bench, part)()


if __name__ == "__main__":
    main()
