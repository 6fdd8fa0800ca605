#SPDX - FileCopyrightText : the bmae authors
#SPDX - License - Identifier : Apache - 2.0
#ctest:
"""Checkpoints whose model is described as version 0.1 described it: `encode` and `export` take pooling, length and normalization from
fine-tuning's old keys, `--init` and `finetune` start from them, and a run that would continue them is refused by a sentence."""
import json
import pathlib
import shutil
import tempfile

import numpy
from safetensors.numpy import load_file

from cli_support import result, run, write_collection

SHAPE = ["--config", "tiny", "--hidden", 32, "--layers", 2, "--batch-tokens", 512]
MASK = (1 << 64) - 1
PRIMES = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def rotated(value, by):
    return (value << by | value >> (64 - by)) & MASK


def xxh64(data):
    """XXH64 with seed 0, by its specification."""
    p1, p2, p3, p4, p5 = PRIMES

    def absorb(lane, word):
        return rotated((lane + word * p2) & MASK, 31) * p1 & MASK

    end = len(data) // 32 * 32
    if end:
        lanes = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        for at in range(0, end, 32):
            lanes = [absorb(lane, int.from_bytes(data[at + 8 * i:at + 8 * i + 8], "little")) for i, lane in enumerate(lanes)]
        value = sum(rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            value = ((value ^ absorb(0, lane)) * p1 + p4) & MASK
    else:
        value = p5
    value = (value + len(data)) & MASK
    while len(data) - end >= 8:
        value = (rotated(value ^ absorb(0, int.from_bytes(data[end:end + 8], "little")), 27) * p1 + p4) & MASK
        end += 8
    if len(data) - end >= 4:
        value = (rotated(value ^ int.from_bytes(data[end:end + 4], "little") * p1 & MASK, 23) * p2 + p3) & MASK
        end += 4
    for byte in data[end:]:
        value = rotated(value ^ byte * p5 & MASK, 11) * p1 & MASK
    value = (value ^ value >> 33) * p2 & MASK
    value = (value ^ value >> 29) * p3 & MASK
    return f"{value ^ value >> 32:016x}"


def describe(checkpoint, target, objective):
    """A copy of a checkpoint whose model is described by `objective`, with a manifest that fits."""
    shutil.copytree(checkpoint, target)
    trainer = json.loads((target / "trainer.json").read_text())
    text = (target / "trainer.json").read_text()
    old = json.dumps(trainer["objective"], ensure_ascii=False)
    assert old in text
    (target / "trainer.json").write_text(text.replace(old, json.dumps(json.dumps(objective))))
    manifest = json.loads((target / "manifest.json").read_text())
    content = manifest["manifest"]
    data = (target / "trainer.json").read_bytes()
    content["files"]["trainer.json"] = {"size": len(data), "xxh64": xxh64(data)}
    whole = {"manifest": content, "xxh64": xxh64(json.dumps(content, separators=(",", ":")).encode())}
    (target / "manifest.json").write_text(json.dumps(whole, indent=1) + "\n")
    return target


def check_finetuned(work, checkpoint, corpus):
    """The keys of fine-tuning in 0.1: pooling, normalize and passage_length."""
    old = {"stage": "retriever", "pooling": "mean", "normalize": True, "temperature": 0.02, "passages_per_query": 4, "query_length": 16,
           "passage_length": 24, "mask_false_negatives": False, "hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 500}
    folder = describe(checkpoint, work / "finetuned" / checkpoint.name, old)
    told = result("encode", "--model", folder, "--input", corpus, "--output", work / "told.safetensors")
    assert (told["pooling"], told["normalize"], told["max_length"]) == ("mean", True, 24), told
    result("encode", "--model", checkpoint, "--pooling", "mean", "--normalize", "--max-length", 24, "--input", corpus, "--output",
           work / "given.safetensors")
    rows = [load_file(work / f"{name}.safetensors")["embeddings"] for name in ("told", "given")]
    assert numpy.array_equal(*rows) and numpy.allclose(numpy.linalg.norm(rows[0], axis=1), 1, atol=1e-5)
    exported = result("export", "--model", folder, "--output", work / "exported")
    assert exported["pooling"] == "mean", exported
    unknown = describe(checkpoint, work / "unknown" / checkpoint.name, {**old, "pooling": "middle"})
    refused = run("encode", "--model", unknown, "--input", corpus, "--output", work / "none.safetensors", status=2).stderr
    assert "--pooling as one of" in refused and "middle" in refused, refused
    print("fine-tuning of 0.1: pooling, normalization and length are read")


def check_pretrained(work, checkpoint, corpus):
    """Pre-training in 0.1 had no number of its format; its decoders and its encoder are those of today."""
    objective = json.loads(json.loads((checkpoint / "trainer.json").read_text())["objective"])
    assert objective.pop("format"), objective
    root = work / "pretrained"
    folder = describe(checkpoint, root / checkpoint.name, objective)
    again = ["pretrain", "--preset", "retromae", *SHAPE, "--data", work / "store", "--output", root, "--resume"]
    refused = run(*again, "--steps", 4, status=2).stderr
    assert "describes its model in format" in refused and "format none" in refused and "--init" in refused, refused
    started = run("pretrain", "--preset", "retromae", "--init", folder, "--data", work / "store", "--batch-tokens", 512, "--steps", 1, "--output",
                  work / "started").stderr
    assert "fresh:" not in started, started
    tuned = result("finetune", "--model", folder, "--data", work / "data", "--steps", 1, "--output", work / "tuned")
    assert pathlib.Path(tuned["sentence_transformer"]).is_dir(), tuned
    assert result("encode", "--model", folder, "--input", corpus, "--output", work / "cls.safetensors")["pooling"] == "cls"
    print("pre-training of 0.1: --init, finetune and encode read it, --resume refuses it")


def main():
    assert xxh64(b"") == "ef46db3751d8e999" and xxh64(b"abc") == "44bc2cf5ad770999"
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        data = write_collection(work / "data")
        run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 40, "--output", work / "store")
        trained = result("pretrain", "--preset", "retromae", *SHAPE, "--data", work / "store", "--steps", 2, "--output", work / "run")
        check_finetuned(work, pathlib.Path(trained["checkpoint"]), data / "corpus.jsonl")
        check_pretrained(work, pathlib.Path(trained["checkpoint"]), data / "corpus.jsonl")


if __name__ == "__main__":
    main()
