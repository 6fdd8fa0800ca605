# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Evaluation while training: held-out loss and gaps of pretrain, ranking figures of finetune that equal those of search and evaluate, the best
checkpoint as the result, early end, the same after a kill, and what is refused."""
import json
import pathlib
import signal
import subprocess
import tempfile

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection


def figures(folder):
    return {line["step"]: line["figures"] for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if "figures" in line}


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def prepare(work):
    write_collection(work / "world")
    lines = (work / "world/corpus.jsonl").read_text().splitlines(keepends=True)
    (work / "train.jsonl").write_text("".join(lines[:60]))
    (work / "held-out.jsonl").write_text("".join(lines[60:]))
    run("prepare", "--input", work / "world/corpus.jsonl", "--build-vocabulary", 300, "--max-length", 48, "--output", work / "all")
    for name in ("train", "held-out"):
        run("prepare", "--input", work / f"{name}.jsonl", "--tokenizer", work / "all", "--max-length", 48, "--output", work / name)
    (work / "config.json").write_text(json.dumps({
        "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
        "max_position_embeddings": 192, "type_vocab_size": 2, "vocab_size": 300, "hidden_act": "gelu"}))


def check_pretraining(work):
    common = ["pretrain", "--preset", "retromae", "--config", work / "config.json", "--data", work / "train", "--batch-examples", 8,
              "--learning-rate", "3e-3", "--threads", 1]
    evaluated = [*common, "--steps", 24, "--save-every", 5, "--keep-last", 1, "--eval-data", work / "held-out", "--eval-every", 4, "--keep-best", "loss"]
    whole = result(*evaluated, "--output", work / "pretrained")
    found = figures(work / "pretrained")
    assert list(found) == [4, 8, 12, 16, 20, 24], found
    assert all(set(row) == {"loss", "decoders", "gap.shuffled", "gap.zeroed"} for row in found.values()), found
    best = min(found, key=lambda step: found[step]["loss"])
    assert whole["best"] == {"step": best, "figure": "loss", "value": found[best]["loss"], "ended_early": False}, whole["best"]
    assert whole["figures"] == found[24] and (work / "pretrained/best").read_text() == f"step-{best}\n"
    # The weights are those of a run without evaluation.
    run(*common, "--steps", 24, "--keep-last", 0, "--save-every", 4, "--output", work / "plain")
    assert weights(work / "pretrained/step-24") == weights(work / "plain/step-24")
    assert weights(work / f"pretrained/step-{best}") == weights(work / f"plain/step-{best}")
    # Killed and resumed.
    process = subprocess.Popen([str(PROGRAM), *map(str, evaluated), "--output", str(work / "killed")], env=ENVIRONMENT,
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("step 12:"):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = result("pretrain", "--resume", "--output", work / "killed")
    assert again["best"] == whole["best"] and figures(work / "killed") == found
    assert weights(work / "killed/model") == weights(work / "pretrained/model")
    print(f"pretrain: best step {best}, gaps {found[24]['gap.shuffled']:.4f} and {found[24]['gap.zeroed']:.4f}")


def check_finetuning(work):
    arguments = ["finetune", "--model", work / "pretrained", "--data", work / "world", "--batch-examples", 8, "--threads", 1, "--learning-rate", "1e-3",
                 "--steps", 40, "--eval-data", work / "world", "--eval-split", "test", "--eval-every", 2, "--eval-measures", "ndcg@10,mrr@10",
                 "--keep-best", "ndcg@10", "--patience", 3, "--save-every", 0, "--output", work / "tuned"]
    tuned = result(*arguments)
    found = figures(work / "tuned")
    best = tuned["best"]
    assert best["value"] == max(row["ndcg@10"] for row in found.values()) == found[best["step"]]["ndcg@10"], (best, found)
    if best["ended_early"]:
        assert tuned["step"] == max(found) and tuned["step"] < 40 and tuned["end"] == "finished", tuned
    # The figure is that of search and evaluate over the published folder, and over the output folder.
    for number, model in enumerate((tuned["sentence_transformer"], work / "tuned")):
        run("search", "--model", model, "--data", work / "world", "--split", "test", "--threads", 1, "--output", work / f"best{number}.trec")
        measured = result("evaluate", "--qrels", work / "world/qrels/test.tsv", "--run", work / f"best{number}.trec", "--measures", "ndcg@10")
        assert abs(measured["measures"]["ndcg@10"] - best["value"]) < 1e-6, (measured, best)
    print(f"finetune: best step {best['step']} of {tuned['step']}, ndcg@10 {best['value']:.4f}, ended early: {best['ended_early']}")


def check_refusals(work):
    common = ["pretrain", "--preset", "retromae", "--config", work / "config.json", "--data", work / "train", "--steps", 2, "--output", work / "none"]

    def refused(*words, says):
        said = run(*words, status=2).stderr
        assert says in said, (words, said)

    refused(*common, "--keep-best", "loss", says="--eval-data")
    refused(*common, "--eval-data", work / "held-out", "--patience", 2, says="--keep-best")
    refused(*common, "--eval-data", work / "train", says="held-out passages")
    refused(*common, "--eval-data", work / "world", says=str(work / "world"))
    said = run(*common, "--eval-data", work / "held-out", "--eval-every", 1, "--keep-best", "ndcg@10", status=2).stderr
    assert "loss, decoders" in said and not (work / "none").exists(), said   # before the first step
    refused("pretrain", "--preset", "contriever", *common[3:], "--eval-data", work / "held-out", says="momentum")
    run("export", "--model", work / "pretrained", "--query-prompt", "find: ", "--output", work / "prompted")
    said = run("pretrain", "--preset", "retromae", "--model", work / "prompted", *common[5:], "--threads", 1).stderr
    assert f"the prompts of {work / 'prompted'} are not kept" in said.split("step 1")[0], said
    assert "not kept" not in run("pretrain", "--preset", "retromae", "--model", work / "pretrained", *common[5:-1], work / "none3", "--threads", 1).stderr
    tune = ["finetune", "--model", work / "pretrained", "--data", work / "world", "--steps", 2, "--output", work / "none2"]
    refused(*tune, "--preset", "reranker", "--eval-data", work / "world", says="dense vectors")
    refused(*tune, "--eval-data", work / "world", "--eval-split", "dev", says="dev")
    refused(*tune, "--eval-data", work / "world", "--eval-split", "test", "--eval-measures", "ndgc@10", says="ndgc@10")
    refused(*tune, "--eval-data", work / "world", "--eval-split", "test", "--eval-measures", "ndcg@10", "--keep-best", "mrr@10", says="--keep-best")


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        prepare(work)
        check_pretraining(work)
        check_finetuning(work)
        check_refusals(work)


if __name__ == "__main__":
    main()
