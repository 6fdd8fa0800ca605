# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Every preset of the closed list through the program: one dumped step equals an independent computation, and training resumes to
the same bits.

usage: presets_parity.py [--presets NAME...] [--train NAME... | --train all] [--steps 8] [--data STORE --config FILE]

Without --data, an invented corpus of a few documents with queries and continuations. `--presets --train all --steps 200 --data STORE`
trains every preset on a prepared corpus (article_rows.py makes one with queries and continuations from plain articles); a preset whose
texts the corpus lacks must be refused and is listed so.
"""
import argparse
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from safetensors import safe_open
from safetensors.numpy import load_file

import dump_step_check
from cli_support import ENVIRONMENT, PROGRAM, result, run

TOLERANCE = 1e-5


def write_corpus(folder, documents=12, seed=1):
    """Documents of several passages, each with three queries and a continuation, and a vocabulary that covers them."""
    rng = random.Random(seed)
    words = [f"w{a}{b}" for a in "abcdefghij" for b in "klmnopqrst"]
    sentence = lambda: " ".join(rng.choice(words) for _ in range(rng.randint(4, 11))).capitalize() + "."
    rows = [{"id": f"d{i}", "title": "", "text": " ".join(sentence() for _ in range(rng.randint(9, 14))),
             "queries": [sentence()[:-1] for _ in range(3)], "continuation": " ".join(sentence() for _ in range(3))} for i in range(documents)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "."] + words) + "\n")
    result("prepare", "--input", folder / "corpus.jsonl", "--format", "jsonl", "--tokenizer", folder / "vocab.txt", "--max-length", 48,
           "--output", folder / "store")
    table = "".join(f"{row['text']},{row['queries'][0]},{row['queries'][1]}\n" for row in rows)
    (folder / "triplets.csv").write_text("sent0,sent1,hard_neg\n" + table)
    result("prepare", "--input", folder / "triplets.csv", "--format", "nli", "--tokenizer", folder / "vocab.txt", "--max-length", 48,
           "--output", folder / "triplets")
    return folder / "store"


def write_config(path, vocabulary, spread=.15):
    """Two layers of width 32, drawn wide, so that a wrong term is loud."""
    path.write_text(json.dumps({"model_type": "bert", "vocab_size": vocabulary, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                                "intermediate_size": 64, "max_position_embeddings": 64, "type_vocab_size": 2, "hidden_act": "gelu",
                                "layer_norm_eps": 1e-12, "initializer_range": spread, "hidden_dropout_prob": .1,
                                "attention_probs_dropout_prob": .1, "pad_token_id": 0}))
    return path


def option_entries(preset):
    """What a corpus this small needs in place of a paper's numbers."""
    # Without dropout both sides of a pair are one vector: at DiffCSE's .05 the loss would be rounding and nothing else.
    # Lambda rises from 0, where its gradient could not be seen.
    numbers = {"bow-dpr": ["lowest_id=5"], "mlm-flops": ["passes.0.terms.1.weight=0.1"], "cocondenser": ["span_tokens=40"], "diffcse": ["temperature=1"],
               "contriever": ["queue_size=64", "momentum=0.9", "temperature=20"]}.get(preset, [])
    return [word for number in numbers for word in ("--set", number)]


# How a preset is trained here, where that is more than its numbers: towers in turns, one contrast over several batches.
TRAINED = {"laprador": ["--set", "alternate=3", "--set", "cache=16", "--accumulate", 2, "--gradient-cache"],
           "cocondenser": ["--accumulate", 2, "--gradient-cache"]}


def arguments_of(preset, work, options):
    # Batch norm and contrast subtract what sentence vectors share: the wider they are apart, the fewer digits are lost.
    wide = work / "wide.json"
    config = wide if preset in ("diffcse", "contriever", "ict", "laprador") and wide.exists() else options.config
    inferences = preset in ("simcse-supervised", "sentmae-nli") and (work / "triplets").exists()   # a third text that contradicts
    data = work / "triplets" if inferences else options.data
    words = ["pretrain", "--preset", preset, "--config", config, "--data", data, "--threads", 1, *option_entries(preset)]
    return words + (["--generator", work / "generator" / "model"] if preset in ("simlm", "diffcse") else [])


def check_dump(preset, work, options):
    """One row of the table: parameters, terms, largest relative deviation of losses and gradient norms."""
    file = work / f"{preset}.safetensors"
    result(*arguments_of(preset, work, options), "--batch-examples", 6, "--dump-step", file)
    checked = dump_step_check.check(file, tolerance=TOLERANCE)
    if not checked["ok"]:
        dump_step_check.show(checked, 8)
    assert checked["ok"], preset
    with safe_open(file, "np") as tensors:
        report = json.loads(tensors.metadata()["report"])
    parameters = sum(v.size for n, v in load_file(file).items() if n in report["gradient_norms"] and not n.startswith("momentum."))
    worst = max(r["difference"] for r in checked["terms"] + checked["gradients"] + [checked["total"]])
    return parameters, len(checked["terms"]), worst


def check_training(preset, work, options):
    """Loss at the start and the end; a run that was interrupted half way ends in the same bits; the result loads elsewhere."""
    words = [*arguments_of(preset, work, options), *TRAINED.get(preset, []), "--steps", options.steps, "--batch-examples", options.batch, "--learning-rate", 1e-3,
             "--log-every", max(1, options.steps // 10), "--save-every", max(1, options.steps // 4), "--keep-last", 0]
    result(*words, "--output", work / "whole" / preset, timeout=1800)
    log = [json.loads(line) for line in (work / "whole" / preset / "log.jsonl").read_text().splitlines()]
    process = subprocess.Popen([str(PROGRAM), *map(str, words), "--output", str(work / "cut" / preset)], env=ENVIRONMENT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = work / "cut" / preset / f"step-{max(1, options.steps // 4)}"
    deadline = time.monotonic() + 600
    while not first.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result(*words, "--output", work / "cut" / preset, "--resume", timeout=1800)
    last = f"step-{options.steps}"
    for name in ("model.safetensors", "optimizer.safetensors", "state.safetensors"):
        whole, cut = work / "whole" / preset / last / name, work / "cut" / preset / last / name
        assert whole.exists() == cut.exists(), name
        assert not whole.exists() or whole.read_bytes() == cut.read_bytes(), f"{preset}: {name} differs after a resume"
    try:
        from sentence_transformers import SentenceTransformer
        vector = SentenceTransformer(str(work / "whole" / preset / "sentence-transformer"), device="cpu").encode(["Wak wbl."])
        assert vector.shape[1] > 0
        loads = "yes"
    except ModuleNotFoundError:
        print("skipped: loading by sentence-transformers, which is not installed")
        loads = "not tried"
    return log[0]["loss"], log[-1]["loss"], loads


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="*", default=None, help="whose dumped step is checked (default: all)")
    parser.add_argument("--train", nargs="*", default=["master-as-released", "diffcse", "contriever", "cocondenser", "laprador"], help="which are trained, or `all`")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=6, help="examples of a training batch")
    parser.add_argument("--data", type=pathlib.Path, default=None, help="a prepared corpus instead of the invented one")
    parser.add_argument("--config", type=pathlib.Path, default=None)
    options = parser.parse_args()
    names = [preset["name"] for preset in result("presets")["presets"]]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        options.data = options.data or write_corpus(work)
        vocabulary = json.loads((options.data / "manifest.json").read_text())["tokenizer"]["vocabulary_size"]
        if options.config is None:
            options.config = write_config(work / "config.json", vocabulary)
            write_config(work / "wide.json", vocabulary, spread=.3)
        result("pretrain", "--preset", "mlm", "--config", options.config, "--data", options.data, "--steps", 2, "--threads", 1, "--output", work / "generator")
        chosen = names if options.presets is None else options.presets
        if chosen:
            print(f"{'preset':<36} {'parameters':>10} {'terms':>5} {'max deviation':>13}")
        for preset in chosen:
            parameters, terms, worst = check_dump(preset, work, options)
            print(f"{preset:<36} {parameters:>10} {terms:>5} {worst:>13.1e}", flush=True)
        trained = names if options.train == ["all"] else options.train
        if trained:
            print(f"{'preset':<36} {'first loss':>10} {'last loss':>10} {'resumed':>10} {'loads':>10}")
        for preset in trained:
            tried = subprocess.run([str(PROGRAM), *map(str, arguments_of(preset, work, options)), "--batch-examples", "2", "--dump-step", str(work / "try")],
                                   env=ENVIRONMENT, capture_output=True, text=True)
            (work / "try").unlink(missing_ok=True)
            if tried.returncode == 2:
                print(f"{preset:<36} refused: {tried.stderr.strip().splitlines()[-1][:120]}", flush=True)
                continue
            first, last, loads = check_training(preset, work, options)
            print(f"{preset:<36} {first:>10.3f} {last:>10.3f} {'same bits':>10} {loads:>10}", flush=True)


if __name__ == "__main__":
    main()
