# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""The program from text to a measured retriever, on a small invented world: every command once, an interrupted run that gives the
bits of an uninterrupted one, a dumped step recomputed in plain PyTorch, and a folder that sentence-transformers reads alike."""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy
from safetensors.numpy import load_file

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

HERE = pathlib.Path(__file__).resolve().parent


def check_interrupt(work, arguments):
    """A run that is interrupted and resumed equals one that is not, bit for bit."""
    whole = result(*arguments, "--output", work / "whole")
    assert whole["end"] == "finished" and whole["step"] == 20, whole
    process = subprocess.Popen([str(PROGRAM), *map(str, arguments), "--save-every", "1", "--keep-last", "0", "--output", str(work / "cut")],
                               env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (work / "cut" / "step-3").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:
        print("note: the run ended before the interrupt")
    else:
        assert process.returncode == 130, (process.returncode, errors)
        assert "--resume" in errors, errors
        run(*arguments, "--output", work / "cut", status=2)   # without --resume nothing is touched
        again = result(*arguments, "--save-every", "1", "--keep-last", "0", "--output", work / "cut", "--resume")
        assert 3 <= again["resumed_from"] < 20 and again["end"] == "finished" and again["step"] == 20, again
        print("interrupted at step", again["resumed_from"])
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (work / "whole" / "step-20" / name).read_bytes() == (work / "cut" / "step-20" / name).read_bytes(), name
    assert (work / "whole" / "model" / "model.safetensors").read_bytes() == (work / "cut" / "model" / "model.safetensors").read_bytes()
    # A run that has ended ends again with the same result; one that goes on replaces it.
    before = (work / "whole" / "model" / "model.safetensors").read_bytes()
    ended = result(*arguments, "--output", work / "whole", "--resume")
    assert ended["resumed_from"] == 20 and ended["model"] == str(work / "whole" / "model"), ended
    assert (work / "whole" / "model" / "model.safetensors").read_bytes() == before
    longer = [str(24) if word == "20" else word for word in map(str, arguments)]
    assert result(*longer, "--output", work / "whole", "--resume")["model"] == str(work / "whole" / "model")
    assert (work / "whole" / "model" / "model.safetensors").read_bytes() != before
    assert not list((work / "whole").glob("*model-step-*")) and not list((work / "whole").glob(".*.new")), list((work / "whole").iterdir())


def check_vectors(work, folder, texts):
    """The vectors of the program and those of sentence-transformers are equal up to rounding."""
    rows = load_file(work / "corpus.safetensors")["embeddings"]
    ids = (work / "corpus.ids").read_text().split("\n")[:-1]
    assert len(ids) == len(rows) == len(texts) and ids[0] == texts[0]["_id"]
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError:
        print("skipped: the vectors of sentence-transformers, which is not installed")
        return
    peer = SentenceTransformer(str(folder), device="cpu").encode([f"{text['title']} {text['text']}" for text in texts], batch_size=8)
    error = float(numpy.abs(peer - rows).max() / numpy.abs(peer).max())
    print(f"largest difference to sentence-transformers: {error:.1e} of the largest value")
    assert error < 1e-5


def main(work):
    data = write_collection(work / "data")
    prepared = result("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    assert prepared["documents"] == 72 and prepared["unknown_tokens"] == 0, prepared
    assert prepared["titles"] == "joined" and prepared["with_title"] == prepared["documents"], prepared
    again = result("prepare", "--input", data / "corpus.jsonl", "--format", "jsonl", "--tokenizer", work / "store", "--max-length", 64,
                   "--threads", 2, "--output", work / "again")
    assert again["tokens"] == prepared["tokens"]
    assert (work / "store" / "tokens").read_bytes() == (work / "again" / "tokens").read_bytes()
    ids = run("tokenize", "--tokenizer", work / "store", stdin="hello\n\n").stdout.splitlines()
    assert len(ids) == 2 and ids[1].split() == ids[0].split()[:1] + ids[0].split()[-1:], ids

    shape = ["--config", "tiny", "--hidden", "32", "--data", work / "store", "--batch-tokens", "512", "--log-every", "5"]
    check_interrupt(work, ["pretrain", "--preset", "retromae", *shape, "--steps", "20", "--learning-rate", "1e-3"])
    log = [json.loads(line) for line in (work / "cut" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [5, 10, 15, 20], log

    names = ["mlm", "retromae", "retromae-layernorm-query", "retromae-basic", "retromae-deep"]   # all others: presets_parity.py
    assert set(names) < {preset["name"] for preset in result("presets")["presets"]}
    refused = run("pretrain", "--preset", "master", *shape[:6], "--dump-step", work / "master.safetensors", status=2)   # there are no queries
    assert "queries of the documents" in refused.stderr and "bmae generate" in refused.stderr, refused.stderr
    for name in names:
        run("pretrain", "--preset", name, *shape[:6], "--batch-tokens", "256", "--set", "encoder_mask=0.25", "--dump-step", work / f"{name}.safetensors")
    subprocess.run([sys.executable, str(HERE / "dump_step_check.py"), "--quiet", *[str(work / f"{name}.safetensors") for name in names]], check=True)
    dumped = json.loads(run("inspect", work / "retromae.safetensors", "--json").stdout.splitlines()[-1])
    assert dumped["preset"] == "retromae" and dumped["tensors"] > 20, dumped

    timed = result("pretrain", *shape, "--minutes", "0.03", "--init", work / "whole", "--output", work / "timed")
    assert 1 <= timed["step"] <= timed["steps"] and timed["end"] in ("finished", "time limit"), timed

    tuning = ["finetune", "--stage", "retriever", "--model", work / "whole", "--data", data, "--query-length", "16", "--passage-length", "64",
              "--batch-examples", "8", "--learning-rate", "2e-3", "--normalize", "--temperature", "0.05"]
    run("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", "20", "--output", work / "train.trec")
    tuned = result(*tuning, "--epochs", "20", "--negatives", work / "train.trec", "--passages-per-query", "2", "--output", work / "tuned")
    assert tuned["queries"] == 24 and tuned["end"] == "finished", tuned
    by_tokens = result("finetune", "--model", work / "whole", "--data", data, "--batch-tokens", "300", "--steps", "1", "--output", work / "by-tokens")
    options = json.loads((pathlib.Path(by_tokens["checkpoint"]) / "trainer.json").read_text())["options"]
    assert (options["batch.tokens"], options["batch.examples"]) == (300, 0), options   # not the 32 examples of the default
    encoder = work / "tuned" / "sentence-transformer"
    encoded = result("encode", "--model", encoder, "--input", data / "corpus.jsonl", "--output", work / "corpus.safetensors")
    assert encoded["normalize"] and encoded["pooling"] == "cls" and encoded["texts"] == 72, encoded
    check_vectors(work, encoder, [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()])

    ndcg = {}
    runs = {"bm25": [], "dense": ["--model", encoder], "hybrid": ["--model", encoder, "--embeddings", work / "corpus.safetensors"]}
    for method, more in runs.items():
        file = work / f"{method}.trec"
        found = result("search", "--method", method, *more, "--data", data, "--top-k", 50, "--output", file)
        assert found["queries"] == 24, found
        measured = result("evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", file, "--profile", "beir", "--measures", "ndcg@10,mrr@10")
        ndcg[method] = measured["measures"]["ndcg@10"]
    print("ndcg@10:", ndcg)
    assert ndcg["bm25"] > .9 and ndcg["dense"] > .15, ndcg   # by chance: .08
    run("search", "--method", "dense", "--model", encoder, "--embeddings", work / "corpus.safetensors", "--data", data, "--output", work / "same.trec")
    query = json.loads((data / "queries.jsonl").read_text().splitlines()[0])
    best = run("search", "--method", "hybrid", "--model", encoder, "--data", data, "--query", "-", stdin=query["text"] + "\n").stdout.splitlines()
    split = "train" if query["_id"] in (data / "qrels" / "train.tsv").read_text().split() else "test"
    run("search", "--method", "hybrid", "--model", encoder, "--data", data, "--split", split, "--top-k", 10, "--output", work / "split.trec")
    listed = [line.split()[2] for line in (work / "split.trec").read_text().splitlines() if line.split()[0] == query["_id"]]
    assert len(best) == 10 and [line.split("\t")[2] for line in best] == listed[:10], (best, listed[:10])   # one typed query or a split of them

    # A checkpoint exported is the folder that the run wrote; a BERT folder does not say how to pool.
    run("export", "--model", work / "tuned", "--output", work / "exported")
    assert (work / "exported" / "model.safetensors").read_bytes() == (encoder / "model.safetensors").read_bytes()
    assert (work / "exported" / "modules.json").read_bytes() == (encoder / "modules.json").read_bytes()
    run("export", "--model", work / "cut" / "step-20", "--format", "huggingface", "--output", work / "bert")
    assert (work / "bert" / "model.safetensors").read_bytes() == (work / "cut" / "model" / "model.safetensors").read_bytes()
    for path in ("store", "whole", "tuned/sentence-transformer", "bert", "dense.trec", "data/qrels/test.tsv", "corpus.safetensors"):
        assert run("inspect", work / path).stdout.startswith("kind: "), path
    assert "libtorch" in result("doctor", "--data", work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
