# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Does the held-out gap say when a pre-training has left its plateau? RetroMAE, MASTER and MLM from random weights on Wikipedia's featured articles; at every evaluation the loss of
held-out texts, by how much the decoders' loss rises when the sentence vectors are shuffled among the texts or zeroed, and nDCG@10 and recall@100 of the encoder as it is on SciFact
(100 hits drawn at random have a recall of .019).

usage: stop_signal.py BMAE --work FOLDER [--presets retromae,master,mlm] [--config mini] [--steps 2000] [--every 200] [--batch-tokens 4096] [--files 60] [--threads 2]

A run that was stopped goes on. One text is 250 words or more of an article; in place of MASTER's generated query stands its first sentence, in place of the generated
continuation the paragraph behind it. The vocabulary (8,000 pieces) is trained on the articles; the last ten of the 70 files are held out.
"""
import argparse
import gzip
import json
import os
import pathlib
import re

from support import answer, pretrain

DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data"))


def rows_of(path):
    """JSON Lines of one file of articles."""
    for article in gzip.open(path, "rt", encoding="utf-8").read().split("</doc>"):
        paragraphs = [line for line in article.split("\n") if len(line.split()) > 12 and not line.startswith("<doc")]
        text = []
        for paragraph in paragraphs:
            if sum(len(part.split()) for part in text) >= 250:
                joined = " ".join(text)
                yield {"text": joined, "queries": [re.split(r"(?<=[.!?]) ", joined, maxsplit=1)[0]], "continuation": paragraph}
                text = []
            else:
                text.append(paragraph)


def prepare(options):
    stores = {}
    files = sorted((DATA / "wiki_featured").glob("wiki_*.gz"))
    for name, chosen in (("train", files[:options.files]), ("held-out", files[-10:])):
        store = options.work / name
        stores[name] = store
        if store.exists():
            continue
        rows = options.work / f"{name}.jsonl"
        with rows.open("w", encoding="utf-8") as out:
            for path in chosen:
                out.writelines(json.dumps(row) + "\n" for row in rows_of(path))
        vocabulary = ["--build-vocabulary", 8000] if name == "train" else ["--tokenizer", stores["train"]]
        answer(options.bmae, "prepare", "--input", rows, *vocabulary, "--max-length", 128, "--output", store)
    return stores


def figures_of(options, stores, preset):
    run = options.work / preset
    begin = ["--preset", preset, "--config", options.config, "--data", stores["train"], "--eval-data", stores["held-out"], "--eval-texts", 512, "--eval-every", options.every,
             "--save-every", options.every, "--keep-last", 0, "--steps", options.steps, "--batch-tokens", options.batch_tokens, "--learning-rate", options.learning_rate,
             "--threads", options.threads]
    pretrain(options.bmae, run, *begin)
    return {line["step"]: line["figures"] for line in map(json.loads, (run / "log.jsonl").read_text(encoding="utf-8").splitlines()) if "figures" in line}


def zero_shot(options, preset, step):
    beir = DATA / "scifact/beir"
    found = options.work / f"{preset}-{step}-top-100.trec"   # a run of another depth is not taken for it
    if not found.exists():
        answer(options.bmae, "search", "--model", options.work / preset / f"step-{step}", "--data", beir, "--split", "test", "--top-k", 100, "--threads", options.threads, "--output", found)
    return answer(options.bmae, "evaluate", "--qrels", beir / "qrels/test.tsv", "--run", found, "--profile", "beir", "--measures", "ndcg@10,recall@100")["measures"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bmae", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--presets", default="retromae,master,mlm")
    parser.add_argument("--config", default="mini")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--learning-rate", default="1e-3")
    parser.add_argument("--files", type=int, default=60, help="of 70, for training; at most 60")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not 1 <= options.files <= 60:
        parser.error("--files: from 1 to 60; the last ten are held out")
    options.work.mkdir(parents=True, exist_ok=True)
    stores = prepare(options)
    print("| preset | step | held-out loss | decoders' loss | gap, shuffled | gap, zeroed | nDCG@10, SciFact | recall@100 |\n|---|---|---|---|---|---|---|---|", flush=True)
    for preset in options.presets.split(","):
        for step, figures in figures_of(options, stores, preset).items():
            cells = [f"{figures[name]:.3f}" if name in figures else "-" for name in ("loss", "decoders", "gap.shuffled", "gap.zeroed")]
            measures = zero_shot(options, preset, step)
            print(f"| {preset} | {step} | {' | '.join(cells)} | {measures['ndcg@10']:.4f} | {measures['recall@100']:.4f} |", flush=True)


if __name__ == "__main__":
    main()
