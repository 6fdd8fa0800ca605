# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Indexes on disk of invented passages, beside bm25s, tantivy and faiss in one run: seconds and peak memory of making one, bytes, seconds to open it,
queries per second one at a time and in batches, with cold and warm files.

Usage: index_on_disk.py BMAE BENCHMARK_INDEX_SEARCH [--passages 1000000] [--dimension 384] [--queries 500] [--k 1000] [--threads 2]
           [--repeats 3] [--only fp32,bf16,faiss] [--folder DIR]
Needs bm25s, and what of faiss-cpu and tantivy is to be compared; about 6 GB of disk and 4 GB of memory for a million passages.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROWS = ("fp32", "bf16", "int8", "binary")


def measured(command, **keywords):
    """Seconds and peak megabytes of a process, and what it printed."""
    began = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, **keywords)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (command, status)
    return time.perf_counter() - began, usage.ru_maxrss / 1024, printed


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2 ** 20


def forget(folder):
    """Drops the files of a folder from the page cache, as far as the system lets a user."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def invent(folder, passages, dimension, queries):
    """Words by Zipf's law, 20 to 90 a passage; normal vectors. All from one seed."""
    rng = np.random.default_rng(1)
    words = np.array([f"w{i}" for i in range(200_000)])
    shares = 1 / np.arange(1, len(words) + 1)
    bounds = np.cumsum(shares / shares.sum())
    data = folder / "data"
    data.mkdir(parents=True)
    with open(data / "corpus.jsonl", "w") as corpus, open(folder / "texts", "w") as texts:
        for first in range(0, passages, 10_000):
            for number in range(first, min(first + 10_000, passages)):
                text = " ".join(words[np.minimum(np.searchsorted(bounds, rng.random(rng.integers(20, 90))), len(words) - 1)])
                corpus.write(f'{{"_id": "p{number:08d}", "title": "", "text": "{text}"}}\n')
                texts.write(text + "\n")
    with open(folder / "queries", "w") as lines:
        for _ in range(queries):
            lines.write(" ".join(words[np.minimum(np.searchsorted(bounds, rng.random(6) ** .7), len(words) - 1)]) + "\n")
    header = json.dumps({"embeddings": {"dtype": "F32", "shape": [passages, dimension], "data_offsets": [0, passages * dimension * 4]}})
    header += " " * (-len(header) % 8)
    with open(folder / "x.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header.encode())
        for first in range(0, passages, 10_000):
            file.write(rng.standard_normal((min(10_000, passages - first), dimension), dtype=np.float32).tobytes())
    (folder / "x.ids").write_text("".join(f"p{number:08d}\n" for number in range(passages)))
    (folder / "vectors").write_bytes(rng.standard_normal((queries, dimension), dtype=np.float32).tobytes())


PEERS = {
    "bm25s": """
import bm25s, json, resource, sys, time
mode, folder, index, k, threads, single = sys.argv[1:7]; k, threads, single = int(k), int(threads), int(single)
if mode == "build":
    texts = open(folder + "/texts").read().splitlines()
    model = bm25s.BM25(method="lucene", k1=.9, b=.4)
    model.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    model.save(index)
else:
    queries = open(folder + "/queries").read().splitlines()
    start = time.perf_counter(); model = bm25s.BM25.load(index, mmap=True); opened = time.perf_counter() - start
    ask = lambda some, n: model.retrieve(bm25s.tokenize(some, stopwords="en", show_progress=False), k=k, n_threads=n, show_progress=False)
    start = time.perf_counter(); ask(queries[:1], 1); first = time.perf_counter() - start
    start = time.perf_counter(); [ask([query], 1) for query in queries[:single]]; alone = len(queries[:single]) / (time.perf_counter() - start)
    start = time.perf_counter(); ask(queries, threads); batch = len(queries) / (time.perf_counter() - start)
    print("open", opened, "first", first, "single", alone, "batch", batch)
""",
    "tantivy": """
import concurrent.futures, os, sys, time, tantivy
mode, folder, index, k, threads, single = sys.argv[1:7]; k, threads, single = int(k), int(threads), int(single)
schema = tantivy.SchemaBuilder()
schema.add_unsigned_field("id", stored=True); schema.add_text_field("text", stored=False, index_option="freq"); schema = schema.build()
if mode == "build":
    os.makedirs(index)
    writer = tantivy.Index(schema, path=index).writer(512 << 20, threads)
    made = tantivy.Index.open(index)
    for number, text in enumerate(open(folder + "/texts")):
        writer.add_document(tantivy.Document(id=number, text=text))
    writer.commit(); writer.wait_merging_threads()
else:
    queries = open(folder + "/queries").read().splitlines()
    start = time.perf_counter(); made = tantivy.Index.open(index); searcher = made.searcher(); opened = time.perf_counter() - start
    ask = lambda query: searcher.search(made.parse_query(query, ["text"]), k).hits
    start = time.perf_counter(); ask(queries[0]); first = time.perf_counter() - start
    start = time.perf_counter(); [ask(query) for query in queries[:single]]; alone = len(queries[:single]) / (time.perf_counter() - start)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter(); list(pool.map(ask, queries)); batch = len(queries) / (time.perf_counter() - start)
    print("open", opened, "first", first, "single", alone, "batch", batch)
""",
    "faiss": """
import os, sys, time, faiss, numpy as np
mode, folder, index, k, threads, single = sys.argv[1:7]; k, threads, single = int(k), int(threads), int(single)
faiss.omp_set_num_threads(threads)
if mode == "build":
    skip = 8 + int.from_bytes(open(folder + "/x.safetensors", "rb").read(8), "little")
    dimension = int(os.environ["DIMENSION"])
    rows = np.memmap(folder + "/x.safetensors", np.float32, "r", skip).reshape(-1, dimension)
    made = faiss.IndexFlatIP(dimension)
    for first in range(0, len(rows), 10000): made.add(np.ascontiguousarray(rows[first:first + 10000]))
    os.makedirs(index); faiss.write_index(made, index + "/index")
else:
    start = time.perf_counter(); made = faiss.read_index(index + "/index"); opened = time.perf_counter() - start
    queries = np.fromfile(folder + "/vectors", np.float32).reshape(-1, made.d)
    start = time.perf_counter(); made.search(queries[:1], k); first = time.perf_counter() - start
    start = time.perf_counter(); [made.search(query[None], k) for query in queries[:single]]; alone = len(queries[:single]) / (time.perf_counter() - start)
    start = time.perf_counter(); made.search(queries, k); batch = len(queries) / (time.perf_counter() - start)
    print("open", opened, "first", first, "single", alone, "batch", batch)
""",
}


def contestants(options, folder):
    """Name, command that makes an index, command that searches it."""
    number = [options.k, options.threads, options.single]
    data = ["--data", folder / "data"]
    yield "bmae bm25", [options.bmae, "index", "--method", "bm25", *data, "--threads", options.threads, "--output"], lambda index: [
        options.search, index, folder / "queries", *number]
    for rows in ROWS:
        yield f"bmae {rows}", [options.bmae, "index", "--method", "dense", "--rows", rows, "--vectors", folder / "x.safetensors",
                               "--output"], lambda index: [options.search, index, folder / "vectors", *number]
    for name, program in PEERS.items():
        try:
            __import__(name)
        except ImportError:
            print(f"{name} is not installed: left out")
            continue
        call = [sys.executable, "-c", program]
        yield name, [*call, "build", folder], lambda index, call=call: [*call, "search", folder, index, *number]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bmae")
    parser.add_argument("search")
    for name, value in (("passages", 1_000_000), ("dimension", 384), ("queries", 500), ("k", 1000), ("threads", 2), ("repeats", 3), ("single", 50)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--only", default="", help="names with commas: fp32,bf16,faiss")
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(dir=options.folder))
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "DIMENSION": str(options.dimension)}
    try:
        invent(folder, options.passages, options.dimension, options.queries)
        entries = []
        for name, build, search in contestants(options, folder):
            if options.only and name.split()[-1] not in options.only.split(","):
                continue
            index = folder / name.replace(" ", "-")
            extra = [] if name.startswith("bmae") else [options.k, options.threads, options.single]
            seconds, megabytes, _ = measured([*build, index, *extra], env=environment)
            forget(index)
            cold = float(dict(zip(*[iter(measured(search(index), env=environment)[2].split())] * 2))["first"])
            entries.append((name, search, index, seconds, megabytes, size_of(index), cold, []))
        for _ in range(options.repeats):   # interleaved: all have the same neighbors
            for name, search, index, *_, found in entries:
                found.append({key: float(value) for key, value in zip(*[iter(measured(search(index), env=environment)[2].split())] * 2)})
        print(f"{options.passages} passages, {options.dimension} numbers, k = {options.k}, {options.threads} threads, {options.queries} queries; "
              f"load {os.getloadavg()[0]:.1f}\n")
        print("| index | made, s | peak, MB | bytes, MB | open, s | first query cold, s | one at a time, queries/s | batch, queries/s |\n|---|---:|---:|---:|---:|---:|---:|---:|")
        for name, _, _, seconds, peak, megabytes, cold, found in entries:
            middle = {key: statistics.median(each[key] for each in found) for key in found[0]}
            print(f"| {name} | {seconds:.1f} | {peak:.0f} | {megabytes:.0f} | {middle['open']:.4f} | {cold:.4f} | {middle['single']:.1f} | {middle['batch']:.1f} |")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
