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
    refused = run("prepare", "--input", work / "lines.txt", "--format", "sgml", "--tokenizer", vocabulary, "--output", work / "none",
                  status=2).stderr
    assert "smart, lisa, trec" in refused, refused


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
