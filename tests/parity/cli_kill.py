# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest: --kills 6
"""Kills `bmae pretrain` with SIGKILL at random moments and resumes it until it ends: the result has the bits of a run that was
left alone, and so has every checkpoint that is there after a kill.

usage: cli_kill.py [--kills N] [--seed N] [--precision fp32|bf16 ...]     N kills for each precision, 6 unless told
"""
import argparse
import collections
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

STEPS = 40
WEIGHTS = ("model.safetensors", "optimizer.safetensors")   # of a checkpoint


def killed(arguments, seconds):
    """Starts the program and kills it after so many seconds. False: it had ended well before; any other end is a fault."""
    process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    assert process.returncode in (0, -9), (process.returncode, errors)
    # A damaged checkpoint that is passed over is told as a warning. A run that was killed before its first file has nothing to resume.
    warnings = [line for line in errors.splitlines() if line.startswith("warning") and "there is nothing to resume in" not in line]
    assert not warnings, errors
    return process.returncode != 0


def newest_step(folder):
    return max((int(path.name[5:]) for path in folder.glob("step-*") if path.name[5:].isdigit()), default=0)


def check_checkpoints(folder, whole):
    """Every checkpoint equals that of the same step of the run that was left alone. Returns how many there are."""
    steps = [path for path in folder.glob("step-*") if path.name[5:].isdigit()]
    for path in steps:
        for name in WEIGHTS:
            assert (path / name).read_bytes() == (whole / path.name / name).read_bytes(), f"{path.name}/{name} differs"
        json.loads((path / "trainer.json").read_text())
    return len(steps)


def check_end(folder, whole):
    """A finished run: result, log and names as if nothing had happened."""
    for part in ("model", "sentence-transformer"):
        assert (folder / part / "model.safetensors").read_bytes() == (whole / part / "model.safetensors").read_bytes(), part
    logs = [[(line["step"], line["loss"]) for line in map(json.loads, (place / "log.jsonl").read_text().splitlines())]
            for place in (folder, whole)]
    assert logs[0] == logs[1], logs
    names = {path.name for path in folder.iterdir()} - {"step-38", ".lock"}
    assert names == {"model", "sentence-transformer", "latest", "log.jsonl", "run.json", f"step-{STEPS}"}, names
    assert newest_step(folder) == STEPS


def torture(work, store, precision, kills, rng):
    arguments = ["pretrain", "--preset", "retromae", "--config", "tiny", "--hidden", 32, "--data", store, "--batch-tokens", 512,
                 "--steps", STEPS, "--save-every", 2, "--log-every", 5, "--learning-rate", "1e-3", "--precision", precision]
    whole = work / f"{precision}-whole"
    start = time.monotonic()
    run(*arguments, "--keep-last", 0, "--output", whole)
    longest = time.monotonic() - start
    done, runs, checkpoints, moments = 0, 0, 0, collections.Counter()
    while done < kills or runs == 0:
        folder = work / f"{precision}-{runs}"
        command = [*arguments, "--output", folder]
        while done < kills and killed(command + ["--resume"] * folder.exists(), rng.uniform(0, longest)):
            done += 1
            step = newest_step(folder)
            moments["start" if step == 0 else "end" if step == STEPS else "middle"] += 1
            checkpoints += check_checkpoints(folder, whole)
        end = result(*command, "--resume")
        assert end["end"] == "finished" and end["step"] == STEPS, end
        check_checkpoints(folder, whole)
        check_end(folder, whole)
        shutil.rmtree(folder)
        runs += 1
    print(f"{precision}: {done} kills in {runs} runs ({moments['start']} before the first checkpoint, {moments['middle']} between, "
          f"{moments['end']} after the last);\n    {checkpoints} checkpoints found after kills and {runs} results: all bit-equal",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=None, help="of the moments; another one each time unless told")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        write_collection(work / "data")
        run("prepare", "--input", work / "data", "--format", "beir", "--build-vocabulary", 300, "--max-length", 64,
            "--output", work / "store")
        for precision in options.precision:
            torture(work, work / "store", precision, options.kills, random.Random(seed))


if __name__ == "__main__":
    main()
