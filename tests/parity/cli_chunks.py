# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Several vectors per document: `encode --chunks N --chunk-pooling max|late` and `search` with them, against plain Python over the
hidden states of transformers; and what does not fit is refused."""
import json
import pathlib
import sys
import tempfile

from cli_support import result, run, write_collection

CHUNK = 7
LENGTH = 24   # tokens that the model reads: documents exceed it


def expected_rows(folder, texts, late, prompt=""):
    """The vectors of the chunks of each text, from the hidden states of transformers; documents are read in parts of whole chunks, each
    behind the prompt."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    rows = []
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        size = (LENGTH - 2 - len(before)) // CHUNK * CHUNK if late else CHUNK
        mine = []
        for begin in range(0, max(len(ids), 1), size):
            part = ids[begin:begin + size]
            with torch.no_grad():
                states = model(torch.tensor([[tokenizer.cls_token_id, *before, *part, tokenizer.sep_token_id]])).last_hidden_state[0]
            starts = list(range(0, max(len(part), 1), CHUNK))
            for k, start in enumerate(starts):   # the first chunk has [CLS], the last one [SEP]
                first = 0 if k == 0 else len(before) + start + 1
                end = len(before) + len(part) + 2 if k == len(starts) - 1 else len(before) + start + 1 + CHUNK
                mine.append(states[first:end].mean(0))
        rows.append(torch.stack(mine).numpy())
    return rows


def hits_of(path):
    hits = {}
    for line in path.read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        hits.setdefault(query, []).append((document, float(score)))
    return hits


def check(work, data, folder, pooling, prompt=""):
    import numpy
    from safetensors.numpy import load_file
    records = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    texts = [f"{record['title']} {record['text']}".strip() for record in records]
    output = work / f"{pooling}.safetensors"
    output.unlink(missing_ok=True)
    options = ["--chunks", CHUNK, "--chunk-pooling", pooling, *(["--document-prompt", prompt] if prompt else [])]
    told = result("encode", "--model", folder, "--input", data / "corpus.jsonl", *options, "--output", output)
    stored = load_file(output)
    expected = expected_rows(folder, texts, pooling == "late", prompt)
    assert told["chunks"] == sum(map(len, expected)) == len(stored["embeddings"]), told
    offsets = stored["chunk_offsets"].tolist()
    assert offsets == [0, *numpy.cumsum([len(rows) for rows in expected]).tolist()], offsets
    deviation = numpy.abs(numpy.concatenate(expected) - stored["embeddings"]).max()
    assert deviation <= 2e-5, deviation
    asked = load_file(work / "queries.safetensors")["embeddings"]
    names = [json.loads(line)["_id"] for line in (data / "queries.jsonl").read_text().splitlines()]
    runs = [work / f"{pooling}-{way}.trec" for way in ("saved", "at-once")]
    for path in runs:
        path.unlink(missing_ok=True)
    search = ["search", "--model", folder, "--data", data, "--split", "all", "--top-k", 20]
    run(*search, "--embeddings", output, *options[4:], "--output", runs[0])
    run(*search, *options, "--output", runs[1])
    assert runs[0].read_bytes() == runs[1].read_bytes()
    for query, hits in hits_of(runs[0]).items():   # a document scores what its best chunk scores
        products = stored["embeddings"] @ asked[names.index(query)]
        best = {record["_id"]: products[offsets[n]:offsets[n + 1]].max() for n, record in enumerate(records)}
        assert len(hits) == min(20, len(best)) and len({document for document, _ in hits}) == len(hits)
        wanted = sorted(best.values(), reverse=True)[:len(hits)]
        for (document, score), highest in zip(hits, wanted):
            assert abs(best[document] - score) <= 1e-4 and abs(score - highest) <= 1e-4, (query, document, score, highest)
    return deviation


def main():
    try:
        import torch, transformers   # noqa: F401, E401
    except ImportError:
        print("skipped: torch and transformers are not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        data = write_collection(work / "data")
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", LENGTH, "--output", work / "store")
        run("pretrain", "--config", "tiny", "--hidden", 32, "--layers", 2, "--data", work / "store", "--batch-tokens", 512, "--steps", 3,
            "--output", work / "run")
        folder = work / "model"
        run("export", "--model", work / "run", "--pooling", "mean", "--max-length", LENGTH, "--output", folder)
        run("encode", "--model", folder, "--role", "query", "--input", data / "queries.jsonl", "--output", work / "queries.safetensors")
        for pooling in ("max", "late"):
            for prompt in ("", "the text : "):
                print(pooling, f"prompt '{prompt}'", "largest deviation", check(work, data, folder, pooling, prompt))
        encode = ["encode", "--model", folder, "--input", data / "corpus.jsonl"]
        for wrong, says in (([*encode, "--chunks", LENGTH, "--output", work / "x.safetensors"], "chunks of 1 to"),
                            ([*encode, "--chunks", 7, "--output", work / "folder"], "--chunks"),
                            ([*encode, "--chunks", 7, "--chunk-pooling", "mean", "--output", work / "x.safetensors"], "max or late"),
                            ([*encode, "--chunk-pooling", "late", "--output", work / "x.safetensors"], "--chunks"),
                            ([*encode, "--chunks", 7, "--role", "query", "--output", work / "x.safetensors"], "--role document"),
                            (["search", "--model", folder, "--data", data, "--embeddings", work / "max.safetensors", "--chunks", 7, "--output",
                              work / "x.trec"], "--chunks"),
                            (["search", "--method", "bm25", "--data", data, "--chunks", 7, "--output", work / "x.trec"], "--method")):
            refused = run(*wrong, status=2)
            assert says in refused.stderr, (wrong, refused.stderr)
            assert not (work / "x.trec").exists() and not (work / "x.safetensors").exists()


if __name__ == "__main__":
    main()
