// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Declares the commands that make training data, and look at it: tokenize, prepare, diagnose, pairs.
#include <cstdint>
#include <string>
#include <utility>

#include "commands.hpp"

namespace bmae::program {

namespace {

/// The format of an input that was named no format for.
constexpr char const* recognized = "recognized by the content";

class DataCommands : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare() {
        tokenize();
        prepare();
        diagnose();
        pairs();
    }

private:
    DeclaredOption& cased_vocabulary(CLI::App& app, bool& cased) {
        return table_.flag(app, "--cased", cased,
                           "Do not lower-case; of a vocab.txt alone, which does not say whether it is cased");
    }

    void tokenize() {
        TokenizeOptions& options = all_.tokenize;
        CLI::App& app = add("tokenize", "Lines of standard input to token ids, one line each",
                            "echo 'Hello, world' | bmae tokenize --tokenizer vocab.txt",
                            [&all = all_] { return bmae::program::tokenize(all.common, all.tokenize); });
        table_.path(app, "--tokenizer", options.tokenizer, "vocab.txt, tokenizer.json or the folder of a model").required();
        cased_vocabulary(app, options.cased);
        table_.whole(app, "--max-length", options.max_length, {.most = std::uint64_t{1} << 20},
                     "Maximum tokens, special ones included; 0: no limit");
        table_.flag(app, "--no-special-tokens", options.no_special_tokens,
                    "Without the special tokens around a text, [CLS] and [SEP] or <s> and </s>");
    }

    void prepare() {
        PrepareOptions& options = all_.prepare;
        CLI::App& app = add("prepare", "Raw text to a token store, which pretrain reads",
                            "bmae prepare --input articles.txt --build-vocabulary 8000 --max-length 128 --output articles.tokens",
                            [&all = all_] { return bmae::program::prepare(all.common, all.prepare); });
        table_.path(app, "--input", options.inputs, "Files or folders, plain or gzip").required();
        table_.text(app, "--format", options.format, "text, beir, msmarco, jsonl, nli, smart, lisa, trec, master")
            .by_default(recognized);
        table_
            .text(app, "--layout", options.layout,
                  "text: file, blank-lines, lines, doc-tags, headings; msmarco: id-text, id-title-text, id-url-title-text")
            .by_default("blank-lines for text, id-text for msmarco")
            .with("--format", {"text", "msmarco", recognized});
        table_
            .text(app, "--titles", options.titles,
                  "Use of titles. joined: title, blank, text, as search and finetune read them; section: [SEP] between; name: "
                  "stored beside the text, not trained on")
            .by_default("joined")
            .with("--format", {"text", "beir", "msmarco", "jsonl", "smart", "lisa", "trec", recognized});
        table_
            .text(app, "--field", options.fields,
                  "Also keep the text under this key, for the source Field<\"NAME\">; may be repeated")
            .with("--format", {"jsonl", "beir", recognized});
        table_.path(app, "--tokenizer", options.tokenizer, "vocab.txt, tokenizer.json or the folder of a model");
        cased_vocabulary(app, options.cased).with_any({"--tokenizer"});
        table_
            .whole(app, "--build-vocabulary", options.build_vocabulary, {.least = 1, .most = 10'000'000},
                   "Train a WordPiece vocabulary of N tokens on the input")
            .by_default("none");
        table_.flag(app, "--keep-case", options.keep_case, "Do not lower-case").with_any({"--build-vocabulary"});
        table_.whole(app, "--max-length", options.max_length, {.least = 3, .most = std::uint64_t{1} << 20},
                     "Tokens of a passage with [CLS] and [SEP]");
        table_.text(app, "--blocks", options.blocks, "whole_sentences, as_released, whole_document")
            .by_default("whole_sentences; whole_document for nli and master");
        table_.real(app, "--short-probability", options.short_probability, {}, "Of a passage with a smaller random length");
        skip_malformed(app, options.skip_malformed);
        table_.path(app, "--write-dictionary", options.write_dictionary,
                    "Also write the word counts as JSON: MASTER's frequency dictionary");
        table_.path(app, "--output", options.output, "New folder").required();
        common_.threads(app);
        common_.seed(app).with_any({"--short-probability"});
    }

    void diagnose() {
        DiagnoseOptions& options = all_.diagnose;
        CLI::App& app =
            add("diagnose", "Look for what is wrong with texts and judgments, before hours of training are spent on them",
                "bmae diagnose --data scifact --tokenizer bert-base-uncased\n  bmae diagnose --input articles.txt --held-out "
                "dev.txt --tokenizer vocab.txt --lengths 128,512",
                [&all = all_] { return bmae::program::diagnose(all.common, all.diagnose); });
        table_.path(app, "--data", options.data, "BEIR folder: its documents, queries, judgments, and what its splits share");
        table_.path(app, "--input", options.inputs, "Instead: files or folders of texts, plain or gzip, as prepare reads them");
        table_
            .path(app, "--held-out", options.held_out,
                  "Texts that are not trained on: copies of training texts among them are counted")
            .with_any({"--input"});
        table_.text(app, "--format", options.format, "text, beir, msmarco, jsonl, nli, smart, lisa, trec")
            .by_default(recognized)
            .with_any({"--input"});
        table_.text(app, "--layout", options.layout, "Of --format text and msmarco, as prepare has them")
            .by_default("as prepare")
            .with_any({"--input"});
        table_.path(app, "--tokenizer", options.tokenizer,
                    "vocab.txt, tokenizer.json or the folder of a model: counts tokens, unknown ones and lengths");
        table_.text(app, "--lengths", options.lengths, "Maximum lengths whose truncation is counted, special tokens included")
            .with_any({"--tokenizer"});
        table_.real(app, "--similarity", options.similarity, {.least = .5, .above_least = true},
                    "Least share of phrases that two near copies have in common: estimated Jaccard similarity");
        table_.whole(app, "--compared", options.compared, {.least = 1, .most = std::uint64_t{1} << 31},
                     "Texts among which copies are looked for, the first ones: some 200 bytes of memory each");
        table_
            .whole(app, "--depth", options.depth, {.least = 1, .most = std::uint64_t{1} << 31},
                   "Hits of BM25 among which relevant documents are expected")
            .with_any({"--data"});
        common_.threads(app);
    }

    void pairs() {
        PairsOptions& options = all_.pairs;
        CLI::App& app =
            add("pairs", "Queries with relevant passages, hard negatives and a teacher's scores to a pair store for fine-tuning",
                "bmae pairs --data scifact --split train --negatives bm25.trec --tokenizer vocab.txt --output scifact.pairs\n"
                "  bmae pairs --input train.jsonl --tokenizer bert-base-uncased --output train.pairs",
                [&all = all_] { return bmae::program::pairs(all.common, all.pairs); });
        table_.path(app, "--data", options.data, "BEIR folder");
        table_.text(app, "--split", options.split, "Judgments to train on")
            .by_default("train")
            .with_any({"--data"})
            .without("--rows");
        table_
            .path(app, "--rows", options.rows,
                  "Rows of ids in place of the judgments: MS MARCO's triples of ids, or JSON Lines with qid, pos, neg")
            .with_any({"--data"});
        table_
            .path(app, "--negatives", options.negatives,
                  "Hard negatives, TREC runs, lines of query, document, or JSON Lines with qid, neg; several are concatenated in "
                  "order")
            .with_any({"--data"});
        table_
            .path(app, "--teacher-scores", options.teacher_scores,
                  "TREC runs, lines of query, document, score, or JSON Lines with query_id, docid, score; several are of a "
                  "teacher each, and a pair has the mean of its scores")
            .with_any({"--data"});
        table_
            .text(app, "--teacher-normalization", options.teacher_normalization,
                  "Of the scores of a query by one teacher, before teachers are averaged: none or z-score")
            .with_any({"--teacher-scores"});
        table_.path(app, "--input", options.inputs,
                    "Instead: files of FlagEmbedding, Tevatron, Sentence Transformers or DPR (JSON), or tables of query, "
                    "positive and, if "
                    "any, negative or label (tabs or CSV); plain or gzip. FILE:WEIGHT: its queries stand so often in an epoch");
        table_.path(app, "--tokenizer", options.tokenizer, "vocab.txt, tokenizer.json or the folder of a model")
            .without("--convert");
        cased_vocabulary(app, options.cased).with_any({"--tokenizer"});
        for (auto const& [role, prompt] :
             {std::pair{"query", &options.query_prompt}, std::pair{"document", &options.document_prompt}}) {
            add_prompt(
                table_, app, role, [prompt = prompt](std::string const& given) { *prompt = given; }, "none")
                .without("--convert");
        }
        table_.whole(app, "--limit", options.limit, {}, "Use the first N training queries; 0: all");
        table_
            .text(app, "--convert", options.convert,
                  "Write the rows of --input to a file in another format: flag-embedding, tevatron, sentence-transformers, "
                  "triples or dpr")
            .by_default("none: a pair store is written")
            .with_any({"--input"});
        table_
            .text(app, "--labels", options.labels,
                  "Meaning of the labels of pairs of texts. relevance: 1 relevant, 0 a negative; similarity: how similar both "
                  "are, for "
                  "scored-pairs")
            .with_any({"--input"})
            .without("--convert");
        table_.flag(app, "--keep-sources", options.keep_sources, "Note of which file each query is, for finetune --one-source")
            .with_any({"--input"})
            .without("--convert");
        skip_malformed(app, options.skip_malformed);
        table_.path(app, "--output", options.output, "New folder; with --convert a new file, gzip where its name ends in .gz")
            .required();
        common_.threads(app);
    }
};

}  // namespace

void declare_data_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands) {
    DataCommands(program, table, all, commands).declare();
}

}  // namespace bmae::program
