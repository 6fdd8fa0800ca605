# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`encode` into a folder: the vectors of a file, whatever the shards, threads and batches; a run that is killed, interrupted or out of
room continues to the same bytes; search reads the folder; another model, another input and damage are refused; precisions are measured.

With `--texts N` it streams N invented texts in place of the tests and prints rate and peak memory."""
import argparse
import gzip
import json
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

import numpy
from safetensors.numpy import load_file

from cli_support import ENVIRONMENT, PROGRAM, contents, invented_words, result, run, write_collection

FLAGS = pathlib.Path("/proc/cpuinfo").read_text() if pathlib.Path("/proc/cpuinfo").exists() else ""


def rows_of(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return numpy.concatenate([load_file(folder / shard["vectors"])["embeddings"] for shard in manifest["shards"]])


def write_texts(path, words, count, seed=5):
    rng = random.Random(seed)
    lines = (json.dumps({"_id": f"t{i}", "text": " ".join(rng.choices(words, k=rng.randint(1, 40)))}) + "\n" for i in range(count))
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt") as file:
        file.writelines(lines)
    return path


def start(arguments, **keywords):
    return subprocess.Popen([str(PROGRAM), *map(str, arguments)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keywords)


def check_shards(work, model, texts):
    """The rows of one file, in any shards; what determines them is in the manifest."""
    run("encode", "--model", model, "--input", texts, "--output", work / "one.safetensors")
    one = load_file(work / "one.safetensors")["embeddings"]
    for number, more in enumerate((["--shard-texts", 37], ["--shard-texts", 64, "--batch-tokens", 100], ["--threads", 2])):
        folder = work / f"shards-{number}"
        answer = result("encode", "--model", model, "--input", texts, "--output", folder, *more)
        rows = rows_of(folder)
        assert abs(rows - one).max() < 1e-5 and answer["texts"] == len(one) and answer["end"] == "finished", answer
        if "avx512" in FLAGS:
            assert (rows == one).all(), "the shards change bits"
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["complete"] and manifest["texts"] == len(one) and manifest["model"]["precision"] == "fp32", manifest
        ids = "".join((folder / shard["ids"]).read_text() for shard in manifest["shards"])
        assert ids == (work / "one.ids").read_text()
    for more in (["--resume"], ["--shard-texts", 5]):
        refused = run("encode", "--model", model, "--input", texts, "--output", work / "no.safetensors", *more, status=2).stderr
        assert "with an output that is a folder" in refused, refused


def check_inputs(work, model, words):
    """Several inputs, gzip, columns and a folder of BEIR are read in their order."""
    first, second = write_texts(work / "a.jsonl", words, 30, 1), work / "b.jsonl.gz"
    with gzip.open(second, "wt") as file:
        file.writelines(line.replace('": "t', '": "u', 1) for line in write_texts(work / "c.jsonl", words, 20, 2).read_text().splitlines(True))
    answer = result("encode", "--model", model, "--input", first, second, "--output", work / "several", "--shard-texts", 16)
    assert answer["texts"] == 50 and answer["shards"] == 4, answer
    records = [json.loads(line) for line in first.read_text().splitlines()]
    (work / "columns.tsv").write_text("".join(f"{one['_id']}\t{one['text']}\n" for one in records))
    run("encode", "--model", model, "--input", work / "columns.tsv", "--output", work / "columns")
    assert abs(rows_of(work / "columns") - rows_of(work / "several")[:30]).max() < 1e-5
    (work / "beir").mkdir()
    (work / "beir" / "corpus.jsonl").write_text(first.read_text())
    run("encode", "--model", model, "--input", work / "beir", "--output", work / "from-beir")
    assert contents(work / "columns") == contents(work / "from-beir")


def check_kills(work, arguments, kills=6):
    """Killed at random moments and resumed, to the same bytes."""
    rng = random.Random(7)
    began = time.monotonic()
    run(*arguments, "--output", work / "whole")
    longest = time.monotonic() - began
    seen = []
    for number in range(kills):
        folder = work / f"killed-{number}"
        process = start([*arguments, "--output", folder])
        time.sleep(rng.uniform(.1, 1) * longest)
        process.send_signal(signal.SIGINT if number == 0 else signal.SIGKILL)
        process.communicate()
        done = json.loads((folder / "manifest.json").read_text())["texts"] if (folder / "manifest.json").exists() else 0
        seen.append(done)
        answer = result(*arguments, "--output", folder, "--resume")
        assert answer["resumed_texts"] == done and answer["end"] == "finished", (answer, done)
        assert contents(folder) == contents(work / "whole"), sorted(contents(folder))
    print("encode: kills after", seen, "texts")
    again = result(*arguments, "--output", work / "whole", "--resume")
    assert again["end"] == "finished", again
    refused = run(*arguments, "--output", work / "whole", status=2).stderr
    assert "--resume" in refused, refused


def check_no_room(work, arguments):
    """A limit on the size of files acts as a full disk: status 2, and the run continues."""
    folder = work / "full"
    process = start([*arguments, "--output", folder], preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    errors = process.communicate()[1]
    assert process.returncode == 2 and "full/" in errors, (process.returncode, errors)
    run(*arguments, "--output", folder, "--resume")
    assert contents(folder) == contents(work / "whole")


def check_refusals(work, model, other, texts, data):
    folder = work / "whole"
    before = contents(folder)
    encode = ["encode", "--input", texts, "--output", folder, "--shard-texts", 50, "--resume"]
    refused = run(*encode, "--model", other, status=2).stderr
    assert refused.count("weights ") >= 2, refused
    refused = run(*encode[:-2], 51, "--resume", "--model", model, status=2).stderr
    assert "shards of 50" in refused and "shards of 51" in refused, refused
    assert contents(folder) == before
    run("encode", "--model", model, "--input", data / "corpus.jsonl", "--output", work / "documents", "--shard-texts", 20)
    search = ["search", "--data", data, "--embeddings", work / "documents"]
    run(*search, "--model", model, "--output", work / "documents.trec")
    run("encode", "--model", model, "--input", data / "corpus.jsonl", "--output", work / "documents.safetensors")
    run(*search[:-1], work / "documents.safetensors", "--model", model, "--output", work / "file.trec")
    assert (work / "documents.trec").read_bytes() == (work / "file.trec").read_bytes()
    refused = run(*search, "--model", other, "--output", work / "no.trec", status=2).stderr
    assert refused.count("weights ") >= 2, refused
    damaged = work / "documents" / "00001.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x01")
    refused = run(*search, "--model", model, "--output", work / "no.trec", status=2).stderr
    assert "00001.safetensors" in refused and "checksum" in refused, refused


def check_precisions(work, model, texts):
    exact = load_file(work / "one.safetensors")["embeddings"]
    for precision, flag in (("bf16", "avx512_bf16"), ("int8", "avx512_vnni")):
        arguments = ["encode", "--model", model, "--input", texts, "--precision", precision, "--output", work / f"{precision}.safetensors"]
        if flag not in FLAGS and precision == "int8":
            assert "AVX-512" in run(*arguments, status=2).stderr
            continue
        done = run(*arguments, "--json")
        close = load_file(work / f"{precision}.safetensors")["embeddings"]
        cosines = (close * exact).sum(1) / numpy.linalg.norm(close, axis=1) / numpy.linalg.norm(exact, axis=1)
        assert cosines.min() > .98, (precision, cosines.min())
        if precision == "int8":
            loss = json.loads(done.stdout.splitlines()[-1])["int8_cosine"]
            assert loss["texts"] == 32 and abs(loss["mean"] - cosines[:32].mean()) < 1e-4, (loss, cosines[:32].mean())
            assert "int8: cosine to the vectors of fp32" in done.stderr, done.stderr
    refused = run("encode", "--model", model, "--input", texts, "--precision", "int4", "--output", work / "no.safetensors", status=2).stderr
    assert "fp32, bf16 or int8" in refused, refused


def check_modern_bert(work, pretrain, store, texts):
    """Shards, threads, batches and precisions over an encoder whose layers run map by map."""
    vocabulary = json.loads((store / "manifest.json").read_text())["tokenizer"]["vocabulary_size"]
    config = work / "modernbert.json"
    config.write_text(json.dumps({"model_type": "modernbert", "vocab_size": vocabulary, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2,
                                  "intermediate_size": 96, "max_position_embeddings": 64, "local_attention": 16, "global_attn_every_n_layers": 2,
                                  "hidden_activation": "gelu", "initializer_range": .1, "pad_token_id": 0}))
    inner = work / "modernbert"
    run(*pretrain, "--config", config, "--output", inner / "run")
    check_shards(inner, inner / "run" / "sentence-transformer", texts)
    check_precisions(inner, inner / "run" / "sentence-transformer", texts)


def tests(work):
    rng = random.Random(1)
    words = invented_words(rng, 500)
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--output", work / "store")
    pretrain = ["pretrain", "--data", work / "store", "--max-length", 64, "--batch-tokens", 512, "--steps", 1]
    for name, seed in (("run", 1), ("other", 2)):
        run(*pretrain, "--config", "tiny", "--hidden", 64, "--heads", 2, "--seed", seed, "--output", work / name)
    model, other = (work / name / "sentence-transformer" for name in ("run", "other"))
    texts = write_texts(work / "texts.jsonl", words, 400)
    check_shards(work, model, texts)
    check_inputs(work, model, words)
    check_kills(work, ["encode", "--model", model, "--input", texts, "--shard-texts", 50])
    check_no_room(work, ["encode", "--model", model, "--input", texts, "--shard-texts", 50])
    check_refusals(work, model, other, texts, data)
    check_precisions(work, model, texts)
    check_modern_bert(work, pretrain, work / "store", texts)


def stream(work, model, count, more):
    """A large run: rate, tokens, peak memory; killed half way and resumed to the same bytes."""
    texts = write_texts(work / "texts.jsonl", invented_words(random.Random(1), 5000), count)
    arguments = ["encode", "--model", model, "--input", texts, *more, "--json"]
    process = start([*arguments, "--output", work / "whole"])
    output, _ = process.communicate()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    answer = json.loads(output.splitlines()[-1])
    print(f"{count} texts, {answer['tokens']} tokens in {answer['shards']} shards: {answer['seconds']:.0f} s, {count / answer['seconds']:.0f} texts/s, "
          f"{answer['tokens'] / answer['seconds']:.0f} tokens/s, peak {peak / 1024:.0f} MiB", flush=True)
    process = start([*arguments, "--output", work / "killed"])
    time.sleep(answer["seconds"] / 2)
    process.kill()
    process.communicate()
    answer = json.loads(subprocess.run([PROGRAM, *map(str, arguments), "--output", work / "killed", "--resume"], env=ENVIRONMENT, capture_output=True, text=True,
                                       check=True).stdout.splitlines()[-1])
    same = contents(work / "killed") == contents(work / "whole")
    print(f"killed after {answer['resumed_texts']} texts and resumed: {'the same bytes' if same else 'OTHER BYTES'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=0)
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.texts:
            ENVIRONMENT["OMP_NUM_THREADS"] = str(options.threads)
            stream(pathlib.Path(folder), options.model, options.texts, ["--threads", options.threads])
        else:
            tests(pathlib.Path(folder))
    sys.exit(0)
