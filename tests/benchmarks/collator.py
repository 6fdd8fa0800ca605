# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the compiled `collator` with a Python collator that does the same work by the loops that published ones use.

usage: collator.py PATH_TO_COLLATOR [--lengths 128 512] [--repeats 7]

One process and one thread each, in turns, by processor time, so that a busy machine slows both alike. Per example: one whole-word
mask at .30 for the encoder, min(L, 256) at .50 for the pool of row masks, a copy of one of them per row with the diagonal
blocked, tensors of the batch, 80/10/10. The ratio is examples per second, median and range over the turns. Needs PyTorch for
the peer's tensors.
"""
import argparse
import copy
import random
import statistics
import subprocess
import tempfile
import time

import torch

torch.set_num_threads(1)
VOCABULARY, FIRST_PIECE, CLS, SEP, MASK = 30522, 25000, 101, 102, 103
SPECIAL = torch.tensor([0, 100, CLS, SEP, MASK])
WORDS = ["w%d" % i for i in range(FIRST_PIECE)] + ["##p%d" % i for i in range(FIRST_PIECE, VOCABULARY)]
WORDS[CLS], WORDS[SEP] = "[CLS]", "[SEP]"
BATCH = 8


def invented_text(length, rng):
    """[CLS], tokens of which 17 in 100 continue a word (about what English Wikipedia has), [SEP]."""
    content = []
    for _ in range(length - 2):
        piece = rng.random() < 0.17
        content.append(rng.randrange(FIRST_PIECE, VOCABULARY) if piece else rng.randrange(1000, FIRST_PIECE))
    return [CLS, *content, SEP]


def whole_word_mask(tokens, rate, most=512):
    """Flags of an exact-count whole-word draw: words in random order, those that overshoot left out."""
    words = []
    for place, token in enumerate(tokens):
        if token == "[CLS]" or token == "[SEP]":
            continue
        if words and token.startswith("##"):
            words[-1].append(place)
        else:
            words.append([place])
    random.shuffle(words)
    budget = min(most, max(1, int(round(len(tokens) * rate))))
    chosen = []
    covered = set()
    for word in words:
        if len(chosen) >= budget:
            break
        if len(chosen) + len(word) > budget:
            continue
        if any(place in covered for place in word):
            continue
        for place in word:
            covered.add(place)
            chosen.append(place)
    return [1 if place in covered else 0 for place in range(len(tokens))]


def corrupt(ids, flags):
    """80/10/10 over a batch, specials never targets; labels are -100 elsewhere."""
    flags = flags.bool() & ~torch.isin(ids, SPECIAL)
    labels = torch.where(flags, ids, torch.full_like(ids, -100))
    masked = torch.bernoulli(torch.full(ids.shape, 0.8)).bool() & flags
    swapped = torch.bernoulli(torch.full(ids.shape, 0.5)).bool() & flags & ~masked
    out = torch.where(masked, torch.full_like(ids, MASK), ids)
    return torch.where(swapped, torch.randint(VOCABULARY, ids.shape), out), labels


def collate(texts):
    """A batch of equally long texts: encoder ids and labels, decoder ids and labels, one L x L matrix per text."""
    ids, flags, matrices = [], [], []
    for text in texts:
        tokens = [WORDS[i] for i in text]
        ids.append(torch.tensor(text))
        flags.append(torch.tensor(whole_word_mask(tokens, 0.30)))
        pool_size = min(len(tokens), 256)
        pool = [whole_word_mask(tokens, 0.50) for _ in range(pool_size)]
        rows = []
        for place in range(len(tokens)):
            row = copy.deepcopy(pool[random.randint(0, pool_size - 1)])
            row[place] = 1
            rows.append(row)
        matrices.append(1 - torch.tensor(rows))
    ids = torch.stack(ids)
    decoder_labels = ids.clone()
    decoder_labels[:, 0] = decoder_labels[:, -1] = -100
    encoder_ids, encoder_labels = corrupt(ids.clone(), torch.stack(flags))
    return encoder_ids, encoder_labels, ids, decoder_labels, torch.stack(matrices)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collator")
    parser.add_argument("--lengths", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    rng = random.Random(1)
    for length in options.lengths:
        texts = [invented_text(length, rng) for _ in range(BATCH * 4)]
        with tempfile.NamedTemporaryFile("w", suffix=".ids") as file:
            file.writelines(" ".join(map(str, text)) + "\n" for text in texts)
            file.flush()
            ours = subprocess.Popen([options.collator, file.name, "--ask"], text=True,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)

            def ask(batches):
                ours.stdin.write(f"{batches}\n")
                ours.stdin.flush()
                seconds, examples = ours.stdout.readline().split()
                return float(seconds) / int(examples)

            ask(50)
            collate(texts[:BATCH])
            peer, mine = [], []
            for turn in range(options.repeats):
                batch = texts[turn % 4 * BATCH:][:BATCH]
                start = time.process_time()
                collate(batch)
                peer.append((time.process_time() - start) / BATCH)
                mine.append(ask(max(20, int(0.2 / mine[-1] / BATCH)) if mine else 20))
            ours.stdin.close()
            ours.wait()
        ratios = [p / m for p, m in zip(peer, mine)]
        fast, slow = statistics.median(mine), statistics.median(peer)
        print(f"L={length}: bmae {1 / fast:.0f} examples/s ({fast * 1e6:.1f} us each), Python {1 / slow:.1f} examples/s "
              f"({slow * 1e3:.2f} ms each), ratio {statistics.median(ratios):.0f} ({min(ratios):.0f} .. {max(ratios):.0f}) "
              f"over {options.repeats} turns")


if __name__ == "__main__":
    main()
