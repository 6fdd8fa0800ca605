// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Declares the commands that write with a model and look at what there is: generate, export, vocabulary, merge, inspect, doctor, presets,
// options.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "commands.hpp"

namespace bmae::program {

namespace {

class ModelCommands : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare() {
        generate();
        export_model();
        change();
        look();
    }

private:
    void generate() {
        GenerateOptions& options = all_.generate;
        CLI::App& app = add("generate", "Generate queries with T5 or continuations with GPT-2, for prepare",
                            "bmae generate --model doc2query --input corpus.jsonl --per-text 5 --output queries.jsonl\n"
                            "  bmae generate --model gpt2 --input corpus.jsonl --max-new-tokens 128 --output continued.jsonl",
                            [&all = all_] { return bmae::program::generate(all.common, all.generate); });
        table_.path(app, "--model", options.model, "GPT-2 or T5 folder of Hugging Face").required();
        table_.path(app, "--input", options.inputs, "JSON Lines with id, title, text; plain or gzip").required();
        table_.path(app, "--output", options.output, "New JSON Lines file: the rows with `queries` or `continuation`").required();
        table_.whole(app, "--per-text", options.per_text, {.most = 10'000}, "Generated texts per text; 0: the default")
            .by_default("5 queries, 1 continuation; 1 with --method greedy");
        table_.text(app, "--method", options.method, "greedy or sample");
        table_
            .whole(
                app, "--top-k", [&all = all_](std::uint64_t top_k) { all.generate.top_k = top_k; }, {.most = 10'000'000},
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
        skip_malformed(app, options.skip_malformed);
        common_.threads(app);
        common_.device(app);
        common_.seed(app).with("--method", {"sample"});
    }

    void export_model() {
        ExportOptions& options = all_.export_;
        CLI::App& app = add("export", "A checkpoint to a folder that Python libraries load",
                            "bmae export --model run --format sentence-transformers --pooling cls --output encoder",
                            [&all = all_] { return bmae::program::export_model(all.common, all.export_); });
        table_.text(
            app, "--format", options.format,
            "sentence-transformers, huggingface, or with decoders, of a checkpoint: retromae, dupmae, simlm, condenser, master");
        auto const model = add_model(table_, app, options.model);
        model.front()->required();
        for (std::size_t i = 1; i < model.size(); ++i) { model[i]->with("--format", {"sentence-transformers"}); }
        for (DeclaredOption* const option : add_prompts(table_, app, options.model.prompts, {})) {
            option->with("--format", {"sentence-transformers"});
        }
        table_.text(app, "--tower", options.tower, "Of a model with two encoders: first (queries) or second (passages)")
            .by_default("both of a fine-tuned model, else first");
        table_.path(app, "--output", options.output, "New folder").required();
    }

    void change() {
        VocabularyOptions& options = all_.vocabulary;
        CLI::App& app = add("vocabulary", "A model with words of a domain added to its vocabulary, or unused pieces dropped",
                            "bmae vocabulary extend --model encoder --corpus corpus.jsonl --most 500 --output extended\n"
                            "  bmae vocabulary trim --model encoder --corpus corpus.jsonl queries.jsonl --output trimmed",
                            [&all = all_] { return bmae::program::vocabulary(all.common, all.vocabulary); });
        table_.text(app, "action", options.action, "extend or trim").required();
        table_.path(app, "--model", options.model, "Folder of BERT, DistilBERT or ELECTRA, bare or of sentence-transformers")
            .required();
        table_.path(app, "--words", options.words, "extend: the words to add, one per line").with("action", {"extend"});
        table_.path(
            app, "--corpus", options.corpus,
            "trim: texts whose pieces stay; extend: texts whose most frequent split words are added; files as prepare reads");
        table_.whole(app, "--most", options.most, {.least = 1, .most = 1'000'000}, "extend: add at most N words of the corpus")
            .with_any({"--corpus"})
            .with("action", {"extend"});
        table_.whole(app, "--least", options.least, {.least = 1, .most = 1'000'000'000}, "extend: that occur N times at least")
            .with_any({"--corpus"})
            .with("action", {"extend"});
        table_.path(app, "--output", options.output, "New folder").required();

        CLI::App& merged =
            add("merge", "Models of one architecture averaged: LM-Cocktail", "bmae merge general:0.6 tuned:0.4 --output mixed",
                [&all = all_] { return bmae::program::merge(all.common, all.merge); });
        table_.text(merged, "models", all_.merge.parts, "FOLDER:WEIGHT of each; the weights' sum is 1").required();
        table_.path(merged, "--output", all_.merge.output, "New folder").required();
    }

    void look() {
        CLI::App& inspect = add("inspect", "Inspect a file or folder", "bmae inspect run/step-1000",
                                [&all = all_] { return bmae::program::inspect(all.common, all.inspect); });
        table_
            .path(inspect, "path", all_.inspect.path,
                  "safetensors or pytorch_model.bin, token or pair store, checkpoint, model folder, run or judgments")
            .required();
        table_.flag(inspect, "--tensors", all_.inspect.tensors, "List every tensor");

        CLI::App& doctor =
            add("doctor", "Check what is installed, what is missing and how to get it", "bmae doctor --data /data/scifact",
                [&all = all_] { return bmae::program::doctor(all.common, all.doctor_data); });
        table_.path(doctor, "--data", all_.doctor_data, "Folder of data sets").by_default("the environment variable BMAE_DATA");

        CLI::App& presets = add("presets", "List the presets, and the options that --set can set",
                                "bmae presets master --svg master.svg", [&all = all_] {
                                    if (!all.preset_figure.empty()) { draw_preset(all.preset, all.preset_figure); }
                                    return bmae::program::presets(all.common, all.preset);
                                });
        table_.text(presets, "name", all_.preset, "Describe this preset, with all its paths").by_default("all");
        table_.path(presets, "--svg", all_.preset_figure, "New SVG file: its composition as a figure, from view to loss")
            .with_any({"name"});

        add("options", "List the options of all commands, with ranges, defaults and the modes that read them",
            "bmae options --json", [&all = all_, &table = table_] {
                print_result(all.common, {{"command", "options"}, {"options", table.to_json()}}, table.to_markdown());
                return done;
            });
    }
};

class PipelineCommand : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare(ParseStage parse) {
        PipelineOptions& options = all_.pipeline;
        CLI::App& app =
            add("pipeline", "Run the stages of a recipe, from texts to a table of measures",
                "bmae pipeline examples/recipes/scifact.json --set data=scifact --output experiment",
                [&all = all_, parse = std::move(parse)] { return bmae::program::pipeline(all.common, all.pipeline, parse); });
        table_.path(app, "recipe", options.recipe, "JSON file of the stages").required();
        table_.text(app, "--set", options.settings, "NAME=VALUE: a setting of the recipe").by_default("the recipe's");
        table_.flag(app, "--dry-run", options.dry_run, "Check the recipe and print its commands");
        table_
            .path(app, "--output", options.output,
                  "Folder: one of each stage, and manifest.json. The same command again skips what is done and resumes what was "
                  "killed")
            .required();
    }
};

}  // namespace

void declare_model_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands) {
    ModelCommands(program, table, all, commands).declare();
}

void declare_pipeline_command(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands,
                              ParseStage parse) {
    PipelineCommand(program, table, all, commands).declare(std::move(parse));
}

}  // namespace bmae::program
