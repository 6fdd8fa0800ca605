# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""One reader per format: every command takes or refuses the same judgments, queries, corpora and runs, with file and line; skipped lines
are counted by reason; vectors and runs say what made them. Each case is a fault of other tools that ends wrong without a word there."""
import json
import pathlib
import shutil
import tempfile

from safetensors.numpy import load_file, save_file

from cli_support import result, run, write_collection


def refused(*arguments, says):
    done = run(*arguments, status=2)
    for words in [says] if isinstance(says, str) else says:
        assert words in done.stderr, f"bmae {' '.join(map(str, arguments))}: expected '{words}' in\n{done.stderr}"
    return done.stderr


class Commands:
    """The commands that read a collection, each as a function of the options that it is given."""

    def __init__(self, work, data, model):
        self.work, self.data, self.model, self.number = work, data, model, 0

    def fresh(self, ending=""):
        self.number += 1
        return self.work / f"out-{self.number}{ending}"

    def all(self, data, split="train", models=True):
        """Each with whether it reads the judgments, and the corpus. `models`: those that load a model too, which takes time"""
        run_file = self.work / "good.trec"
        yield "evaluate", True, False, ["evaluate", "--qrels", data / "qrels" / f"{split}.tsv", "--run", run_file]
        yield "search", True, True, ["search", "--method", "bm25", "--data", data, "--split", split, "--output", self.fresh()]
        yield "pairs", True, True, ["pairs", "--data", data, "--split", split, "--tokenizer", self.model, "--output", self.fresh()]
        yield "mine", True, True, ["mine", "--run", run_file, "--data", data, "--split", split, "--output", self.fresh()]
        yield "prepare", False, True, ["prepare", "--input", data, "--tokenizer", self.model, "--max-length", 64, "--output", self.fresh()]
        yield "look", False, True, ["search", "--method", "bm25", "--data", data, "--query", "x"]
        if not models:
            return
        yield "rerank", True, True, ["rerank", "--model", self.model, "--run", run_file, "--data", data, "--split", split, "--depth", 1,
                                     "--output", self.fresh()]
        yield "finetune", True, True, ["finetune", "--model", self.model, "--data", data, "--split", split, "--batch-examples", 4,
                                       "--query-length", 16, "--passage-length", 16, "--steps", 1, "--output", self.fresh()]
        yield "encode", False, True, ["encode", "--model", self.model, "--input", data, "--output", self.fresh(".safetensors")]


def changed(work, data, name, file, text):
    """A copy of the collection with another file."""
    copy = work / f"data-{name}"
    shutil.copytree(data, copy)
    (copy / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    return copy


def check_judgments(work, data, commands):
    """`readers that differ`: repeated judgments, headers, blank lines, layouts, unknown ids."""
    rows = (data / "qrels" / "train.tsv").read_text().splitlines()[1:]
    body = "\n".join(rows) + "\n"
    query, document, _ = rows[0].split("\t")
    head = "query-id\tcorpus-id\tscore\n"
    taken = {"header of other names": "query_id\tdoc_id\trelevance\n" + body, "no header": body, "empty last lines": head + body + "\n\n",
             "the same judgment twice": head + body + rows[0] + "\n", "an unknown document": head + body + f"{query}\tgone\t1\n",
             "as TREC": "".join(f"{q} 0 {d} {g}\n" for q, d, g in (row.split("\t") for row in rows)),
             "blanks and a header": "query_id doc_id relevance\n" + body.replace("\t", " "), "CRLF": head + body.replace("\n", "\r\n")}
    wrong = {"two grades": (f"{query}\t{document}\t2\n", "one grade of a document"), "an empty id": ("\t" + document + "\t1\n", "two ids"),
             "no integer": (f"{query}\t{document}x\t1.0\n", "an integer as grade"), "columns": ("a\tb\n", "three columns"),
             "ill-formed": (b"\xff\td\t1\n", "UTF-8")}
    tried = 0
    for name, text in taken.items():
        copy = changed(work, data, f"taken {name}", "qrels/train.tsv", text)
        for _, judged, _, arguments in commands.all(copy, models=name == "header of other names"):
            if judged:
                run(*arguments)
                tried += 1
    for name, (line, says) in wrong.items():
        whole = (head + body).encode() + (line if isinstance(line, bytes) else line.encode())
        copy = changed(work, data, f"wrong {name}", "qrels/train.tsv", whole)
        for _, judged, _, arguments in commands.all(copy, models=name == "two grades"):
            if judged:
                refused(*arguments, says=[f"train.tsv:{len(rows) + 2}: expected {says}"])
                done = result(*arguments, "--skip-malformed")
                assert sum(done["malformed"].values()) == 1 and says in next(iter(done["malformed"])), done
                tried += 2
    copy = changed(work, data, "unknown query", "qrels/train.tsv", head + body + f"gone\t{document}\t1\n")
    for command, judged, corpus, arguments in commands.all(copy):
        if judged and corpus:   # evaluate reads no queries
            refused(*arguments, says=[f"train.tsv:{len(rows) + 2}: expected a query of queries.jsonl", "'gone'"])
            assert list(result(*arguments, "--skip-malformed")["malformed"]) == ["a query of queries.jsonl"], command
            tried += 2
    print("judgments:", tried, "commands agree")


def check_texts(work, data, commands):
    """`readers that differ`: titles and ids that are no texts, lone surrogates, blank lines."""
    corpus = (data / "corpus.jsonl").read_text()
    lines = corpus.count("\n")
    taken = {"title null": '{"_id": "n", "title": null, "text": "x"}', "a number as id": '{"_id": 12, "text": "x"}',
             "an id beyond 2^53": '{"_id": 9007199254740993, "text": "x"}', "blank lines": "\n \n"}
    wrong = {"title NaN": '{"_id": "n", "title": NaN, "text": "x"}', "an id with a fraction": '{"_id": 1.0, "text": "x"}',
             "an id beyond 2^64": '{"_id": 98765432109876543210, "text": "x"}', "a lone surrogate": '{"_id": "n", "text": "\\ud800"}',
             "an id on two lines": '{"_id": "a\\nb", "text": "x"}', "an id again": '{"_id": "d0-0", "text": "x"}',
             "no id": '{"_id": "", "text": "x"}', "a text null": '{"_id": "n", "text": null}'}
    tried = 0
    for file in ("corpus.jsonl", "queries.jsonl"):
        whole = (data / file).read_text()
        for name, line in taken.items():
            copy = changed(work, data, f"taken {file} {name}", file, whole + line + "\n")
            for _, _, reads, arguments in commands.all(copy, models=name == "title null"):
                if reads and (file == "corpus.jsonl" or "--split" in arguments):
                    run(*arguments)
                    tried += 1
        for name, line in wrong.items():
            if name == "an id again" and file == "queries.jsonl":
                line = line.replace("d0-0", json.loads(whole.splitlines()[0])["_id"])
            copy = changed(work, data, f"wrong {file} {name}", file, whole + line + "\n")
            for _, _, reads, arguments in commands.all(copy, models=name == "a lone surrogate"):
                if reads and (file == "corpus.jsonl" or "--split" in arguments):
                    refused(*arguments, says=[f"{file}:{whole.count(chr(10)) + 1}: expected"])
                    tried += 1
            if name == "a lone surrogate":   # the last one is encode
                assert sum(result(*arguments, "--skip-malformed")["malformed"].values()) == (file == "corpus.jsonl")
    exact = changed(work, data, "exact", "corpus.jsonl", corpus + '{"_id": 9007199254740993, "text": "zzz unheard"}\n')
    assert result("search", "--method", "bm25", "--data", exact, "--query", "unheard")["answers"][0]["hits"][0]["id"] == "9007199254740993"
    print("texts:", tried, "commands agree;", lines, "documents")


def check_runs(work, data, commands):
    """`shifted columns`: an id with a blank moves the score into the rank's place, and other tools read that."""
    good = (work / "good.trec").read_text()
    lines = good.count("\n")
    shifts = {"seven": "q Q0 my 7 1 2.5 t", "no tag": "q Q0 my doc 1 2.5", "query": "my q Q0 d0-0 1 2.5", "rank": "q Q0 d0-0 1.0 2.5 t",
              "score": "q Q0 d0-0 1 first t"}
    for name, line in shifts.items():
        shifted = work / f"shifted-{name}.trec"
        shifted.write_text(good + line + "\n")
        for arguments in (["evaluate", "--qrels", data / "qrels" / "train.tsv", "--run", shifted],
                          ["fuse", work / "good.trec", shifted, "--output", commands.fresh()],
                          ["mine", "--run", shifted, "--data", data, "--output", commands.fresh()],
                          ["rerank", "--model", commands.model, "--run", shifted, "--data", data, "--split", "train", "--depth", 1,
                           "--output", commands.fresh()],
                          ["pairs", "--data", data, "--negatives", shifted, "--tokenizer", commands.model, "--output", commands.fresh()]):
            refused(*arguments, says=f"shifted-{name}.trec:{lines + 1}: expected")
            done = result(*arguments, "--skip-malformed")
            assert sum(done["malformed"].values()) == 1, done
    # Ids that another tool would split, before the work: the model is not even looked for.
    wide = changed(work, data, "wide", "corpus.jsonl", (data / "corpus.jsonl").read_text().replace('"d0-0"', '"d0\u00a00"'))
    refused("search", "--method", "bm25", "--data", wide, "--split", "train", "--output", commands.fresh(), says=["corpus.jsonl:1", "without blanks"])
    (work / "wide.trec").write_text(good.replace(" d0-0 ", " d0\u30000 "))
    for arguments in (["fuse", work / "wide.trec", work / "good.trec"], ["mine", "--run", work / "wide.trec", "--data", data]):
        refused(*arguments, "--output", commands.fresh(), says=["wide.trec: expected a document id without blanks"])


def check_raw_queries(work, data, commands):
    """A search needs no judgments: of a folder without any, and with --split all, every query is searched."""
    queries = (data / "queries.jsonl").read_text().count("\n")
    bare = work / "data-bare"
    shutil.copytree(data, bare)
    shutil.rmtree(bare / "qrels")
    search = ["search", "--method", "bm25", "--output"]
    assert result(*search, commands.fresh(), "--data", bare)["queries"] == queries
    assert result(*search, commands.fresh(), "--data", data, "--split", "all")["queries"] == queries
    refused(*search, commands.fresh(), "--data", data, "--split", "dev", says=["the splits test, train", "--split all"])


def check_tag(work, data, commands):
    """`late tag`: a tag with a blank is refused before anything is read, not after the search."""
    for arguments in (["search", "--method", "bm25", "--data", work / "absent", "--output", commands.fresh()],
                      ["fuse", work / "absent", work / "absent-2", "--output", commands.fresh()],
                      ["rerank", "--model", work / "absent", "--run", work / "absent", "--data", data, "--output", commands.fresh()]):
        for tag in ("two words", "no\u00a0break", ""):
            says = "--tag without blanks"
            if tag or arguments[0] == "rerank":   # an empty one of the others stands for the method
                assert "absent: " not in refused(*arguments, "--tag", tag, says=says)


def check_vectors(work, data, model, other):
    """`vectors of another model`: a file and a folder name what made them, and are searched with it alone."""
    names = {}
    for kind, output in (("file", work / "v.safetensors"), ("folder", work / "v")):
        run("encode", "--model", model, "--input", data / "corpus.jsonl", "--output", output)
        search = ["search", "--data", data, "--split", "train", "--embeddings", output]
        run(*search, "--model", model, "--output", work / f"own-{kind}.trec")
        for name, arguments in (("other", ["--model", other]), ("pooling", ["--model", model, "--pooling", "mean"]),
                                ("normalize", ["--model", model, "--normalize"])):
            says = refused(*search, *arguments, "--output", work / "none.trec", says=["vectors of the model of the queries, weights", "--force"])
            names[name] = says.split("found weights ")[1].split(",")[0]
            assert says.count("weights ") == 2, says
            done = run(*search, *arguments, "--force", "--output", work / f"{name}-{kind}.trec")
            assert "warning: vectors of another model are searched" in done.stderr, done.stderr
    assert len(set(names.values())) == 1, names
    assert (work / "own-file.trec").read_bytes() == (work / "own-folder.trec").read_bytes()
    run("encode", "--model", model, "--input", data / "corpus.jsonl", "--role", "query", "--output", work / "q.safetensors")
    search = ["search", "--data", data, "--split", "train", "--model", model, "--output", work / "silent.trec", "--embeddings"]
    refused(*search, work / "q.safetensors", says=["role query"])
    vectors = load_file(work / "v.safetensors")
    save_file(vectors, work / "silent.safetensors")
    shutil.copy(work / "v.ids", work / "silent.ids")
    assert "does not say which model" in run(*search, work / "silent.safetensors").stderr
    refused("search", "--data", data, "--method", "bm25", "--query", "x", "--force", says="--embeddings")


def check_finite(work, data, model):
    """A vector that is not finite stops the command with the id and the text."""
    broken = work / "broken"
    shutil.copytree(model, broken)
    weights = load_file(broken / "model.safetensors")
    name = max(name for name in weights if name.endswith("output.LayerNorm.weight") and "attention" not in name)
    weights[name][:] = 3e38   # finite, but their products are not
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    first = json.loads((data / "corpus.jsonl").read_text().splitlines()[0])
    for arguments in (["encode", "--input", data / "corpus.jsonl", "--output", work / "b.safetensors"],
                      ["encode", "--input", data / "corpus.jsonl", "--output", work / "b"],
                      ["search", "--data", data, "--split", "train", "--output", work / "b.trec"]):
        refused(*arguments, "--model", broken, says=[f"NaN or infinity for id '{first['_id']}', text '"])


def check_training_files(work, data, model, commands):
    """Fine-tuning reads the field's files without a collection, several with weights, and rows of ids beside one; `foreign rows` are no texts."""
    run("mine", "--run", work / "good.trec", "--data", data, "--number", 2, "--format", "tevatron", "--output", work / "t.jsonl")
    run("mine", "--run", work / "good.trec", "--data", data, "--number", 2, "--format", "hard-negatives", "--output", work / "h.jsonl")
    run("pairs", "--input", work / "t.jsonl", "--convert", "flag-embedding", "--output", work / "f.jsonl")
    rows = len((work / "t.jsonl").read_text().splitlines())
    finetune = ["finetune", "--model", model, "--batch-examples", 4, "--query-length", 16, "--passage-length", 16, "--steps", 1, "--output"]
    for arguments, queries in ((["--data", work / "f.jsonl"], rows), (["--data", f"{work / 'f.jsonl'}:2", work / "t.jsonl"], 3 * rows),
                               (["--data", data, "--rows", work / "h.jsonl"], rows)):
        done = result(*finetune, commands.fresh(), *arguments)
        assert done["queries"] == done["queries_with_negatives"] == queries and done["step"] == 1, done
    (work / "cut.jsonl").write_text((work / "f.jsonl").read_text()[:-30])
    refused(*finetune, commands.fresh(), "--data", work / "cut.jsonl", says=f"cut.jsonl:{rows}: expected a JSON object")
    done = result(*finetune, commands.fresh(), "--data", work / "cut.jsonl", "--skip-malformed")
    assert done["queries"] == rows - 1 and done["malformed"] == {"a JSON object": 1}, done
    refused(*finetune, commands.fresh(), "--data", work / "h.jsonl", says=["h.jsonl:1", "texts in the rows", "--rows"])
    refused(*finetune, commands.fresh(), "--data", work / "f.jsonl", "--rows", work / "h.jsonl", says="--rows")
    for file, says in (("f.jsonl", "FlagEmbedding's training data"), ("t.jsonl", "Tevatron's training data"), ("h.jsonl", "a dump of hard negatives")):
        refused("encode", "--model", model, "--input", work / file, "--output", work / "none.safetensors", says=[f"{file}:1: expected", says])


def main(work):
    data = write_collection(work / "data", topics=4)
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    for name, seed in (("run", 1), ("other", 2)):
        run("pretrain", "--config", "tiny", "--hidden", 32, "--data", work / "store", "--batch-tokens", 256, "--steps", 1, "--seed", seed,
            "--output", work / name)
    model = work / "run" / "sentence-transformer"
    run("search", "--method", "bm25", "--data", data, "--split", "train", "--top-k", 20, "--output", work / "good.trec")
    commands = Commands(work, data, model)
    check_tag(work, data, commands)
    check_raw_queries(work, data, commands)
    check_vectors(work, data, model, work / "other" / "sentence-transformer")
    check_finite(work, data, model)
    check_training_files(work, data, model, commands)
    check_runs(work, data, commands)
    check_judgments(work, data, commands)
    check_texts(work, data, commands)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
