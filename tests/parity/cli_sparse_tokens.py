# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`encode` of sparse vectors and of vectors of tokens: what SparseEncoder and MultiVectorEncoder of sentence-transformers make, the same
whatever the shards; a killed run continues to the same bytes; impacts are rounded weights; search reads the folders and everything else refuses them by
name. `search --bits`: the scores of numpy's computation of ColBERTv2's residuals. Hybrid products beside the product of both runs."""
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy
from safetensors.numpy import load_file

from cli_support import ENVIRONMENT, PROGRAM, contents, result, run, write_collection


def read_run(path):
    hits = {}
    for line in path.read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        hits.setdefault(query, {})[document] = float(score)
    return hits


def same_run(found, expected, tolerance):
    found, expected = read_run(found), read_run(expected)
    assert found.keys() == expected.keys()
    for query, hits in expected.items():
        assert hits.keys() == found[query].keys(), query
        assert all(abs(found[query][d] - score) <= tolerance * max(1, abs(score)) for d, score in hits.items()), query


def shards_of(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["complete"] and manifest["version"] == 2, manifest
    for shard in manifest["shards"]:
        yield (folder / shard["ids"]).read_text().splitlines(), load_file(folder / shard["vectors"])


def sparse_rows(folder):
    """{id: {term: weight}}"""
    rows = {}
    for ids, shard in shards_of(folder):
        assert shard["offsets"].dtype == numpy.int64 and shard["ids"].dtype == numpy.int32 and shard["weights"].dtype == numpy.float32
        for name, first, end in zip(ids, shard["offsets"], shard["offsets"][1:]):
            terms = shard["ids"][first:end]
            assert (terms[1:] > terms[:-1]).all() and (shard["weights"][first:end] > 0).all()
            rows[name] = dict(zip(terms.tolist(), shard["weights"][first:end]))
    return rows


def token_rows(folder):
    """{id: [tokens, D]}"""
    return {name: shard["embeddings"][first:end] for ids, shard in shards_of(folder)
            for name, first, end in zip(ids, shard["offsets"], shard["offsets"][1:])}


def close(rows, expected):
    if isinstance(expected, dict):
        assert all(abs(rows.get(t, 0) - expected.get(t, 0)) < 2e-5 for t in {*rows, *expected})
    else:
        assert rows.shape == expected.shape and abs(rows - expected).max() < 2e-5


def peers(work, texts):
    """What sentence-transformers makes of the same folders; nothing where it is missing."""
    try:
        from sentence_transformers import MultiVectorEncoder, SparseEncoder
    except ImportError:
        return None
    sparse = SparseEncoder(str(work / "splade" / "sparse-encoder"), device="cpu")
    rows = sparse.encode_document(texts, convert_to_sparse_tensor=False, show_progress_bar=False).cpu().numpy()
    tokens = MultiVectorEncoder(str(work / "colbert" / "token-encoder"), device="cpu").encode_document(texts, show_progress_bar=False)
    return [{t: float(row[t]) for t in row.nonzero()[0].tolist()} for row in rows], [vectors.cpu().numpy() for vectors in tokens]


def check_vectors(work, corpus):
    """Both kinds equal the peers', in any shards and batches."""
    texts = [f"{r['title']} {r['text']}".strip() for r in map(json.loads, corpus.read_text().splitlines())]
    theirs = peers(work, texts)
    for number, (name, read, key) in enumerate((("splade", sparse_rows, "sparse"), ("colbert", token_rows, "tokens"))):
        encode = ["encode", "--model", work / name, "--input", corpus]
        told = result(*encode, "--output", work / f"{name}-whole")
        rows = read(work / f"{name}-whole")
        assert told["vectors"] == key and told["shards"] == 1 and told["texts"] == len(rows) == len(texts), told
        assert told["values"] == sum(map(len, rows.values())), told
        few = result(*encode, "--output", work / f"{name}-few", "--shard-texts", 10, "--batch-tokens", 100)
        assert few["shards"] == -(-len(texts) // 10) and few["values"] == told["values"], few
        for found in (rows, read(work / f"{name}-few")):
            for row, expected in zip(found.values(), theirs[number] if theirs else rows.values(), strict=True):
                close(row, expected)
        half = result(*encode, "--output", work / f"{name}-bf16", "--precision", "bf16")
        assert half["precision"] == "bf16", half
        coarse = read(work / f"{name}-bf16")
        if key == "tokens":
            assert all((coarse[d] * row).sum(1).min() > .98 and (coarse[d] != row).any() for d, row in rows.items())
        short = result(*encode, "--output", work / f"{name}-short", "--max-length", 8)
        assert short["max_length"] == 8 and short["tokens"] == 8 * len(texts), short
        queries = result(*encode, "--output", work / f"{name}-queries", "--role", "query", "--query-length", 5)
        assert queries["role"] == "query" and queries["max_length"] == 5 and queries["tokens"] == 5 * len(texts), queries
    prompted = result("encode", "--model", work / "splade", "--input", corpus, "--output", work / "prompted", "--document-prompt", "ba ba ")
    assert prompted["prompt"] == "ba ba ", prompted
    assert sparse_rows(work / "prompted") != sparse_rows(work / "splade-whole")
    bare = result("encode", "--model", work / "splade" / "bare", "--vectors", "sparse", "--input", corpus, "--output", work / "bare")
    assert bare["vectors"] == "sparse"
    for found, expected in zip(sparse_rows(work / "bare").values(), sparse_rows(work / "splade-whole").values(), strict=True):
        close(found, expected)
    dense = result("encode", "--model", work / "splade", "--pooling", "mean", "--input", corpus, "--output", work / "dense")
    assert dense["vectors"] == "dense" and dense["values"] is None, dense
    return "equal to sentence-transformers" if theirs else "sentence-transformers is not installed: only compared with each other"


def check_impacts(work, corpus):
    folder = work / "impacts"
    run("encode", "--model", work / "splade", "--input", corpus, "--output", folder, "--shard-texts", 30, "--impacts", 100)
    manifest, rows = json.loads((folder / "manifest.json").read_text()), sparse_rows(folder)
    terms = json.loads((folder / manifest["vocabulary"]).read_text())
    assert len(terms) == manifest["model"]["dimension"] and manifest["impact_scale"] == 100, manifest
    lines = [json.loads(line) for path in sorted((folder / manifest["impacts"]).iterdir()) for line in path.read_text().splitlines()]
    assert [line["id"] for line in lines] == list(rows)
    for line in lines:
        expected = {terms[t]: int(numpy.rint(w * numpy.float32(100))) for t, w in rows[line["id"]].items()}
        assert line["vector"] == {t: i for t, i in expected.items() if i > 0} and line["contents"] == "", line["id"]
    (folder / "impacts" / "00001.jsonl").write_text("")
    refused = run("encode", "--model", work / "splade", "--input", corpus, "--output", folder, "--shard-texts", 30, "--impacts", 100, "--resume", status=2)
    assert "00001.jsonl" in refused.stderr, refused.stderr
    refused = run("encode", "--model", work / "splade", "--input", corpus, "--output", folder, "--shard-texts", 30, "--resume", status=2)
    assert "impacts of scale 100" in refused.stderr, refused.stderr


def check_kills(work, corpus):
    """Killed at random moments and resumed, to the same bytes."""
    rng = random.Random(7)
    for name, more in (("splade", ["--impacts", 50]), ("colbert", [])):
        command = ["encode", "--model", work / name, "--input", corpus, "--shard-texts", 3, *more]
        began = time.monotonic()
        run(*command, "--output", work / f"{name}-unkilled")
        longest = time.monotonic() - began
        for number in range(3):
            folder = work / f"{name}-killed-{number}"
            process = subprocess.Popen([str(PROGRAM), *map(str, command), "--output", str(folder)], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(.3, 1) * longest)
            process.send_signal(signal.SIGINT if number == 0 else signal.SIGKILL)
            process.wait()
            told = result(*command, "--output", folder, "--resume")
            assert told["end"] == "finished" and contents(folder) == contents(work / f"{name}-unkilled"), told


def check_search(work, data):
    """Runs of stored vectors are those of vectors that search makes itself."""
    for name, method in (("splade", "sparse"), ("colbert", "maxsim")):
        search = ["search", "--method", method, "--model", work / name, "--data", data, "--top-k", 30]
        run(*search, "--output", work / f"{method}.trec")
        run(*search, "--embeddings", work / f"{name}-few", "--output", work / f"{method}-stored.trec")
        same_run(work / f"{method}-stored.trec", work / f"{method}.trec", 2e-5)
    sparse, tokens = work / "splade-few", work / "colbert-few"
    search = ["search", "--data", data, "--output", work / "no.trec"]
    for command, says in (([*search, "--method", "maxsim", "--model", work / "colbert", "--embeddings", sparse], "sparse vectors"),
                          ([*search, "--method", "sparse", "--model", work / "splade", "--embeddings", tokens], "vectors of tokens"),
                          ([*search, "--method", "dense", "--model", work / "pretrained", "--embeddings", sparse], "sparse vectors"),
                          ([*search, "--method", "sparse", "--model", work / "splade", "--embeddings", work / "prompted"], "prompt"),
                          ([*search, "--method", "sparse", "--model", work / "splade", "--embeddings", work / "splade-queries"], "role query"),
                          (["index", "--method", "dense", "--vectors", tokens, "--output", work / "no"], "vectors of tokens")):
        refused = run(*command, status=2).stderr
        assert says in refused and not (work / "no.trec").exists() and not (work / "no").exists(), refused
    encode = ["encode", "--input", data / "corpus.jsonl"]
    for more, says in ((["--model", work / "splade", "--output", work / "no.safetensors"], "an output folder with sparse vectors"),
                       (["--model", work / "splade", "--output", work / "no", "--normalize"], "--normalize"),
                       (["--model", work / "colbert", "--output", work / "no", "--document-prompt", "a"], "a prompt"),
                       (["--model", work / "colbert", "--output", work / "no", "--impacts", 100], "--impacts with sparse vectors"),
                       (["--model", work / "colbert", "--output", work / "no", "--precision", "int8"], "--precision int8"),
                       (["--model", work / "colbert", "--output", work / "no", "--vectors", "sparse"], "preset splade"),
                       (["--model", work / "splade", "--output", work / "no", "--vectors", "many"], "--vectors as one of")):
        refused = run(*encode, *more, status=2).stderr
        assert says in refused and not (work / "no").exists(), refused


def k_means(rows, count, iterations=4):
    """As ResidualCodec: evenly spaced vectors at first, products, means of unit length."""
    def evenly(most):
        number = min(len(rows), most)
        return rows[numpy.arange(number) * len(rows) // number]

    centroids, sample = evenly(count), evenly(32 * count)
    for _ in range(iterations):
        places = (sample @ centroids.T).argmax(1)
        for k in range(count):
            mean = sample[places == k].astype(numpy.float64).sum(0)
            if numpy.linalg.norm(mean) > 0:
                centroids[k] = mean / numpy.linalg.norm(mean)
    return centroids


def compressed(rows, bits, count):
    """Rows as they are compared: the nearest centroid and the medians of 2^bits buckets of residuals (arXiv 2112.01488, section 3.3)."""
    centroids = k_means(rows, count)
    near = centroids[(rows @ centroids.T).argmax(1)]
    shares = numpy.arange(2 ** bits) / 2 ** bits
    cutoffs, values = numpy.quantile(rows - near, shares[1:]), numpy.quantile(rows - near, shares + .5 / 2 ** bits)
    found = near + values[numpy.searchsorted(cutoffs, rows - near)]
    return found / numpy.linalg.norm(found, axis=1, keepdims=True)


def check_bits(work, data):
    """Scores of compressed vectors, over the same rows."""
    texts, exact = token_rows(work / "colbert-few"), read_run(work / "maxsim.trec")
    (work / "queries.jsonl").write_text("".join(line + "\n" for line in (data / "queries.jsonl").read_text().splitlines() if json.loads(line)["_id"] in exact))
    run("encode", "--model", work / "colbert", "--role", "query", "--input", work / "queries.jsonl", "--output", work / "queries")
    asked = token_rows(work / "queries")
    rows = numpy.concatenate(list(texts.values()))
    ends = numpy.cumsum([len(text) for text in texts.values()])
    losses = []
    for bits, count in ((1, 16), (2, 16), (4, 16), (8, 0)):
        told = result("search", "--method", "maxsim", "--model", work / "colbert", "--data", data, "--embeddings", work / "colbert-few", "--bits", bits,
                      "--centroids", count, "--output", work / f"bits-{bits}.trec")["token_vectors"]
        count = count or 2 ** int(numpy.log2(16 * len(rows) ** .5))
        width = rows.shape[1]
        assert told["bits"] == bits and told["centroids"] == count and told["rows"] == len(rows), told
        assert told["bytes"] == len(rows) * (4 + width * bits // 8) + 4 * (count * width + 2 * 2 ** bits - 1), told
        found = compressed(rows, bits, count)
        assert abs((found * rows).sum(1).mean() - told["cosine"]["mean"]) < 1e-4, (told, (found * rows).sum(1).mean())
        scores = read_run(work / f"bits-{bits}.trec")
        differences = []
        for query, vectors in asked.items():
            best = (vectors @ found.T)
            for document, text in zip(texts, numpy.split(best, ends[:-1], axis=1)):
                differences.append(abs(text.max(1).sum() - scores[query][document]))
        # A residual beside a cutoff, or a vector between two centroids, may fall to the other side by rounding.
        assert numpy.mean(differences) < 1e-4 and numpy.max(differences) < .05, (bits, numpy.mean(differences), numpy.max(differences))
        losses.append(numpy.mean([abs(scores[q][d] - s) for q, hits in exact.items() for d, s in hits.items()]))
    assert losses == sorted(losses, reverse=True) and losses[-1] < .01, losses
    again = work / "again.trec"
    search = ["search", "--method", "maxsim", "--model", work / "colbert", "--data", data, "--bits", 2]
    run(*search, "--threads", 1, "--output", again)
    run(*search, "--threads", 2, "--output", work / "threads.trec")
    same_run(work / "threads.trec", again, 1e-5)
    for wrong, says in ((["--bits", 3], "--bits 1, 2, 4 or 8"), (["--centroids", 4], "--centroids")):
        refused = run(*search[:-2], *wrong, "--output", work / "no.trec", status=2).stderr
        assert says in refused, refused
    refused = run("search", "--method", "sparse", "--model", work / "splade", "--data", data, "--bits", 2, "--output", work / "no.trec", status=2).stderr
    assert "--bits" in refused, refused
    return losses


def check_products(work, data):
    """BM25 times cosine of the texts that both runs have."""
    model = work / "pretrained" / "sentence-transformer"
    search = ["search", "--data", data, "--top-k", 40]
    run(*search, "--method", "bm25", "--output", work / "bm25.trec")
    run(*search, "--method", "dense", "--model", model, "--similarity", "cosine", "--output", work / "cosine.trec")
    run(*search, "--method", "hybrid", "--model", model, "--similarity", "cosine", "--fusion", "product", "--output", work / "product.trec")
    run("fuse", work / "bm25.trec", work / "cosine.trec", "--method", "product", "--top-k", 40, "--output", work / "fused.trec")
    same_run(work / "product.trec", work / "fused.trec", 1e-5)
    refused = run(*search, "--method", "hybrid", "--model", model, "--similarity", "euclidean", "--fusion", "product", "--output", work / "no.trec", status=2)
    assert "--similarity cosine" in refused.stderr, refused.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        data = write_collection(work / "data")
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        run("pretrain", "--config", "tiny", "--hidden", 32, "--layers", 2, "--data", work / "store", "--batch-tokens", 512, "--steps", 4,
            "--output", work / "pretrained")
        tune = ["finetune", "--model", work / "pretrained", "--data", data, "--batch-examples", 4, "--steps", 3, "--learning-rate", "1e-3"]
        run(*tune, "--preset", "splade", "--query-length", 8, "--passage-length", 64, "--output", work / "splade")
        run(*tune, "--preset", "colbert", "--query-length", 8, "--passage-length", 48, "--output", work / "colbert")
        bare = work / "splade" / "bare"   # a masked language model alone, as SPLADE's authors publish theirs
        bare.mkdir()
        for path in (work / "splade" / "sparse-encoder").iterdir():
            if path.is_file() and path.name not in ("modules.json", "config_sentence_transformers.json"):
                (bare / path.name).write_bytes(path.read_bytes())
        print("vectors:", check_vectors(work, data / "corpus.jsonl"))
        check_impacts(work, data / "corpus.jsonl")
        check_kills(work, data / "corpus.jsonl")
        check_search(work, data)
        print("losses of 1, 2, 4, 8 bits:", check_bits(work, data))
        check_products(work, data)


if __name__ == "__main__":
    main()
    sys.exit(0)
