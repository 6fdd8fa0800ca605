# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Small files that ended earlier versions by a signal, a hang or a library's text, or passed in silence: each is refused with status 2,
by its name and a sentence."""
import json
import os
import pathlib
import shutil
import struct
import tempfile

from cli_support import result, run, write_collection

DEEP = 200_000


def nested(key=None):
    """JSON of 200,000 levels, in place of the value of a key where one is given."""
    deep = "[" * DEEP + "]" * DEEP
    return deep if key is None else '{"' + key + '": ' + deep + "}"


def refused(*arguments, says, timeout=20):
    message = run(*arguments, status=2, timeout=timeout).stderr
    for words in [says] if isinstance(says, str) else says:
        assert words in message, f"{words!r} is not in: {message}"
    assert len(message) < 4000, len(message)


def with_file(work, source, name, content):
    """A copy of a folder with one other file."""
    folder = work / f"copy-{len(list(work.glob('copy-*')))}"
    shutil.copytree(source, folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(content)
    return folder


def changed(path, **keys):
    document = json.loads(path.read_text())
    return json.dumps({**document, **keys})


def check_depth(work, data, model):
    levels = "at most 64 levels of JSON"
    encode = ["encode", "--input", data / "corpus.jsonl", "--output", work / "none.safetensors", "--pooling", "cls"]
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        refused(*encode, "--model", with_file(work, model, name, nested()), says=[name, levels])
    refused("tokenize", "--tokenizer", with_file(work, model, "tokenizer.json", nested("model")), says=["tokenizer.json", levels])
    bpe = work / "bpe"
    bpe.mkdir()
    (bpe / "vocab.json").write_text(nested())
    (bpe / "merges.txt").write_text("#version: 0.2\n")
    refused("tokenize", "--tokenizer", bpe, says=["vocab.json", levels])
    index = with_file(work, model, "model.safetensors.index.json", nested("weight_map"))
    (index / "model.safetensors").unlink()
    refused(*encode, "--model", index, says=["model.safetensors.index.json", levels])
    refused(*encode[:-2], "--model", with_file(work, work / "run" / "sentence-transformer", "modules.json", nested()), says=["modules.json", levels])
    refused("pretrain", "--preset", "mlm", "--config", with_file(work, model, "x.json", nested()) / "x.json", "--data", work / "store", "--steps", 1,
            "--output", work / "none", says=levels)
    lines = work / "deep.jsonl"
    lines.write_text('{"_id": "1", "text": "a b"}\n{"_id": "2", "text": ' + nested() + "}\n")
    refused("prepare", "--input", lines, "--tokenizer", model, "--output", work / "none", says=["deep.jsonl:2", "200001 levels, above 64"])
    refused("inspect", with_file(work, work / "store", "manifest.json", nested()), says="something that is not JSON")
    checkpoint = next((work / "run").glob("step-*"))
    refused("inspect", with_file(work, checkpoint, "trainer.json", nested()), says=["trainer.json", levels])
    run("inspect", with_file(work, checkpoint, "trainer.json", json.dumps({"objective": nested()})), timeout=20)   # a text of no use
    for content in ("[]", '{"state": [1]}', '{"objective": 5}'):
        refused("inspect", with_file(work, checkpoint, "trainer.json", content), says="trainer.json")
    print("JSON of 200,000 levels is refused by every reader")


def check_strictness(work, data, model):
    twice = (model / "tokenizer_config.json").read_text().rstrip().rstrip("}") + ', "mask_token": "[PAD]", "mask_token": "[MASK]"}'
    refused("tokenize", "--tokenizer", with_file(work, model, "tokenizer_config.json", twice), says="each key once, found \"mask_token\" twice")
    nul = (model / "tokenizer_config.json").read_text() + "\0{"
    refused("tokenize", "--tokenizer", with_file(work, model, "tokenizer_config.json", nul), says="a NUL at byte")
    lines = work / "twice.jsonl"
    lines.write_text('{"_id": "1", "text": "a", "text": "b"}\n')
    refused("prepare", "--input", lines, "--format", "jsonl", "--tokenizer", model, "--output", work / "none", says='the key "text" twice')
    if (model / "tokenizer.json").exists():
        tokenizer = json.loads((model / "tokenizer.json").read_text())
        for value in (1e300, -1, 2.5):
            tokenizer["model"]["max_input_chars_per_word"] = value
            refused("tokenize", "--tokenizer", with_file(work, model, "tokenizer.json", json.dumps(tokenizer)),
                    says='a whole number at "max_input_chars_per_word"')
    laid_out = work / "run" / "sentence-transformer"
    encode = ["encode", "--input", data / "corpus.jsonl", "--output", work / "none.safetensors"]
    pooling = json.loads((laid_out / "1_Pooling" / "config.json").read_text())
    for change, says in (({"word_embedding_dimension": 1 << 62, "embedding_dimension": 1 << 62}, "a width from 1 to 1000000"),
                         ({"pooling_mode": ["cls", "cls"]}, "each pooling mode once")):
        folder = with_file(work, laid_out, "x", "")
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({**pooling, **change}))
        refused(*encode, "--model", folder, says=says)
    refused(*encode, "--model", with_file(work, laid_out, "config.json", changed(laid_out / "config.json", max_position_embeddings=-5)),
            says="max_position_embeddings")
    print("keys that stand twice, NUL, numbers that are not whole and sizes out of range are refused")


def check_places(work, data, model):
    """Devices and pipes are not waited for, and files are not looked for outside of their folder."""
    refused("tokenize", "--tokenizer", "/dev/zero", says="a pipe or a device", timeout=5)
    for name in ("config.json", "tokenizer_config.json"):
        folder = with_file(work, model, name, "")
        (folder / name).unlink()
        os.mkfifo(folder / name)
        refused("encode", "--input", data / "corpus.jsonl", "--output", work / "none.safetensors", "--pooling", "cls", "--model", folder,
                says=[name, "a pipe or a device"], timeout=10)
    folder = with_file(work, model, "model.safetensors", "")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("/dev/zero")
    refused("inspect", folder, says="a pipe or a device", timeout=5)
    index = with_file(work, model, "model.safetensors.index.json", json.dumps({"weight_map": {"x": "../run/model/model.safetensors"}}))
    (index / "model.safetensors").unlink()
    refused("inspect", index, says="names of files beside the index")
    print("devices, pipes and paths that leave their folder are refused at once")


def check_ids(work):
    """A store is opened with a quick check: its ids are compared with the vocabulary where batches are made of them."""
    for bad in (1 << 20, -5):
        folder = with_file(work, work / "store", "x", "")
        (folder / "x").unlink()
        tokens = bytearray((folder / "tokens").read_bytes())
        for at in range(0, len(tokens), 4):
            tokens[at:at + 4] = struct.pack("<i", bad)
        (folder / "tokens").write_bytes(tokens)
        refused("pretrain", "--preset", "mlm", "--config", "tiny", "--hidden", 32, "--layers", 1, "--data", folder, "--steps", 1,
                "--output", work / "none", "--set", "encoder_mask=1", "--set", "passes.0.view.corruptor.mask_share=1",
                "--set", "passes.0.view.corruptor.random_share=0", says=[f"found {bad}", "prepare it again"])
    print("token ids outside of the vocabulary are refused where batches are packed")


def check_generators(work, data):
    """Sizes that no model has are refused before anything is built."""
    gpt2 = {"model_type": "gpt2", "vocab_size": 10, "n_positions": 8, "n_embd": 4, "n_layer": 1, "n_head": 1}
    t5 = {"model_type": "t5", "vocab_size": 10, "d_model": 4, "d_kv": 2, "num_heads": 2, "d_ff": 8, "num_layers": 1}
    for base, key, value in ((gpt2, "n_layer", 1 << 40), (gpt2, "n_embd", 1 << 62), (gpt2, "n_inner", -1), (t5, "num_layers", 1 << 40),
                             (t5, "n_positions", -4), (t5, "relative_attention_num_buckets", 1 << 62)):
        folder = work / f"generator-{key}"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({**base, key: value}))
        refused("generate", "--model", folder, "--input", data / "corpus.jsonl", "--output", work / "none.jsonl", says=f'"{key}" from 1 to')
    print("sizes of generators are bounded")


def check_descriptions(work, model):
    """What a checkpoint and a dumped step say of themselves, of other types."""
    checkpoint = next((work / "run").glob("step-*"))
    for objective in ({"pooling": 5}, {"pooling": "cls", "passage_length": "x"}, {"passes": [{"bottleneck": 5}]}, {"terms": [{"decoder": 5}]}):
        folder = with_file(work, checkpoint, "trainer.json", changed(checkpoint / "trainer.json", objective=json.dumps(objective)))
        refused("export", "--model", folder, "--output", work / "none", says="undamaged checkpoint")   # the manifest, before the description is read
        run("inspect", folder, timeout=20)
    header = json.dumps({"__metadata__": {"report": json.dumps({"preset": 5, "terms": [7]})}}).encode()
    dumped = work / "dumped.safetensors"
    dumped.write_bytes(struct.pack("<Q", len(header)) + header)
    refused("inspect", dumped, says='text under "preset" of the report')
    modules = with_file(work, work / "run" / "sentence-transformer", "modules.json", "[5]")
    refused("inspect", modules, says="a JSON object of a module")
    print("descriptions of other types are refused with their place")


def main():
    with tempfile.TemporaryDirectory(prefix="bmae-hostile-") as name:
        work = pathlib.Path(name)
        data = write_collection(work / "data")
        run("prepare", "--input", data / "corpus.jsonl", "--format", "jsonl", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
        result("pretrain", "--preset", "mlm", "--config", "tiny", "--hidden", 32, "--layers", 1, "--data", work / "store", "--batch-tokens", 512,
               "--steps", 1, "--output", work / "run")
        model = work / "run" / "model"
        check_depth(work, data, model)
        check_strictness(work, data, model)
        check_places(work, data, model)
        check_ids(work)
        check_generators(work, data)
        check_descriptions(work, model)
        assert not (work / "none").exists() and not (work / "none.safetensors").exists()


main()
