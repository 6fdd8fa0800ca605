# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""`bmae finetune --two-encoders`: loss and gradients against two BertModels of transformers, resuming to the same bits, folders that
sentence-transformers reads and writes as Router, and each command with the encoder of its role."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from cli_support import result, run, write_collection

try:
    import numpy
    import torch
    import torch.nn.functional as F
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertModel
except ModuleNotFoundError as error:
    print(f"skipped: two_encoders.py needs the Python package `{error.name}`, which is not installed")
    raise SystemExit(77)

TOLERANCE = 2e-5
QUERY, DOCUMENT = "query_0_Transformer", "document_0_Transformer"


def weights_of(folder):
    return [(folder / part / "model.safetensors").read_bytes() for part in (QUERY, DOCUMENT)]


def close(what, found, expected):
    difference = float(numpy.abs(found - numpy.asarray(expected)).max())
    assert difference <= TOLERANCE, (what, difference)


# ---- one step

def vectors_of(model, tensors, view):
    """[CLS] of each text, read alone."""
    ids, offsets = tensors[f"{view}.input_ids"], tensors[f"{view}.offsets"].tolist()
    return torch.cat([model(input_ids=ids[a:b][None]).last_hidden_state[:, 0] for a, b in zip(offsets, offsets[1:])])


def check_step(work, model, pairs, preset, temperature):
    file = work / f"{preset}.safetensors"
    subprocess.run([pathlib.Path(os.environ["BMAE_BIN"]) / "two_encoders_driver", model, pairs, preset, str(temperature), file], check=True)
    with safe_open(file, "pt") as opened:
        tensors, report = {name: opened.get_tensor(name) for name in opened.keys()}, json.loads(opened.metadata()["report"])
    assert [one["encoder"] for one in report["passes"]] == ["tied", "second"], report["passes"]
    towers = []
    for prefix in ("encoder.", "second.encoder."):
        tower = BertModel.from_pretrained(model, add_pooling_layer=False, attn_implementation="eager").double().eval()
        names = dict(tower.named_parameters())
        own = {name: tensors[name] for name in tensors if name.startswith(prefix)}
        table = {}
        for name in own:
            inner = name[len(prefix):]
            table[name] = inner if inner in names else "encoder." + inner
            names[table[name]].data.copy_(own[name].double())
        assert sorted(table.values()) == sorted(names), (sorted(table.values()), sorted(names))
        towers.append((tower, table))
    queries, texts = (vectors_of(tower, tensors, f"passes.{p}.view") for p, (tower, _) in enumerate(towers))
    if report["terms"][0]["similarity"] == "cosine":
        queries, texts = F.normalize(queries, dim=1), F.normalize(texts, dim=1)
    count, group = len(queries), len(texts) // len(queries)
    targets = torch.arange(count) * group
    loss = F.cross_entropy(queries @ texts.T / temperature, targets)
    if preset == "retriever-simlm":   # four blocks: queries and positives among themselves, too
        own, eye = texts[::group], torch.eye(count, dtype=torch.bool)
        blocks = [m.masked_fill(eye, float("-inf")) for m in (own @ queries.T, queries @ queries.T, own @ own.T)]
        loss = F.cross_entropy(torch.cat([queries @ texts.T, *blocks], 1) / temperature, targets)
    assert abs(loss.item() - report["total"]) <= 1e-5 * max(1, loss.item()), (preset, loss.item(), report["total"])
    loss.backward()
    worst = 0.
    for tower, table in towers:
        names = dict(tower.named_parameters())
        for name, inner in table.items():
            norm = 0. if names[inner].grad is None else names[inner].grad.norm().item()
            worst = max(worst, abs(norm - report["gradient_norms"][name]) / max(1., norm))
    assert worst <= 1e-5, (preset, worst)
    print(f"{preset}: loss {loss.item():.6f}, {sum(len(table) for _, table in towers)} gradients, worst difference of a norm {worst:.1e}")


# ---- the program

def write_inputs(data, work):
    queries = [json.loads(line) for line in (data / "queries.jsonl").read_text().splitlines()]
    documents = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    (work / "queries.jsonl").write_text("".join(json.dumps({"_id": q["_id"], "text": q["text"]}) + "\n" for q in queries))
    return [q["text"] for q in queries], [d["title"] + " " + d["text"] for d in documents]


def encoded(work, model, source, *options):
    output = work / "encoded.safetensors"
    output.unlink(missing_ok=True)
    output.with_suffix(".ids").unlink(missing_ok=True)
    run("encode", "--model", model, "--input", source, "--output", output, *options)
    return load_file(output)["embeddings"]


def check_folder(what, work, data, folder, texts):
    """Vectors by role and the run of a search are those of sentence-transformers."""
    queries, documents = texts
    peer = SentenceTransformer(str(folder), device="cpu")
    asked, found = peer.encode_query(queries), peer.encode_document(documents)
    close(what, encoded(work, folder, work / "queries.jsonl", "--role", "query"), asked)
    close(what, encoded(work, folder, data), found)
    close(what, peer.encode(documents), found)   # without a role texts are documents there, too
    scores = peer.similarity(asked, found).numpy()
    run("search", "--model", folder, "--data", data, "--split", "all", "--top-k", 5, "--output", work / f"{what}.trec")
    ids = [[json.loads(line)["_id"] for line in (data / f"{name}.jsonl").read_text().splitlines()] for name in ("queries", "corpus")]
    hits = [line.split() for line in (work / f"{what}.trec").read_text().splitlines()]
    assert len(hits) == 5 * len(queries), len(hits)
    for query, _, document, _, score, _ in hits:
        assert abs(float(score) - scores[ids[0].index(query), ids[1].index(document)]) <= 2 * TOLERANCE, (what, query, document)


def check_training(work, data, pretrained, texts):
    tune = ["finetune", "--two-encoders", "--model", pretrained, "--pooling", "cls", "--data", data, "--learning-rate", "1e-3", "--normalize",
            "--query-length", 16, "--passage-length", 40, "--save-every", 2, "--keep-last", 0, "--query-prompt", "ask: ", "--document-prompt", ""]
    whole, again = work / "whole", work / "again"
    done = result(*tune, "--steps", 4, "--eval-data", data, "--eval-split", "test", "--eval-every", 4, "--output", whole)
    folder = whole / "sentence-transformer"
    assert done["sentence_transformer"] == str(folder), done
    shutil.copytree(whole, again)
    shutil.rmtree(again / "sentence-transformer")
    shutil.rmtree(again / "step-4")
    (again / "latest").unlink(missing_ok=True)
    assert result(*tune, "--steps", 4, "--eval-data", data, "--eval-split", "test", "--eval-every", 4, "--output", again, "--resume")["resumed_from"] == 2
    one, other = weights_of(folder)
    assert weights_of(again / "sentence-transformer") == [one, other] and one != other
    check_folder("trained", work, data, folder, texts)
    evaluated = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines() if "figures" in line][-1]["figures"]
    run("search", "--model", whole, "--data", data, "--output", work / "test.trec")
    measured = result("evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", work / "test.trec", "--measures", ",".join(evaluated))["measures"]
    for name, value in evaluated.items():   # in training as by search
        assert abs(measured[name] - value) < 1e-9, (name, value, measured)
    for role in ("query", "document"):   # a run and its folder are one model
        source = work / "queries.jsonl" if role == "query" else data
        assert numpy.array_equal(encoded(work, whole, source, "--role", role), encoded(work, folder, source, "--role", role)), role
    return tune, folder


def check_index(work, data, folder):
    """An index of the encoder of documents is asked by the encoder of queries of the same model alone."""
    run("index", "--method", "dense", "--model", folder, "--data", data, "--output", work / "index")
    queries = ["--queries", data / "queries.jsonl"]
    run("search", "--index", work / "index", "--model", folder, *queries, "--top-k", 5, "--output", work / "indexed.trec")
    found = [line.rsplit(" ", 1)[0].split() for line in (work / "indexed.trec").read_text().splitlines()]
    exact = [line.rsplit(" ", 1)[0].split() for line in (work / "trained.trec").read_text().splitlines()]
    for ours, theirs in zip(found, exact, strict=True):
        assert ours[0] == theirs[0] and abs(float(ours[4]) - float(theirs[4])) < 1e-4, (ours, theirs)
    run("encode", "--model", folder, "--input", data, "--output", work / "documents.safetensors")
    run("search", "--embeddings", work / "documents.safetensors", "--model", folder, "--data", data, "--output", work / "embedded.trec")
    other = work / "other"   # the same encoder of documents, another of queries
    shutil.copytree(folder, other)
    shutil.copy(other / DOCUMENT / "model.safetensors", other / QUERY / "model.safetensors")
    for arguments in (["--index", work / "index", "--model", other, *queries], ["--embeddings", work / "documents.safetensors", "--model", other, "--data", data],
                      ["--index", work / "index", "--model", folder / DOCUMENT, "--pooling", "cls", "--normalize", *queries]):
        refused = run("search", *arguments, "--output", work / "none.trec", status=2).stderr
        assert "model of the queries" in refused, refused


def check_export(work, data, pretrained, tune, folder):
    done = result("export", "--model", work / "whole", "--output", work / "exported")
    assert done["tower"] == "both" and weights_of(work / "exported") == weights_of(folder), done
    for tower, role, source in (("first", "query", work / "queries.jsonl"), ("second", "document", data)):
        for model in (work / "whole", folder):
            place = work / f"{tower}-of-{model.name}"
            result("export", "--model", model, "--tower", tower, "--output", place)
            assert numpy.array_equal(encoded(work, place, source, "--role", role), encoded(work, folder, source, "--role", role)), (tower, model)
    start = [part for part in tune if part not in ("--two-encoders", pretrained)]
    start.remove("--model")
    more = result(*start, "--two-encoders", "--model", folder, "--steps", 1, "--output", work / "more")
    assert more["end"] == "finished", more
    step = load_file(work / "more" / "step-1" / "model.safetensors")
    apart = max(float(numpy.abs(step[f"second.{name}"] - value).max()) for name, value in step.items() if name.startswith("encoder."))
    assert apart > 2.5e-3, apart   # both went on from their own weights: one step of 1e-3 cannot bring them so far apart
    for arguments, words in ((["finetune", "--model", folder, "--data", data], "fine-tuning without --two-encoders"),
                             (["finetune", "--two-encoders", "--preset", "colbert", "--model", pretrained, "--data", data], "--preset colbert"),
                             (["finetune", "--two-encoders", "--preset", "scored-pairs", "--model", pretrained, "--data", data], "--preset scored-pairs"),
                             (["pretrain", "--preset", "mlm", "--model", folder, "--data", work / "store"], "pre-training")):
        refused = run(*arguments, "--steps", 1, "--output", work / "none", status=2).stderr
        assert words in refused, refused
        shutil.rmtree(work / "none", ignore_errors=True)
    refused = run("export", "--model", work / "whole", "--format", "huggingface", "--output", work / "none", status=2).stderr
    assert "--tower first or second" in refused, refused


def check_router(work, data, folder, texts):
    """A folder that sentence-transformers wrote, with a map of its own behind each encoder and one module behind both."""
    torch.manual_seed(5)
    routes = []
    for part, length in ((QUERY, 12), (DOCUMENT, 48)):
        transformer = Transformer(str(folder / part), max_seq_length=length)
        routes.append([transformer, Pooling(32, "mean"), Dense(32, 8)])
    model = SentenceTransformer(modules=[Router.for_query_document(*routes), Normalize()], device="cpu", prompts={"query": "ask: ", "document": ""})
    model.save(str(work / "router"), create_model_card=False)
    check_folder("router", work, data, work / "router", texts)


def main(work):
    data = write_collection(work / "data", topics=8, documents=3)
    texts = write_inputs(data, work)
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 250, "--max-length", 48, "--output", work / "store")
    run("pretrain", "--preset", "mlm", "--config", "tiny", "--hidden", 32, "--layers", 2, "--batch-tokens", 512, "--data", work / "store", "--steps", 2,
        "--output", work / "pretrained")
    pretrained = work / "pretrained" / "model"
    rows = [{"query": q, "pos": [d], "neg": documents} for q, d, documents in
            zip(texts[0], texts[1], [[texts[1][-1 - i], texts[1][-2 - i]] for i in range(8)])]
    (work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("pairs", "--input", work / "rows.jsonl", "--tokenizer", pretrained, "--output", work / "rows.pairs")
    for preset, temperature in (("retriever", 8), ("retriever-simlm", .5)):
        check_step(work, pretrained, work / "rows.pairs", preset, temperature)
    tune, folder = check_training(work, data, pretrained, texts)
    check_index(work, data, folder)
    check_export(work, data, pretrained, tune, folder)
    check_router(work, data, folder, texts)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(pathlib.Path(place))
