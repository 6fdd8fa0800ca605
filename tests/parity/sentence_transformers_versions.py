# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Loads folders exported by bmae with one release of each generation of sentence-transformers and compares the vectors with
those of `bmae encode`.

usage: BMAE_BIN=build/release/bin sentence_transformers_versions.py --environments DIR [--model MINILM]

DIR keeps one virtual environment for each release; missing ones are made with pip. All share the torch of the Python that runs
this.
MINILM is a sentence-transformers folder with real weights: it is exported by `bmae export` and added to the small model that is
trained here. Not part of ctest: it installs packages. Texts: $BMAE_DATA/scifact, 200 claims and 40 abstracts, some longer than
the models read. Prints a table; exit status 1 where a difference exceeds 1e-5.
"""
import argparse
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# Release, and the newest transformers of its time.
RELEASES = [("2.7.0", "<4.45"), ("3.4.1", "<4.50"), ("4.1.0", "<4.54"), ("5.1.2", "<5")]


def peer(folders, texts):
    """Runs in an environment: versions, and the vectors of the texts for each folder, written beside it."""
    import numpy
    import sentence_transformers
    import transformers

    texts = json.loads(pathlib.Path(texts).read_text())
    for folder in folders:
        model = sentence_transformers.SentenceTransformer(folder, device="cpu")
        numpy.save(f"{folder}.peer.npy", model.encode(texts, batch_size=16, show_progress_bar=False))
    print(json.dumps([sentence_transformers.__version__, transformers.__version__]))


def environment(folder, release, bound):
    """The Python of a virtual environment with this release; torch comes from outside."""
    python = folder / release / "bin/python"
    if not python.exists():
        import torch
        version = torch.__version__.split("+")[0]
        subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(folder / release)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"sentence-transformers=={release}",
                        f"transformers{bound}", f"torch=={version}"], check=True)
    return python


def read_texts():
    data = pathlib.Path(os.environ["BMAE_DATA"]) / "scifact/beir"
    claims = [json.loads(line)["text"] for line in (data / "queries.jsonl").read_text().splitlines()[:200]]
    with gzip.open(data / "corpus.jsonl.gz", "rt") as lines:
        return claims + [json.loads(next(lines))["text"] for _ in range(40)]


def export_folders(work, model):
    """Folders as bmae writes them: a small model trained for a few steps, and real weights where there are some."""
    from cli_support import run, write_collection

    write_collection(work / "data")
    run("prepare", "--input", work / "data", "--format", "beir", "--build-vocabulary", 300, "--max-length", 64,
        "--output", work / "store")
    run("pretrain", "--preset", "retromae", "--config", "tiny", "--hidden", 32, "--data", work / "store", "--batch-tokens", 512,
        "--steps", 10, "--learning-rate", "1e-3", "--output", work / "run")
    folders = {"RetroMAE, 10 steps, [CLS]": work / "run/sentence-transformer"}
    if model:
        run("export", "--model", model, "--output", work / "minilm")
        folders["MiniLM"] = work / "minilm"
    return folders


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path)
    options = parser.parse_args()
    import numpy
    from cli_support import ENVIRONMENT, PROGRAM
    from safetensors.numpy import load_file

    texts, worst = read_texts(), 0.0
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        (work / "texts.json").write_text(json.dumps(texts))
        (work / "texts.jsonl").write_text("".join(json.dumps({"_id": str(i), "text": t}) + "\n" for i, t in enumerate(texts)))
        folders = export_folders(work, options.model)
        ours = {}
        for what, folder in folders.items():
            subprocess.run([str(PROGRAM), "encode", "--model", str(folder), "--input", str(work / "texts.jsonl"),
                            "--output", f"{folder}.ours.safetensors"], check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
            ours[what] = load_file(f"{folder}.ours.safetensors")["embeddings"]
        print("| sentence-transformers | transformers |", " | ".join(folders), "|")
        print("|---|---|" + "---|" * len(folders))
        pythons = [environment(options.environments, *release) for release in RELEASES]
        for python in [*pythons, sys.executable]:
            done = subprocess.run([str(python), __file__, "--peer", str(work / "texts.json"), *map(str, folders.values())],
                                  env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True)
            differences = [float(numpy.abs(numpy.load(f"{folder}.peer.npy") - ours[what]).max())
                           for what, folder in folders.items()]
            worst = max(worst, *differences)
            versions = json.loads(done.stdout.splitlines()[-1])
            print("|", " | ".join([*versions, *(f"{d:.1e}" for d in differences)]), "|", flush=True)
        for what, vectors in ours.items():
            print(f"{what}: {vectors.shape[0]} x {vectors.shape[1]} numbers, largest {numpy.abs(vectors).max():.2f}")
    return 1 if worst > 1e-5 else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(sys.argv[3:], sys.argv[2])
    else:
        sys.exit(main())
