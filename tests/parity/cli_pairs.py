# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae pairs`: the store of an invented BEIR folder with negatives and scores, read back with NumPy, equals a plain count in Python;
JSON Lines and tables of the same pairs give the same examples; what is missing, wrong or scarce is said."""
import collections
import json
import os
import pathlib
import random
import shutil
import tempfile

import numpy

from cli_support import result, run, write_collection


class Store:
    """A pair store in NumPy, as its format describes it."""

    def __init__(self, folder):
        def read(name, kind):
            return numpy.fromfile(folder / name, kind) if (folder / name).exists() else None
        self.texts = numpy.split(read("texts", numpy.int32), read("text_ends", numpy.uint64).astype(int))[:-1]
        ends = read("text_id_ends", numpy.uint64).astype(int).tolist()
        names = (folder / "text_ids").read_bytes()
        self.text_ids = [names[begin:end].decode() for begin, end in zip([0, *ends], ends)]
        self.rows = read("query_rows", numpy.uint64).reshape(-1, 4).astype(int)
        names = (folder / "query_ids").read_bytes()
        self.query_ids = [names[a[3]:b[3]].decode() for a, b in zip(self.rows, self.rows[1:])]
        self.queries = [read("queries", numpy.int32)[a[0]:b[0]].tolist() for a, b in zip(self.rows, self.rows[1:])]
        self.positives, self.negatives, self.positive_scores, self.negative_scores = (
            None if data is None else [data[a[column]:b[column]].tolist() for a, b in zip(self.rows, self.rows[1:])]
            for data, column in ((read("positives", numpy.uint32), 1), (read("negatives", numpy.uint32), 2),
                                 (read("positive_scores", numpy.float32), 1), (read("negative_scores", numpy.float32), 2)))

    def examples(self):
        """Query, positives and negatives as token ids, whatever their numbers and names."""
        return [(query, [self.texts[n].tolist() for n in positives], [self.texts[n].tolist() for n in negatives])
                for query, positives, negatives in zip(self.queries, self.positives, self.negatives)]


def check_beir(work, data, tokenizer):
    """Against a count in Python: which text is relevant, which negative comes first, which score stands where."""
    rng = random.Random(3)
    judged = collections.defaultdict(list)
    for line in (data / "qrels" / "train.tsv").read_text().splitlines()[1:]:
        query, document, _ = line.split("\t")
        judged[query].append(document)
    documents = [json.loads(line)["_id"] for line in (data / "corpus.jsonl").read_text().splitlines()]
    run_lines, list_lines, scores = [], [], {}
    expected = {query: [] for query in judged}
    left_out = collections.Counter()
    for query in judged:
        found = rng.sample(documents, 20)
        ranked = sorted(((rng.randint(0, 9), -place, document) for place, document in enumerate(found)), reverse=True)
        lines = [f"{query} Q0 {document} 0 {score} x" for (score, _, document) in sorted(ranked, key=lambda entry: -entry[1])]
        run_lines += lines
        more = rng.sample(documents, 5) + ["gone"]
        list_lines += [f"{query}\t{document}" for document in more]
        for document in [document for _, _, document in ranked] + more:
            kind = ("unknown_negatives" if document == "gone" else "relevant_negatives" if document in judged[query] else
                    "repeated_negatives" if document in expected[query] else None)
            left_out[kind] += 1
            if kind is None:
                expected[query].append(document)
        for document in rng.sample(judged[query] + expected[query], 12):
            scores[query, document] = round(rng.uniform(-10, 10), 3)
    run_lines.append("qtest0-0 Q0 d0-0 1 1 x")
    (work / "run.trec").write_text("\n".join(run_lines) + "\n")
    (work / "list.tsv").write_text("\n".join(list_lines) + "\n")
    (work / "scores.tsv").write_text("".join(f"{query}\t{document}\t{score}\n" for (query, document), score in scores.items()))
    arguments = ["pairs", "--data", data, "--split", "train", "--negatives", work / "run.trec", work / "list.tsv",
                 "--teacher-scores", work / "scores.tsv", "--tokenizer", tokenizer]
    done = result(*arguments, "--output", work / "pairs")
    assert done["queries"] == len(judged) == 24 and done["texts"] == 72 and done["queries_with_negatives"] == 24, done
    assert done["positives"] == sum(map(len, judged.values())) and done["negatives"] == sum(map(len, expected.values())), done
    assert done["scores"] == len(scores) and done["unknown_queries"] == 1, done
    assert all(done[kind] == count for kind, count in left_out.items() if kind), (done, left_out)
    store = Store(work / "pairs")
    assert store.query_ids == list(judged) and store.text_ids == documents
    for q, query in enumerate(judged):
        assert [store.text_ids[n] for n in store.positives[q]] == judged[query]
        assert [store.text_ids[n] for n in store.negatives[q]] == expected[query], query
        for numbers, values in ((store.positives[q], store.positive_scores[q]), (store.negatives[q], store.negative_scores[q])):
            assert len(numbers) == len(values)
            for number, value in zip(numbers, values):
                wanted = scores.get((query, store.text_ids[number]))
                assert value != value if wanted is None else abs(value - wanted) < 1e-4, (query, number, value, wanted)
    tokens = run("tokenize", "--tokenizer", tokenizer, "--no-special-tokens",
                 stdin="".join(f"{d['title']} {d['text']}\n" for d in map(json.loads, (data / "corpus.jsonl").read_text().splitlines())))
    assert [" ".join(map(str, text.tolist())) for text in store.texts] == tokens.stdout.splitlines()
    assert run("inspect", work / "pairs").stdout.startswith("kind: pair store"), "inspect"
    run(*arguments, "--threads", 2, "--output", work / "again")
    for name in ("texts", "query_rows", "negatives", "negative_scores", "manifest.json"):
        assert (work / "pairs" / name).read_bytes() == (work / "again" / name).read_bytes(), name
    print("BEIR folder:", done["queries"], "queries,", done["negatives"], "negatives,", done["scores"], "scores")
    check_teachers(work, arguments, scores, store, rng)
    return store


def check_teachers(work, arguments, scores, store, rng):
    """The mean of two teachers as numpy's, of scores as they are and of z-scores; pairs of one alone have no score and are counted."""
    other = {pair: round(100 + 30 * rng.random(), 3) for pair in scores if rng.random() < .8}
    (work / "other.tsv").write_text("".join(f"{query}\t{document}\t{score}\n" for (query, document), score in other.items()))
    at = arguments.index(work / "scores.tsv") + 1

    def z_scores(teacher):
        found = {}
        for query in {query for query, _ in teacher}:
            pairs = [pair for pair in teacher if pair[0] == query]
            values = numpy.array([teacher[pair] for pair in pairs])
            found.update(zip(pairs, (values - values.mean()) / values.std() if values.std() > 0 else 0 * values))
        return found

    for normalization, as_read in (("none", dict), ("z-score", z_scores)):
        done = result(*arguments[:at], work / "other.tsv", *arguments[at:], "--teacher-normalization", normalization,
                      "--output", work / f"mean-{normalization}")
        assert done["scores"] == len(other) and done["left_out"] == {"pairs that one of several teachers did not score": len(scores) - len(other)}, done
        teachers = [as_read(scores), as_read(other)]
        mean = Store(work / f"mean-{normalization}")
        for q, query in enumerate(store.query_ids):
            for numbers, values in ((store.positives[q], mean.positive_scores[q]), (store.negatives[q], mean.negative_scores[q])):
                for number, value in zip(numbers, values):
                    pair = query, store.text_ids[number]
                    assert value != value if pair not in other else abs(value - numpy.mean([t[pair] for t in teachers])) < 1e-4, (pair, value)
    (work / "half.tsv").write_text("".join(f"{query}\t{document}\t1.5\n" for query, document in scores if (query, document) not in other))
    refused = run(*arguments[:at - 1], work / "other.tsv", work / "half.tsv", *arguments[at:], "--output", work / "halves", status=2).stderr
    assert "pairs that all 2 teachers scored" in refused and not (work / "halves").exists(), refused
    assert "--teacher-scores" in run("pairs", "--data", work, "--tokenizer", work, "--teacher-normalization", "z-score", "--output", work / "no", status=2).stderr


def check_lines(work, data, tokenizer, store):
    """The same pairs in the formats of FlagEmbedding and Tevatron give the same examples; tables hold one negative per line."""
    documents = {d["_id"]: d for d in map(json.loads, (data / "corpus.jsonl").read_text().splitlines())}
    queries = {q["_id"]: q["text"] for q in map(json.loads, (data / "queries.jsonl").read_text().splitlines())}
    whole = {name: f"{d['title']} {d['text']}" for name, d in documents.items()}
    flag, tevatron, triplets = [], [], []

    def scores(values):
        return [None if value != value else value for value in values]

    for q, query in enumerate(store.query_ids):
        positives, negatives = ([store.text_ids[n] for n in numbers[q]] for numbers in (store.positives, store.negatives))
        flag.append({"query": queries[query], "pos": [whole[n] for n in positives], "neg": [whole[n] for n in negatives],
                     "pos_scores": scores(store.positive_scores[q]), "neg_scores": scores(store.negative_scores[q]), "source": "p"})
        tevatron.append({"query_id": query, "query": queries[query],
                         **{key: [{"docid": n, "title": documents[n]["title"], "text": documents[n]["text"]} for n in names]
                            for key, names in (("positive_passages", positives), ("negative_passages", negatives))}})
        triplets += [f"{queries[query]}\t{whole[positives[i % len(positives)]]}\t{whole[negatives[i % len(negatives)]]}"
                     for i in range(max(len(positives), len(negatives)))]
    for name, rows in (("flag.jsonl", map(json.dumps, flag)), ("tevatron.jsonl", map(json.dumps, tevatron)), ("triplets.tsv", triplets)):
        (work / name).write_text("\n".join(rows) + "\n")
        done = result("pairs", "--input", work / name, "--tokenizer", tokenizer, "--output", work / f"{name}.pairs")
        other = Store(work / f"{name}.pairs")
        assert other.examples() == store.examples(), name
        assert done["sources"] == [f"{name}: " + ("table of query, positive, negative" if name.endswith("tsv") else "JSON Lines")], done
        if name == "flag.jsonl":
            assert numpy.array_equal(numpy.concatenate(other.negative_scores), numpy.concatenate(store.negative_scores), equal_nan=True)
            assert done["left_out"] == {"values of the key 'source', which is not read": 24}, done
        else:
            assert done["scores"] == 0 and other.positive_scores is None, done
    assert Store(work / "tevatron.jsonl.pairs").query_ids == store.query_ids
    print("lines:", len(triplets), "triplets joined to", len(store.query_ids), "queries")


def check_formats(work, tokenizer, store):
    """Each format is written and read back: the same examples; files are mixed with weights, and rows of ids take their texts from a folder."""
    def examples(name, *arguments):
        done = result("pairs", *arguments, "--tokenizer", tokenizer, "--output", work / f"{name}.store")
        return done, Store(work / f"{name}.store")

    texts = {}
    for name, ending in (("flag-embedding", ".jsonl"), ("tevatron", ".jsonl.gz"), ("sentence-transformers", ".jsonl"), ("dpr", ".json"), ("triples", ".tsv")):
        texts[name] = work / f"as-{name}{ending}"
        done = result("pairs", "--input", work / "flag.jsonl", "--convert", name, "--output", texts[name])
        lost = {} if name == "flag-embedding" else {f"values that {name} has no place for: scores of a teacher"}
        assert done["rows"] == 24 and set(done["left_out"]) - {"values of the key 'source', which is not read"} == set(lost), done
        assert examples(name, "--input", texts[name])[1].examples() == store.examples(), name
        again = result("pairs", "--input", texts[name], "--convert", "flag-embedding", "--output", work / f"back-{name}.jsonl")
        assert again["rows"] >= 24, again
    table = [line.split("\t") for line in texts["triples"].read_text().splitlines()]
    (work / "t.csv").write_text("anchor,positive,negative\r\n" + "".join(",".join(f'"{cell}"' for cell in row) + "\r\n" for row in table))
    assert examples("csv", "--input", work / "t.csv")[1].examples() == store.examples()
    # Labels: 1 is a relevant text, 0 a negative; the order of negatives is that of the lines.
    (work / "labeled.jsonl").write_text("".join(json.dumps({"sentence1": query, "sentence2": text, "label": label}) + "\n"
                                                for query, positive, negative in table for text, label in ((positive, 1), (negative, 0))))
    assert examples("labeled", "--input", work / "labeled.jsonl")[1].examples() == store.examples()
    (work / "similar.tsv").write_text("one text\tanother\t0.8\n")
    assert "a label of 0 or 1" in run("pairs", "--input", work / "similar.tsv", "--tokenizer", tokenizer, "--output", work / "none", status=2).stderr
    # Prompts are read before queries, in every format.
    prompted = [{**json.loads(line), "prompt": "find: "} for line in (work / "flag.jsonl").read_text().splitlines()]
    (work / "prompted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompted))
    (work / "plain.jsonl").write_text("".join(json.dumps({**row, "query": "find: " + row["query"], "prompt": None}) + "\n" for row in prompted))
    assert examples("prompted", "--input", work / "prompted.jsonl")[1].queries == examples("plain", "--input", work / "plain.jsonl")[1].queries
    # Weights: how often a query stands in an epoch.
    done, mixed = examples("mixed", "--input", f"{texts['dpr']}:2", f"{texts['tevatron']}:0.5")
    twice, half = mixed.examples()[:48], mixed.examples()[48:]
    assert twice[::2] == twice[1::2] == store.examples() and 0 < len(half) < 24 and all(one in store.examples() for one in half), len(half)
    assert done["queries"] == 48 + len(half) and done["sources"] == ["as-dpr.json: JSON array, weight 2.0", "as-tevatron.jsonl.gz: JSON Lines, weight 0.5"], done
    assert "a weight above 0" in run("pairs", "--input", f"{texts['dpr']}:0", "--tokenizer", tokenizer, "--output", work / "none", status=2).stderr
    print("formats:", ", ".join(texts), "and CSV, labels, prompts, weights")


def check_ids(work, data, tokenizer, store):
    """Triples of ids and dumps of hard negatives, as mine writes them too, give the examples of the folder's judgments."""
    mine = ["mine", "--run", work / "run.trec", "--data", data, "--split", "train", "--number", 4, "--format"]
    pairs = ["pairs", "--tokenizer", tokenizer, "--output"]
    run(*mine, "ids", "--output", work / "mined.tsv")
    run(*pairs, work / "by-list", "--data", data, "--negatives", work / "mined.tsv")
    expected = Store(work / "by-list")
    for name in ("hard-negatives", "flag-embedding", "tevatron", "dpr"):
        run(*mine, name, "--output", work / f"mined-{name}")
        source = ["--data", data, "--rows", work / f"mined-{name}"] if name == "hard-negatives" else ["--input", work / f"mined-{name}"]
        run(*pairs, work / f"by-{name}", *source)
        found = Store(work / f"by-{name}")
        assert sorted(found.examples()) == sorted(e for e in expected.examples() if e[2]), name
    run(*pairs, work / "by-negatives", "--data", data, "--negatives", work / "mined-hard-negatives")
    assert Store(work / "by-negatives").examples() == expected.examples()
    numbers = {name: str(n) for n, name in enumerate([*store.query_ids, *store.text_ids])}   # MS MARCO's ids are numbers
    folder = work / "numbered"
    shutil.copytree(data, folder)
    for file in ("corpus.jsonl", "queries.jsonl"):
        rows = [json.loads(line) for line in (data / file).read_text().splitlines()]
        (folder / file).write_text("".join(json.dumps({**row, "_id": numbers.get(row["_id"], "x" + row["_id"])}) + "\n" for row in rows))
    triples = [(q, store.text_ids[store.positives[i][k % len(store.positives[i])]], store.text_ids[store.negatives[i][k % len(store.negatives[i])]])
               for i, q in enumerate(store.query_ids) for k in range(max(len(store.positives[i]), len(store.negatives[i])))]
    (work / "qidpidtriples.tsv").write_text("".join("\t".join(numbers[name] for name in row) + "\n" for row in triples))
    run(*pairs, work / "by-triples", "--data", folder, "--rows", work / "qidpidtriples.tsv")
    assert Store(work / "by-triples").examples() == store.examples()
    for arguments, says in ((["--input", work / "qidpidtriples.tsv"], "texts in the rows"), (["--data", data, "--rows", work / "flag.jsonl"], "rows of ids")):
        done = run(*pairs, work / "none", *arguments, status=2)
        assert says in done.stderr and ":1: " in done.stderr, done.stderr
    print("ids:", len(triples), "triples")


def check_said(work, data, tokenizer):
    """Scarce negatives are warned about; wrong usage and wrong files are refused, and nothing is left."""
    (work / "few.tsv").write_text("qtrain0-0\td5-1\nqtrain1-0\td5-1\n")
    few = run("pairs", "--data", data, "--negatives", work / "few.tsv", "--tokenizer", tokenizer, "--output", work / "few")
    assert "warning: hard negatives for only 2 of 24 queries" in few.stderr and "negatives for 2 of 24 queries" in few.stdout, few
    none = run("pairs", "--data", data, "--tokenizer", tokenizer, "--limit", 5, "--output", work / "none")
    assert "5 queries" in none.stdout and "no hard negatives" in none.stdout and "warning" not in none.stderr, none

    def refused(*arguments, says):
        done = run("pairs", *arguments, "--output", work / "out", status=2)
        assert all(words in done.stderr for words in says) and done.stdout == "", done
        assert not (work / "out").exists() and not (work / "out.partial").exists()

    refused("--tokenizer", tokenizer, says=["either --data or --input", "neither"])
    refused("--data", data, "--input", work / "few.tsv", "--tokenizer", tokenizer, says=["found both"])
    refused("--input", work / "few.tsv", "--split", "dev", "--tokenizer", tokenizer, says=["--split", "--data alone"])
    refused("--data", data, "--split", "dev", "--tokenizer", tokenizer, says=["the split 'dev'", "test, train"])
    refused("--data", data, "--negatives", work / "scores.tsv", "--tokenizer", tokenizer, says=["scores.tsv:1", "2 columns"])
    refused("--data", data, "--teacher-scores", work / "few.tsv", "--tokenizer", tokenizer, says=["few.tsv:1", "3 columns"])
    refused("--data", data, "--tokenizer", work / "absent", says=["absent"])
    (work / "cut.jsonl").write_text((work / "flag.jsonl").read_text()[:-40])
    refused("--input", work / "cut.jsonl", "--tokenizer", tokenizer, says=["cut.jsonl:24", "a JSON object"])
    skipped = result("pairs", "--input", work / "cut.jsonl", "--skip-malformed", "--tokenizer", tokenizer, "--output", work / "skipped")
    assert skipped["queries"] == 23 and skipped["skipped"] == 1, skipped
    again = run("pairs", "--data", data, "--tokenizer", tokenizer, "--output", work / "pairs", status=2)
    assert "new or empty output folder" in again.stderr, again
    shutil.copytree(work / "pairs", work / "damaged")
    content = (work / "damaged" / "negatives").read_bytes()
    (work / "damaged" / "negatives").write_bytes(content[:-4] + bytes(4))
    assert "negatives: expected the checksum" in run("inspect", work / "damaged", status=2).stderr


def check_cased(work):
    """A vocab.txt alone is lower-cased, with a warning where it looks cased, unless --cased says otherwise; other files say it themselves."""
    vocabulary = work / "cased.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "Cat", "Dog", "Sat"]) + "\n")
    for options, ids, warned in (([], "2 5 5 3", True), (["--cased"], "2 6 5 3", False)):
        done = run("tokenize", "--tokenizer", vocabulary, *options, stdin="Cat cat\n")
        assert done.stdout.strip() == ids and ("looks cased" in done.stderr) == warned, done
    (work / "cased.jsonl").write_text('{"query": "Cat", "pos": ["cat"]}\n')
    run("pairs", "--input", work / "cased.jsonl", "--tokenizer", vocabulary, "--cased", "--output", work / "cased.pairs")
    assert json.loads((work / "cased.pairs" / "tokenizer_config.json").read_text())["do_lower_case"] is False
    (work / "cased-texts.jsonl").write_text('{"_id": "1", "text": "Cat cat Dog Sat"}\n')
    run("prepare", "--input", work / "cased-texts.jsonl", "--format", "jsonl", "--tokenizer", vocabulary, "--cased", "--output", work / "cased.tokens")
    assert json.loads((work / "cased.tokens" / "tokenizer_config.json").read_text())["do_lower_case"] is False
    told = run("tokenize", "--tokenizer", work / "cased.pairs", "--cased", stdin="Cat\n", status=2).stderr
    assert "--cased with a vocab.txt alone" in told and "tokenizer.json" in told, told
    told = run("pairs", "--input", work / "cased.jsonl", "--convert", "tevatron", "--cased", "--output", work / "none", status=2).stderr
    assert "--cased" in told and "--tokenizer" in told, told


def check_scifact(work):
    """A real collection against a plain count of its files."""
    folder = pathlib.Path(os.environ.get("BMAE_DATA", "")) / "scifact" / "beir"
    vocabulary = folder.parent.parent / "vocab" / "bert-base-uncased" / "vocab.txt"
    if not folder.is_dir() or not vocabulary.exists():
        print("note: SciFact is not there (set BMAE_DATA)")
        return
    judged = [line.split("\t") for line in (folder / "qrels" / "train.tsv").read_text().splitlines()[1:]]
    done = result("pairs", "--data", folder, "--split", "train", "--tokenizer", vocabulary, "--output", work / "scifact")
    store = Store(work / "scifact")
    assert store.query_ids == list(dict.fromkeys(query for query, _, _ in judged)) and done["texts"] == 5183, done
    found = [(query, store.text_ids[n]) for query, numbers in zip(store.query_ids, store.positives) for n in numbers]
    assert sorted(found) == sorted((query, document) for query, document, _ in judged)
    print("SciFact:", done["queries"], "queries,", done["texts"], "texts")


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    store = check_beir(work, data, work / "store")
    check_lines(work, data, work / "store", store)
    check_formats(work, work / "store", store)
    check_ids(work, data, work / "store", store)
    check_said(work, data, work / "store")
    check_cased(work)
    check_scifact(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
