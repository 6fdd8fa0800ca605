# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae prepare` recognizes the format of its input by the content and says what it took; classic collections become token stores."""
import gzip
import json
import pathlib
import tempfile

from cli_support import run, write_collection

LAYOUTS = {   # two documents each
    "jsonl": '{"_id": "1", "text": "one two"}\n{"_id": "2", "text": "three"}\n',
    "smart": ".I 1\n.T\none\n.W\ntwo\n.I 2\n.W\nthree\n",
    "lisa": "Document   1\nONE\n\nTWO\n" + 44 * "*" + "\nDocument   2\nTHREE\n\n" + 44 * "*" + "\n",
    "trec": "<DOC>\n<DOCNO>1</DOCNO>\n<TEXT>\none two\n</TEXT>\n</DOC>\n<DOC>\n<DOCNO>2</DOCNO>\n<TEXT>three</TEXT>\n</DOC>\n",
    "msmarco": "1\tone two\n2\tthree\n",
    "text": "one two\n\nthree\n",
}


def prepared(work, name, *arguments, vocabulary):
    done = run("prepare", *arguments, "--tokenizer", vocabulary, "--output", work / f"{name}.tokens", "--json")
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def check_foreign(work, vocabulary):
    """`foreign rows`: the query of training data is not taken for the text of a corpus, nor a table of pairs for prose."""
    files = {"flag": ('{"query": "one", "pos": ["two"], "neg": ["three"]}\n', "FlagEmbedding's training data"),
             "tevatron": ('{"query_id": "1", "query": "one", "positive_passages": [], "negative_passages": []}\n', "Tevatron's training data"),
             "anchor": ('{"anchor": "one", "positive": "two"}\n', "Sentence Transformers' training data"),
             "label": ('{"sentence1": "one", "sentence2": "two", "label": 1}\n', "Sentence Transformers' training data"),
             "dpr": ('[\n{"question": "one", "positive_ctxs": [{"text": "two"}]}\n]\n', "DPR's training data"),
             "dump": ('{"qid": 1, "pos": [2], "neg": {"bm25": [3]}}\n', "a dump of hard negatives"),
             "csv": ("anchor,positive,negative\none,two,three\n", "a table of queries with their texts"),
             "triples": ("one two\tthree\tone\ntwo three\tone\ttwo\n", "a table of queries with their texts"),
             "ids": ("1\t2\t3\n1\t2\t4\n", "rows of ids"), "qrels": ("query-id\tcorpus-id\tscore\n1\t2\t1\n", "judgments"),
             "run": ("1 Q0 2 1 3.5 x\n", "a run")}
    for name, (content, says) in files.items():
        (work / f"foreign-{name}").write_text(content)
        done = run("prepare", "--input", work / f"foreign-{name}", "--tokenizer", vocabulary, "--output", work / "none", status=2)
        assert f"foreign-{name}:1: expected" in done.stderr and says in done.stderr, done.stderr
        assert not (work / "none").exists()
    (work / "queries.jsonl").write_text('{"query_id": "1", "query": "one two"}\n')   # a query alone is a text
    told, _ = prepared(work, "queries", "--input", work / "queries.jsonl", vocabulary=vocabulary)
    assert told["documents"] == 1 and told["tokens"] == 2, told


def main(work):
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] one two three".split()
    vocabulary = work / "vocab.txt"
    vocabulary.write_text("\n".join(words) + "\n")
    stores = {}
    for name, content in LAYOUTS.items():
        file = work / f"{name}.data.gz"   # neither the name nor the packing tells
        file.write_bytes(gzip.compress(content.encode()))
        told, errors = prepared(work, name, "--input", file, vocabulary=vocabulary)
        assert (told["format"], told["documents"], told["tokens"], told["unknown_tokens"]) == (name, 2, 3, 0), told
        assert f"as --format {name}" in errors and "one document" not in errors, errors
        named, errors = prepared(work, f"{name}-named", "--input", file, "--format", name, vocabulary=vocabulary)
        assert named["tokens"] == told["tokens"] and "reading" not in errors, errors
        stores[name] = (work / f"{name}.tokens" / "tokens").read_bytes()
    assert len(set(stores.values())) == 1, {name: len(store) for name, store in stores.items()}
    # What is all one document is said; a layout names its format.
    (work / "lines.txt").write_text("".join(f"one two {word}.\n" for word in 30 * ["three"]))
    told, errors = prepared(work, "lines", "--input", work / "lines.txt", vocabulary=vocabulary)
    assert told["documents"] == 1 and "one document" in errors and "--layout lines" in errors, errors
    told, errors = prepared(work, "each", "--input", work / "lines.txt", "--layout", "lines", vocabulary=vocabulary)
    assert told["documents"] == 30 and "one document of" not in errors, errors
    write_collection(work / "beir")
    told, _ = prepared(work, "beir", "--input", work / "beir", vocabulary=vocabulary)
    assert told["format"] == "beir" and told["documents"] == 72, told
    check_foreign(work, vocabulary)
    refused = run("prepare", "--input", work / "lines.txt", "--format", "sgml", "--tokenizer", vocabulary, "--output", work / "none",
                  status=2).stderr
    assert "smart, lisa, trec" in refused, refused


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
