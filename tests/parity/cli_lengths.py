# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""One length, one pooling and one normalization by every route to the vectors of a run: its published folder, `export`, and `encode`
with the output folder or a checkpoint; a fine-tuned model that reads no less than the one that it started from; queries that have a
length of their own by every route, as sentence-transformers reads it."""
import json
import pathlib
import tempfile

import numpy
from safetensors.numpy import load_file

from cli_support import result, run, write_collection

SHAPE = ["--config", "tiny", "--hidden", 32, "--layers", 2, "--batch-tokens", 512, "--learning-rate", "1e-3"]


def check_routes(work, name, *pooling):
    """All routes to one run read the same tokens, pool and normalize alike."""
    texts = work / "data" / "corpus.jsonl"
    run("export", "--model", work / name, *pooling, "--output", work / f"{name}-exported")
    checkpoint = max((work / name).glob("step-*"))
    told, rows, queries, lengths = [], [], [], []
    for number, model in enumerate((work / name / "sentence-transformer", work / f"{name}-exported", work / name, checkpoint)):
        own = [] if number < 2 else pooling   # the folders say it themselves
        output = work / f"{name}-{number}.safetensors"
        done = result("encode", "--model", model, *own, "--input", texts, "--output", output)
        told.append((done["pooling"], done["normalize"], done["max_length"]))
        asked = work / f"{name}-{number}-queries.safetensors"
        lengths.append(result("encode", "--model", model, *own, "--role", "query", "--input", texts, "--output", asked)["max_length"])
        rows.append(load_file(output)["embeddings"])
        queries.append(load_file(asked)["embeddings"])
    assert len(set(told)) == 1 and len(set(lengths)) == 1, (name, told, lengths)
    assert all(numpy.abs(other - queries[0]).max() <= 1e-6 for other in queries[1:]), name
    assert (lengths[0] == told[0][2]) == (numpy.abs(queries[0] - rows[0]).max() <= 1e-6), name
    assert all(numpy.abs(other - rows[0]).max() <= 1e-6 for other in rows[1:]), name
    return *told[0], lengths[0]


def check_queries(work, data):
    """`search` reads queries within their own length, and sentence-transformers makes the same vectors of both kinds."""
    folder = work / "tuned" / "sentence-transformer"
    layout = json.loads((folder / "sentence_bert_config.json").read_text())
    assert (layout["max_seq_length"], layout["query_length"]) == (48, 12), layout
    records = [json.loads(line) for line in (data / "queries.jsonl").read_text().splitlines()]
    long = {record["_id"]: " ".join([record["text"]] * 4) for record in records}
    (data / "queries.jsonl").write_text("".join(json.dumps({"_id": i, "text": text}) + "\n" for i, text in long.items()))
    run("encode", "--model", folder, "--input", data / "corpus.jsonl", "--output", work / "d.safetensors")
    run("encode", "--model", folder, "--role", "query", "--input", data / "queries.jsonl", "--output", work / "q.safetensors")
    documents, queries = (load_file(work / f"{n}.safetensors")["embeddings"] for n in "dq")
    place = {name: row for row, name in enumerate((work / "d.ids").read_text().split())}
    asked = {name: row for row, name in enumerate((work / "q.ids").read_text().split())}
    run("search", "--model", folder, "--data", data, "--top-k", 5, "--output", work / "d.trec")
    for line in (work / "d.trec").read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        assert abs(documents[place[document]] @ queries[asked[query]] - float(score)) < 2e-5, line
    run("search", "--model", folder, "--data", data, "--query-length", 48, "--top-k", 5, "--output", work / "long.trec")
    assert (work / "long.trec").read_text() != (work / "d.trec").read_text()
    exported = run("export", "--model", folder, "--output", work / "again").stderr
    assert "queries are read up to 12 tokens" in exported, exported
    try:
        import sentence_transformers
    except ImportError:
        print("sentence-transformers is not installed: its check is skipped")
        return
    if int(sentence_transformers.__version__.split(".")[0]) < 6:
        return
    theirs = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    assert numpy.abs(theirs.encode_query([long[name] for name in asked]) - queries).max() < 2e-5
    corpus = {r["_id"]: f"{r['title']} {r['text']}".strip() for r in map(json.loads, (data / "corpus.jsonl").read_text().splitlines())}
    assert numpy.abs(theirs.encode_document([corpus[name] for name in place]) - documents).max() < 2e-5


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    train = ["pretrain", *SHAPE, "--data", work / "store", "--max-length", 24, "--steps", 2]
    run(*train, "--output", work / "retromae")
    assert check_routes(work, "retromae") == ("cls", False, 24, 24)
    run(*train, "--preset", "lexmae", "--output", work / "lexmae")   # its bottleneck is no pooling
    assert check_routes(work, "lexmae", "--pooling", "cls") == ("cls", False, 24, 24)
    bare = result("encode", "--model", work / "retromae" / "model", "--pooling", "cls", "--input", data / "corpus.jsonl", "--output",
                  work / "bare.safetensors")
    assert bare["max_length"] == 24, bare
    # Trained on short texts, the result reads what its start reads, and says so.
    run("pretrain", *SHAPE, "--data", work / "store", "--max-length", 48, "--steps", 2, "--output", work / "long")
    tune = ["finetune", "--data", data, "--batch-examples", 4, "--normalize", "--query-length", 12, "--steps", 2]
    done = run(*tune, "--passage-length", 24, "--model", work / "long", "--output", work / "tuned")
    assert "reads queries of up to 12 tokens and texts of up to 48; trained on passages of up to 24" in done.stderr, done.stderr
    assert check_routes(work, "tuned") == ("cls", True, 48, 12)
    layout = json.loads((work / "tuned" / "sentence-transformer" / "sentence_bert_config.json").read_text())
    assert layout["max_seq_length"] == 48, layout
    tune[-1] = 1
    done = run(*tune, "--model", work / "retromae", "--passage-length", 40, "--output", work / "longer")
    assert "texts of up to 40" in done.stderr, done.stderr
    assert check_routes(work, "longer") == ("cls", True, 40, 12)
    check_queries(work, data)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
