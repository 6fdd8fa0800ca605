# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Search by sparse vectors over invented texts, beside SparseEncoder and semantic_search of sentence-transformers with the same random
model: seconds to encode, queries per second, bytes, and whether scores and rankings are equal.

Usage: sparse.py BMAE [--documents 100000] [--queries 1000] [--k 100] [--terms 120] [--threads 2] [--repeats 3] [--folder DIR]
Needs sentence-transformers 5 or newer and transformers. The queries per second of both count encoding them and the search, without
loading the model and the vectors: those of bmae are the difference between runs of all queries and of one.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

WORDS = 6000


def words_of(rng):
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = set()
    while len(words) < WORDS:
        words.add("".join(rng.choices(syllables, k=rng.randint(2, 4))))
    return sorted(words)


def make_model(folder, words, texts, terms):
    """A random masked language model whose head leaves about `terms` weights above 0; as SPLADE's folders are."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast
    folder.mkdir()
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    torch.manual_seed(1)
    model = BertForMaskedLM(BertConfig(vocab_size=len(tokens), hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256,
                                       max_position_embeddings=128)).eval()
    model.bert.embeddings.word_embeddings.weight.data.mul_(50)   # the words decide, not the positions: every text has weights of its own
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=128)
    with torch.no_grad():   # the logits are shifted until so many are above 0
        batch = tokenizer(texts[:64], return_tensors="pt", padding=True, truncation=True, max_length=128)
        logits = model(**batch).logits.masked_fill(batch["attention_mask"][..., None] == 0, -torch.inf).amax(1)
        model.cls.predictions.bias -= logits.flatten().sort().values[int(logits.numel() * (1 - terms / len(tokens)))]
    raw = folder / "raw"
    model.save_pretrained(raw)
    tokenizer.save_pretrained(raw)
    sparse = SparseEncoder(modules=[MLMTransformer(str(raw), max_seq_length=128), SpladePooling("max")], device="cpu")
    sparse.save_pretrained(str(folder / "sparse"))
    return folder / "sparse"


def write_world(folder, documents, queries, words, rng):
    shares = [1 / (rank + 20) for rank in range(len(words))]
    texts = [" ".join(rng.choices(words, shares, k=rng.randint(20, 60))) for _ in range(documents)]
    asked = [" ".join(rng.choices(words, shares, k=rng.randint(3, 8))) for _ in range(queries)]
    for name, count in (("all", queries), ("one", 1)):
        data = folder / name
        data.mkdir()
        (data / "queries.jsonl").write_text("".join(json.dumps({"_id": f"q{i}", "text": text}) + "\n" for i, text in enumerate(asked[:count])))
        if name == "all":
            (data / "corpus.jsonl").write_text("".join(json.dumps({"_id": f"d{i}", "title": "", "text": text}) + "\n" for i, text in enumerate(texts)))
        else:
            os.link(folder / "all" / "corpus.jsonl", data / "corpus.jsonl")
    return texts, asked


def timed(program, *arguments):
    began = time.perf_counter()
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def ours(options, work, model):
    threads = ["--threads", options.threads]
    encode = timed(options.program, "encode", "--model", model, "--input", work / "all" / "corpus.jsonl", "--output", work / "vectors", *threads)
    seconds = []
    for repeat in range(options.repeats):
        each = {}
        for name in ("all", "one"):
            output = work / f"{name}-{repeat}.trec"
            each[name] = timed(options.program, "search", "--method", "sparse", "--model", model, "--data", work / name, "--split", "all", "--top-k",
                               options.k, "--embeddings", work / "vectors", "--output", output, *threads)
        seconds.append(each["all"] - each["one"])
    size = sum(path.stat().st_size for path in (work / "vectors").iterdir() if path.suffix == ".safetensors")
    hits = {}
    for line in (work / "all-0.trec").read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        hits.setdefault(query, []).append((document, float(score)))
    return {"encode": encode, "search": seconds, "open": each["one"], "bytes": size, "hits": hits}


def theirs(options, model, texts, asked):
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.util import semantic_search
    torch.set_num_threads(options.threads)
    sparse = SparseEncoder(str(model), device="cpu")
    began = time.perf_counter()
    corpus = sparse.encode_document(texts, show_progress_bar=False, batch_size=128).coalesce()
    encode = time.perf_counter() - began
    seconds = []
    for _ in range(options.repeats):
        began = time.perf_counter()
        queries = sparse.encode_query(asked, show_progress_bar=False, batch_size=128)
        found = semantic_search(queries, corpus, top_k=options.k, score_function=sparse.similarity)
        seconds.append(time.perf_counter() - began)
    size = sum(part.numel() * part.element_size() for part in (corpus.indices(), corpus.values()))
    hits = {f"q{q}": [(f"d{hit['corpus_id']}", hit["score"]) for hit in each] for q, each in enumerate(found)}
    return {"encode": encode, "search": seconds, "bytes": size, "hits": hits, "weights": corpus.values().numel()}


def compare(ours, theirs, k):
    """The largest difference of scores by rank, and the places where other documents stand though their scores differ."""
    largest, displaced = 0.0, 0
    for query, expected in theirs.items():
        expected = [hit for hit in expected if hit[1] > 0]
        found = ours.get(query, [])
        assert len(found) == len(expected), (query, len(found), len(expected))
        scores = dict(found)
        for (document, score), (_, mine) in zip(expected, found):
            largest = max(largest, abs(score - mine) / max(1, abs(score)))
            if document in scores:
                displaced += abs(scores[document] - score) > 1e-4 * max(1, abs(score))
            else:   # only a tie with the last hit may leave it out
                displaced += score > found[-1][1] + 1e-4 * max(1, abs(score))
    return largest, displaced


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    for name, value in (("documents", 100_000), ("queries", 1000), ("k", 100), ("terms", 120), ("threads", 2), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder")
    options = parser.parse_args()
    os.environ.update({"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(options.threads)})
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        work, rng = pathlib.Path(folder), random.Random(1)
        words = words_of(rng)
        texts, asked = write_world(work, options.documents, options.queries, words, rng)
        model = make_model(work / "model", words, texts, options.terms)
        mine = ours(options, work, model)
        other = theirs(options, model, texts, asked)
        largest, displaced = compare(mine["hits"], other["hits"], options.k)
    print(f"{options.documents} documents of {other['weights'] / options.documents:.0f} weights, {options.queries} queries, k = {options.k}, "
          f"{options.threads} threads, peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, "
          f"of bmae {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")
    for name, result in (("bmae", mine), ("sentence-transformers", other)):
        rates = sorted(options.queries / max(1e-9, seconds) for seconds in result["search"])
        print(f"{name:22} encode {result['encode']:7.1f} s, search {statistics.median(rates):8.0f} queries/s ({rates[0]:.0f} to {rates[-1]:.0f}), "
              f"{result['bytes'] / 2 ** 20:.0f} MB")
    print(f"bmae: {mine['open']:.1f} s for a process that reads corpus and vectors, makes the index and answers one query")
    print(f"scores by rank differ by at most {largest:.1e} (relative above 1), {displaced} documents out of place")
    sys.exit(0 if largest <= 1e-4 and displaced == 0 else 1)


if __name__ == "__main__":
    main()
