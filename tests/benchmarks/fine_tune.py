# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning beside sentence-transformers on the same queries, negatives, batch sizes and steps: nDCG@10 by seed, and seconds per step in turns.

usage: fine_tune.py --ours build/release/bin/bmae --data BEIR --negatives FILE [--model FOLDER] [--steps 100] [--seeds 1,2,3] [--precision bf16]
                    [--kinds retriever,reranker] [--rerank RUN] [--threads 2]

BEIR has qrels/train.tsv and qrels/test.tsv; FILE has lines of query and document, as `bmae mine` writes them. The peer is MultipleNegativesRankingLoss over
one positive and one negative per query, scale 20, its own AdamW and linear schedule with a tenth of warm-up, under autocast where --precision is bf16. Both models search and rerank
by bmae in fp32, from the folders that they saved (that a folder has the same vectors and scores in both libraries is a test of its own, tests/parity/folders_parity.py), and pytrec_eval
measures the runs. With --rerank RUN (a TREC run, of which the test queries are read) both fine-tune a cross-encoder over groups of six, too, by the cross-entropy of the positive, and rerank its first
20 hits. --kinds chooses one of the two.
"""
import argparse
import contextlib
import gzip
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import pytrec_eval
import sentence_transformers
import sentence_transformers.losses
import torch

from support import answer, beir_file, model_folder

QUERY_LENGTH, PASSAGE_LENGTH, BATCH, RATE, TEMPERATURE = 48, 160, 16, 2e-5, .05
PAIR_LENGTH, PAIR_BATCH, GROUP, PAIR_RATE, DEPTH = 192, 8, 6, 1e-4, 20


class Collection:
    def __init__(self, folder):
        self.documents, self.queries = self.read(folder, "corpus"), self.read(folder, "queries")
        self.train, self.test = self.judged(folder, "train"), self.judged(folder, "test")

    @staticmethod
    def read(folder, name):
        path = beir_file(folder, f"{name}.jsonl")
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return {row["_id"]: (row.get("title", "") + " " + row["text"]).strip() for row in rows}

    @staticmethod
    def judged(folder, split):
        found = {}
        for line in (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]:
            query, document, grade = line.split("\t")
            if int(grade) > 0:
                found.setdefault(query, {})[document] = int(grade)
        return found


def groups_of(collection, negatives, size, seed):
    """Query, positive and size - 1 negatives, drawn for each pair of a query and its relevant document, in a shuffled order without end."""
    draw = random.Random(seed)
    pairs = [(query, document) for query, found in collection.train.items() for document in found if negatives.get(query)]
    while True:
        draw.shuffle(pairs)
        for query, document in pairs:
            chosen = draw.sample(negatives[query], min(size - 1, len(negatives[query])))
            chosen += draw.choices(negatives[query], k=size - 1 - len(chosen))
            yield collection.queries[query], [collection.documents[d] for d in (document, *chosen)]


def ndcg(scores, judged):
    values = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut_10"}).evaluate(scores)
    return statistics.mean(values.get(query, {"ndcg_cut_10": 0})["ndcg_cut_10"] for query in judged)


def half(options):
    return torch.autocast("cpu", torch.bfloat16) if options.precision == "bf16" else contextlib.nullcontext()


def measured(run, collection):
    scores = {}
    for line in run.read_text(encoding="utf-8").splitlines():
        query, _, document, _, score, _ = line.split()
        scores.setdefault(query, {})[document] = float(score)
    return ndcg(scores, collection.test)


def dense_figure(folder, work, collection, options):
    run = work / f"{folder.name}.trec"
    answer(options.ours, "search", "--model", folder, "--data", options.data, "--split", "test", "--top-k", 100, "--max-length", 256, "--query-length", QUERY_LENGTH, "--normalize",
           "--threads", options.threads, "--output", run)
    return measured(run, collection)


def reranked_figure(folder, work, collection, options):
    depth, run = work / "depth.trec", work / f"{folder.name}.trec"
    seen, kept = {}, []
    for line in options.rerank.read_text(encoding="utf-8").splitlines():
        query = line.split()[0]
        seen[query] = seen.get(query, 0) + 1
        if seen[query] <= DEPTH and query in collection.test:
            kept.append(line + "\n")
    depth.write_text("".join(kept), encoding="utf-8")
    answer(options.ours, "rerank", "--model", folder, "--run", depth, "--data", options.data, "--split", "test", "--depth", DEPTH, "--max-length", PAIR_LENGTH,
           "--threads", options.threads, "--output", run)
    return measured(run, collection)


def optimizer_of(parameters, rate, steps):
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=.01)
    warmup = max(1, steps // 10)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (step + 1) / warmup if step < warmup else max(0., (steps - step) / max(1, steps - warmup)))


def trained(loss_of, parameters, rate, options):
    """Seconds of the steps; loss_of gives a batch's loss."""
    optimizer, schedule = optimizer_of(parameters, rate, options.steps)
    began = time.perf_counter()
    for _ in range(options.steps):
        with half(options):
            loss = loss_of()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.)
        optimizer.step(), schedule.step(), optimizer.zero_grad()
    return time.perf_counter() - began


def peer_retriever(model_folder, collection, negatives, seed, options):
    torch.manual_seed(seed)
    model = sentence_transformers.SentenceTransformer(str(model_folder), device="cpu")
    loss = sentence_transformers.losses.MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE)
    rows = groups_of(collection, negatives, 2, seed)

    def features(texts, length):
        model.max_seq_length = length
        return model.preprocess(texts) if hasattr(model, "preprocess") else model.tokenize(texts)

    def loss_of():
        queries, passages = zip(*(next(rows) for _ in range(BATCH)))
        columns = [features(list(queries), QUERY_LENGTH), *(features([p[i] for p in passages], PASSAGE_LENGTH) for i in range(2))]
        return loss(columns, None)

    model.train()
    seconds = trained(loss_of, list(model.parameters()), RATE, options)
    model.eval()
    return model, seconds


def peer_reranker(model_folder, collection, negatives, seed, options):
    torch.manual_seed(seed)
    model = sentence_transformers.CrossEncoder(str(model_folder), num_labels=1, device="cpu", max_length=PAIR_LENGTH)
    network = model.model if hasattr(model, "model") else model
    rows = groups_of(collection, negatives, GROUP, seed)

    def loss_of():
        pairs = [(query, passage) for query, passages in (next(rows) for _ in range(PAIR_BATCH)) for passage in passages]
        encoded = model.tokenizer([a for a, _ in pairs], [b for _, b in pairs], truncation="only_second", max_length=PAIR_LENGTH, padding=True, return_tensors="pt")
        scores = network(**encoded).logits.float().view(PAIR_BATCH, GROUP)
        return torch.nn.functional.cross_entropy(scores, torch.zeros(PAIR_BATCH, dtype=torch.long))

    network.train()
    seconds = trained(loss_of, list(network.parameters()), PAIR_RATE, options)
    network.eval()
    return model, seconds


def ours(preset, output, seed, options):
    settings = {"retriever": ["--passages-per-query", 2, "--batch-examples", BATCH, "--learning-rate", RATE, "--normalize", "--temperature", TEMPERATURE,
                              "--pooling", "mean", "--query-length", QUERY_LENGTH, "--passage-length", PASSAGE_LENGTH],
                "reranker": ["--passages-per-query", GROUP, "--batch-examples", PAIR_BATCH, "--learning-rate", PAIR_RATE, "--passage-length", PAIR_LENGTH]}
    command = [options.ours, "finetune", "--preset", preset, "--model", options.model, "--data", options.data, "--negatives", options.negatives, "--steps",
               options.steps, "--precision", options.precision, "--threads", options.threads, "--seed", seed, "--save-every", 0, *settings[preset], "--output", output]
    began = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def read_pairs(path):
    found = {}
    for line in path.read_text().splitlines():
        query, document = line.split("\t")[:2]
        found.setdefault(query, []).append(document)
    return found


def table(kind, figures, seconds, steps):
    spread = lambda values: f"{statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"
    ratio = [b / a for a, b in zip(*seconds.values())]
    for name in figures:
        print(f"| {kind} | {name} | {spread(figures[name])} | {statistics.median(seconds[name]) / steps:.2f} |", flush=True)
    print(f"| | ratio of seconds, sentence-transformers : bmae | | {statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f}) |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--negatives", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--kinds", help="retriever, and reranker where there is --rerank")
    parser.add_argument("--rerank", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    kinds = options.kinds.split(",") if options.kinds else ["retriever", *(["reranker"] if options.rerank else [])]
    if not set(kinds) <= {"retriever", "reranker"} or ("reranker" in kinds and not options.rerank):
        parser.error("--kinds: retriever, reranker; the latter wants --rerank")
    options.model = model_folder(options.model)
    torch.set_num_threads(options.threads)
    collection, negatives = Collection(options.data), read_pairs(options.negatives)
    print("| model | | nDCG@10, mean (from, to) | seconds per step, the start included |\n|---|---|---|---:|", flush=True)
    for kind in kinds:
        figures, seconds = {"bmae": [], "sentence-transformers": []}, {"bmae": [], "sentence-transformers": []}
        for seed in map(int, options.seeds.split(",")):
            with tempfile.TemporaryDirectory(prefix="bmae-fine-tune-") as name:
                work = pathlib.Path(name)
                seconds["bmae"].append(ours(kind, work / "run", seed, options))
                peer, took = (peer_retriever if kind == "retriever" else peer_reranker)(options.model, collection, negatives, seed, options)
                seconds["sentence-transformers"].append(took)
                peer.save(str(work / "peer"))
                exported = next(path.parent for path in sorted((work / "run").rglob("modules.json" if kind == "retriever" else "config.json")))
                figure = dense_figure if kind == "retriever" else reranked_figure
                for name, folder in (("bmae", exported), ("sentence-transformers", work / "peer")):
                    figures[name].append(figure(folder, work, collection, options))
                    print(f"{kind}, seed {seed}, {name}: nDCG@10 {figures[name][-1]:.4f}, {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
        table(kind, figures, seconds, options.steps)


if __name__ == "__main__":
    main()
