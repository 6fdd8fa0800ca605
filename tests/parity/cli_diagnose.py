# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae diagnose`: every fault that is planted in a collection is found, by name, number and example, and a clean collection has none; on scifact the
counts equal a recount in Python."""
import collections
import json
import os
import pathlib
import re
import tempfile

from cli_support import result, run, write_collection

DATA = pathlib.Path(os.environ.get("BMAE_DATA") or "absent")
RUSSIAN = "Корабли стоят в порту и ждут, что их поведут из порта, но это не для всех и не на день {}."


def findings(*arguments):
    told = result("diagnose", *arguments)
    return {each["name"]: each for each in told["findings"]}, told


def append(path, *records):
    with path.open("a") as file:
        file.writelines((record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)) + "\n" for record in records)


def plant(data):
    """What is planted: name of the finding -> (number, first example)."""
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    judged = collections.defaultdict(list)
    for line in (data / "qrels/train.tsv").read_text().splitlines()[1:]:
        query, document, _ = line.split("\t")
        judged[query].append(document)
    queries = {r["_id"]: r["text"] for r in map(json.loads, (data / "queries.jsonl").read_text().splitlines())}
    one, two = corpus[0], corpus[1]
    near = two["text"] + " Lorem"
    append(data / "corpus.jsonl",
           {"_id": "blank", "title": "", "text": " \n"}, {"_id": "bell", "title": "", "text": "A bell \x07 rings here in the evening light."},
           {"_id": "lost", "title": "", "text": "The caf� is closed on this day of the week."},
           {"_id": "soft", "title": "", "text": "Soft hy­phens are in this text that came from a book."},
           {"_id": "twice", "title": "", "text": "The cafÃ© is open on some other day of the month."},
           {"_id": "tags", "title": "", "text": "This <b>bold</b> text came from a page &amp; was never cleaned."},
           {"_id": "copy", "title": one["title"], "text": one["text"].replace(" ", "  ", 1)},
           {"_id": "near", "title": two["title"], "text": near},
           {**one, "text": "the same id with another text"}, '{"_id": "cut", "text": ',
           *({"_id": f"ru{n}", "title": "", "text": RUSSIAN.format(n * 7919)} for n in range(8)))
    asked = "qtrain0-0"
    strange = next(d["_id"] for d in corpus if not set(re.findall(r"\w+", (d["title"] + " " + d["text"]).lower())) & set(queries[asked].split())
                   and d["_id"] not in judged[asked])
    append(data / "queries.jsonl", {"_id": "again", "text": queries["qtrain1-0"].upper() + "?"}, {"_id": "whole", "text": corpus[5]["text"]},
           {"_id": "nothing", "text": queries["qtrain2-0"] + " kaba"})
    append(data / "qrels/train.tsv", f"{asked}\t{strange}\t1", f"{asked}\tabsent\t1", f"{asked}\tcopy\t0", f"{asked}\t{two['_id']}\t0", "nothing\tru0\t0")
    append(data / "qrels/test.tsv", f"again\t{judged['qtrain1-0'][0]}\t1", f"{asked}\td0-0\t1", f"whole\td0-5\t1")
    return {"documents-empty": (1, "blank"), "documents-control-characters": (1, "bell"), "documents-replacement-characters": (1, "lost"),
            "documents-invisible-characters": (1, "soft"), "documents-mojibake": (1, "twice"), "documents-markup": (1, "tags"),
            "documents-copies": (1, [one["_id"], "copy"]), "documents-near-copies": (8, [two["_id"], "near"]), "documents-repeated-ids": (1, None),
            "documents-malformed": (1, None), "documents-other-languages": (None, None), "documents-unknown-tokens": (None, None), "documents-without-token": (1, None),
            "queries-in-corpus": (1, "whole"), "queries-copies": None, "queries-near-copies": None,
            "train-judgments-malformed": (1, None), "train-missing-documents": (1, [asked, "absent"]), "train-no-common-term": (None, [asked, strange]),
            "train-contradicted": (1, [asked, "d0-0"]), "train-queries-without-positive": (1, "nothing"),
            "train-unjudged-copies": (None, None), "test-unjudged-copies": (None, None),
            "train-test-same-queries": (1, asked), "train-test-same-texts": (1, "again"), "train-test-same-pairs": (None, None)}


def check_planted(work):
    clean, told = findings("--data", write_collection(work / "clean"), "--similarity", ".9")
    assert not {name for name in clean if not name.endswith("no-common-term")}, clean   # which chance gives invented words
    assert told["texts"]["tokens"] is None and told["texts"]["texts"] == 72 and told["queries"]["texts"] == 48, told
    data = write_collection(work / "planted")
    expected = plant(data)
    letters = "abcdefghijklmnopqrstuvwxyz"
    (work / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters), *".,?&<>/;"]) + "\n")
    found, told = findings("--data", data, "--tokenizer", work / "vocab.txt", "--lengths", "16,1024")
    for name, planted in expected.items():
        if planted is None:
            found.pop(name, None)
            continue
        assert name in found, (name, sorted(found))
        each = found.pop(name)
        number, example = planted
        assert number in (None, each["count"]) and 0 < each["count"] <= each["of"], (number, each)
        assert example is None or example in each["examples"], (example, each)
    found.pop("train-below-nonrelevant", None)
    found.pop("test-no-common-term", None)
    assert not found, sorted(found)
    cut = told["texts"]["tokens"]["truncation"]
    assert cut[0]["texts"] > 70 and cut[1] == {"length": 1024, "texts": 0, "tokens": 0}, cut
    assert told["malformed"], told
    assert told == result("diagnose", "--data", data, "--tokenizer", work / "vocab.txt", "--lengths", "16,1024", "--threads", 3), "threads change the result"
    return len(expected)


def check_files(work):
    (work / "a.txt").write_text("Bread is baked in an oven of clay that was heated since the early morning.\n\nShips lie in the harbour.\n")
    (work / "b.txt").write_text("Bread is baked in an oven of clay that was heated since the early morning.\n\nNobody sings at night here.\n")
    found, told = findings("--input", work / "a.txt", "--held-out", work / "b.txt")
    assert found["texts-held-out-copies"]["count"] == 1 and told["texts"]["held_out"] == 2 and told["queries"] is None, (found, told)
    for arguments, says in (((), "either --data"), (("--data", work, "--input", work / "a.txt"), "found both"),
                            (("--data", work / "absent"), "absent"), (("--input", work / "absent.txt"), "absent.txt"),
                            (("--input", work / "a.txt", "--depth", 5), "--depth"), (("--input", work / "a.txt", "--lengths", 5), "--lengths"),
                            (("--input", work / "a.txt", "--tokenizer", work / "vocab.txt", "--lengths", "5,x"), "--lengths as numbers"),
                            (("--input", work / "a.txt", "--similarity", ".2"), "--similarity"),
                            (("--input", work / "planted/qrels/train.tsv"), "judgments")):
        assert says in run("diagnose", *arguments, status=2).stderr, (arguments, says)


def check_scifact():
    folder = DATA / "scifact/beir"
    if not folder.exists():
        print("skipped: scifact, for want of the data")
        return
    found, told = findings("--data", folder, "--tokenizer", DATA / "vocab/bert-base-uncased")
    assert not any(name.endswith("other-languages") for name in found), found   # queries too short for function words are Latin all the same
    opener = __import__("gzip").open if not (folder / "corpus.jsonl").exists() else open
    name = "corpus.jsonl" if opener is open else "corpus.jsonl.gz"
    with opener(folder / name, "rt") as file:
        texts = [" ".join(f"{r['title']} {r['text']}".split()) for r in map(json.loads, file)]
    assert told["texts"]["texts"] == len(texts) == 5183
    assert told["texts"]["copies"]["redundant"] == len(texts) - len(set(texts)), told["texts"]["copies"]
    documents = {}
    for split in ("train", "test"):
        rows = [line.split("\t") for line in (folder / f"qrels/{split}.tsv").read_text().splitlines()[1:]]
        documents[split] = {row[1] for row in rows if int(row[2]) > 0}
    shared = told["overlaps"][0]
    assert shared["documents"] == len(documents["test"]) and shared["shared_documents"] == len(documents["train"] & documents["test"]), shared


def main():
    with tempfile.TemporaryDirectory() as place:
        planted = check_planted(pathlib.Path(place))
        check_files(pathlib.Path(place))
    check_scifact()
    print(f"diagnose: {planted} planted faults found by name, none in a clean collection")


if __name__ == "__main__":
    main()
