# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""One length, one pooling and one normalization by every route to the vectors of a run: its published folder, `export`, and `encode`
with the output folder or a checkpoint; and a fine-tuned model that reads no less than the one that it started from."""
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
    told, rows = [], []
    for number, model in enumerate((work / name / "sentence-transformer", work / f"{name}-exported", work / name, checkpoint)):
        own = [] if number < 2 else pooling   # the folders say it themselves
        output = work / f"{name}-{number}.safetensors"
        done = result("encode", "--model", model, *own, "--input", texts, "--output", output)
        told.append((done["pooling"], done["normalize"], done["max_length"]))
        rows.append(load_file(output)["embeddings"])
    assert len(set(told)) == 1, (name, told)
    assert all(numpy.abs(other - rows[0]).max() <= 1e-6 for other in rows[1:]), name
    return told[0]


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    train = ["pretrain", *SHAPE, "--data", work / "store", "--max-length", 24, "--steps", 2]
    run(*train, "--output", work / "retromae")
    assert check_routes(work, "retromae") == ("cls", False, 24)
    run(*train, "--preset", "lexmae", "--output", work / "lexmae")   # its bottleneck is no pooling
    assert check_routes(work, "lexmae", "--pooling", "cls") == ("cls", False, 24)
    bare = result("encode", "--model", work / "retromae" / "model", "--pooling", "cls", "--input", data / "corpus.jsonl", "--output",
                  work / "bare.safetensors")
    assert bare["max_length"] == 24, bare
    # Trained on short texts, the result reads what its start reads, and says so.
    run("pretrain", *SHAPE, "--data", work / "store", "--max-length", 48, "--steps", 2, "--output", work / "long")
    tune = ["finetune", "--data", data, "--batch-examples", 4, "--normalize", "--query-length", 12, "--steps", 2]
    done = run(*tune, "--passage-length", 24, "--model", work / "long", "--output", work / "tuned")
    assert "reads texts of up to 48 tokens; trained on queries of up to 12 and passages of up to 24" in done.stderr, done.stderr
    assert check_routes(work, "tuned") == ("cls", True, 48)
    layout = json.loads((work / "tuned" / "sentence-transformer" / "sentence_bert_config.json").read_text())
    assert layout["max_seq_length"] == 48, layout
    tune[-1] = 1
    done = run(*tune, "--model", work / "retromae", "--passage-length", 40, "--output", work / "longer")
    assert "reads texts of up to 40 tokens" in done.stderr, done.stderr
    assert check_routes(work, "longer") == ("cls", True, 40)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
