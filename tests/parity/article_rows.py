# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Articles between doc tags as JSON lines that every preset can train on: a stretch of paragraphs, questions for it, what follows it.

usage: article_rows.py FOLDER OUTPUT.jsonl [--words 300]

No generator wrote these questions and continuations: a question is a title and words of one sentence of the stretch, a continuation is
the stretch that follows in the article. That is enough to see that training runs; it says nothing of how well MASTER learns.
"""
import argparse
import gzip
import json
import pathlib
import random
import re

DOCUMENT = re.compile(r'<doc id="([^"]*)"[^>]*title="([^"]*)">\n(.*?)\n</doc>', re.S)


def stretches(text, words):
    """Whole paragraphs joined until they have at least `words` words."""
    part, size = [], 0
    for paragraph in filter(None, map(str.strip, text.split("\n"))):
        part.append(paragraph)
        size += len(paragraph.split())
        if size >= words:
            yield " ".join(part)
            part, size = [], 0
    if part:
        yield " ".join(part)


def questions(title, text, rng, count=3):
    sentences = [s.split() for s in re.split(r"(?<=[.!?])\s+", text) if len(s.split()) >= 6]
    for sentence in rng.sample(sentences, min(count, len(sentences))):
        begin = rng.randrange(max(1, len(sentence) - 6))
        yield " ".join([title, *sentence[begin:begin + 6]])


def rows(folder, words, seed=1):
    rng = random.Random(seed)
    for file in sorted(folder.glob("*.gz")):
        for number, title, text in DOCUMENT.findall(gzip.open(file, "rt", encoding="utf-8").read()):
            parts = list(stretches(text, words))
            for index, part in enumerate(parts[:-1]):
                yield {"id": f"{number}-{index}", "title": title, "text": part, "queries": list(questions(title, part, rng)),
                       "continuation": parts[index + 1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--words", type=int, default=300)
    options = parser.parse_args()
    with options.output.open("w", encoding="utf-8") as out:
        count = 0
        for row in rows(options.folder, options.words):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    print(f"{options.output}: {count} rows")


if __name__ == "__main__":
    main()
