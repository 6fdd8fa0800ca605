# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae generate` on small random models: greedy texts are those of transformers; drawn ones do not depend on the batch; a run that is
interrupted or killed and resumed gives the bytes of one that is not; `bmae prepare` reads the rows; wrong use is refused."""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import torch

from cli_support import ENVIRONMENT, PROGRAM, result, run
from generate_models import gpt2, greedy, invented_texts, t5, write_rows


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_greedy(work, name, model, tokenizer, rows):
    key = "queries" if name == "t5" else "continuation"
    output = work / f"{name}-greedy.jsonl"
    told = result("generate", "--model", work / name, "--input", work / "in.jsonl", "--output", output, "--method", "greedy", "--max-new-tokens", 24,
                  "--batch-size", 7)
    assert told["end"] == "finished" and told["texts"] == len(rows) and told["empty"] == 1, told
    for row, made in zip(rows, rows_of(output), strict=True):
        assert {k: made[k] for k in row} == row, made
        wanted = greedy(model, tokenizer, row["text"], 24, 128 - 24) if row["text"].strip() else ""
        assert made[key] == (([wanted] if wanted.strip() else []) if name == "t5" else wanted), (row["text"], made[key], wanted)
    print(f"{name}: {len(rows)} greedy texts are those of transformers, {told['tokens']} tokens")


def check_break(work, name, how, whole, arguments):
    """A run that is broken off and resumed equals `whole`, byte for byte."""
    output = work / f"{name}-{how.name}.jsonl"
    process = subprocess.Popen([str(PROGRAM), *map(str, arguments), "--output", str(output)], env=ENVIRONMENT, stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    partial = pathlib.Path(f"{output}.partial")
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and (not partial.exists() or partial.read_bytes().count(b"\n") < 3):
        time.sleep(.002)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:
        print("note: the run ended before the signal")
    else:
        assert process.returncode == (130 if how == signal.SIGINT else -how), (process.returncode, errors)
        assert not output.exists()
        run(*arguments, "--output", output, status=2)   # without --resume nothing is touched
        run(*arguments, "--output", output, "--resume", "--seed", 7, status=2)   # nor with another seed
        with partial.open("ab") as file:
            file.write(b'{"id": "torn')
        again = result(*arguments, "--output", output, "--resume")
        assert 3 <= again["resumed_from"] < again["texts"] and again["end"] == "finished", again
        print(f"{name}: {how.name} after {again['resumed_from']} of {again['texts']} texts")
    assert output.read_bytes() == whole, "the resumed run gave other bytes"
    assert not partial.exists() and not pathlib.Path(f"{partial}.json").exists()
    assert result(*arguments, "--output", output, "--resume")["end"] == "finished" and output.read_bytes() == whole


def check_sampling(work, name, rows):
    """Rows are the same in another batch; a break changes nothing."""
    base = ["generate", "--model", work / name, "--input", work / "in.jsonl", "--max-new-tokens", 60, "--prefix", "about: "]
    base += ["--per-text", 3] if name == "t5" else []
    run(*base, "--batch-size", 3, "--output", work / f"{name}-3.jsonl")
    run(*base, "--batch-size", 32, "--output", work / f"{name}-32.jsonl")
    whole = (work / f"{name}-3.jsonl").read_bytes()
    one, other = rows_of(work / f"{name}-3.jsonl"), rows_of(work / f"{name}-32.jsonl")
    same = sum(a == b for a, b in zip(one, other, strict=True))
    assert same >= len(rows) - 1, f"{same} of {len(rows)} rows are the same in another batch"   # a draw may fall on an edge of rounding
    if name == "t5":
        assert all(len(row["queries"]) <= 3 for row in one) and any(len(set(row["queries"])) > 1 for row in one)
    run(*base, "--batch-size", 3, "--seed", 7, "--output", work / f"{name}-seed.jsonl")
    assert (work / f"{name}-seed.jsonl").read_bytes() != whole
    for how in (signal.SIGINT, signal.SIGKILL):
        check_break(work, name, how, whole, [*base, "--batch-size", 3])


def check_chain(work):
    """Queries, then continuations of the same rows, then a token store of both."""
    run("generate", "--model", work / "gpt2", "--input", work / "t5-3.jsonl", "--output", work / "both.jsonl", "--max-new-tokens", 20)
    first, both = rows_of(work / "t5-3.jsonl"), rows_of(work / "both.jsonl")
    assert all(a["queries"] == b.get("queries", []) for a, b in zip(first, both, strict=True)) and any(b["continuation"] for b in both)
    told = result("prepare", "--input", work / "both.jsonl", "--format", "jsonl", "--build-vocabulary", 400, "--output", work / "store")
    assert told["documents"] + told["empty_documents"] == len(both) and (work / "store" / "queries").stat().st_size > 0, told
    assert (work / "store" / "continuations").stat().st_size > 0


def check_refusals(work):
    def refused(*arguments, says):
        done = run("generate", "--output", work / "refused.jsonl", *arguments, status=2)
        assert says in done.stderr and done.stdout == "", done.stderr
        assert not list(work.glob("refused*"))

    asks, goes_on, rows = ["--model", work / "t5"], ["--model", work / "gpt2"], ["--input", work / "in.jsonl"]
    refused(*asks, "--input", work / "absent.jsonl", says="absent.jsonl")
    refused("--model", work / "absent", *rows, says="nothing of that name")
    refused(*asks, *rows, "--method", "beam", says="greedy or sample")
    refused(*asks, *rows, "--method", "greedy", "--per-text", 2, says="--per-text 1")
    refused(*goes_on, *rows, "--per-text", 2, says="one continuation")
    refused(*goes_on, *rows, "--max-new-tokens", 128, says="128 positions")
    refused(*goes_on, *rows, "--temperature", 0, says="temperature")
    refused(*goes_on, *rows, "--top-p", 1.5, says="--top-p")
    refused(*asks, *rows, "--max-prompt-tokens", 1, says="room for a text")
    (work / "bad.jsonl").write_text('{"id": "a", "text": "b"}\n{"id": "c"}\n')
    refused(*asks, "--input", work / "in.jsonl", "--device", "tpu", says="--device")
    done = run("generate", *asks, "--input", work / "bad.jsonl", "--output", work / "bad-out.jsonl", status=2)
    assert "bad.jsonl:2" in done.stderr, done.stderr
    before = (work / "t5-3.jsonl").read_bytes()
    assert "Nothing is overwritten" in run("generate", *asks, *rows, "--output", work / "t5-3.jsonl", status=2).stderr
    assert (work / "t5-3.jsonl").read_bytes() == before
    for change, says in (({"model_type": "llama"}, "llama"), ({"vocab_size": 100}, "of the same model")):
        broken = work / "broken"
        shutil.copytree(work / "gpt2", broken)
        config = json.loads((broken / "config.json").read_text())
        (broken / "config.json").write_text(json.dumps({**config, **change}))
        refused("--model", broken, *rows, says="config.json" if "llama" in says else "model")
        shutil.rmtree(broken)
    mixed = work / "mixed"   # a tokenizer of another kind
    shutil.copytree(work / "gpt2", mixed)
    shutil.copy(work / "t5" / "tokenizer.json", mixed / "tokenizer.json")
    refused("--model", mixed, *rows, says="BPE")
    (mixed / "tokenizer.json").unlink()
    refused("--model", mixed, *rows, says="vocab.json")
    (mixed / "model.safetensors").unlink()
    refused("--model", mixed, *rows, says="model.safetensors")


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        texts = invented_texts(23) + ["  "]
        texts[7] = " ".join(invented_texts(8, seed=2))   # longer than both models take
        rows = write_rows(work / "in.jsonl", texts)
        for name, make in (("gpt2", gpt2), ("t5", t5)):
            model, tokenizer = make(work / name, invented_texts(400))
            check_greedy(work, name, model, tokenizer, rows)
            check_sampling(work, name, rows)
        check_chain(work)
        check_refusals(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
