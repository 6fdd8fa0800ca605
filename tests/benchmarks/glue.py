# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""GLUE's MRPC and STS-B from all-MiniLM-L6-v2: `bmae glue` beside a loop over transformers' AutoModelForSequenceClassification with the same numbers, one seed after the other.
Development figures in percent (accuracy and F1; Pearson and Spearman), mean and sample standard deviation over the seeds, and the seconds of each run.

The same on both sides: start, head (new, N(0, .02)), rows, batches of 32, AdamW without decay of vectors, linear schedule with 10 % warm-up, clipping at 1, dropout. Different: the
order of the rows and the draws, and that transformers drops out the pooled vector, too.

usage: glue.py BMAE --work FOLDER [--tasks mrpc,stsb] [--seeds 1,2,3] [--epochs 3] [--rate 2e-5] [--threads 2] [--model FOLDER] [--rows N]
       --rows N takes the first N training rows: a trial
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
import torch
from scipy import stats
from sklearn import metrics
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from support import model_folder

DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data"))
FILES = {"mrpc": ("mrpc", "msr-para-train.tsv", "msr-para-val.tsv", 0, 3, 4), "stsb": ("sts_benchmark/senteval", "sts-train.csv", "sts-dev.csv", 4, 5, 6)}
LENGTH, BATCH, DECAY, WARM_UP = 128, 32, .01, .1


def rows_of(path, task):
    *_, target, first, second = FILES[task]
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    cells = [line.split("\t") for line in (lines[1:] if task == "mrpc" else lines) if line.strip()]
    return [(" ".join(row[first].split()), " ".join(row[second].split()), float(row[target])) for row in cells]


def write_data(work, task, rows):
    """The task's folder, with fewer training rows where that is asked for."""
    folder, train, dev, *_ = FILES[task]
    place = work / "data" / folder
    place.mkdir(parents=True, exist_ok=True)
    for name in (train, dev):
        lines = (DATA / folder / name).read_text(encoding="utf-8-sig").splitlines(keepends=True)
        (place / name).write_text("".join(lines[:rows + 1] if rows and name == train else lines), encoding="utf-8")
    return place / train, place / dev


def batch_of(tokenizer, rows, task):
    first, second, target = zip(*rows)
    given = tokenizer(list(first), list(second), padding=True, truncation="only_second", max_length=LENGTH, return_tensors="pt")
    return given, torch.tensor(target, dtype=torch.float if task == "stsb" else torch.long)


def figures_of(task, gold, logits):
    if task == "stsb":
        found = logits.squeeze(1).numpy()
        return {"pearson": 100 * float(stats.pearsonr(gold, found)[0]), "spearman": 100 * float(stats.spearmanr(gold, found)[0])}
    found = logits.argmax(1).numpy()
    return {"accuracy": 100 * float(metrics.accuracy_score(gold, found)), "f1": 100 * float(metrics.f1_score(gold, found))}


def peer(options, task, seed, train, dev):
    """One run of transformers. Gives figures and seconds."""
    torch.manual_seed(seed)
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=1 if task == "stsb" else 2)
    for module in (model.bert.pooler.dense, model.classifier):   # a new head, as bmae's
        torch.nn.init.normal_(module.weight, std=model.config.initializer_range)
        torch.nn.init.zeros_(module.bias)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.}], lr=options.rate, betas=(.9, .999), eps=1e-8)
    order = random.Random(seed)
    steps = options.epochs * (-(-len(train) // BATCH))
    warm = WARM_UP * steps
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / warm if warm else 1, max(0., (steps - step) / max(1., steps - warm))))
    model.train()
    for _ in range(options.epochs):
        shuffled = order.sample(train, len(train))
        for at in range(0, len(shuffled), BATCH):
            given, target = batch_of(tokenizer, shuffled[at:at + BATCH], task)
            loss = model(**given, labels=target).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.)
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(**batch_of(tokenizer, dev[at:at + 64], task)[0]).logits for at in range(0, len(dev), 64)])
    return figures_of(task, [target for *_, target in dev], logits), time.perf_counter() - start


def ours(options, task, seed):
    output = options.work / "bmae" / task
    start = time.perf_counter()
    command = [options.bmae, "glue", "--model", options.model, "--task", task, "--data", options.work / "data" / FILES[task][0], "--seeds", seed, "--epochs", options.epochs,
               "--learning-rate", options.rate, "--batch-examples", BATCH, "--weight-decay", DECAY, "--warmup", WARM_UP, "--max-length", LENGTH, "--threads", options.threads,
               "--output", output, "--json", *(["--resume"] if output.exists() else [])]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return told["results"][0]["runs"][0]["figures"], time.perf_counter() - start


def told(values):
    return f"{statistics.mean(values):.2f}" + (f" ({statistics.stdev(values):.2f})" if len(values) > 1 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bmae")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--tasks", default="mrpc,stsb")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=2e-5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=0)
    options = parser.parse_args()
    options.model = model_folder(options.model)
    print("| task | figure | bmae | transformers | seconds of a run, bmae / transformers |\n|---|---|---|---|---|")
    for task in options.tasks.split(","):
        paths = write_data(options.work, task, options.rows)
        train, dev = (rows_of(path, task) for path in paths)
        found = []
        for seed in map(int, options.seeds.split(",")):
            found.append((ours(options, task, seed), peer(options, task, seed, train, dev)))
            print(f"{task}, seed {seed}: {found[-1]}", file=sys.stderr, flush=True)
        seconds = " / ".join(f"{statistics.median(pair[side][1] for pair in found):.0f}" for side in (0, 1))
        for name in found[0][0][0]:
            print(f"| {task} | {name} | {told([pair[0][0][name] for pair in found])} | {told([pair[1][0][name] for pair in found])} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
