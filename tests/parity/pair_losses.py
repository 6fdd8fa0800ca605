# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Losses and gradients of contrasts, distillation and scored pairs against Sentence Transformers' own and against plain PyTorch in double
precision: CoSENT, AnglE, cosine similarity, Matryoshka, masks by margins, pairwise margins, temperatures."""
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    import torch.nn.functional as F
    from safetensors.torch import load_file, save_file
except ModuleNotFoundError as error:
    print(f"skipped: pair_losses.py needs the Python package `{error.name}`, which is not installed")
    sys.exit(77)
try:
    from sentence_transformers.sentence_transformer import losses
except ModuleNotFoundError:
    losses = None

B, G, D = 7, 4, 16
NESTED = [(16, 1.0), (8, .5), (4, 2.0)]


def inputs():
    torch.manual_seed(3)
    texts = torch.randn(B * G, D)
    queries = texts[::G] * .5 + torch.randn(B, D) * .8
    scores = torch.randn(B, G) * 2   # of either sign, positives not always the highest
    scores[0, 2] = float("nan")
    scores[1, 0] = float("nan")
    labels = torch.tensor([0., 1.5, 1.5, 3., 5., 4., 2.5])
    return {"queries": queries, "texts": texts, "scores": scores.flatten().contiguous(), "seconds": queries + torch.randn(B, D), "labels": labels}


def cut(x, width):
    return x[:, :width]


def unit(x):
    return x / x.norm(dim=1, keepdim=True)


def pair_loop(similarities, labels, scale):
    """log(1 + sum of exp over ordered pairs), a loop."""
    terms = [torch.zeros((), dtype=torch.float64)]
    for i in range(B):
        for j in range(B):
            if labels[i] < labels[j]:
                terms.append(scale * (similarities[i] - similarities[j]))
    return torch.logsumexp(torch.stack(terms), 0)


def cosines(q, s):
    return (unit(q) * unit(s)).sum(1)


def angles(q, s):
    half = q.shape[1] // 2
    z, w = torch.complex(q[:, :half], q[:, half:]), torch.complex(s[:, :half], s[:, half:])
    ratio = z * w.conj() / (z.abs().square().sum(1, keepdim=True).sqrt() * w.abs().square().sum(1, keepdim=True).sqrt())
    return (ratio.real.sum(1) + ratio.imag.sum(1)).abs()


def scores_of(q, t):
    return unit(q) @ unit(t).T


def candidate_loss(q, t, left_out, temperature=.05, scope="all", form="softmax", margin=.3):
    """Per query a loop over its candidates; left_out(i, c, s, own) says which are none."""
    s = scores_of(q, t)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(B):
        own = i * G
        columns = range(own, own + G) if scope == "own" else range(B * G)
        negatives = [c for c in columns if c != own and not left_out(i, c, s, own)]
        if form == "softmax":
            row = torch.stack([s[i, own]] + [s[i, c] for c in negatives]) / temperature
            total = total + torch.logsumexp(row, 0) - row[0]
        else:
            total = total + torch.stack([F.margin_ranking_loss(s[i, own][None], s[i, c][None], torch.ones(1), margin=margin) for c in negatives]).mean()
    return total / B


def nothing(i, c, s, own):
    return False


def by_score(margin, relative):
    def left_out(i, c, s, own):
        row = s[i].detach()
        limit = row[own] - (margin * row[own].abs() if relative else margin)
        lowest = min((k for k in range(B * G) if k != own), key=lambda k: row[k])
        return row[c] >= limit and c != lowest
    return left_out


def by_teacher(teacher, margin, relative, keeps_lowest=False):
    def left_out(i, c, s, own):
        if not own <= c < own + G or torch.isnan(teacher[own]):
            return False
        limit = teacher[own] - (margin * teacher[own].abs() if relative else margin)
        near = [k for k in range(own + 1, own + G) if teacher[k] >= limit]   # false for NaN
        if keeps_lowest and len(near) == G - 1:
            near.remove(min(near, key=lambda k: teacher[k]))
        return c in near
    return left_out


def four_blocks(q, t):
    q, t = unit(q), unit(t)
    own = t[::G]
    eye = torch.eye(B, dtype=torch.bool)
    blocks = torch.cat([q @ t.T, *((m).masked_fill(eye, float("-inf")) for m in (own @ q.T, q @ q.T, own @ own.T))], 1) / .05
    return F.cross_entropy(blocks, torch.arange(B) * G)


def distilled(q, t, teacher, loss):
    whole = [i for i in range(B) if not torch.isnan(teacher[i * G:(i + 1) * G]).any()]
    total = torch.zeros((), dtype=torch.float64)
    for i in whole:
        total = total + loss(q[i], t[i * G:(i + 1) * G], teacher[i * G:(i + 1) * G])
    return total / len(whole)


def margin_mse(q, t, teacher):
    s = t @ q
    return F.mse_loss(s[0] - s[1:], teacher[0] - teacher[1:])


def kl(q, t, teacher):
    s = (t / t.norm(dim=1, keepdim=True)) @ (q / q.norm()) / .05
    return F.kl_div(s.log_softmax(0), teacher.softmax(0), reduction="sum")


def nested(loss):
    return lambda q, t: sum(weight * loss(cut(q, width), cut(t, width)) for width, weight in NESTED)


def expectations(data, log_scale):
    labels, teacher = data["labels"].double(), data["scores"].double()
    contrast = lambda q, t: candidate_loss(q, t, nothing)
    learned = lambda q, t, left_out=nothing: candidate_loss(q, t, left_out, torch.exp(-log_scale))
    return {
        "cosent": lambda q, s: pair_loop(cosines(q, s), labels, 20),
        "angle": lambda q, s: pair_loop(angles(q, s), labels, 20),
        "cosine": lambda q, s: F.mse_loss(cosines(q, s), labels / 5),
        "cosent_nested": nested(lambda q, s: pair_loop(cosines(q, s), labels, 20)),
        "angle_nested": nested(lambda q, s: pair_loop(angles(q, s), labels, 20)),
        "contrast": contrast,
        "contrast_nested": nested(contrast),
        "four_block_nested": nested(four_blocks),
        "mask_score": lambda q, t: candidate_loss(q, t, by_score(.1, False)),
        "mask_score_relative": lambda q, t: candidate_loss(q, t, by_score(.1, True)),
        "mask_teacher": lambda q, t: candidate_loss(q, t, by_teacher(teacher, .5, False)),
        "mask_teacher_relative": lambda q, t: candidate_loss(q, t, by_teacher(teacher, .5, True)),
        "mask_own_group": lambda q, t: candidate_loss(q, t, by_teacher(teacher, 100, False, True), scope="own"),
        "margin": lambda q, t: candidate_loss(q, t, nothing, form="margin"),
        "margin_own_group": lambda q, t: candidate_loss(q, t, nothing, scope="own", form="margin"),
        "learned": learned,
        "learned_masked": lambda q, t: learned(q, t, by_score(-.05, False)),
        "warm": lambda q, t: candidate_loss(q, t, nothing, .1),        # 1 / .05 times a half
        "cold": lambda q, t: candidate_loss(q, t, nothing, 1.),
        "margin_mse_nested": nested(lambda q, t: distilled(q, t, teacher, margin_mse)),
        "kl_nested": nested(lambda q, t: distilled(q, t, teacher, kl)),
    }


def of_sentence_transformers(data):
    """The same cases by the peer's own classes, where it has them: NAME -> loss(first, second)."""
    if losses is None:
        return {}
    labels = data["labels"].double()

    def shrunk(loss):
        return lambda q, t: sum(weight * loss(unit(cut(q, width)), unit(cut(t, width))) for width, weight in NESTED)

    def of(loss, labels):
        return lambda q, s: loss.compute_loss_from_embeddings([q, s], labels)

    class Passed(torch.nn.Module):
        """A model that gives the vectors that it is given."""
        def forward(self, features):
            return {"sentence_embedding": features["sentence_embedding"]}

        def get_embedding_dimension(self):
            return D

    model = Passed()
    cosent, angle = losses.CoSENTLoss(model), losses.AnglELoss(model)
    ranking = losses.MultipleNegativesRankingLoss(model, scale=20)
    cosine = losses.CosineSimilarityLoss(model)
    columns = lambda t: [t[k::G] for k in range(G)]
    contrast = lambda q, t: ranking.compute_loss_from_embeddings([q, *columns(t)], None)
    features = lambda *vectors: [{"sentence_embedding": v} for v in vectors]
    matryoshka = losses.MatryoshkaLoss(model, cosent, [w for w, _ in NESTED], [w for _, w in NESTED])
    return {
        "cosent": of(cosent, labels),
        "angle": of(angle, labels),
        "cosine": lambda q, s: cosine(features(q, s), labels / 5),
        "cosent_nested": lambda q, s: matryoshka(features(q, s), labels),
        "contrast": contrast,
        "contrast_nested": shrunk(contrast),
    }


def difference(ours, theirs):
    return ((ours.double() - theirs).abs().max() / max(1., theirs.abs().max().item())).item()


def main(work):
    data = inputs()
    save_file(data, work / "in.safetensors")
    driver = pathlib.Path(os.environ["BMAE_BIN"]) / "pair_losses_driver"
    subprocess.run([driver, work / "in.safetensors", work / "out.safetensors"], check=True)
    ours = load_file(work / "out.safetensors")
    log_scale = torch.tensor(20.).double().log().requires_grad_(True)
    cases = expectations(data, log_scale)
    assert {name.split(".")[0] for name in ours} == set(cases), sorted(ours)
    worst, compared = 0., 0
    for source, table in (("plain PyTorch", cases), ("sentence-transformers", of_sentence_transformers(data))):
        for name, loss in table.items():
            scored = name.split("_")[0] in ("cosent", "angle", "cosine")
            first = data["queries"].double().requires_grad_(True)
            second = data["seconds" if scored else "texts"].double().requires_grad_(True)
            value = loss(first, second)
            wanted = [first, second] + ([log_scale] if f"{name}.log_scale" in ours else [])
            gradients = torch.autograd.grad(value, wanted)
            found = {f"{name}.loss": value.detach(), f"{name}.first": gradients[0], f"{name}.second": gradients[1]}
            if len(gradients) == 3:
                found[f"{name}.log_scale"] = gradients[2].reshape(1)
            assert value.item() > 1e-3, (name, value.item())   # the case says something
            for key, theirs in found.items():
                apart = difference(ours[key].reshape(theirs.shape), theirs)
                worst, compared = max(worst, apart), compared + 1
                assert apart <= 1e-5, (source, key, apart)
    # Masks change something, each of them.
    plain = float(ours["contrast.loss"])
    for name in cases:
        if name.startswith("mask_") and name != "mask_own_group":
            assert float(ours[f"{name}.loss"]) < plain - 1e-4, name
    print(f"{len(cases)} losses, {compared} values and gradients, worst difference {worst:.1e}"
          + ("" if losses else "; skipped: sentence-transformers is not installed"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
