# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Random folders of sentence-transformers with every pooling, module, similarity and prompt: vectors and rankings of the program are those of
sentence-transformers, export keeps all of it, and each key that its versions 2 to 6 write is obeyed, irrelevant or refused, as the table
of docs/formats.md says.

usage: BMAE_BIN=build/dev/bin sentence_folders.py [--write]    --write: renews the table
"""
import json
import pathlib
import re
import shutil
import sys
import tempfile

import numpy
import torch
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm, Pooling
from transformers import BertConfig, BertModel, BertTokenizerFast

from cli_support import result, run

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCS = SOURCE / "docs/formats.md"
HEADER = SOURCE / "include/bmae/io/sentence_transformer_keys.hpp"
WIDTH = 16
WORDS = ["bread", "oven", "ship", "harbour", "where", "is", "made", "the", "in", "a", "lie", "baked", "query", "passage", ":", "find", "tell", ",", "."]
QUERIES = ["where is bread made", "find the ship", "a harbour"]
DOCUMENTS = ["bread is baked in the oven", "the ship lie in a harbour", "bread bread bread", "tell , tell .", "the oven is in the harbour",
             "ship", "where where where the passage is", "a a a a made in the oven in the harbour in the ship is the bread"]
TOLERANCE = 2e-5


def write_transformer(folder):
    """A random encoder of two layers with its tokenizer."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=48).save_pretrained(folder)
    config = BertConfig(vocab_size=5 + len(WORDS), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                        max_position_embeddings=48, initializer_range=.5)
    torch.manual_seed(1)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def save(folder, transformer, poolings=("mean",), modules=(), include_prompt=True, **keywords):
    """A folder as this version of sentence-transformers saves it."""
    torch.manual_seed(2)
    pooling = Pooling(WIDTH, tuple(poolings) if len(poolings) > 1 else poolings[0], include_prompt=include_prompt)
    model = SentenceTransformer(modules=[Transformer(str(transformer)), pooling, *modules], device="cpu", **keywords)
    for module in model:
        if isinstance(module, LayerNorm):
            torch.nn.init.normal_(module.norm.weight), torch.nn.init.normal_(module.norm.bias)
    model.save(str(folder), create_model_card=False)
    return folder


def as_version_2(folder, target):
    """The same folder with the classes and keys that versions 2 to 5 wrote."""
    shutil.copytree(folder, target)
    modules = json.loads((target / "modules.json").read_text())
    for module in modules:
        module["type"] = "sentence_transformers.models." + module["type"].rsplit(".", 1)[-1]
    (target / "modules.json").write_text(json.dumps(modules))
    path = target / "1_Pooling/config.json"
    pooling = json.loads(path.read_text())
    modes = pooling["pooling_mode"] if isinstance(pooling["pooling_mode"], list) else [pooling["pooling_mode"]]
    names = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
             "weightedmean": "weightedmean_tokens", "lasttoken": "lasttoken"}
    path.write_text(json.dumps({"word_embedding_dimension": WIDTH, "include_prompt": pooling["include_prompt"],
                                **{"pooling_mode_" + key: name in modes for name, key in names.items()}}))
    (target / "sentence_bert_config.json").write_text('{"max_seq_length": 48, "do_lower_case": false}')
    return target


def hits_of(path):
    hits = {}
    for line in path.read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        hits.setdefault(query, []).append((document, float(score)))
    return hits


def write_texts(work):
    (work / "texts.jsonl").write_text("".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate([*QUERIES, *DOCUMENTS])))
    data = work / "data"
    (data / "qrels").mkdir(parents=True)
    (data / "corpus.jsonl").write_text("".join(json.dumps({"_id": f"d{i}", "text": text}) + "\n" for i, text in enumerate(DOCUMENTS)))
    (data / "queries.jsonl").write_text("".join(json.dumps({"_id": f"q{i}", "text": text}) + "\n" for i, text in enumerate(QUERIES)))
    (data / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\td{i}\t1\n" for i in range(len(QUERIES))))
    return data


class Program:
    """The vectors and runs of bmae."""

    def __init__(self, work):
        self.work, self.number = work, 0

    def fresh(self, ending):
        self.number += 1
        return self.work / f"out{self.number}{ending}"

    def encode(self, folder, *options):
        output = self.fresh(".safetensors")
        run("encode", "--model", folder, "--input", self.work / "texts.jsonl", "--output", output, "--threads", 1, *options)
        return load_file(output)["embeddings"]

    def search(self, folder, *options):
        output = self.fresh(".trec")
        done = run("search", "--model", folder, "--data", self.work / "data", "--output", output, "--threads", 1, *options)
        return hits_of(output), done.stderr


def close(what, found, expected):
    expected = numpy.asarray(expected)
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    difference = float(numpy.abs(found - expected).max())
    assert difference <= TOLERANCE * max(1.0, float(numpy.abs(expected).max())), (what, difference)


def same_ranking(what, hits, scores):
    """Scores within the tolerance, and the order that they give."""
    for q, row in enumerate(numpy.asarray(scores)):
        found = hits[f"q{q}"]
        assert len(found) == len(DOCUMENTS), (what, q, found)
        for document, score in found:
            assert abs(score - row[int(document[1:])]) <= TOLERANCE * max(1.0, abs(row).max()), (what, q, document, score, row)
        order = [int(document[1:]) for document, _ in found]
        assert all(row[a] >= row[b] - TOLERANCE for a, b in zip(order, order[1:])), (what, q, order, row)


def compare(what, program, folder, layouts=True):
    """Vectors of both roles and of none; vectors and ranking of the exported folder; vectors of the older layout."""
    peer = SentenceTransformer(str(folder), device="cpu")
    every = [*QUERIES, *DOCUMENTS]
    queries, documents = peer.encode_query(QUERIES), peer.encode_document(DOCUMENTS)
    scores = peer.similarity(queries, documents).numpy()
    exported = program.fresh("-exported")
    run("export", "--model", folder, "--output", exported)
    again = SentenceTransformer(str(exported), device="cpu")
    assert again.similarity_fn_name == peer.similarity_fn_name and again.truncate_dim == peer.truncate_dim, what
    assert again.default_prompt_name == peer.default_prompt_name and again.prompts == peer.prompts, (what, again.prompts, peer.prompts)
    close(what + ", export", again.encode(every), peer.encode(every))
    close(what + ", export of queries", again.encode_query(QUERIES), queries)
    close(what, program.encode(folder), peer.encode(every) if peer.default_prompt_name else peer.encode_document(every))
    close(what + ", documents", program.encode(folder, "--role", "document"), peer.encode_document(every))
    for one in (folder, exported):
        close(what + ", queries", program.encode(one, "--role", "query"), peer.encode_query(every))
    same_ranking(what, program.search(exported)[0], scores)
    if layouts:
        old = as_version_2(folder, program.fresh("-version-2"))
        close(what + ", layout of version 2", program.encode(old, "--role", "query"), peer.encode_query(every))


def check_poolings(program, transformer):
    """Pooling: each alone, two and six at once, in the order of the file."""
    every = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
    for modes in [[mode] for mode in every[1:]] + [["max", "cls"]]:
        folder = save(program.fresh("-pooling"), transformer, modes)
        peer = SentenceTransformer(str(folder), device="cpu")
        close(modes, program.encode(folder), peer.encode([*QUERIES, *DOCUMENTS]))
    compare("max+cls", program, folder, layouts=False)
    compare("all poolings", program, save(program.fresh("-pooling"), transformer, every))


def check_similarity(program, transformer):
    """Silent fault `similarity`: the folder's similarity ranks, over encoded and over saved vectors, one query and many, and --similarity
    ranks instead; export and rerank keep it."""
    data = program.work / "data"
    for name in ("cosine", "dot", "euclidean", "manhattan"):
        folder = save(program.fresh("-similarity"), transformer, ["mean"], similarity_fn_name=name)
        compare(name, program, folder, layouts=False)
        peer = SentenceTransformer(str(folder), device="cpu")
        scores = peer.similarity(peer.encode_query(QUERIES), peer.encode_document(DOCUMENTS)).numpy()
        vectors = program.fresh(".safetensors")
        run("encode", "--model", folder, "--input", data / "corpus.jsonl", "--output", vectors)
        same_ranking(name + ", saved vectors", program.search(folder, "--embeddings", vectors)[0], scores)
        hits = result("search", "--model", folder, "--data", data, "--query", QUERIES[0])["answers"][0]["hits"]
        order = sorted(range(len(DOCUMENTS)), key=lambda d: (-scores[0][d], f"d{d}"))
        assert [hit["id"] for hit in hits] == [f"d{d}" for d in order], (name, hits, scores[0])
        index, found = program.fresh("-index"), program.fresh(".trec")
        run("index", "--method", "dense", "--model", folder, "--data", data, "--output", index)
        run("search", "--index", index, "--model", folder, "--queries", data / "queries.jsonl", "--output", found)
        for line in found.read_text().splitlines():
            query, _, document, _, score, _ = line.split()
            assert abs(float(score) - scores[int(query[1:])][int(document[1:])]) <= 1e-4, (name, line)
        first, output = program.fresh(".trec"), program.fresh(".trec")
        run("search", "--method", "bm25", "--data", data, "--output", first)
        run("rerank", "--model", folder, "--run", first, "--data", data, "--output", output)
        for line in output.read_text().splitlines():
            query, _, document, _, score, _ = line.split()
            assert abs(float(score) - scores[int(query[1:])][int(document[1:])]) <= 1e-4, (name, line)
    dot = save(program.fresh("-similarity"), transformer, ["mean"], similarity_fn_name="dot")
    same_ranking("--similarity", program.search(dot, "--similarity", "manhattan")[0], scores)
    refused = run("search", "--model", dot, "--data", data, "--similarity", "maxsim", "--output", program.fresh(".trec"), status=2).stderr
    assert "cosine, dot, euclidean or manhattan" in refused, refused


def check_prompts(program, transformer):
    """Silent fault `prompts`: those of the folder stand before queries and documents, the default one before texts of no role, and
    options stand instead; the tokens of a prompt are pooled or not."""
    every = [*QUERIES, *DOCUMENTS]
    prompts = {"query": "query : ", "document": "passage : ", "other": "tell , find : "}
    for modes in (["mean"], ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]):
        for include in (True, False):
            folder = save(program.fresh("-prompts"), transformer, modes, prompts=prompts, include_prompt=include,
                          similarity_fn_name="dot", default_prompt_name="other" if include else None)
            compare(f"prompts, {modes}, pooled: {include}", program, folder, layouts=not include)
    peer = SentenceTransformer(str(folder), device="cpu")
    close("--prompt", program.encode(folder, "--prompt", "other"), peer.encode(every, prompt_name="other"))
    close("--query-prompt", program.encode(folder, "--role", "query", "--query-prompt", "find "), peer.encode(every, prompt="find "))
    close("no prompt", program.encode(folder, "--document-prompt", ""), peer.encode(every, prompt=""))
    hits, told = program.search(folder, "--prompt", "other", "--document-prompt", "a ")
    same_ranking("prompts of a search", hits, peer.similarity(peer.encode(QUERIES, prompt_name="other"), peer.encode(DOCUMENTS, prompt="a ")))
    assert 'prompt "tell , find : "' in told and 'prompt "a "' in told, told
    refused = run("encode", "--model", folder, "--input", program.work / "texts.jsonl", "--prompt", "passage", "--output",
                  program.fresh(".safetensors"), status=2).stderr
    assert "document, other, query" in refused, refused
    exported = program.fresh("-exported")
    run("export", "--model", folder, "--query-prompt", "ship ", "--output", exported)
    assert json.loads((exported / "config_sentence_transformers.json").read_text())["prompts"] == {**prompts, "query": "ship "}


def check_modules(program, transformer):
    """Modules behind the pooling, several in a row, every activation of a Dense, and truncate_dim."""
    activations = re.findall(r'"(\w+)"', re.search(r"array<std::string_view, 16> names_of\(DenseActivation\).*?\}", (
        SOURCE / "include/bmae/bottlenecks/sentence_steps.hpp").read_text(), re.S).group())
    assert len(activations) == 16, activations
    for first, second in zip(activations[::2], activations[1::2]):
        modules = [Dense(WIDTH, 12, activation_function=getattr(torch.nn, first)()), Normalize(), Dropout(.3), LayerNorm(12),
                   Dense(12, 7, bias=False, activation_function=getattr(torch.nn, second)())]
        folder = save(program.fresh("-modules"), transformer, ["cls"], modules, similarity_fn_name="dot")
        peer = SentenceTransformer(str(folder), device="cpu")
        close((first, second), program.encode(folder), peer.encode([*QUERIES, *DOCUMENTS]))
    compare("modules", program, folder)
    ends = save(program.fresh("-modules"), transformer, ["max", "mean"], [LayerNorm(2 * WIDTH), Dense(2 * WIDTH, 9), Normalize()])
    compare("modules that end at length one", program, ends)
    for modules in ([], [Normalize()]):
        cut = save(program.fresh("-cut"), transformer, ["mean"], modules, truncate_dim=5, similarity_fn_name="euclidean")
        compare(f"truncate_dim behind {len(modules)} modules", program, cut)


def check_sparse(program, transformer):
    """SparseEncoder: prompts and lengths are read, the ranking is that of sentence-transformers, and another similarity is refused."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling
    from transformers import BertForMaskedLM
    base = program.fresh("-mlm")
    shutil.copytree(transformer, base)
    torch.manual_seed(3)
    BertForMaskedLM(BertConfig.from_pretrained(transformer)).save_pretrained(base)
    prompts = {"query": "query : ", "document": "passage : "}
    model = SparseEncoder(modules=[MLMTransformer(str(base)), SpladePooling()], prompts=prompts, device="cpu")
    folder = program.fresh("-sparse")
    model.save(str(folder), create_model_card=False)
    for changes in ({}, {"query_length": 5, "document_length": 7}):
        path = folder / "sentence_bert_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        peer = SparseEncoder(str(folder), device="cpu")
        scores = peer.similarity(peer.encode_query(QUERIES), peer.encode_document(DOCUMENTS)).numpy()
        same_ranking(f"sparse, {changes}", program.search(folder, "--method", "sparse", "--top-k", 100)[0], scores)
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "similarity_fn_name": "cosine"}))
    refused = run("search", "--method", "sparse", "--model", folder, "--data", program.work / "data", "--output", program.fresh(".trec"), status=2)
    assert "similarity_fn_name" in refused.stderr, refused.stderr


def check_finetuning(program, transformer):
    """Training keeps similarity and prompts, or refuses by name; cosines get a temperature."""
    data = program.work / "data"
    shutil.copy(data / "qrels/test.tsv", data / "qrels/train.tsv")

    def finetune(folder, *options, status=0):
        output = program.fresh("-tuned")
        done = run("finetune", "--model", folder, "--data", data, "--steps", 1, "--batch-examples", 4, "--output", output, *options, status=status)
        config = output / "sentence-transformer/config_sentence_transformers.json"
        return done.stderr, json.loads(config.read_text()) if config.exists() else None, output

    prompts = {"query": "query : ", "document": "passage : "}
    cosine = save(program.fresh("-to-tune"), transformer, ["cls"], prompts=prompts)
    told, config, output = finetune(cosine)
    assert config["similarity_fn_name"] == "cosine" and config["prompts"] == prompts, config
    assert "temperature 0.05" in told and "passage_length: texts are cut to 48 tokens" in told, told
    assert "contrast: 2 negatives" in told, told   # three queries, whatever the batch
    checkpoint = sorted(output.glob("step-*"))[-1]
    peer = SentenceTransformer(str(output / "sentence-transformer"), device="cpu")
    close("checkpoint with prompts", program.encode(checkpoint, "--role", "query"), peer.encode_query([*QUERIES, *DOCUMENTS]))
    told, config, _ = finetune(cosine, "--temperature", "1", "--query-prompt", "find ")
    assert "temperature 0.05" not in told and config["prompts"]["query"] == "find ", (told, config)
    check_pairs_with_prompts(program, cosine, output / "pairs", prompts)
    dot = save(program.fresh("-to-tune"), transformer, ["mean"], similarity_fn_name="dot")
    told, config, _ = finetune(dot)
    assert config["similarity_fn_name"] == "dot" and "temperature" not in told, (told, config)
    far = save(program.fresh("-to-tune"), transformer, ["mean"], similarity_fn_name="manhattan")
    assert '"similarity_fn_name": "manhattan"' in finetune(far, status=2)[0]
    assert finetune(far, "--set", "similarity=dot")[1]["similarity_fn_name"] == "dot"
    assert finetune(far, "--set", "similarity=euclidean")[1]["similarity_fn_name"] == "euclidean"
    for modules, expected in (([], "euclidean"), ([Normalize()], "cosine")):   # of unit vectors both have one order
        euclidean = save(program.fresh("-to-tune"), transformer, ["mean"], modules, similarity_fn_name="euclidean")
        told, config, _ = finetune(euclidean)
        assert config["similarity_fn_name"] == expected and f"similarity {expected}" in told, (told, config)
    chain = save(program.fresh("-to-tune"), transformer, ["mean"], [LayerNorm(WIDTH)])
    assert "mean+layer_norm" in finetune(chain, status=2)[0]
    apart = save(program.fresh("-to-tune"), transformer, ["mean"], prompts=prompts, include_prompt=False)
    assert "include_prompt" in finetune(apart, status=2)[0]


def check_pairs_with_prompts(program, folder, trained, prompts):
    """`pairs` puts the prompts before the texts as `finetune` does, and a store goes with a model of the same prompts alone."""
    data = program.work / "data"
    store, plain = program.fresh("-pairs"), program.fresh("-pairs")
    make = ["pairs", "--data", data, "--tokenizer", folder]
    run(*make, "--query-prompt", prompts["query"], "--document-prompt", prompts["document"], "--output", store)
    run(*make, "--output", plain)
    for name in ("queries", "texts", "text_ends", "positives"):
        assert (store / name).read_bytes() == (trained / name).read_bytes(), name
    assert (store / "texts").read_bytes() != (plain / "texts").read_bytes()
    stated = [json.loads((place / "manifest.json").read_text()).get("prompts") for place in (store, trained, plain)]
    assert stated == [prompts, prompts, None], stated
    assert "query_prompt: query :" in run("inspect", store).stdout
    tune = ["finetune", "--model", folder, "--steps", 1, "--batch-examples", 4]
    output = program.fresh("-tuned")
    run(*tune, "--data", store, "--output", output)
    assert json.loads((output / "sentence-transformer/config_sentence_transformers.json").read_text())["prompts"] == prompts
    for options in (["--data", plain], ["--data", store, "--query-prompt", ""]):
        assert "pairs with the prompts of the model" in run(*tune, *options, "--output", program.fresh("-tuned"), status=2).stderr, options
    run(*tune, "--data", plain, "--query-prompt", "", "--document-prompt", "", "--output", program.fresh("-tuned"))


def check_index_with_prompts(program, transformer):
    """`index` reads the prompt of documents, or the one that it is given; a search names the same one."""
    folder = save(program.fresh("-to-index"), transformer, ["mean"], prompts={"query": "query : ", "document": "passage : "})
    for options in ([], ["--document-prompt", "a "]):
        index, output = program.fresh("-index"), program.fresh(".trec")
        told = run("index", "--method", "dense", "--model", folder, "--data", program.work / "data", *options, "--output", index).stderr
        assert f'documents: prompt "{options[1] if options else "passage : "}"' in told, told
        search = ["search", "--index", index, "--queries", program.work / "data/queries.jsonl", "--model", folder, "--top-k", 100]
        run(*search, *options, "--output", output)
        peer = SentenceTransformer(str(folder), device="cpu")
        asked, texts = peer.encode_query(QUERIES), peer.encode(DOCUMENTS, prompt=options[1]) if options else peer.encode_document(DOCUMENTS)
        same_ranking(f"index, {options}", hits_of(output), peer.similarity(asked, texts).numpy())
        refused = run(*search, "--document-prompt", "the ", "--output", program.fresh(".trec"), status=2).stderr
        assert "one of another model" in refused and '"the "' in refused, refused


def tables():
    """The keys of the header: file -> key -> (use, note, neutral value)."""
    text = HEADER.read_text()
    found = {}
    for name, body in re.findall(r"inline constexpr FolderKey (\w+)_keys\[\] = \{(.*?)\n\};", text, re.S):
        body = re.sub(r'"\s*\n\s*"', "", body)
        found[name] = {}
        for key, use, note, rest in re.findall(r'\{"(\w+)",\s*KeyUse::(\w+),\s*"([^"]*)"(.*?)\},?(?=\s*(?:\{"|$))', body, re.S):
            raw = re.search(r'R"\((.*)\)"', rest) or re.search(r'"((?:\\.|[^"\\])*)"', rest)
            neutral = raw.group(1) if raw else ""
            found[name][key] = (use, note, neutral if 'R"' in rest else neutral.replace('\\"', '"'))
    return found


FILES = {"model": ("config_sentence_transformers.json", "config_sentence_transformers.json"), "module": ("modules.json", "modules.json"),
         "transformer": ("sentence_bert_config.json", "sentence_bert_config.json"), "pooling": ("Pooling", "1_Pooling/config.json"),
         "dense": ("Dense", "2_Dense/config.json"), "layer_norm": ("LayerNorm", "3_LayerNorm/config.json"),
         "dropout": ("Dropout", "4_Dropout/config.json"), "normalize": ("Normalize", "5_Normalize/config.json"),
         "router": ("router_config.json", None), "route": ("router_config.json, parameters", None),
         "sparse_model": ("config_sentence_transformers.json of a SparseEncoder", None), "splade": ("SpladePooling", None),
         "static_embedding": ("SparseStaticEmbedding", None),
         "cross_model": ("config_sentence_transformers.json of a CrossEncoder", None), "classifier": ("config.json of a CrossEncoder", None)}


def table_text(found):
    lines = ["| file | key | | |", "|---|---|---|---|"]
    for name, (title, _) in FILES.items():
        for key, (use, note, neutral) in found[name].items():
            use = f"refused, but {neutral}" if use == "refused" and neutral else use
            lines.append(f"| {title} | `{key}` | {use} | {note} |")
    return "\n".join(lines) + "\n"


def check_table(found, write):
    text = DOCS.read_text()
    begin, end = "<!-- keys of sentence-transformers: begin -->\n", "<!-- keys of sentence-transformers: end -->"
    before, rest = text.split(begin)
    inside, after = rest.split(end)
    if write:
        DOCS.write_text(before + begin + table_text(found) + end + after)
    else:
        assert inside == table_text(found), "docs/formats.md is not what sentence_folders.py --write makes"


# Values that say something else than what is done anyway.
OTHERS = {"prompts": {"query": "find "}, "default_prompt_name": None, "similarity_fn_name": "dot", "truncate_dim": 3, "max_seq_length": 6, "do_lower_case": None,
          "query_length": 4, "document_length": 5, "word_embedding_dimension": None, "embedding_dimension": None, "pooling_mode": "max",
          "include_prompt": None, "in_features": None, "out_features": None, "bias": None, "activation_function": "torch.nn.modules.activation.ReLU",
          "dimension": None, "path": None, "type": None}


def check_keys(program, transformer, found):
    """Each key that the versions write, with another value: refused by its name, without effect, or with that of sentence-transformers."""
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
    for module, name in ((Pooling, "pooling"), (Dense, "dense"), (LayerNorm, "layer_norm"), (Dropout, "dropout"), (Normalize, "normalize"),
                         (Transformer, "transformer"), (SpladePooling, "splade"), (SparseStaticEmbedding, "static_embedding")):
        unknown = set(module.config_keys) - set(found[name])
        assert not unknown, (name, unknown)
    modules = [Dense(WIDTH, 8), LayerNorm(8), Dropout(.1), Normalize()]
    folder = save(program.fresh("-keys"), transformer, ["mean"], modules)
    written = json.loads((folder / "config_sentence_transformers.json").read_text())
    assert not set(written) - set(found["model"]), written
    every = [*QUERIES, *DOCUMENTS]
    plain = {role: program.encode(folder, "--role", role) for role in ("query", "document")}

    def change(target, file, key, value):
        path = target / file
        content = json.loads(path.read_text()) if path.exists() else {}
        (content[1] if isinstance(content, list) else content)[key] = value
        path.write_text(json.dumps(content))

    def changed(source, *what):
        target = program.fresh("-changed")
        shutil.copytree(source, target)
        change(target, *what)
        return target

    neutral = program.fresh("-neutral")   # all at once: irrelevant keys say anything, refused ones what is done anyway
    shutil.copytree(folder, neutral)
    for name, (_, file) in FILES.items():
        for key, (use, _, value) in found[name].items() if file else ():
            other = {"x": "other"} if key.endswith(("config", "kwargs", "args", "__version__")) else True if key == "use_residual" else "other"
            if use == "irrelevant":
                change(neutral, file, key, other)
            elif use == "refused":
                refused = run("encode", "--model", changed(folder, file, key, other), "--input", program.work / "texts.jsonl", "--output",
                              program.fresh(".safetensors"), status=2).stderr
                assert key in refused, (name, key, refused)
                change(neutral, file, key, json.loads(value) if value else None)
            elif OTHERS.get(key) is not None:   # the rest by the folders of the other checks
                target = changed(folder, file, key, OTHERS[key])
                peer = SentenceTransformer(str(target), device="cpu")
                if key == "max_seq_length":
                    peer.max_seq_length = OTHERS[key]   # version 6 reads it in the tokenizer, versions 2 to 5 here
                role = "document" if key == "document_length" else "query"
                close(key, program.encode(target, "--role", role), peer.encode_document(every) if role == "document" else peer.encode_query(every))
    for role, vectors in plain.items():
        assert numpy.array_equal(program.encode(neutral, "--role", role), vectors), role


def check_refused_modules(program, transformer):
    """Modules that are not run are refused by their class."""
    folder = save(program.fresh("-others"), transformer, ["mean"])
    for kind in ("CNN", "LSTM", "WordWeights", "WordEmbeddings", "BoW", "WeightedLayerPooling", "CLIPModel", "StaticEmbedding", "Router", "Asym"):
        changed = program.fresh("-others")
        shutil.copytree(folder, changed)
        modules = json.loads((changed / "modules.json").read_text())
        modules.insert(1, {"idx": 1, "name": "1", "path": f"1_{kind}", "type": f"sentence_transformers.models.{kind}"})
        (changed / "modules.json").write_text(json.dumps(modules))
        refused = run("encode", "--model", changed, "--input", program.work / "texts.jsonl", "--output", program.fresh(".safetensors"), status=2)
        assert f"models.{kind}" in refused.stderr, (kind, refused.stderr)
    changed = save(program.fresh("-softmax"), transformer, ["mean"], [Dense(WIDTH, 4)])
    path = changed / "2_Dense/config.json"
    path.write_text(path.read_text().replace("Tanh", "Softmax"))
    refused = run("encode", "--model", changed, "--input", program.work / "texts.jsonl", "--output", program.fresh(".safetensors"), status=2)
    assert "Softmax" in refused.stderr and "activation_function" in refused.stderr, refused.stderr


def main(work):
    found = tables()
    check_table(found, "--write" in sys.argv)
    if "--write" in sys.argv:
        return
    write_texts(work)
    transformer, program = write_transformer(work / "transformer"), Program(work)
    for check in (check_similarity, check_prompts, check_poolings, check_modules, check_sparse, check_finetuning, check_index_with_prompts,
                  check_refused_modules):
        check(program, transformer)
        print(check.__name__, program.number)
    check_keys(program, transformer, found)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
