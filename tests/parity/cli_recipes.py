# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""bmae pipeline: a recipe from texts to a measured reranker equals the same commands by hand, is skipped when done, goes on to the same
manifest after SIGKILL and SIGINT, runs again what a change concerns and nothing else; faulty recipes are refused with their line.

usage: cli_recipes.py [--kills 3]
"""
import argparse
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, contents, result, run, write_collection

STEPS = 6


def recipe():
    tiny = {"config": "{data}/../config.json", "steps": "{steps}", "batch-examples": 4, "threads": 1}
    return {
        "recipe": 1, "name": "small", "about": "from texts to a reranker", "settings": {"data": None, "steps": STEPS, "seed": 7},
        "stages": [
            {"name": "vocabulary", "command": "prepare", "options": {"input": "{data}/corpus.jsonl", "build-vocabulary": 300,
             "max-length": 48, "output": "{vocabulary}/store"}},
            {"name": "pretrained", "command": "pretrain", "options": {"preset": "retromae", "data": "{vocabulary}/store", "seed": "{seed}",
             "save-every": 1, **tiny, "output": "{pretrained}/run"}},
            {"name": "bm25", "command": "search", "options": {"method": "bm25", "data": "{data}", "split": "train", "top-k": 40,
             "output": "{bm25}/run.trec"}},
            {"name": "negatives", "command": "mine", "options": {"run": ["{bm25}/run.trec"], "data": "{data}", "split": "train",
             "window": "1:40", "number": 4, "output": "{negatives}/negatives.tsv"}},
            {"name": "retriever", "command": "finetune", "options": {"preset": "retriever", "model": "{pretrained}/run", "data": "{data}",
             "negatives": "{negatives}/negatives.tsv", "steps": "{steps}", "batch-examples": 4, "threads": 1, "save-every": 1,
             "output": "{retriever}/run"}},
            {"name": "reranker", "command": "finetune", "options": {"preset": "reranker", "model": "{pretrained}/run", "data": "{data}",
             "negatives": "{negatives}/negatives.tsv", "steps": 2, "batch-examples": 2, "threads": 1, "output": "{reranker}/run"}},
            {"name": "teacher", "command": "rerank", "options": {"model": "{reranker}/run", "negatives": "{negatives}/negatives.tsv",
             "data": "{data}", "split": "train", "threads": 1, "output": "{teacher}/scores.trec"}},
            {"name": "distilled", "command": "finetune", "options": {"preset": "retriever-distilled", "model": "{pretrained}/run",
             "data": "{data}", "negatives": "{negatives}/negatives.tsv", "teacher-scores": ["{teacher}/scores.trec", "{teacher}/scores.trec"], "steps": 2,
             "batch-examples": 4, "threads": 1, "output": "{distilled}/run"}},
            {"name": "dense", "command": "search", "options": {"model": "{distilled}/run", "data": "{data}", "split": "test",
             "threads": 1, "output": "{dense}/run.trec"}},
            {"name": "bm25-test", "command": "search", "options": {"method": "bm25", "data": "{data}", "output": "{bm25-test}/run.trec",
             "split": "test"}},
            {"name": "fused", "command": "fuse", "arguments": ["{bm25-test}/run.trec", "{dense}/run.trec"],
             "options": {"output": "{fused}/run.trec"}},
            {"name": "figures", "command": "evaluate", "options": {"qrels": "{data}/qrels/test.tsv", "run": "{fused}/run.trec",
             "measures": "ndcg@10,mrr@10"}},
        ]}


def write(path, document):
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def arguments(work, output):
    return ["pipeline", work / "recipe.json", "--set", f"data={work / 'world'}", "--output", output]


def made(folder):
    """All that a pipeline made, but for what tells how it ran."""
    return {name: content for name, content in contents(folder).items()
            if pathlib.Path(name).name not in ("log.jsonl", "stdout.txt", ".lock", "trainer.json")
            and not ("/step-" in name and name.endswith("manifest.json"))}


def check_whole(work):
    done = run(*arguments(work, work / "whole"), timeout=300)
    assert "ndcg_cut_10" in done.stdout and "figures" in done.stdout, done.stdout
    manifest = json.loads((work / "whole" / "manifest.json").read_text())
    names = [stage["name"] for stage in manifest["stages"]]
    assert names == [stage["name"] for stage in recipe()["stages"]], names
    figures = manifest["stages"][-1]["figures"]
    alone = result("evaluate", "--qrels", work / "world/qrels/test.tsv", "--run", work / "whole/fused/run.trec", "--measures", "ndcg@10,mrr@10")
    assert figures == alone, (figures, alone)
    # The same command by hand: the same bytes.
    run("finetune", "--preset", "retriever", "--model", work / "whole/pretrained/run", "--data", work / "world", "--negatives",
        work / "whole/negatives/negatives.tsv", "--steps", STEPS, "--batch-examples", 4, "--threads", 1, "--save-every", 1, "--output", work / "hand")
    hand, own = contents(work / "hand"), contents(work / "whole/retriever/run")
    assert hand.keys() == own.keys() and all(hand[name] == own[name] for name in hand if name.endswith(".safetensors"))
    before = contents(work / "whole")
    again = run(*arguments(work, work / "whole"))
    assert again.stderr.count("done before") == len(names), again.stderr
    assert contents(work / "whole") == before


def check_kills(work, kills):
    """Killed after some lines of its messages, by SIGKILL and SIGINT in turn."""
    rng = random.Random(3)
    ended = 0
    for number in range(kills + 1):
        process = subprocess.Popen([str(PROGRAM), *map(str, arguments(work, work / "killed"))], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        hard = number % 2 == 0
        if number < kills:
            for _ in range(rng.randint(4, 4 + 30 // kills)):
                process.stderr.readline()
            process.send_signal(signal.SIGKILL if hard else signal.SIGINT)
        said = process.stderr.read()
        status = process.wait(timeout=240)
        if number == kills or status == 0:
            assert status == 0, (status, said)
            break
        assert status == (-signal.SIGKILL if hard else 130), (status, said)
        ended += 1
    assert ended >= kills - 1, ended
    whole, killed = made(work / "whole"), made(work / "killed")
    assert whole.keys() == killed.keys(), whole.keys() ^ killed.keys()
    different = [name for name in whole if whole[name] != killed[name] and not name.endswith("run.json")]
    assert not different, different
    print(f"killed {ended} times: the same manifest and {len(whole)} files")


def check_changes(work):
    """What a change concerns runs again, and nothing else."""
    copy = work / "moved"
    shutil.copytree(work / "whole", copy)
    done = run(*arguments(work, copy))
    assert done.stderr.count("done before") == 12, "a pipeline that was moved: " + done.stderr
    changed = recipe()
    changed["stages"][10]["options"]["k"] = 10   # of fuse: figures follow only if the run does
    write(work / "recipe.json", changed)
    done = run(*arguments(work, copy))
    assert done.stderr.count("done before") >= 10 and "fused: runs again, as its command changed" in done.stderr, done.stderr
    (copy / "bm25-test/run.trec").write_text("x")
    done = run(*arguments(work, copy))
    assert "bm25-test: runs again, as its output changed" in done.stderr and "retriever: done before" in done.stderr, done.stderr
    write(work / "recipe.json", recipe())


def check_refusals(work):
    def refused(change, *expected):
        document = recipe()
        change(document)
        write(work / "faulty.json", document)
        said = run("pipeline", work / "faulty.json", "--set", f"data={work / 'world'}", "--output", work / "none", status=2).stderr
        for text in expected:
            assert text in said, f"{text!r} is not in {said!r}"
        assert not (work / "none").exists()

    def line(text):
        rows = (work / "faulty.json").read_text().splitlines()
        return next(i + 1 for i, row in enumerate(rows) if text in row)

    stage = lambda document, number: document["stages"][number]
    refused(lambda d: stage(d, 1)["options"].update({"stepz": 3}), "--stepz", "Did you mean --steps?")
    assert f"faulty.json:{line('stepz')}:" in run("pipeline", work / "faulty.json", "--set", f"data={work / 'world'}", "--output",
                                                  work / "none", status=2).stderr
    refused(lambda d: stage(d, 1)["options"].update({"steps": -3}), "--steps", "-3", "faulty.json:")
    refused(lambda d: stage(d, 4)["options"].update({"model": "{pretraned}/run"}), "{pretraned}", "Did you mean pretrained?")
    refused(lambda d: stage(d, 2)["options"].update({"output": "{data}/run.trec"}), "an output in the folder of the stage")
    refused(lambda d: stage(d, 2)["options"].update({"fusion": "weighted"}), "--fusion", "--method")
    refused(lambda d: stage(d, 2).update({"comand": "search"}), "comand", "Did you mean command?")
    refused(lambda d: stage(d, 2).update({"command": "serch"}), "serch", "search")
    refused(lambda d: stage(d, 2).update({"command": "pipeline"}), "pipeline")
    refused(lambda d: stage(d, 2).update({"name": "vocabulary"}), "a name that no other stage")
    refused(lambda d: d["settings"].update({"model": None}), "--set model=VALUE")
    refused(lambda d: d.update({"recipe": 2}), "\"recipe\": 1")
    refused(lambda d: stage(d, 1)["options"].update({"resume": True}), "--resume")
    refused(lambda d: d.update({"stages": []}), "one stage or more")
    run("pipeline", work / "recipe.json", "--set", "dat=x", "--output", work / "none", status=2)
    (work / "faulty.json").write_text('{"recipe": 1,\n "name": "x",\n "stages": [}\n')
    assert "faulty.json:3" in run("pipeline", work / "faulty.json", "--output", work / "none", status=2).stderr
    failing = recipe()
    failing["stages"] = failing["stages"][2:3]
    failing["stages"][0]["options"]["split"] = "dev"
    write(work / "faulty.json", failing)
    said = run("pipeline", work / "faulty.json", "--set", f"data={work / 'world'}", "--output", work / "failing", status=2).stderr
    assert "the stage bm25 ended with status 2" in said, said
    shown = run(*arguments(work, work / "none"), "--dry-run").stdout
    assert shown.count("\nbmae ") == 12 and not (work / "none").exists(), shown


def stages_of(document):
    """How many stages a recipe runs, its grids unrolled."""
    count = 0
    for entry in document["stages"]:
        times = 1
        for values in entry.get("grid", {}).values():
            if isinstance(values, str):   # a setting with commas
                values = str(document["settings"].get(values.strip("{}"), values)).split(",")
            times *= len(values)
        count += times * len(entry.get("stages", [entry]))
    return count


def check_grid(work):
    """A grid: every combination, in order, each with its own folders; refused with its line where it is not one."""
    tune = {"name": "tuned", "command": "finetune", "options": {"preset": "retriever", "model": "x", "data": "{data}", "limit": "{queries}",
            "seed": "{seed}", "steps": 1, "output": "{tuned}/run"}}
    find = {"name": "found", "command": "search", "options": {"model": "{tuned}/run", "data": "{data}", "output": "{found}/run.trec"}}
    compare = {"name": "compared", "command": "evaluate", "options": {"qrels": "{data}/qrels/test.tsv", "run": ["{found-0_3-1}/run.trec"]}}
    document = {"recipe": 1, "name": "grid", "settings": {"data": "d", "seeds": "1,2"},
                "stages": [{"grid": {"queries": [3, 5], "seed": "{seeds}"}, "stages": [tune, find]}]}

    def shown(change=None, status=0):
        copy = json.loads(json.dumps(document))
        if change:
            change(copy)
        write(work / "grid.json", copy)
        return run("pipeline", work / "grid.json", "--output", work / "none", "--dry-run", status=status)

    lines = shown().stdout.splitlines()
    names = [line[2:] for line in lines if line.startswith("# ")]
    assert names == [f"{stage}-{queries}-{seed}" for queries in (3, 5) for seed in (1, 2) for stage in ("tuned", "found")], names
    command = lines[lines.index("# found-5-2") + 1]
    assert f"--model={work}/none/tuned-5-2/run" in command and f"--output={work}/none/found-5-2/run.trec" in command, command
    assert "--limit=5" in lines[lines.index("# tuned-5-1") + 1] and "--seed=1" in lines[lines.index("# tuned-5-1") + 1]
    rates = lambda d: (d["stages"][0]["grid"].update({"queries": [0.3, 1]}), d["stages"][0]["stages"][0]["options"].pop("limit"),
                       d["stages"][0]["stages"][0]["options"].update({"temperature": "{queries}"}), d["stages"].append(compare))
    assert "found-0_3-1/run.trec" in shown(rates).stdout.splitlines()[-1]

    def refused(change, *expected):
        said = shown(change, status=2).stderr
        for text in ("grid.json:", *expected):
            assert text in said, f"{text!r} is not in {said!r}"

    grid = lambda d: d["stages"][0]
    refused(lambda d: grid(d)["grid"].update({"queries": []}), "one value or more")
    refused(lambda d: grid(d)["grid"].update({"queries": [3, 3]}), "values that differ")
    refused(lambda d: grid(d)["grid"].update({"queries": [0.1, "0_1"]}), "a name that no other stage")
    refused(lambda d: grid(d)["grid"].update({"data": [1]}), "that no setting and no stage has")
    refused(lambda d: grid(d)["grid"].update({"queries": list(range(1, 700))}), "at most 1000 combinations", "1398")
    refused(lambda d: grid(d).update({"stages": []}), "one stage or more in a grid")
    refused(lambda d: grid(d).update({"grids": 1}), "grids", "Did you mean grid?")
    refused(lambda d: grid(d)["grid"].update({"queries": ["many"]}), "--limit", "many")
    refused(lambda d: d["stages"].append({**compare, "options": {"qrels": "q", "run": ["{found}/run.trec"]}}), "{found}")


def check_shipped():
    """The recipes of examples/recipes: every command line is one of this program."""
    recipes = sorted((pathlib.Path(__file__).resolve().parents[2] / "examples/recipes").glob("*.json"))
    assert len(recipes) >= 10
    for file in recipes:
        document = json.loads(file.read_text())
        given = [word for name, value in document["settings"].items() if value is None for word in ("--set", f"{name}=x")]
        shown = run("pipeline", file, *given, "--output", "experiment", "--dry-run").stdout
        assert document["name"] == file.stem and shown.count("\nbmae ") == stages_of(document), shown
    print(len(recipes), "shipped recipes")


def commands_of(name):
    """stage -> its command and its options as the pipeline would run it; an option that is repeated has its values in one tuple."""
    file = pathlib.Path(__file__).resolve().parents[2] / f"examples/recipes/{name}.json"
    given = [word for setting, value in json.loads(file.read_text())["settings"].items() if value is None for word in ("--set", f"{setting}=x")]
    lines = run("pipeline", file, *given, "--output", "experiment", "--dry-run").stdout.splitlines()
    commands = {}
    for at, line in enumerate(lines):
        if line.startswith("# ") and at + 1 < len(lines) and lines[at + 1].startswith("bmae "):
            words = shlex.split(lines[at + 1])[1:]
            options = {}
            for word in words[1:]:
                option, _, value = word.removeprefix("--").partition("=")
                options[option] = options.get(option, ()) + (value,)
            commands[line[2:]] = (words[0], {option: values[0] if len(values) == 1 and option != "set" else values for option, values in options.items()})
    return commands


def of_command(commands, command):
    return [options for name, options in commands.values() if name == command]


def differing(one, other):
    return {option for option in one.keys() | other.keys() if one.get(option) != other.get(option)}


# Papers and released scripts: SimLM's (MASTER's text refers to them), RetroMAE's, those of supervised SimCSE for SentMAE's second stage.
PRETRAINING = {
    "master-msmarco": {"pretrained": {"steps": 120_000, "batch-examples": 2048, "learning-rate": 3e-4, "warmup": 4000, "weight-decay": 0}},
    "simlm-msmarco": {"pretrained": {"steps": 80_000, "batch-examples": 2048, "learning-rate": 3e-4, "warmup": 4000, "weight-decay": 0}},
    "retromae-msmarco": {"pretrained": {"epochs": 20, "batch-examples": 1024, "learning-rate": 1e-4, "warmup": .1, "weight-decay": .01}},
    "retromae-nq": {"pretrained": {"epochs": 20, "batch-examples": 1024, "learning-rate": 1e-4, "warmup": .1, "weight-decay": .01}},
    "sentmae-nli": {"stage-1": {"epochs": 8, "batch-examples": 256, "learning-rate": 1e-4, "warmup": .1, "weight-decay": .01},
                    "stage-2": {"epochs": 3, "batch-examples": 512, "learning-rate": 5e-5, "warmup": 0, "weight-decay": 0}}}
SIMLM = {"passages-per-query": 16, "epochs": 3, "batch-examples": 64, "learning-rate": 2e-5, "warmup": 1000, "weight-decay": 0, "temperature": .02, "query-length": 32, "passage-length": 144}
RETROMAE = {"passages-per-query": 16, "epochs": 4, "batch-examples": 128, "learning-rate": 2e-5, "warmup": 0, "weight-decay": 0, "temperature": 1, "query-length": 32, "passage-length": 140}
RERANKER = {"passages-per-query": 16, "epochs": 3, "batch-examples": 64, "learning-rate": 3e-5, "warmup": 1000, "weight-decay": 0, "query-length": 32, "passage-length": 192}
FIRST_RETRIEVERS = {"master-msmarco": SIMLM, "simlm-msmarco": SIMLM, "retromae-msmarco": RETROMAE, "retromae-nq": RETROMAE}


def check_numbers():
    """The numbers of the shipped recipes are those of the papers, and the stages of a grid are those of the whole recipe but for what is varied."""
    known = {name: commands_of(name) for name in ("master-msmarco", "simlm-msmarco", "retromae-msmarco", "retromae-nq", "sentmae-nli")}
    for name, stages in PRETRAINING.items():
        for stage, numbers in stages.items():
            options = known[name][stage][1]
            assert all(float(options[option]) == value for option, value in numbers.items()), (name, stage, options)
    for name, numbers in FIRST_RETRIEVERS.items():
        options = known[name]["retriever-1"][1]
        assert all(float(options[option]) == value for option, value in numbers.items()), (name, options)
    for name in ("master-msmarco", "simlm-msmarco"):   # 64 are scored, 16 are trained on
        options = known[name]["reranker"][1]
        assert all(float(options[option]) == value for option, value in RERANKER.items()), (name, options)
        assert options["preset"] == "reranker-r-drop" and options["set"] == ("forward=64",), (name, options)
    grids = {"master-few-shot": ("master-msmarco", {"limit"}), "master-steps": ("master-msmarco", {"save-every", "keep-last"}),
             "master-mask-rates": ("master-msmarco", set()), "retromae-ablations": ("retromae-msmarco", {"preset"})}
    for name, (whole, varied) in grids.items():
        known[name] = commands_of(name)
        for command, stage in (("pretrain", "pretrained"), ("finetune", "retriever-1")):
            for options in of_command(known[name], command):
                more = differing(options, known[whole][stage][1]) - {"model", "data", "negatives", "output"} - (varied | ({"set"} if command == "pretrain" else set()))
                assert not more, (name, stage, more, options)
    rates = lambda options: tuple(sorted(options["set"]))
    assert [int(options["limit"]) for options in of_command(known["master-few-shot"], "finetune")] == [round(502_939 * share / 100) for share in (5, 10, 20, 50, 100)]
    settings = [rates(options) for options in of_command(known["master-mask-rates"], "pretrain")]
    assert sorted(settings) == [(f"decoder_mask={decoder}", f"encoder_mask={encoder}") for decoder, encoder in ((.3, .3), (.5, .15), (.5, .3), (.5, .5), (.7, .3))], settings   # table 9
    pretrained, = of_command(known["master-steps"], "pretrain")
    read = {int(options["model"].split("step-")[1]) for options in of_command(known["master-steps"], "finetune")}
    assert min(read) == 10_000 and max(read) == int(pretrained["steps"]) == 120_000 and all(step % int(pretrained["save-every"]) == 0 for step in read), read   # figure 2
    ablations = sorted((options["preset"], *rates(options)) for options in of_command(known["retromae-ablations"], "pretrain"))
    shares = (.15, .3, .5, .7, .9)
    assert ablations == sorted([("retromae", f"encoder_mask={share}") for share in shares] + [("retromae-basic", f"decoder_layers={layers}") for layers in (1, 2, 3)] +
                               [(preset, f"decoder_mask={share}") for preset in ("retromae", "retromae-basic") for share in shares]), ablations


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=3)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        write_collection(work / "world")
        write(work / "config.json", {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
                                     "model_type": "bert", "max_position_embeddings": 192, "type_vocab_size": 2, "vocab_size": 300, "hidden_act": "gelu"})
        write(work / "recipe.json", recipe())
        check_shipped()
        check_numbers()
        check_grid(work)
        check_refusals(work)
        check_whole(work)
        check_changes(work)
        check_kills(work, kills)
    print("recipes: equal to the commands by hand, resumed, refused with their lines")


if __name__ == "__main__":
    main()
