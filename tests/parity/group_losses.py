# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""What a cross-encoder is trained by, against plain PyTorch in double precision and Sentence Transformers' BinaryCrossEntropyLoss: losses over the
scores of a query's group with their gradients, R-Drop, both reductions of a divergence, and which texts of a group are kept, as SimLM's
released code chooses them."""
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
    print(f"skipped: group_losses.py needs the Python package `{error.name}`, which is not installed")
    sys.exit(77)
try:
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
except ModuleNotFoundError:
    CrossEncoder = None

B, G = 7, 6
TOLERANCE = 1e-5


def inputs():
    torch.manual_seed(3)
    first = torch.randn(B, G) * 2
    first[0, 0] = 30        # sure and right
    first[1, 0] = -40       # sure and wrong
    tied = torch.randint(0, 3, (B, G)).float()
    tied[0] = 1
    return {"first": first, "second": first + torch.randn(B, G) * .5, "teacher": torch.randn(B, G) * 3, "tied": tied}


def labels():
    return F.one_hot(torch.zeros(B, dtype=torch.long), G).double()


def over_passes(loss):
    return lambda first, second: (loss(first) + loss(second)) / 2


def both_ways(log_probabilities):
    """A mean over queries of torch's kl_div both ways."""
    def loss(first, second):
        p, q = log_probabilities(first), log_probabilities(second)
        return (F.kl_div(p, q, reduction="sum", log_target=True) + F.kl_div(q, p, reduction="sum", log_target=True)) / 2 / B
    return loss


def pairs_with_negatives(margin):
    def loss(s):
        positives, negatives = s[:, :1].expand(-1, G - 1).reshape(-1), s[:, 1:].reshape(-1)
        return F.margin_ranking_loss(positives, negatives, torch.ones_like(positives), margin=margin)
    return over_passes(loss)


def expectations(teacher):
    of_pair = lambda s: torch.stack([F.logsigmoid(s), F.logsigmoid(-s)], -1)
    return {
        "softmax": over_passes(lambda s: F.cross_entropy(s, torch.zeros(B, dtype=torch.long))),
        "pointwise": over_passes(lambda s: F.binary_cross_entropy_with_logits(s, labels())),
        "margin": pairs_with_negatives(1),
        "margin_narrow": pairs_with_negatives(.3),
        "r_drop_softmax": both_ways(lambda s: s.log_softmax(1)),
        "r_drop_pointwise": lambda first, second: both_ways(of_pair)(first, second) / G,   # a mean over the pairs of a group
        "kl_batchmean": lambda first, _: F.kl_div(first.log_softmax(1), teacher.softmax(1), reduction="batchmean"),
        "kl_mean": lambda first, _: F.kl_div(first.log_softmax(1), (teacher / 2).softmax(1), reduction="none").mean(),
    }


def of_sentence_transformers():
    if CrossEncoder is None:
        return {}

    class Given(CrossEncoder):
        """A cross-encoder whose scores are given in place of its first texts."""
        num_labels = 1
        device = torch.device("cpu")

        def __init__(self):
            torch.nn.Module.__init__(self)

        def preprocess(self, pairs, **_):
            return {"scores": torch.stack([score for score, _ in pairs])}

        def forward(self, features):
            return features

    binary = BinaryCrossEntropyLoss(Given())
    return {"pointwise": over_passes(lambda s: binary([list(s.flatten()), [""] * s.numel()], labels().flatten()))}


def kept_of_group(scores, count):
    """The positive counts as infinite and the highest are kept; of equal scores the first, which topk leaves open."""
    raised = scores.clone()
    raised[0] = float("inf")
    best = sorted(range(G), key=lambda i: (-raised[i].item(), i))[:count]
    if len(set(raised.tolist())) == G:
        assert sorted(best) == sorted(torch.topk(raised, count).indices.tolist())
    return sorted(best)


def check_kept(data, ours):
    for name, scores in (("kept", data["first"]), ("kept_tied", data["tied"])):
        assert any(row[0] < row[1:].max() for row in scores)   # a positive that is not the highest, and is kept
        for count in range(1, G + 1):
            expected = [b * G + i for b in range(B) for i in kept_of_group(scores[b], count)]
            assert ours.pop(f"{name}.{count}").long().tolist() == expected, (name, count)


def main(work):
    data = inputs()
    save_file(data, work / "in.safetensors")
    subprocess.run([pathlib.Path(os.environ["BMAE_BIN"]) / "group_losses_driver", work / "in.safetensors", work / "out.safetensors"], check=True)
    ours = load_file(work / "out.safetensors")
    check_kept(data, ours)
    cases = expectations(data["teacher"].double())
    assert {name.split(".")[0] for name in ours} == set(cases), sorted(ours)
    worst, compared = 0., 0
    for source, table in (("plain PyTorch", cases), ("sentence-transformers", of_sentence_transformers())):
        for name, loss in table.items():
            points = [data[side].double().requires_grad_(True) for side in ("first", "second")]
            value = loss(*points)
            assert value.item() > 1e-3, (name, value.item())   # the case says something
            gradients = torch.autograd.grad(value, points, allow_unused=True)
            found = {"loss": value.detach(), "first": gradients[0], "second": gradients[1]}
            for key, theirs in found.items():
                if theirs is None:
                    assert f"{name}.{key}" not in ours
                    continue
                apart = ((ours[f"{name}.{key}"].double() - theirs).abs().max() / max(1., theirs.abs().max().item())).item()
                worst, compared = max(worst, apart), compared + 1
                assert apart <= TOLERANCE, (source, name, key, apart)
    print(f"{len(cases)} losses, {compared} values and gradients, worst difference {worst:.1e}"
          + ("" if CrossEncoder else "; skipped: sentence-transformers is not installed"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
