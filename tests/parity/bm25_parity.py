# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares BM25 scores with the package bm25s (its method "lucene") on SciFact, over the same tokens.

Usage: bm25_parity.py [DRIVER]     DRIVER is the program built from bm25_driver.cpp; - is that of the build
"""
# ctest: -
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import bm25s
import numpy as np

DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data")) / "scifact" / "beir"
WORD = re.compile(r"[a-z0-9_]+")


def load():
    """Texts and test queries of SciFact in plain lower-case ASCII words, so that both sides cut alike."""
    with gzip.open(DATA / "corpus.jsonl.gz", "rt") as lines:
        corpus = [json.loads(line) for line in lines]
    judged = {line.split("\t")[0] for line in (DATA / "qrels" / "test.tsv").read_text().splitlines()[1:]}
    queries = [json.loads(line) for line in (DATA / "queries.jsonl").read_text().splitlines()]
    texts = {d["_id"]: WORD.findall((d["title"] + " " + d["text"]).lower()) for d in corpus}
    return texts, {q["_id"]: WORD.findall(q["text"].lower()) for q in queries if q["_id"] in judged}


def write(path, texts):
    path.write_text("".join(f"{i}\t{' '.join(words)}\n" for i, words in texts.items()))


def main():
    driver = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "-" else os.environ["BMAE_BIN"] + "/bm25_driver"
    if not DATA.exists():
        print(f"skipped: no {DATA}")
        sys.exit(77)
    texts, queries = load()
    ids, query_ids = list(texts), list(queries)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder / "texts", texts)
        write(folder / "queries", queries)
        for k1, b in ((0.9, 0.4), (1.5, 0.75)):
            peer = bm25s.BM25(method="lucene", k1=k1, b=b)
            peer.index([texts[i] for i in ids], show_progress=False)
            subprocess.run([driver, folder / "texts", folder / "queries", "100", folder / "run", "words", str(k1), str(b)],
                           check=True, stdout=subprocess.DEVNULL)
            run = {}
            for line in (folder / "run").read_text().splitlines():
                query, _, document, _, score, _ = line.split()
                run.setdefault(query, []).append((document, float(score)))
            worst, compared = 0.0, 0
            for query in query_ids:
                scores = peer.get_scores([w for w in queries[query] if w in peer.vocab_dict])
                by_id = dict(zip(ids, scores))
                best = np.sort(scores)[::-1]
                for rank, (document, score) in enumerate(run[query]):
                    for expected in (by_id[document], best[rank]):
                        worst = max(worst, abs(score - expected) / max(1.0, abs(expected)))
                        compared += 1
            print(f"k1 {k1}, b {b}: {compared} scores compared, largest relative difference {worst:.1e}")
            if worst > 1e-5:
                sys.exit("scores differ")


main()
