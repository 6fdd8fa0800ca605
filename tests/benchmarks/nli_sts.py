# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""What RetroMAE adds to supervised SimCSE, in small: examples/recipes/nli-sts.json from all-MiniLM-L6-v2, on the triplets of SNLI's development set and on Wikipedia's featured
articles. Prints Spearman's correlation on STS-B (times 100) of each stage, with mean and sample standard deviation over the seeds. A run that was stopped goes on.

usage: nli_sts.py BMAE --work FOLDER [--seeds 1,2,3] [--steps 400] [--model FOLDER] [--pooling mean]
       nli_sts.py BMAE --work FOLDER --tiny      all stages in two minutes, without meaning
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess

from support import model_folder

DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data"))
ROOT = pathlib.Path(__file__).resolve().parents[2]
ORDER = ("as-it-is", "simcse", "retromae", "retromae-simcse", "sentmae")


def write_nli(path):
    """SNLI's development set from its three parallel files, as JSON Lines."""
    columns = [(DATA / "snli_dev" / f"{name}.dev").read_text(encoding="utf-8").splitlines() for name in ("s1", "s2", "labels")]
    rows = zip(*columns, strict=True)
    path.write_text("".join(json.dumps({"sentence1": a.strip(), "sentence2": b.strip(), "gold_label": label}) + "\n" for a, b, label in rows), encoding="utf-8")


def figures_of(folder):
    """stage -> Spearman's correlation of the cosines, one per seed."""
    found = {}
    for stage in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["stages"]:
        scores = stage.get("figures", {}).get("scores")
        if scores:
            found.setdefault(re.sub(r"-\d+$", "", stage["name"]), []).append(100 * scores["cosine"]["all"]["spearman"])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bmae")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--steps", type=int, default=400, help="of RetroMAE")
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--pooling", default="mean", help="of the model as it is")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    options.model = model_folder(options.model)
    options.work.mkdir(parents=True, exist_ok=True)
    nli = options.work / "snli.jsonl"
    if not nli.exists():
        write_nli(nli)
    articles = DATA / "wiki_featured"
    settings = {"model": options.model, "articles": articles, "nli": nli, "sts": DATA / "sts_benchmark/senteval/sts-test.csv", "pooling": options.pooling,
                "seeds": options.seeds, "steps": options.steps}
    if options.tiny:
        small = options.work / "small.jsonl"
        small.write_text("".join(nli.read_text(encoding="utf-8").splitlines(keepends=True)[:60]), encoding="utf-8")
        pairs = options.work / "small.csv"
        pairs.write_text("".join(settings["sts"].read_text(encoding="utf-8").splitlines(keepends=True)[:60]), encoding="utf-8")
        settings |= {"nli": small, "sts": pairs, "articles": articles / "wiki_00.gz", "steps": 2, "texts": 4, "passes": 1, "batch": 8, "seeds": "1,2"}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    subprocess.run([options.bmae, "pipeline", ROOT / "examples/recipes/nli-sts.json", *words, "--output", options.work / "pipeline"], check=True, stdout=subprocess.DEVNULL)
    found = figures_of(options.work / "pipeline")
    print("| stage | STS-B, Spearman x 100 | deviation | seeds |\n|---|---|---|---|")
    for stage in ORDER:
        values = found[stage]
        deviation = f"{statistics.stdev(values):.2f}" if len(values) > 1 else "-"
        print(f"| {stage} | {statistics.mean(values):.2f} | {deviation} | {', '.join(f'{value:.2f}' for value in values)} |")


if __name__ == "__main__":
    main()
