# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Every preset's step on a device against the same step on a CPU, through the program.

usage: presets.py [--device cuda] [--presets NAME...] [--jobs 8] [--json FILE]

fp32: losses and gradient norms of a dumped step, without dropout, to 1e-4; and against the independent computation of
tests/parity/dump_step_check.py. bf16: the loss of the first training step without dropout against fp32 on a CPU, to 2e-2. With
--device cpu the CPU takes the paths of a GPU (BMAE_STAND_IN=1): a rehearsal, in which flash and efficient attention do not run.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "parity"))

import cli_support
import dump_step_check
import presets_parity
from safetensors import safe_open

HERE = {k: v for k, v in cli_support.ENVIRONMENT.items() if k != "BMAE_STAND_IN"}
SINGLE, HALF = 1e-4, 2e-2


def environment_of(device):
    there = dict(HERE)
    if device == "cpu":
        there["BMAE_STAND_IN"] = "1"
    else:
        there["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    return there


def call(environment, *words):
    """The JSON of one run of the program; processes of different environments run side by side."""
    done = subprocess.run([str(cli_support.PROGRAM), *map(str, words), "--json"], capture_output=True, text=True, env=environment, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"bmae {' '.join(map(str, words))}: status {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def numbers(file):
    with safe_open(file, "np") as tensors:
        report = json.loads(tensors.metadata()["report"])
    values = {"total": report["total"], **{f"gradient of {k}": v for k, v in report["gradient_norms"].items()}}
    values.update({f"loss of {term['name']}": term["loss"] for term in report["terms"]})
    return values


def deviation(found, wanted):
    """Largest difference relative to the larger of the number and a thousandth of the largest of its kind."""
    worst, where = 0.0, ""
    for name, value in wanted.items():
        kind = name.split(" of ")[0]
        floor = 1e-3 * max(abs(v) for n, v in wanted.items() if n.split(" of ")[0] == kind)
        difference = abs(found[name] - value) / max(abs(value), floor, 1e-12)
        if not difference <= worst:     # NaN counts
            worst, where = difference, name
    return worst, where


def check(preset, work, options):
    there = environment_of(options.device)
    words = presets_parity.arguments_of(preset, work, options)
    row = {"preset": preset}
    for environment, device, name in ((HERE, "cpu", "here"), (there, options.device, "there")):
        call(environment, *words, "--batch-examples", 6, "--device", device, "--dump-step", work / f"{preset}.{name}")
    row["fp32"], row["where"] = deviation(numbers(work / f"{preset}.there"), numbers(work / f"{preset}.here"))
    checked = dump_step_check.check(work / f"{preset}.there", tolerance=SINGLE)
    row["oracle"] = max(r["difference"] for r in checked["terms"] + checked["gradients"] + [checked["total"]])
    dry = [str(word) for word in words]
    dry[dry.index("--config") + 1] = str(work / ("dry-wide.json" if "wide" in dry[dry.index("--config") + 1] else "dry.json"))
    losses = []
    for environment, device, precision in ((HERE, "cpu", "fp32"), (there, options.device, "bf16")):
        output = work / f"{preset}-{precision}"
        call(environment, *dry, *presets_parity.TRAINED.get(preset, []), "--steps", 1, "--log-every", 1, "--batch-examples", 6, "--precision", precision,
             "--device", device, "--output", output)
        losses.append(json.loads((output / "log.jsonl").read_text().splitlines()[0])["loss"])
    row["bf16"] = abs(losses[1] - losses[0]) / max(abs(losses[0]), 1e-12)
    row["ok"] = bool(row["fp32"] <= SINGLE and checked["ok"] and row["bf16"] <= HALF)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--presets", nargs="*", default=None)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--json", type=pathlib.Path, default=None)
    options = parser.parse_args()
    names = options.presets or [preset["name"] for preset in cli_support.result("presets")["presets"]]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        data = presets_parity.write_corpus(work)
        vocabulary = json.loads((data / "manifest.json").read_text())["tokenizer"]["vocabulary_size"]
        config = presets_parity.write_config(work / "config.json", vocabulary)
        presets_parity.write_config(work / "wide.json", vocabulary, spread=.3)
        for name in ("config", "wide"):
            dry = json.loads((work / f"{name}.json").read_text()) | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
            (work / ("dry.json" if name == "config" else "dry-wide.json")).write_text(json.dumps(dry))
        call(HERE, "pretrain", "--preset", "mlm", "--config", config, "--data", data, "--steps", 2, "--threads", 1, "--output", work / "generator")
        shared = types.SimpleNamespace(device=options.device, data=data, config=config)
        print(f"{'preset':<36} {'fp32':>9} {'oracle':>9} {'bf16':>9}")
        rows = []
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            jobs = {name: pool.submit(check, name, work, shared) for name in names}
            for name, job in jobs.items():
                try:
                    row = job.result()
                    print(f"{name:<36} {row['fp32']:>9.1e} {row['oracle']:>9.1e} {row['bf16']:>9.1e} {'' if row['ok'] else 'TOO FAR: ' + row['where']}", flush=True)
                except Exception as error:      # the others are still worth their numbers
                    row = {"preset": name, "ok": False, "error": str(error)[:2000]}
                    print(f"{name:<36} FAILED: {str(error).strip().splitlines()[-1][:150]}", flush=True)
                rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    bad = [row["preset"] for row in rows if not row["ok"]]
    print(f"{len(rows) - len(bad)} of {len(rows)} presets agree" + (f"; not: {', '.join(bad)}" if bad else ""))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
