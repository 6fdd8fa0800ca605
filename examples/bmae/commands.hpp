// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// Declaration of the commands: what each accepts. One file commands_*.cpp per group of commands declares them; the commands are
/// implemented in the files beside.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "answer_strings.hpp"
#include "collection_sets.hpp"
#include "common.hpp"
#include "diagnose.hpp"
#include "embedding_tasks.hpp"
#include "glue.hpp"
#include "index.hpp"
#include "option_table.hpp"
#include "pipeline.hpp"
#include "preset_figure.hpp"
#include "ranking.hpp"
#include "report.hpp"
#include "runs.hpp"

namespace bmae::program {

/// One command of the parser: its options, and the function that runs it.
struct Command {
    CLI::App* app;
    std::function<int()> run;
};

/// The options of all commands; one command is run.
struct Options {
    Common common;
    TokenizeOptions tokenize;
    PrepareOptions prepare;
    DiagnoseOptions diagnose;
    PairsOptions pairs;
    PretrainOptions pretrain;
    FinetuneOptions finetune;
    EncodeOptions encode;
    SearchOptions search;
    IndexOptions index;
    SearchIndexOptions search_index;
    EvaluateOptions evaluate;
    CollectionsOptions collections;
    AnswerStringOptions answers;
    SimilarityOptions similarity;
    TransferTaskOptions transfer;
    GlueOptions glue;
    RerankOptions rerank;
    FuseOptions fuse;
    MineOptions mine;
    GenerateOptions generate;
    ExportOptions export_;
    VocabularyOptions vocabulary;
    MergeOptions merge;
    InspectOptions inspect;
    Path doctor_data;
    PipelineOptions pipeline;
    std::string preset;
    Path preset_figure;
    ReportOptions report;
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

/// What the groups of commands share: the parser, the table of options, and the options that several commands have.
class CommandGroup {
public:
    CommandGroup(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands)
        : table_(table), all_(all), common_(table, all.common), program_(program), commands_(commands) {}

protected:
    CLI::App& add(char const* name, char const* does, char const* example, std::function<int()> run) {
        CLI::App* const app = program_.add_subcommand(name, does);
        common_.json(*app);
        app->footer("Example:\n  " + std::string(example));
        commands_.push_back({app, std::move(run)});
        return *app;
    }

    /// Of every command that reads files of lines.
    DeclaredOption& skip_malformed(CLI::App& app, bool& target) const {
        return table_.flag(app, "--skip-malformed", target, "Skip and count malformed lines, instead of stopping");
    }

    OptionTable& table_;
    Options& all_;
    CommonOptions common_;

private:
    CLI::App& program_;
    std::vector<Command>& commands_;
};

inline constexpr Whole batch_range{.least = 1, .most = std::uint64_t{1} << 31};
inline constexpr Whole length_range{.least = 3, .most = std::uint64_t{1} << 20, .or_zero = true};

/// The sentence encoder of encode, search and export. \returns its options
inline std::vector<DeclaredOption*> add_model(OptionTable& table, CLI::App& app, ModelOptions& options) {
    return {&table.path(app, "--model", options.model,
                        "sentence-transformers folder, folder of an encoder, checkpoint or output folder of a run"),
            &table
                 .text(app, "--pooling", options.pooling,
                       "cls, mean, max, mean_sqrt_len, weighted_mean, last_token, several joined by +, first_last or top_two; "
                       "required where the "
                       "folder has none, else overrides it and the modules behind it")
                 .by_default("the folder's"),
            &table.flag(app, "--normalize", options.normalize, "Normalize vectors, so that scores are cosines"),
            &table.whole(app, "--max-length", options.max_length, length_range,
                         "Maximum tokens of a text with [CLS] and [SEP]; 0: the model's limit")};
}

/// The option --query-prompt or --document-prompt.
/// \param role      query or document
/// \param standard  what is put there without it
inline DeclaredOption& add_prompt(OptionTable& table, CLI::App& app, std::string const& role,
                                  std::function<void(std::string const&)> take, std::string const& standard = "the model's") {
    std::string const example = role == "query" ? "\"query: \"" : "\"passage: \"";
    return table
        .checked(app, "--" + role + "-prompt", std::move(take),
                 "Put before each " + role + ", as it is: " + example + "; an empty one: nothing")
        .by_default(standard);
}

/// Prompts before queries and documents. \returns its options
/// \param named  what --prompt is read for; empty: there is none
inline std::vector<DeclaredOption*> add_prompts(OptionTable& table, CLI::App& app, PromptOptions& options,
                                                std::string const& named) {
    std::vector<DeclaredOption*> added{
        &add_prompt(table, app, "query", [&options](std::string const& prompt) { options.query = prompt; }),
        &add_prompt(table, app, "document", [&options](std::string const& prompt) { options.document = prompt; })};
    if (named.empty()) { return added; }
    added.push_back(&table.text(app, "--prompt", options.name, "A prompt of the model, by its name, before " + named)
                         .by_default("that of the role")
                         .excludes("--query-prompt"));
    return added;
}

/// The terms of a lexical index. \returns its options
inline std::vector<DeclaredOption*> add_terms(OptionTable& table, CLI::App& app, TermOptions& options) {
    std::vector<DeclaredOption*> declared{
        &table.text(app, "--language", options.language, "Language of the texts, as zh, th or de: how words are found")
             .by_default("told by the script of the texts"),
        &table.flag(app, "--stem", options.stem, "Stemming: English, or that of --language"),
        &table.text(app, "--stopwords", options.stopwords, "Stop words: english, none, or a file with a word per line")
             .by_default("english; none where --language or the script tells another language")};
    for (DeclaredOption* const option : declared) { option->with("--terms", {"words"}); }
    declared.push_back(
        &table.text(app, "--terms", options.terms, "Terms of the lexical index: words, or tokenizer, the pieces of --tokenizer"));
    declared.push_back(
        &table.path(app, "--tokenizer", options.tokenizer, "Tokenizer, or folder with one, whose pieces are the terms")
             .by_default("none: required by --terms tokenizer")
             .with("--terms", {"tokenizer"}));
    return declared;
}

// Each declares a group of commands, in the order of the program's help.
void declare_data_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands);
void declare_training_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands);
void declare_index_command(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands);
void declare_search_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands);
void declare_embedding_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands);
void declare_model_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands);
void declare_pipeline_command(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands,
                              ParseStage parse);
void declare_report_command(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands);

}  // namespace bmae::program
