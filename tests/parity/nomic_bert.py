# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""A NomicBERT folder with a WordPiece tokenizer through the whole program: hidden states as transformers, a config in the form of the first
publications, pre-training that is killed and resumed to the same bits, export, fine-tuning and search, whose folders sentence-transformers
reads with the same vectors, and packed weights."""
import json
import pathlib
import sys
import tempfile

try:
    import torch
    import transformers
    from transformers import NomicBertConfig, NomicBertForMaskedLM
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
import numpy
from safetensors.numpy import load_file

import modern_bert
from cli_support import result, run, write_collection
from rerankers import bert_like
from xlm_roberta_pipeline import check_presets

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
SIZES = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48, max_position_embeddings=64)


def write_model(folder, texts):
    tokenizer = bert_like(texts, True)
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    model = NomicBertForMaskedLM(NomicBertConfig(vocab_size=len(tokenizer), **SIZES))
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0, std=.15)
    model.save_pretrained(folder)


def check_first_form(folder, data, work):
    """The keys of the first publications describe the same model; what they may switch on is refused."""
    config = json.loads((folder / "config.json").read_text())
    old = {"model_type": "nomic_bert", "architectures": ["NomicBertForMaskedLM"], "vocab_size": config["vocab_size"], "n_embd": 32, "n_layer": 3, "n_head": 4,
           "n_inner": 48, "n_positions": 8192, "max_trained_positions": 64, "activation_function": "swiglu", "layer_norm_epsilon": 1e-12, "rotary_emb_base": 1000,
           "rotary_emb_fraction": 1.0, "rotary_scaling_factor": None, "prenorm": False, "qkv_proj_bias": False, "type_vocab_size": 2, "resid_pdrop": 0.0}
    (folder / "config.json").rename(folder / "kept.json")
    (folder / "config.json").write_text(json.dumps(old))
    run("encode", "--model", folder, "--pooling", "cls", "--max-length", modern_bert.WIDE, "--input", data / "corpus.jsonl", "--output", work / "old.safetensors")
    assert (load_file(work / "old.safetensors")["embeddings"] == load_file(work / "raw.safetensors")["embeddings"]).all()
    for key, value, says in (("rotary_scaling_factor", 2, "Scaled rotary positions"), ("prenorm", True, "prenorm"), ("activation_function", "gelu", "swiglu"),
                             ("rotary_emb_fraction", .5, "rotary_emb_fraction")):
        (folder / "config.json").write_text(json.dumps({**old, key: value}))
        refused = run("encode", "--model", folder, "--pooling", "cls", "--input", data / "corpus.jsonl", "--output", work / "no.safetensors", status=2)
        assert says in refused.stderr, refused.stderr
    (folder / "kept.json").rename(folder / "config.json")


def main(work):
    data = write_collection(work / "data")
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    folder = work / "nomic"
    write_model(folder, [f"{document['title']} {document['text']}" for document in corpus])
    modern_bert.check_ids(folder, [document["text"] for document in corpus])
    modern_bert.check_raw_states(folder, data, work)
    check_first_form(folder, data, work)
    run("prepare", "--input", data, "--format", "beir", "--tokenizer", folder, "--max-length", modern_bert.WIDE, "--output", work / "store")
    trained = check_presets(work, folder, work / "store", 8, ("retromae", "dupmae", "master-as-released"))
    refused = run("pretrain", "--preset", "simlm", "--model", folder, "--generator", work / "generator" / "model", "--data", work / "store", "--steps", 1,
                  "--output", work / "no", status=2).stderr
    assert "to copy the encoder's last ones" in refused and "initialization bert" in refused, refused   # decoders have ModernBERT's layers
    kind = "NomicBertModel"
    modern_bert.check_vectors(trained / "sentence-transformer", data, work, "pretrained", kind)
    run("export", "--model", trained, "--pooling", "mean", "--normalize", "--max-length", modern_bert.WIDE, "--output", work / "exported")
    modern_bert.check_vectors(work / "exported", data, work, "exported", kind)
    run("export", "--model", trained, "--format", "huggingface", "--output", work / "huggingface")
    _, info = NomicBertForMaskedLM.from_pretrained(work / "huggingface", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    result("finetune", "--model", trained, "--data", data, "--epochs", 1, "--query-length", 16, "--passage-length", modern_bert.WIDE, "--batch-examples", 8,
           "--normalize", "--temperature", "0.05", "--output", work / "tuned")
    modern_bert.check_vectors(work / "tuned" / "sentence-transformer", data, work, "tuned", kind)
    found = result("search", "--model", work / "tuned" / "sentence-transformer", "--data", data, "--output", work / "run.trec")
    assert found["queries"] == 24, found
    if "avx512_vnni" in pathlib.Path("/proc/cpuinfo").read_text():
        run("encode", "--model", work / "exported", "--input", data / "corpus.jsonl", "--precision", "int8", "--output", work / "int8.safetensors")
        cosines = (load_file(work / "int8.safetensors")["embeddings"] * load_file(work / "exported.safetensors")["embeddings"]).sum(1)
        assert cosines.min() > .98, cosines.min()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(pathlib.Path(place))
