# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""The options of the command-line program, from its own table (`bmae options --json`): ranges are checked at parsing and shown in the
help with every default, docs/options.md is the table, each option is read by its command, an option without an effect is refused, and
the results of --json have the keys that docs/formats.md names.

Usage: cli_options.py             checks
       cli_options.py --write     writes docs/options.md anew
"""
import fcntl
import json
import pathlib
import re
import shutil
import sys
import tempfile

from cli_support import result, run, write_collection

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/options.md"
HEAD = """# Options of the program

Written by `tests/parity/cli_options.py --write` from `bmae options`; `bmae options --json` gives the same as JSON. Whole numbers may be
written as `1e3`. An option that a mode does not read is refused there: the column "read" names the modes. `--batch-tokens` counts the
tokens of a batch and `--batch-examples` its examples (texts, queries) in every command; `--batch-size` is another name of the latter.
"""
LARGEST = 2 ** 64


def said(*arguments, status=2, stdin=""):
    done = run(*arguments, status=status, stdin=stdin)
    return done.stderr


def refused(*arguments, says, stdin=""):
    done = run(*arguments, status=2, stdin=stdin)
    for words in [says] if isinstance(says, str) else says:
        assert words in done.stderr, f"bmae {' '.join(map(str, arguments))}: expected '{words}' in\n{done.stderr}"
    assert done.stdout == "", done.stdout


def check_table(options):
    """Every number has a range and every option a default; the page is what the program says."""
    assert len(options) > 150 and len({(o["command"], o["name"]) for o in options}) == len(options)
    for option in options:
        where = f"bmae {option['command']} {option['name']}"
        assert option["type"] in ("integer", "number", "text", "path", "flag"), where
        assert bool(option["range"]) == (option["type"] in ("integer", "number")), f"{where}: range {option['range']!r}"
        assert option["required"] or option["default"], f"{where} has no default"
        assert option["help"] and option["read"], where
    text = HEAD + run("options").stdout
    if "--write" in sys.argv:
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "docs/options.md is not what `bmae options` prints: run tests/parity/cli_options.py --write"


def check_readers(options):
    """The member that an option sets is read outside of its declaration: an option that no command reads fails."""
    program = ROOT / "examples/bmae"
    declarations = sorted(program.glob("commands*.?pp"))
    declared = "\n".join(path.read_text() for path in declarations)
    declaring = {*declarations, *(program / name for name in ("common.hpp", "index.hpp", "runs.hpp", "ranking.hpp", "option_table.cpp", "option_table.hpp"))}
    sources = [path for path in program.glob("*.?pp") if path not in declaring]
    sources += [*(ROOT / "include/bmae/training").glob("*.hpp"), ROOT / "include/bmae/batch/planner.hpp"]
    readers = "\n".join(path.read_text() for path in sources)
    by_hand = {"--warmup": "schedule", "--schedule": "schedule", "--precision": "precision", "--top-k": "top_k",
               "path": "path", "name": "preset", "--data": "data", "--query": "query", "--margin": "margin",
               "--relative-margin": "relative_margin", "--query-prompt": "query", "--document-prompt": "document",
               "--optimizer": "optimizer", "--freeze": "frozen", "--lora-targets": "targets"}
    for option in options:
        name = option["name"]
        found = re.findall(rf'"{name}(?:,[^"]*)?",\s*(?:all_\.|options_?\.|common_\.)?([\w.]+)', declared)
        members = [member.rstrip("_").split(".")[-1] for member in found if not member.startswith("[")] or [by_hand.get(name)]
        assert members[0], f"no declaration of {option['command']} {name} was found in commands*"
        if name in by_hand:
            members = [by_hand[name]]
        if name == "--json":
            continue   # print_result reads it for all commands
        for member in set(members):
            assert re.search(rf"\b{member}\b", readers), f"bmae {option['command']} {name}: no command reads `{member}`"


def check_phrases():
    """Hints of the library that the program says otherwise are still the library, and what replaces them names no member."""
    sources = "".join(path.read_text() for path in (ROOT / "include/bmae").rglob("*.hpp"))
    library = re.sub(r'"\s*\n\s*"', "", sources)
    table = (ROOT / "examples/bmae/errors.cpp").read_text().split("phrases[] = {", 1)[1].split("\n};", 1)[0]
    phrases = re.findall(r'\{"(.*?)",\s*"(.*?)"\}', table, re.S)
    assert len(phrases) > 8, phrases
    for said_by_library, said_by_program in phrases:
        assert said_by_library in library, f"no header says '{said_by_library}' any more"
        assert "_" not in said_by_program.replace("vocab_size in its config.json", ""), said_by_program


def check_named(options):
    """Every option that a text of the program or of the library names is one of the program's. That a remedy is one of the command's own
    is checked wherever a test refuses something: check_remedies of cli_support.py."""
    known = {name for option in options for name in [option["name"], *option["aliases"]]} | {"--help", "--version"}
    for folder in ("include/bmae", "examples/bmae"):
        for path in (ROOT / folder).rglob("*.[hc]pp"):
            code = re.sub(r"//.*", "", path.read_text())
            for text in re.findall(r'"(?:[^"\\\n]|\\.)*"', code):
                for name in re.findall(r"(?<![\w/-])--[a-z][a-z0-9-]*", text):
                    assert name in known, f"{path.relative_to(ROOT)} names {name}, which no command has: {text}"


def bounds(option):
    numbers = [float(word) for word in re.findall(r"(?<![\w.])[-\d.]+(?:e[+-]?\d+)?", option["range"])]
    return numbers[-2], numbers[-1]


def check_ranges(options):
    """Outside of the range, no number, not finite: refused at parsing with the option and its range."""
    tried = 0
    for option in options:
        if option["type"] not in ("integer", "number"):
            continue
        least, most = bounds(option)
        wrong = ["-1", "nan", "inf", "-inf", "x", "1e99"]
        if option["type"] == "integer":
            wrong += ["1.5", "1e-1", str(LARGEST)]
            if least >= 1:
                wrong += [str(int(least) - 1)] if "0 or" not in option["range"] or least > 1 and least - 1 != 0 else []
            if most < 2 ** 63:
                wrong.append(str(int(most) + 1))
        else:
            wrong += ["0"] if option["range"].startswith("above 0") else []
            wrong.append(f"{most:g}" if "below" in option["range"] else f"{most * 1.5:g}")
        for value in wrong:
            message = said(option["command"], option["name"], value)
            assert option["name"] in message and option["range"] in message and f'"{value}"' in message, message
            tried += 1
    print(tried, "numbers outside of their range were refused")


def check_help(options):
    """The help of a command shows every option with its range, its default and the modes that read it."""
    for command in {option["command"] for option in options}:
        shown = " ".join(run(command, "--help").stdout.split())
        for option in options:
            if option["command"] != command:
                continue
            facts = [option["name"], option["range"]]
            if option["type"] != "flag" and not option["required"]:
                facts.append("default " + option["default"])
            if option["read"] != "always":
                facts.append(option["read"])
            for fact in facts:
                assert " ".join(fact.split()) in shown, f"bmae {command} --help does not show '{fact}' of {option['name']}"
    assert "mini (4 layers of 256)" in " ".join(run("pretrain", "--help").stdout.split())


def check_unknown():
    refused("pretrain", "--learning-rat", 1, says=["--learning-rat", "Did you mean --learning-rate?"])
    refused("search", "--topk", 1, says=["--topk", "Did you mean --top-k?"])
    refused("pretrian", says=["pretrian", "Did you mean pretrain?", "Known:"])
    refused("fuse", "--seed", 1, says=["--seed", "It is an option of", "pretrain"])
    refused("export", "--batch-tokens", 1, says=["--batch-tokens", "encode"])
    refused("search", "--query", "--text", "--fuson", "weighted", says="--fuson")   # a value may look like an option


def check_modes(work, data, store, run_folder):
    """An option that nothing reads in a mode is refused with a sentence that names both."""
    encoder = run_folder / "sentence-transformer"
    search = ["search", "--data", data, "--output", work / "x.trec"]
    for more, words in ((["--method", "bm25", "--model", encoder], ["--model", "--method bm25"]),
                        (["--method", "bm25", "--batch-tokens", 64], ["--batch-tokens", "dense, hybrid, sparse, dense-lexical or maxsim"]),
                        (["--method", "bm25", "--device", "cpu"], ["--device"]),
                        (["--model", encoder, "--k1", 1], ["--k1", "bm25 or hybrid", "--method dense"]),
                        (["--model", encoder, "--stem"], ["--stem"]),
                        (["--method", "bm25", "--fusion", "weighted"], ["--fusion", "--method hybrid"]),
                        (["--method", "hybrid", "--model", encoder, "--dense-weight", .5], ["--dense-weight", "weighted"])):
        refused(*search, *more, says=words)
    refused("search", "--data", data, "--method", "bm25", "--query", "a", "--tag", "x", says=["--tag without --query"])
    refused("search", "--data", data, "--method", "bm25", "--query", "a", "--split", "test", says=["--split without --query"])
    prepare = ["prepare", "--input", data / "corpus.jsonl", "--output", work / "out"]
    refused(*prepare, "--format", "jsonl", "--tokenizer", store, "--layout", "lines", says=["--layout", "--format jsonl"])
    refused(*prepare, "--format", "jsonl", "--tokenizer", store, "--keep-case", says=["--keep-case with --build-vocabulary"])
    refused(*prepare, "--format", "jsonl", "--tokenizer", store, "--seed", 1, says=["--seed with --short-probability"])
    refused(*prepare, "--format", "nli", "--tokenizer", store, "--titles", "name", says=["--titles", "--format nli"])
    refused(*prepare, "--format", "jsonl", "--tokenizer", store, "--blocks", "whole_document", "--short-probability", .5,
            says=["--short-probability", "whole_document"])
    pretrain = ["pretrain", "--config", "tiny", "--hidden", 32, "--data", store]
    train = [*pretrain, "--steps", 1, "--output", work / "out"]
    refused(*train, "--preset", "retromae", "--generator", run_folder, says=["in retromae", "leave --generator out"])
    refused(*train, "--schedule", "constant", "--schedule-floor", .1, says=["--schedule-floor", "--schedule constant"])
    refused(*pretrain, "--dump-step", work / "step", "--learning-rate", 1e-3, says=["--learning-rate with --steps, --epochs, --minutes or --plan"])
    (work / "words.json").write_text("{}")
    refused(*train, "--set", "encoder_mas=0.3", says=['"encoder_mas"', 'Did you mean "encoder_mask"?'])
    refused(*train, "--set", "row_pool=-1", says=["a whole number of at least 0 for row_pool"])
    refused(*train, "--preset", "cot-mae", "--set", "span_tokens=-1", says=["a whole number of at least 0 for span_tokens"])
    refused(*train, "--set", "encoder_mask=nan", says=["a finite number for encoder_mask"])
    refused(*train, "--max-length", 1, says=["--max-length", "0 or 3 to"])
    refused(*train, "--learning-rate", 1e10, says=["--learning-rate", "0 to 100"])
    tune = ["finetune", "--data", data, "--model", run_folder / "model", "--steps", 1, "--output", work / "out"]
    (work / "scores.tsv").write_text("qtrain0-0\td0-0\t1.0\n")
    refused(*tune, "--teacher-scores", work / "scores.tsv", says=["--teacher-scores", "retriever-distilled"])
    refused(*tune, "--preset", "reranker", "--contrast", "symmetric", says=["reranker", "--contrast"])
    refused(*tune, "--preset", "splade", "--normalize", says=["splade", "--normalize"])
    refused(*tune, "--preset", "splade", "--pooling", "mean", says=["no --pooling with the preset splade", "mean"])
    export = ["export", "--model", run_folder / "model", "--format", "huggingface", "--output", work / "out"]
    refused(*export, "--pooling", "cls", says=["--pooling", "--format huggingface"])
    refused("inspect", data / "qrels" / "test.tsv", "--tensors", says=["--tensors", "judgments"])
    assert not (work / "out").exists() and not (work / "x.trec").exists()


def check_negatives(work, data, run_folder):
    """The default number of passages follows the file of negatives, whose coverage is told."""
    found = [line.split("\t") for line in (data / "qrels" / "train.tsv").read_text().splitlines()[1:]]
    queries = sorted({query for query, _, _ in found})
    (work / "few.tsv").write_text(f"{queries[0]}\td11-0\n{queries[1]}\td11-1\n")
    tune = ["finetune", "--data", data, "--model", run_folder / "model", "--steps", 1, "--batch-size", 4]
    made = run(*tune, "--negatives", work / "few.tsv", "--output", work / "few", "--json")
    assert f"warning: hard negatives: 2, for 2 of {len(queries)} queries" in made.stderr, made.stderr
    numbers = json.loads(json.loads((work / "few" / "step-1" / "trainer.json").read_text())["objective"])["numbers"]
    assert numbers["passes.1.view.source.passages"] == 8, numbers   # the preset's own, for there are negatives
    assert json.loads(made.stdout.splitlines()[-1])["queries_with_negatives"] == 2
    refused(*tune, "--negatives", work / "few.tsv", "--passages-per-query", 1, "--output", work / "none",
            says=["at least 2 passages per query with --negatives"])
    lines = work / "lines.jsonl"
    lines.write_text("".join(json.dumps({"query": f"a {i}", "pos": [f"text {i}"]}) + "\n" for i in range(4)))
    refused("finetune", "--data", lines, "--model", run_folder / "model", "--steps", 1, "--split", "dev", "--output", work / "none",
            says=["--split", "files of rows"])


def check_forms(work, data, store, run_folder):
    """1e3 is a whole number; batches by examples give the vectors of batches by tokens; --top-k counts what a query shows."""
    assert result("tokenize", "--tokenizer", store, "--max-length", "1e1", stdin="a b c\n")["lines"] == 1
    encoder = run_folder / "sentence-transformer"
    encode = ["encode", "--model", encoder, "--input", data / "corpus.jsonl"]
    for name, more in (("one", ["--batch-examples", 1]), ("tokens", ["--batch-tokens", 1]), ("five", ["--batch-size", 5])):
        run(*encode, *more, "--output", work / f"{name}.safetensors")
    one, tokens, five = ((work / f"{name}.safetensors").read_bytes() for name in ("one", "tokens", "five"))
    assert one == tokens and len(five) == len(one)
    query = json.loads((data / "queries.jsonl").read_text().splitlines()[0])["text"]
    for more, count in ((["--top-k", 2], 2), ([], 10), (["--top-k", 12], 12)):
        shown = run("search", "--data", data, "--model", encoder, *more, "--query", query).stdout.splitlines()
        assert len(shown) == count, shown


def check_master(work, data):
    """Without queries, without continuations, without both: the refusal names the preset that fits, and a term of weight 0 asks for none."""
    records = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    shape = ["pretrain", "--config", "tiny", "--hidden", 32, "--batch-tokens", 256]
    for name, more, fits, term in (("queries", {"queries": ["bo da"]}, "master-without-gor", 4),
                                   ("continued", {"continuation": "Bo da gi."}, "master-without-dor", 3),
                                   ("plain", {}, "master-without-por", None)):
        (work / f"{name}.jsonl").write_text("".join(json.dumps(record | more) + "\n" for record in records))
        run("prepare", "--input", work / f"{name}.jsonl", "--format", "jsonl", "--build-vocabulary", 300, "--max-length", 16, "--output", work / name)
        train = [*shape, "--data", work / name, "--steps", 2, "--log-every", 1]
        refused(*train, "--preset", "master", "--output", work / "none", says=f"Without such texts there is --preset {fits}.")
        made = result(*train, "--preset", fits, "--output", work / f"run-{name}")
        assert {"MKP", "CMP", "NPR"} <= {term["task"] for term in made["terms"]}, made["terms"]
        if term is not None:
            weight = f"passes.0.terms.{term + 1}.weight=0"
            made = result(*train, "--preset", "master", "--set", weight, "--output", work / f"weightless-{name}")
            assert made["step"] == 2 and made["terms"][term + 1]["weight"] == 0, made["terms"]
    log = json.loads((work / "run-queries" / "log.jsonl").read_text().splitlines()[-1])
    assert [term["task"] for term in log["terms"]] == ["", "MKP", "CMP", "NPR", "DOR"], log["terms"]


def documented_keys():
    """Keys of each command's object, from the table of docs/formats.md."""
    section = (ROOT / "docs/formats.md").read_text().split("## Results of the program", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.M)
    return {command: set(re.findall(r"`(\w+)`", keys)) for command, keys in rows}


def check_results(work, data, store, run_folder):
    """Each command prints the keys that the page names, whatever its options; an error is an object too."""
    known = documented_keys()
    error = known.pop("error")
    encoder = run_folder / "sentence-transformer"
    files = ["--output", work / "r.safetensors"]
    (work / "r-rows.jsonl").write_text('{"query": "q", "pos": ["p"]}\n')
    commands = [["tokenize", "--tokenizer", store], ["presets", "mlm"], ["options"],
                ["prepare", "--input", data, "--format", "beir", "--tokenizer", store, "--output", work / "r-store"],
                ["prepare", "--input", data / "corpus.jsonl", "--tokenizer", store, "--output", work / "r-text"],
                ["pairs", "--data", data, "--tokenizer", store, "--output", work / "r-pairs"],
                ["pairs", "--input", work / "r-rows.jsonl", "--convert", "tevatron", "--output", work / "r-converted.jsonl"],
                ["pretrain", "--config", "tiny", "--hidden", 32, "--data", store, "--batch-tokens", 256, "--steps", 1, "--output", work / "r-run"],
                ["finetune", "--model", run_folder / "model", "--data", data, "--steps", 1, "--batch-size", 4, "--output", work / "r-tuned"],
                ["finetune", "--model", run_folder / "model", "--data", data, "--preset", "reranker", "--set", "passages=2", "--steps", 1, "--batch-size", 4, "--output", work / "r-cross"],
                ["encode", "--model", encoder, "--input", data / "corpus.jsonl", *files],
                ["search", "--method", "bm25", "--data", data, "--output", work / "r.trec"],
                ["search", "--method", "bm25", "--data", data, "--query", "a"],
                ["search", "--method", "bm25", "--data", data, "--split", "train", "--output", work / "r-train.trec"],
                ["index", "--data", data, "--output", work / "r-bm25"],
                ["index", "--method", "dense", "--model", encoder, "--data", data, "--output", work / "r-dense"],
                ["search", "--index", work / "r-bm25", "--query", "a"],
                ["search", "--index", work / "r-bm25", "--queries", data / "queries.jsonl", "--output", work / "r-index.trec"],
                ["rerank", "--model", work / "r-cross", "--run", work / "r.trec", "--data", data, "--depth", 2, "--output", work / "r-again.trec"],
                ["fuse", work / "r.trec", work / "r-again.trec", "--output", work / "r-fused.trec"],
                ["mine", "--run", work / "r-train.trec", "--data", data, "--output", work / "r-mined.tsv"],
                ["evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", work / "r.trec"],
                ["evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", work / "r.trec", "--per-query"],
                ["evaluate", "--qrels", data / "qrels" / "test.tsv", work / "r.trec", work / "r-again.trec"],
                ["diagnose", "--data", data, "--tokenizer", store], ["diagnose", "--input", data / "corpus.jsonl"],
                ["search", "--method", "bm25", "--collections", work / "r-sets", "--output", work / "r-runs"],
                ["evaluate", "--collections", work / "r-sets", work / "r-runs"],
                ["glue", "--model", encoder, "--task", "cola", "--data", work, "--steps", 1, "--seeds", 1, "--output", work / "r-glue"],
                ["similarity", "--model", encoder, "--input", work / "r-pairs.tsv", "--format", "tsv"],
                ["transfer", "--model", encoder, "--task", "mr", "--data", work, "--classifier", "convex", "--folds", 2],
                ["export", "--model", encoder, "--output", work / "r-export"],
                ["export", "--model", encoder, "--format", "huggingface", "--output", work / "r-hf"]]
    (work / "r-pairs.tsv").write_text("".join(f"a{i} b\ta{i} c\t{i}\n" for i in range(6)))
    shutil.copytree(data, work / "r-sets/one")
    for part in ("train.tsv", "dev.tsv"):
        (work / part).write_text("x\t1\t\ta b\nx\t0\t\tb a\n")
    for side, word in (("pos", "good"), ("neg", "bad")):
        (work / f"rt-polarity.{side}").write_text("".join(f"{word} w{i}\n" for i in range(8)))
    for arguments in commands:
        keys = set(result(*arguments))
        assert keys == known[arguments[0]], f"bmae {' '.join(map(str, arguments))}: undocumented {keys - known[arguments[0]]}, absent {known[arguments[0]] - keys}"
    for arguments, kind, words in ((["encode", "--batch-tokens", "-1"], "input", "--batch-tokens"),
                                   (["evaluate", "--qrels", work / "absent", "--run", work / "absent"], "input", "absent"),
                                   (["pretrain"], "input", "--data")):
        done = run(*arguments, "--json", status=2)
        told = json.loads(done.stdout)
        assert set(told) == error and told["command"] == arguments[0] and told["status"] == 2, told
        assert told["error"]["kind"] == kind and words in told["error"]["message"] and told["error"]["message"] in done.stderr, told
        assert set(told["error"]) == {"kind", "message", "file", "line", "expected", "found", "hint"}, told
        run(*arguments, status=2)


def check_locks(work, store, run_folder):
    """An output that another program writes is refused with status 2, as every output that cannot be taken."""
    with open(run_folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("pretrain", "--config", "tiny", "--hidden", 32, "--data", store, "--batch-tokens", 256, "--steps", 3, "--resume",
                   "--output", run_folder, "--json", status=2)
        assert "another trainer is writing there" in done.stderr, done.stderr
        assert json.loads(done.stdout)["error"]["kind"] == "in_use", done.stdout


def check_profiles(work, data):
    """What the beir profile drops is counted and said."""
    (work / "own.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n")
    (work / "own.trec").write_text("q1 Q0 q1 1 9 t\nq1 Q0 d1 2 8 t\nq2 Q0 d2 1 7 t\n")
    evaluate = ["evaluate", "--qrels", work / "own.tsv", "--run", work / "own.trec", "--measures", "mrr@10"]
    done = run(*evaluate, "--profile", "beir", "--json")
    assert "1 hits whose id is their query's dropped, in 1 queries" in done.stderr, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["own_hits"], told["own_queries"], told["measures"]["mrr@10"]) == (1, 1, 1), told
    plain = result(*evaluate, "--profile", "trec9")
    assert plain["own_hits"] == 0 and plain["measures"]["mrr@10"] == .75, plain


def main(work):
    options = result("options")["options"]
    check_table(options)
    check_readers(options)
    check_ranges(options)
    check_help(options)
    check_unknown()
    check_phrases()
    check_named(options)
    data = write_collection(work / "data")
    store, run_folder = work / "store", work / "run"
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", store)
    run("pretrain", "--config", "tiny", "--hidden", 32, "--data", store, "--batch-tokens", 256, "--steps", "2e0", "--output", run_folder)
    check_modes(work, data, store, run_folder)
    check_forms(work, data, store, run_folder)
    check_negatives(work, data, run_folder)
    check_master(work, data)
    check_profiles(work, data)
    check_results(work, data, store, run_folder)
    check_locks(work, store, run_folder)
    print(len(options), "options")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
