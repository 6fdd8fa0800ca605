# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae rerank` and `bmae search --method sparse | maxsim` with models that `bmae finetune` made: scores equal those of
sentence-transformers' CrossEncoder, SparseEncoder and MultiVectorEncoder (ColBERT's formula in plain Python), hits are all of those that
an exhaustive search finds, an interrupted run goes on, and what does not fit is named.
"""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

TOLERANCE = 2e-5


def read_run(path):
    hits = {}
    for line in path.read_text().splitlines():
        query, _, document, rank, score, _ = line.split()
        hits.setdefault(query, []).append((document, float(score)))
        assert int(rank) == len(hits[query]), line
    return hits


def texts_of(data):
    corpus = {r["_id"]: f"{r['title']} {r['text']}".strip() for r in map(json.loads, (data / "corpus.jsonl").read_text().splitlines())}
    queries = {r["_id"]: r["text"] for r in map(json.loads, (data / "queries.jsonl").read_text().splitlines())}
    return corpus, queries


def check_order(before, after, depth, score_of=None):
    """The first hits by their new scores, the others behind in their order."""
    assert before.keys() == after.keys()
    compared = 0
    for query, hits in after.items():
        old = [document for document, _ in sorted(before[query], key=lambda hit: -hit[1])]
        head, tail = hits[:depth], hits[depth:]
        assert {d for d, _ in head} == set(old[:depth]) and [d for d, _ in tail] == old[depth:], query
        scores = [score for _, score in hits]
        assert scores == sorted(scores, reverse=True), query
        if score_of:
            for document, score in head:
                assert abs(score_of(query, document) - score) <= TOLERANCE * max(1, abs(score)), (query, document, score)
                compared += 1
    return compared


def close(expected, found):
    """The same scores by rank; documents may change places where scores are equal within the tolerance."""
    assert len(expected) == len(found), (len(expected), len(found))
    for (document, score), (_, wanted) in zip(found, expected):
        assert abs(score - wanted) <= TOLERANCE * max(1, abs(wanted)), (document, score, wanted)


def check_cross_encoder(work, data, first):
    from sentence_transformers import CrossEncoder
    corpus, queries = texts_of(data)
    theirs = CrossEncoder(str(work / "reranker" / "cross-encoder"), device="cpu")
    told = result("rerank", "--model", work / "reranker", "--run", first, "--data", data, "--depth", 10, "--output", work / "crossed.trec")
    assert told["kind"] == "cross-encoder" and told["pairs"] == 240 and told["queries"] == 24, told
    before, after = read_run(first), read_run(work / "crossed.trec")
    pairs = [(q, d) for q, hits in after.items() for d, _ in hits[:10]]
    scores = dict(zip(pairs, theirs.predict([(queries[q], corpus[d]) for q, d in pairs], show_progress_bar=False)))
    return check_order(before, after, 10, lambda q, d: scores[q, d])


def check_sparse(work, data, first, run_name="splade"):
    from sentence_transformers import SparseEncoder
    corpus, queries = texts_of(data)
    theirs = SparseEncoder(str(work / run_name / "sparse-encoder"), device="cpu")

    def encoded(encode, texts):
        return encode(texts, convert_to_sparse_tensor=False, show_progress_bar=False).cpu().numpy()

    rows = encoded(theirs.encode_document, list(corpus.values()))
    told = result("search", "--method", "sparse", "--model", work / run_name, "--data", data, "--top-k", 30, "--output", work / f"{run_name}.trec")
    assert told["queries"] == 24, told
    found = read_run(work / f"{run_name}.trec")
    for query, hits in found.items():
        scores = rows @ encoded(theirs.encode_query, [queries[query]])[0]
        best = sorted(zip(corpus, scores.tolist()), key=lambda hit: -hit[1])[:30]
        close([hit for hit in best if hit[1] > 0], hits)
    run("rerank", "--model", work / run_name, "--run", first, "--data", data, "--depth", 5, "--output", work / f"{run_name}-again.trec")
    by_place = {document: row for row, document in enumerate(corpus)}
    asked = {q: encoded(theirs.encode_query, [queries[q]])[0] for q in found}
    return check_order(read_run(first), read_run(work / f"{run_name}-again.trec"), 5, lambda q, d: float(rows[by_place[d]] @ asked[q]))


def check_dense_lexical(work, data):
    """DupMAE's two representations, recomputed by transformers."""
    import numpy
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForMaskedLM, AutoTokenizer
    corpus, queries = texts_of(data)
    folder = work / "dupmae" / "dense-lexical-encoder"
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    reduction, kept = load_file(folder / "reduction.safetensors"), json.loads((folder / "dense_lexical.json").read_text())
    assert kept == {"width": 12, "terms": 20, "query_length": 8, "max_length": 64}, kept

    def rows(texts, length):
        dense, words = [], []
        for text in texts:
            encoded = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
            with torch.no_grad():
                out = model(**encoded, output_hidden_states=True)
            dense.append(out.hidden_states[-1][0, 0] @ reduction["linear.weight"].T + reduction["linear.bias"])
            words.append(out.logits[0, 1:].max(0).values)   # all rows but that of [CLS]
        return torch.stack(dense).numpy(), torch.stack(words).numpy()

    dense, words = rows(corpus.values(), 64)
    for row in words:
        row[numpy.argsort(-row)[20:]] = 0
    told = result("search", "--method", "dense-lexical", "--model", work / "dupmae", "--data", data, "--top-k", 30, "--output", work / "dupmae.trec")
    assert told["queries"] == 24, told
    found = read_run(work / "dupmae.trec")
    asked = rows(queries.values(), 8)
    scores = asked[0] @ dense.T + asked[1] @ words.T
    rows_of = dict(zip(queries, scores))
    for query in found:   # those of the split
        row = rows_of[query]
        close(sorted(zip(corpus, row.tolist()), key=lambda hit: -hit[1])[:30], found[query])
    for words, says in ((["encode", "--input", data / "corpus.jsonl", "--output", work / "no-vectors"], "pooling"), (["rerank", "--run", work / "dupmae.trec", "--data", data, "--output", work / "no.trec"], "cross-encoder"),
                        (["search", "--method", "sparse", "--data", data, "--output", work / "no.trec"], "sparse vectors")):
        assert says in run(words[0], "--model", work / "dupmae" / "dense-lexical-encoder", *words[1:], status=2).stderr
    return len(found)


def check_tokens(work, data, first):
    from sentence_transformers import MultiVectorEncoder
    corpus, queries = texts_of(data)
    theirs = MultiVectorEncoder(str(work / "colbert" / "token-encoder"), device="cpu")
    rows = {d: v.cpu().numpy() for d, v in zip(corpus, theirs.encode_document(list(corpus.values()), show_progress_bar=False))}
    asked = {q: v.cpu().numpy() for q, v in zip(queries, theirs.encode_query(list(queries.values()), show_progress_bar=False))}

    def score_of(query, document):   # sum over the tokens of the query of the highest product (ColBERT, PyLate)
        return float((asked[query] @ rows[document].T).max(axis=1).sum())

    told = result("search", "--method", "maxsim", "--model", work / "colbert", "--data", data, "--top-k", 20, "--output", work / "tokens.trec")
    assert told["hits"] == 24 * 20, told
    for query, hits in read_run(work / "tokens.trec").items():
        close(sorted(((d, score_of(query, d)) for d in corpus), key=lambda hit: -hit[1])[:20], hits)
    run("rerank", "--model", work / "colbert", "--run", first, "--data", data, "--output", work / "tokens-again.trec")
    return check_order(read_run(first), read_run(work / "tokens-again.trec"), 100, score_of)


def relevant(data, split):
    judged = {}
    for line in (data / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            judged.setdefault(query, []).append(document)
    return judged


def check_negatives(work, data, first):
    """What fine-tuning reads of a list of negatives is scored, each with the score that it has as a hit of a run."""
    search = ["search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 25]
    run(*search, "--output", work / "train.trec")
    run("mine", "--run", work / "train.trec", "--data", data, "--split", "train", "--window", "1:25", "--number", 3, "--output", work / "mined.tsv")
    lines = (work / "mined.tsv").read_text().splitlines()
    listed = {}
    for query, document, *_ in map(str.split, lines):
        listed.setdefault(query, []).append(document)
    lacking = lines[0].split()[0]   # a query without negatives: its relevant documents are scored all the same
    (work / "mined.tsv").write_text("".join(line + "\n" for line in lines if line.split()[0] != lacking) + "qtest0-0\td1-1\n")
    del listed[lacking]
    command = ["rerank", "--model", work / "reranker", "--data", data, "--split", "train"]
    told = result(*command, "--negatives", work / "mined.tsv", "--output", work / "teacher.trec")
    judged = relevant(data, "train")
    expected = {query: set(documents) | set(listed.get(query, [])) for query, documents in judged.items()}
    found = read_run(work / "teacher.trec")
    assert {query: {d for d, _ in hits} for query, hits in found.items()} == expected, found
    assert told["pairs"] == sum(map(len, expected.values())) and told["depth"] is None and told["skipped"] == 1, told
    run(*command, "--run", work / "train.trec", "--as-teacher", "--output", work / "all.trec")
    whole = {(q, d): score for q, hits in read_run(work / "all.trec").items() for d, score in hits}
    compared = [(score, whole[q, d]) for q, hits in found.items() for d, score in hits if (q, d) in whole]
    assert len(compared) == told["pairs"] and all(abs(a - b) <= TOLERANCE for a, b in compared), compared
    tuned = result("finetune", "--preset", "retriever-distilled", "--model", work / "pretrained", "--data", data, "--negatives", work / "mined.tsv",
                   "--teacher-scores", work / "teacher.trec", "--passages-per-query", 3, "--batch-examples", 24, "--steps", 1, "--output",
                   work / "distilled")
    assert [term["absent"] for term in tuned["terms"]] == [0, 1], tuned   # the query whose negatives are drawn at random
    check_computing(work, command, found)
    for options, says in ((["--negatives", work / "mined.tsv", "--run", first], "--run"), (["--negatives", work / "mined.tsv", "--depth", 5], "--depth"),
                          ([], "neither"), (["--negatives", work / "mined.tsv", "--precision", "int8"], "fp32 or bf16")):
        refused = run(*command, *options, "--output", work / "no.trec", status=2)
        assert says in refused.stderr and not (work / "no.trec").exists(), refused.stderr
    (work / "others.tsv").write_text("qtest0-0\td1-1\n")
    for options, says in ((["--negatives", work / "mined.tsv", "--split", "all"], "the split of the training queries"),
                          (["--negatives", work / "others.tsv", "--split", "train"], "with a relevant document in --split train")):
        refused = run("rerank", "--model", work / "reranker", "--data", data, *options, "--output", work / "no.trec", status=2)
        assert says in refused.stderr and not (work / "no.trec").exists(), refused.stderr
    return len(compared)


def check_computing(work, command, scores):
    """bf16 is near fp32, a shorter pair has another score, and a resumed run must be of one kind."""
    negatives = [*command, "--negatives", work / "mined.tsv"]
    told = result(*negatives, "--precision", "bf16", "--output", work / "bf16.trec")
    assert told["precision"] == "bf16", told
    exact = {(q, d): score for q, hits in scores.items() for d, score in hits}
    coarse = {(q, d): score for q, hits in read_run(work / "bf16.trec").items() for d, score in hits}
    assert exact.keys() == coarse.keys() and exact != coarse
    assert max(abs(exact[key] - coarse[key]) for key in exact) < .05, "bf16"
    run(*negatives, "--max-length", 12, "--output", work / "short.trec")
    short = {(q, d): score for q, hits in read_run(work / "short.trec").items() for d, score in hits}
    assert exact.keys() == short.keys() and exact != short
    for model, status in (("colbert", 2), ("splade", 0)):
        done = run("rerank", "--model", work / model, *command[3:], "--negatives", work / "mined.tsv", "--max-length", 12, "--precision", "bf16",
                   "--output", work / f"{model}-short.trec", status=status)
        assert status == 0 or "--max-length" in done.stderr, done.stderr
    run("rerank", "--model", work / "colbert", *command[3:], "--negatives", work / "mined.tsv", "--precision", "bf16", "--output", work / "colbert.trec")


def check_interrupt(work, data, first):
    """SIGINT and SIGKILL: the run that is resumed has the bytes of one that was left alone."""
    command = ["rerank", "--model", work / "reranker", "--run", first, "--data", data, "--batch-examples", 1]
    run(*command, "--output", work / "whole.trec")
    tokenizer = next((work / "reranker").rglob("tokenizer_config.json"))
    for number, stop in enumerate((signal.SIGINT, signal.SIGKILL)):
        output = work / f"stopped{number}.trec"
        partial = pathlib.Path(f"{output}.partial")
        process = subprocess.Popen([str(PROGRAM), *map(str, command), "--output", str(output)], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while process.poll() is None and not (partial.exists() and partial.stat().st_size):
            time.sleep(.005)
        process.send_signal(stop)
        process.wait()
        assert process.returncode in (0, 130, -9), process.returncode
        if process.returncode:
            assert not output.exists()
            with partial.open("ab") as lines:
                lines.write(b"half of a li")   # what a kill may leave
            other = run(*command, "--depth", 7, "--output", output, "--resume", status=2)
            assert "settings of this run" in other.stderr, other.stderr
            kept = tokenizer.read_bytes()
            tokenizer.write_bytes(kept + b"\n")   # another tokenizer gives other scores
            other = run(*command, "--output", output, "--resume", status=2)
            tokenizer.write_bytes(kept)
            assert "settings of this run" in other.stderr, other.stderr
            again = result(*command, "--output", output, "--resume")
            assert again["end"] == "finished" and again["resumed_from"] > 0, again
        assert output.read_bytes() == (work / "whole.trec").read_bytes() and not partial.exists()
    assert "finished already" in run(*command, "--output", output, "--resume").stderr


def check_refusals(work, data, first):
    wrong = ["rerank", "--run", first, "--data", data, "--output", work / "no.trec"]
    for options, says in ((["--model", work / "nothing"], "nothing of that name"), (["--model", work / "reranker", "--split", "train"], "queries of --split train"),
                          (["--model", work / "pretrained" / "model"], "finetune --preset reranker"), (["--model", work / "reranker", "--tag", "a b"], "without blanks")):
        refused = run(*wrong, *options, status=2)
        assert says in refused.stderr and not (work / "no.trec").exists(), refused.stderr
    other = work / "other.trec"
    other.write_text(first.read_text().replace(" d3-2 ", " elsewhere "))
    refused = run("rerank", "--model", work / "reranker", "--run", other, "--data", data, "--output", work / "no.trec", status=2)
    assert "'elsewhere', which its corpus lacks" in refused.stderr, refused.stderr
    for method, model, says in (("sparse", "colbert", "preset splade"), ("maxsim", "splade", "preset colbert"), ("dense", "splade", "--method sparse"),
                                ("dense", "colbert", "--method maxsim"), ("dense", "reranker", "bmae rerank")):
        refused = run("search", "--method", method, "--model", work / model, "--data", data, "--output", work / "no.trec", status=2)
        assert says in refused.stderr, (method, model, refused.stderr)


def main():
    try:
        import sentence_transformers
        if int(sentence_transformers.__version__.split(".")[0]) < 6:
            raise ImportError
    except ImportError:
        print("skipped: sentence-transformers 6 is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        data = write_collection(work / "data")
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        run("pretrain", "--config", "tiny", "--hidden", 32, "--layers", 2, "--data", work / "store", "--batch-tokens", 512, "--steps", 4,
            "--output", work / "pretrained")
        new_head = "has no language-model head: a new one is initialized"
        tune = ["finetune", "--model", work / "pretrained", "--data", data, "--batch-examples", 4, "--steps", 3, "--learning-rate", "1e-3"]
        run(*tune, "--preset", "reranker", "--passages-per-query", 2, "--query-length", 64, "--passage-length", 200, "--output",
            work / "reranker")
        assert new_head not in run(*tune, "--preset", "splade", "--query-length", 8, "--passage-length", 64, "--output", work / "splade").stderr
        run(*tune, "--preset", "splade-doc", "--query-length", 8, "--passage-length", 64, "--set", "terms=40", "--set", "learned_queries=true", "--output", work / "splade-doc")
        run(*tune, "--preset", "dupmae-retriever", "--query-length", 8, "--passage-length", 64, "--passages-per-query", 1, "--set", "width=12", "--set", "terms=20",
            "--output", work / "dupmae")
        assert new_head not in run(*tune, "--preset", "colbert", "--query-length", 8, "--passage-length", 48, "--output", work / "colbert").stderr
        for option, says in (("passes.1.bottleneck.saturated=false", "not below 0"), ("passes.1.bottleneck.first_row_counts=false", "equal options")):
            assert says in run(*tune, "--preset", "splade", "--set", option, "--output", work / "never", status=2).stderr
        run(*tune, "--preset", "splade", "--set", "passes.0.bottleneck.first_row_counts=false", "--set", "passes.1.bottleneck.first_row_counts=false", "--output", work / "lexmae")
        assert result("search", "--method", "sparse", "--model", work / "lexmae", "--data", data, "--top-k", 30, "--output", work / "lexmae.trec")["queries"] == 24
        for start in ("colbert", "pretrained/sentence-transformer"):   # a checkpoint and a folder without a head
            told = run("finetune", "--model", work / start, "--data", data, "--batch-examples", 4, "--steps", 1, "--preset", "splade", "--output", work / f"new-head-{start[:3]}")
            assert new_head in told.stderr, (start, told.stderr)
        told = run("pretrain", "--model", work / "colbert", "--data", work / "store", "--batch-tokens", 512, "--steps", 1, "--output", work / "new-head-retromae")
        assert new_head in told.stderr, told.stderr
        (work / "others.jsonl").write_text("".join(json.dumps({"_id": f"x{i}", "text": f"ba be bi {i} bo bu"}) + "\n" for i in range(8)))
        run("prepare", "--input", work / "others.jsonl", "--tokenizer", work / "store", "--max-length", 64, "--output", work / "others")
        refused = run("pretrain", "--preset", "mlm", "--model", work / "pretrained", "--data", work / "store", "--batch-tokens", 512, "--steps", 1, "--eval-data",
                      work / "others", "--keep-best", "decoders", "--output", work / "never", status=2)
        assert "--keep-best" in refused.stderr and not (work / "never").exists(), refused.stderr
        first = work / "bm25.trec"
        run("search", "--method", "bm25", "--data", data, "--top-k", 25, "--output", first)
        print("cross-encoder:", check_cross_encoder(work, data, first), "scores equal")
        print("sparse:", check_sparse(work, data, first), "scores equal")
        print("sparse, counted queries, 40 terms:", check_sparse(work, data, first, "splade-doc"), "scores equal")
        print("dense vectors and word weights:", check_dense_lexical(work, data), "queries equal")
        print("token vectors:", check_tokens(work, data, first), "scores equal")
        look = result("search", "--method", "sparse", "--model", work / "splade", "--data", data, "--query", "one word", "--top-k", 3)
        assert look["method"] == "sparse" and look["queries"] == 1, look
        print("negatives:", check_negatives(work, data, first), "scores equal")
        check_interrupt(work, data, first)
        check_refusals(work, data, first)


if __name__ == "__main__":
    main()
