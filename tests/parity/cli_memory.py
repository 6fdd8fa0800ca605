# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""What makes a training run fit into memory, through the program: optimizers beside their formulas in numpy (and transformers' Adafactor),
frozen parts, rates by layer, low-rank factors beside the gradient of the weights themselves, recomputed activations, a teacher that is
named instead of its scores; each bit for bit the same where the run is killed and resumed, and refused where it makes no sense.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import numpy
from safetensors.numpy import load_file

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

BETA1, BETA2, DECAY, RATE = .9, .999, .01, 1e-3


def checkpoint(output, step):
    folder = output / f"step-{step}"
    return load_file(folder / "model.safetensors"), load_file(folder / "optimizer.safetensors")


def largest(found, expected):
    return max(float(numpy.abs(numpy.float64(found[name]) - expected[name]).max()) for name in expected)


class Runs:
    def __init__(self, work, data):
        self.work, self.data = work, data
        self.tune = ["finetune", "--data", data, "--batch-examples", 4, "--learning-rate", RATE, "--schedule", "constant", "--warmup", 0, "--clip", 0,
                     "--save-every", 1, "--keep-last", 0, "--threads", 1, "--passages-per-query", 1]

    def line(self, *options):
        """The command, without its own value of an option that is given."""
        base = list(self.tune)
        for option in options:
            if option in base[1:]:
                del base[base.index(option):base.index(option) + 2]
        return [*base, *options]

    def train(self, name, *options, steps=1):
        output = self.work / name
        told = result(*self.line("--model", self.work / "pretrained", "--steps", steps, *options), "--output", output)
        assert told["end"] == "finished", told
        return output


def lamb(weight, gradient, mean, square, step):
    mean, square = BETA1 * mean + (1 - BETA1) * gradient, BETA2 * square + (1 - BETA2) * gradient ** 2
    update = mean / (1 - BETA1 ** step) / (numpy.sqrt(square / (1 - BETA2 ** step)) + 1e-8)
    if weight.ndim < 2:
        return weight - RATE * update
    update = update + DECAY * weight
    norms = numpy.linalg.norm(weight), numpy.linalg.norm(update)
    return weight - RATE * (norms[0] / norms[1] if min(norms) > 0 else 1) * update


def adamw(weight, gradient, mean, square, step):
    mean, square = BETA1 * mean + (1 - BETA1) * gradient, BETA2 * square + (1 - BETA2) * gradient ** 2
    update = mean / (1 - BETA1 ** step) / (numpy.sqrt(square / (1 - BETA2 ** step)) + 1e-8)
    return weight * (1 - RATE * DECAY * (weight.ndim == 2)) - RATE * update


def decoded(state, name, shape):
    """Second moments of eight bits: 255 is the largest of a block of 256, a code less is 24 / 254 octaves less, 0 is zero."""
    code = state[f"code.{name}"].astype(numpy.float64).reshape(-1, 256)
    value = numpy.where(code > 0, 2.0 ** ((code - 255) * 24 / 254), 0) * state[f"scale.{name}"][:, None]
    return value.reshape(-1)[:int(numpy.prod(shape))].reshape(shape)


def check_optimizers(runs):
    """Each step from the checkpoint before it; the gradient is what the first moment took up."""
    for name, formula in (("lamb", lamb), ("adamw8", adamw)):
        output = runs.train(name, "--optimizer", name, steps=3)
        for step in (2, 3):
            (before, old), (after, new) = checkpoint(output, step - 1), checkpoint(output, step)
            expected = {}
            for parameter, weight in before.items():
                mean, later = (numpy.float64(state[f"mean.{parameter}"]) for state in (old, new))
                gradient = (later - BETA1 * mean) / (1 - BETA1)
                square = decoded(old, parameter, weight.shape) if name == "adamw8" else numpy.float64(old[f"square.{parameter}"])
                expected[parameter] = formula(numpy.float64(weight), gradient, mean, square, step)
                if name == "adamw8":
                    check_codes(decoded(new, parameter, weight.shape), BETA2 * square + (1 - BETA2) * gradient ** 2)
            assert largest(after, expected) <= 2e-6 and new["count"] == step, (name, step, largest(after, expected))
    check_adafactor(runs)


def check_codes(found, exact):
    """A value is stored as one of the two codes around it; small ones as the smallest of their block."""
    code = 2 ** (24 / 254) * 1.001
    held = exact > exact.max() * 2.0 ** -23
    assert ((found == 0) <= (exact < 1e-12)).all() and (found[held] <= exact[held] * code).all() and (found[held] >= exact[held] / code).all()


def check_adafactor(runs):
    start, _ = checkpoint(runs.train("still", "--learning-rate", 0), 1)
    after, state = checkpoint(runs.train("adafactor", "--optimizer", "adafactor"), 1)
    gradients = {name: numpy.float64(checkpoint(runs.work / "plain", 1)[1][f"mean.{name}"]) / (1 - BETA1) for name in start}
    expected = {}
    for name, weight in start.items():
        weight, square = numpy.float64(weight), gradients[name] ** 2 + 1e-30
        if weight.ndim == 2:
            row, column = square.mean(1), square.mean(0)
            assert numpy.allclose(state[f"row.{name}"], row, rtol=1e-4) and numpy.allclose(state[f"column.{name}"], column, rtol=1e-4), name
            square, weight = numpy.outer(row, column) / row.mean(), weight * (1 - RATE * DECAY)
        update = gradients[name] / numpy.sqrt(square)
        expected[name] = weight - RATE * update / max(1, numpy.sqrt((update ** 2).mean()))
    assert largest(after, expected) <= 2e-6, largest(after, expected)
    check_transformers(start, after, gradients)


def check_transformers(start, after, gradients):
    try:
        import torch
        from transformers.optimization import Adafactor
    except ImportError:
        print("skipped: transformers' Adafactor, which is not installed")
        return
    parameters = {name: torch.nn.Parameter(torch.tensor(weight)) for name, weight in start.items()}
    groups = [{"params": [p for p in parameters.values() if (p.ndim == 2) == matrix], "weight_decay": DECAY * matrix} for matrix in (True, False)]
    peer = Adafactor([group for group in groups if group["params"]], lr=RATE, scale_parameter=False, relative_step=False, warmup_init=False)
    for name, parameter in parameters.items():
        parameter.grad = torch.tensor(gradients[name], dtype=torch.float32)
    peer.step()
    theirs = {name: parameter.detach().numpy() for name, parameter in parameters.items()}
    assert largest(after, theirs) <= 2e-6, largest(after, theirs)


def check_freezing(runs):
    start, _ = checkpoint(runs.work / "still", 1)
    plain, _ = checkpoint(runs.work / "plain", 1)
    frozen = runs.train("frozen", "--freeze", "embeddings,layers:1,*.LayerNorm.bias", "--layer-decay", .5)
    after, state = checkpoint(frozen, 1)
    moved = {name for name in start if not numpy.array_equal(start[name], after[name])}
    rests = {name for name in start if ".embeddings." in name or ".layer.0." in name or name.endswith("LayerNorm.bias")}
    assert moved == start.keys() - rests, moved ^ (start.keys() - rests)
    assert {name.split(".", 1)[1] for name in state if name.startswith("mean.")} == moved, state.keys()
    decayed, _ = checkpoint(runs.train("decayed", "--layer-decay", .5, "--weight-decay", 0), 1)
    level, _ = checkpoint(runs.train("level", "--weight-decay", 0), 1)
    for name in start:
        factor = .25 if ".embeddings." in name else .5 if ".layer.0." in name else 1
        expected = numpy.float64(start[name]) + factor * (numpy.float64(level[name]) - start[name])
        assert numpy.abs(decayed[name] - expected).max() <= 1e-7, name
    assert plain.keys() == start.keys()


def check_lora(runs):
    """alpha / rank = 4: the gradient of the factors is that of the weights through W + 4 U D; the encoder keeps its bits."""
    options = ["--lora-rank", 2, "--lora-alpha", 8, "--lora-targets", "query,value"]
    output = runs.train("lora", *options, steps=3)
    start, _ = checkpoint(runs.work / "still", 1)
    full = checkpoint(runs.work / "plain", 1)[1]
    first, state = checkpoint(output, 1)
    last, _ = checkpoint(output, 3)
    targets = sorted(name[len("lora."):-len(".down")] for name in first if name.endswith(".down"))
    assert targets == [f"encoder.layer.{i}.attention.self.{part}" for i in (0, 1) for part in ("query", "value")], targets
    for name in start:
        assert numpy.array_equal(start[name], last[name]), name
    merged = load_file(output / "sentence-transformer" / "model.safetensors")
    for target in targets:
        gradient = numpy.float64(full[f"mean.{target}.weight"])
        down = numpy.float64(load_file(runs.train("lora-still", *options, "--learning-rate", 0) / "step-1" / "model.safetensors")[f"lora.{target}.down"]) \
            if target == targets[0] else None
        if down is not None:   # U is zero at the first step: D has no gradient, U that of the weight through D
            assert numpy.abs(numpy.float64(state[f"mean.lora.{target}.up"]) - 4 * gradient @ down.T).max() <= 1e-7
            assert numpy.abs(state[f"mean.lora.{target}.down"]).max() == 0
        up, down = (numpy.float64(last[f"lora.{target}.{part}"]) for part in ("up", "down"))
        expected = numpy.float64(start[f"{target}.weight"]) + 4 * up @ down
        stored = next(value for name, value in merged.items() if name.endswith(f"{target}.weight"))
        assert numpy.abs(stored - expected).max() <= 1e-6 and not numpy.array_equal(stored, start[f"{target}.weight"]), target
    assert float(last["lora.scale"][0]) == 4
    texts = runs.data / "corpus.jsonl"
    run("encode", "--model", output / "step-3", "--input", texts, "--output", runs.work / "a.safetensors")
    run("encode", "--model", output, "--input", texts, "--output", runs.work / "b.safetensors")
    run("encode", "--model", output / "sentence-transformer", "--input", texts, "--output", runs.work / "c.safetensors")
    vectors = [load_file(runs.work / f"{name}.safetensors")["embeddings"] for name in "abc"]
    assert numpy.abs(vectors[0] - vectors[2]).max() <= 1e-6 and numpy.array_equal(vectors[0], vectors[1])
    assert "lora" in run("inspect", output / "step-3").stdout
    timed = result(*runs.line("--model", runs.work / "pretrained", *options, "--steps", 1_000_000, "--minutes", .02, "--save-every", 0), "--output", runs.work / "timed")
    assert timed["end"] == "time limit", timed
    for name, folder in (("d", timed["checkpoint"]), ("e", timed["sentence_transformer"])):
        run("encode", "--model", folder, "--input", texts, "--output", runs.work / f"{name}.safetensors")
    vectors += [load_file(runs.work / f"{name}.safetensors")["embeddings"] for name in "de"]
    assert numpy.abs(vectors[3] - vectors[4]).max() <= 1e-6 and numpy.abs(vectors[3] - vectors[0]).max() > 1e-3


def check_recompute(runs):
    """The same bytes with a gradient cache, in a reranker and in pre-training."""
    cached = ["--accumulate", 2, "--gradient-cache", "--passages-per-query", 2]
    reranker = ["--preset", "reranker", "--passages-per-query", 2, "--query-length", 16, "--passage-length", 48]
    for name, options in (("cached", cached), ("reranker", reranker)):
        tune = runs.line("--model", runs.work / "pretrained", "--steps", 2, *options)
        weights = []
        for more in ([], ["--recompute"]):
            run(*tune, *more, "--output", runs.work / f"{name}{len(more)}")
            weights.append((runs.work / f"{name}{len(more)}" / "step-2" / "model.safetensors").read_bytes())
        assert weights[0] == weights[1], name
    weights = []
    for more in ([], ["--recompute"]):
        output = runs.work / f"retromae{len(more)}"
        run("pretrain", "--preset", "retromae", "--model", runs.work / "pretrained" / "model", "--data", runs.work / "store", "--batch-tokens", 512, "--steps", 2,
            "--threads", 1, "--precision", "bf16", *more, "--output", output)
        weights.append((output / "step-2" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def check_killed(runs):
    options = ["--optimizer", "adamw8", "--freeze", "embeddings", "--layer-decay", .8, "--recompute", "--lora-rank", 2, "--save-every", 5]
    command = runs.line("--model", runs.work / "pretrained", *options, "--steps", 30)
    whole, killed = runs.work / "whole", runs.work / "killed"
    run(*command, "--output", whole)
    process = subprocess.Popen([str(PROGRAM), *map(str, command), "--output", str(killed)], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (killed / "step-10" / "manifest.json").exists():
        time.sleep(.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = result(*command, "--output", killed, "--resume")
    assert again["resumed_from"] >= 5, again
    for file in ("model.safetensors", "optimizer.safetensors"):
        assert (whole / "step-30" / file).read_bytes() == (killed / "step-30" / file).read_bytes(), file
    for other, says in ((["--lora-rank", 3], "lora"), (["--layer-decay", .7], "layer_decay"), (["--optimizer", "lamb"], "optimizer")):
        changed = runs.line("--model", runs.work / "pretrained", *options, "--steps", 31)
        for option, value in zip(other[::2], other[1::2]):
            changed[changed.index(option) + 1] = value
        refused = run(*changed, "--output", whole, "--resume", status=2).stderr
        assert says in refused, refused


def check_teacher(runs):
    """--teacher is rerank --negatives and --teacher-scores in one command."""
    data, work = runs.data, runs.work
    run("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 20, "--output", work / "train.trec")
    run("mine", "--run", work / "train.trec", "--data", data, "--split", "train", "--window", "1:20", "--number", 3, "--output", work / "mined.tsv")
    teacher = work / "reranker0"
    run("rerank", "--model", teacher, "--negatives", work / "mined.tsv", "--data", data, "--split", "train", "--output", work / "scores.trec")
    tune = runs.line("--model", work / "pretrained", "--preset", "retriever-distilled", "--passages-per-query", 3, "--negatives", work / "mined.tsv",
                     "--steps", 2)
    run(*tune, "--teacher-scores", work / "scores.trec", "--output", work / "by-file")
    run(*tune, "--teacher", teacher, "--output", work / "live")
    assert (work / "live" / "teacher-scores.trec").read_bytes() == (work / "scores.trec").read_bytes()
    assert (work / "live" / "step-2" / "model.safetensors").read_bytes() == (work / "by-file" / "step-2" / "model.safetensors").read_bytes()
    again = result(*tune, "--teacher", teacher, "--output", work / "live", "--resume")
    assert again["resumed_from"] == 2, again
    refused = run(*tune, "--teacher", work / "plain", "--output", work / "live", "--resume", status=2).stderr
    assert "the teacher and the data of the run" in refused, refused
    for options, says in ((["--teacher", teacher, "--teacher-scores", work / "scores.trec"], "--teacher-scores"),
                          (["--teacher", teacher, "--preset", "retriever"], "a preset that distills")):
        line = [word for word in tune]
        if "--preset" in options:
            line[line.index("--preset") + 1] = options[options.index("--preset") + 1]
            options = options[:2]
        refused = run(*line, *options, "--output", work / "no", status=2).stderr
        assert says in refused and not (work / "no").exists(), refused
    check_teachers(runs, tune)


def read_scores(path):
    return {(line.split()[0], line.split()[2]): numpy.float32(line.split()[4]) for line in path.read_text().splitlines()}


def check_teachers(runs, tune):
    """Two teachers: each into a file of its own, a kill resumes between and within them, and the run trains on numpy's mean."""
    work, first, second = runs.work, runs.work / "reranker0", runs.work / "plain"
    run("rerank", "--model", second, "--negatives", work / "mined.tsv", "--data", runs.data, "--split", "train", "--output", work / "scores-2.trec")
    files = [work / "scores.trec", work / "scores-2.trec"]
    scores = [read_scores(file) for file in files]
    assert scores[0].keys() == scores[1].keys() and scores[0] != scores[1]
    mean = {pair: numpy.float32(numpy.mean([score[pair] for score in scores], dtype=numpy.float64)) for pair in scores[0]}
    (work / "mean.tsv").write_text("".join(f"{query}\t{document}\t{float(score)!r}\n" for (query, document), score in mean.items()))
    run(*tune, "--teacher-scores", work / "mean.tsv", "--output", work / "by-mean")
    run(*tune, "--teacher-scores", *files, "--output", work / "by-files")
    lives = work / "lives"
    live = [*tune, "--teacher", first, second, "--output"]
    run(*live, lives)
    for number, file in enumerate(files, 1):
        assert (lives / f"teacher-scores.{number}-of-2.trec").read_bytes() == file.read_bytes()
    trained = [(work / name / "step-2" / "model.safetensors").read_bytes() for name in ("by-mean", "by-files", "lives")]
    assert trained[0] == trained[1] == trained[2] != (work / "by-file" / "step-2" / "model.safetensors").read_bytes()

    def resumed(output):
        run(*live, output, "--resume")
        for name in ("teacher-scores.1-of-2.trec", "teacher-scores.2-of-2.trec", "step-2/model.safetensors"):
            assert (output / name).read_bytes() == (lives / name).read_bytes(), (output.name, name)

    for place in ("between", "within"):   # what a kill leaves after the first teacher, and in the second query of the second one
        killed = work / f"killed-{place}"
        killed.mkdir()
        for name in ("run.json", "teacher-scores.1-of-2.trec", "teacher-scores.1-of-2.json"):
            shutil.copy(lives / name, killed / name)
        if place == "within":
            lines = files[1].read_text().splitlines(keepends=True)
            whole = next(i for i, line in enumerate(lines) if line.split()[0] != lines[0].split()[0])
            shutil.copy(lives / "teacher-scores.2-of-2.json", killed / "teacher-scores.2-of-2.trec.partial.json")
            (killed / "teacher-scores.2-of-2.trec.partial").write_text("".join(lines[:whole + 1]) + lines[whole + 1][:5])
        resumed(killed)
    shot = work / "shot"   # by a signal, wherever it was
    process = subprocess.Popen([str(PROGRAM), *map(str, [*live, shot])], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (shot / "teacher-scores.1-of-2.trec.partial").exists():
        time.sleep(.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed(shot)
    for output, teachers, says in ((lives, [second, first], "the teacher and the data of the run"), (lives, [first], "as many teachers as the run has, 2"),
                                   (lives, [first, second, first], "as many teachers as the run has, 2"),
                                   (work / "live", [first, second], "as many teachers as the run has, 1")):
        refused = run(*tune, "--teacher", *teachers, "--output", output, "--resume", status=2).stderr
        assert says in refused, refused
    refused = run(*live, lives, "--teacher-normalization", "z-score", "--resume", status=2).stderr
    assert "the training data of the run" in refused, refused
    refused = run(*tune, "--teacher", first, work / "store", "--output", work / "no", status=2).stderr   # before the first one scores
    assert str(work / "store") in refused and not (work / "no").exists(), refused
    lines = files[1].read_text().splitlines(keepends=True)
    (work / "fewer.trec").write_text("".join(lines[1:]))
    told = run(*tune, "--teacher-scores", files[0], work / "fewer.trec", "--output", work / "fewer").stderr
    query, _, document, *_ = lines[0].split()
    assert f"document '{document}' for query '{query}' has no score of one of the 2 teachers" in told, told
    assert "skipped 1 pairs that one of several teachers did not score" in told, told


def check_refusals(runs):
    tune = [*runs.tune, "--model", runs.work / "pretrained", "--steps", 1, "--output", runs.work / "no"]
    broken = runs.work / "broken"   # nothing of it is read before the refusal
    shutil.copytree(runs.data, broken)
    (broken / "corpus.jsonl").write_text("{\n")
    tune[tune.index("--data") + 1] = broken
    assert "corpus.jsonl" in run(*tune, status=2).stderr
    for options, says in ((["--freeze", "layers:3"], "a model with 2 layers"), (["--freeze", "nothing.*"], "nothing.*"), (["--freeze", "embeddings,"], "--freeze"),
                          (["--freeze", "*"], "all of them frozen"), (["--layer-decay", 2], "--layer-decay"), (["--optimizer", "sgd"], "an optimizer"),
                          (["--optimizer", "adafactor", "--beta1", .8], "--beta1"), (["--lora-targets", "query"], "--lora-rank"),
                          (["--lora-rank", 2, "--lora-targets", "Wqkv"], "attention.self.query"), (["--lora-rank", 64], "at most 32"),
                          (["--set", "nothing=1"], "nothing"), (["--pooling", "token"], "token"),
                          (["--temperature", .1, "--preset", "reranker"], "--temperature"), (["--preset", "splade", "--eval-data", runs.data], "dense vectors"),
                          (["--device", "tpu"], "--device"), (["--eval-data", runs.data, "--eval-split", "nowhere"], "nowhere")):
        refused = run(*tune, *options, status=2).stderr
        assert says in refused and "corpus.jsonl" not in refused and not (runs.work / "no").exists(), (options, refused)
    pretrain = ["pretrain", "--data", runs.work / "store", "--steps", 1, "--batch-tokens", 512, "--output", runs.work / "no-pretraining"]
    for options, says in ((["--config", "tiny", "--lora-rank", 2], "--model or --init"),
                          (["--model", runs.work / "pretrained" / "model", "--preset", "contriever", "--lora-rank", 2], "momentum")):
        refused = run(*pretrain, *options, status=2).stderr
        assert says in refused, (options, refused)


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        data = write_collection(work / "data")
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        run("pretrain", "--config", "tiny", "--hidden", 32, "--layers", 2, "--data", work / "store", "--batch-tokens", 512, "--steps", 4, "--output",
            work / "pretrained")
        runs = Runs(work, data)
        runs.train("plain")
        for check in (check_optimizers, check_freezing, check_lora, check_recompute, check_killed, check_teacher, check_refusals):
            start = time.monotonic()
            check(runs)
            print(f"{check.__name__}: {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
