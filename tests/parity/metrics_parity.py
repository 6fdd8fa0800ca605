# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the evaluator with the tools that its profiles follow, on random topics full of ties: pytrec_eval, sentence-transformers and, where it is
installed, ranx; metrics of values with scipy and scikit-learn, answer strings with Python's regex, alpha-nDCG with ndeval. Every run is measured in memory and from its file.

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
NAMES |= {"map": "map", "mrr": "recip_rank", "ndcg": "ndcg", "rprec": "Rprec", "bpref": "bpref", "infap": "infAP"}


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


def compare(title, pairs, tolerance=1e-12):
    worst = 0.0
    for what, expected, got in pairs:
        worst = max(worst, abs(expected - got))
        if not abs(expected - got) <= tolerance:
            sys.exit(f"{title}: {what}: expected {expected!r}, got {got!r}")
    print(f"{title}: {len(pairs)} values equal, largest difference {worst:.1e}")


def check_pytrec_eval(driver, folder, qrels, run, level):
    wanted = {"P." + ",".join(map(str, CUTS)), "recall." + ",".join(map(str, CUTS)), "ndcg_cut." + ",".join(map(str, CUTS)),
              "map_cut." + ",".join(map(str, CUTS)), "success", "map", "recip_rank", "ndcg", "Rprec", "bpref", "infAP"}
    expected = pytrec_eval.RelevanceEvaluator(qrels, wanted, relevance_level=level).evaluate(run)
    got = ours(driver, folder, "pytrec_eval", NAMES, level)
    assert sorted(expected) == sorted(q for q in got if q != "all")
    pairs = [(f"{q} {n}", expected[q][t], got[q][n]) for q in expected for n, t in NAMES.items()]
    pairs += [(f"mean {n}", np.mean([expected[q][t] for q in expected]), got["all"][n]) for n, t in NAMES.items()]
    compare(f"pytrec_eval, level {level}", pairs)
    assert ours(driver, folder, "trec9", NAMES, level) == got   # trec_eval without flags
    zero = ours(driver, folder, "trec9", NAMES, level, "zero")
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
    trec = ours(driver, folder, "trec9", ["ndcg@10", "map@10", "recall@10", "p@10"])["all"]
    compare("mteb", [(n, trec[n], same[n]) for n in trec])


def check_beir_itself(driver, folder, qrels, run):
    """Documents with the id of their query are dropped; means are over the queries with results."""
    run = {q: dict(docs) for q, docs in run.items() if q in qrels}
    for number, (query, docs) in enumerate(run.items()):
        if number % 3 == 0:
            docs[query] = sorted(docs.values())[number % len(docs)]
    write(folder, qrels, run)
    kept = {q: {d: s for d, s in docs.items() if d != q} for q, docs in run.items()}
    names = {n: t for n, t in NAMES.items() if "@" in n and n.split("@")[0] in ("ndcg", "map", "recall", "p")}
    wanted = {f"{base}." + ",".join(map(str, CUTS)) for base in ("P", "recall", "ndcg_cut", "map_cut")}
    peer = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(kept)
    got = ours(driver, folder, "beir", names)["all"]
    compare("beir", [(n, sum(peer[q][t] for q in peer) / len(peer), got[n]) for n, t in names.items()])


def check_ranx(driver, folder, qrels, run):
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    import ranx
    shared = {q: run[q] for q in run if q in qrels}
    cuts = [1, 5, 10, 100]
    names = {f"{ours_}@{k}": f"{theirs}@{k}" for k in cuts for ours_, theirs in
             (("ndcg", "ndcg"), ("ndcg_exp", "ndcg_burges"), ("map", "map"), ("mrr", "mrr"), ("recall", "recall"), ("p", "precision"), ("success", "hit_rate"))}
    names |= {"map": "map", "mrr": "mrr", "ndcg": "ndcg", "rprec": "r-precision"}
    for level in (1, 2):
        suffix = "" if level == 1 else f"-l{level}"
        for judged, missing in (({q: qrels[q] for q in shared}, "-"), (qrels, "zero")):
            write(folder, judged, run)
            means = ranx.evaluate(ranx.Qrels(judged), ranx.Run(shared), [t + suffix for t in names.values()], make_comparable=missing == "zero")
            got = ours(driver, folder, "ranx", names, level, missing)["all"]
            compare(f"ranx, level {level}, missing {missing}", [(n, float(means[t + suffix]), got[n]) for n, t in names.items()])


def check_values(driver, folder, draw):
    """Gold and predicted values full of ties, and classes."""
    from scipy import stats
    from sklearn import metrics
    blocks = []
    for _ in range(200):
        count = draw.randrange(2, 60)
        levels = draw.choice([2, 3, 8, 1000])
        blocks.append([[draw.randrange(levels) / draw.choice([1, 1, 2]) for _ in range(count)] for _ in range(2)])
    with open(f"{folder}/values", "w") as out:
        for gold, predicted in blocks:
            out.write("".join(f"{g!r} {p!r}\n" for g, p in zip(gold, predicted)) + "\n")
    lines = subprocess.run([driver, "values", f"{folder}/values"], check=True, capture_output=True, text=True).stdout.splitlines()
    pairs, undefined = [], 0
    for (gold, predicted), line in zip(blocks, lines, strict=True):
        got = dict(zip(("spearman", "pearson", "kendall", "accuracy", "f1", "matthews", "mse"), line.split(), strict=True))
        names = [f"{value}" for value in gold], [f"{value}" for value in predicted]   # as classes
        expected = {"mse": metrics.mean_squared_error(gold, predicted), "accuracy": metrics.accuracy_score(*names),
                    "f1": metrics.f1_score(*([value == 1 for value in values] for values in (gold, predicted)), zero_division=0)}
        constant = len(set(gold)) == 1 or len(set(predicted)) == 1
        if not constant:
            expected |= {"spearman": stats.spearmanr(gold, predicted)[0], "pearson": stats.pearsonr(gold, predicted)[0],
                         "kendall": stats.kendalltau(gold, predicted)[0], "matthews": metrics.matthews_corrcoef(*names)}
        for name, value in got.items():
            if value == "-":
                undefined += 1
                assert constant if name != "f1" else 1 not in gold + predicted, (name, gold, predicted)
            else:
                pairs.append((f"{name} of {gold} and {predicted}", float(expected[name]), float(value)))
    compare(f"scipy and scikit-learn ({undefined} undefined)", pairs)


def check_paired(driver, folder, draw):
    """Student's test against scipy in all digits; randomization too, where all signs are taken; drawn tests within their error."""
    from scipy import stats
    blocks = []
    for count in [2, 3, 5, 9, 12, 16, 40, 300, 7000] * 6:
        shift, levels = draw.choice([0, .02, .2]), draw.choice([2, 5, 10**6])
        first = [draw.randrange(levels) / levels for _ in range(count)]
        blocks.append((first, [min(1., max(0., a + shift + draw.choice([0, .1, -.1, .3 * draw.random()]))) for a in first]))
    blocks.append(([.1, .2], [.1, .2]))
    with open(f"{folder}/paired", "w") as out:
        for block in blocks:
            out.write("".join(f"{a!r} {b!r}\n" for a, b in zip(*block)) + "\n")
    lines = subprocess.run([driver, "paired", f"{folder}/paired"], check=True, capture_output=True, text=True).stdout.splitlines()
    exact, drawn = [], 0
    assert lines.pop() == "- - - " and blocks.pop(), "no two values differ: undefined"
    for (first, second), line in zip(blocks, lines, strict=True):
        if line.startswith("-"):
            assert first == second
            continue
        student, randomization, bootstrap = map(float, line.split())
        known = stats.ttest_rel(first, second).pvalue
        worst = max(1e-300, abs(known))
        exact.append((f"t-test of {len(first)}, relative", known / worst, student / worst) if known > 1e-250 else ("tiny", 0., float(student > 1e-240)))
        differences = np.subtract(second, first)
        if len(first) <= 16:
            peer = stats.permutation_test((differences,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf)
            exact.append((f"randomization of {len(first)}", peer.pvalue, randomization))
        elif len(first) <= 300:
            signs = np.random.default_rng(1).choice([-1., 1.], (20000, len(first)))
            share = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
            chosen = np.random.default_rng(2).integers(0, len(first), (20000, len(first)))
            drawn_means = (differences - differences.mean())[chosen].mean(axis=1)
            for expected, got in ((share, randomization), (np.mean(np.abs(drawn_means) >= abs(differences.mean())), bootstrap)):
                assert abs(expected - got) < 5 * (max(expected, .001) / 20000) ** .5 + 1e-4, (expected, got, len(first))
                drawn += 1
    compare("scipy's paired tests", [pair for pair in exact if "randomization" not in pair[0]], 1e-10)
    compare("scipy's permutation test", [pair for pair in exact if "randomization" in pair[0]])
    print(f"drawn tests: {drawn} within the error of 20,000 draws")


def check_answers(driver, folder, draw):
    """DPR's rule in Python: form NFD, runs of letters, digits and marks or single visible characters, lower case, one behind the other."""
    import unicodedata
    try:
        import regex
    except ModuleNotFoundError:
        print("skipped: answer strings, for want of the Python package `regex`")
        return
    pattern = regex.compile(r"([\p{L}\p{N}\p{M}]+)|([^\p{Z}\p{C}])", flags=regex.IGNORECASE + regex.UNICODE + regex.MULTILINE)

    def tokens(text):
        return [match.group().lower() for match in pattern.finditer(unicodedata.normalize("NFD", text))]

    alphabet = list("aAbB1 .,-$'") + ["é", "e\u0301", "É", "Σ", "σ", "ß", "İ", "中", "文", "한", "\u00a0", "\u200b", "ﬁ", "½", "क", "्", "😀", "Ⅷ"]
    rows = []
    while len(rows) < 3000:
        text = "".join(draw.choice(alphabet) for _ in range(draw.randrange(1, 30)))
        begin = draw.randrange(len(text))
        answer = draw.choice([text[begin:begin + draw.randrange(1, 5)], "".join(draw.choice(alphabet) for _ in range(2))])
        answer = draw.choice([answer, answer.upper(), answer.lower()])
        if tokens(answer):
            rows.append((answer, text))
    with open(f"{folder}/answers", "w") as out:
        out.writelines(f"{answer}\t{text}\n" for answer, text in rows)
    got = subprocess.run([driver, "answers", f"{folder}/answers"], check=True, capture_output=True, text=True).stdout.split()
    found = 0
    for (answer, text), value in zip(rows, got, strict=True):
        a, t = tokens(answer), tokens(text)
        expected = any(t[i:i + len(a)] == a for i in range(len(t) - len(a) + 1))
        assert expected == (value == "1"), (answer, text, a, t, value)
        found += expected
    print(f"answer strings: {len(rows)} texts judged alike, {found} with their answer")


def check_diversity(driver, folder, draw):
    """alpha-nDCG of ndeval, over topics with subtopics, negative grades and unjudged documents."""
    import pyndeval
    qrels, run = [], []
    for query in map(str, range(300)):
        documents = [f"d{number}" for number in range(30)]
        for subtopic in range(1, draw.randrange(2, 6)):
            qrels += [(query, str(subtopic), document, draw.choice([-1, 0, 1, 1, 2])) for document in draw.sample(documents, draw.randrange(1, 12))]
        ranked = draw.sample(documents + [f"x{number}" for number in range(10)], draw.randrange(1, 35))
        run += [(query, document, float(-rank)) for rank, document in enumerate(ranked)]
    with open(f"{folder}/subtopics", "w") as out:
        out.writelines(" ".join(map(str, line)) + "\n" for line in qrels)
    with open(f"{folder}/diverse", "w") as out:
        out.writelines(f"{query} Q0 {document} 1 {score} tag\n" for query, document, score in run)
    expected = pyndeval.ndeval(qrels, run, measures=[f"alpha-nDCG@{k}" for k in (1, 5, 10, 20)])
    lines = subprocess.run([driver, "diversity", f"{folder}/subtopics", f"{folder}/diverse", "alpha_ndcg@1,alpha_ndcg@5,alpha_ndcg@10,alpha_ndcg@20"],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == 4 * len(expected) == 1200, len(lines)
    compare("ndeval", [(f"{query} {name}", expected[query][f"alpha-nDCG@{name.split('@')[1]}"], float(value)) for name, query, value in map(str.split, lines)])


def check_trec10(driver, folder, qrels, run):
    """Ranks by scores in double precision: pytrec_eval on ranks that were made beforehand."""
    ranked = {q: {d: float(-i) for i, (d, _) in enumerate(sorted(run[q].items(), key=lambda i: (i[1], i[0]), reverse=True))} for q in run}
    expected = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recip_rank", "ndcg"}).evaluate(ranked)
    got = ours(driver, folder, "trec10", ["map", "mrr", "ndcg"])
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
        for check, what in ((check_sentence_transformers, "the rules of sentence-transformers"), (check_ranx, "the rules of ranx")):
            try:
                check(driver, folder, qrels, run)
            except ModuleNotFoundError as error:
                print(f"skipped: {what}, for want of the Python package `{error.name}`")
        check_beir_itself(driver, folder, qrels, run)
        try:
            check_values(driver, folder, random.Random(3))
            check_paired(driver, folder, random.Random(4))
        except ModuleNotFoundError as error:
            print(f"skipped: metrics of values, for want of the Python package `{error.name}`")
        check_answers(driver, folder, random.Random(5))
        try:
            check_diversity(driver, folder, random.Random(6))
        except ModuleNotFoundError as error:
            print(f"skipped: alpha-nDCG, for want of the Python package `{error.name}`")


main()
