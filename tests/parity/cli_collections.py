# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae search --collections` and `evaluate --collections` give what the collections give one by one, and BEIR's mean, in which a group counts once; result files of MTEB; `evaluate
--answers` by DPR's rules in Python, and `alpha_ndcg` through the program; what they refuse. NanoBEIR's files in Parquet, converted by examples/nanobeir.py, have a mean of
that name."""
import json
import pathlib
import subprocess
import sys
import tempfile

from cli_support import result, run, write_collection


def refused(*arguments, says):
    done = run(*arguments, status=2)
    for words in [says] if isinstance(says, str) else says:
        assert words in done.stderr, f"bmae {' '.join(map(str, arguments))}: expected '{words}' in\n{done.stderr}"


def check_collections(work):
    names = {"alpha": 1, "cqadupstack/tex": 2, "cqadupstack/unix": 3, "omega": 4}
    for name, seed in names.items():
        write_collection(work / "beir" / name, topics=6, seed=seed)
    (work / "beir/omega/qrels/test.tsv").rename(work / "beir/omega/qrels/dev.tsv")
    told = result("search", "--method", "bm25", "--collections", work / "beir", "--output", work / "runs")
    assert [each["name"] for each in told["collections"]] == sorted(names) and told["queries"] == 48 and told["documents"] == 4 * 36, told
    run("search", "--method", "bm25", "--collections", work / "beir", "--output", work / "other", "--k1", 2, "--b", 1)
    alone = {}
    for name in names:
        split = "dev" if name == "omega" else "test"
        run("search", "--method", "bm25", "--data", work / "beir" / name, "--split", split, "--output", work / "one.trec")
        assert (work / "one.trec").read_bytes() == (work / f"runs/{name}.trec").read_bytes(), name
        (work / "one.trec").unlink()
        alone[name] = result("evaluate", "--qrels", work / "beir" / name / f"qrels/{split}.tsv", "--run", work / f"runs/{name}.trec", "--profile", "beir",
                             "--measures", "ndcg@10,map@100,bpref")["measures"]
    told = result("evaluate", "--collections", work / "beir", "--run", work / "runs", work / "other", "--profile", "beir", "--measures", "ndcg@10,map@100,bpref",
                  "--mteb", work / "mteb")
    for each in told["collections"]:
        assert each["runs"][0]["measures"] == alone[each["name"]] and each["runs"][1]["run"] == "other", each
    assert [each["split"] for each in told["collections"]] == ["test", "test", "test", "dev"]
    for measure in alone["alpha"]:
        group = (alone["cqadupstack/tex"][measure] + alone["cqadupstack/unix"][measure]) / 2
        expected = (alone["alpha"][measure] + group + alone["omega"][measure]) / 3
        assert abs(told["means"][0]["measures"][measure] - expected) < 1e-12, (measure, told["means"])
    stored = json.loads((work / "mteb/runs/CQADupstackTexRetrieval.json").read_text())
    scores = stored["scores"]["test"][0]
    assert scores["main_score"] == scores["ndcg_at_10"] == alone["cqadupstack/tex"]["ndcg@10"] and "bpref" not in scores, stored
    assert stored["task_name"] == "CQADupstackTexRetrieval"
    told = result("evaluate", "--collections", work / "beir", "--run", work / "runs", "--profile", "beir", "--beside", work / "mteb/runs", "--format", "markdown")
    assert all(each["beside"]["runs"] == each["runs"][0]["measures"]["ndcg@10"] for each in told["collections"]), told
    assert told["means"][1]["main_score"] == told["means"][0]["measures"]["ndcg@10"], told["means"]
    check_refusals(work)


NANO = ("NanoArguAna", "NanoClimateFEVER", "NanoDBPedia", "NanoFEVER", "NanoFiQA2018", "NanoHotpotQA", "NanoMSMARCO", "NanoNFCorpus", "NanoNQ", "NanoQuoraRetrieval",
        "NanoSCIDOCS", "NanoSciFact", "NanoTouche2020")


def write_parquet(pandas, collection, place):
    """A collection as NanoBEIR is published. place: part -> path of its file."""
    rows = {part: [json.loads(line) for line in (collection / f"{part}.jsonl").read_text().splitlines()] for part in ("corpus", "queries")}
    judged = [line.split("\t") for line in (collection / "qrels/test.tsv").read_text().splitlines()[1:]]
    tables = {part: pandas.DataFrame([{"_id": row["_id"], "text": (row.get("title", "") + " " + row["text"]).strip()} for row in rows[part]]) for part in rows}
    tables["qrels"] = pandas.DataFrame([{"query-id": query, "corpus-id": document} for query, document, _ in judged])
    for part, table in tables.items():
        place(part).parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(place(part))


def convert(folder, output, status=0):
    script = pathlib.Path(__file__).resolve().parents[2] / "examples/nanobeir.py"
    done = subprocess.run([sys.executable, script, folder, output], capture_output=True, text=True)
    assert (done.returncode == 0) == (status == 0), done.stderr
    return done.stdout + done.stderr


def check_nanobeir(work):
    """Thirteen collections in Parquet, a folder each or all in one."""
    try:
        import pandas
        pandas.DataFrame({"a": ["b"]}).to_parquet(work / "probe.parquet")
    except ImportError as error:
        return print(f"NanoBEIR's Parquet is left out: {error}")
    for seed, name in enumerate(NANO):
        write_collection(work / "beir-layout" / name, topics=3, documents=3, seed=seed)
        write_parquet(pandas, work / "beir-layout" / name, lambda part: work / "hub" / name / part / "train-00000-of-00001.parquet")
        write_parquet(pandas, work / "beir-layout" / name, lambda part: work / "one" / part / f"{name}-00000-of-00001.parquet")
    for downloaded in ("hub", "one"):
        refused("search", "--method", "bm25", "--collections", work / downloaded, "--output", work / "none", says=["Parquet", f"examples/nanobeir.py {work / downloaded} nanobeir"])
        assert f"{NANO[0]}: 9 documents, 12 queries" in convert(work / downloaded, work / f"nano-{downloaded}")
        run("search", "--method", "bm25", "--collections", work / f"nano-{downloaded}", "--output", work / f"nano-{downloaded}-runs")
    run("search", "--method", "bm25", "--collections", work / "beir-layout", "--output", work / "nano-runs")
    for name in NANO:   # texts and judgments are those that were converted
        expected = (work / f"nano-runs/{name}.trec").read_bytes()
        assert all((work / f"nano-{downloaded}-runs/{name}.trec").read_bytes() == expected for downloaded in ("hub", "one")), name
    told = result("evaluate", "--collections", work / "nano-hub", "--run", work / "nano-hub-runs", "--measures", "ndcg@10")
    figures = [each["runs"][0]["measures"]["ndcg@10"] for each in told["collections"]]
    assert len(figures) == 13 and told["means"][0]["name"] == "NanoBEIR" and abs(told["means"][0]["measures"]["ndcg@10"] - sum(figures) / 13) < 1e-12, told["means"]
    assert "\nNanoBEIR" in run("evaluate", "--collections", work / "nano-hub", "--run", work / "nano-hub-runs").stdout
    run("evaluate", "--collections", work / "nano-hub", "--run", work / "nano-hub-runs", "--measures", "ndcg@10", "--mteb", work / "nano-mteb")
    stored = json.loads((work / "nano-mteb/NanoClimateFeverRetrieval.json").read_text())
    assert stored["task_name"] == "NanoClimateFeverRetrieval" and list(stored["scores"]) == ["train"], stored
    told = result("evaluate", "--collections", work / "nano-hub", "--run", work / "nano-hub-runs", "--measures", "ndcg@10", "--beside", work / "nano-mteb")
    assert [each["beside"]["nano-mteb"] for each in told["collections"]] == figures, told
    (work / "nano-mteb/NanoNQRetrieval.json").unlink()
    stored["scores"]["dev"] = stored["scores"].pop("train")
    (work / "nano-mteb/NanoClimateFeverRetrieval.json").write_text(json.dumps(stored))
    said = run("evaluate", "--collections", work / "nano-hub", "--run", work / "nano-hub-runs", "--beside", work / "nano-mteb").stderr
    assert "nano-mteb has no main score of NanoNQ: no result file of the task NanoNQRetrieval" in said, said
    assert "nano-mteb has no main score of NanoClimateFEVER in the split train, only in dev" in said, said
    (work / "nano-hub/NanoNQ").rename(work / "nano-hub/other")
    (work / "nano-hub-runs/NanoNQ.trec").rename(work / "nano-hub-runs/other.trec")
    done = run("evaluate", "--collections", work / "nano-hub", "--run", work / "nano-hub-runs")
    assert "12 of its 13 collections are there, and 1 of others" in done.stderr and "\nmean" in done.stdout, done.stderr + done.stdout
    assert "exists" in convert(work / "hub", work / "nano-hub", status=1)
    assert "no collection" in convert(work / "beir-layout", work / "nothing", status=1)
    (work / "one/qrels/NanoNQ-00000-of-00001.parquet").unlink()
    assert "NanoNQ has not all of" in convert(work / "one", work / "nothing", status=1) and not (work / "nothing").exists()


def check_refusals(work):
    runs = ["--run", work / "runs"]
    refused("evaluate", "--collections", work / "beir/alpha", *runs, says="one collection")
    refused("evaluate", "--collections", work / "absent", *runs, says="found none")
    refused("evaluate", *runs, says="--collections")
    refused("evaluate", "--collections", work / "beir", "--qrels", work / "beir/alpha/qrels/test.tsv", *runs, says="--qrels")
    refused("evaluate", "--collections", work / "beir", "--run", work / "beir", says=["a run of every collection", "none of alpha"])
    refused("evaluate", "--collections", work / "beir", "--split", "gold", *runs, says=["gold", "test, train"])
    refused("evaluate", "--collections", work / "beir", "--test", "bootstrap", *runs, says="--test")
    refused("evaluate", "--collections", work / "beir", "--mteb", work / "mteb", *runs, says="mteb")
    refused("evaluate", "--collections", work / "beir", "--mteb", work / "new", "--measures", "bpref", *runs, says="bpref")
    refused("evaluate", "--collections", work / "beir", "--beside", work / "beir", *runs, says="result files of MTEB")
    refused("search", "--method", "bm25", "--collections", work / "beir", says="--output with a folder")
    refused("search", "--method", "bm25", "--collections", work / "beir", "--output", work / "runs", says="alpha.trec")
    refused("search", "--method", "bm25", "--collections", work / "beir", "--query", "x", says="--collections")


def check_answers(work):
    passages = [("1", "It is the capital of France.", "Paris"), ("2", "The caf\u00e9 in LYON is closed", "Lyon"), ("3", "Nothing", "x")]
    (work / "psgs.tsv").write_text("id\ttext\ttitle\n" + "".join("\t".join(row) + "\n" for row in passages))
    (work / "corpus.jsonl").write_text("".join(json.dumps({"_id": i, "title": title, "text": text}) + "\n" for i, text, title in passages))
    asked = {"a": ["Rome", "paris"], "b": ["cafe\u0301"], "c": ["Nothing"], "lost": ["x"]}
    (work / "answers.jsonl").write_text("".join(json.dumps({"_id": q, "answers": answers}) + "\n" for q, answers in asked.items()))
    (work / "answers.trec").write_text("".join(f"{q} Q0 {d} {n} {3 - n} t\n" for q in "abc" for n, d in enumerate("123", 1)))
    for corpus in ("psgs.tsv", "corpus.jsonl"):
        common = ["evaluate", "--answers", work / "answers.jsonl", "--corpus", work / corpus, "--run", work / "answers.trec", "--measures", "hit_answers@1,hit_answers@2,hit_answers@3"]
        told = result(*common, "--per-query")
        assert told["measures"] == {"hit_answers@1": 0, "hit_answers@2": .25, "hit_answers@3": .5}, told["measures"]
        assert told["per_query"]["c"] == {"hit_answers@1": 0, "hit_answers@2": 0, "hit_answers@3": 1} and told["missing_queries"] == 1, told
        assert result(*common, "--answer-titles")["measures"]["hit_answers@1"] == .25
        assert result(*common, "--missing", "skip")["measures"]["hit_answers@3"] == 2 / 3
    answers = ["evaluate", "--answers", work / "answers.jsonl", "--run", work / "answers.trec"]
    refused(*answers, says="--corpus with the texts")
    refused(*answers, "--corpus", work / "corpus.jsonl", "--measures", "ndcg@10", says="hit_answers@K")
    (work / "short.jsonl").write_text((work / "corpus.jsonl").read_text().splitlines()[0] + "\n")
    refused(*answers, "--corpus", work / "short.jsonl", says="2 of 3 are missing")
    (work / "bad.jsonl").write_text('{"question": "who?", "answers": ["x"]}\n')
    refused("evaluate", "--answers", work / "bad.jsonl", "--corpus", work / "corpus.jsonl", "--run", work / "answers.trec", says="the id of a question")


def check_subtopics(work):
    (work / "subtopics").write_text("q 1 a 1\nq 2 a 1\nq 1 b 1\nq 2 c 0\n")
    (work / "diverse.trec").write_text("q Q0 b 1 2 t\nq Q0 a 2 1 t\n")
    told = result("evaluate", "--qrels", work / "subtopics", "--run", work / "diverse.trec", "--measures", "alpha_ndcg@1,alpha-nDCG@2")
    assert told["measures"]["alpha_ndcg@1"] == .5, told["measures"]
    assert abs(told["measures"]["alpha_ndcg@2"] - (1 + 1.5 / 1.584962500721156) / (2 + .5 / 1.584962500721156)) < 1e-12, told["measures"]
    refused("evaluate", "--qrels", work / "subtopics", "--run", work / "diverse.trec", "--measures", "alpha_ndcg@1,map", says="found both")


def main():
    with tempfile.TemporaryDirectory() as place:
        work = pathlib.Path(place)
        check_collections(work)
        check_nanobeir(work)
        check_answers(work)
        check_subtopics(work)
    print("collections: figures one by one and their mean, result files of MTEB, answer strings, subtopics")


if __name__ == "__main__":
    main()
