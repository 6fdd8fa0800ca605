# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Which way of pre-training helps search most, at equal encoder tokens.

usage: ordering.py run --work DIR [--bin build/release/bin] [--seeds 1 2 3] [--models NAME...] [--minutes 70] [settings]
       ordering.py run --work DIR --packages DESCRIPTIONS PACKAGES [...]
       ordering.py table --work DIR [--measure mrr@10]

For a seed, the quickstart writes an invented world in which word overlap is useless, or, from the two files that
`examples/quickstart.sh --packages` leaves in build/apt-lists, the descriptions of a distribution's packages. A small masked language
model is trained on it from random weights: the start. All others go on from there, as the papers go on from BERT, for the same number
of steps and of encoder tokens: a model that encodes a text several times reads fewer texts a step. SimLM's generator is the start,
too. Every model is searched with as it is (zero-shot), fine-tuned on the collection's training questions, and searched with again.

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

ENCODED = {"cot-mae": 2, "master-as-released": 2.5}   # texts that the encoder reads per text of the corpus; all others: 1
MEASURES = ("mrr@10", "ndcg@10", "recall@100")
WORLD = {"collection": "world", "topics": 20, "words_per_topic": 12, "topics_per_article": 4, "layers": 2, "width": 64, "heads": 2,
         "learning_rate": 2e-3, "texts": 32, "start_steps": 1500, "steps": 250,
         "finetune_learning_rate": 5e-4, "finetune_pairs": 32, "finetune_steps": 60, "temperature": .05}
PACKAGES = {**WORLD, "collection": "packages", "layers": 3, "width": 128, "learning_rate": 3e-3, "texts": 64, "steps": 1500,
            "finetune_steps": 400}
FURTHER = ("steps", "finetune_learning_rate", "finetune_pairs", "finetune_steps", "temperature")   # the other settings make the start
THREADS = ["--threads", "1"]


def models():
    """Name -> preset and its numbers, the most important first. Numbers that are not named are the paper's."""
    rows = {"no pre-training": None, "start": None, "MLM": ("mlm", {}), "RetroMAE": ("retromae", {}),
            "MASTER, as released": ("master-as-released", {}), "SimLM": ("simlm", {}), "CoT-MAE": ("cot-mae", {}),
            "Condenser": ("condenser", {}), "RetroMAE, basic decoder": ("retromae-basic", {}), "DupMAE": ("dupmae", {}),
            "MASTER": ("master", {}), "MASTER without GOR": ("master-without-gor", {}), "MASTER without CPR": ("master-without-cpr", {}),
            "MASTER without RPR": ("master-without-rpr", {}), "MASTER without POR": ("master-without-por", {}),
            "MASTER, shared decoder": ("master-shared-decoder", {})}
    for encoder, decoder in ((.15, .5), (.5, .5), (.3, .3), (.3, .7)):   # table 9; .3/.5 is the paper's choice
        rows[f"MASTER {encoder:.0%}/{decoder:.0%}".replace("%", "")] = ("master", {"encoder_mask": encoder, "decoder_mask": decoder})
    return rows


# What descriptions of packages have the texts for: their synopses are queries, continuations there are none.
FOR_PACKAGES = ("no pre-training", "start", "MLM", "RetroMAE", "MASTER, as released", "MASTER without GOR", "SimLM", "CoT-MAE", "Condenser",
                "RetroMAE, basic decoder", "DupMAE")


def start_of(settings):
    return {name: value for name, value in settings.items() if name not in FURTHER}


class Runs:
    """The program, and a folder for each seed of one collection and start."""

    def __init__(self, binaries, work, settings, packages):
        self.binaries, self.settings, self.packages = binaries, settings, packages
        self.group = work / hashlib.sha256(json.dumps(start_of(settings), sort_keys=True).encode()).hexdigest()[:8]
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

    def collection(self, seed):
        s = self.settings
        words = ["--packages", *self.packages] if self.packages else [
            "--topics", s["topics"], "--words-per-topic", s["words_per_topic"], "--topics-per-article", s["topics_per_article"]]
        return self.once(self.group / f"seed-{seed}" / "collection",
                         lambda folder: self.call("quickstart", "--write", folder, "--seed", seed, *words))

    def length(self):
        """Tokens of a text with [CLS] and [SEP]; an article has two sentences of six tokens for each topic."""
        return 64 if self.packages else 12 * self.settings["topics_per_article"] + 2

    def corpus(self, seed, preset):
        """Documents of several passages; in the world the released form of MASTER reads its own rows, one article each."""
        rows = preset == "master-as-released" and not self.packages
        collection = self.collection(seed)

        def prepare(folder):
            done = self.bmae("prepare", "--input", collection / ("rows.jsonl" if rows else "documents.jsonl"),
                             "--format", "master" if rows else "jsonl", "--tokenizer", collection / "tokenizer",
                             "--max-length", self.length(), "--output", folder, *THREADS)
            assert self.packages or (done["passages"] == 20000 and done["unknown_tokens"] == 0), done
        return self.once(collection.parent / ("rows.tokens" if rows else "documents.tokens"), prepare)

    def pretrain(self, seed, preset, numbers, steps, output, start=None, rate=None):
        s = self.settings
        shape = ["--model", start / "model"] if start else [
            "--config", "tiny", "--layers", s["layers"], "--hidden", s["width"], "--heads", s["heads"]]
        if preset == "simlm":
            shape += ["--generator", start / "model"]
        if preset == "cot-mae":
            numbers = {"span_tokens": self.length() - 2, **numbers}
        texts = round(s["texts"] / ENCODED.get(preset, 1))
        for name, value in numbers.items():
            shape += ["--set", f"{name}={value}"]
        done = self.bmae("pretrain", "--preset", preset, *shape, "--data", self.corpus(seed, preset), "--max-length", self.length(),
                         "--steps", steps, "--batch-examples", texts, "--learning-rate", rate or s["learning_rate"], "--dropout", 0,
                         "--seed", seed, "--save-every", 0, "--output", output, *THREADS)
        return {"pretrain_seconds": done["seconds"], "texts_a_step": texts,
                "losses": {term["name"]: round(term["loss"], 4) for term in done["terms"]}}

    def start(self, seed):
        """The masked language model that all others go on from."""
        folder = self.group / f"seed-{seed}" / "start"
        return self.once(folder, lambda output: self.pretrain(seed, "mlm", {}, self.settings["start_steps"], output))

    def search(self, seed, model, name):
        data = self.collection(seed) / "beir"
        file = model / f"{name}.trec"
        file.unlink(missing_ok=True)
        self.call("bmae", "search", "--model", model / "sentence-transformer", "--normalize", "--data", data, "--top-k", 100,
                  "--output", file, *THREADS)
        done = self.bmae("evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", file, "--measures", ",".join(MEASURES), *THREADS)
        return {name: done["measures"][name] for name in MEASURES}

    def measure(self, seed, name, chosen):
        """Pre-trains, searches, fine-tunes and searches again: one line of the results."""
        s = self.settings
        begin = time.monotonic()
        work = self.group / f"seed-{seed}" / ("run-" + name.replace(" ", "-").replace("/", "-"))
        shutil.rmtree(work, ignore_errors=True)
        model, line = work / "pretrained", {}
        if name == "start":
            model = self.start(seed)
        elif name == "no pre-training":
            self.pretrain(seed, "mlm", {}, 1, model, rate=1e-12)
        else:
            preset, numbers = chosen
            line = {"preset": preset, "numbers": numbers,
                    **self.pretrain(seed, preset, numbers, s["steps"], model, start=self.start(seed))}
        zero_shot = self.search(seed, model, "zero-shot")
        tuned = work / "tuned"
        self.bmae("finetune", "--model", model / "sentence-transformer", "--data", self.collection(seed) / "beir", "--normalize",
                  "--temperature", s["temperature"], "--query-length", self.length(), "--passage-length", self.length(),
                  "--steps", s["finetune_steps"], "--batch-examples", s["finetune_pairs"],
                  "--learning-rate", s["finetune_learning_rate"], "--seed", seed, "--save-every", 0, "--output", tuned, *THREADS)
        line = {"model": name, "seed": seed, **line, "zero_shot": zero_shot, "fine_tuned": self.search(seed, tuned, "fine-tuned")}
        shutil.rmtree(work)
        return {**line, "seconds": round(time.monotonic() - begin, 1), "settings": s}


def read_results(work):
    file = work / "results.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def is_there(lines, settings, name, seed):
    """What is not pre-trained further is the same for any number of steps."""
    def compared(given):
        return given if models()[name] else {**given, "steps": None}
    return any(compared(line["settings"]) == compared(settings) for line in lines if (line["model"], line["seed"]) == (name, seed))


def run(options):
    known = models()
    defaults = PACKAGES if options.packages else WORLD
    settings = {name: value if getattr(options, name, None) is None else getattr(options, name) for name, value in defaults.items()}
    runs = Runs(options.bin.resolve(), options.work.resolve(), settings, options.packages)
    end = time.monotonic() + options.minutes * 60
    chosen = options.models or [name for name in known if not options.packages or name in FOR_PACKAGES]
    chosen = [name for name in chosen if options.models or options.packages or name != "MASTER without GOR"]
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
            print(f"{name:<24} seed {seed}: zero-shot {line['zero_shot']['mrr@10']:.3f}, "
                  f"fine-tuned {line['fine_tuned']['mrr@10']:.3f}, {line['seconds']:.0f} s", flush=True)


def spread(lines, kind, measure):
    values = [line[kind][measure] for line in lines]
    if not values:
        return "-"
    text = f"{statistics.median(values):.3f}" + (f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else "")
    return text.replace("0.", ".")


def table(options):
    """Median and range over the seeds, a table for each collection and start, two columns for each number of steps."""
    lines = read_results(options.work)
    for shared in sorted({json.dumps(start_of(line["settings"])) for line in lines}):
        group = [line for line in lines if json.dumps(start_of(line["settings"])) == shared]
        counts = sorted({line["settings"]["steps"] for line in group if models()[line["model"]]})
        print(f"\n{shared}\n\n| {options.measure} | " + " | ".join(f"{n} steps, zero-shot | fine-tuned | seeds" for n in counts)
              + " | time, of MLM's |")
        print("|---|" + "---|" * (3 * len(counts) + 1))
        for name, chosen in models().items():
            own = [line for line in group if line["model"] == name]
            if not own:
                continue
            at = {n: list({line["seed"]: line for line in own if chosen is None or line["settings"]["steps"] == n}.values())
                  for n in counts}
            cells = [f"{spread(at[n], 'zero_shot', options.measure)} | {spread(at[n], 'fine_tuned', options.measure)} | {len(at[n])}"
                     for n in counts]
            pairs = [(line, other) for line in own for other in group if chosen and other["model"] == "MLM"
                     and other["seed"] == line["seed"] and other["settings"] == line["settings"]]
            cost = "-"
            if pairs:
                cost = f"{statistics.median(line['pretrain_seconds'] / other['pretrain_seconds'] for line, other in pairs):.1f}"
            print(f"| {name} | " + " | ".join(cells) + f" | {cost} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=["run", "table"])
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"), help="folder of bmae and quickstart")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--packages", nargs=2, type=lambda file: pathlib.Path(file).resolve(), default=None,
                        metavar=("DESCRIPTIONS", "PACKAGES"), help="real text instead of an invented world")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--models", nargs="+", default=None)
    parser.add_argument("--minutes", type=float, default=70, help="no run is begun after this time")
    parser.add_argument("--measure", default="mrr@10", choices=MEASURES)
    for name, value in WORLD.items():
        if name != "collection":
            parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=None, help=f"{value}; packages {PACKAGES[name]}")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    run(options) if options.mode == "run" else table(options)


if __name__ == "__main__":
    main()
