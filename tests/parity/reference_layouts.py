# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Decoders of checkpoints go to the files of the authors' code, into PyTorch modules with their names, and back, bit by bit; folders
with pytorch_model.bin alone, and models whose vocabulary is padded, are read by every command."""
import json
import os
import pathlib
import shutil
import sys
import tempfile

import numpy

os.environ["TQDM_DISABLE"] = "1"
try:
    import torch
    from safetensors.numpy import load_file
    from safetensors.torch import load_file as load_torch
    from transformers import BertConfig, BertForMaskedLM
    from transformers.models.bert.modeling_bert import BertLayer
except ModuleNotFoundError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from cli_support import result, run, write_collection

SHAPE = ["--config", "tiny", "--hidden", 32, "--layers", 2, "--learning-rate", "1e-3", "--batch-tokens", 512, "--steps", 2]
MASTER = {"mkp": "c_head", "dor": "query_head", "gor": "gpt_head", "npr": "next_head", "cmp": "overlap_head"}


class Retro(torch.nn.Module):
    """The names of RetroMAE's and DupMAE's modules."""

    def __init__(self, folder):
        super().__init__()
        self.lm = BertForMaskedLM.from_pretrained(folder / "encoder_model")
        self.decoder_embeddings = self.lm.bert.embeddings
        self.c_head = BertLayer(self.lm.config)


class Heads(torch.nn.Module):
    """Those of Condenser's and MASTER's: lists of layers beside the encoder."""

    def __init__(self, folder, names, layers):
        super().__init__()
        self.lm = BertForMaskedLM.from_pretrained(folder)
        for name in names:
            setattr(self, name, torch.nn.ModuleList(BertLayer(self.lm.config) for _ in range(layers)))


def same(left, right):
    return left.dtype == right.dtype and torch.equal(left, right)


def through_python(layout, folder, back):
    """Loads an exported folder as the authors' code does, and writes what that code writes."""
    shutil.copytree(folder, back)
    if layout in ("retromae", "dupmae"):
        model = Retro(folder)
        state = torch.load(folder / "pytorch_model.bin", weights_only=True)
        model.load_state_dict(state)   # strict: each key of the module and no other
        (back / "pytorch_model.bin").unlink()
        torch.save(model.state_dict(), back / "pytorch_model.bin")
        model.lm.save_pretrained(back / "encoder_model")
        return model
    if layout == "simlm":
        encoder = BertForMaskedLM.from_pretrained(folder)
        decoder = torch.nn.ModuleList(BertLayer(encoder.config) for _ in range(2))
        decoder.load_state_dict(torch.load(folder / "decoder.pt", weights_only=True))
        torch.save(decoder.state_dict(), back / "decoder.pt")
        encoder.save_pretrained(back)
        return decoder
    names = ["c_head"] if layout == "condenser" else list(MASTER.values())
    model = Heads(folder, names, 2)
    missing, unexpected = model.load_state_dict(torch.load(folder / "model.pt", weights_only=True), strict=False)
    assert not unexpected and all(name.startswith("lm.") for name in missing), (missing, unexpected)
    torch.save({name: tensor for name, tensor in model.state_dict().items() if not name.startswith("lm")}, back / "model.pt")
    model.lm.save_pretrained(back)
    return model


def check_layout(work, layout, preset, *more):
    trained = result("pretrain", "--preset", preset, *SHAPE, *more, "--data", work / "store", "--output", work / layout)
    before = load_file(pathlib.Path(trained["checkpoint"]) / "model.safetensors")
    run("export", "--model", work / layout, "--format", layout, "--output", work / f"{layout}-out")
    through_python(layout, work / f"{layout}-out", work / f"{layout}-back")
    for start in ("out", "back"):
        dump = work / f"{layout}-{start}.safetensors"
        errors = run("pretrain", "--preset", preset, "--init", work / f"{layout}-{start}", *more, "--data", work / "store",
                     "--dump-step", dump).stderr
        assert "parameters of decoders from" in errors and "fresh" not in errors, errors
        after = load_file(dump)
        decoders = 0
        for name, values in before.items():
            assert name in after, name
            assert values.dtype == after[name].dtype and numpy.array_equal(values, after[name]), f"{layout}-{start}: {name}"
            decoders += ".decoder." in name
        assert decoders >= 16, decoders
    print(f"{layout}: {len(before)} parameters, {decoders} of decoders, are equal after the way to PyTorch and back")
    return work / f"{layout}-out"


def check_refusals(work, out):
    message = run("export", "--model", work / "dupmae", "--format", "retromae", "--output", work / "x", status=2).stderr
    assert "the query plain, found enhanced layer_norm of 1" in message, message
    message = run("export", "--model", work / "retromae", "--format", "master", "--output", work / "x", status=2).stderr
    assert "decoders of MASTER's tasks" in message, message
    message = run("export", "--model", work / "retromae" / "model", "--format", "retromae", "--output", work / "x", status=2).stderr
    assert "a checkpoint or the output of a run" in message, message
    assert not (work / "x").exists()
    # A model without a decoder says what it leaves.
    errors = run("pretrain", "--preset", "mlm", "--init", out, "--data", work / "store", "--dump-step", work / "mlm.safetensors").stderr
    assert "0 parameters of decoders" in errors and "c_head has no decoder here" in errors, errors
    # The whole state with a configuration beside it, as BAAI/bge-m3-retromae has it: its encoder is the model.
    whole = work / "whole-state"
    whole.mkdir()
    for name in ("config.json", "sentence_bert_config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (out / "encoder_model" / name).exists():
            shutil.copy(out / "encoder_model" / name, whole)
    shutil.copy(out / "pytorch_model.bin", whole)
    errors = run("encode", "--model", whole, "--pooling", "cls", "--input", work / "data" / "corpus.jsonl", "--output", work / "a.safetensors").stderr
    assert f"weights: {whole / 'pytorch_model.bin'}" in errors, errors
    run("encode", "--model", out / "encoder_model", "--pooling", "cls", "--input", work / "data" / "corpus.jsonl", "--output", work / "b.safetensors")
    assert numpy.array_equal(load_file(work / "a.safetensors")["embeddings"], load_file(work / "b.safetensors")["embeddings"])


def check_pickles_alone(work):
    """Every command reads a folder with pytorch_model.bin, and safetensors first where both are there."""
    model, data = work / "retromae" / "model", work / "data"
    pickled = work / "pickled"
    shutil.copytree(model, pickled)
    (pickled / "model.safetensors").unlink()
    torch.save(load_torch(model / "model.safetensors"), pickled / "pytorch_model.bin")
    run("export", "--model", pickled, "--format", "huggingface", "--output", work / "again")
    assert (work / "again" / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    run("pretrain", "--preset", "retromae", "--model", pickled, "--data", work / "store", "--dump-step", work / "p.safetensors")
    errors = run("search", "--model", pickled, "--pooling", "cls", "--data", data, "--output", work / "run.trec").stderr
    assert "pytorch_model.bin" in errors, errors
    assert result("inspect", pickled)["weights"] == "pytorch_model.bin"
    assert result("inspect", pickled / "pytorch_model.bin")["tensors"] > 30
    run("finetune", "--model", pickled, "--data", data, "--split", "train", "--batch-examples", 4, "--steps", 1, "--output", work / "tuned")
    shutil.copy(model / "model.safetensors", pickled)
    (pickled / "pytorch_model.bin").write_bytes(b"damaged")
    errors = run("export", "--model", pickled, "--format", "huggingface", "--output", work / "both").stderr
    assert "pytorch_model.bin beside it is not read" in errors, errors
    (pickled / "model.safetensors").unlink()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 438007537\n"
    (pickled / "pytorch_model.bin").write_text(pointer)
    message = run("export", "--model", pickled, "--format", "huggingface", "--output", work / "x", status=2).stderr
    assert "pytorch_model.bin: expected the content of the file, found a git-lfs pointer" in message, message
    shutil.copy(model / "model.safetensors", pickled)
    for name in ("vocab.txt", "tokenizer.json"):
        (pickled / name).unlink(missing_ok=True)
    (pickled / "vocab.txt").write_text(pointer)
    message = run("export", "--model", pickled, "--format", "huggingface", "--output", work / "x", status=2).stderr
    assert "vocab.txt: expected the content of the file, found a git-lfs pointer" in message, message
    print("export, pretrain, search, finetune and inspect read pytorch_model.bin; git-lfs pointers are named")


def check_modules(work):
    """A sentence-transformers folder of an earlier version: a Dense module with pytorch_model.bin."""
    source = work / "retromae" / "sentence-transformer"
    old = work / "old-modules"
    shutil.copytree(source, old)
    weights = torch.rand(8, 32)
    (old / "2_Dense").mkdir()
    settings = {"in_features": 32, "out_features": 8, "bias": False, "activation_function": "torch.nn.modules.linear.Identity"}
    (old / "2_Dense" / "config.json").write_text(json.dumps(settings))
    torch.save({"linear.weight": weights}, old / "2_Dense" / "pytorch_model.bin")
    modules = [module for module in json.loads((old / "modules.json").read_text()) if "Normalize" not in module["type"]]
    modules.append({"idx": len(modules), "name": str(len(modules)), "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (old / "modules.json").write_text(json.dumps(modules))
    encode = ["encode", "--input", work / "data" / "corpus.jsonl"]
    run(*encode, "--model", old, "--output", work / "dense.safetensors")
    run(*encode, "--model", source, "--output", work / "plain.safetensors")
    dense, plain = (load_file(work / f"{name}.safetensors")["embeddings"] for name in ("dense", "plain"))
    assert numpy.allclose(dense, plain @ weights.numpy().T, atol=1e-4)
    print("a Dense module is read from pytorch_model.bin")


def check_padded_vocabulary(work):
    """30528 rows for 30522 tokens: the rows beyond are never drawn."""
    tokens = json.loads((work / "store" / "manifest.json").read_text())["tokenizer"]["vocabulary_size"]
    torch.manual_seed(3)
    config = BertConfig(vocab_size=tokens + 200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                        max_position_embeddings=64)
    padded = work / "padded"
    BertForMaskedLM(config).save_pretrained(padded)
    for name in (work / "store").iterdir():
        if name.name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copy(name, padded)
    all_random = ["--set", "passes.0.view.corruptor.mask_share=0", "--set", "passes.0.view.corruptor.random_share=1"]
    dump = work / "padded.safetensors"
    run("pretrain", "--preset", "mlm", "--model", padded, "--data", work / "store", "--set", "encoder_mask=0.9", *all_random, "--dump-step", dump)
    tensors = load_file(dump)
    ids = tensors["passes.0.view.input_ids"]
    assert tensors["encoder.embeddings.word_embeddings.weight"].shape[0] == tokens + 200
    assert ids.size > 200 and ids.max() < tokens and (ids != tensors["passes.0.view.original_ids"]).mean() > .5
    run("pretrain", "--preset", "retromae", "--model", padded, "--data", work / "store", "--batch-tokens", 512, "--steps", 2, "--output", work / "on")
    run("encode", "--model", padded, "--pooling", "cls", "--input", work / "data" / "corpus.jsonl", "--output", work / "padded-vectors.safetensors")
    small = BertConfig(**{**config.to_dict(), "vocab_size": tokens - 1})
    BertForMaskedLM(small).save_pretrained(padded)
    message = run("pretrain", "--preset", "mlm", "--model", padded, "--data", work / "store", "--dump-step", work / "x", status=2).stderr
    assert "at most the model's vocabulary" in message, message
    print(f"a vocabulary of {tokens} tokens in {tokens + 200} rows: no token beyond is drawn")


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="bmae-layouts-") as name:
        work = pathlib.Path(name)
        data = write_collection(work / "data")
        rows = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
        texts = work / "texts.jsonl"
        texts.write_text("".join(json.dumps({**row, "queries": [rows[i - 1]["title"]], "continuation": rows[i - 1]["text"]}) + "\n"
                                 for i, row in enumerate(rows)))
        run("prepare", "--input", texts, "--format", "jsonl", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        out = check_layout(work, "retromae", "retromae")
        check_layout(work, "dupmae", "dupmae")
        check_layout(work, "simlm", "simlm", "--generator", work / "retromae")
        check_layout(work, "condenser", "condenser")
        check_layout(work, "master", "master-as-released")
        check_refusals(work, out)
        check_pickles_alone(work)
        check_modules(work)
        check_padded_vocabulary(work)


main()
