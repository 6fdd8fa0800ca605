# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""MASTER's rows through `bmae prepare`: the store holds the ids as they were, and the frequency dictionary equals a plain count of
words, pieces joined with their "##", special tokens left out."""
import array
import collections
import json
import pathlib
import random
import tempfile

from cli_support import result, run

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UNK, SEP = 1, 3


def words_of(ids, vocabulary):
    word = None
    for i in [*ids, SEP]:
        token = vocabulary[i]
        if word is not None and i >= len(SPECIALS) and token.startswith("##"):
            word += token
            continue
        if word is not None:
            yield word
        word = token if i >= len(SPECIALS) else None


def main(work):
    rng = random.Random(5)
    heads = [f"word{n}" for n in range(200)] + ["é", "\"", "\\"]
    tails = [f"##tail{n}" for n in range(40)]
    vocabulary = SPECIALS + heads + tails
    (work / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")

    def text(count):
        return [rng.randrange(len(SPECIALS), len(vocabulary)) if rng.random() < .9 else UNK for _ in range(count)]

    rows = [{"text": text(3) + [SEP] + text(rng.randrange(60)), "queries": [text(4) for _ in range(10)], "next": [text(20)]}
            for _ in range(300)]
    (work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = result("prepare", "--input", work / "rows.jsonl", "--format", "master", "--tokenizer", work / "vocab.txt", "--output",
                  work / "store", "--write-dictionary", work / "words.json")
    assert done["documents"] == done["passages"] == 300 and done["blocks"] == "whole_document", done

    def ids(name):
        values = array.array("i")
        values.frombytes((work / "store" / name).read_bytes())
        return values.tolist()

    assert ids("tokens") == [i for row in rows for i in row["text"]]
    assert ids("queries") == [i for row in rows for query in row["queries"] for i in query]
    assert ids("continuations") == [i for row in rows for i in row["next"][0]]
    expected = collections.Counter(word for row in rows for word in words_of(row["text"], vocabulary))
    assert json.loads((work / "words.json").read_text(encoding="utf-8")) == dict(expected)

    # Nothing is overwritten, and nothing is left behind by a row that is refused.
    run("prepare", "--input", work / "rows.jsonl", "--format", "master", "--tokenizer", work / "vocab.txt", "--output", work / "new",
        "--write-dictionary", work / "words.json", status=2)
    (work / "bad.jsonl").write_text('{"text": [9]}\n{"text": [9, 5000]}\n')
    refused = run("prepare", "--input", work / "bad.jsonl", "--format", "master", "--tokenizer", work / "vocab.txt", "--output",
                  work / "new", status=2)
    assert "bad.jsonl:2" in refused.stderr and "5000" in refused.stderr, refused.stderr
    assert not (work / "new").exists()
    print(f"{done['tokens']} ids and {len(expected)} words are as in the rows")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
