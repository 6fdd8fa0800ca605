# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""SentEval's protocol beside its definition in Python: folds of scikit-learn, its logistic regression, and torch's Adam with early stopping.

Usage: transfer_parity.py [DRIVER]     DRIVER is the program built from transfer_driver.cpp; without it that of the build
"""
# ctest:
import copy
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
except ModuleNotFoundError as error:
    print(f"skipped: SentEval's protocol, for want of the Python package `{error.name}`")
    sys.exit(77)

SEED, BATCH, TENACITY, EPOCHS, MOST = 1111, 64, 5, 4, 200


class Adam:
    """The published classifier without a hidden layer."""

    grid = [1e-5, 1e-4, 1e-3, 1e-2]

    def __init__(self, strength, classes, width):
        np.random.seed(SEED)
        torch.manual_seed(SEED)
        self.model = torch.nn.Linear(width, classes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), weight_decay=strength)

    def score(self, rows, labels):
        with torch.no_grad():
            return (self.model(torch.from_numpy(rows)).argmax(1).numpy() == labels).mean()

    def fit(self, rows, labels, held=None):
        if held is None:
            order = np.random.permutation(len(rows))
            out = int(.05 * len(rows))
            held = rows[order[:out]], labels[order[:out]]
            rows, labels = rows[order[out:]], labels[order[out:]]
        best, model, fails, epoch = -1, None, 0, 0
        while epoch <= MOST:
            for _ in range(EPOCHS):
                order = np.random.permutation(len(rows))
                for begin in range(0, len(rows), BATCH):
                    chosen = order[begin:begin + BATCH]
                    loss = torch.nn.functional.cross_entropy(self.model(torch.from_numpy(rows[chosen])), torch.from_numpy(labels[chosen]))
                    self.optimizer.zero_grad()
                    loss.backward()
                    self.optimizer.step()
            epoch += EPOCHS
            share = self.score(*held)
            if share > best:
                best, model = share, copy.deepcopy(self.model)
            else:
                if fails >= TENACITY:
                    break
                fails += 1
        self.model = model


class Convex:
    grid = [2. ** t for t in range(-2, 4)]

    def __init__(self, strength, classes, width):
        self.model = LogisticRegression(C=strength, max_iter=5000, tol=1e-8)

    def score(self, rows, labels):
        return self.model.score(rows, labels)

    def fit(self, rows, labels, held=None):
        self.model.fit(rows.astype(np.float64), labels)


def folds(labels, count):
    return StratifiedKFold(n_splits=count, shuffle=True, random_state=SEED).split(np.zeros(len(labels)), labels)


def best(kind, rows, labels, count, classes):
    scores = []
    for strength in kind.grid:
        shares = []
        for train, test in folds(labels, count):
            model = kind(strength, classes, rows.shape[1])
            model.fit(rows[train], labels[train], (rows[test], labels[test]))
            shares.append(model.score(rows[test], labels[test]))
        scores.append(round(100 * np.mean(shares), 2))
    return kind.grid[int(np.argmax(scores))], max(scores)


def nested(kind, rows, labels, count, classes):
    chosen, tests, devs = [], [], []
    for train, test in folds(labels, count):
        strength, dev = best(kind, rows[train], labels[train], count, classes)
        model = kind(strength, classes, rows.shape[1])
        model.fit(rows[train], labels[train])
        chosen.append(strength)
        devs.append(dev)
        tests.append(round(100 * model.score(rows[test], labels[test]), 2))
    return [round(np.mean(devs), 2), round(np.mean(tests), 2), *chosen, *tests]


def given(kind, rows, labels, test, gold, count, classes):
    strength, dev = best(kind, rows, labels, count, classes)
    model = kind(strength, classes, rows.shape[1])
    model.fit(rows, labels)
    return [dev, round(100 * model.score(test, gold), 2), strength]


def main():
    driver = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.environ["BMAE_BIN"] + "/transfer_driver"
    torch.set_num_threads(1)
    draw = np.random.default_rng(2)
    for classes, count in ((2, 3), (3, 2)):
        centers = draw.normal(size=(classes, 12)) * .35
        parts = []
        for size in (170, 90):
            labels = np.sort(draw.integers(0, classes, size)) if size == 90 else draw.integers(0, classes, size)
            parts.append(((draw.normal(size=(size, 12)) + centers[labels]).astype(np.float32), labels))
        with tempfile.TemporaryDirectory() as folder:
            for name, (rows, labels) in zip(("train", "test"), parts):
                with open(f"{folder}/{name}", "w") as out:
                    out.writelines(f"{label} " + " ".join(map(repr, map(float, row))) + "\n" for row, label in zip(rows, labels))
            lines = subprocess.run([driver, str(count), f"{folder}/train", f"{folder}/test"], check=True, capture_output=True, text=True).stdout.splitlines()
        (rows, labels), (test, gold) = parts
        expected = np.zeros(len(labels), int)
        for fold, (_, inside) in enumerate(folds(labels, count)):
            expected[inside] = fold
        assert list(map(int, lines[0].split())) == list(expected), "the folds differ"
        for kind, pair in ((Adam, lines[1:3]), (Convex, lines[3:5])):
            got = [list(map(float, line.split()[1:])) for line in pair]
            for peer, mine in zip((nested(kind, rows, labels, count, classes), given(kind, rows, labels, test, gold, count, classes)), got):
                print(kind.__name__, classes, "classes:", mine, "expected", [float(value) for value in peer])
                assert len(mine) == len(peer) and all(abs(a - b) < 1e-9 for a, b in zip(mine, peer)), (mine, peer)


main()
