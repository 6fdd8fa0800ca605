# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the folders cpp_cross, cpp_sparse and cpp_tokens with sentence-transformers and compares their results with those that C++ put
into *.results; writes py_cross, py_sparse and py_tokens, saved by sentence-transformers itself, with results for the other side. Both
sides read the same texts, from texts.json. Exit status 77: the packages, or classes in them, are missing."""
import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
try:
    import torch
    from safetensors.torch import load_file, save_file
    from sentence_transformers import CrossEncoder, SparseEncoder
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.multi_vector_encoder import MultiVectorEncoder
    from sentence_transformers.multi_vector_encoder.modules.multi_vector_mask import MultiVectorMask
    from transformers import AutoModelForSequenceClassification, BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel
except ModuleNotFoundError:
    sys.exit(77)

folder = pathlib.Path(sys.argv[1])
texts = json.loads((folder / "texts.json").read_text())
queries, documents = texts["queries"], texts["documents"]
pairs = [(query, document) for query in queries for document in documents]


def cross_results(model):
    return {"scores": torch.tensor(model.predict(pairs, show_progress_bar=False)).view(-1)}


def sparse_results(model):
    return {"queries": model.encode_query(queries, convert_to_sparse_tensor=False, show_progress_bar=False).cpu(),
            "documents": model.encode_document(documents, convert_to_sparse_tensor=False, show_progress_bar=False).cpu()}


def token_results(model):
    q = model.encode_query(queries, show_progress_bar=False)
    d = model.encode_document(documents, show_progress_bar=False)
    return {"queries": torch.cat(list(q)).cpu(), "documents": torch.cat(list(d)).cpu(), "scores": model.similarity(q, d).cpu()}


def agree(name, found):
    expected = load_file(folder / f"{name}.results")
    assert sorted(found) == sorted(expected), (name, sorted(found))
    for key, tensor in expected.items():
        assert found[key].shape == tensor.shape, (name, key, found[key].shape, tensor.shape)
        difference = float((found[key].float() - tensor).abs().max())
        print(name, key, difference)
        assert difference <= 1e-5, (name, key, difference)


# What C++ wrote.
cross = CrossEncoder(str(folder / "cpp_cross"), device="cpu")
assert type(cross.activation_fn).__name__ == "Identity" and cross.max_seq_length == 40, (cross.activation_fn, cross.max_seq_length)
agree("cpp_cross", cross_results(cross))
model, info = AutoModelForSequenceClassification.from_pretrained(folder / "cpp_cross", output_loading_info=True)
assert type(model).__name__ == "BertForSequenceClassification" and model.config.num_labels == 1, model.config
assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
agree("cpp_sigmoid", cross_results(CrossEncoder(str(folder / "cpp_sigmoid"), device="cpu")))
sparse = SparseEncoder(str(folder / "cpp_sparse"), device="cpu")
assert [type(module).__name__ for module in sparse] == ["MLMTransformer", "SpladePooling"] and sparse.max_seq_length == 24
agree("cpp_sparse", sparse_results(sparse))
tokens = MultiVectorEncoder(str(folder / "cpp_tokens"), device="cpu")
assert [type(module).__name__ for module in tokens] == ["Transformer", "Dense", "MultiVectorMask", "Normalize"], tokens
agree("cpp_tokens", token_results(tokens))

# Saved again by Python: what has changed in its own layout.
cross.save_pretrained(str(folder / "py_cpp_cross"))
sparse.save_pretrained(str(folder / "py_cpp_sparse"))
tokens.save_pretrained(str(folder / "py_cpp_tokens"))

# What C++ has to read: other weights, and a config of which Python knows every key.
config = dict(vocab_size=len((folder / "cpp_cross" / "vocab.txt").read_text().splitlines()), hidden_size=16, num_hidden_layers=2,
              num_attention_heads=2, intermediate_size=32, max_position_embeddings=48)
torch.manual_seed(11)


def fresh(kind, name, **options):
    model = kind(BertConfig(**config, **options))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=.3)
    model.save_pretrained(folder / name)
    for file in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        if (folder / "cpp_cross" / file).exists():
            (folder / name / file).write_bytes((folder / "cpp_cross" / file).read_bytes())
    return str(folder / name)


raw = fresh(BertForSequenceClassification, "raw_py_cross", num_labels=1)
for name, activation in (("py_cross", torch.nn.Identity()), ("py_sigmoid", None)):
    model = CrossEncoder(raw, device="cpu", activation_fn=activation)
    model.save_pretrained(str(folder / name))
    save_file(cross_results(model), folder / f"{name}.results")
CrossEncoder(fresh(BertForSequenceClassification, "raw_py_labels", num_labels=3), device="cpu").save_pretrained(str(folder / "py_labels"))
sparse = SparseEncoder(fresh(BertForMaskedLM, "raw_py_sparse"), device="cpu")
sparse.save_pretrained(str(folder / "py_sparse"))
save_file(sparse_results(sparse), folder / "py_sparse.results")
for name, skipped in (("py_tokens", []), ("py_skiplist", ["w7"])):
    transformer = Transformer(fresh(BertModel, f"raw_{name}"), query_length=8, document_length=20)
    dense = Dense(16, 6, bias=False, activation_function=None, module_input_name="token_embeddings")
    tokens = MultiVectorEncoder(modules=[transformer, dense, MultiVectorMask(skiplist_words=skipped),
                                         Normalize(module_input_name="token_embeddings")], device="cpu")
    tokens.save_pretrained(str(folder / name))
    save_file(token_results(tokens), folder / f"{name}.results")
