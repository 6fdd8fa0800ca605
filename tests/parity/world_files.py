# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""The invented world as files: documents of text and MASTER's rows of ids become the same token store, and question and answer share
no word of a topic."""
import json
import pathlib
import subprocess
import sys
import tempfile

from cli_support import ENVIRONMENT, PROGRAM, result

QUICKSTART = PROGRAM.with_name("quickstart")


def write(folder, *words, status=0):
    done = subprocess.run([str(QUICKSTART), "--write", str(folder), *words], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stderr


def main(work):
    world = work / "world"
    write(world, "--topics", "20", "--topics-per-article", "4", "--seed", "3")
    stores = {}
    for name, file in (("jsonl", "documents.jsonl"), ("master", "rows.jsonl")):
        stores[name] = result("prepare", "--input", world / file, "--format", name, "--tokenizer", world / "tokenizer", "--max-length", 50,
                              "--output", work / name)
        assert stores[name]["passages"] == 20000 and stores[name]["unknown_tokens"] == 0, stores[name]
    assert stores["jsonl"]["documents"] == 10000 and stores["jsonl"]["tokens"] == stores["master"]["tokens"] == 20000 * 48
    for name in ("tokens", "continuations"):
        assert (work / "jsonl" / name).read_bytes() == (work / "master" / name).read_bytes(), name

    rows = [json.loads(line) for line in (world / "rows.jsonl").read_text().splitlines()]
    assert all(len(row["queries"]) == 3 and (row["next"] != [[]]) == (i % 2 == 1) for i, row in enumerate(rows))
    texts = {d["_id"]: d["text"] for d in map(json.loads, (world / "beir" / "corpus.jsonl").read_text().splitlines())}
    common = {"and", "or", "with"}
    for query in map(json.loads, (world / "beir" / "queries.jsonl").read_text().splitlines()):
        asked = set(query["text"].replace(",", "").replace("?", "").split()) - common
        told = set(texts["a" + query["_id"][1:]].replace(",", "").replace(".", "").split())
        assert len(asked) == 8 and not asked & told, query

    assert "new or empty" in write(world, status=2)
    assert "topics per article" in write(work / "none", "--topics", "5", "--topics-per-article", "4", status=2)
    assert not (work / "none").exists()
    print(f"{len(rows)} articles are equal in both forms")


if __name__ == "__main__":
    if not QUICKSTART.exists():
        print(f"skipped: {QUICKSTART} is not built")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
