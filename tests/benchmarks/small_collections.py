# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""The stages of examples/recipes/scifact.json on four classic collections, from an encoder as it is and from the same one continued by RetroMAE on the collection's texts:
a table as MASTER's table 5 (arXiv 2212.07841), stages by encoders.

usage: small_collections.py BMAE --work FOLDER [--collections cranfield,medline,cacm,lisa] [--encoders plain,retromae] [--model FOLDER] [--steps 40] [--reranker-steps 60]
                            [--pretrain-steps 150] [--seed 1] [--precision bf16] [--measure ndcg@10]

Queries that are judged are split in two by their places in the file: first, third, fifth ... train, the others are measured. A run that was stopped goes on. `mlm` is the control
of `retromae`: the same texts and steps without a decoder. All retrievers pool by the mean, as the encoder was trained.
"""
import argparse
import json
import os
import pathlib
import re
import sys

from support import answer, model_folder, pretrain
from what_each_stage_buys import figures_of

DATA = pathlib.Path(os.environ.get("BMAE_DATA", "../shared/data"))
ROOT = pathlib.Path(__file__).resolve().parents[2]


def blocks(text):
    """SMART: (id, {field: text}) of each .I."""
    for block in re.split(r"^\.I ", text, flags=re.M)[1:]:
        head, _, rest = block.partition("\n")
        parts = re.split(r"^\.([A-Z])\s*$", rest, flags=re.M)
        fields = {}
        for name, body in zip(parts[1::2], parts[2::2]):
            fields.setdefault(name, " ".join(body.split()))
        yield head.strip(), fields


def smart(folder, documents, queries, judgments):
    """Cranfield's judgments name queries by their places; its grade -1 is no interest. CACM pads ids with zeros. The numbers of documents are the first field behind the query but for MED."""
    read = lambda name: (DATA / folder / name).read_text(encoding="latin-1")
    texts = {str(int(key)): (fields.get("T", ""), fields.get("W", "")) for key, fields in blocks(read(documents))}
    asked = {str(place if folder == "cranfield" else int(key)): fields.get("W", "") for place, (key, fields) in enumerate(blocks(read(queries)), 1)}
    relevant = {}
    for line in read(judgments).splitlines():
        words = line.split()
        if not words or (folder == "cranfield" and words[2] == "-1"):
            continue
        relevant.setdefault(str(int(words[0])), set()).add(str(int(words[2 if folder == "medline" else 1])))
    return texts, asked, relevant


def lisa():
    texts = {}
    for path in sorted((DATA / "lisa").glob("LISA[0-5].*")):
        for block in re.split(r"^\*{20,}\s*$", path.read_text(encoding="latin-1"), flags=re.M):
            head, _, rest = block.strip().partition("\n")
            if head.startswith("Document"):
                title, _, body = rest.strip().partition("\n\n")
                texts[head.split()[1]] = (" ".join(title.split()), " ".join(body.split()))
    asked = {}
    for block in (DATA / "lisa/LISA.QUE").read_text(encoding="latin-1").split("#"):
        head, _, rest = block.strip().partition("\n")
        if head:
            asked[head.strip()] = " ".join(rest.split())
    relevant = {}
    for block in re.split(r"^Query ", (DATA / "lisa/LISA.REL").read_text(encoding="latin-1"), flags=re.M)[1:]:
        lines = block.split("\n")
        numbers = " ".join(lines[2:]).split()
        relevant[lines[0].strip()] = set(numbers[:numbers.index("-1")])
    return texts, asked, relevant


COLLECTIONS = {
    "cranfield": lambda: smart("cranfield", "cran.all.1400", "cran.qry", "cranqrel"),
    "medline": lambda: smart("medline", "MED.ALL", "MED.QRY", "MED.REL"),
    "cacm": lambda: smart("cacm", "cacm.all", "query.text", "qrels.text"),
    "lisa": lisa,
}


def write_beir(name, folder):
    texts, asked, relevant = COLLECTIONS[name]()
    missing = {document for found in relevant.values() for document in found} - texts.keys()
    if missing or not relevant or any(query not in asked for query in relevant):
        sys.exit(f"{name}: judged but not there: {sorted(missing)[:5]}")
    (folder / "qrels").mkdir(parents=True)
    rows = ({"_id": key, "title": title, "text": text} for key, (title, text) in texts.items() if title or text)
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    judged = [query for query in asked if query in relevant]
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": query, "text": asked[query]}) + "\n" for query in judged), encoding="utf-8")
    for split, chosen in (("train", judged[::2]), ("test", judged[1::2])):
        lines = [f"{query}\t{document}\t1\n" for query in chosen for document in sorted(relevant[query], key=int)]
        (folder / f"qrels/{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8")
    print(f"{name}: {len(texts)} documents, {len(judged[::2])} queries for training, {len(judged[1::2])} measured", file=sys.stderr)


def continued(options, preset, name):
    """The encoder, trained on with this preset on the texts of the collection."""
    store, run = options.work / name / "tokens", options.work / name / preset
    if not store.exists():
        answer(options.bmae, "prepare", "--input", options.work / name / "beir/corpus.jsonl", "--tokenizer", options.model, "--max-length", 160, "--output", store)
    pretrain(options.bmae, run, "--preset", preset, "--model", options.model, "--data", store, "--steps", options.pretrain_steps, "--batch-examples", 32, "--seed", options.seed)
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bmae", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--collections", default="cranfield,medline,cacm,lisa")
    parser.add_argument("--encoders", default="plain,retromae")
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--reranker-steps", type=int, default=60)
    parser.add_argument("--pretrain-steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--measure", default="ndcg@10")
    options = parser.parse_args()
    options.model = model_folder(options.model)
    columns = {}
    for name in options.collections.split(","):
        data = options.work / name / "beir"
        if not data.exists():
            write_beir(name, data)
        for encoder in options.encoders.split(","):
            model = options.model if encoder == "plain" else continued(options, encoder, name)
            run = options.work / name / f"{encoder}-stages"
            settings = {"data": data, "model": model, "pooling": "mean", "steps": options.steps, "reranker-steps": options.reranker_steps, "precision": options.precision, "seed": options.seed}
            answer(options.bmae, "pipeline", ROOT / "examples/recipes/scifact.json", *[word for key, value in settings.items() for word in ("--set", f"{key}={value}")], "--output", run)
            columns[f"{name}, {encoder}"] = figures_of(run, options.measure)
    stages = list(dict.fromkeys(stage for column in columns.values() for stage in column))
    print(f"| {options.measure} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for stage in stages:
        print(f"| {stage} | {' | '.join(f'{column[stage]:.4f}' for column in columns.values())} |")


if __name__ == "__main__":
    main()
