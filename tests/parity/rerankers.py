# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Rerankers over every family of encoders, each a tiny classifier with random weights and a tokenizer in the form of its family: `bmae rerank`
gives the scores of sentence-transformers' CrossEncoder on a folder that transformers wrote, `bmae finetune --preset reranker` goes on from
it, and the CrossEncoder on the folder that comes out gives the scores of `bmae rerank` again. Then what is refused.

usage: rerankers.py [--family NAME...]
"""
import argparse
import json
import pathlib
import sys
import tempfile

try:
    import torch
    import transformers
    from sentence_transformers import CrossEncoder
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

import sentence_folders
import xlm_roberta_pipeline
from cli_ranking import read_run, texts_of
from cli_support import result, run, write_collection
from roberta_pipeline import byte_level
from subword_parity import character_map, modern_bert

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
TOLERANCE = 2e-5
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=208)
ROBERTA = dict(**SIZES, intermediate_size=64, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2)
LENGTH = 200   # tokens; every pair fits, so that the order of truncation does not matter


def wordpiece(texts):
    """Whole words and letters."""
    words = sorted({word for text in texts for word in text.lower().replace(".", " ").split()})
    letters = [chr(c) for c in range(97, 123)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters, *("##" + c for c in letters), *(w for w in words if len(w) > 1)]
    inner = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
                                                         special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return inner


def fast(inner, first, last, unknown, padding, mask, names):
    return PreTrainedTokenizerFast(tokenizer_object=inner, cls_token=first, sep_token=last, unk_token=unknown, pad_token=padding,
                                   mask_token=AddedToken(mask, lstrip=mask == "<mask>"), model_max_length=LENGTH, model_input_names=names)


def bert_like(texts, types):
    names = ["input_ids", "token_type_ids", "attention_mask"] if types else ["input_ids", "attention_mask"]
    return fast(wordpiece(texts), "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", names)


def unigram(texts, family):
    vocabulary = [(name, 0.0) for name in family.first_names] + [tuple(piece) for piece in xlm_roberta_pipeline.pieces_of(texts, 400)] + [("<mask>", 0.0)]
    return family.tokenizer(vocab=vocabulary, _spm_precompiled_charsmap=character_map(xlm_roberta_pipeline.CHARACTERS),
                            mask_token=AddedToken("<mask>", lstrip=True), model_max_length=LENGTH)


def modern(pooling):
    def build(texts, labels):
        tokenizer = fast(modern_bert(texts, 400), "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", ["input_ids", "attention_mask"])
        ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in
               (("pad", "[PAD]"), ("cls", "[CLS]"), ("sep", "[SEP]"), ("bos", "[CLS]"), ("eos", "[SEP]"))}
        return tokenizer, transformers.ModernBertConfig(vocab_size=len(tokenizer), **{**SIZES, "num_hidden_layers": 3}, intermediate_size=40, local_attention=16,
                                                        classifier_pooling=pooling, num_labels=labels, **ids)
    return build


def with_words(kind, types, **more):
    def build(texts, labels):
        tokenizer = bert_like(texts, types)
        return tokenizer, getattr(transformers, kind)(vocab_size=len(tokenizer), num_labels=labels, **more)
    return build


def roberta(texts, labels):
    tokenizer = fast(byte_level(texts), "<s>", "</s>", "<unk>", "<pad>", "<mask>", ["input_ids", "attention_mask"])
    return tokenizer, transformers.RobertaConfig(vocab_size=len(tokenizer), num_labels=labels, **ROBERTA)


def of_family(family):
    def build(texts, labels):
        tokenizer = unigram(texts, family)
        return tokenizer, family.config(vocab_size=len(tokenizer), num_labels=labels, **{**ROBERTA, "bos_token_id": family.first, "eos_token_id": family.last})
    return build


WIDE = dict(**SIZES, intermediate_size=64)
FAMILIES = {"bert": with_words("BertConfig", True, **WIDE), "electra": with_words("ElectraConfig", True, **WIDE, embedding_size=16),
            "distilbert": with_words("DistilBertConfig", False, dim=32, hidden_dim=64, n_layers=2, n_heads=4, max_position_embeddings=208),
            "roberta": roberta, "xlm-roberta": of_family(xlm_roberta_pipeline.XlmRoberta), "camembert": of_family(xlm_roberta_pipeline.Camembert),
            "nomic_bert": with_words("NomicBertConfig", True, **WIDE),
            "modernbert, [CLS]": modern("cls"), "modernbert, mean": modern("mean")}


def write_classifier(folder, build, texts, labels=1):
    tokenizer, config = build(texts, labels)
    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_config(config)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0, std=.25)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def check_scores(folder, data, first, output, corpus, queries):
    """Largest difference between the scores of a reranked run and those of sentence-transformers, and the spread of the scores."""
    told = result("rerank", "--model", folder, "--run", first, "--data", data, "--depth", 6, "--output", output)
    assert told["kind"] == "cross-encoder" and told["pairs"] == 144, told
    pairs = [(q, d, score) for q, hits in read_run(output).items() for d, score in hits[:6]]
    theirs = CrossEncoder(str(folder), device="cpu").predict([(queries[q], corpus[d]) for q, d, _ in pairs], show_progress_bar=False)
    return max(abs(score - other) for (_, _, score), other in zip(pairs, theirs.tolist())), float(theirs.std())


def check_family(name, work, data, first):
    corpus, queries = texts_of(data)
    folder = work / "classifier"
    write_classifier(work / "raw", FAMILIES[name], list(corpus.values()))
    if name == "xlm-roberta":   # as sentence-transformers saves it, with a list of modules, and as transformers does
        CrossEncoder(str(work / "raw"), device="cpu").save_pretrained(str(folder))
    else:
        (work / "raw").rename(folder)
    raw, spread = check_scores(folder, data, first, work / "raw.trec", corpus, queries)
    assert raw <= TOLERANCE and spread > 1e-2, (name, raw, spread)
    tune = ["finetune", "--preset", "reranker", "--model", folder, "--data", data, "--passages-per-query", 2, "--query-length", 64, "--passage-length", LENGTH,
            "--batch-examples", 4, "--steps", 2, "--threads", 1]
    tuned = run(*tune, "--learning-rate", "1e-3", "--output", work / "tuned")
    goes_on = "training goes on from the classification head" in tuned.stderr
    assert goes_on == ("mean" not in name), tuned.stderr
    out = work / "tuned" / "cross-encoder"
    model, info = AutoModelForSequenceClassification.from_pretrained(out, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    assert type(model) is type(AutoModelForSequenceClassification.from_pretrained(folder)) and model.config.num_labels == 1, model.config
    trained, spread = check_scores(out, data, first, work / "tuned.trec", corpus, queries)
    assert trained <= TOLERANCE and spread > 1e-3, (name, trained, spread)
    before, after = (load_file(place / "model.safetensors") for place in (folder, out))
    head = [key for key in after if "classifier" in key or key.startswith("head.")]
    moved = max(float((before[key] - after[key]).abs().max()) for key in head)
    assert before.keys() >= set(head) and (0 < moved < .01) == goes_on, (head, moved)   # two steps of 1e-3 from the head of the folder
    print(f"{name:<18} {raw:.1e} from transformers' folder, {trained:.1e} after fine-tuning", flush=True)
    return tune


def check_refusals(work, data, first, tune):
    refused = run(*tune, "--set", "separators=3", "--output", work / "no", status=2).stderr
    assert "in the form of the model's tokenizer" in refused and not (work / "no").exists(), refused
    corpus, _ = texts_of(data)
    write_classifier(work / "labels", FAMILIES["xlm-roberta"], list(corpus.values()), labels=3)
    refused = run("rerank", "--model", work / "labels", "--run", first, "--data", data, "--output", work / "no.trec", status=2).stderr
    assert "found 3 labels" in refused, refused
    tokenizer = json.loads((work / "labels" / "tokenizer.json").read_text())
    tokenizer["post_processor"]["pair"] = tokenizer["post_processor"]["pair"][:-1]   # no separator behind the second text
    folder = work / "classifier"
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    run("rerank", "--model", folder, "--run", first, "--data", data, "--output", work / "class.trec")   # the tokenizer's class decides, as in transformers
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"   # a class that takes the file as it is
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    refused = run("rerank", "--model", folder, "--run", first, "--data", data, "--output", work / "no.trec", status=2).stderr
    assert "another post_processor" in refused, refused


def check_keys(work, data, first):
    """The keys of a CrossEncoder's folder: each that its versions write is in the table of docs/formats.md, and is obeyed, without effect, or
    refused by its name."""
    table = sentence_folders.tables()
    corpus, queries = texts_of(data)
    write_classifier(work / "plain", FAMILIES["bert"], list(corpus.values()))
    peer = CrossEncoder(str(work / "plain"), device="cpu")
    unknown = set(peer._get_model_config()) - set(table["cross_model"])
    assert not unknown, unknown
    written = json.loads((work / "plain" / "config.json").read_text())
    assert {key for key in written if "label" in key or "classifier" in key} <= set(table["classifier"]), written
    number = 0

    def folder_with(model=None, config=None):
        nonlocal number
        number += 1
        folder = work / f"keys-{number}"
        peer.save_pretrained(str(folder))
        for name, changes in (("config_sentence_transformers.json", model), ("config.json", config)):
            path = folder / name
            content = {**json.loads(path.read_text()), **(changes or {})}
            path.write_text(json.dumps({key: value for key, value in content.items() if value != "remove"}))
        return folder

    stock = "torch.nn.modules.{}".format
    identity, sigmoid = stock("linear.Identity"), stock("activation.Sigmoid")
    obeyed = [({"activation_fn": identity}, {}), ({"activation_fn": sigmoid}, {"sentence_transformers": {"activation_fn": identity, "version": "5.0"}}),
              ({"activation_fn": "remove"}, {"sentence_transformers": {"activation_fn": identity, "version": "5.0"}}),
              ({"activation_fn": "remove"}, {"sentence_transformers": "remove", "sbert_ce_default_activation_function": identity}),
              ({"activation_fn": "remove"}, {"sentence_transformers": "remove"}),
              ({"prompts": {"query": "find ", "other": "tell "}}, {}),
              ({}, {"problem_type": "regression", "classifier_dropout": .5, "label2id": {"relevant": 0}, "id2label": {"0": "relevant"}})]
    spreads = []
    for model, config in obeyed:
        folder = folder_with(model, config)
        worst, spread = check_scores(folder, data, first, work / f"{folder.name}.trec", corpus, queries)
        assert worst <= TOLERANCE, (model, config, worst)
        spreads.append(spread)
    raw, squeezed = spreads[0], spreads[1]   # of Identity, of Sigmoid
    assert raw > 1.5 * squeezed and max(abs(raw - spreads[i]) for i in (2, 3)) < 1e-5 and abs(squeezed - spreads[4]) < 1e-5, spreads
    refused = [({"activation_fn": stock("activation.Tanh")}, {}, "activation.Tanh"), ({"activation_fn": "mine.Identity"}, {}, "mine.Identity"),
               ({"activation_fn": "remove"}, {"sentence_transformers": {"activation_fn": stock("activation.ReLU")}}, "activation.ReLU"),
               ({"model_type": "SparseEncoder"}, {}, '"model_type": "CrossEncoder"'), ({"new_key": 1}, {}, '"new_key": 1'),
               ({}, {"sentence_transformers": {"new_key": 1}}, '"new_key": 1'), ({}, {"id2label": {"0": "a", "1": "b"}}, "found 2 labels"),
               ({"prompts": {"all": "find "}, "default_prompt_name": "all"}, {}, '"all": "find "'),
               ({"prompts": {}, "default_prompt_name": "all"}, {}, "a default_prompt_name among the prompts")]
    for model, config, words in refused:
        told = run("rerank", "--model", folder_with(model, config), "--run", first, "--data", data, "--output", work / "no.trec", status=2).stderr
        assert words in told, (words, told)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        data = write_collection(place / "data")
        first = place / "bm25.trec"
        run("search", "--method", "bm25", "--data", data, "--top-k", 8, "--output", first)
        for name in options.family:
            work = place / name.replace(", ", "-")
            work.mkdir()
            tune = check_family(name, work, data, first)
            if name == "xlm-roberta":
                check_refusals(work, data, first, tune)
            if name == "bert":
                check_keys(work, data, first)


if __name__ == "__main__":
    main()
