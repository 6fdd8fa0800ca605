# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""A run by the clock (`bmae pretrain --minutes` alone): its learning rate ends annealed though the load of the machine changes, its
recorded plan repeats it bit for bit, and a run that is killed and resumed keeps the rates that it had.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

PEAK = 1e-3
SECONDS = 6


def lines_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def plan_of(checkpoint):
    return json.loads((pathlib.Path(checkpoint) / "trainer.json").read_text())["state"]["plan"]


def rate(plan, step, warm=.1):
    """The learning rate of a step, counted from 0, in plain Python: linear over the progress that the plan has there."""
    begun = [segment for segment in plan if segment[0] <= step]
    progress = 0
    if begun:
        first, at, left = begun[-1]
        progress = at + (1 - at) * min(1, (step - first) / left)
    return PEAK * (progress / warm if progress < warm else 1 - (progress - warm) / (1 - warm))


def check_rates(folder, plan):
    """Every logged rate is that of the recorded plan, and the log has the plan, too."""
    logged = []
    for line in lines_of(folder):
        assert abs(line["learning_rate"] - rate(plan, line["step"] - 1)) < 1e-12, line
        logged += line.get("plan", [])
    assert logged == plan, (len(logged), len(plan))


def run_under_load(output, command):
    """Other processes take the processors in the middle of the run. Returns the result, the messages and the seconds of the process."""
    start = time.monotonic()
    program = subprocess.Popen([str(PROGRAM), *map(str, command), "--output", str(output), "--json"], env=ENVIRONMENT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (output / "log.jsonl").exists() and program.poll() is None:
        time.sleep(.05)
    time.sleep(SECONDS / 2)
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(6)]
    try:
        said, errors = program.communicate(timeout=120)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    assert program.returncode == 0, errors
    return json.loads(said.splitlines()[-1]), errors, time.monotonic() - start


def check_load(work, command):
    """The learning rate ends annealed. A step that stalls until the time is over cannot be planned for: such a run is repeated."""
    output = work / "loaded"
    for _ in range(3):
        shutil.rmtree(output, ignore_errors=True)
        end, errors, whole = run_under_load(output, command)
        if lines_of(output)[-1]["learning_rate"] < .1 * PEAK or end["seconds"] < SECONDS:
            break
        print(f"a step stalled until {end['seconds']} of {SECONDS} s were over", flush=True)
    assert end["end"] == "finished" and end["step"] == end["steps"] > 20, end
    assert "follows the clock" in errors and f"--plan {output}" in errors, errors
    last = lines_of(output)[-1]
    assert last["step"] == end["step"] and last["learning_rate"] < .1 * PEAK, last
    assert max(line["learning_rate"] for line in lines_of(output)) > .5 * PEAK
    assert .6 * SECONDS < end["seconds"] < whole, end
    check_rates(output, plan_of(end["checkpoint"]))
    assert json.loads((output / "run.json").read_text())["steps"] == end["step"]
    return end


def check_repeats(work, command, end):
    """--plan: the same steps and rates at any speed, interrupted or not; other runs have no plan."""
    again = result(*command, "--plan", work / "loaded", "--output", work / "again")
    assert again["step"] == end["step"], again
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (pathlib.Path(again["checkpoint"]) / name).read_bytes() == (pathlib.Path(end["checkpoint"]) / name).read_bytes(), name
    assert plan_of(again["checkpoint"]) == plan_of(end["checkpoint"])
    by_steps = work / "by-steps"
    run(*command, "--steps", 3, "--output", by_steps)
    refused = run(*command, "--plan", by_steps, "--output", work / "no", status=2)
    assert "a run without a plan" in refused.stderr and not (work / "no").exists(), refused.stderr
    run(*command, "--plan", work / "loaded", "--steps", 3, "--output", work / "no", status=2)


def check_kill(work, command):
    """A kill loses what came after the last checkpoint; the run then goes on with the time that was left there."""
    output = work / "killed"
    program = subprocess.Popen([str(PROGRAM), *map(str, command), "--output", str(output), "--save-every", "10"], env=ENVIRONMENT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(output.glob("step-*[0-9]"))) < 2 and time.monotonic() < deadline:
        time.sleep(.02)
    program.kill()
    program.wait()
    kept = max(output.glob("step-*[0-9]"), key=lambda path: int(path.name[5:]))
    state = json.loads((kept / "trainer.json").read_text())["state"]
    assert 0 < state["seconds"] < state["budget"] == SECONDS, state
    before = [line for line in lines_of(output) if line["step"] <= state["step"]]
    end = result("pretrain", "--resume", "--output", output)
    assert end["end"] == "finished" and end["resumed_from"] == state["step"], end
    plan = plan_of(end["checkpoint"])
    assert plan[:len(state["plan"])] == state["plan"]
    assert lines_of(output)[:len(before)] == before
    used = json.loads((pathlib.Path(end["checkpoint"]) / "trainer.json").read_text())["state"]["seconds"]
    assert lines_of(output)[-1]["learning_rate"] < .1 * PEAK or used >= SECONDS, end   # a stalled step: as in check_load
    check_rates(output, plan)
    assert run("pretrain", "--resume", "--output", output).stderr.count("ended already") == 1


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        write_collection(work / "data")
        run("prepare", "--input", work / "data", "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        command = ["pretrain", "--preset", "retromae", "--config", "tiny", "--hidden", 32, "--data", work / "store", "--batch-tokens", 512,
                   "--log-every", 5, "--learning-rate", PEAK, "--threads", 1]
        timed = [*command, "--minutes", SECONDS / 60]
        end = check_load(work, timed)
        check_repeats(work, command, end)
        check_kill(work, timed)
        print(f"{end['step']} steps in {SECONDS} s under a load that changes: annealed, repeated, killed and resumed")


if __name__ == "__main__":
    main()
