# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Indexes on disk: the runs of `search --index` are those of `search` without one, byte for byte; what an index cannot do is refused by name;
damage is found; a kill or a full disk while it is made leaves nothing half."""
import json
import pathlib
import random
import resource
import shutil
import subprocess
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, contents, result, run, write_collection

BM25 = ["--method", "bm25"]


def refused(*arguments, says, **keywords):
    done = run(*arguments, status=2, **keywords)
    for words in [says] if isinstance(says, str) else says:
        assert words in done.stderr, f"expected '{words}' in\n{done.stderr}"


def check_lexical(work, data):
    """The same run with the same bytes, without LibTorch; answers by hand; options of the index are kept."""
    for name, options in (("plain", []), ("stem", ["--stem", "--stopwords", "none", "--k1", 1.5, "--b", .75])):
        run("search", *BM25, *options, "--data", data, "--split", "all", "--output", work / f"{name}-memory.trec")
        made = result("index", *BM25, *options, "--data", data, "--output", work / name, "--store-texts", "--memory", 1)
        assert made["documents"] == 72 and made["terms"] > 100 and made["postings"] > made["terms"] and made["bytes"] > 0, made
        run("search", "--index", work / name, "--queries", data / "queries.jsonl", "--output", work / f"{name}-disk.trec", "--verify")
        assert (work / f"{name}-memory.trec").read_bytes() == (work / f"{name}-disk.trec").read_bytes()
    first = json.loads((data / "corpus.jsonl").read_text().splitlines()[0])
    told = result("search", "--index", work / "plain", "--query", first["text"], "-k", 3)
    memory = result("search", *BM25, "--data", data, "--query", first["text"], "-k", 3)
    assert told["answers"] == memory["answers"] and told["method"] == "bm25" and told["documents"] == 72, (told, memory)
    nothing = run("search", "--index", work / "plain", "--query", "zzz")
    assert "no text shares a word with the query" in nothing.stdout, nothing.stdout
    lines = run("search", "--index", work / "plain", "--query", "-", "--json", stdin=f"{first['title']}\nzzz\n").stdout.splitlines()
    assert [len(json.loads(line)["hits"]) > 0 for line in lines[:2]] == [True, False] and json.loads(lines[2])["queries"] == 2, lines
    maps = subprocess.run([PROGRAM, "search", "--index", work / "plain", "--query", "a"], env={**ENVIRONMENT, "LD_DEBUG": "libs"},
                          capture_output=True, text=True)
    assert "libtorch" not in maps.stderr, "search in an index of BM25 loads LibTorch"


def check_dense(work, data):
    """The run of a model over the collection, from an index that the model or its stored vectors made; other rows, other models."""
    store, trained = work / "store", work / "run"
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", store)
    for name, seed in (("run", 1), ("other", 2)):
        run("pretrain", "--config", "tiny", "--hidden", 32, "--data", store, "--batch-tokens", 256, "--steps", 1, "--seed", seed, "--output", work / name)
    model = ["--model", trained / "sentence-transformer"]
    queries = ["--queries", data / "queries.jsonl"]
    run("search", *model, "--data", data, "--split", "all", "--output", work / "dense-memory.trec")
    run("encode", *model, "--input", data / "corpus.jsonl", "--output", work / "vectors", "--shard-texts", 30)
    run("encode", *model, "--input", data / "queries.jsonl", "--role", "query", "--output", work / "queries.safetensors")
    made = result("index", "--method", "dense", *model, "--data", data, "--store-texts", "--output", work / "dense")
    assert made["documents"] == 72 and made["dimension"] == 32 and made["rows"] == "fp32", made
    run("index", "--method", "dense", "--vectors", work / "vectors", "--output", work / "dense-stored")
    for name in ("rows", "ids", "id_ends", "order"):
        assert (work / "dense" / name).read_bytes() == (work / "dense-stored" / name).read_bytes(), name
    for number, index in enumerate(("dense", "dense-stored")):
        run("search", "--index", work / index, *model, *queries, "--output", work / f"dense-{number}.trec", "--verify")
        assert (work / f"dense-{number}.trec").read_bytes() == (work / "dense-memory.trec").read_bytes()
    run("search", "--index", work / "dense", "--query-vectors", work / "queries.safetensors", "--output", work / "dense-2.trec")
    assert (work / "dense-2.trec").read_bytes() == (work / "dense-memory.trec").read_bytes()
    told = result("search", "--index", work / "dense", *model, "--query", "bo da")["answers"][0]["hits"]
    assert len(told) == 10 and all(hit["text"] for hit in told), told
    for rows in ("bf16", "int8", "binary"):
        run("index", "--method", "dense", "--rows", rows, "--vectors", work / "vectors", "--output", work / rows)
        run("search", "--index", work / rows, *model, *queries, "--top-k", 72, "--rescore", 72 if rows != "bf16" else 0, "--output", work / f"{rows}.trec")
    for rows in ("int8", "binary"):   # all are candidates: the scores of the finer rows
        assert (work / f"{rows}.trec").read_bytes() == (work / "dense-memory.trec").read_bytes(), rows
    run("index", "--method", "dense", "--similarity", "euclidean", "--vectors", work / "vectors", "--output", work / "far")
    run("search", "--index", work / "far", *model, *queries, "--output", work / "far-disk.trec")
    run("search", *model, "--similarity", "euclidean", "--data", data, "--split", "all", "--output", work / "far-memory.trec")
    assert (work / "far-disk.trec").read_bytes() == (work / "far-memory.trec").read_bytes()
    refused("search", "--index", work / "far", *model, "--query", "a", "--similarity", "dot", says=["the similarity that the index was made with"])
    other = ["--model", work / "other" / "sentence-transformer"]
    refused("search", "--index", work / "dense", *other, "--query", "a", says=["weights", "one of another model"])
    assert "another model is searched" in run("search", "--index", work / "dense", *other, "--query", "a", "--other-model").stderr
    refused("search", "--index", work / "dense", "--query", "a", says=["--model, which reads the queries"])
    refused("search", "--index", work / "int8", *model, "--query", "a", "--rescore", 3, says=["at least as many candidates as hits, 10"])
    refused("search", "--index", work / "bf16", *model, "--query", "a", "--rescore", 30, says=["finer rows", "bf16 rows alone"])
    refused("search", "--index", work / "dense", "--query-vectors", work / "queries.safetensors", "--pooling", "cls", "--output", work / "none.trec", says=["no --pooling with --query-vectors"])
    refused("index", "--method", "dense", "--vectors", work / "vectors", "--finer-rows", "bf16", "--output", work / "none", says=["--finer-rows with --rows int8 or binary"])
    refused("index", "--method", "dense", "--vectors", work / "vectors", "--normalize", "--output", work / "none", says=["--normalize", "without --vectors"])
    refused("index", "--method", "dense", "--output", work / "none", says=["either --model or --vectors"])
    refused("index", "--method", "dense", "--rows", "int4", "--vectors", work / "vectors", "--output", work / "none", says=["--rows fp32, bf16, int8 or binary"])
    run("encode", *model, "--input", data / "corpus.jsonl", "--chunks", 8, "--output", work / "chunks.safetensors")
    refused("index", "--method", "dense", "--vectors", work / "chunks.safetensors", "--output", work / "none", says=["vectors of chunks"])
    refused("search", "--index", work / "plain", "--query-vectors", work / "queries.safetensors", "--output", work / "none.trec", says=["--query-vectors"])


def check_refusals(work, data):
    """What is asked of the wrong kind of index, or twice, or not at all."""
    index, queries = work / "plain", data / "queries.jsonl"
    out = ["--output", work / "none.trec"]
    refused("search", "--index", index, "--data", data, "--query", "a", says=["--data without --index"])
    refused("search", "--index", index, "--method", "bm25", "--query", "a", says=["--method without --index"])
    refused("search", "--query", "a", says=["--data with a corpus, --collections with a folder of them, or --index"])
    refused("search", "--index", index, says=["one of --query, --queries and --query-vectors", "none"])
    refused("search", "--index", index, "--queries", queries, says=["--output"])
    refused("search", "--index", index, "--query", "a", "--skip-malformed", says=["--skip-malformed with --queries", "--query"])
    refused("search", "--index", index, "--k1", 1, "--queries", queries, *out, says=["--k1"])
    refused("search", "--index", index, "--model", work, "--queries", queries, *out, says=["no --model with an index of BM25"])
    refused("search", "--index", data, "--query", "a", says=["manifest.json"])
    refused("index", *BM25, "--data", data, "--output", index, says=["new or empty output folder"])
    for name, lines, says in (("empty", [], "at least one record"), ("twice", ["a", "a"], ["id 'a' again", "corpus.jsonl:2"]),
                              ("blank", ["a b"], "an id")):
        (work / name).mkdir()
        text = "".join(json.dumps({"_id": line, "text": "some words"}) + "\n" for line in lines)
        (work / name / "corpus.jsonl").write_text(text)
        refused("index", *BM25, "--data", work / name, "--output", work / "none", says=says)
    assert not list(work.glob("none*")), list(work.glob("none*"))


def check_damage(work):
    """A truncated file is refused when it is opened, a flipped bit by --verify and inspect; nothing crashes without."""
    whole = work / "plain"
    for path in sorted(whole.iterdir()):
        damaged = work / "damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(whole, damaged)
        content = bytearray(path.read_bytes())
        (damaged / path.name).write_bytes(content[:-1])
        refused("search", "--index", damaged, "--query", "a", says=path.name)
        content[len(content) // 2] ^= 16
        (damaged / path.name).write_bytes(content)
        refused("search", "--index", damaged, "--query", "a", "--verify", says=path.name)
        refused("inspect", damaged, says=path.name)
        assert subprocess.run([PROGRAM, "search", "--index", damaged, "--query", "ba"], env=ENVIRONMENT, capture_output=True).returncode in (0, 2)
    manifest = json.loads((whole / "manifest.json").read_text()) | {"version": 7}
    (damaged / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    refused("search", "--index", damaged, "--query", "a", says=["version 7", "Make the index again"])
    told = result("inspect", whole)
    assert told["kind"] == "index of bm25, all checksums valid" and told["documents"] == 72 and told["k1"] == .9, told


def check_kills(work, arguments, kills=12):
    """SIGKILL at random moments: the folder is there and whole, or it is not there; the same command then makes it."""
    rng = random.Random(3)
    began = time.monotonic()
    run(*arguments, "--output", work / "whole-index")
    longest = time.monotonic() - began
    whole = contents(work / "whole-index")
    there = 0
    for number in range(kills):
        output = work / f"killed-{number}"
        process = subprocess.Popen([str(PROGRAM), *map(str, arguments), "--output", str(output)], env=ENVIRONMENT,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, longest))
        process.kill()
        process.wait()
        there += output.exists()
        if not output.exists():
            run(*arguments, "--output", output)
        assert contents(output) == whole, "a killed index differs"
        assert not output.with_name(output.name + ".partial").exists()
        shutil.rmtree(output)
    print(f"index: {kills} kills, {there} after the end")


def check_full_disk(work, data):
    """A limit of the size of files stands for a full disk."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    done = run("index", *BM25, "--data", data, "--output", work / "full", status=2, preexec_fn=limit)
    assert "file size limit" in done.stderr, done.stderr
    assert not (work / "full").exists() and not (work / "full.partial").exists()


def main(work):
    data = write_collection(work / "data")
    check_lexical(work, data)
    check_dense(work, data)
    check_refusals(work, data)
    check_damage(work)
    check_full_disk(work, data)
    large = write_collection(work / "large", topics=300, documents=20)
    check_kills(work, ["index", *BM25, "--data", large, "--memory", 1])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
