# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds to evaluate a run of 6,980 queries x 1,000 hits (299 MB): `bmae evaluate`, the library from the file and in memory, pytrec_eval, and ranx where
it is installed; one after the other, in turns.

Usage: evaluate_run.py FOLDER [BMAE [BENCHMARK]]     FOLDER receives the two files; BMAE is bin/bmae, BENCHMARK the program built from evaluate_run.cpp
"""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

QUERIES, HITS, PASSAGES = 6980, 1000, 8_841_823


def generate(folder):
    """Ids and scores as of a dense retriever over MS MARCO, with few ties; half of the judged passages are found."""
    qrels, run = folder / "qrels.tsv", folder / "run.trec"
    if qrels.exists() and run.exists():
        return qrels, run
    draw = random.Random(1)
    with open(qrels, "w") as judged, open(run, "w") as hits:
        for query in sorted(draw.sample(range(1_100_000), QUERIES)):
            documents = draw.sample(range(PASSAGES), HITS)
            score, lines = 80 + 10 * draw.random(), []
            for rank, document in enumerate(documents, 1):
                score -= draw.random() / 50
                lines.append(f"{query} Q0 {document} {rank} {score:.6f} dense-mini\n")
            hits.write("".join(lines))
            relevant = documents[min(HITS - 1, int(draw.expovariate(1 / 20)))] if draw.random() < .5 else draw.randrange(PASSAGES)
            judged.write(f"{query}\t0\t{relevant}\t1\n")
    return qrels, run


def seconds_of(command):
    """Wall time and peak memory of a program, in MB."""
    begin = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, output.decode()


PYTREC = """
import sys, time, pytrec_eval
begin = time.perf_counter()
qrels, run = (getattr(pytrec_eval, f"parse_{kind}")(open(path)) for kind, path in zip(("qrel", "run"), sys.argv[1:]))
parsed = time.perf_counter()
values = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank", "ndcg_cut.10", "recall.1000", "map"}).evaluate(run)
print(parsed - begin, time.perf_counter() - parsed)
"""
RANX = """
import sys, time, ranx
begin = time.perf_counter()
qrels, run = ranx.Qrels.from_file(sys.argv[1], kind="trec"), ranx.Run.from_file(sys.argv[2], kind="trec")
parsed = time.perf_counter()
ranx.evaluate(qrels, run, ["mrr@10", "ndcg@10", "recall@1000", "map"], make_comparable=True)
print(parsed - begin, time.perf_counter() - parsed)
"""


def main(folder, program, benchmark):
    folder.mkdir(parents=True, exist_ok=True)
    qrels, run = generate(folder)
    print(f"{run.stat().st_size / 1e6:.0f} MB, load {os.getloadavg()[0]:.1f}")
    taken = {}
    for _ in range(3):
        if program:
            wall, memory, _ = seconds_of([program, "evaluate", "--qrels", qrels, "--run", run, "--measures", "mrr@10,ndcg@10,recall@1000,map"])
            taken.setdefault("bmae evaluate", []).append(wall)
            taken.setdefault("bmae evaluate, peak MB", []).append(memory)
        if benchmark:
            for name, value in json.loads(seconds_of([benchmark, qrels, run])[2]).items():
                taken.setdefault(f"library, {name}", []).append(value)
        for name, script in (("pytrec_eval", PYTREC), ("ranx", RANX)):
            try:
                __import__(name)
            except ModuleNotFoundError:
                continue
            parse, evaluate = map(float, seconds_of([sys.executable, "-c", script, qrels, run])[2].split())
            taken.setdefault(f"{name}, parse", []).append(parse)
            taken.setdefault(f"{name}, evaluate", []).append(evaluate)
    for name, values in taken.items():
        print(f"{name}: {statistics.median(values):.3f}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *(sys.argv[2:4] + [None, None])[:2])
