# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Searching by hand and by script: a collection without queries and judgments, answers as soon as a line is read, blank queries,
queries without judgments to a run, and a run that is gzip."""
import gzip
import json
import pathlib
import shutil
import subprocess
import tempfile

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

BM25 = ["search", "--method", "bm25"]


def check_bare_corpus(work):
    """A corpus alone is searched; blank queries are answered, too."""
    bare = work / "bare"
    bare.mkdir()
    shutil.copy(work / "data" / "corpus.jsonl", bare)
    first = json.loads((bare / "corpus.jsonl").read_text().splitlines()[0])
    hits = result(*BM25, "--data", bare, "--query", first["text"])["answers"][0]["hits"]
    assert hits[0]["id"] == first["_id"], hits
    for blank in ("", "  "):
        done = run(*BM25, "--data", bare, "--query", blank, "--json")
        assert "no text shares a word" in done.stdout, done.stdout
        assert json.loads(done.stdout.splitlines()[-1])["answers"] == [{"query": blank, "hits": []}], done.stdout
    refused = run(*BM25, "--data", bare, "--output", work / "none.trec", status=2).stderr
    assert "queries.jsonl" in refused, refused


def check_standard_input(work):
    """Answers are separated by blank lines; with --json there is one object per line, before the next query is asked."""
    texts = [json.loads(line)["text"] for line in (work / "data" / "queries.jsonl").read_text().splitlines()[:3]]
    lines = run(*BM25, "--data", work / "data", "--query", "-", stdin="\n".join([*texts, ""]) + "\r\n").stdout.split("\n\n")
    assert len(lines) == 4 and all(part.startswith("1\t") for part in lines[:3]) and "no text" in lines[3], lines
    process = subprocess.Popen([str(PROGRAM), *BM25, "--data", str(work / "data"), "--query", "-", "--json"], env=ENVIRONMENT,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    hits = 0
    for text in [*texts, "", "nothing of that"]:
        process.stdin.write(text + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())   # would wait forever where answers are kept back
        assert answer["query"] == text and (len(answer["hits"]) > 0) == (text in texts), answer
        hits += len(answer["hits"])
    rest = process.communicate(timeout=60)[0].splitlines()
    assert len(rest) == 1 and json.loads(rest[0])["queries"] == 5 and process.returncode == 0, rest
    assert json.loads(rest[0])["hits"] == hits > 0, rest


def check_unjudged(work):
    """Queries without judgments are searched to a run: in a folder without qrels, and with --split all."""
    data = work / "data"
    queries = len((data / "queries.jsonl").read_text().splitlines())
    everything = result(*BM25, "--data", data, "--split", "all", "--output", work / "all.trec")
    assert everything["queries"] == queries, everything
    shutil.copytree(data, work / "unjudged", ignore=shutil.ignore_patterns("qrels"))
    done = run(*BM25, "--data", work / "unjudged", "--output", work / "unjudged.trec")
    assert "all of its queries are searched" in done.stderr, done.stderr
    assert (work / "unjudged.trec").read_bytes() == (work / "all.trec").read_bytes()
    refused = run(*BM25, "--data", data, "--split", "dev", "--output", work / "none.trec", status=2).stderr
    assert "the splits test, train" in refused, refused


def check_gzip(work):
    """A run named .gz is gzip, and is read by what reads runs."""
    data = work / "data"
    for name in ("run.trec", "run.trec.gz"):
        run(*BM25, "--data", data, "--output", work / name)
    assert gzip.decompress((work / "run.trec.gz").read_bytes()) == (work / "run.trec").read_bytes()
    measured = [result("evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", work / name)["measures"]
                for name in ("run.trec", "run.trec.gz")]
    assert measured[0] == measured[1], measured


def main(work):
    write_collection(work / "data")
    check_bare_corpus(work)
    check_standard_input(work)
    check_unjudged(work)
    check_gzip(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
