# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae glue` beside transformers: a classification of pairs (MRPC), of texts (CoLA) and a regression of pairs (STS-B) from one start, with all rows in each batch and no dropout: the
loss of every step, the figures on the development rows, and the logits of the folder of the best seed; several seeds with mean and deviation, results that are kept, runs that go on
to the same bytes by --resume alone after SIGKILL and SIGINT, and what is refused."""
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, contents, invented_words, result, run

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
try:
    import torch
    from scipy import stats
    from sklearn import metrics
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification, BertTokenizer
except ModuleNotFoundError as error:
    print(f"skipped: GLUE's tasks beside transformers, for want of the Python package `{error.name}`")
    sys.exit(77)
STEPS, RATE, ROWS = 6, 1e-3, 16


def write_tasks(work, words, rng):
    """Rows of each task, as (first, second, target)."""
    tasks = {}
    for task in ("cola", "mrpc", "stsb"):
        parts = []
        for count in (ROWS, 40):
            rows = []
            for _ in range(count):
                first = [rng.choice(words) for _ in range(rng.randint(3, 9))]
                second = [rng.choice(first if rng.random() < .5 else words) for _ in range(rng.randint(3, 9))]
                shared = len(set(first) & set(second))
                rows.append((" ".join(first), " ".join(second), round(min(5., shared * 1.1), 2) if task == "stsb" else int(words.index(first[0]) % 2 == 0) if task == "cola" else int(shared > 1)))
            parts.append(rows)
        tasks[task] = parts
        folder = work / "data" / {"cola": "CoLA", "mrpc": "MRPC", "stsb": "STS-B"}[task]
        folder.mkdir(parents=True)
        for name, rows in zip(("train", "dev"), parts):
            lines = {"cola": [f"x\t{t}\t\t{a}" for a, _, t in rows], "mrpc": ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"] + [f"{t}\t1\t2\t{a}\t{b}" for a, b, t in rows],
                     "stsb": ["index\t" * 9 + "score"] + [f"0\tg\tf\ty\t1\tn\tn\t{a}\t{b}\t{t}" for a, b, t in rows]}[task]
            (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return tasks


def peer(folder, task, rows, dev):
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    model = BertForSequenceClassification.from_pretrained(folder)
    model.train()
    decayed = [p for n, p in model.named_parameters() if p.dim() > 1]
    others = [p for n, p in model.named_parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": .01}, {"params": others, "weight_decay": 0.}], lr=RATE, betas=(.9, .999), eps=1e-8)

    def batch(part):
        first, second, target = zip(*part)
        given = tokenizer(list(first), None if task == "cola" else list(second), padding=True, return_tensors="pt")
        return given, torch.tensor(target, dtype=torch.float if task == "stsb" else torch.long)

    losses = []
    given, target = batch(rows)
    for _ in range(STEPS):
        loss = model(**given, labels=target).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.)
        optimizer.step()
    model.eval()
    given, target = batch(dev)
    with torch.no_grad():
        logits = model(**given).logits
    return losses, logits, figures_of(task, target.numpy(), logits)


def figures_of(task, gold, logits):
    if task == "stsb":
        found = logits.squeeze(1).numpy()
        return {"pearson": stats.pearsonr(gold, found)[0], "spearman": stats.spearmanr(gold, found)[0]}
    found = logits.argmax(1).numpy()
    figures = {"accuracy": metrics.accuracy_score(gold, found)}
    return figures | ({"matthews": metrics.matthews_corrcoef(gold, found)} if task == "cola" else {"f1": metrics.f1_score(gold, found)})


LABELS = {"cola": {0: "unacceptable", 1: "acceptable"}, "mrpc": {0: "not_equivalent", 1: "equivalent"}, "stsb": {0: "score"}}


def check_folder(folder, task, dev, figures):
    """The published folder loads in transformers by its own config, with the logits that were measured; its card tells of the run. Gives back the logits."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder)
    first, second, gold = zip(*dev)
    with torch.no_grad():
        logits = model(**tokenizer(list(first), None if task == "cola" else list(second), padding=True, return_tensors="pt")).logits
    for name, value in figures_of(task, gold, logits).items():
        assert abs(figures[name] / 100 - float(value)) < 1e-9 or task == "stsb" and abs(figures[name] / 100 - float(value)) < 1e-4, (task, name, value, figures)
    assert model.config.id2label == LABELS[task] and model.config.problem_type == ("regression" if task == "stsb" else "single_label_classification"), model.config
    card = (folder / "README.md").read_text()
    for words in ("pipeline_tag: text-classification", f"# Classifier: {task}", f"for the task `{task}`, from `start-{task}`", "| data | `data`, fingerprint of the texts",
                  f"| optimizer steps | {STEPS} |", "AutoModelForSequenceClassification.from_pretrained(\"FOLDER\")", "Development rows of"):
        assert words in card, f"{words!r} is not in\n{card}"
    return logits


def check_task(work, task, rows, dev, vocabulary):
    folder = work / f"start-{task}"
    torch.manual_seed(4)
    config = BertConfig(vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64,
                        hidden_dropout_prob=0., attention_probs_dropout_prob=0., initializer_range=.2, num_labels=1 if task == "stsb" else 2)
    BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    common = ["glue", "--model", folder, "--task", task, "--data", work / "data", "--steps", STEPS, "--batch-examples", ROWS, "--learning-rate", RATE, "--schedule", "constant",
              "--warmup", 0, "--epsilon", "1e-8", "--beta2", .999, "--weight-decay", .01, "--log-every", 1, "--max-length", 48, "--threads", 1, "--output", work / f"runs-{task}"]
    told = result(*common, "--seeds", 5)["results"][0]
    losses, logits, figures = peer(folder, task, rows, dev)
    log = [json.loads(line) for line in (work / f"runs-{task}/{task}/seed-5/log.jsonl").read_text().splitlines()]
    ours = [line["terms"][0]["loss"] for line in log if "terms" in line]
    assert len(ours) == STEPS, ours
    worst = max(abs(a - b) for a, b in zip(losses, ours))
    assert worst <= 1e-5, (task, losses, ours)
    for name, value in figures.items():
        got = told["runs"][0]["figures"][name] / 100
        assert abs(got - float(value)) < (1e-4 if task == "stsb" else 1e-9), (task, name, value, got)
    assert told["train"] == ROWS and told["dev"] == 40 and all(value is None for value in told["spread"].values()), told
    assert told["best"] == 5 and told["classifier"] == str(work / f"runs-{task}/{task}/classifier"), told
    ours = check_folder(pathlib.Path(told["classifier"]), task, dev, told["runs"][0]["figures"])
    assert (ours - logits).abs().max() <= 2e-5, (task, (ours - logits).abs().max())   # those of its own training
    return common, worst


def check_seeds(work, common):
    """Further seeds beside one that has ended; mean and deviation; what cannot be resumed and what makes no sense."""
    runs = work / "runs-mrpc/mrpc"
    kept = (runs / "seed-5/result.json").read_bytes()
    told = result(*common, "--seeds", "5,6,7", "--resume")["results"][0]
    assert (runs / "seed-5/result.json").read_bytes() == kept and [each["seed"] for each in told["runs"]] == [5, 6, 7], told
    values = [each["figures"]["accuracy"] for each in told["runs"]]
    assert abs(told["mean"]["accuracy"] - statistics.mean(values)) < 1e-9 and abs(told["spread"]["accuracy"] - statistics.stdev(values)) < 1e-9, told
    scores = {each["seed"]: each["figures"]["accuracy"] + each["figures"]["f1"] for each in told["runs"]}
    assert scores[told["best"]] == max(scores.values()), told
    card = (runs / "classifier/README.md").read_text()
    assert f"with seed {told['best']}." in card, card
    before = contents(work / "runs-mrpc")
    again = result("glue", "--resume", "--output", work / "runs-mrpc")["results"][0]   # all options are those of the run
    assert again == told and contents(work / "runs-mrpc") == before, again
    assert json.loads((work / "runs-mrpc/run.json").read_text())["options"]["--seeds"] == ["5,6,7"]
    told = result("report", work / "runs-mrpc", "--output", work / "seeds.html")
    assert told["runs"] == 3 and told["problems"] == [], told
    for arguments, says in (([*common, "--seeds", 5], "--resume"), ([*common, "--seeds", "1,1"], "--seeds"), ([*common, "--seeds", 9], "which also begins further tasks and seeds"),
                            (["glue", "--resume", "--output", runs / "seed-5"], "two levels above"), (["glue", "--resume", "--output", work / "absent"], "nothing of that name"),
                            (["finetune", "--resume", "--output", work / "runs-mrpc"], "one of `bmae glue`"), ([*common, "--seeds", "a"], "--seeds"),
                            ([*common, "--seeds", 5, "--resume", "--dropout", .1], "dropout")):
        assert says in run(*arguments, status=2).stderr, arguments
    for option, value, says in (("--task", "rte", "cola, mrpc, stsb, qqp"), ("--task", "mrpc,mrpc", "twice"), ("--task", "qqp", "train.tsv and dev.tsv of QQP"),
                                ("--data", work / "absent", "absent"), ("--max-length", 1024, "1024")):
        assert says in run(*replaced(replaced(common, "--output", work / "none"), option, value), "--seeds", 9, status=2).stderr, (option, value)
    for option, value, says in (("--freeze", "nothing.*", "nothing.*"), ("--lora-rank", 4096, "a rank of LoRA of at most")):   # before any data are looked at
        refused = run(*replaced(replaced(common, "--output", work / "none"), "--data", work / "absent"), "--seeds", 9, option, value, status=2).stderr
        assert says in refused and "absent" not in refused, refused
    assert not (work / "none").exists()
    common = replaced(common, "--output", work / "others")
    timed = result(*replaced(common, "--steps", 1_000_000), "--seeds", 8, "--minutes", .01, "--lora-rank", 2)
    assert timed["end"] == timed["results"][0]["runs"][0]["end"] == "time limit" and timed["results"][0]["mean"]["accuracy"] > 0, timed


def check_starts(work, common):
    """A head of other labels gives way to a new one; a run is an encoder for the next."""
    BertForSequenceClassification(BertConfig.from_pretrained(work / "start-mrpc", num_labels=3)).save_pretrained(work / "three")
    (work / "three/vocab.txt").write_bytes((work / "start-mrpc/vocab.txt").read_bytes())
    for model, says in ((work / "three", "has 3 labels, the task 2"), (work / "runs-mrpc/mrpc/seed-5", "training rows"),
                        (work / "runs-mrpc/mrpc/classifier", "goes on from the classification head")):
        started = replaced(replaced(common, "--model", model), "--output", work / f"from-{model.name}")
        assert says in run(*started, "--seeds", 1).stderr, model


def stopped(arguments, output, number):
    """Sends a signal when the second seed has saved something; gives back the exit status."""
    process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not list(output.glob("mrpc/seed-2/step-*/manifest.json")) and process.poll() is None and time.monotonic() < end:
        time.sleep(.005)
    process.send_signal(number)
    return process.wait(timeout=60)


def check_resume(work, common):
    """A command that was killed, and one that was interrupted, end with the bytes of one that was left alone; their options are read from run.json."""
    arguments = [*replaced(replaced(common, "--steps", 60), "--schedule", "linear"), "--seeds", "1,2,3", "--save-every", 5, "--dropout", .1]
    whole = result(*replaced(arguments, "--output", work / "whole"))
    ended = []
    for name, number, status in (("killed", signal.SIGKILL, -signal.SIGKILL), ("interrupted", signal.SIGINT, 130)):
        output = work / name
        code = stopped(replaced(arguments, "--output", output), output, number)
        assert code in (status, 0), code
        ended.append(code)
        told = result("glue", "--resume", "--output", output)
        assert told["end"] == "finished" and [{**each, "classifier": ""} for each in told["results"]] == [{**each, "classifier": ""} for each in whole["results"]], told
        for part in ("classifier/model.safetensors", "classifier/config.json", "classifier/README.md", "seed-3/result.json", "seed-2/step-60/model.safetensors"):
            assert (output / "mrpc" / part).read_bytes() == (work / "whole/mrpc" / part).read_bytes(), part
    assert any(ended), "both ended before the signal"


def replaced(arguments, option, value):
    changed = list(arguments)
    changed[changed.index(option) + 1] = value
    return changed


def main():
    rng = random.Random(7)
    words = invented_words(rng, 40)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(words)]
    with tempfile.TemporaryDirectory() as place:
        work = pathlib.Path(place)
        tasks = write_tasks(work, words, rng)
        worst = 0
        for task, (rows, dev) in tasks.items():
            common, difference = check_task(work, task, rows, dev, vocabulary)
            worst = max(worst, difference)
            if task == "mrpc":
                check_seeds(work, common)
                check_starts(work, common)
                check_resume(work, common)
        print(f"glue: losses of {STEPS} steps of three tasks, largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
