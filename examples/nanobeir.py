# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes collections that are published in Parquet, as NanoBEIR is, in BEIR's layout, which `bmae search --collections` reads.

    python3 examples/nanobeir.py DOWNLOADED nanobeir
    bmae search --collections nanobeir --model MODEL --output runs
    bmae evaluate --collections nanobeir --run runs --measures ndcg@10

DOWNLOADED has a folder per collection, with the folders corpus, queries and qrels of Parquet files; or it has these three itself, with
files that are named by their collection (NanoNQ-00000-of-00001.parquet). Reads by pandas (with pyarrow or fastparquet) or by pyarrow alone.
"""
import argparse
import csv
import json
import pathlib
import re
import shutil
import sys

PARTS = ("corpus", "queries", "qrels")


def reader():
    """A function from a Parquet file to its rows, each as a dictionary."""
    try:
        import pandas
        return lambda path: pandas.read_parquet(path).to_dict("records")
    except ImportError:
        pass
    try:
        import pyarrow.parquet
        return lambda path: pyarrow.parquet.read_table(path).to_pylist()
    except ImportError:
        sys.exit("nanobeir.py: neither pandas nor pyarrow is installed, one of which reads Parquet: pip install pyarrow")


def files_of(folder):
    """part -> its Parquet files; nothing where one of the parts has none."""
    files = {part: sorted((folder / part).glob("*.parquet")) for part in PARTS}
    return files if all(files.values()) else None


def collections_in(folder):
    """name -> part -> files."""
    found = {each.name: files_of(each) for each in sorted(folder.iterdir()) if each.is_dir() and files_of(each)}
    together = files_of(folder)
    if not together:
        return found
    for part, files in together.items():
        for file in files:
            name = re.sub(r"-\d{5}-of-\d{5}$", "", file.stem)
            if name in ("train", "test", "dev"):   # the folder is one collection
                name = folder.resolve().name
            found.setdefault(name, {}).setdefault(part, []).append(file)
    lacking = [name for name, parts in found.items() if set(parts) != set(PARTS)]
    if lacking:
        sys.exit(f"nanobeir.py: {folder}: {', '.join(lacking)} has not all of {', '.join(PARTS)}")
    return found


def field(row, names, file):
    for name in names:
        if name in row:
            return row[name]
    sys.exit(f"nanobeir.py: {file}: a column {' or '.join(names)} is missing, there are {', '.join(row)}")


def write_collection(read, parts, folder):
    (folder / "qrels").mkdir(parents=True)
    counts = {}
    for part in ("corpus", "queries"):
        with open(folder / f"{part}.jsonl", "w", encoding="utf-8") as output:
            for file in parts[part]:
                for row in read(file):
                    record = {"_id": str(field(row, ("_id", "id"), file)), "title": row.get("title") or "", "text": field(row, ("text",), file)}
                    output.write(json.dumps(record, ensure_ascii=False) + "\n")
                    counts[part] = counts.get(part, 0) + 1
    with open(folder / "qrels" / "test.tsv", "w", encoding="utf-8", newline="") as output:
        table = csv.writer(output, delimiter="\t", lineterminator="\n")
        table.writerow(["query-id", "corpus-id", "score"])
        for file in parts["qrels"]:
            for row in read(file):
                table.writerow([field(row, ("query-id", "query_id"), file), field(row, ("corpus-id", "corpus_id"), file), int(row.get("score", 1))])
                counts["qrels"] = counts.get("qrels", 0) + 1
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="the downloaded files")
    parser.add_argument("output", type=pathlib.Path, help="a new folder")
    options = parser.parse_args()
    if not options.folder.is_dir():
        sys.exit(f"nanobeir.py: {options.folder} is no folder")
    if options.output.exists():
        sys.exit(f"nanobeir.py: {options.output} exists; nothing is overwritten")
    found = collections_in(options.folder)
    if not found:
        sys.exit(f"nanobeir.py: {options.folder} has no collection: folders {', '.join(PARTS)} with Parquet files")
    read = reader()
    unfinished = options.output.with_name(options.output.name + ".new")   # the output is whole or not there
    shutil.rmtree(unfinished, ignore_errors=True)
    for name, parts in found.items():
        counts = write_collection(read, parts, unfinished / name)
        print(f"{name}: {counts.get('corpus', 0)} documents, {counts.get('queries', 0)} queries, {counts.get('qrels', 0)} judgments")
    unfinished.rename(options.output)


if __name__ == "__main__":
    main()
