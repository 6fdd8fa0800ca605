# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""SentEval's tasks MR, CR, SUBJ, TREC and MRPC as a whole, from all-MiniLM-L6-v2: `bmae transfer --classifier convex` beside scikit-learn's logistic regression on vectors of
sentence-transformers, with the same folds and the same grid; then SentEval's own classifier by bmae alone. Each text is encoded once.

Usage: transfer.py BMAE [TASKS [FOLDS]]     for example transfer.py build/release/bin/bmae mr,cr,subj,trec,mrpc 10: about half an hour on two cores
"""
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from support import model_folder

DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data"))
MODEL = model_folder()
GRID = [2. ** t for t in range(-2, 4)]
SETS = {"mr": ("transfer_mr", "rt-polarity.pos", "rt-polarity.neg"), "cr": ("transfer_cr", "custrev.pos", "custrev.neg"),
        "subj": ("transfer_subj", "subj.objective", "subj.subjective")}
CLASSES = {"ABBR": 0, "DESC": 1, "ENTY": 2, "HUM": 3, "LOC": 4, "NUM": 5}


def lines_of(path):
    text = path.read_bytes()
    for line in text.split(b"\n"):
        try:
            yield " ".join(line.decode().split())
        except UnicodeDecodeError:
            yield " ".join(line.decode("latin-1").split())


def two_files(name):
    folder, positive, negative = SETS[name]
    rows = [(line.split(), label) for file, label in ((positive, 1), (negative, 0)) for line in lines_of(DATA / folder / file) if line]
    rows.sort(key=lambda row: (len(row[0]), row[1]))
    return [" ".join(words) for words, _ in rows], np.array([label for _, label in rows])


def trec(part):
    rows = []
    for line in lines_of(DATA / "transfer_trec" / part):
        if line:
            target, text = line.split(" ", 1)
            rows.append((text.split(), CLASSES[target.split(":")[0]]))
    rows.sort(key=lambda row: (len(row[0]), row[1]))
    return [" ".join(words) for words, _ in rows], np.array([label for _, label in rows])


def mrpc(part):
    rows = [line.split("\t") for line in (DATA / "mrpc" / f"msr-para-{part}.tsv").read_text(encoding="utf-8-sig").splitlines()[1:]]
    rows = [(row[3].split(), row[4].split(), int(row[0])) for row in rows]
    rows.sort(key=lambda row: (len(row[0]), len(row[1]), row[2]))
    return [" ".join(a) for a, _, _ in rows], [" ".join(b) for _, b, _ in rows], np.array([label for *_, label in rows])


def splits(labels, count):
    return StratifiedKFold(n_splits=count, shuffle=True, random_state=1111).split(np.zeros(len(labels)), labels)


def share(strength, train, test):
    return LogisticRegression(C=strength, max_iter=2000, tol=1e-6).fit(*train).score(*test)


def best(rows, labels, count):
    scores = [round(100 * np.mean([share(c, (rows[a], labels[a]), (rows[b], labels[b])) for a, b in splits(labels, count)]), 2) for c in GRID]
    return GRID[int(np.argmax(scores))]


def peer(name, model, count):
    """Mean of the nested folds, or the accuracy on the test set, in percent."""
    def encode(texts):
        return model.encode(texts, batch_size=128, show_progress_bar=False).astype(np.float64)
    if name in SETS:
        texts, labels = two_files(name)
        rows = encode(texts)
        return np.mean([100 * share(best(rows[a], labels[a], count), (rows[a], labels[a]), (rows[b], labels[b])) for a, b in splits(labels, count)])
    if name == "trec":
        (texts, labels), (tests, gold) = trec("train_5500.label"), trec("TREC_10.label")
        train, test = encode(texts), encode(tests)
    else:
        parts = {part: mrpc(part) for part in ("train", "test")}
        def features(part):
            first, second = encode(part[0]), encode(part[1])
            return np.hstack([np.abs(first - second), first * second])
        train, test = features(parts["train"]), features(parts["test"])
        labels, gold = parts["train"][2], parts["test"][2]
    return 100 * share(best(train, labels, count), (train, labels), (test, gold))


def main():
    program, tasks, count = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "mr,cr,subj,trec,mrpc", int(sys.argv[3]) if len(sys.argv) > 3 else 10
    ours = {}
    for classifier in ("convex", "senteval"):
        start = time.time()
        for name in tasks.split(","):
            folder = DATA / ("mrpc" if name == "mrpc" else f"transfer_{name}")
            told = subprocess.run([program, "transfer", "--model", MODEL, "--task", name, "--data", folder, "--classifier", classifier, "--folds", str(count),
                                   "--json"], check=True, capture_output=True, text=True).stdout
            ours[name, classifier] = json.loads(told.splitlines()[-1])["results"][0]
        print(f"bmae, {classifier}: {time.time() - start:.0f} s", flush=True)
    model = SentenceTransformer(str(MODEL), device="cpu")
    print("task  bmae convex  scikit-learn  bmae senteval  F1")
    for name in tasks.split(","):
        start = time.time()
        expected = peer(name, model, count)
        entry = ours[name, "senteval"]
        print(f"{name:5} {ours[name, 'convex']['accuracy']:11.2f} {expected:13.2f} {entry['accuracy']:14.2f}  {entry['f1'] or float('nan'):.2f}   ({time.time() - start:.0f} s)",
              flush=True)


if __name__ == "__main__":
    main()
