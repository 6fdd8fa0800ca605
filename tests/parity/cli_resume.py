# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Which runs `--resume` takes up, and from where it takes their options: other data, other options that change bits and a mistyped
folder are refused by name; a run that was killed before its first checkpoint starts over; a run that goes on replaces what it has
published; a limit of the size of files ends as a full disk does."""
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, contents, result, run, write_collection

SHAPE = ["--config", "tiny", "--hidden", 32, "--layers", 2, "--batch-tokens", 512, "--learning-rate", "1e-3", "--log-every", 1]
TUNE = ["--batch-examples", 4, "--query-length", 16, "--passage-length", 48, "--log-every", 1]


def refused(*arguments, says):
    errors = run(*arguments, status=2).stderr
    assert all(words in errors for words in ([says] if isinstance(says, str) else says)), (says, errors)
    return errors


def reworded(folder, target):
    """The same collection with the words of each document in another order."""
    shutil.copytree(folder, target)
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    for row in rows:
        row["text"] = " ".join(reversed(row["text"].split()))
    (target / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


def check_data_of_finetune(work):
    """The folder is read again: neither another part of it nor a changed one is trained on in silence."""
    data = work / "data"
    tune = ["finetune", "--model", work / "run", *TUNE, "--output", work / "tuned"]
    run("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 20, "--output", work / "train.trec")
    run(*tune, "--data", data, "--steps", 2)
    again = [*tune, "--steps", 4, "--resume"]
    before = contents(work / "tuned")
    says = "the training data of the run"
    refused(*again, "--data", data, "--limit", 5, says=[says, "5 queries", "--limit"])
    refused(*again, "--data", data, "--split", "test", says=says)
    refused(*again, "--data", data, "--negatives", work / "train.trec", says=[says, "0 negatives"])
    other = reworded(data, work / "reworded")
    refused(*again, "--data", other, says=says)
    assert contents(work / "tuned") == before
    # A store that was made by `pairs` is compared by its content, too.
    for name, folder in (("one", data), ("two", other)):
        run("pairs", "--data", folder, "--tokenizer", work / "store", "--output", work / f"{name}.pairs")
    tune[-1] = work / "from-pairs"
    run(*tune, "--data", work / "one.pairs", "--steps", 2)
    refused(*tune, "--data", work / "two.pairs", "--steps", 4, "--resume", says=["content of the training pairs", "as in the checkpoint"])
    ended = result(*again, "--data", data)
    assert ended["resumed_from"] == 2 and ended["step"] == 4, ended


def check_data_of_pretrain(work):
    """Another corpus of equal size and another dropout have other bits."""
    train = ["pretrain", *SHAPE, "--steps", 4, "--output", work / "run", "--resume"]
    run("prepare", "--input", work / "reworded", "--format", "beir", "--tokenizer", work / "store", "--max-length", 64, "--output",
        work / "other")
    refused(*train, "--data", work / "other", says=["content of the corpus", "as in the checkpoint"])
    refused(*train, "--data", work / "store", "--dropout", 0.3, says=["dropout.hidden 0.1 as in the checkpoint", "found 0.3"])


def check_generator(work):
    """The weights of a generator decide what it proposes."""
    for seed in (1, 2):
        run("pretrain", "--preset", "mlm", *SHAPE, "--data", work / "store", "--steps", 1, "--seed", seed, "--output", work / f"g{seed}")
    train = ["pretrain", "--preset", "simlm", *SHAPE, "--data", work / "store", "--output", work / "simlm"]
    run(*train, "--steps", 1, "--generator", work / "g1")
    refused(*train, "--steps", 2, "--resume", "--generator", work / "g2", says="weights of the generator")


def check_own_options(work):
    """--resume alone takes the options of the run, from any working directory, and says where it goes on."""
    (work / "here").mkdir()
    train = ["pretrain", *SHAPE, "--data", "../store", "--dropout", 0.2, "--set", "encoder_mask=0.4", "--steps", 3, "--output", "run"]
    run(*train, cwd=work / "here")
    whole = work / "here" / "whole"
    run(*train[:-3], 5, "--output", whole, cwd=work / "here")
    done = run("pretrain", "--resume", "--output", work / "here" / "run", "--steps", 5, "--json")
    ended = json.loads(done.stdout.splitlines()[-1])
    assert "going on from step 3" in done.stderr, done.stderr
    assert (ended["resumed_from"], ended["step"], ended["preset"]) == (3, 5, "retromae"), ended
    # What is published is of the end of the run, not beside that of its first end.
    places = sorted(path.name for path in (work / "here" / "run").iterdir())
    assert [name for name in places if "model" in name or "transformer" in name] == ["model", "sentence-transformer"], places
    run("export", "--model", work / "here" / "run" / "step-5", "--output", work / "here" / "exported")
    published = work / "here" / "run" / "sentence-transformer"
    assert (published / "model.safetensors").read_bytes() == (work / "here" / "exported" / "model.safetensors").read_bytes()
    assert ended["model"].endswith("/model") and ended["sentence_transformer"].endswith("/sentence-transformer"), ended
    said = run("pretrain", "--resume", "--output", work / "here" / "run").stderr
    assert "ended already, at step 5" in said, said
    # Options that are given replace those of the run; one that excludes another takes its place.
    assert result("pretrain", "--resume", "--output", work / "here" / "run", "--epochs", 1)["end"] == "finished"
    refused("finetune", "--resume", "--output", work / "here" / "run", says="one of `bmae pretrain`")
    refused("pretrain", "--resume", "--output", work / "here" / "ran", says=["nothing of that name", "Check --output"])
    mistyped = [*train[:-1], work / "mistyped", "--resume"]
    said = run(*mistyped, cwd=work / "here").stderr
    assert "there is nothing to resume in" in said, said


def check_killed_early(work):
    """A run that was killed after its first log line and before its first checkpoint."""
    train = ["pretrain", *SHAPE, "--data", work / "store", "--save-every", 0]
    output = work / "early"
    process = subprocess.Popen([str(PROGRAM), *map(str, [*train, "--steps", 100000, "--output", output])], env=ENVIRONMENT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = output / "log.jsonl"
    while not (log.exists() and log.stat().st_size) and process.poll() is None:
        time.sleep(.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    refused(*train, "--steps", 5, "--output", output, says="--resume")
    done = run("pretrain", "--resume", "--output", output, "--steps", 5)
    assert "no checkpoint yet" in done.stderr, done.stderr
    run(*train, "--steps", 5, "--output", work / "late")
    for name in ("step-5/model.safetensors", "model/model.safetensors"):
        assert (output / name).read_bytes() == (work / "late" / name).read_bytes(), name
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5], steps


def check_file_size(work):
    """A limit of the size of files ends with a message and status 2, and leaves nothing half-written."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
    place = work / "limited"
    place.mkdir()
    commands = [["prepare", "--input", work / "data", "--format", "beir", "--tokenizer", work / "store", "--output", place / "store"],
                ["encode", "--model", work / "run", "--input", work / "data" / "corpus.jsonl", "--output", place / "v.safetensors"],
                ["search", "--method", "bm25", "--data", work / "data", "--output", place / "run.trec"],
                ["pretrain", *SHAPE, "--data", work / "store", "--steps", 2, "--output", place / "run"]]
    for command in commands:
        done = run(*command, status=2, preexec_fn=limit)
        assert "file size limit" in done.stderr, (command, done.stderr)
    left = {path.name for path in place.rglob("*")} - {"run", ".lock", "log.jsonl", "run.json", "v.ids"}
    assert not left, left
    run(*commands[-1], "--resume")


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    run("pretrain", *SHAPE, "--data", work / "store", "--steps", 2, "--output", work / "run")
    check_data_of_finetune(work)
    check_data_of_pretrain(work)
    check_generator(work)
    check_own_options(work)
    check_killed_early(work)
    check_file_size(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(os.path.realpath(folder)))
