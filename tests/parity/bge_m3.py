# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""M3-Embedding: losses and gradients against plain PyTorch in double precision on padded texts; `bmae finetune --preset bge-m3` resumes to the
same bits, its folder loads in sentence-transformers, and its heads are files that torch.load reads."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from cli_support import result, run, write_collection

try:
    import numpy
    import torch
    import torch.nn.functional as F
    from safetensors.numpy import load_file as load_arrays
    from safetensors.torch import load_file, save_file
except ModuleNotFoundError as error:
    print(f"skipped: bge_m3.py needs the Python package `{error.name}`, which is not installed")
    raise SystemExit(77)
try:
    from sentence_transformers import SentenceTransformer
except ModuleNotFoundError:
    SentenceTransformer = None

B, G, H = 5, 3, 12
HEADS = ("sparse_linear", "colbert_linear")
DEFAULTS = {"temperature": .02, "scores": (1, .3, 1), "losses": (1, .1, 1)}
WEIGHTED = {"temperature": .3, "scores": (.5, 2, 0), "losses": (0, 3, .7)}


def inputs():
    """Random texts of [CLS], a few words of a small vocabulary, an unknown one here and there, [SEP]."""
    torch.manual_seed(11)
    data = {}
    for number, texts, longest in ((0, B, 6), (1, B * G, 9)):
        rows = [[2] + [1 if torch.rand(()) < .1 else int(word) for word in torch.randint(5, 17, (int(torch.randint(1, longest, ())),))] + [3] for _ in range(texts)]
        data[f"ids.{number}"] = torch.tensor([id for row in rows for id in row])
        data[f"offsets.{number}"] = torch.tensor([0] + [len(row) for row in rows]).cumsum(0)
        data[f"hidden.{number}"] = torch.randn(len(data[f"ids.{number}"]), H)
    for head, width in zip(HEADS, (1, H)):
        data[f"shared.{head}.weight"], data[f"shared.{head}.bias"] = torch.randn(width, H) * .3, torch.randn(width) * .3
    return data


def padded(values, offsets):
    parts = [values[a:b] for a, b in zip(offsets, offsets[1:])]
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True), torch.nn.utils.rnn.pad_sequence([torch.ones(len(part)) for part in parts], batch_first=True).bool()


def representations(data, number):
    """Dense [N, H], lexical [N, V] and token vectors [N, L - 1, H] with their mask."""
    offsets = data[f"offsets.{number}"].tolist()
    hidden, mask = padded(data[f"hidden.{number}"], offsets)
    ids, _ = padded(data[f"ids.{number}"], offsets)
    dense = F.normalize(hidden[:, 0], dim=-1)
    weights = torch.relu(hidden @ data["shared.sparse_linear.weight"].T + data["shared.sparse_linear.bias"]).squeeze(-1) * mask
    lexical = torch.zeros(*ids.shape, 60, dtype=weights.dtype).scatter(2, ids.unsqueeze(-1), weights.unsqueeze(-1)).max(1).values
    lexical = lexical * torch.tensor([0. if word in (0, 1, 2, 3) else 1. for word in range(60)])
    tokens = F.normalize(hidden[:, 1:] @ data["shared.colbert_linear.weight"].T + data["shared.colbert_linear.bias"], dim=-1)
    return dense, lexical, tokens, mask[:, 1:]


def scores_of(data, temperature):
    (qd, ql, qt, qm), (pd, pl, pt, pm) = representations(data, 0), representations(data, 1)
    best = torch.einsum("qin,pjn->qipj", qt, pt).masked_fill(~pm[None, None], float("-inf")).max(-1).values
    tokens = (best * qm[:, :, None]).sum(1) / qm.sum(1, keepdim=True)
    return [score / temperature for score in (qd @ pd.T, ql @ pl.T, tokens)]


def loss_of(name, data):
    setting = WEIGHTED if name.endswith("weighted") else DEFAULTS
    scores = scores_of(data, setting["temperature"])
    whole = sum(weight * score for weight, score in zip(setting["scores"], scores))
    left_out = torch.zeros(B, B * G, dtype=torch.bool)
    if not name.endswith("_all"):
        left_out[1, 1] = True   # relevant to the second query, whose positive is another text
    targets = torch.arange(B) * G
    ce = lambda score: F.cross_entropy(score.masked_fill(left_out, float("-inf")), targets)
    if name.startswith("contrast"):
        return (sum(weight * ce(score) for weight, score in zip(setting["losses"], scores)) + ce(whole)) / 4
    teacher = torch.softmax(whole.masked_fill(left_out, float("-inf")), -1).detach()
    kl = lambda score: -(F.log_softmax(score.masked_fill(left_out, -1e30), -1) * teacher).sum(-1).mean()
    return sum(weight * kl(score) for weight, score in zip(setting["losses"], scores)) / 3


def check_losses(work):
    data = inputs()
    save_file(data, work / "in.safetensors")
    subprocess.run([pathlib.Path(os.environ["BMAE_BIN"]) / "bge_m3_driver", work / "in.safetensors", work / "out.safetensors"], check=True)
    ours = load_file(work / "out.safetensors")
    worst, compared = 0., 0
    names = sorted({name.split(".")[0] for name in ours})
    assert len(names) == 6, names
    for name in names:
        leaves = {key: value.double().requires_grad_(True) if value.is_floating_point() else value for key, value in data.items()}
        wanted = [key for key in leaves if leaves[key].is_floating_point()]
        loss = loss_of(name, leaves)
        gradients = torch.autograd.grad(loss, [leaves[key] for key in wanted], allow_unused=True)
        assert loss.item() > 1e-2, (name, loss)
        for key, theirs in [("loss", loss.detach()), *zip(wanted, gradients)]:
            theirs = torch.zeros_like(leaves[key]) if theirs is None else theirs
            found = ours[f"{name}.{key}"].double().reshape(theirs.shape)
            apart = ((found - theirs).abs().max() / max(1., theirs.abs().max().item())).item()
            worst, compared = max(worst, apart), compared + 1
            assert apart <= 1e-5, (name, key, apart)
    assert ours["contrast.loss"] != ours["contrast_all.loss"]
    print(f"{len(names)} losses, {compared} values and gradients, worst difference {worst:.1e}")


def check_program(work):
    data = write_collection(work / "data", topics=6, documents=3)
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 250, "--max-length", 48, "--output", work / "store")
    run("pretrain", "--preset", "mlm", "--config", "tiny", "--hidden", 32, "--layers", 1, "--batch-tokens", 512, "--data", work / "store", "--steps", 1,
        "--output", work / "pretrained")
    tune = ["finetune", "--preset", "bge-m3", "--data", data, "--learning-rate", "1e-3", "--batch-examples", 6, "--save-every", 2, "--keep-last", 0]
    whole = work / "whole"
    done = result(*tune, "--model", work / "pretrained" / "model", "--steps", 4, "--output", whole)
    assert [term["kind"] for term in done["terms"]] == ["hybrid_contrast", "self_distillation"], done
    folder = whole / "sentence-transformer"
    again = work / "again"
    shutil.copytree(whole, again)
    shutil.rmtree(again / "sentence-transformer")
    shutil.rmtree(again / "step-4")
    (again / "latest").unlink(missing_ok=True)
    assert result(*tune, "--model", work / "pretrained" / "model", "--steps", 4, "--output", again, "--resume")["resumed_from"] == 2
    for name in ("model.safetensors", "sparse_linear.pt", "colbert_linear.pt"):
        assert (folder / name).read_bytes() == (again / "sentence-transformer" / name).read_bytes(), name
    for head, width in zip(HEADS, (1, 32)):
        state = torch.load(folder / f"{head}.pt", weights_only=True)
        assert {name: tuple(value.shape) for name, value in state.items()} == {"weight": (width, 32), "bias": (width,)}, state
    texts = [json.loads(line)["text"] for line in (data / "corpus.jsonl").read_text().splitlines()]
    (work / "texts.jsonl").write_text("".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)))
    vectors = []
    for model, name in ((folder, "folder"), (whole, "run")):
        told = run("encode", "--model", model, "--input", work / "texts.jsonl", "--output", work / f"{name}.safetensors").stderr
        assert "lexical weights and token vectors" in told, told
        vectors.append(load_arrays(work / f"{name}.safetensors")["embeddings"])
    assert numpy.array_equal(*vectors) and numpy.abs(numpy.linalg.norm(vectors[0], axis=1) - 1).max() < 1e-5
    if SentenceTransformer:
        assert numpy.abs(SentenceTransformer(str(folder), device="cpu").encode(texts) - vectors[0]).max() < 2e-5
    run("search", "--model", whole, "--data", data, "--output", work / "run.trec")
    more = run(*tune, "--model", folder, "--steps", 1, "--output", work / "more")
    assert "training goes on from the heads" in more.stderr, more.stderr
    dropped = run("finetune", "--model", folder, "--data", data, "--steps", 1, "--output", work / "dense")
    assert "are not read by --preset retriever" in dropped.stderr, dropped.stderr
    for arguments, words in ((["--pooling", "mean"], "no --pooling with the preset bge-m3"), (["--matryoshka", 8], "one vector per text"),
                             (["--set", "scores.dense=-1"], "at least 0"), (["--two-encoders"], "--preset bge-m3")):
        refused = run(*tune, "--model", folder, *arguments, "--steps", 1, "--output", work / "none", status=2).stderr
        assert words in refused, refused
        shutil.rmtree(work / "none", ignore_errors=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        check_losses(pathlib.Path(place))
        check_program(pathlib.Path(place))
