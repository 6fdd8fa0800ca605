# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`encode` that is killed never leaves vectors without their ids, and the same command given again ends well; `search` that is
interrupted ends at once, with status 130, whatever it is doing."""
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from safetensors.numpy import load_file

from cli_interrupt import catches_interrupts
from cli_support import ENVIRONMENT, PROGRAM, invented_words, run, write_collection


def start(arguments):
    return subprocess.Popen([str(PROGRAM), *map(str, arguments)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_kills(work, arguments, kills=12):
    """Kills at random moments, and when the first of the two files appears."""
    rng = random.Random(7)
    began = time.monotonic()
    run(*arguments, "--output", work / "whole.safetensors")
    longest = time.monotonic() - began
    found = {"nothing": 0, "ids alone": 0, "both": 0}
    for number in range(kills):
        folder = work / f"killed-{number}"
        folder.mkdir()
        output, ids = folder / "x.safetensors", folder / "x.ids"
        process = start([*arguments, "--output", output])
        if number % 2 == 0:
            time.sleep(rng.uniform(0, longest))
        else:
            while process.poll() is None and not ids.exists() and not output.exists():
                pass
        process.kill()
        process.communicate()
        assert ids.exists() or not output.exists(), "vectors without ids"
        found["both" if output.exists() else "ids alone" if ids.exists() else "nothing"] += 1
        if not output.exists():
            run(*arguments, "--output", output)
        assert output.read_bytes() == (work / "whole.safetensors").read_bytes() and ids.read_bytes() == (work / "whole.ids").read_bytes()
    print(f"encode: {kills} kills left", found)


def check_pairing(work, data, model):
    """Ids of another run are told from the right ones, even where they are as many."""
    run("encode", "--model", model, "--input", data / "corpus.jsonl", "--output", work / "corpus.safetensors")
    assert len(load_file(work / "corpus.safetensors")["embeddings"]) == 72
    search = ["search", "--model", model, "--data", data, "--embeddings", work / "corpus.safetensors", "--output"]
    run(*search, work / "first.trec")
    ids = (work / "corpus.ids").read_text().splitlines()
    (work / "corpus.ids").write_text("".join(line + "\n" for line in reversed(ids)))
    refused = run(*search, work / "second.trec", status=2).stderr
    assert "the ids that were written with" in refused, refused
    (work / "other.ids").write_text("another\n")
    refused = run("encode", "--model", model, "--input", data / "corpus.jsonl", "--output", work / "other.safetensors", status=2).stderr
    assert "other ids" in refused and (work / "other.ids").read_text() == "another\n", refused


def check_search(work, rng, words):
    """A collection large enough to be interrupted while it is read, indexed and searched."""
    data = work / "large"
    (data / "qrels").mkdir(parents=True)
    (data / "corpus.jsonl").write_text("".join(json.dumps({"_id": str(i), "text": " ".join(rng.choices(words, k=60))}) + "\n" for i in range(20000)))
    (data / "queries.jsonl").write_text("".join(json.dumps({"_id": f"q{i}", "text": " ".join(rng.choices(words, k=8))}) + "\n" for i in range(2000)))
    (data / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\t{i}\t1\n" for i in range(2000)))
    seen = []
    for delay in (0, .05, .2, .5, 1, 2):
        process = start(["search", "--method", "bm25", "--data", data, "--output", work / "large.trec"])
        while process.poll() is None and not catches_interrupts(process):
            time.sleep(.001)
        time.sleep(delay)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        seen.append(process.returncode)
        assert process.returncode in (0, 130), (process.returncode, errors)
        if process.returncode == 0:
            break
        assert time.monotonic() - sent < 5 and "nothing was written" in errors and output == "", errors
        assert not list(work.glob("large.trec*")), list(work.iterdir())
    print("search:", seen)
    assert seen[0] == 130, seen


def main(work):
    rng = random.Random(1)
    words = invented_words(rng, 3000)
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--output", work / "store")
    run("pretrain", "--config", "tiny", "--hidden", 64, "--data", work / "store", "--max-length", 64, "--batch-tokens", 512, "--steps", 1,
        "--output", work / "run")
    model = work / "run" / "sentence-transformer"
    (work / "texts.jsonl").write_text("".join(json.dumps({"_id": str(i), "text": " ".join(rng.choices(words, k=6))}) + "\n" for i in range(400)))
    check_kills(work, ["encode", "--model", model, "--input", work / "texts.jsonl"])
    check_pairing(work, data, model)
    check_search(work, rng, words)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
