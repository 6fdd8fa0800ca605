# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""A ModernBERT folder with a tokenizer of its form through the whole program: ids as `tokenizers` gives them, hidden states as transformers,
pre-training, export, fine-tuning and search, whose folders sentence-transformers reads with the same vectors. Then every preset over
ModernBERT: one dumped step equals an independent computation, with the encoder's kind of decoder and with BERT's, and a killed run
resumes to the same bits.

usage: modern_bert.py [--presets NAME...]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    import sentence_transformers
    import torch
    import transformers
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tokenizers import AddedToken
from transformers import AutoModel, AutoTokenizer, ModernBertConfig, ModernBertForMaskedLM, PreTrainedTokenizerFast

import dump_step_check
from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection
from presets_parity import arguments_of, check_training, write_corpus
from subword_parity import modern_bert as modern_bert_tokenizer

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
ODD = ["it's  two   spaces, we'll see", " leads with a blank", "cafe\u0301 \u6f22\u5b57 \U0001f600!", "a   [MASK] b", "tab\tand [SEP] within", "", "42nd street"]
SIZES = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=40, max_position_embeddings=64, local_attention=16)
WIDE = 48   # tokens of a text: three windows
FAMILY_OPTION = "passes.0.terms.1.decoder.family=bert"
# Compositions whose decoder runs BERT's layers of the encoder, or reads token types.
REFUSED = {"tsdae"}


def write_model(folder, inner):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]",
                                        mask_token=AddedToken("[MASK]", lstrip=True), model_max_length=64, model_input_names=["input_ids", "attention_mask"])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in
           (("pad", "[PAD]"), ("cls", "[CLS]"), ("sep", "[SEP]"), ("bos", "[CLS]"), ("eos", "[SEP]"))}
    model = ModernBertForMaskedLM(ModernBertConfig(vocab_size=len(tokenizer), **SIZES, **ids))
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=.1)
    model.save_pretrained(folder)


def check_ids(folder, texts):
    peer = AutoTokenizer.from_pretrained(folder)
    lines = run("tokenize", "--tokenizer", folder, stdin="".join(text + "\n" for text in texts)).stdout.split("\n")[:-1]
    ours = [list(map(int, line.split())) for line in lines]
    theirs = [peer(text)["input_ids"] for text in texts]
    assert ours == theirs, next((t, a, b) for t, a, b in zip(texts, ours, theirs) if a != b)
    print(f"{len(texts)} texts, {sum(map(len, theirs))} ids equal to transformers'")


def check_vectors(folder, data, work, name, kind="ModernBertModel"):
    """Vectors of an exported folder, there and here."""
    assert type(AutoModel.from_pretrained(folder)).__name__ == kind
    encoder = SentenceTransformer(str(folder), device="cpu")
    run("encode", "--model", folder, "--input", data / "corpus.jsonl", "--output", work / f"{name}.safetensors")
    rows = load_file(work / f"{name}.safetensors")["embeddings"]
    read = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    theirs = encoder.encode([f"{text['title']} {text['text']}" for text in read], batch_size=8)
    error = float(numpy.abs(theirs - rows).max())
    print(f"{name}: largest difference to sentence-transformers {error:.1e}, largest value {numpy.abs(theirs).max():.2f}")
    assert error <= 2e-5


def check_raw_states(folder, data, work):
    """[CLS] of a folder that transformers wrote, which has no pooling yet: this is the last hidden state itself."""
    run("export", "--model", folder, "--pooling", "cls", "--max-length", WIDE, "--output", work / "raw")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    run("encode", "--model", work / "raw", "--input", data / "corpus.jsonl", "--output", work / "raw.safetensors")
    rows = load_file(work / "raw.safetensors")["embeddings"]
    worst = 0.0
    for row, line in zip(rows, (data / "corpus.jsonl").read_text().splitlines(), strict=True):
        text = json.loads(line)
        inputs = tokenizer(f"{text['title']} {text['text']}", return_tensors="pt", truncation=True, max_length=WIDE)
        with torch.no_grad():
            worst = max(worst, float(numpy.abs(model(**{k: v for k, v in inputs.items() if k in tokenizer.model_input_names}).last_hidden_state[0, 0].numpy() - row).max()))
    print(f"hidden states of [CLS]: largest difference to transformers {worst:.1e}")
    assert worst <= 2e-5


def check_program(work):
    data = write_collection(work / "data")
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    texts = [document["text"] for document in corpus]
    folder = work / "modernbert"
    write_model(folder, modern_bert_tokenizer(texts, 400))
    check_ids(folder, texts + ODD)
    check_raw_states(folder, data, work)
    result("prepare", "--input", data, "--format", "beir", "--tokenizer", folder, "--max-length", WIDE, "--output", work / "store")
    small = ["--data", work / "store", "--steps", 8, "--batch-tokens", 512, "--learning-rate", "1e-3"]
    result("pretrain", "--preset", "retromae", "--model", folder, *small, "--output", work / "run")
    config = json.loads((work / "run" / "model" / "config.json").read_text())
    assert config["model_type"] == "modernbert" and config["architectures"] == ["ModernBertForMaskedLM"], config
    check_vectors(work / "run" / "sentence-transformer", data, work, "pretrained")
    run("export", "--model", work / "run", "--pooling", "mean", "--normalize", "--max-length", WIDE, "--output", work / "exported")
    check_vectors(work / "exported", data, work, "exported")
    check_ids(work / "exported", texts[:5] + ODD)
    run("export", "--model", work / "run", "--format", "huggingface", "--output", work / "huggingface")
    _, info = ModernBertForMaskedLM.from_pretrained(work / "huggingface", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    run("pretrain", "--preset", "mlm", "--model", work / "huggingface", *small, "--output", work / "again")   # and back again
    tuned = result("finetune", "--model", work / "run", "--data", data, "--epochs", 1, "--query-length", 16, "--passage-length", WIDE, "--batch-examples", 8,
                   "--normalize", "--temperature", "0.05", "--output", work / "tuned")
    assert tuned["queries"] == 24, tuned
    check_vectors(work / "tuned" / "sentence-transformer", data, work, "tuned")
    found = result("search", "--model", work / "tuned" / "sentence-transformer", "--data", data, "--embeddings", work / "tuned.safetensors", "--output",
                   work / "run.trec")
    assert found["queries"] == 24, found


def write_config(path, vocabulary):
    """Drawn wide, so that a wrong term is loud; in the form of transformers 4."""
    sizes = {**SIZES, "local_attention": 8, "num_hidden_layers": 3}
    path.write_text(json.dumps({"model_type": "modernbert", "vocab_size": vocabulary, **sizes, "hidden_activation": "gelu", "initializer_range": .2,
                                "global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "global_attn_every_n_layers": 2,
                                "embedding_dropout": .1, "attention_dropout": .1, "mlp_dropout": .1, "pad_token_id": 0}))
    return path


def check_dump(preset, work, options, *more):
    """Terms and largest relative deviation of losses and gradient norms; nothing where the preset is refused."""
    file = work / f"{preset}.safetensors"
    file.unlink(missing_ok=True)
    words = [*arguments_of(preset, work, options), *more, "--batch-examples", 6, "--dump-step", file]
    done = subprocess.run([str(PROGRAM), *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode == 2:
        return None, done.stderr.strip().splitlines()[-1][:150]
    assert done.returncode == 0, done.stderr
    checked = dump_step_check.check(file, dtype=torch.float64, tolerance=1e-5)
    if not checked["ok"]:
        dump_step_check.show(checked, 8)
    assert checked["ok"], preset
    return len(checked["terms"]), max(r["difference"] for r in checked["terms"] + checked["gradients"] + [checked["total"]])


def check_presets(work, chosen):
    options = argparse.Namespace(data=write_corpus(work), steps=8, batch=6)
    vocabulary = json.loads((options.data / "manifest.json").read_text())["tokenizer"]["vocabulary_size"]
    options.config = write_config(work / "config.json", vocabulary)
    result("pretrain", "--preset", "mlm", "--config", options.config, "--data", options.data, "--steps", 2, "--threads", 1, "--output", work / "generator")
    for preset in chosen or [preset["name"] for preset in result("presets")["presets"]]:
        terms, worst = check_dump(preset, work, options)
        print(f"{preset:<36} {terms:>5} {worst:>13.1e}" if terms else f"{preset:<36} refused: {worst}", flush=True)
        assert (terms is None) == (preset in REFUSED), preset
    for preset in ("retromae", "dupmae", "retromae-basic"):
        terms, worst = check_dump(preset, work, options, "--set", FAMILY_OPTION)
        assert terms is not None, worst
        print(f"{preset + ', decoder of BERT':<36} {terms:>5} {worst:>13.1e}", flush=True)
    for preset in ("retromae", "simlm"):
        first, last, _ = check_training(preset, work, options)
        print(f"{preset:<36} {first:>10.3f} {last:>10.3f}  resumed to the same bits", flush=True)
        assert last < first


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="*", default=[], help="whose dumped step is checked (default: all)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as program, tempfile.TemporaryDirectory() as presets:
        check_program(pathlib.Path(program))
        check_presets(pathlib.Path(presets), options.presets)


if __name__ == "__main__":
    sys.exit(main())
