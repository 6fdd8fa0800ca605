# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""BM25 on SciFact beside bm25s and its numba back end: documents and queries per second, nDCG@10.

Usage: bm25.py BM25_DRIVER METRICS_DRIVER [THREADS]     programs built from ../parity/*_driver.cpp
"""
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import bm25s

DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data")) / "scifact" / "beir"


def main():
    driver, metrics, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
    with gzip.open(DATA / "corpus.jsonl.gz", "rt") as lines:
        corpus = {d["_id"]: " ".join((d["title"] + " " + d["text"]).split()) for d in map(json.loads, lines)}
    judged = {line.split("\t")[0] for line in (DATA / "qrels" / "test.tsv").read_text().splitlines()[1:]}
    queries = {q["_id"]: q["text"] for q in map(json.loads, (DATA / "queries.jsonl").read_text().splitlines()) if q["_id"] in judged}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part, texts in (("texts", corpus), ("queries", queries)):
            (folder / part).write_text("".join(f"{i}\t{t}\n" for i, t in texts.items()))
        for mode in ("default", "stemmed"):
            for k in (10, 1000):
                out = [dict(line.split() for line in subprocess.run(
                    [driver, folder / "texts", folder / "queries", str(k), folder / "run", mode, "0.9", "0.4", str(threads), "50"],
                    check=True, capture_output=True, text=True).stdout.splitlines()) for _ in range(5)]
                print(f"bmae {mode} k={k}:", {name: statistics.median(float(o[name]) for o in out) for name in out[0]})
            text = subprocess.run([metrics, DATA / "qrels" / "test.tsv", folder / "run", "trec9", "1", "-", "ndcg@10,recall@1000"],
                                  check=True, capture_output=True, text=True).stdout
            print(f"bmae {mode}:", [line for line in text.splitlines() if " all " in line])
    for backend in ("numpy", "numba"):
        start = time.perf_counter()
        tokens = bm25s.tokenize(list(corpus.values()), stopwords="en", show_progress=False)
        index = bm25s.BM25(method="lucene", k1=0.9, b=0.4, backend=backend)
        index.index(tokens, show_progress=False)
        built = time.perf_counter() - start
        for k in (10, 1000):
            words = bm25s.tokenize(list(queries.values()), stopwords="en", show_progress=False)
            index.retrieve(words, k=k, n_threads=threads, show_progress=False)
            times = []
            for _ in range(5):
                start = time.perf_counter()
                words = bm25s.tokenize(list(queries.values()), stopwords="en", show_progress=False)
                tokenized = time.perf_counter()
                index.retrieve(words, k=k, n_threads=threads, show_progress=False)
                times.append((time.perf_counter() - start, time.perf_counter() - tokenized))
            whole, search = (statistics.median(t) for t in zip(*times))
            print(f"bm25s {backend} k={k}: index {len(corpus) / built:.0f} docs/s, {len(queries) / whole:.0f} queries/s, "
                  f"{len(queries) / search:.0f} without tokenising")


main()
