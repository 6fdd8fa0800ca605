# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae finetune --refresh-every N`: at each refresh the negatives are those that `search` and `mine` find with the checkpoint of that step;
a run that is killed at random has the bytes of one that was not, and what cannot be refreshed is refused.

usage: cli_refresh.py [--kills 3]
"""
import argparse
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

STEPS, EVERY = 9, 3


def check_negatives(work, data, output):
    """By hand, from the checkpoints that the run kept."""
    lists = []
    for refresh in (1, 2):
        hits, mined = work / f"hits-{refresh}.trec", work / f"mined-{refresh}.tsv"
        run("search", "--model", output / f"step-{refresh * EVERY}", "--data", data, "--split", "train", "--top-k", 12, "--output", hits)
        run("mine", "--run", hits, "--data", data, "--split", "train", "--window", "1:12", "--number", 3, "--seed", 42 + refresh, "--output", mined)
        lists.append((output / "refresh" / f"negatives-{refresh}.tsv").read_text())
        assert lists[-1] == mined.read_text(), refresh
    assert lists[0] != lists[1] and not (output / "refresh" / "negatives-3.tsv").exists()   # none behind the last step


def begun(command, place):
    """The process of a run whose second step is saved, or which has ended."""
    process = subprocess.Popen([str(PROGRAM), *map(str, command), "--output", str(place)], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while process.poll() is None and not (place / "step-2" / "manifest.json").exists():
        time.sleep(.001)
    return process


def check_killed(command, output, times):
    rng = random.Random(5)
    whole = [(output / f"step-{STEPS}" / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")]
    process = begun(command, output.parent / "timed")
    since = time.perf_counter()
    assert process.wait() == 0
    rest = time.perf_counter() - since
    kills = tries = 0
    while kills < times:
        tries += 1
        assert tries <= 10 * times, (kills, rest)
        place = output.parent / f"killed-{tries}"
        process = begun(command, place)
        time.sleep(rng.random() * rest)
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            continue
        kills += 1
        again = result(*command, "--output", place, "--resume")
        assert again["end"] == "finished", again
        assert [(place / f"step-{STEPS}" / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")] == whole, tries
        for refresh in (1, 2):
            name = pathlib.Path("refresh") / f"negatives-{refresh}.tsv"
            assert (place / name).read_bytes() == (output / name).read_bytes(), (tries, refresh)
    return kills


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=3)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        data = write_collection(work / "data")
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        run("pretrain", "--config", "tiny", "--hidden", 32, "--layers", 2, "--data", work / "store", "--batch-tokens", 512, "--steps", 2, "--output",
            work / "pretrained")
        run("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 12, "--output", work / "bm25.trec")
        base = ["finetune", "--model", work / "pretrained", "--data", data, "--batch-examples", 4, "--learning-rate", "5e-3", "--threads", 1,
                "--passages-per-query", 2, "--query-length", 12, "--passage-length", 48, "--save-every", 1]
        command = [*base, "--steps", STEPS, "--negatives", work / "bm25.trec", "--refresh-every", EVERY, "--refresh-window", "1:12", "--refresh-number", 3]
        told = result(*command, "--keep-last", 0, "--output", work / "whole")
        assert told["step"] == STEPS and told["resumed_from"] == 0 and told["sentence_transformer"], told
        check_negatives(work, data, work / "whole")
        print(check_killed(command, work / "whole", kills), "kills, the same bytes")
        plain = run(*base, "--steps", STEPS, "--negatives", work / "bm25.trec", "--output", work / "plain")
        assert plain.returncode == 0
        assert (work / "plain" / f"step-{STEPS}" / "model.safetensors").read_bytes() != (work / "whole" / f"step-{STEPS}" / "model.safetensors").read_bytes()
        objective = json.loads(json.loads((work / "whole" / f"step-{STEPS}" / "trainer.json").read_text())["objective"])
        assert objective["refresh"] == {"every": EVERY, "window": "1:12", "number": 3}, objective
        for options, says in ((["--refresh-every", 2], "--negatives"), (["--refresh-every", 2, "--negatives", work / "bm25.trec", "--preset", "reranker"], "dense vectors"),
                              (["--refresh-every", 2, "--negatives", work / "bm25.trec", "--refresh-window", "12"], "--refresh-window")):
            refused = run(*base, "--steps", STEPS, *options, "--output", work / "no", status=2).stderr
            assert says in refused and not (work / "no").exists(), refused
        changed = [word if word != EVERY else 4 for word in command]
        refused = run(*changed, "--output", work / "whole", "--resume", status=2).stderr
        assert "refresh" in refused, refused


if __name__ == "__main__":
    main()
