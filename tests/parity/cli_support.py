# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command-line program share: running it, and a small invented world for it to work on."""
import functools
import json
import os
import pathlib
import random
import re
import subprocess
import sys

PROGRAM = pathlib.Path(os.environ.get("BMAE_BIN", ".")) / "bmae"
if not PROGRAM.exists():
    print(f"skipped: {PROGRAM} is not built")
    sys.exit(77)
# One thread: the steps are tiny, and threads that wait for each other crawl where other tests run beside.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}


def run(*arguments, status=0, stdin="", timeout=120, **keywords):
    """Runs a command and demands its exit status; gives back the finished process."""
    done = subprocess.run([str(PROGRAM), *map(str, arguments)], input=stdin, capture_output=True, text=True, env=ENVIRONMENT,
                          timeout=timeout, **keywords)
    words = " ".join(map(str, arguments))
    if status == 2 and done.returncode == 2:
        check_remedies([str(argument) for argument in arguments], done.stderr)
    assert done.returncode == status, f"bmae {words}: status {done.returncode}, expected {status}\n{done.stdout}\n{done.stderr}"
    return done


@functools.cache
def known_options():
    """The options of each command by all of their names."""
    known = {}
    for option in json.loads(subprocess.run([str(PROGRAM), "options", "--json"], capture_output=True, text=True, env=ENVIRONMENT, check=True)
                             .stdout.splitlines()[-1])["options"]:
        known.setdefault(option["command"], {"--help"}).update([option["name"], *option["aliases"]])
    return known


def check_remedies(arguments, errors):
    """A refusal names options of its own command, or of another that it names: `bmae pairs --input`."""
    known = known_options()
    command = arguments[0] if arguments else ""
    if command == "pipeline":   # what its stages say is about their own options
        return
    for line in errors.splitlines():
        named = {word for word in re.findall(r"bmae (\w+)", line) if word in known}
        allowed = set(arguments).union(*(known.get(one, set()) for one in {command, *named}))
        for option in re.findall(r"(?<![\w/-])--[a-z][a-z0-9-]*", line):
            assert option in allowed or option in line.split("found", 1)[-1].split(".")[0], \
                f"bmae {' '.join(arguments)}: the remedy names {option}, which {command or 'the program'} does not have\n{line}"


def result(*arguments, **keywords):
    """The object that --json prints as the last line of standard output."""
    return json.loads(run(*arguments, "--json", **keywords).stdout.splitlines()[-1])


def invented_words(rng, count):
    return ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(rng.randint(2, 4))) for _ in range(count)]


def write_collection(folder, topics=12, documents=6, seed=1):
    """A BEIR folder: every topic has words of its own, queries use some of them; ids, titles and texts are ASCII."""
    rng = random.Random(seed)
    (folder / "qrels").mkdir(parents=True)
    common = invented_words(rng, 40)
    corpus, queries, judged = [], [], {"train": [], "test": []}
    for topic in range(topics):
        own = invented_words(rng, 12)
        for number in range(documents):
            words = [rng.choice(own if rng.random() < .5 else common) for _ in range(rng.randint(12, 40))]
            half = len(words) // 2
            text = " ".join(words[:half]).capitalize() + ". " + " ".join(words[half:]).capitalize() + "."
            corpus.append({"_id": f"d{topic}-{number}", "title": " ".join(words[:2]), "text": text})
        for split in ("train", "test"):
            for number in range(2):
                name = f"q{split}{topic}-{number}"
                queries.append({"_id": name, "text": " ".join([rng.choice(common)] + [rng.choice(own) for _ in range(4)])})
                judged[split] += [(name, f"d{topic}-{n}") for n in range(documents)]
    for name, records in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for split, pairs in judged.items():
        lines = "".join(f"{query}\t{document}\t1\n" for query, document in pairs)
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    return folder


def contents(folder):
    """Every file below a folder with its bytes, to see that nothing has changed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
