# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""What bmae tells people: model cards in every folder (the same bytes from the same run, metadata that the Hub's library reads), figures
of presets (those of docs/figures, without overlaps), the HTML page of bmae report (opens offline, escapes, names what is broken), and
events that TensorBoard's own reader reads.

Usage: cli_reports.py             checks
       cli_reports.py --write     writes docs/figures anew
"""
import html.parser
import json
import pathlib
import shutil
import struct
import sys
import tempfile
import xml.etree.ElementTree

from cli_support import contents, result, run, write_collection

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs/figures"
PRESETS = ("bge-m3", "bow-dpr", "cocondenser", "colbert", "condenser", "contriever", "cot-mae", "cot-mae-v2", "diffcse", "dupmae", "dupmae-retriever", "ict", "laprador", "lexmae",
           "master", "master-as-released", "mlm", "mlm-flops", "reranker-r-drop", "retriever", "retriever-distilled", "retromae", "retromae-basic",
           "seed", "sentmae-nli", "simcse-supervised", "simlm", "splade", "splade-doc", "tsdae")
SVG = "{http://www.w3.org/2000/svg}"


# ---- model cards -------------------------------------------------------------------------------------------------------------------

def metadata(folder):
    """The front matter of a card, by the Hub's own library where it is installed."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n") and card.endswith("\n") and not card.endswith("\n\n"), card
    try:
        from huggingface_hub import ModelCard
    except ImportError:
        lines = card.split("---\n")[1].splitlines()
        return {**dict(line.split(": ", 1) for line in lines if ": " in line), "tags": [line[2:] for line in lines if line.startswith("- ")]}, card
    return ModelCard.load(folder / "README.md", ignore_metadata_errors=False).data.to_dict(), card


def train(work, name, *more):
    run("pretrain", "--preset", "retromae", "--config", work / "config.json", "--data", work / "store", "--steps", 4, "--batch-examples", 4,
        "--threads", 1, "--log-every", 1, "--output", work / name, *more)


def check_cards(work):
    train(work, "first")
    (work / "elsewhere").mkdir()
    train(work, "elsewhere/other")
    for part in ("model", "sentence-transformer"):
        assert (work / "first" / part / "README.md").read_bytes() == (work / "elsewhere/other" / part / "README.md").read_bytes()
    data, card = metadata(work / "first/sentence-transformer")
    assert data["library_name"] == "sentence-transformers" and data["pipeline_tag"] == "sentence-similarity", data
    assert {"bmae", "retromae", "sentence-transformers"} <= set(data["tags"]) and "base_model" not in data, data
    for text in ("with the preset `retromae`", "| optimizer steps | 4 |", "`passes.0.view.masker.rate` | 0.3", "fingerprint of the corpus", "| seed | 42 |",
                 "SentenceTransformer(\"FOLDER\")", "bmae search --model FOLDER", "-> branch(passage, row_visibility, none, enhanced plain)"):
        assert text in card, f"{text!r} is not in\n{card}"
    assert str(work) not in card, card
    assert metadata(work / "first/model")[0]["library_name"] == "transformers"
    hub = work / "from-hub"
    shutil.copytree(work / "first/model", hub)
    (hub / "README.md").write_text("---\nlibrary_name: transformers\nbase_model: google-bert/bert-base-uncased\ntags:\n- x\n---\n\n# A model\n")
    for preset, name, tag in (("retriever", "sentence-transformer", "sentence-similarity"), ("reranker", "cross-encoder", "text-ranking"),
                              ("splade", "sparse-encoder", "feature-extraction"), ("splade-doc", "sparse-encoder", "feature-extraction"),
                              ("dupmae-retriever", "dense-lexical-encoder", "fill-mask"), ("colbert", "token-encoder", "feature-extraction")):
        run("finetune", "--preset", preset, "--model", hub, "--data", work / "world", "--steps", 1, "--batch-examples", 2, "--passages-per-query",
            2, "--threads", 1, "--output", work / preset)
        data, card = metadata(work / preset / name)
        assert data["pipeline_tag"] == tag and data["base_model"] == "google-bert/bert-base-uncased", data
        assert "from `from-hub`" in card and "| data | `world`, fingerprint of the pairs" in card, card
    for format, place in (("sentence-transformers", "FOLDER"), ("huggingface", "FOLDER"), ("retromae", "FOLDER/encoder_model")):
        pooling = ["--pooling", "cls"] if format == "sentence-transformers" else []
        run("export", "--model", work / "first", "--format", format, *pooling, "--output", work / f"as-{format}")
        assert f'"{place}"' in metadata(work / f"as-{format}")[1] and "with the preset `retromae`" in metadata(work / f"as-{format}")[1]
    encoder = work / "first/sentence-transformer"
    run("vocabulary", "extend", "--model", encoder, "--words", write(work / "words", "zymurgy\n"), "--output", work / "extended")
    assert "Its vocabulary was extended from" in metadata(work / "extended")[1]
    run("merge", f"{encoder}:0.6", f"{work / 'elsewhere/other/sentence-transformer'}:0.4", "--output", work / "merged")
    assert "`sentence-transformer` times 0.6" in metadata(work / "merged")[1]


def check_figures_in_cards(work):
    """The figures of a card are those of the step that was exported, also where an earlier one is the best."""
    run("pretrain", "--preset", "retromae", "--config", work / "config.json", "--data", work / "store", "--eval-data", work / "held-out", "--eval-every",
        1, "--keep-best", "loss", "--steps", 3, "--batch-examples", 4, "--threads", 1, "--output", work / "judged")
    step = (work / "judged/best").read_text().strip().removeprefix("step-")
    lines = [json.loads(line) for line in (work / "judged/log.jsonl").read_text().splitlines()]
    figures = next(line["figures"] for line in lines if "figures" in line and str(line["step"]) == step)
    card = metadata(work / "judged/model")[1]
    assert f"| optimizer steps | {step} |" in card and f"| loss | {json.dumps(figures['loss'])} |" in card, (figures, card)


# ---- figures of presets ------------------------------------------------------------------------------------------------------------

def boxes(svg):
    """Rectangles of a figure, without the background: left, top, right, bottom."""
    found = [tuple(float(shape.get(key)) for key in ("x", "y", "width", "height")) for shape in svg.iter(SVG + "rect") if shape.get("x")]
    return [(x, y, x + width, y + height) for x, y, width, height in found]


def segments(svg):
    """The horizontal pieces of all lines as left, right, y, and the vertical ones as top, bottom, x."""
    flat, upright = [], []
    for line in svg.iter(SVG + "polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            if y0 == y1:
                flat.append((min(x0, x1), max(x0, x1), y0))
            else:
                upright.append((min(y0, y1), max(y0, y1), x0))
    return flat, upright


def check_drawing(name, text):
    """No box touches another one, lies outside, or is crossed by a line; no line crosses another; texts lie in boxes that are wide enough."""
    svg = xml.etree.ElementTree.fromstring(text)
    width, height = float(svg.get("width")), float(svg.get("height"))
    all_boxes = boxes(svg)
    assert len(all_boxes) >= 3, name
    for number, (x0, y0, x1, y1) in enumerate(all_boxes):
        assert 0 <= x0 and 0 <= y0 and x1 <= width and y1 <= height, f"{name}: a box lies outside"
        for u0, v0, u1, v1 in all_boxes[:number]:
            assert x1 <= u0 or u1 <= x0 or y1 <= v0 or v1 <= y0, f"{name}: two boxes overlap at {x0}, {y0}"
    flat, upright = segments(svg)
    for left, right, y in flat:
        for top, bottom, x in upright:   # lines may end at one another
            assert not (left + .05 < x < right - .05 and top + .05 < y < bottom - .05), f"{name}: two lines cross at {x}, {y}"
    for line in svg.iter(SVG + "polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            for u0, v0, u1, v1 in all_boxes:
                rounding = .05   # of an end that touches the edge
                inside = max(min(x0, x1), u0) + rounding < min(max(x0, x1), u1) and v0 < y0 < v1 if y0 == y1 else \
                    max(min(y0, y1), v0) + rounding < min(max(y0, y1), v1) and u0 < x0 < u1
                assert not inside, f"{name}: a line crosses a box at {u0}, {v0}"
    for label in svg.iter(SVG + "text"):
        if label.get("text-anchor") == "middle":
            x, y, half = float(label.get("x")), float(label.get("y")), 3 * len(label.text)
            assert any(u0 <= x - half and x + half <= u1 and v0 < y < v1 for u0, v0, u1, v1 in all_boxes), f"{name}: {label.text!r} has no room"


def check_presets(work, write_anew):
    if write_anew:
        FIGURES.mkdir(exist_ok=True)
    for name in PRESETS:
        drawn = work / f"{name}.svg"
        run("presets", name, "--svg", drawn)
        text = drawn.read_text(encoding="utf-8")
        check_drawing(name, text)
        if write_anew:
            (FIGURES / drawn.name).write_text(text, encoding="utf-8")
        assert (FIGURES / drawn.name).read_text(encoding="utf-8") == text, f"docs/figures/{name}.svg is stale: cli_reports.py --write"
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/papers").glob("*.md"))
    missing = [name for name in PRESETS if f"(../figures/{name}.svg)" not in pages]
    assert not missing, f"no page of docs/papers shows {missing}"
    run("presets", "retromae", "--svg", work / "retromae.svg", status=2)   # exists
    assert "--svg with name" in run("presets", "--svg", work / "all.svg", status=2).stderr
    run("presets", "retromea", "--svg", work / "wrong.svg", status=2)
    assert not (work / "wrong.svg").exists()


# ---- the page ----------------------------------------------------------------------------------------------------------------------

class Page(html.parser.HTMLParser):
    """Tags that are open, and what a page would load or run."""
    EMPTY = {"meta", "rect", "path", "polyline", "polygon"}

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.text = [], [], ""
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.loads += [(tag, key) for key, _ in attributes if key in ("src", "href", "style") or key.startswith("on")]
        self.loads += [tag] if tag in ("script", "link", "iframe", "img", "object") else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.loads += [(tag, key) for key, _ in attributes if key in ("src", "href") or key.startswith("on")]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}>"

    def handle_data(self, data):
        self.text += data


def page_of(work, name, *folders):
    told = run("report", *folders, "--output", work / name, "--json")
    return Page((work / name).read_text(encoding="utf-8")), json.loads(told.stdout.splitlines()[-1]), told.stderr


def check_page(work):
    train(work, "second", "--seed", 7)
    train(work, "third", "--set", "encoder_mask=0.15")
    page, told, _ = page_of(work, "three.html", work / "first", work / "second", work / "third", work / "judged")
    assert not page.loads, page.loads
    assert told["runs"] == 4 and told["problems"] == [] and told["pipelines"] == 0, told
    assert (work / "three.html").read_bytes() == (run("report", *(work / name for name in ("first", "second", "third", "judged")), "--output",
                                                      work / "again.html") and (work / "again.html").read_bytes())
    for words in ("Spread over seeds", "first, second", "gradient_norm", "learning_rate", "Differences between the runs", "encoder_mask=0.15",
                  "model: passes.0.view.masker.rate", "evaluation: loss", "term passes.0.terms.1 (branch): loss", "row visibility"):
        assert words in page.text, f"{words!r} is not on the page"
    single = page_of(work, "one.html", work / "first")[0]
    assert "Settings" in single.text and "Spread" not in single.text


def check_broken(work):
    """Broken logs are named by file and line; markup in names and values is text."""
    bad = work / "<b>bad & run"
    (bad / "step-3").mkdir(parents=True)
    objective = {"preset": "</svg><script>alert(1)</script>", "composition": "bert; pass(<i>, whole_word, bert) -> cls", "numbers": {"<u>": "&"}}
    write(bad / "step-3/trainer.json", json.dumps({"options": {"seed": 1}, "objective": json.dumps(objective)}))
    write(bad / "run.json", "{")
    step = lambda number, **more: json.dumps({"step": number, "loss": 1.5, "learning_rate": 1e-4, **more})
    write(bad / "log.jsonl", "\n".join([step(1), "{\"step\": 2, \"loss\": NaN}", step(2, loss=None), step(3, gradient_norm="high"), step(3), step(2), "[1]",
                                        json.dumps({"loss": 1}), json.dumps({"step": 3, "figures": {"<em>": None}}), '{"step": 4, "lo']))
    page, told, errors = page_of(work, "bad.html", bad)
    assert not page.loads, page.loads
    assert "</svg><script>alert(1)</script>" in page.text and "<b>bad & run" in page.text, page.text
    for line, words in ((2, "no JSON object"), (3, "NaN or infinite"), (4, "no finite number"), (5, "again or out of order"), (6, "out of order"), (7, "no JSON object"),
                        (8, "no \"step\""), (9, "<em>"), (10, "no JSON object")):
        place = f"{bad}/log.jsonl:{line}: "
        assert any(problem.startswith(place) and words in problem for problem in told["problems"]), (place, words, told["problems"])
        assert place in errors and place in page.text
    assert any("run.json" in problem for problem in told["problems"])
    (work / "empty-run").mkdir()
    write(work / "empty-run/log.jsonl", "")
    assert any("logged nothing" in problem for problem in page_of(work, "empty.html", work / "empty-run")[1]["problems"])
    for folder, words in ((work / "missing", "nothing of that name"), (work / "world", "a folder of another kind"), (work / "words", "a file")):
        assert words in run("report", folder, "--output", work / "none.html", status=2).stderr
    assert "neither" in run("report", work / "first", status=2).stderr
    run("report", work / "first", "--output", work / "one.html", status=2)   # exists
    assert not (work / "none.html").exists()


def check_pipeline(work):
    """A pipeline's page has its stages, their figures and the runs of its stages."""
    recipe = {"recipe": 1, "name": "small", "settings": {}, "stages": [
        {"name": "bm25", "command": "search", "options": {"method": "bm25", "data": str(work / "world"), "output": "{bm25}/run.trec"}},
        {"name": "figures", "command": "evaluate", "options": {"qrels": str(work / "world/qrels/test.tsv"), "run": "{bm25}/run.trec", "measures": "ndcg@10"}},
        {"name": "trained", "command": "pretrain", "options": {"config": str(work / "config.json"), "data": str(work / "store"), "steps": 2,
         "batch-examples": 4, "threads": 1, "log-every": 1, "output": "{trained}/run"}}]}
    run("pipeline", write(work / "recipe.json", json.dumps(recipe)), "--output", work / "experiment")
    page, told, _ = page_of(work, "pipeline.html", work / "experiment")
    assert told["pipelines"] == 1 and told["runs"] == 1 and not page.loads, told
    measured = result("evaluate", "--qrels", work / "world/qrels/test.tsv", "--run", work / "experiment/bm25/run.trec", "--measures", "ndcg@10")["measures"]["ndcg@10"]
    for words in ("experiment: small", "ndcg@10", f"{measured:.5g}", "experiment/trained/run", "bmae search"):
        assert words in page.text, f"{words!r} is not on the page"


# ---- events for TensorBoard --------------------------------------------------------------------------------------------------------

def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def records(data):
    """The messages of a file, their sums checked."""
    masked = lambda part: (crc32c(part) >> 15 | crc32c(part) << 17 & 0xFFFFFFFF) + 0xA282EAD8 & 0xFFFFFFFF
    while data:
        (length,) = struct.unpack_from("<Q", data)
        assert struct.unpack_from("<I", data, 8)[0] == masked(data[:8])
        message = data[12:12 + length]
        assert struct.unpack_from("<I", data, 12 + length)[0] == masked(message)
        yield message
        data = data[16 + length:]


def check_events(work):
    run("report", work / "first", work / "second", "--tensorboard", work / "events")
    files = sorted((work / "events").rglob("*tfevents*"))
    assert [file.parent.name for file in files] == ["first", "second"], files
    lines = [json.loads(line) for line in (work / "first/log.jsonl").read_text().splitlines()]
    messages = list(records(files[0].read_bytes()))
    assert b"brain.Event:2" in messages[0] and len(messages) > 1 + 4 * len(lines)
    run("report", work / "first", "--tensorboard", work / "events", status=2)   # holds something
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        print("skipped: TensorBoard's own reader, which is not installed")
        return
    read = EventAccumulator(str(work / "events/first")).Reload()
    for tag, key in (("training/loss", "loss"), ("training/gradient_norm", "gradient_norm"), ("training/learning_rate", "learning_rate")):
        events = read.Scalars(tag)
        assert [event.step for event in events] == [line["step"] for line in lines]
        assert [event.value for event in events] == [struct.unpack("f", struct.pack("f", line[key]))[0] for line in lines]
        assert all(a.wall_time <= b.wall_time for a, b in zip(events, events[1:])) and events[-1].wall_time > 0
    assert any(tag.startswith("terms/passes.0.terms.1 (branch") for tag in read.Tags()["scalars"]), read.Tags()


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        check_presets(work, "--write" in sys.argv)
        write_collection(work / "world")
        write_collection(work / "held-out-world", seed=2)
        write(work / "config.json", json.dumps({"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
                                                "model_type": "bert", "max_position_embeddings": 192, "type_vocab_size": 2, "vocab_size": 300,
                                                "hidden_act": "gelu"}))
        run("prepare", "--input", work / "world/corpus.jsonl", "--build-vocabulary", 300, "--max-length", 48, "--output", work / "store")
        run("prepare", "--input", work / "held-out-world/corpus.jsonl", "--tokenizer", work / "store", "--max-length", 48, "--output", work / "held-out")
        check_cards(work)
        check_figures_in_cards(work)
        check_page(work)
        check_broken(work)
        check_pipeline(work)
        check_events(work)
        assert contents(FIGURES)
    print(f"reports: cards, {len(PRESETS)} figures, the page, events")


if __name__ == "__main__":
    main()
