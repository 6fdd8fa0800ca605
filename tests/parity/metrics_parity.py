# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the evaluator with pytrec_eval and with sentence-transformers on random topics full of ties.

Usage: metrics_parity.py [DRIVER [TOPICS]]     DRIVER is the program built from metrics_driver.cpp; - is that of the build
"""
# ctest: - 1000
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import pytrec_eval

CUTS = [1, 3, 5, 10, 100, 1000]
NAMES = {f"p@{k}": f"P_{k}" for k in CUTS}
NAMES |= {f"recall@{k}": f"recall_{k}" for k in CUTS}
NAMES |= {f"ndcg@{k}": f"ndcg_cut_{k}" for k in CUTS}
NAMES |= {f"map@{k}": f"map_cut_{k}" for k in CUTS}
NAMES |= {f"success@{k}": f"success_{k}" for k in (1, 5, 10)}
NAMES |= {"map": "map", "mrr": "recip_rank", "ndcg": "ndcg", "rprec": "Rprec", "bpref": "bpref"}


def random_topics(topics, seed):
    """Qrels and runs with few distinct scores, graded and negative judgments, missing and unjudged queries."""
    draw = random.Random(seed)
    qrels, run = {}, {}
    for number in range(topics):
        query = f"q{number}"
        documents = [f"d{draw.randrange(100000):x}" for _ in range(draw.randrange(1, 120))]
        documents = list(dict.fromkeys(documents))
        levels = draw.choice([2, 5, 50, 10**6])
        width = draw.choice([1.0, 1e-3, 3e-8])   # the last is below the precision of float32 around 0.8
        run[query] = {d: 0.8 + width * draw.randrange(levels) / levels for d in documents}
        pool = documents + [f"x{i}" for i in range(20)]
        qrels[query] = {d: draw.choice([-1, 0, 0, 1, 1, 2, 3]) for d in draw.sample(pool, draw.randrange(1, len(pool)))}
        if draw.random() < 0.05:
            qrels[query] = {d: 0 for d in qrels[query]}
        if draw.random() < 0.03:
            del run[query]
        elif draw.random() < 0.03:
            del qrels[query]
    return qrels, run


def write(folder, qrels, run):
    with open(f"{folder}/qrels", "w") as out:
        out.writelines(f"{q} 0 {d} {g}\n" for q in qrels for d, g in qrels[q].items())
    with open(f"{folder}/run", "w") as out:
        out.writelines(f"{q} Q0 {d} {i} {s!r} tag\n" for q in run for i, (d, s) in enumerate(run[q].items()))


def ours(driver, folder, profile, measures, level=1, missing="-"):
    text = subprocess.run([driver, f"{folder}/qrels", f"{folder}/run", profile, str(level), missing, ",".join(measures)],
                          check=True, capture_output=True, text=True).stdout
    result = {}
    for line in text.splitlines():
        measure, query, value = line.split()
        result.setdefault(query, {})[measure] = float(value)
    return result


def compare(title, pairs):
    worst = 0.0
    for what, expected, got in pairs:
        worst = max(worst, abs(expected - got))
        if not abs(expected - got) <= 1e-12:
            sys.exit(f"{title}: {what}: expected {expected!r}, got {got!r}")
    print(f"{title}: {len(pairs)} values equal, largest difference {worst:.1e}")


def check_pytrec_eval(driver, folder, qrels, run, level):
    wanted = {"P." + ",".join(map(str, CUTS)), "recall." + ",".join(map(str, CUTS)), "ndcg_cut." + ",".join(map(str, CUTS)),
              "map_cut." + ",".join(map(str, CUTS)), "success", "map", "recip_rank", "ndcg", "Rprec", "bpref"}
    expected = pytrec_eval.RelevanceEvaluator(qrels, wanted, relevance_level=level).evaluate(run)
    got = ours(driver, folder, "trec9", NAMES, level, "skip")
    assert sorted(expected) == sorted(q for q in got if q != "all")
    pairs = [(f"{q} {n}", expected[q][t], got[q][n]) for q in expected for n, t in NAMES.items()]
    pairs += [(f"mean {n}", np.mean([expected[q][t] for q in expected]), got["all"][n]) for n, t in NAMES.items()]
    compare(f"pytrec_eval, level {level}", pairs)
    zero = ours(driver, folder, "trec9", NAMES, level)
    compare("missing queries count zero", [(n, sum(expected[q][t] for q in expected) / len(qrels), zero["all"][n]) for n, t in NAMES.items()])


def check_beir(driver, folder, qrels, run):
    """BEIR's own reciprocal rank: ties in the order of the run, divided by the number of judged queries."""
    total = {k: 0.0 for k in CUTS}
    for query in run:
        ranking = sorted(run[query].items(), key=lambda item: item[1], reverse=True)
        for k in CUTS:
            ranks = [i for i, (d, _) in enumerate(ranking[:k]) if qrels.get(query, {}).get(d, 0) > 0]
            total[k] += 1.0 / (ranks[0] + 1) if ranks else 0.0
    got = ours(driver, folder, "beir", [f"mrr@{k}" for k in CUTS])["all"]
    compare("beir MRR", [(f"mrr@{k}", total[k] / len(qrels), got[f"mrr@{k}"]) for k in CUTS])
    same = ours(driver, folder, "mteb", ["ndcg@10", "map@10", "recall@10", "p@10"])["all"]
    trec = ours(driver, folder, "trec9", ["ndcg@10", "map@10", "recall@10", "p@10"], missing="skip")["all"]
    compare("mteb", [(n, trec[n], same[n]) for n in trec])


def check_trec10(driver, folder, qrels, run):
    """Ranks by scores in double precision: pytrec_eval on ranks that were made beforehand."""
    ranked = {q: {d: float(-i) for i, (d, _) in enumerate(sorted(run[q].items(), key=lambda i: (i[1], i[0]), reverse=True))} for q in run}
    expected = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recip_rank", "ndcg"}).evaluate(ranked)
    got = ours(driver, folder, "trec10", ["map", "mrr", "ndcg"], missing="skip")
    names = {"map": "map", "mrr": "recip_rank", "ndcg": "ndcg"}
    compare("trec10", [(f"{q} {n}", expected[q][t], got[q][n]) for q in expected for n, t in names.items()])


def check_msmarco(driver, folder, qrels, run):
    """The official script: rank of the first relevant document up to 10, over all judged queries."""
    ranked = {q: [d for d, _ in sorted(run[q].items(), key=lambda i: i[1], reverse=True)] for q in run}
    total = 0.0
    for query in qrels:
        ranks = [i for i, d in enumerate(ranked.get(query, [])[:10]) if qrels[query].get(d, 0) > 0]
        total += 1.0 / (ranks[0] + 1) if ranks else 0.0
    got = ours(driver, folder, "msmarco", ["mrr@10"])["all"]
    compare("msmarco MRR@10", [("mrr@10", total / len(qrels), got["mrr@10"])])


def check_sentence_transformers(driver, folder, qrels, run):
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    relevant = {q: {d for d, g in qrels[q].items() if g > 0} for q in qrels}
    relevant = {q: docs for q, docs in relevant.items() if docs}
    peer = InformationRetrievalEvaluator(queries={q: q for q in relevant}, corpus={"d": "d"}, relevant_docs=relevant,
                                         mrr_at_k=CUTS, ndcg_at_k=CUTS, accuracy_at_k=CUTS, precision_recall_at_k=CUTS, map_at_k=CUTS)
    hits = [[{"corpus_id": d, "score": s} for d, s in run.get(q, {}).items()] for q in peer.queries_ids]
    expected = peer.compute_metrics(hits)
    names = {"mrr": "mrr@k", "ndcg": "ndcg@k", "success": "accuracy@k", "p": "precision@k", "recall": "recall@k", "map": "map@k"}
    got = ours(driver, folder, "sentence-transformers", [f"{n}@{k}" for n in names for k in CUTS])["all"]
    compare("sentence-transformers", [(f"{n}@{k}", float(expected[t][k]), got[f"{n}@{k}"]) for n, t in names.items() for k in CUTS])


def main():
    driver = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] != "-" else os.environ["BMAE_BIN"] + "/metrics_driver"
    topics = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as folder:
        qrels, run = random_topics(topics, seed=7)
        write(folder, qrels, run)
        check_pytrec_eval(driver, folder, qrels, run, 1)
        check_pytrec_eval(driver, folder, qrels, run, 2)
        check_trec10(driver, folder, qrels, run)
        check_beir(driver, folder, qrels, run)
        check_msmarco(driver, folder, qrels, run)
        try:
            check_sentence_transformers(driver, folder, qrels, run)
        except ModuleNotFoundError as error:
            print(f"skipped: the rules of sentence-transformers, for want of the Python package `{error.name}`")


main()
