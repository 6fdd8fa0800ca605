# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae evaluate` of several runs against scipy, `bmae fuse` against its formulas in plain Python, its tuning against all weights of the grid (both against ranx, where that is installed and has the same rule), and `bmae mine`
against a re-computation of every negative; what they refuse, and that `finetune` reads what `mine` writes.
"""
import array
import json
import math
import pathlib
import random
import tempfile

from cli_support import result, run, write_collection

try:
    import ranx
except ImportError:
    ranx = None
try:
    from scipy import stats
except ImportError:
    stats = None


def write_run(path, hits):
    """hits: {query: {document: score}}, best first."""
    lines = []
    for query, scores in hits.items():
        for rank, (document, score) in enumerate(sorted(scores.items(), key=lambda hit: -hit[1]), 1):
            lines.append(f"{query} Q0 {document} {rank} {score!r} test\n")
    path.write_text("".join(lines))
    return path


def read_run(path):
    hits = {}
    for line in path.read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        hits.setdefault(query, {})[document] = float(score)
    return hits


def min_max(scores):
    low, high = min(scores.values()), max(scores.values())
    return {d: (s - low) / (high - low) if high > low else 1.0 for d, s in scores.items()}


def z_score(scores):
    mean = sum(scores.values()) / len(scores)
    deviation = math.sqrt(sum((s - mean) ** 2 for s in scores.values()) / len(scores))
    return {d: (s - mean) / deviation if deviation > 0 else 0.0 for d, s in scores.items()}


def fused(method, runs, weights, k=60):
    """The formulas of retrieval/fusion.hpp."""
    shares = method in ("weighted", "z-score")
    weights = weights or [1 / len(runs) if shares else 1] * len(runs)
    total = {}
    for query in dict.fromkeys(query for run in runs for query in run):
        documents = {d for run in runs for d in run.get(query, {})}
        sums = dict.fromkeys(documents, 0.0)
        for run, weight in zip(runs, weights):
            scores = run.get(query)
            if not scores:
                continue
            if method == "reciprocal-rank":
                order = sorted(scores, key=lambda d: -scores[d])   # stable: equal scores as the run has them
                points = {d: 1 / (k + rank) for rank, d in enumerate(order, 1)}
                absent = 0
            else:
                points = z_score(scores) if method == "z-score" else min_max(scores)
                absent = min(points.values()) if shares else 0
            for document in documents:
                sums[document] += weight * points.get(document, absent)
        if method == "comb-mnz":
            sums = {d: s * sum(d in run.get(query, {}) for run in runs) for d, s in sums.items()}
        total[query] = sums
    return total


def check_fusion(work, rng):
    runs, paths = [], []
    for number in range(3):
        hits = {f"q{q}": {f"d{d}": round(rng.uniform(-3, 9) * 10 ** number, 3) for d in rng.sample(range(60), 30)}
                for q in range(12) if rng.random() < .9}
        paths.append(write_run(work / f"{number}.trec", hits))
        runs.append(read_run(paths[-1]))
    compared = 0
    for method in ("reciprocal-rank", "weighted", "z-score", "comb-sum", "comb-mnz"):
        for weights in (None, [.5, .2, .3]):
            output = work / f"{method}-{weights is None}.trec"
            options = ["--weights", ",".join(map(str, weights))] if weights else []
            told = result("fuse", *paths, "--method", method, *options, "--output", output)
            expected, found = fused(method, runs, weights), read_run(output)
            assert told["queries"] == len(expected) == len(found) and told["runs"] == 3, told
            assert told["hits"] == sum(map(len, expected.values())), told
            assert told["partial_queries"] == sum(not all(q in r for r in runs) for q in expected) > 0, told
            for query, scores in expected.items():
                assert scores.keys() == found[query].keys()
                assert all(abs(scores[d] - found[query][d]) < 1e-12 * max(1, abs(scores[d])) for d in scores), (method, query)
                order = list(found[query].items())
                assert order == sorted(order, key=lambda hit: (-hit[1], hit[0])), (method, query)
                compared += len(scores)
            if ranx and weights is None and method in ("reciprocal-rank", "comb-sum", "comb-mnz"):
                check_ranx(method, runs, found)
    print(compared, "fused scores equal" + ("" if ranx else "; ranx is not installed: its check is skipped"))
    few = work / "few.trec"
    run("fuse", *paths, "--top-k", 3, "--output", few)
    assert all(len(hits) == 3 for hits in read_run(few).values())
    for wrong, says in ((paths[:1], "at least two runs"), ([*paths, "--weights", "1,2"], "each of the 3 runs"), ([*paths, "--weights", "1,x,2"], "commas"),
                        ([*paths, "--method", "borda"], "--method as one of reciprocal-rank"), ([*paths, "--normalization", "min-max"], "--normalization")):
        refused = run("fuse", *wrong, "--output", work / "no.trec", status=2)
        assert says in refused.stderr and not (work / "no.trec").exists(), refused.stderr
    assert "file of that name" in run("fuse", *paths, "--output", few, status=2).stderr


def check_products(work, rng):
    """Products of the documents that all runs hold, as they are and by min-max; scores below 0 in one run alone."""
    runs = [{f"q{q}": {f"d{d}": round(rng.uniform(low, 9), 3) for d in rng.sample(range(60), 40)} for q in range(number, 12)}
            for number, low in enumerate((0, -1))]
    paths = [write_run(work / f"factor-{number}.trec", run) for number, run in enumerate(runs)]
    runs = [read_run(path) for path in paths]
    for normalization in (None, "min-max"):
        output = work / f"product-{normalization}.trec"
        told = result("fuse", *paths, "--method", "product", *(["--normalization", normalization] if normalization else []), "--output", output)
        found = read_run(output)
        assert told["hits"] == sum(map(len, found.values())) > 0 and told["partial_queries"] == 1, told
        for query in runs[0]:
            factors = [run.get(query, {}) for run in runs]
            if normalization:
                factors = [min_max(scores) if scores else {} for scores in factors]
            expected = {d: factors[0][d] * factors[1][d] for d in factors[0].keys() & factors[1].keys()}
            assert found.get(query, {}).keys() == expected.keys(), query
            assert all(abs(expected[d] - found[query][d]) < 1e-12 * max(1, abs(expected[d])) for d in expected), query
    below = write_run(work / "below.trec", {"q1": {"d1": -1.0, "d2": -2.0}})
    for wrong, says in (([below, paths[1]], "scores below 0"), ([*paths, "--weights", "1,2"], "--weights"), ([*paths, "--normalization", "z-score"], "multiplies")):
        refused = run("fuse", *wrong, "--method", "product", "--output", work / "no.trec", status=2)
        assert says in refused.stderr and not (work / "no.trec").exists(), refused.stderr


def ndcg(scores, grades, k=10):
    """Of float32 scores, equal ones by id descending, as trec_eval."""
    order = sorted(scores, key=lambda d: (array.array("f", [scores[d]])[0], d), reverse=True)
    gain = sum(grades.get(d, 0) / math.log2(rank + 1) for rank, d in enumerate(order[:k], 1))
    return gain / sum(g / math.log2(rank + 1) for rank, g in enumerate(sorted(grades.values(), reverse=True)[:k], 1))


def check_tuning(work, rng):
    """The best mean of the grid, of equal ones the weights nearest to equal; the fused run is that of these weights, of all queries."""
    grades = {f"q{q}": {f"d{d}": rng.randint(1, 3) for d in rng.sample(range(40), 6)} for q in range(20)}
    runs, paths = [], []
    for number, noise in enumerate((4, 6, 9)):
        hits = {f"q{q}": {f"d{d}": round(grades[f"q{q}"].get(f"d{d}", 0) + noise * rng.random(), 4) for d in rng.sample(range(40), 30)} for q in range(20)}
        paths.append(write_run(work / f"tuned-{number}.trec", hits))
        runs.append(read_run(paths[-1]))
    judged = [f"q{q}" for q in range(12)]
    qrels = work / "tune.qrels"
    qrels.write_text("".join(f"{query} 0 {d} {g}\n" for query in judged for d, g in grades[query].items()) + "elsewhere 0 d1 1\n")

    def mean(total):
        return sum(ndcg(total[q], grades[q]) for q in judged) / len(judged)

    constants = (1, 2, 5, 10, 20, 30, 60, 100, 200, 500, 1000)
    for method in ("reciprocal-rank", "weighted", "z-score", "comb-sum", "comb-mnz"):
        output = work / f"tuned-{method}.trec"
        done = run("fuse", *paths[:2], "--method", method, "--tune", qrels, "--output", output, "--json")
        told = json.loads(done.stdout.splitlines()[-1])["tuning"]
        assert "tuned on 12 judged queries; 8 other queries" in done.stderr and "warning" not in done.stderr, done.stderr
        assert f"ndcg@10 {told['mean']:.4f} over 12 judged queries; alone tuned-0.trec" in done.stdout, done.stdout
        trials = {(step, k): mean(fused(method, runs[:2], [step / 20, (20 - step) / 20], k))
                  for step in range(21) for k in (constants if method == "reciprocal-rank" else (60,))}
        best = max(trials.values())
        *_, constant, step = min((abs(step - 10), abs(math.log(k / 60)), -step, k, step) for (step, k), value in trials.items() if value > best - 1e-12)
        assert abs(told["mean"] - best) < 1e-12 and told["measure"] == "ndcg@10" and told["measured"] == len(trials), (method, told, best)
        assert abs(told["weights"][0] - step / 20) < 1e-12 and abs(sum(told["weights"]) - 1) < 1e-12, (method, told, step)
        assert told["k"] == (constant if method == "reciprocal-rank" else None) and told["judged_queries"] == 12 and told["other_queries"] == 8, told
        for entry, path, alone in zip(told["runs"], paths, runs):
            assert entry["run"] == path.name and abs(entry["mean"] - mean(alone)) < 1e-12, (entry, mean(alone))
        again = work / f"again-{method}.trec"
        constant = ["--k", told["k"]] if told["k"] else []
        run("fuse", *paths[:2], "--method", method, "--weights", ",".join(map(repr, told["weights"])), *constant, "--output", again)
        assert again.read_bytes() == output.read_bytes() and len(read_run(output)) == 20, method
        measured = result("evaluate", "--qrels", qrels, "--run", output, "--measures", "ndcg@10")["measures"]["ndcg@10"]
        assert abs(measured - told["mean"]) < 1e-12, (method, measured, told)
    three = result("fuse", *paths, "--method", "weighted", "--tune", qrels, "--threads", 1, "--output", work / "three.trec")["tuning"]
    assert three["mean"] >= max(mean(fused("weighted", runs, [1 / 3] * 3)), *(entry["mean"] for entry in three["runs"])), three
    assert three == result("fuse", *paths, "--method", "weighted", "--tune", qrels, "--threads", 2, "--output", work / "three-again.trec")["tuning"]
    assert (work / "three.trec").read_bytes() == (work / "three-again.trec").read_bytes()
    if ranx:
        check_ranx_tuning(work, runs, judged, grades, paths, qrels)
    whole = work / "whole.qrels"
    whole.write_text("".join(f"{query}\t{d}\t{g}\n" for query in grades for d, g in grades[query].items()))   # BEIR's layout without a header
    told = run("fuse", *paths[:2], "--tune", whole, "--tune-measure", "recall@5", "--output", work / "all.trec")
    assert "all 20 queries of the runs are tuned on, 0 are outside" in told.stderr and "recall@5" in told.stdout, told
    elsewhere = work / "elsewhere.qrels"
    elsewhere.write_text("elsewhere 0 d1 1\n")
    for wrong, says in (([*paths, "--tune", elsewhere], "none of their 20 queries among the 1 judged"), ([*paths[:1], "--tune", qrels], "at least two runs"),
                        ([*paths[:2], "--tune", qrels, "--weights", ".5,.5"], "--weights without --tune"), ([*paths, "--tune", qrels, "--k", 10], "--k without --tune"),
                        ([*paths, "--tune", qrels, "--method", "product"], "--tune with --method reciprocal-rank"),
                        ([*paths, "--tune", qrels, "--tune-measure", "ndgc@10"], "the name of a measure"),
                        ([*paths, "--tune", qrels, "--tune-measure", "map,mrr"], "--tune-measure as one measure"), ([*paths, "--tune", work / "absent"], "absent"),
                        ([*paths, "--tune-measure", "map"], "--tune-measure with --tune")):
        refused = run("fuse", *wrong, "--output", work / "no.trec", status=2)
        assert says in refused.stderr and not (work / "no.trec").exists(), (wrong, refused.stderr)
    print("tuned weights are the best of the grid" + (", as ranx finds" if ranx else ""))


def check_ranx_tuning(work, runs, judged, grades, paths, qrels):
    """ranx's weighted sum of min-max scores is CombSUM with weights. It takes another of equally good weights: the last of its grid."""
    theirs, trials = ranx.optimize_fusion(ranx.Qrels({q: grades[q] for q in judged}), [ranx.Run({q: run[q] for q in judged}) for run in runs[:2]], norm="min-max",
                                          method="wsum", metric="ndcg@10", step=.05, return_optimization_report=True)
    ours = result("fuse", *paths[:2], "--method", "comb-sum", "--tune", qrels, "--output", work / "ranx.trec")["tuning"]
    assert len(trials.results) == ours["measured"] and abs(ours["mean"] - max(trials.results)) < 1e-6, (ours, theirs)


def check_ranx(method, runs, found):
    queries = [q for q in found if all(q in run for run in runs)]   # ranx fuses queries that all runs have
    name, norm = {"reciprocal-rank": ("rrf", None), "comb-sum": ("sum", "min-max"), "comb-mnz": ("mnz", "min-max")}[method]
    theirs = ranx.fuse(runs=[ranx.Run({q: run[q] for q in queries}) for run in runs], norm=norm, method=name).to_dict()
    for query in queries:
        for document, score in theirs[query].items():
            assert abs(score - found[query][document]) < 1e-5 * max(1, abs(score)), (method, query, document)


def words_of(text):
    return "".join(c.lower() if c.isalnum() else " " for c in text).split()


def check_mining(work, data):
    corpus = {r["_id"]: f"{r['title']} {r['text']}" for r in map(json.loads, (data / "corpus.jsonl").read_text().splitlines())}
    relevant = {}
    for line in (data / "qrels/train.tsv").read_text().splitlines()[1:]:
        query, document, _ = line.split("\t")
        relevant.setdefault(query, set()).add(document)
    first = work / "bm25.trec"
    run("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 60, "--output", first)
    second = write_run(work / "second.trec", {q: {d: s * .1 - 5 for d, s in hits.items()} for q, hits in read_run(first).items()})
    found = {}
    for options in (["--sample", "top"], ["--sample", "random"], ["--sample", "random", "--seed", 7],
                    ["--sample", "top", "--relative-margin", ".1", "--run", second]):
        name = work / f"mined{len(found)}.tsv"
        told = result("mine", "--run", first, *options, "--data", data, "--window", "4:30", "--number", 5, "--output", name)
        mined = {}
        for line in name.read_text().splitlines():
            query, document = line.split("\t")
            mined.setdefault(query, []).append(document)
        assert told["queries"] == len(mined) and told["negatives"] == sum(map(len, mined.values())) > 50, told
        hits = read_run(first)
        for query, documents in mined.items():
            ranks = {d: r for r, d in enumerate(sorted(hits[query], key=lambda d: -hits[query][d]), 1)}
            best = max(hits[query][d] for d in relevant[query] if d in hits[query])
            taken = {tuple(words_of(corpus[d])) for d in documents}
            assert len(taken) == len(documents) <= 5
            for document in documents:
                assert document not in relevant[query] and 4 <= ranks[document] <= 30, (query, document)
                if "--relative-margin" in options:
                    assert hits[query][document] < best * .9 and hits[query][document] * .1 - 5 < best * .1 - 5 - .1 * abs(best * .1 - 5)
            assert [ranks[d] for d in documents] == sorted(ranks[d] for d in documents)
        assert 0 <= told["false_negative_rate"] <= 1, told
        found[str(options)] = mined
    texts = list(found.values())
    assert texts[0] != texts[1] != texts[2]
    again = work / "again.tsv"
    run("mine", "--run", first, "--data", data, "--window", "4:30", "--number", 5, "--output", again)
    assert again.read_bytes() == (work / "mined1.tsv").read_bytes()   # by the seed
    store = result("pairs", "--data", data, "--negatives", again, "--tokenizer", work / "store", "--output", work / "pairs")
    assert store["negatives"] == sum(map(len, texts[1].values())) and store["relevant_negatives"] == 0, store


def check_refusals(work, data):
    first = work / "bm25.trec"
    for options, says in ((["--window", "0:5"], "FIRST:LAST"), (["--window", "5"], "FIRST:LAST"), (["--window", "9:8"], "9:8"), (["--sample", "best"], "random or top"),
                          (["--split", "test"], ["queries that no run has", "--split test"]), (["--window", "500:600"], "outside of the window")):
        refused = run("mine", "--run", first, "--data", data, *options, "--output", work / "no.tsv", status=2)
        assert all(words in refused.stderr for words in ([says] if isinstance(says, str) else says)), refused.stderr
        assert not (work / "no.tsv").exists()
    other = write_run(work / "other.trec", {q: {f"x{i}": 9.0 - i for i in range(9)} for q in read_run(first)})
    refused = run("mine", "--run", other, "--data", data, "--output", work / "no.tsv", status=2)
    assert "another collection" in refused.stderr and "x0" in refused.stderr, refused.stderr
    few = result("mine", "--run", first, other, "--data", data, "--window", "1:8", "--output", work / "few.tsv")
    assert few["left_out"]["hits that the corpus lacks"] > 0 and few["left_out"]["queries with fewer negatives than asked for"] > 0, few
    with (data / "qrels/train.tsv").open("a") as judgments:
        judgments.write("qtest0-0\td0-0\t0\n")
    told = result("mine", "--run", first, "--data", data, "--output", work / "more.tsv")
    assert told["left_out"]["queries without a relevant document"] == 1, told


def check_comparison(work, rng):
    """Several runs: means, tests against scipy, wins, tables in all forms, values of queries, and the warnings."""
    queries = [f"q{number:02}" for number in range(30)]
    qrels = work / "judged"
    qrels.write_text("".join(f"{q} 0 d{rng.randrange(20)} 1\n" for q in queries) + "unanswered 0 d1 1\n")
    paths = [write_run(work / f"run{number}.trec", {q: {f"d{d}": rng.random() for d in range(20)} for q in queries[number:]}) for number in range(3)]
    lost = run("evaluate", "--qrels", qrels, paths[1])
    assert "2 of 31 judged queries have no results and are left out of the means; --missing zero counts them as 0, as trec_eval -c" in lost.stderr, lost.stderr
    assert "left out" not in run("evaluate", "--qrels", qrels, paths[1], "--missing", "zero").stderr.split("warning")[-1], "counted"
    values = work / "values.tsv"
    told = result("evaluate", "--qrels", qrels, *paths, "--measures", "ndcg_cut_10,mrr@10", "--missing", "zero", "--differences", values, "--per-query")
    assert [entry["run"] for entry in told["runs"]] == [path.name for path in paths] and set(told["measures"]) == {"ndcg_cut_10", "mrr@10"}, told
    assert told["measures"] == told["runs"][0]["measures"] and len(told["comparisons"]) == 6, told
    rows = [line.split("\t") for line in values.read_text().splitlines()]
    assert rows[0] == ["query", "measure", *(path.name for path in paths)] and len(rows) == 1 + 31 * 2
    for each in told["comparisons"]:
        pair = [[entry["per_query"][q][each["measure"]] for q in [*queries, "unanswered"]] for name in (each["first"], each["second"]) for entry in told["runs"] if entry["run"] == name]
        differences = [b - a for a, b in zip(*pair)]
        assert (each["wins"], each["losses"]) == (sum(d > 0 for d in differences), sum(d < 0 for d in differences)) and each["queries"] == 31
        assert each["wins"] + each["ties"] + each["losses"] == 31 and abs(each["difference"] - sum(differences) / 31) < 1e-12
        if stats:
            assert abs(each["p"] - stats.ttest_rel(pair[1], pair[0]).pvalue) < 1e-10, each
    for measure in ("ndcg_cut_10", "mrr@10"):   # Holm over the three pairs of a measure
        family = sorted((each["p"], each["corrected_p"]) for each in told["comparisons"] if each["measure"] == measure)
        running = 0
        for rank, (p, corrected) in enumerate(family):
            running = max(running, min(1, (3 - rank) * p))
            assert abs(corrected - running) < 1e-12, family
    for form, start in (("csv", "run,mrr@10,ndcg@10"), ("latex", "\\begin{tabular}"), ("markdown", "|  | run |"), ("text", "   run ")):
        assert run("evaluate", "--qrels", qrels, *paths, "--format", form).stdout.startswith(start), form
    for test in ("randomization", "bootstrap"):
        drawn = [result("evaluate", "--qrels", qrels, *paths[:2], "--test", test, "--seed", seed, "--resamples", 500)["comparisons"] for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1] != drawn[2] and all(each["p"] is None or 1 / 501 <= each["p"] <= 1 for each in drawn[0]), drawn
    for wrong, says in ((["--test", "wilcoxon"], "--test as one of student, randomization, bootstrap"), (["--format", "html"], "--format as one of text, csv, latex, markdown"),
                        (["--correction", "fdr"], "none, holm, bonferroni"), (["--seed", 3], "--test randomization"), (["--differences", values], "values.tsv")):
        assert says in run("evaluate", "--qrels", qrels, *paths, *wrong, status=2).stderr, wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        check_comparison(work, random.Random(4))
        check_fusion(work, random.Random(3))
        check_products(work, random.Random(4))
        check_tuning(work, random.Random(5))
        data = write_collection(work / "data")
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        check_mining(work, data)
        check_refusals(work, data)
    print("mined negatives are right, and bad input is named")


if __name__ == "__main__":
    main()
