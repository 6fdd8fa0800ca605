# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Losses and gradients of contrasts, distillation and scored pairs against Sentence Transformers' own and against plain PyTorch in double
precision: CoSENT, AnglE, cosine similarity, Matryoshka, masks by margins, pairwise margins, temperatures, cosines and Euclidean distances."""
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
    from sentence_transformers.util import euclidean_sim
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast
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
    seconds = queries + torch.randn(B, D)
    queries[2] = texts[2 * G]   # duplicates: a distance of 0 has no gradient
    seconds[3] = queries[3]
    return {"queries": queries, "texts": texts, "scores": scores.flatten().contiguous(), "seconds": seconds, "labels": labels}


def guided_inputs():
    """A positive and one negative per query, and the vectors of a guide: its cosines are the teacher's scores, and 0 between groups."""
    generator = torch.Generator().manual_seed(5)
    texts = torch.randn(B * 2, D, generator=generator)
    queries = texts[::2] * .5 + texts[1::2] * torch.linspace(.2, .6, B)[:, None] + torch.randn(B, D, generator=generator) * .4
    # Limits by the margin .5 are .4 absolute and .45 relative, above 0: no text of another group is masked.
    scores = torch.tensor([[.9, negative] for negative in (.3, .5, .1, .7, .2, .42, .44)])
    guide = torch.zeros(3, B, 2 * B, dtype=torch.float64)   # queries, positives, negatives
    for i in range(B):
        guide[0, i, 2 * i] = 1
        for k in range(2):
            cosine = scores[i, k].double()
            guide[1 + k, i, 2 * i] = cosine
            guide[1 + k, i, 2 * i + 1] = (1 - cosine.square()).sqrt()
    data = {"queries": queries, "texts": texts, "scores": scores.flatten().contiguous(), "seconds": queries * 2, "labels": torch.arange(B) * .5}
    return data, guide


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


def far(q, t):
    """-|q - t| of all rows, with the gradient 0 where they are equal."""
    squares = (q[:, None] - t[None]).square().sum(-1)
    equal = squares == 0
    return -squares.masked_fill(equal, 1).sqrt().masked_fill(equal, 0)


def candidate_loss(q, t, left_out, temperature=.05, scope="all", form="softmax", margin=.3, compare=scores_of, hard=0):
    """Per query a loop over its candidates; left_out(i, c, s, own) says which are none."""
    s = compare(q, t)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(B):
        own = i * G
        columns = range(own, own + G) if scope == "own" else range(B * G)
        negatives = [c for c in columns if c != own and not left_out(i, c, s, own)]
        if form == "softmax":
            row = torch.stack([s[i, own]] + [s[i, c] for c in negatives]) / temperature
            row = row + torch.tensor([0.] + [hard * (c // G == i) for c in negatives]).double()
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


def four_blocks(q, t, compare=scores_of, temperature=.05):
    own = t[::G]
    eye = torch.eye(B, dtype=torch.bool)
    others = [block.masked_fill(eye, float("-inf")) for block in (compare(own, q), compare(q, q), compare(own, own))]
    return F.cross_entropy(torch.cat([compare(q, t), *others], 1) / temperature, torch.arange(B) * G)


def both_ways(q, t):
    s = far(q, t) / .5
    return (F.cross_entropy(s, torch.arange(B) * G) + F.cross_entropy(s[:, ::G].T, torch.arange(B))) / 2


def distilled(q, t, teacher, loss):
    whole = [i for i in range(B) if not torch.isnan(teacher[i * G:(i + 1) * G]).any()]
    total = torch.zeros((), dtype=torch.float64)
    for i in whole:
        total = total + loss(q[i], t[i * G:(i + 1) * G], teacher[i * G:(i + 1) * G])
    return total / len(whole)


def margin_mse(q, t, teacher, compare=lambda q, t: q @ t.T):
    s = compare(q[None], t)[0]
    return F.mse_loss(s[0] - s[1:], teacher[0] - teacher[1:])


def kl(q, t, teacher, compare=scores_of, temperature=.05):
    s = compare(q[None], t)[0] / temperature
    return F.kl_div(s.log_softmax(0), teacher.softmax(0), reduction="sum")


def nested(loss):
    return lambda q, t: sum(weight * loss(cut(q, width), cut(t, width)) for width, weight in NESTED)


def by_distance(labels, teacher, log_scale):
    loss = lambda q, t, left_out=nothing, temperature=.5, **options: candidate_loss(q, t, left_out, temperature, compare=far, **options)
    return {
        "far_cosent_nested": nested(lambda q, s: pair_loop(far(q, s).diagonal(), labels, 20)),
        "far_contrast": loss,
        "far_contrast_nested": nested(loss),
        "far_hard": lambda q, t: loss(q, t, hard=1.5),
        "far_symmetric": both_ways,
        "far_four_block_nested": nested(lambda q, t: four_blocks(q, t, far, .5)),
        "far_margin": lambda q, t: candidate_loss(q / .5, t / .5, nothing, form="margin", margin=4, compare=far),
        "far_mask_score": lambda q, t: loss(q, t, by_score(1, False)),
        "far_mask_score_relative": lambda q, t: loss(q, t, by_score(.3, True)),
        "far_learned": lambda q, t: loss(q, t, temperature=torch.exp(-log_scale)),
        "far_learned_masked": lambda q, t: loss(q, t, by_score(1, False), torch.exp(-log_scale)),
        "far_margin_mse_nested": nested(lambda q, t: distilled(q, t, teacher, lambda *one: margin_mse(*one, far))),
        "far_kl_nested": nested(lambda q, t: distilled(q, t, teacher, lambda *one: kl(*one, far, .5))),
    }


def expectations(data, log_scale, far_log_scale):
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
        **by_distance(labels, teacher, far_log_scale),
    }


class Passed(torch.nn.Module):
    """A model of sentence-transformers that gives the vectors that it is given by that name."""
    max_seq_length = 8

    def __init__(self, name="sentence_embedding"):
        super().__init__()
        self.name = name

    def forward(self, features):
        return {"sentence_embedding": features[self.name]}

    def get_embedding_dimension(self):
        return D


def of_gist(guide):
    """The masks by margins as GISTEmbedLoss computes them: by its guide, which is the model itself or the teacher."""
    def case(guided, strategy, margin):
        model, other = Passed(), Passed("guide" if guided else "sentence_embedding")
        model.tokenizer = other.tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0}, "a")))
        loss = losses.GISTEmbedLoss(model, other, temperature=.05, margin_strategy=strategy, margin=margin,
                                    contrast_anchors=False, contrast_positives=False)
        return lambda q, t: loss([{"sentence_embedding": v, "guide": g} for v, g in zip((q, t[::2], t[1::2]), guide)], None)

    return {"mask_score": case(False, "absolute", .1), "mask_score_relative": case(False, "relative", .1),
            "mask_teacher": case(True, "absolute", .5), "mask_teacher_relative": case(True, "relative", .5)}


def of_sentence_transformers(data):
    """The same cases by the peer's own classes, where it has them: NAME -> loss(first, second)."""
    if losses is None:
        return {}
    labels = data["labels"].double()

    def shrunk(loss):
        return lambda q, t: sum(weight * loss(unit(cut(q, width)), unit(cut(t, width))) for width, weight in NESTED)

    def of(loss, labels):
        return lambda q, s: loss.compute_loss_from_embeddings([q, s], labels)

    model = Passed()
    cosent, angle = losses.CoSENTLoss(model), losses.AnglELoss(model)
    ranking = losses.MultipleNegativesRankingLoss(model, scale=20)
    cosine = losses.CosineSimilarityLoss(model)
    distance = losses.MultipleNegativesRankingLoss(model, scale=2, similarity_fct=euclidean_sim)
    both = losses.MultipleNegativesRankingLoss(model, scale=2, similarity_fct=euclidean_sim, directions=("query_to_doc", "doc_to_query"),
                                               partition_mode="per_direction")
    columns = lambda t: [t[k::G] for k in range(G)]
    far_contrast = lambda q, t: distance.compute_loss_from_embeddings([q, *columns(t)], None)
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
        "far_contrast": far_contrast,
        "far_contrast_nested": nested(far_contrast),
        "far_symmetric": lambda q, t: both.compute_loss_from_embeddings([q, *columns(t)], None),
    }


def difference(ours, theirs):
    return ((ours.double() - theirs).abs().max() / max(1., theirs.abs().max().item())).item()


def computed(work, name, data):
    """Losses and gradients of this library."""
    given, found = work / f"{name}-in.safetensors", work / f"{name}-out.safetensors"
    save_file(data, given)
    driver = pathlib.Path(os.environ["BMAE_BIN"]) / "pair_losses_driver"
    subprocess.run([driver, given, found], check=True)
    return load_file(found)


def main(work):
    plain_data, (guided_data, guide) = inputs(), guided_inputs()
    plain_results, guided = computed(work, "plain", plain_data), computed(work, "guided", guided_data)
    log_scale, far_log_scale = (torch.tensor(scale).double().log().requires_grad_(True) for scale in (20., 2.))
    cases = expectations(plain_data, log_scale, far_log_scale)
    assert {name.split(".")[0] for name in plain_results} == set(cases), sorted(plain_results)
    worst, compared = 0., 0
    for source, data, ours, table in (("plain PyTorch", plain_data, plain_results, cases),
                                      ("sentence-transformers", plain_data, plain_results, of_sentence_transformers(plain_data)),
                                      ("GISTEmbedLoss", guided_data, guided, of_gist(guide) if losses else {})):
        for name, loss in table.items():
            scored = name.removeprefix("far_").split("_")[0] in ("cosent", "angle", "cosine")
            first = data["queries"].double().requires_grad_(True)
            second = data["seconds" if scored else "texts"].double().requires_grad_(True)
            value = loss(first, second)
            factor = far_log_scale if name.startswith("far_") else log_scale
            wanted = [first, second] + ([factor] if f"{name}.log_scale" in ours else [])
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
    for results, names in ((plain_results, cases), (guided, of_gist(guide) if losses else {})):
        for name in names:
            if "mask_" in name and name != "mask_own_group":
                plain = float(results["far_contrast.loss" if name.startswith("far_") else "contrast.loss"])
                assert float(results[f"{name}.loss"]) < plain - 1e-4, name
    print(f"{len(cases)} losses, {compared} values and gradients, worst difference {worst:.1e}"
          + ("" if losses else "; skipped: sentence-transformers is not installed"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
