# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Which way of pre-training helps search most, on an invented world where word overlap is useless, over several seeds.

usage: ordering.py run --bin build/release/bin --work DIR [--seeds 1 2 3] [--models NAME...] [--minutes 70] [settings]
       ordering.py table --work DIR [--measure mrr@10]

For a seed, the quickstart writes a world, and a small masked language model is trained on it from random weights: the start. All
others go on from there, as the papers go on from BERT, for the same number of steps and of encoder tokens: a model that encodes an
article several times reads fewer articles a step. SimLM's generator is the start, too. Every model is searched with as it is
(zero-shot), fine-tuned on the world's training questions, and searched with again.

Results are appended to DIR/results.jsonl with all settings; what is there with the same settings is not run again.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

ENCODED = {"cot-mae": 2, "master-as-released": 2.5}   # texts that the encoder reads per article; all others: 1
MEASURES = ("mrr@10", "ndcg@10", "recall@100")
SETTINGS = {"topics": 20, "words_per_topic": 12, "topics_per_article": 4, "layers": 2, "width": 64, "heads": 2, "learning_rate": 2e-3, "articles": 32,
            "start_steps": 1500, "steps": 250, "finetune_learning_rate": 5e-4, "finetune_pairs": 32, "finetune_steps": 60, "temperature": .05}
START = ("topics", "words_per_topic", "topics_per_article", "layers", "width", "heads", "learning_rate", "articles", "start_steps")   # world and start
THREADS = ["--threads", "1"]


def models():
    """Name -> preset and its numbers, the most important first. Numbers that are not named are the paper's."""
    rows = {"no pre-training": None, "start": None, "MLM": ("mlm", {}), "RetroMAE": ("retromae", {}), "MASTER, as released": ("master-as-released", {}),
            "SimLM": ("simlm", {}), "CoT-MAE": ("cot-mae", {}), "Condenser": ("condenser", {}), "RetroMAE, basic decoder": ("retromae-basic", {}),
            "DupMAE": ("dupmae", {}), "MASTER": ("master", {}), "MASTER without CPR": ("master-without-cpr", {}),
            "MASTER without RPR": ("master-without-rpr", {}), "MASTER without POR": ("master-without-por", {}),
            "MASTER, shared decoder": ("master-shared-decoder", {})}
    for encoder, decoder in ((.15, .5), (.5, .5), (.3, .3), (.3, .7)):   # table 9; .3/.5 is the paper's choice
        rows[f"MASTER {encoder:.0%}/{decoder:.0%}".replace("%", "")] = ("master", {"encoder_mask": encoder, "decoder_mask": decoder})
    return rows


class Runs:
    """The program, and a folder for each seed of one world and start."""

    def __init__(self, binaries, work, settings):
        self.binaries, self.settings = binaries, settings
        shared = {name: settings[name] for name in START}
        self.group = work / hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

    def call(self, program, *words):
        words = [str(self.binaries / program), *map(str, words)]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words)}: status {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def bmae(self, *words):
        return json.loads(self.call("bmae", *words, "--json").splitlines()[-1])

    def once(self, folder, make):
        """`make(unfinished)` unless the folder is there."""
        if not folder.exists():
            unfinished = folder.with_name(folder.name + ".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            make(unfinished)
            unfinished.rename(folder)
        return folder

    def world(self, seed):
        s = self.settings
        return self.once(self.group / f"seed-{seed}" / "world", lambda folder: self.call(
            "quickstart", "--write", folder, "--seed", seed, "--topics", s["topics"], "--words-per-topic", s["words_per_topic"],
            "--topics-per-article", s["topics_per_article"]))

    def length(self):
        """Tokens of an article with [CLS] and [SEP]: two sentences of six tokens for each topic."""
        return 12 * self.settings["topics_per_article"] + 2

    def corpus(self, seed, preset):
        """Documents of two articles; the released form of MASTER reads its own rows, one article each."""
        rows = preset == "master-as-released"
        world = self.world(seed)

        def prepare(folder):
            done = self.bmae("prepare", "--input", world / ("rows.jsonl" if rows else "documents.jsonl"), "--format", "master" if rows else "jsonl",
                             "--tokenizer", world / "tokenizer", "--max-length", self.length(), "--output", folder, *THREADS)
            assert done["passages"] == 20000 and done["unknown_tokens"] == 0, done
        return self.once(world.parent / ("rows.tokens" if rows else "documents.tokens"), prepare)

    def pretrain(self, seed, preset, numbers, steps, output, start=None, rate=None):
        s = self.settings
        shape = ["--model", start / "model"] if start else ["--config", "tiny", "--layers", s["layers"], "--hidden", s["width"], "--heads", s["heads"]]
        if preset == "simlm":
            shape += ["--generator", start / "model"]
        if preset == "cot-mae":
            numbers = {"span_tokens": self.length() - 2, **numbers}
        articles = round(s["articles"] / ENCODED.get(preset, 1))
        for name, value in numbers.items():
            shape += ["--set", f"{name}={value}"]
        done = self.bmae("pretrain", "--preset", preset, *shape, "--data", self.corpus(seed, preset), "--max-length", self.length(), "--steps", steps,
                         "--batch-examples", articles, "--learning-rate", rate or s["learning_rate"], "--dropout", 0, "--seed", seed, "--save-every", 0,
                         "--output", output, *THREADS)
        tokens = round(articles * ENCODED.get(preset, 1) * steps * self.length())
        return {"pretrain_seconds": done["seconds"], "articles_a_step": articles, "encoder_tokens": tokens,
                "losses": {term["name"]: round(term["loss"], 4) for term in done["terms"]}}

    def start(self, seed):
        """The masked language model that all others go on from."""
        folder = self.group / f"seed-{seed}" / "start"
        self.once(folder, lambda output: self.pretrain(seed, "mlm", {}, self.settings["start_steps"], output))
        return folder

    def search(self, seed, model, name):
        world = self.world(seed)
        file = model / f"{name}.trec"
        file.unlink(missing_ok=True)
        self.call("bmae", "search", "--model", model / "sentence-transformer", "--normalize", "--data", world / "beir", "--top-k", 100, "--output", file,
                  *THREADS)
        done = self.bmae("evaluate", "--qrels", world / "beir" / "qrels" / "test.tsv", "--run", file, "--measures", ",".join(MEASURES), *THREADS)
        return {name: done["measures"][name] for name in MEASURES}

    def measure(self, seed, name, chosen):
        """Pre-trains, searches, fine-tunes and searches again: one line of the results."""
        s = self.settings
        begin = time.monotonic()
        work = self.group / f"seed-{seed}" / "run"
        shutil.rmtree(work, ignore_errors=True)
        model, line = work / "pretrained", {}
        if name == "start":
            model = self.start(seed)
        elif name == "no pre-training":
            self.pretrain(seed, "mlm", {}, 1, model, rate=1e-12)
        else:
            preset, numbers = chosen
            line = {"preset": preset, "numbers": numbers, **self.pretrain(seed, preset, numbers, s["steps"], model, start=self.start(seed))}
        zero_shot = self.search(seed, model, "zero-shot")
        tuned = work / "tuned"
        self.bmae("finetune", "--model", model / "sentence-transformer", "--data", self.world(seed) / "beir", "--normalize", "--temperature", s["temperature"],
                  "--query-length", self.length(), "--passage-length", self.length(), "--steps", s["finetune_steps"], "--batch-examples", s["finetune_pairs"],
                  "--learning-rate", s["finetune_learning_rate"], "--seed", seed, "--save-every", 0, "--output", tuned, *THREADS)
        line = {"model": name, "seed": seed, **line, "zero_shot": zero_shot, "fine_tuned": self.search(seed, tuned, "fine-tuned")}
        return {**line, "seconds": round(time.monotonic() - begin, 1), "settings": s}


def read_results(work):
    file = work / "results.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def is_there(lines, settings, name, seed):
    """What is not pre-trained further is the same for any number of steps."""
    wanted = settings if models()[name] else {**settings, "steps": None}
    found = ({**line["settings"], **({} if models()[name] else {"steps": None})} for line in lines if (line["model"], line["seed"]) == (name, seed))
    return wanted in found


def run(options):
    known = models()
    settings = {name: getattr(options, name) for name in SETTINGS}
    runs = Runs(options.bin.resolve(), options.work.resolve(), settings)
    end = time.monotonic() + options.minutes * 60
    chosen = options.models or list(known)
    assert set(chosen) <= set(known), f"models: {', '.join(known)}"
    for seed in options.seeds:
        for name in chosen:
            if is_there(read_results(options.work), settings, name, seed):
                continue
            if time.monotonic() > end:
                return print("the time is up; the same command goes on")
            line = runs.measure(seed, name, known[name])
            with open(options.work / "results.jsonl", "a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{name:<24} seed {seed}: zero-shot {line['zero_shot']['mrr@10']:.3f}, fine-tuned {line['fine_tuned']['mrr@10']:.3f}, "
                  f"{line['seconds']:.0f} s", flush=True)


def spread(lines, kind, measure):
    values = [line[kind][measure] for line in lines]
    if not values:
        return "-"
    text = f"{statistics.median(values):.3f}" + (f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else "")
    return text.replace("0.", ".")


def table(options):
    """Median and range over the seeds, a table for each world and start, two columns for each number of steps."""
    lines = read_results(options.work)
    for shared in sorted({json.dumps({name: line["settings"][name] for name in START}) for line in lines}):
        group = [line for line in lines if json.dumps({name: line["settings"][name] for name in START}) == shared]
        counts = sorted({line["settings"]["steps"] for line in group if models()[line["model"]]})
        print(f"\n{shared}\n\n| {options.measure} | " + " | ".join(f"{n} steps, zero-shot | fine-tuned | seeds" for n in counts) + " | time, of MLM's |")
        print("|---|" + "---|" * (3 * len(counts) + 1))
        for name, chosen in models().items():
            own = [line for line in group if line["model"] == name]
            if not own:
                continue
            at = {n: list({line["seed"]: line for line in own if chosen is None or line["settings"]["steps"] == n}.values()) for n in counts}
            cells = [f"{spread(at[n], 'zero_shot', options.measure)} | {spread(at[n], 'fine_tuned', options.measure)} | {len(at[n])}" for n in counts]
            pairs = [(line, other) for line in own for other in group if chosen and other["model"] == "MLM" and other["seed"] == line["seed"]
                     and other["settings"] == line["settings"]]
            cost = f"{statistics.median(line['pretrain_seconds'] / other['pretrain_seconds'] for line, other in pairs):.1f}" if pairs else "-"
            print(f"| {name} | " + " | ".join(cells) + f" | {cost} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=["run", "table"])
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"), help="folder of bmae and quickstart")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--models", nargs="+", default=None)
    parser.add_argument("--minutes", type=float, default=70, help="no run is begun after this time")
    parser.add_argument("--measure", default="mrr@10", choices=MEASURES)
    for name, value in SETTINGS.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    run(options) if options.mode == "run" else table(options)


if __name__ == "__main__":
    main()
