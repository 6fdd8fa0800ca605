# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares BM25 scores with the package bm25s (its method "lucene") on SciFact and on small collections in Chinese, Japanese, German and French, over
the same tokens.

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


# Texts, and queries with the text that they must find first.
COLLECTIONS = {
    "zh": (["北京是中国的首都。", "上海是中国最大的城市,有很多高楼。", "面包在烤箱里烤成。", "船停在港口里,海鸥在飞。", "信息检索研究如何查找文档。", "水在一百度时沸腾。"],
           {"中国首都": 0, "烤面包": 2, "港口的船": 3, "文档检索": 4}),
    "ja": (["東京は日本の首都です。", "パンはオーブンで焼きます。", "船が港に停泊している。", "情報検索は文書を探す技術です。", "水は百度で沸騰する。", "ﾃｰﾌﾞﾙの上にリンゴがあります。"],
           {"日本の首都": 0, "パンを焼く": 1, "文書の検索": 3, "テーブル": 5}),
    "de": (["Berlin ist die Hauptstadt von Deutschland.", "Brot wird im Ofen gebacken.", "Die Schiffe liegen im Hafen.", "Die Übung macht den Meister.", "Wasser kocht bei hundert Grad."],
           {"Hauptstadt Deutschland": 0, "Brot Ofen": 1, "u\u0308bung": 3}),
    "fr": (["Paris est la capitale de la France.", "Le pain est cuit au four.", "Les bateaux sont au port.", "Un cafe\u0301 noir et un the\u0301.", "L'eau bout à cent degrés."],
           {"capitale France": 0, "pain four": 1, "café": 3, "degre\u0301s": 4}),
}


def check_language(driver, language, folder):
    texts, queries = COLLECTIONS[language]
    (folder / "texts").write_text("".join(f"d{i}\t{t}\n" for i, t in enumerate(texts)), encoding="utf-8")
    (folder / "queries").write_text("".join(f"q{i}\t{q}\n" for i, q in enumerate(queries)), encoding="utf-8")
    subprocess.run([driver, folder / "texts", folder / "queries", "10", folder / "run", f"language:{language}", "0.9", "0.4"], check=True, stdout=subprocess.DEVNULL)
    terms = [line.split() for line in (folder / "run.terms").read_text(encoding="utf-8").split("\n")[:-1]]
    peer = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    peer.index(terms[:len(texts)], show_progress=False)
    run = {}
    for line in (folder / "run").read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        run.setdefault(query, {})[document] = float(score)
    worst = 0.0
    for i, (query, best) in enumerate(queries.items()):
        found = run[f"q{i}"]
        assert max(found, key=found.get) == f"d{best}", (language, query, found)
        scores = peer.get_scores([t for t in terms[len(texts) + i] if t in peer.vocab_dict])
        for place, score in enumerate(scores):
            worst = max(worst, abs(score - found.get(f"d{place}", 0.0)) / max(1.0, abs(score)))
    print(f"{language}: {len(texts)} texts, {len(queries)} queries, largest relative difference {worst:.1e}; terms of the first text: {' '.join(terms[0])}")
    if worst > 1e-5:
        sys.exit("scores differ")


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
    with tempfile.TemporaryDirectory() as name:
        for language in COLLECTIONS:
            check_language(driver, language, pathlib.Path(name))
    if not DATA.exists():
        print(f"skipped: SciFact, no {DATA}")
        return
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
