# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""What compressed token vectors cost: size, cosine to the vectors, nDCG@10 and seconds of `search --method maxsim` with 1, 2, 4 and 8 bits of a
dimension and without. The collection is encoded once.

Usage: maxsim_bits.py BMAE --model FOLDER --data BEIR [--split test] [--epochs 1] [--threads 2] [--folder DIR]
FOLDER is the output of `bmae finetune --preset colbert` or a folder of MultiVectorEncoder; another encoder is fine-tuned first, on the split train.
"""
import argparse
import pathlib
import tempfile
import time

from support import answer, beir_file


def run(program, *arguments):
    began = time.perf_counter()
    return answer(program, *arguments), time.perf_counter() - began


def is_colbert(model):
    modules = model / "modules.json"
    return (model / "token-encoder").is_dir() or modules.exists() and "MultiVectorMask" in modules.read_text()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder")
    options = parser.parse_args()
    threads = ["--threads", options.threads]
    corpus = beir_file(options.data, "corpus.jsonl")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        work, model = pathlib.Path(folder), options.model
        if not is_colbert(model):
            model = work / "colbert"
            _, seconds = run(options.program, "finetune", "--preset", "colbert", "--model", options.model, "--data", options.data, "--batch-examples", 16,
                             "--epochs", options.epochs, "--learning-rate", "1e-5", "--output", model, *threads)
            print(f"fine-tuned in {seconds:.0f} s")
        told, seconds = run(options.program, "encode", "--model", model, "--input", corpus, "--output", work / "vectors", *threads)
        print(f"{told['texts']} texts, {told['values']} vectors of {told['dimension']}, encoded in {seconds:.0f} s")
        print("| bits | centroids | MB | bytes per vector | cosine, mean | cosine, least | nDCG@10 | seconds |\n|---|---|---|---|---|---|---|---|")
        for bits in (None, 8, 4, 2, 1):
            output = work / f"{bits}.trec"
            found, seconds = run(options.program, "search", "--method", "maxsim", "--model", model, "--data", options.data, "--split", options.split, "--top-k", 100,
                                 "--embeddings", work / "vectors", *(["--bits", bits] if bits else []), "--output", output, *threads)
            vectors = found["token_vectors"]
            measures, _ = run(options.program, "evaluate", "--qrels", options.data / "qrels" / f"{options.split}.tsv", "--run", output, "--profile", "beir", "--measures",
                              "ndcg@10")
            cosine = vectors["cosine"] or {"mean": 1, "least": 1}
            print(f"| {bits or 'fp32'} | {vectors['centroids'] or '-'} | {vectors['bytes'] / 2 ** 20:.1f} | {vectors['bytes'] / vectors['rows']:.1f} | "
                  f"{cosine['mean']:.4f} | {cosine['least']:.4f} | {measures['measures']['ndcg@10']:.4f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
