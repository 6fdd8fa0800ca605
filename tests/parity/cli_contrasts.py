# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae finetune` with scored pairs, nested vectors, Euclidean distances, negatives by epoch, masks, batches of one source and the settings of
papers; `bmae mine` with a reranker. Each resumes to the same bits; what lacks its data is refused by name. The folder of a retriever by distance
is ranked as sentence-transformers ranks it."""
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

import numpy
from safetensors.numpy import load_file

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

try:
    from sentence_transformers import SentenceTransformer
except ModuleNotFoundError:
    SentenceTransformer = None


def weights(folder):
    return (folder / "sentence-transformer" / "model.safetensors").read_bytes()


def resumes(folder, arguments, steps=4):
    """A run that stopped at half of its steps ends with the bytes of one that did not."""
    whole = folder / "whole"
    done = result(*arguments, "--steps", steps, "--save-every", steps // 2, "--keep-last", 0, "--output", whole)
    again = folder / "again"
    shutil.copytree(whole, again)
    shutil.rmtree(again / "sentence-transformer")
    shutil.rmtree(again / f"step-{steps}")
    (again / "latest").unlink(missing_ok=True)
    continued = result(*arguments, "--steps", steps, "--save-every", steps // 2, "--keep-last", 0, "--output", again, "--resume")
    assert continued["resumed_from"] == steps // 2, continued
    assert weights(whole) == weights(again), folder
    return done


def check_scored_pairs(work, tune, texts):
    rng = random.Random(4)
    rows = [(rng.choice(texts), rng.choice(texts), round(rng.uniform(0, 5), 1)) for _ in range(40)]
    (work / "sts.tsv").write_text("".join(f"{a}\t{b}\t{label}\n" for a, b, label in rows))
    scored = [*tune, "--preset", "scored-pairs", "--data", work / "sts.tsv", "--batch-examples", 16]
    losses = {}
    for name, settings in {"cosent": [], "angle": ["--set", "loss=angle"], "cosine": ["--set", "loss=cosine", "--set", "label_scale=5"]}.items():
        done = result(*scored, *settings, "--steps", 3, "--output", work / f"scored-{name}")
        term = done["terms"][0]
        assert term["kind"] == "pair_similarity" and term["labels"] > 0, done
        losses[name] = term["loss"]
    assert len(set(losses.values())) == 3, losses
    (work / "resumed-scored").mkdir()
    resumes(work / "resumed-scored", scored)
    result("pairs", "--input", work / "sts.tsv", "--labels", "similarity", "--tokenizer", work / "store", "--output", work / "sts.pairs")
    result(*tune, "--preset", "scored-pairs", "--data", work / "sts.pairs", "--steps", 1, "--output", work / "scored-store")
    for arguments, words in (([*scored, "--set", "loss=cosine"], ["label_scale", "labels from -1 to 1"]),
                             ([*tune, "--preset", "scored-pairs", "--data", work / "data"], ["two texts and how similar they are"]),
                             ([*tune, "--data", work / "sts.pairs"], ["scored pairs of texts", "scored-pairs"]),
                             ([*tune, "--data", work / "sts.tsv"], ["a label of 0 or 1", "scored-pairs"]),
                             ([*scored[:-1], 1], ["at least 2 pairs", "loss=cosine"])):
        refused = run(*arguments, "--steps", 1, "--output", work / "none", status=2).stderr
        assert all(word in refused for word in words), refused
        shutil.rmtree(work / "none", ignore_errors=True)
    print("scored pairs:", losses)


def check_nested(work, tune):
    nested = [*tune, "--data", work / "data", "--normalize", "--matryoshka", "16,8:0.5"]
    (work / "nested").mkdir()
    done = resumes(work / "nested", [*nested, "--truncate-dim", 8])
    plain = result(*tune, "--data", work / "data", "--normalize", "--steps", 4, "--output", work / "plain")
    assert done["terms"][0]["loss"] > plain["terms"][0]["loss"], (done, plain)
    folder = work / "nested" / "whole" / "sentence-transformer"
    config = json.loads((folder / "config_sentence_transformers.json").read_text())
    assert config["truncate_dim"] == 8 and config["similarity_fn_name"] == "cosine", config
    encode = ["encode", "--input", work / "data" / "corpus.jsonl"]
    assert result(*encode, "--model", folder, "--output", work / "cut.safetensors")["dimension"] == 8
    assert result(*encode, "--model", work / "nested" / "whole", "--output", work / "whole.safetensors")["dimension"] == 32
    cut, whole = (load_file(work / f"{name}.safetensors")["embeddings"] for name in ("cut", "whole"))
    unit = lambda rows: rows / numpy.linalg.norm(rows, axis=1, keepdims=True)   # the whole ones are of length 1, the cut ones are not
    assert numpy.abs(unit(whole[:, :8]) - unit(cut)).max() < 1e-5
    for settings, words in ((["--matryoshka", "64"], ["--matryoshka up to 32"]), (["--matryoshka", "8:x"], ["256,64:0.5"]),
                            (["--matryoshka", "8,8"], ["each dimension once"]), (["--truncate-dim", "33"], ["--truncate-dim up to 32"])):
        refused = run(*tune, "--data", work / "data", *settings, "--steps", 1, "--output", work / "none", status=2).stderr
        assert all(word in refused for word in words), refused
        shutil.rmtree(work / "none", ignore_errors=True)
    refused = run(*tune, "--preset", "colbert", "--data", work / "data", "--matryoshka", 8, "--steps", 1, "--output", work / "none", status=2).stderr
    assert "one vector per text" in refused, refused


def killed_and_resumed(arguments, whole, cut, steps=60):
    """A run that SIGKILL ended behind its first checkpoint goes on to the bytes of one that was left alone."""
    words = [*arguments, "--steps", steps, "--save-every", 4, "--keep-last", 0]
    done = result(*words, "--output", whole)
    process = subprocess.Popen([str(PROGRAM), *map(str, words), "--output", str(cut)], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (cut / "step-4").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(.005)
    process.kill()
    process.wait()
    assert (cut / "step-4").exists() and not (cut / "sentence-transformer").exists(), "the run ended before it was killed"
    result(*words, "--output", cut, "--resume")
    assert weights(whole) == weights(cut)
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (whole / f"step-{steps}" / name).read_bytes() == (cut / f"step-{steps}" / name).read_bytes(), name
    return done


def check_ranking(work, folder, name):
    """Search by the folder, without an option, ranks by distance; scores and order are those of sentence-transformers."""
    config = json.loads((folder / "config_sentence_transformers.json").read_text())
    assert config["similarity_fn_name"] == "euclidean", config
    assert "Normalize" not in (folder / "modules.json").read_text()
    hits = work / f"{name}.trec"
    done = run("search", "--model", folder, "--data", work / "data", "--split", "test", "--top-k", 10, "--output", hits)
    assert "similarity euclidean" in done.stderr, done.stderr
    if SentenceTransformer is None:
        print("skipped: ranking by sentence-transformers, which is not installed")
        return hits
    read = lambda part: [json.loads(line) for line in (work / "data" / f"{part}.jsonl").read_text().splitlines()]
    queries, documents = read("queries"), read("corpus")
    peer = SentenceTransformer(str(folder), device="cpu")
    assert peer.similarity_fn_name == "euclidean", peer.similarity_fn_name
    scores = peer.similarity(peer.encode_query([q["text"] for q in queries]),
                             peer.encode_document([d["title"] + " " + d["text"] for d in documents])).numpy()
    row, column = ({one["_id"]: i for i, one in enumerate(some)} for some in (queries, documents))
    found = {}
    for line in hits.read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        found.setdefault(query, []).append((column[document], float(score)))
    assert len(found) > 10, found
    for query, ranked in found.items():
        theirs = scores[row[query]]
        best = numpy.sort(theirs)[::-1][:10]
        assert len(ranked) == 10 and best.max() <= 0, (query, ranked)
        for rank, (document, score) in enumerate(ranked):
            for wanted in (theirs[document], best[rank]):   # both expand |q - p|^2, so that small distances have the error of the squares
                assert abs(score - wanted) < 1e-4 or abs(score**2 - wanted**2) < 2e-5, (query, rank, score, wanted)
    return hits


def check_distances(work, tune):
    """Training by Euclidean distances, and what comes behind it without an option: folder, search, further training."""
    assert "euclidean" in run("presets", "retriever").stdout
    far = [*tune, "--data", work / "data", "--set", "similarity=euclidean"]
    whole = work / "far"
    done = killed_and_resumed([*far, "--negatives", work / "bm25.trec", "--passages-per-query", 3], whole, work / "far-cut")
    assert done["terms"][0]["loss"] > 0 and done["terms"][0]["labels"] > 0, done
    folder = whole / "sentence-transformer"
    hits = check_ranking(work, folder, "far")
    again = work / "far-run.trec"   # the checkpoint itself says how it compares
    run("search", "--model", whole, "--data", work / "data", "--split", "test", "--top-k", 10, "--output", again)
    for mine, theirs in zip(*(map(str.split, file.read_text().splitlines()) for file in (again, hits)), strict=True):
        assert mine[0] == theirs[0] and abs(float(mine[4]) - float(theirs[4])) < 1e-5, (mine, theirs)
    exported = work / "far-exported"
    assert result("export", "--model", whole, "--output", exported)["similarity"] == "euclidean"
    check_ranking(work, exported, "far-exported")
    dot = work / "far-dot.trec"
    run("search", "--model", folder, "--data", work / "data", "--split", "test", "--top-k", 10, "--similarity", "dot", "--output", dot)
    assert dot.read_bytes() != hits.read_bytes()
    further = run("finetune", "--model", folder, "--data", work / "data", "--steps", 1, "--output", work / "far-on")
    assert "similarity euclidean" in further.stderr and "temperature 0.05" not in further.stderr, further.stderr
    check_ranking(work, work / "far-on" / "sentence-transformer", "far-on")
    (work / "far-nested").mkdir()
    resumes(work / "far-nested", [*far, "--matryoshka", "16,8:0.5", "--truncate-dim", 16])
    check_ranking(work, work / "far-nested" / "whole" / "sentence-transformer", "far-nested")
    seen = {}
    scores = ["--negatives", work / "bm25.trec", "--teacher-scores", work / "bm25.trec", "--passages-per-query", 3]
    for name, options in {"plain": [], "four_block": ["--contrast", "four_block"], "symmetric": ["--contrast", "symmetric"],
                          "pairwise_margin": ["--contrast", "pairwise_margin"],
                          "masked": ["--set", "terms.0.margin_mask=score_relative", "--set", "terms.0.mask_margin=0.2"],
                          "cached": ["--accumulate", 2, "--gradient-cache", "--batch-examples", 4],
                          "two": ["--two-encoders"], "bf16": ["--precision", "bf16"],
                          "kl": ["--preset", "retriever-distilled", "--temperature", "1", *scores],
                          "margins": ["--preset", "retriever-margin-mse", *scores]}.items():
        output = work / f"far-{name}"
        seen[name] = result(*far, *options, "--steps", 2, "--output", output)["terms"][0]["loss"]
        config = json.loads((output / "sentence-transformer" / "config_sentence_transformers.json").read_text())
        assert seen[name] > 0 and config["similarity_fn_name"] == "euclidean", (name, seen, config)
    assert abs(seen.pop("two") - seen["plain"]) < 1e-4, seen   # two encoders start as copies of one
    assert len(set(seen.values())) == len(seen), seen
    told = run(*far, "--preset", "retriever-bge", "--set", "passages=2", "--steps", 1, "--output", work / "far-bge").stderr
    assert "temperature of retriever-bge is one for cosines" in told, told
    scored = [*tune, "--preset", "scored-pairs", "--data", work / "sts.tsv", "--batch-examples", 16, "--set", "terms.0.similarity=euclidean"]
    assert result(*scored, "--steps", 1, "--output", work / "far-scored")["terms"][0]["loss"] > 0
    config = json.loads((work / "far-scored" / "sentence-transformer" / "config_sentence_transformers.json").read_text())
    assert config["similarity_fn_name"] == "euclidean", config
    unpooled = [word for word in tune if word not in ("--pooling", "cls")]
    for arguments, words in (([*far, "--normalize"], ["one value of similarity", "--normalize is similarity=cosine"]),
                             ([*tune, "--data", work / "data", "--set", "similarity=manhattan"], ["one of dot, cosine, euclidean"]),
                             ([*scored, "--set", "loss=cosine"], ["which labels can equal", "euclidean"]),
                             ([*unpooled, "--preset", "splade", "--data", work / "data", "--set", "terms.0.similarity=euclidean"],
                              ["terms.0.similarity=dot", "euclidean"])):
        refused = run(*arguments, "--steps", 1, "--output", work / "none", status=2).stderr
        assert all(word in refused for word in words), refused
        shutil.rmtree(work / "none", ignore_errors=True)
    print("by distance:", {name: round(loss, 3) for name, loss in seen.items()})


def check_pretraining(work):
    """What a contrast of pre-training compared is what search ranks by and what the exported folder says."""
    for preset, pooling, similarity in (("simcse-unsupervised", [], "cosine"), ("mlm", ["--pooling", "cls"], "dot")):
        output = work / f"contrast-{preset}"
        run("pretrain", "--preset", preset, "--config", "tiny", "--hidden", 32, "--layers", 2, "--batch-tokens", 512, "--data", work / "store", "--steps", 1, "--output", output)
        told = run("search", "--model", output, *pooling, "--data", work / "data", "--split", "test", "--top-k", 3, "--output", work / f"{preset}.trec").stderr
        assert f"similarity {similarity}" in told, (preset, told)
        exported = result("export", "--model", output, *pooling, "--output", work / f"{preset}-exported")
        assert exported["similarity"] == similarity, (preset, exported)


def check_negatives(work, tune):
    """Choices of negatives and masks give runs of their own, which resume; those that need scores say so."""
    data = ["--data", work / "data", "--negatives", work / "bm25.trec", "--passages-per-query", 4]
    scores = ["--teacher-scores", work / "bm25.trec"]
    choices = {"random": [], "modulo": ["--set", "sampling=modulo"], "shuffled": ["--set", "sampling=shuffled"],
               "ambiguous": ["--set", "sampling=ambiguous", *scores],
               "window": ["--set", "passes.1.view.source.skip=5", "--set", "depth=15"],
               "by-score": ["--set", "terms.0.margin_mask=score", "--set", "terms.0.mask_margin=0.5"],
               "by-teacher": ["--set", "terms.0.margin_mask=teacher_relative", "--set", "terms.0.mask_margin=0.9", *scores],
               "margin": ["--contrast", "pairwise_margin"],
               "learned": ["--set", "terms.0.learn_temperature=1"],
               "warm": ["--normalize", "--temperature", "0.05", "--set", "terms.0.temperature_warmup=0.5"]}
    seen = {}
    for name, settings in choices.items():
        place = work / f"choice-{name}"
        place.mkdir()
        seen[name] = resumes(place, [*tune, *data, *settings])["terms"][0]["loss"]
        assert seen[name] > 0, seen
    assert len(set(seen.values())) == len(seen), seen
    learned = load_file(work / "choice-learned" / "whole" / "step-4" / "model.safetensors")["terms.0.log_scale"]
    assert learned.shape == (1,) and learned[0] != 0, learned
    for settings, words in ((["--set", "sampling=ambiguous"], ["sampling=ambiguous", "--teacher-scores"]),
                            (["--set", "terms.0.margin_mask=teacher"], ["margin_mask", "--teacher-scores"]),
                            (scores, ["--teacher-scores", "retriever-distilled"]),
                            (["--set", "terms.0.mask_margin=1"], ["margin_mask"]),
                            (["--set", "passes.1.view.source.skip=9", "--set", "depth=9"], ["a depth above skip"])):
        refused = run(*tune, *data, *settings, "--steps", 1, "--output", work / "none", status=2).stderr
        assert all(word in refused for word in words), refused
        shutil.rmtree(work / "none", ignore_errors=True)
    distilled = result(*tune, *data, *scores, "--preset", "retriever-margin-mse", "--steps", 2, "--output", work / "margin-mse")
    assert distilled["terms"][0]["kind"] == "distillation" and distilled["terms"][0]["labels"] > 0, distilled
    print("negatives:", {name: round(loss, 3) for name, loss in seen.items()})


def check_sources(work, tune, texts):
    for name, part in (("a", texts[:24]), ("b", texts[24:60])):
        (work / f"{name}.tsv").write_text("".join(f"{' '.join(text.split()[:4])}\t{text}\n" for text in part))
    files = ["--data", f"{work / 'a.tsv'}:2", work / "b.tsv", "--batch-examples", 8]
    (work / "sources").mkdir()
    one = resumes(work / "sources", [*tune, *files, "--one-source"], steps=6)
    mixed = result(*tune, *files, "--steps", 6, "--output", work / "mixed")
    assert one["queries"] == mixed["queries"] and one["terms"][0]["loss"] != mixed["terms"][0]["loss"], (one, mixed)
    pairs = ["pairs", "--input", work / "a.tsv", work / "b.tsv", "--tokenizer", work / "store"]
    run(*pairs, "--keep-sources", "--output", work / "kept.pairs")
    run(*pairs, "--output", work / "lost.pairs")
    assert numpy.fromfile(work / "kept.pairs" / "query_sources", numpy.uint32).tolist() == [0] * 24 + [1] * 36
    result(*tune, "--data", work / "kept.pairs", "--one-source", "--steps", 1, "--output", work / "kept")
    for data, words in ((work / "lost.pairs", "--keep-sources"), (work / "data", "several files"), (work / "a.tsv", "several files")):
        refused = run(*tune, "--data", data, "--one-source", "--steps", 1, "--output", work / "none", status=2).stderr
        assert words in refused, refused


def check_papers(work, tune):
    names = [preset["name"] for preset in result("presets")["finetuning"] if preset["name"].startswith("retriever-")]
    assert len(names) == 12, names
    for name in names:
        scores = ["--teacher-scores", work / "bm25.trec"] if name in ("retriever-distilled", "retriever-margin-mse") else []
        done = result(*tune, "--preset", name, "--data", work / "data", "--negatives", work / "bm25.trec", *scores, "--set", "passages=3",
                      "--query-length", 16, "--passage-length", 32, "--steps", 1, "--output", work / name)
        assert done["preset"] == name and done["terms"][0]["labels"] > 0, done


def check_mining(work):
    judged = {tuple(line.split("\t")[:2]) for line in (work / "data" / "qrels" / "train.tsv").read_text().splitlines()[1:]}
    first = {}
    for line in (work / "bm25.trec").read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        first.setdefault(query, {})[document] = float(score)
    rng = random.Random(5)
    lines, expected = [], 0
    for query, hits in first.items():
        scores = {document: rng.uniform(-5, 5) for document in hits if rng.random() < .9}
        for rank, (document, score) in enumerate(sorted(scores.items(), key=lambda entry: -entry[1])):
            lines.append(f"{query} Q0 {document} {rank + 1} {score!r} r")
        relevant = [scores[document] for document in scores if (query, document) in judged]
        if relevant:
            expected += sum(score < max(relevant) - 1 for document, score in scores.items() if (query, document) not in judged)
    (work / "reranked.trec").write_text("\n".join(lines) + "\n")
    mine = ["mine", "--run", work / "bm25.trec", "--data", work / "data", "--split", "train", "--window", "1:1000", "--number", 1000, "--sample", "top"]
    done = result(*mine, "--reranker-scores", work / "reranked.trec", "--reranker-margin", 1, "--output", work / "mined.tsv")
    assert done["negatives"] == expected > 20 and done["runs"] == 1, (done, expected)
    left = done["left_out"]
    assert left["hits within the reranker's margin of a relevant document"] > 0 and left["hits without a score of the reranker"] > 0, left
    plain = result(*mine, "--output", work / "mined-plain.tsv")
    assert plain["negatives"] > expected and plain["left_out"]["hits without a score of the reranker"] == 0, plain


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    run("pretrain", "--preset", "mlm", "--config", "tiny", "--hidden", 32, "--layers", 2, "--batch-tokens", 512, "--data", work / "store", "--steps", 2,
        "--output", work / "pretrained")
    run("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 40, "--output", work / "bm25.trec")
    texts = [json.loads(line)["text"] for line in (data / "corpus.jsonl").read_text().splitlines()]
    tune = ["finetune", "--model", work / "pretrained" / "model", "--pooling", "cls", "--learning-rate", "1e-3"]
    check_scored_pairs(work, tune, texts)
    check_nested(work, tune)
    check_distances(work, tune)
    check_pretraining(work)
    check_negatives(work, tune)
    check_sources(work, tune, texts)
    check_papers(work, tune)
    check_mining(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
