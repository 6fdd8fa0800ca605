// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// The command-line program: what each command accepts. The commands are implemented in the files beside this one.
#include <array>
#include <cmath>
#include <csignal>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>

#include <bmae/detail/whole_files.hpp>
#include <bmae/encoders/bert_config.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

#include "common.hpp"
#include "errors.hpp"
#include "option_table.hpp"
#include "run_options.hpp"

namespace {

using namespace bmae::program;

/// One command of the parser: its options, and the function that runs it.
struct Command {
    CLI::App* app;
    std::function<int()> run;
};

/// Options that several commands have; each command declares those that it reads.
class CommonOptions {
public:
    CommonOptions(OptionTable& table, Common& common) : table_(table), common_(common) {}

    void json(CLI::App& app) const {
        table_.flag(app, "--json", common_.json, "Print one JSON object as the last line of standard output, errors too")
            .group("Common");
    }
    DeclaredOption& threads(CLI::App& app) const {
        return table_.whole(app, "--threads", common_.threads, {.most = 1024}, "Threads; 0: one per processor").group("Common");
    }
    DeclaredOption& device(CLI::App& app) const {
        return table_.text(app, "--device", common_.device, "cpu, cuda or cuda:N").group("Common");
    }
    DeclaredOption& seed(CLI::App& app) const {
        return table_.whole(app, "--seed", common_.seed, {.most = std::numeric_limits<std::uint64_t>::max()}, "Random seed")
            .group("Common");
    }

private:
    OptionTable& table_;
    Common& common_;
};

void set_warmup(double warmup, bmae::Schedule& schedule) {
    if (warmup < 1) {
        schedule.warmup_ratio = warmup;
        return;
    }
    if (warmup != std::floor(warmup)) {
        throw bmae::InputError(bmae::Diagnostic{.file = {},
                                                .expected = "--warmup as a share below 1 or as a whole number of steps",
                                                .found = std::to_string(warmup)});
    }
    schedule.warmup_steps = static_cast<std::uint64_t>(warmup);
}

constexpr Whole batch_range{.least = 1, .most = std::uint64_t{1} << 31};
constexpr Whole length_range{.least = 3, .most = std::uint64_t{1} << 20, .or_zero = true};

/// Options of a training run. Those of `add_if_trained` are read only where there is one, not for a single dumped step.
class TrainingGroup {
public:
    TrainingGroup(OptionTable& table, CLI::App& app, TrainingOptions& options) : table_(table), app_(app), options_(options) {}

    void add() {
        add_length();
        add_batches();
        add_optimizer();
        add_run();
    }

private:
    void add_length() {
        table_.whole(app_, "--steps", options_.steps, {.least = 1}, "Optimizer steps of the whole run")
            .by_default("none")
            .group(group);
        table_
            .whole(app_, "--epochs", options_.epochs, {.least = 1, .most = 1'000'000}, "Epochs over the data, instead of --steps")
            .by_default("none")
            .group(group)
            .excludes("--steps");
        table_
            .real(app_, "--minutes", options_.minutes, {.most = 1e7, .above_least = true},
                  "Time limit; without --steps or --epochs, the steps are estimated to fill it")
            .by_default("none")
            .group(group);
    }

    void add_batches() {
        bool const by_examples = options_.batch.examples != 0;
        table_
            .whole(app_, "--batch-tokens", options_.batch.tokens, batch_range, "Tokens of a batch",
                   [&batch = options_.batch] { batch.examples = 0; })   // in place of a command's own default
            .by_default(by_examples ? "none: batches are counted in examples" : std::to_string(options_.batch.tokens))
            .group(group);
        table_
            .whole(app_, "--batch-examples,--batch-size", options_.batch.examples, batch_range,
                   "Examples of a batch, instead of --batch-tokens")
            .by_default(by_examples ? std::to_string(options_.batch.examples) : "none: batches are counted in tokens")
            .group(group)
            .excludes("--batch-tokens");
        table_
            .whole(app_, "--sort-window", options_.batch.sort_window, {.most = 1'000'000'000},
                   "Examples sorted by length before packing; 0: none")
            .group(group);
        trained(table_.whole(app_, "--accumulate", options_.accumulation, {.least = 1, .most = 1'000'000},
                             "Batches per optimizer step"));
        trained(table_.flag(app_, "--gradient-cache", options_.gradient_cache,
                            "With --accumulate: one contrast over all batches of a step"));
    }

    void add_optimizer() {
        trained(table_.real(app_, "--learning-rate", options_.learning_rate, {.most = 100}, "Peak learning rate"));
        trained(table_
                    .real(
                        app_, "--warmup", [&schedule = options_.schedule](double warmup) { set_warmup(warmup, schedule); },
                        {.most = 1e12}, "Warm-up: a share of the steps if below 1, else steps")
                    .by_default("0.1"));
        trained(table_
                    .checked(
                        app_, "--schedule",
                        [&schedule = options_.schedule](std::string const& name) { schedule.decay = bmae::decay_from(name); },
                        "After the warm-up: constant, linear, cosine")
                    .by_default(std::string(to_string(options_.schedule.decay))));
        trained(table_.real(app_, "--schedule-floor", options_.schedule.floor, {.most = 1},
                            "Final rate of linear and cosine, as a share of the peak"))
            .with("--schedule", {"linear", "cosine"});
        trained(table_.real(app_, "--beta1", options_.adamw.beta1, {.below_most = true}, "AdamW: decay of the first moment"));
        trained(table_.real(app_, "--beta2", options_.adamw.beta2, {.below_most = true}, "AdamW: decay of the second moment"));
        trained(table_.real(app_, "--epsilon", options_.adamw.epsilon, {.above_least = true},
                            "AdamW: added to the root of the second moment"));
        trained(table_.real(app_, "--weight-decay", options_.adamw.weight_decay, {.most = 10}, "Decay of matrices"));
        trained(table_.real(app_, "--clip", options_.clip, {.most = 1e6}, "Maximum gradient norm; 0: no clipping"));
        trained(table_
                    .checked(
                        app_, "--precision",
                        [&options = options_](std::string const& name) { options.precision = bmae::compute_type_from(name); },
                        "fp32 or bf16")
                    .by_default(std::string(to_string(options_.precision))));
        trained(table_.real(app_, "--dropout", options_.dropout, {.most = .99}, "Dropout, overrides both rates of config.json")
                    .by_default("the rates of config.json"));
    }

    void add_run() {
        trained(table_.flag(app_, "--resume", options_.resume, "Resume from the newest undamaged checkpoint of --output"));
        trained(table_.whole(app_, "--save-every", options_.save_every, {}, "Steps between checkpoints; 0: only at the end"));
        trained(table_.whole(app_, "--keep-last", options_.keep_last, {.most = 1'000'000}, "Checkpoints to keep; 0: all"));
        trained(table_.whole(app_, "--log-every", options_.log_every, {}, "Steps between log lines; 0: none"));
        trained(table_.whole(app_, "--loader-threads", options_.loader_threads, {.most = 256}, "Threads that prefetch batches"));
    }

    DeclaredOption& trained(DeclaredOption& option) const {
        return option.group(group).with_any({"--steps", "--epochs", "--minutes"});
    }

    static constexpr char const* group = "Training";
    OptionTable& table_;
    CLI::App& app_;
    TrainingOptions& options_;
};

/// The sentence encoder of encode, search and export. \returns its options
std::vector<DeclaredOption*> add_model(OptionTable& table, CLI::App& app, ModelOptions& options) {
    return {&table.path(app, "--model", options.model,
                        "sentence-transformers folder, BERT folder, checkpoint or output folder of a run"),
            &table
                 .text(app, "--pooling", options.pooling,
                       "cls, mean, first_last or top_two; required where the folder has none, else overrides it")
                 .by_default("the folder's"),
            &table.flag(app, "--normalize", options.normalize, "Normalize vectors, so that scores are cosines"),
            &table.whole(app, "--max-length", options.max_length, length_range,
                         "Maximum tokens of a text with [CLS] and [SEP]; 0: the model's limit")};
}

/// How encode and search run it.
std::vector<DeclaredOption*> add_encoding(OptionTable& table, CLI::App& app, ModelOptions& options) {
    DeclaredOption& tokens = table.whole(app, "--batch-tokens", options.batch_tokens, batch_range, "Tokens of a batch");
    DeclaredOption& texts = table
                                .whole(app, "--batch-examples,--batch-size", options.batch_examples, batch_range,
                                       "Texts of a batch, instead of --batch-tokens")
                                .by_default("none: batches are counted in tokens")
                                .excludes("--batch-tokens");
    return {&tokens, &texts, &table.text(app, "--precision", options.precision, "Compute type of the encoder: fp32 or bf16")};
}

/// "base (12 layers of 768), small (4 of 512) ..."
std::string sizes_text() {
    std::string text;
    for (auto const& [name, config] :
         {std::pair{"base", bmae::BertConfig::base()}, std::pair{"small", bmae::BertConfig::small()},
          std::pair{"mini", bmae::BertConfig::mini()}, std::pair{"tiny", bmae::BertConfig::tiny()}}) {
        text += (text.empty() ? "" : ", ") + std::string(name) + " (" + std::to_string(config.num_hidden_layers) + " layers of " +
                std::to_string(config.hidden_size) + ')';
    }
    return text;
}

/// The options of all commands; one command is run.
struct Options {
    Common common;
    TokenizeOptions tokenize;
    PrepareOptions prepare;
    PairsOptions pairs;
    PretrainOptions pretrain;
    FinetuneOptions finetune;
    EncodeOptions encode;
    SearchOptions search;
    EvaluateOptions evaluate;
    GenerateOptions generate;
    ExportOptions export_;
    InspectOptions inspect;
    Path doctor_data;
    std::string preset;
};

/// The format of an input that was named no format for.
constexpr char const* recognized = "recognized by the content";

/// Declares all commands.
class Declaration {
public:
    Declaration(CLI::App& program, OptionTable& table, Options& all)
        : program_(program), table_(table), all_(all), common_(table, all.common) {}

    std::vector<Command> commands() {
        tokenize();
        prepare();
        pairs();
        pretrain();
        finetune();
        encode();
        search();
        evaluate();
        generate();
        export_model();
        look();
        table_.format(program_);
        return std::move(commands_);
    }

private:
    CLI::App& add(char const* name, char const* does, char const* example, std::function<int()> run) {
        CLI::App* const app = program_.add_subcommand(name, does);
        common_.json(*app);
        app->footer("Example:\n  " + std::string(example));
        commands_.push_back({app, std::move(run)});
        return *app;
    }

    void tokenize() {
        TokenizeOptions& options = all_.tokenize;
        CLI::App& app = add("tokenize", "Lines of standard input to token ids, one line each",
                            "echo 'Hello, world' | bmae tokenize --tokenizer vocab.txt",
                            [this] { return bmae::program::tokenize(all_.common, all_.tokenize); });
        table_.path(app, "--tokenizer", options.tokenizer, "vocab.txt, tokenizer.json or the folder of a model").required();
        table_.whole(app, "--max-length", options.max_length, {.most = std::uint64_t{1} << 20},
                     "Maximum tokens, special ones included; 0: no limit");
        table_.flag(app, "--no-special-tokens", options.no_special_tokens,
                    "Without the special tokens around a text, [CLS] and [SEP] or <s> and </s>");
    }

    void prepare() {
        PrepareOptions& options = all_.prepare;
        CLI::App& app = add("prepare", "Raw text to a token store, which pretrain reads",
                            "bmae prepare --input articles.txt --build-vocabulary 8000 --max-length 128 --output articles.tokens",
                            [this] { return bmae::program::prepare(all_.common, all_.prepare); });
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
        table_.flag(app, "--skip-malformed", options.skip_malformed, "Skip and count malformed lines, instead of stopping");
        table_.path(app, "--write-dictionary", options.write_dictionary,
                    "Also write the word counts as JSON: MASTER's frequency dictionary");
        table_.path(app, "--output", options.output, "New folder").required();
        common_.threads(app);
        common_.seed(app).with_any({"--short-probability"});
    }

    void pairs() {
        PairsOptions& options = all_.pairs;
        CLI::App& app =
            add("pairs", "Queries with relevant passages, hard negatives and a teacher's scores to a pair store for fine-tuning",
                "bmae pairs --data scifact --split train --negatives bm25.trec --tokenizer vocab.txt --output scifact.pairs\n"
                "  bmae pairs --input train.jsonl --tokenizer bert-base-uncased --output train.pairs",
                [this] { return bmae::program::pairs(all_.common, all_.pairs); });
        table_.path(app, "--data", options.data, "BEIR folder");
        table_.text(app, "--split", options.split, "Judgments to train on").by_default("train").with_any({"--data"});
        table_
            .path(app, "--negatives", options.negatives,
                  "Hard negatives, TREC runs, lines of query, document, or JSON Lines with qid, neg; several are concatenated in "
                  "order")
            .with_any({"--data"});
        table_
            .path(app, "--teacher-scores", options.teacher_scores,
                  "TREC runs, lines of query, document, score, or JSON Lines with query_id, docid, score")
            .with_any({"--data"});
        table_.path(app, "--input", options.inputs,
                    "Instead: JSON Lines (query, pos, neg; positive_passages, negative_passages), or tables of query, positive "
                    "and, if any, negative; plain or gzip");
        table_.path(app, "--tokenizer", options.tokenizer, "vocab.txt, tokenizer.json or the folder of a model").required();
        table_.whole(app, "--limit", options.limit, {}, "Use the first N training queries; 0: all");
        table_.flag(app, "--skip-malformed", options.skip_malformed, "Skip and count malformed lines, instead of stopping");
        table_.path(app, "--output", options.output, "New folder").required();
        common_.threads(app);
    }

    void pretrain() {
        PretrainOptions& options = all_.pretrain;
        CLI::App& app = add("pretrain", "Trains a preset over a token store",
                            "bmae pretrain --preset retromae --config mini --data articles.tokens --minutes 30 --output run\n"
                            "  bmae pretrain --preset retromae --model bert-base-uncased --data wiki.tokens --steps 10000 --set "
                            "encoder_mask=0.3 --output run",
                            [this] { return bmae::program::pretrain(all_.common, all_.pretrain); });
        table_.text(app, "--preset", options.preset, "Name of the list `bmae presets`");
        table_
            .text(app, "--set", options.numbers,
                  "An option of the preset, NAME=VALUE or PATH=VALUE as `bmae presets NAME` lists them; may be repeated")
            .by_default("the preset's");
        table_.path(app, "--model", options.model, "Start from this BERT or RoBERTa folder, with its tokenizer");
        table_.text(app, "--config", options.config, "Start from random weights: " + sizes_text() + " or a config.json");
        auto const shape = [&](char const* name, std::int64_t& target, std::uint64_t most, char const* help) {
            table_.whole(app, name, target, {.least = 1, .most = most}, help).by_default("the config's").with_any({"--config"});
        };
        shape("--layers", options.layers, 1024, "Layers, overrides the config");
        shape("--hidden", options.hidden, 65536, "Hidden size, overrides the config");
        shape("--heads", options.heads, 1024, "Attention heads, overrides the config");
        shape("--intermediate", options.intermediate, std::uint64_t{1} << 20, "Feed-forward size, overrides the config");
        table_.path(app, "--init", options.init,
                    "Checkpoint whose parameters are loaded, decoders included; the folder of a model: as --model");
        table_
            .path(app, "--dictionary", options.dictionary,
                  "Word counts for keyword masking (master), as prepare --write-dictionary makes them")
            .by_default("the words of the corpus");
        table_.path(app, "--generator", options.generator, "Masked language model as generator (simlm, diffcse)");
        table_.path(app, "--data", options.data, "Token store made by prepare").required();
        table_.path(app, "--tokenizer", options.tokenizer, "Tokenizer, where neither --model nor --data has one")
            .by_default("that of --model or --data");
        table_.whole(app, "--max-length", options.max_length, length_range, "Maximum tokens of a view; 0: as in the store");
        table_.path(app, "--dump-step", options.dump_step,
                    "Write the first step to this file; without --steps, --epochs, --minutes stop after it");
        table_.path(app, "--output", options.training.output, "New folder for checkpoints, log and the trained model")
            .by_default("none: required by a run")
            .with_any({"--steps", "--epochs", "--minutes"});
        options.training.batch.tokens = 8192;
        TrainingGroup(table_, app, options.training).add();
        common_.threads(app);
        common_.device(app);
        common_.seed(app);
    }

    void finetune() {
        FinetuneOptions& options = all_.finetune;
        CLI::App& app = add("finetune", "Trains a pre-trained encoder for search",
                            "bmae finetune --preset retriever --model run --data scifact --epochs 5 --learning-rate 2e-5 "
                            "--output tuned",
                            [this] { return bmae::program::finetune(all_.common, all_.finetune); });
        table_.text(app, "--preset", options.preset, "retriever, retriever-distilled, reranker, reranker-r-drop, splade, colbert")
            .by_default("retriever");
        table_.text(app, "--stage", options.stage, "Another name of --preset").by_default("that of --preset");
        table_
            .text(app, "--set", options.settings,
                  "An option of the preset, NAME=VALUE or PATH=VALUE as `bmae presets NAME` lists them; may be repeated")
            .by_default("the preset's");
        table_
            .path(app, "--model", options.model,
                  "BERT folder, sentence-transformers folder, checkpoint or output folder of pretrain")
            .required();
        table_.path(app, "--data", options.data, "BEIR folder, pair store made by `pairs`, or a file of JSON Lines or tabs")
            .required();
        table_.text(app, "--split", options.split, "Judgments to train on, of a BEIR folder").by_default("train");
        table_.path(app, "--negatives", options.negatives,
                    "Hard negatives, of a BEIR folder: a TREC run, or lines of query and document");
        table_.path(app, "--teacher-scores", options.teacher_scores,
                    "Scores of query and document for retriever-distilled: a TREC run, three columns or JSON Lines");
        table_.text(app, "--contrast", options.contrast, "info_nce, symmetric, or SimLM's four_block").by_default("the preset's");
        table_
            .real(app, "--temperature", options.temperature, {.most = 1e6, .above_least = true},
                  "Temperature that divides the scores")
            .by_default("the preset's");
        table_.flag(app, "--normalize", options.normalize, "Normalize vectors: scores are cosines");
        table_.text(app, "--pooling", options.pooling, "cls or mean").by_default("the model's, else cls");
        auto const count = [&](char const* name, std::size_t& target, Whole const& range, char const* help) -> DeclaredOption& {
            return table_.whole(app, name, target, range, help).by_default("the preset's");
        };
        count("--passages-per-query", options.passages_per_query, {.least = 1, .most = 65536}, "1 positive and hard negatives")
            .by_default("the preset's; 1 for a retriever where no query has negatives");
        constexpr Whole tokens{.least = 3, .most = std::uint64_t{1} << 20};
        count("--query-length", options.query_length, tokens, "Tokens of a query with [CLS] and [SEP]");
        count("--passage-length", options.passage_length, tokens,
              "Tokens of a passage with [CLS] and [SEP], of a reranker's pair");
        table_.whole(app, "--limit", options.limit, {}, "Use the first N training queries; 0: all");
        table_.path(app, "--output", options.training.output, "New folder for checkpoints, log and the trained model").required();
        options.training.batch.examples = 32;
        options.training.learning_rate = 2e-5;
        TrainingGroup(table_, app, options.training).add();
        common_.threads(app);
        common_.device(app);
        common_.seed(app);
    }

    void encode() {
        EncodeOptions& options = all_.encode;
        CLI::App& app = add("encode", "Texts to vectors",
                            "bmae encode --model tuned/sentence-transformer --input corpus.jsonl --output corpus.safetensors",
                            [this] { return bmae::program::encode(all_.common, all_.encode); });
        add_model(table_, app, options.model).front()->required();
        add_encoding(table_, app, options.model);
        table_.path(app, "--input", options.inputs, "JSON Lines with _id, title, text; plain or gzip").required();
        table_.path(app, "--output", options.output, "NAME.safetensors with the tensor `embeddings`; ids go to NAME.ids")
            .required();
        table_.flag(app, "--skip-malformed", options.skip_malformed, "Skip and count malformed lines");
        common_.threads(app);
        common_.device(app);
    }

    void search() {
        SearchOptions& options = all_.search;
        CLI::App& app = add("search", "Queries to a TREC run, or one query to its best texts",
                            "bmae search --method hybrid --model tuned/sentence-transformer --data scifact --split test --output "
                            "run.trec\n  bmae search --method bm25 --data scifact --query 'does vitamin D help'",
                            [this] { return bmae::program::search(all_.common, all_.search); });
        table_.text(app, "--method", options.method, "dense, bm25, hybrid");
        auto dense = add_model(table_, app, options.model);
        auto const encoding = add_encoding(table_, app, options.model);
        dense.insert(dense.end(), encoding.begin(), encoding.end());
        dense.push_back(&table_.path(app, "--embeddings", options.embeddings, "Vectors of the documents made by encode"));
        dense.push_back(&common_.device(app));
        for (DeclaredOption* const option : dense) { option->with("--method", {"dense", "hybrid"}); }
        table_.path(app, "--data", options.data, "BEIR folder; with --query its corpus alone is read").required();
        table_.path(app, "--output", options.output, "TREC run; gzip where its name ends in .gz")
            .by_default("none: this or --query");
        table_
            .checked(
                app, "--query", [this](std::string const& query) { all_.search.query = query; },   // an empty one is a query, too
                "Show the best texts of this query; - reads queries from standard input, with --json one object per line")
            .by_default("none: this or --output");
        table_.whole(app, "--top-k", options.top_k, {.least = 1, .most = std::uint64_t{1} << 31}, "Hits per query")
            .by_default("1000; 10 with --query");
        table_
            .text(app, "--split", options.split,
                  "Split of the queries; all: every query, judged or not, as in a folder without qrels")
            .without("--query");
        table_.text(app, "--tag", options.tag, "Last column of the run").by_default("the method").without("--query");
        for (DeclaredOption* const option :
             {&table_.real(app, "--k1", options.k1, {.most = 1000}, "BM25: saturation"),
              &table_.real(app, "--b", options.b, {}, "BM25: length normalization"),
              &table_.flag(app, "--stem", options.stem, "BM25: English stemming"),
              &table_.text(app, "--stopwords", options.stopwords, "BM25 stop words: english or none")}) {
            option->with("--method", {"bm25", "hybrid"});
        }
        table_.text(app, "--fusion", options.fusion, "reciprocal-rank or weighted").with("--method", {"hybrid"});
        table_.real(app, "--dense-weight", options.dense_weight, {}, "Weight of the dense score")
            .with("--method", {"hybrid"})
            .with("--fusion", {"weighted"});
        common_.threads(app);
    }

    void evaluate() {
        EvaluateOptions& options = all_.evaluate;
        CLI::App& app = add("evaluate", "Evaluate a run by judgments",
                            "bmae evaluate --qrels scifact/qrels/test.tsv --run run.trec --profile beir --measures "
                            "ndcg@10,recall@100",
                            [this] { return bmae::program::evaluate(all_.common, all_.evaluate); });
        table_.path(app, "--qrels", options.qrels, "TREC, BEIR or MS MARCO judgments").required();
        table_.path(app, "--run", options.run, "Run to measure").required();
        table_.text(app, "--run-format", options.run_format, "trec, msmarco, tevatron");
        table_.text(app, "--profile", options.profile, "trec9, trec10, beir, mteb, msmarco, sentence-transformers");
        table_.text(app, "--measures", options.measures, "mrr@10,ndcg@10,recall@1000,map ...")
            .by_default("mrr@10,ndcg@10,recall@100,map");
        table_.text(app, "--missing", options.missing, "Judged queries without results: zero, skip, error")
            .by_default("the profile's rule");
        table_.whole(app, "--relevance-level", options.relevance_level, {.least = 1, .most = 1'000'000}, "Lowest relevant grade");
        table_.flag(app, "--per-query", options.per_query, "Also print the value of each query");
        table_.path(app, "--output", options.output, "Also write the table to this new file");
        common_.threads(app);
    }

    void generate() {
        GenerateOptions& options = all_.generate;
        CLI::App& app = add("generate", "Generate queries with T5 or continuations with GPT-2, for prepare",
                            "bmae generate --model doc2query --input corpus.jsonl --per-text 5 --output queries.jsonl\n"
                            "  bmae generate --model gpt2 --input corpus.jsonl --max-new-tokens 128 --output continued.jsonl",
                            [this] { return bmae::program::generate(all_.common, all_.generate); });
        table_.path(app, "--model", options.model, "GPT-2 or T5 folder of Hugging Face").required();
        table_.path(app, "--input", options.inputs, "JSON Lines with id, title, text; plain or gzip").required();
        table_.path(app, "--output", options.output, "New JSON Lines file: the rows with `queries` or `continuation`").required();
        table_.whole(app, "--per-text", options.per_text, {.most = 10'000}, "Generated texts per text; 0: the default")
            .by_default("5 queries, 1 continuation; 1 with --method greedy");
        table_.text(app, "--method", options.method, "greedy or sample");
        table_
            .whole(
                app, "--top-k", [this](std::uint64_t top_k) { all_.generate.top_k = top_k; }, {.most = 10'000'000},
                "Top-k sampling; 0: from all tokens")
            .by_default("10 for T5, 50 for GPT-2")
            .with("--method", {"sample"});
        table_.real(app, "--top-p", options.top_p, {.above_least = true}, "Nucleus (top-p) sampling")
            .with("--method", {"sample"});
        table_.real(app, "--temperature", options.temperature, {.most = 1000, .above_least = true}, "Sampling temperature")
            .with("--method", {"sample"});
        table_.whole(app, "--max-new-tokens", options.max_new_tokens, {.most = 1'000'000}, "New tokens per text; 0: the default")
            .by_default("64 for T5, 128 for GPT-2");
        table_
            .whole(app, "--max-prompt-tokens", options.max_prompt_tokens, {.most = 1'000'000},
                   "Prompt tokens of a text: the first for T5, the last for GPT-2; 0: the default")
            .by_default("as many as the model allows");
        table_.whole(app, "--batch-examples,--batch-size", options.batch_size, {.least = 1, .most = 65536},
                     "Generated texts of a batch");
        table_.text(app, "--prefix", options.prefix, "Prompt prefix of each text, as 'text2query: '");
        table_.flag(app, "--resume", options.resume, "Resume an interrupted or killed run");
        table_.flag(app, "--skip-malformed", options.skip_malformed, "Skip and count malformed lines");
        common_.threads(app);
        common_.device(app);
        common_.seed(app).with("--method", {"sample"});
    }

    void export_model() {
        ExportOptions& options = all_.export_;
        CLI::App& app = add("export", "A checkpoint to a folder that Python libraries load",
                            "bmae export --model run --format sentence-transformers --pooling cls --output encoder",
                            [this] { return bmae::program::export_model(all_.common, all_.export_); });
        table_.text(app, "--format", options.format, "sentence-transformers or huggingface");
        auto const model = add_model(table_, app, options.model);
        model.front()->required();
        for (std::size_t i = 1; i < model.size(); ++i) { model[i]->with("--format", {"sentence-transformers"}); }
        table_.text(app, "--tower", options.tower, "Of a model with two encoders: first or second");
        table_.path(app, "--output", options.output, "New folder").required();
    }

    void look() {
        CLI::App& inspect = add("inspect", "Inspect a file or folder", "bmae inspect run/step-1000",
                                [this] { return bmae::program::inspect(all_.common, all_.inspect); });
        table_
            .path(inspect, "path", all_.inspect.path,
                  "safetensors file, token or pair store, checkpoint, model folder, run or judgments")
            .required();
        table_.flag(inspect, "--tensors", all_.inspect.tensors, "List every tensor");

        CLI::App& doctor =
            add("doctor", "Check what is installed, what is missing and how to get it", "bmae doctor --data /data/scifact",
                [this] { return bmae::program::doctor(all_.common, all_.doctor_data); });
        table_.path(doctor, "--data", all_.doctor_data, "Folder of data sets").by_default("the environment variable BMAE_DATA");

        CLI::App& presets = add("presets", "List the presets, and the options that --set can set", "bmae presets master",
                                [this] { return bmae::program::presets(all_.common, all_.preset); });
        table_.text(presets, "name", all_.preset, "Describe this preset, with all its paths").by_default("all");

        add("options", "List the options of all commands, with ranges, defaults and the modes that read them",
            "bmae options --json", [this] {
                print_result(all_.common, {{"command", "options"}, {"options", table_.to_json()}}, table_.to_markdown());
                return done;
            });
    }

    CLI::App& program_;
    OptionTable& table_;
    Options& all_;
    CommonOptions common_;
    std::vector<Command> commands_ = {};
};

int run(std::vector<std::string> arguments) {
    CLI::App program("bmae: bottlenecked masked auto-encoders, from text to a measured retriever", "bmae");
    program.set_version_flag("--version", std::string("bmae ").append(bmae::version));
    program.require_subcommand(1);
    program.footer(
        "`bmae COMMAND --help` shows the options and an example, `bmae options` those of all commands. Exit status: 0 done,\n"
        "2 bad usage, bad input, or an output that is full or in use, 1 failure while running, 130 interrupted (pretrain,\n"
        "finetune and generate are saved and go on with --resume, other commands leave no output).");
    Options options;
    OptionTable table;
    Declaration declaration(program, table, options);
    auto const commands = declaration.commands();
    if (!arguments.empty() && !arguments.front().starts_with('-')) {
        auto const command = std::ranges::find(commands, arguments.front(), [](Command const& c) { return c.app->get_name(); });
        if (command == commands.end()) {   // CLI11's message would only be that a command is missing
            std::vector<std::string> known;
            std::string list;
            for (Command const& each : commands) {
                known.push_back(each.app->get_name());
                list += (list.empty() ? "" : ", ") + known.back();
            }
            std::string const guess = did_you_mean(arguments.front(), known);
            throw bmae::InputError(bmae::Diagnostic{.file = {},
                                                    .expected = "a command",
                                                    .found = '"' + arguments.front() + '"',
                                                    .hint = guess + (guess.empty() ? "" : " ") + "Known: " + list + '.'});
        }
        arguments = with_options_of_run(std::move(arguments), program);
        table.refuse_unknown(*command->app, {arguments.begin() + 1, arguments.end()});
    }
    try {
        program.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));   // CLI11 takes them from the end
    } catch (CLI::ParseError const& error) {
        std::ostringstream shown;
        std::ostringstream said;
        int const status = program.exit(error, shown, said);
        bmae::program::print(shown.str());
        if (status == 0) { return done; }
        std::string const text = said.str();
        throw bmae::InputError(text.substr(0, text.find_last_not_of('\n') + 1));
    }
    for (Command const& command : commands) {
        if (!command.app->parsed()) { continue; }
        table.refuse_unread(*command.app);
        options.pretrain.training.record = options.finetune.training.record = record_of(*command.app);
        return command.run();
    }
    return bad_input;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);   // a closed pipe becomes an error of the write, with a message
    std::signal(SIGXFSZ, SIG_IGN);   // and so does a limit of the size of files
    std::vector<std::string> const arguments(argv + std::min(argc, 1), argv + argc);
    try {
        return run(arguments);
    } catch (...) { return report_error(arguments); }
}
