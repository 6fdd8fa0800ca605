# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares masks with the exact distribution of the published walk, budgets with Python's round, 80/10/10 with transformers.

Usage: masks_parity.py [DRIVER]     DRIVER is the program built from masks_driver.cpp; - is that of the build
"""
# ctest: -
import collections
import itertools
import math
import os
import subprocess
import sys

DRIVER = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "-" else os.environ["BMAE_BIN"] + "/masks_driver"
UNK, CLS, SEP, MASK = 1, 2, 3, 4
SHARE = {"whole_word": 60000, "row_visibility": 6000}   # draws


def ask(lines):
    """The driver's answers, one per line."""
    out = subprocess.run([DRIVER], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True).stdout
    return out.splitlines()


def exact(ids, rate):
    """Probability of every mask (bit i = token i hidden): the walk over all orders of the words, each equally likely."""
    words = []
    for place, token in enumerate(ids):
        if token in (CLS, SEP):
            continue
        if words and token >= 800:
            words[-1].append(place)
        else:
            words.append([place])
    budget = min(512, max(1, round(len(ids) * rate)))
    masks = collections.Counter()
    for order in itertools.permutations(words):
        hidden = []
        for word in order:
            if len(hidden) >= budget:
                break
            if len(hidden) + len(word) <= budget:
                hidden += word
        masks[sum(1 << place for place in hidden)] += 1
    return {mask: count / math.factorial(len(words)) for mask, count in masks.items()}


def check_budgets():
    cases = [(tokens, rate) for tokens in range(2, 1400) for rate in (0.15, 0.3, 0.45, 0.5, 0.7)]
    answers = ask([f"budget {tokens} {rate!r}" for tokens, rate in cases])
    wrong = [case for case, answer in zip(cases, answers) if int(answer) != min(512, max(1, round(case[0] * case[1])))]
    assert not wrong, f"budgets differ from Python's round: {wrong[:5]}"
    print(f"budgets: {len(cases)} equal")


def check_distributions():
    texts = [[CLS, 10, 11, 12, 13, 14, SEP], [CLS, 10, 900, 11, 12, 901, 902, 13, SEP], [CLS, 900, 10, 901, UNK, 902, 11, SEP],
             [CLS, 10, SEP, 900, 11, 12, 13, SEP], [CLS, 10, 900, 901, 11, 902, 12, 903, 13, 14, SEP], [CLS, 10, 900, 901, SEP]]
    cases = [(kind, rate, ids) for kind in SHARE for rate in (0.15, 0.3, 0.5, 0.75) for ids in texts]
    answers = ask([f"{kind} {rate} {SHARE[kind]} {' '.join(map(str, ids))}" for kind, rate, ids in cases])
    worst = 0
    for (kind, rate, ids), answer in zip(cases, answers):
        seen = {int(mask): int(count) for mask, count in (item.split(":") for item in answer.split())}
        expected = exact(ids, rate)
        assert set(seen) <= set(expected), f"{kind} at {rate} drew an impossible mask of {ids}"
        draws = sum(seen.values())
        chi = sum((seen.get(mask, 0) - p * draws) ** 2 / (p * draws) for mask, p in expected.items())
        freedom = len(expected) - 1
        sigmas = (chi - freedom) / math.sqrt(2 * freedom) if freedom else 0
        worst = max(worst, sigmas)
        assert sigmas < 5, f"{kind} at {rate} on {ids}: chi square {chi:.1f} with {freedom} degrees of freedom"
    print(f"masks: {len(cases)} exact distributions met, the worst by {worst:.1f} standard deviations")


def check_corruption():
    import numpy as np
    from transformers import DataCollatorForLanguageModeling

    class Vocabulary:
        """As much of a tokenizer as the collator asks for."""
        mask_token, mask_token_id, is_fast = "[MASK]", MASK, True

        def __len__(self):
            return 1000

    ids = [CLS, *range(100, 160), UNK, SEP]
    draws = 4000
    ours = [int(count) for count in ask([f"corrupt {draws} {' '.join(map(str, ids))}"])[0].split()]
    collator = DataCollatorForLanguageModeling(tokenizer=Vocabulary(), mlm=True, mlm_probability=1.0)
    clean = np.tile(np.array(ids), (draws, 1))
    special = np.isin(clean, [CLS, SEP, UNK])
    np.random.seed(1)
    inputs, labels = collator.numpy_mask_tokens(clean.copy(), special_tokens_mask=special)
    flagged = labels != -100
    same, masked = flagged & (inputs == clean), flagged & (inputs == MASK)
    theirs = [int(masked.sum()), int((flagged & ~same & ~masked).sum()), int(same.sum())]
    assert sum(ours) == sum(theirs) == 60 * draws, (ours, theirs)
    for name, a, b in zip(("[MASK]", "random", "unchanged"), ours, theirs):
        assert abs(a - b) < 5 * math.sqrt(2 * max(a, b) * (1 - max(a, b) / sum(ours))), (name, a, b)
    print("80/10/10: ours", [f"{n / sum(ours):.4f}" for n in ours], "transformers", [f"{n / sum(theirs):.4f}" for n in theirs])


check_budgets()
check_distributions()
check_corruption()
