# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae finetune --preset reranker` and `reranker-r-drop`: the loss of the first step, by each loss and with the texts that the reranker's own
scores choose, is that of sentence-transformers' CrossEncoder in plain Python; a killed run goes on to the same bits; what does not fit is
refused by name.
"""
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

try:
    import torch
    import torch.nn.functional as F
    from sentence_transformers import CrossEncoder
except ImportError:
    CrossEncoder = None

FORWARD, KEEP, QUERIES = 6, 3, 24
LENGTHS = ["--query-length", 64, "--passage-length", 200]   # no pair is cut


def write_candidates(work):
    """One relevant document and FORWARD - 1 negatives of each training query: its group is known."""
    data = write_collection(work / "data")
    documents = [json.loads(line)["_id"] for line in (data / "corpus.jsonl").read_text().splitlines()]
    queries = [json.loads(line)["_id"] for line in (data / "queries.jsonl").read_text().splitlines()]
    groups = {}
    for number, query in enumerate(query for query in queries if query.startswith("qtrain")):
        positive = f"d{query.removeprefix('qtrain').split('-')[0]}-0"
        others = [document for document in documents if document != positive]
        groups[query] = [positive, *(others[(7 * number + 11 * i) % len(others)] for i in range(FORWARD - 1))]
        assert len(set(groups[query])) == FORWARD
    assert len(groups) == QUERIES
    (data / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{g[0]}\t1\n" for q, g in groups.items()))
    (work / "negatives.tsv").write_text("".join(f"{q}\t{d}\n" for q, group in groups.items() for d in group[1:]))
    return data, groups


def loss_of(log):
    return json.loads(log.read_text().splitlines()[0])["loss"]


def check_first_step(work, tune, data, groups):
    """The loss before the first update, without dropout, over all queries once."""
    if CrossEncoder is None:
        print("skipped: the loss of the first step, sentence-transformers is not installed")
        return 0
    start = work / "start" / "cross-encoder"
    read = lambda part: map(json.loads, (data / f"{part}.jsonl").read_text().splitlines())
    texts = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in read("corpus")}
    asked = {row["_id"]: row["text"] for row in read("queries")}
    pairs = [(asked[q], texts[d]) for q, group in groups.items() for d in group]
    scores = torch.tensor(CrossEncoder(str(start), device="cpu").predict(pairs, show_progress_bar=False, activation_fn=torch.nn.Identity()))
    scores = scores.double().view(QUERIES, FORWARD)
    raised = scores.clone()
    raised[:, 0] = float("inf")   # as SimLM's released code keeps the positive
    kept = scores.gather(1, raised.topk(KEEP, dim=1).indices)
    assert not (scores.argmax(1) == 0).all()
    losses = {
        "softmax": lambda s: F.cross_entropy(s, torch.zeros(QUERIES, dtype=torch.long)),
        "pointwise": lambda s: F.binary_cross_entropy_with_logits(s, F.one_hot(torch.zeros(QUERIES, dtype=torch.long), s.shape[1]).double()),
        "margin": lambda s: F.relu(.5 - s[:, :1] + s[:, 1:]).mean()}
    compared = 0
    for name, loss in losses.items():
        more = ["--set", f"loss={name}", *(["--set", "margin=0.5"] if name == "margin" else [])]
        for preset in ("reranker", "reranker-r-drop") if name != "margin" else ("reranker",):
            for forward, expected in (((), loss(scores)), ((FORWARD,), loss(kept))):
                size = ["--passages-per-query", KEEP, "--set", f"forward={FORWARD}"] if forward else ["--passages-per-query", FORWARD]
                for batch in ((QUERIES, 1), (QUERIES // 3, 3)):
                    output = work / "one-step"
                    run(*tune, "--model", start, "--preset", preset, *more, *size, "--dropout", 0, "--batch-examples", batch[0], "--accumulate", batch[1],
                        "--steps", 1, "--log-every", 1, "--output", output)
                    found = loss_of(output / "log.jsonl")
                    assert abs(found - expected.item()) <= 1e-4 * max(1, expected.item()), (name, preset, forward, batch, found, expected.item())
                    shutil.rmtree(output)
                    compared += 1
    return compared


def killed_and_resumed(arguments, whole, cut):
    """A run that SIGKILL ended behind its first checkpoint goes on to the bytes of one that was left alone."""
    words = [*arguments, "--steps", 40, "--save-every", 4, "--keep-last", 0]
    run(*words, "--output", whole)
    process = subprocess.Popen([str(PROGRAM), *map(str, words), "--output", str(cut)], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (cut / "step-4").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(.005)
    process.kill()
    process.wait()
    assert (cut / "step-4").exists() and not (cut / "cross-encoder").exists(), "the run ended before it was killed"
    resumed = result(*words, "--output", cut, "--resume")
    assert 4 <= resumed["resumed_from"] < 40, resumed
    for name in ("cross-encoder/model.safetensors", "step-40/model.safetensors", "step-40/optimizer.safetensors"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


def check_runs(work, tune):
    """Each loss with chosen texts, in several micro-batches and with dropout, killed once."""
    weights = {}
    for preset, loss in (("reranker", "softmax"), ("reranker", "pointwise"), ("reranker", "margin"), ("reranker-r-drop", "softmax"), ("reranker-r-drop", "pointwise")):
        name = f"{preset}-{loss}"
        words = [*tune, "--model", work / "pretrained", "--preset", preset, "--set", f"loss={loss}", "--set", f"forward={FORWARD}", "--passages-per-query", KEEP,
                 "--batch-examples", 4, "--accumulate", 2, "--dropout", .1]
        killed_and_resumed(words, work / name, work / f"{name}-killed")
        weights[name] = (work / name / "cross-encoder" / "model.safetensors").read_bytes()
    assert len(set(weights.values())) == len(weights)
    # A run goes on with what it began with.
    refused = run(*tune, "--model", work / "pretrained", "--preset", "reranker", "--set", "loss=softmax", "--set", "forward=5", "--passages-per-query", KEEP,
                  "--batch-examples", 4, "--accumulate", 2, "--dropout", .1, "--steps", 60, "--output", work / "reranker-softmax", "--resume", status=2).stderr
    assert "forward" in refused, refused
    # Where all are kept nothing is chosen, and the bits are those of a run without the option.
    same = []
    for more in ([], ["--set", "forward=3"]):
        output = work / f"plain-{len(more)}"
        run(*tune, "--model", work / "pretrained", "--preset", "reranker", *more, "--passages-per-query", 3, "--batch-examples", 8, "--steps", 3, "--output", output)
        same.append((output / "cross-encoder" / "model.safetensors").read_bytes())
    assert same[0] == same[1]
    return len(weights)


def check_refusals(work, tune):
    listed = {preset["name"]: {option["name"] for option in preset["numbers"]} for preset in result("presets")["finetuning"]}
    assert {"forward", "loss", "margin", "passages"} <= listed["reranker"] & listed["reranker-r-drop"] and "forward" not in listed["retriever"], listed
    assert "kl_reduction" in listed["retriever-distilled"] and "kl_reduction" not in listed["retriever"], listed
    shown = run("presets", "reranker").stdout
    assert "forward" in shown and "loss" in shown, shown
    for preset, settings, says in (("reranker", ["forward=2"], "forward of at least the 3 passages"), ("reranker", ["margin=2"], "loss=margin"),
                                   ("reranker", ["loss=margin", "margin=0"], "finite margin above 0"), ("reranker", ["loss=margin", "margin=nan"], "margin"),
                                   ("reranker", ["loss=listwise"], "pointwise"), ("reranker-r-drop", ["loss=margin"], "softmax or pointwise"),
                                   ("reranker", ["forward=-1"], "forward"), ("retriever", ["forward=6"], "forward"),
                                   ("reranker-r-drop", ["forward=6", "passes.1.view.source.forward=5"], "passes.1.view.source.forward")):
        words = [word for setting in settings for word in ("--set", setting)]
        refused = run(*tune, "--model", work / "pretrained", "--preset", preset, *words, "--passages-per-query", 3, "--batch-examples", 4, "--steps", 1,
                      "--output", work / "no", status=2).stderr
        assert says in refused and not (work / "no").exists(), (preset, settings, refused)


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        data, groups = write_candidates(work)
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        run("pretrain", "--config", "tiny", "--hidden", 32, "--layers", 2, "--data", work / "store", "--batch-tokens", 512, "--steps", 4, "--output", work / "pretrained")
        tune = ["finetune", "--data", data, "--split", "train", "--negatives", work / "negatives.tsv", "--learning-rate", "1e-3", "--threads", 1, *LENGTHS]
        run(*tune, "--model", work / "pretrained", "--preset", "reranker", "--passages-per-query", 4, "--batch-examples", 8, "--steps", 12, "--output", work / "start")
        print(check_first_step(work, tune, data, groups), "losses of a first step are those of CrossEncoder")
        print(check_runs(work, tune), "killed runs go on to the same bits")
        check_refusals(work, [word for word in tune if word not in LENGTHS])


if __name__ == "__main__":
    main()
