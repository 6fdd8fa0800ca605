// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Declares the commands that train: pretrain, finetune, glue.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <bmae/encoders/bert_config.hpp>
#include <bmae/values/error.hpp>

#include "commands.hpp"
#include "commands_contrast.hpp"
#include "option_text.hpp"

namespace bmae::program {

namespace {

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

/// Options of a training run. Those of `add_if_trained` are read only where there is one, not for a single dumped step.
class TrainingGroup {
public:
    TrainingGroup(OptionTable& table, CLI::App& app, TrainingOptions& options) : table_(table), app_(app), options_(options) {}

    /// \param while_training  the command has --eval-data
    void add(bool while_training = true) {
        add_length();
        add_batches();
        add_optimizer();
        add_memory();
        if (while_training) { add_evaluation(); }
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
                  "Time limit; without --steps, --epochs or --plan the length of the training, whose learning rate then follows "
                  "the clock")
            .by_default("none")
            .group(group);
        table_
            .path(app_, "--plan", options_.plan_of,
                  "Repeat the steps and learning rates of this run by the clock (--minutes alone): its output folder or a "
                  "checkpoint")
            .by_default("none")
            .group(group)
            .excludes("--steps")
            .excludes("--epochs");
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
        for (DeclaredOption* const option :
             {&table_.real(app_, "--beta1", options_.adamw.beta1, {.below_most = true}, "Decay of the first moment"),
              &table_.real(app_, "--beta2", options_.adamw.beta2, {.below_most = true}, "Decay of the second moment"),
              &table_.real(app_, "--epsilon", options_.adamw.epsilon, {.above_least = true},
                           "Added to the root of the second moment")}) {
            trained(*option).with("--optimizer", {"adamw", "lamb", "adamw8"});
        }
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

    /// What makes a run fit into the memory that there is.
    void add_memory() {
        trained(table_
                    .checked(
                        app_, "--optimizer",
                        [&options = options_](std::string const& name) { options.optimizer = bmae::optimizer_from(name); },
                        "adamw; lamb for batches of thousands; adafactor: second moments as rows and columns, no first moment; "
                        "adamw8: "
                        "second moments of 8 bits")
                    .by_default(std::string(to_string(options_.optimizer))));
        trained(table_
                    .checked(
                        app_, "--freeze",
                        [&rates = options_.rates](std::string const& text) { rates.frozen = listed("--freeze", text); },
                        "Parts that are not trained, with commas: embeddings, layers:N (the first N of the encoder), or names of "
                        "parameters with * for any characters")
                    .by_default("none"));
        trained(table_.real(app_, "--layer-decay", options_.rates.layer_decay, {.above_least = true},
                            "Factor of the learning rate from a layer to that below it"));
        trained(table_.flag(app_, "--recompute", options_.recompute,
                            "Compute encoder layers again in the backward pass: less memory, the same result"));
        trained(table_.whole(app_, "--lora-rank", options_.lora.rank, {.most = 65536},
                             "Train low-rank factors of this rank beside weights that stay as they are; 0: the weights"));
        for (DeclaredOption* const option :
             {&table_.real(app_, "--lora-alpha", options_.lora.alpha, {.most = 1e6, .above_least = true},
                           "Factors are scaled by alpha / rank"),
              &table_
                   .checked(
                       app_, "--lora-targets",
                       [&lora = options_.lora](std::string const& text) { lora.targets = listed("--lora-targets", text); },
                       "Linear maps of the encoder's layers, by the ends of their names, with commas")
                   .by_default(list_text(options_.lora.targets))}) {
            trained(*option).with_any({"--lora-rank"});
        }
    }

    /// The entries of a list with commas.
    static std::vector<std::string> listed(char const* option, std::string const& text) {
        std::vector<std::string> entries = parts_of(text);
        if (std::ranges::find(entries, "") == entries.end()) { return entries; }
        throw refuse(std::string(option) + " as names with commas", '"' + text + '"');
    }

    void add_evaluation() {
        EvalOptions& eval = options_.eval;
        auto const with_data = [](DeclaredOption& option) { option.with_any({"--eval-data"}); };
        with_data(trained(table_.whole(app_, "--eval-every", eval.every, {.least = 1},
                                       "Steps between evaluations; the last step has one, too")));
        with_data(
            trained(table_.text(app_, "--keep-best", eval.keep_best, "Figure whose best checkpoint is kept and is the result")
                        .by_default("none: the last is the result")));
        trained(table_.whole(app_, "--patience", eval.patience, {.most = 1'000'000},
                             "End after so many evaluations without a better figure; 0: never"))
            .with_any({"--keep-best"});
    }

    void add_run() {
        trained(table_.flag(app_, "--resume", options_.resume, "Resume from the newest undamaged checkpoint of --output"));
        trained(table_.whole(app_, "--save-every", options_.save_every, {}, "Steps between checkpoints; 0: only at the end"));
        trained(table_.whole(app_, "--keep-last", options_.keep_last, {.most = 1'000'000}, "Checkpoints to keep; 0: all"));
        trained(table_.whole(app_, "--log-every", options_.log_every, {}, "Steps between log lines; 0: none"));
        trained(table_.whole(app_, "--loader-threads", options_.loader_threads, {.most = 256}, "Threads that prefetch batches"));
    }

    DeclaredOption& trained(DeclaredOption& option) const {
        return option.group(group).with_any({"--steps", "--epochs", "--minutes", "--plan"});
    }

    static constexpr char const* group = "Training";
    OptionTable& table_;
    CLI::App& app_;
    TrainingOptions& options_;
};

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

class TrainingCommands : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare() {
        pretrain();
        finetune();
        glue();
    }

private:
    /// ANCE.
    void add_refresh(CLI::App& app, RefreshOptions& options) {
        table_
            .whole(app, "--refresh-every", options.every, {.least = 1},
                   "Search the training queries and mine their negatives again every so many steps (ANCE)")
            .by_default("none: the negatives are those of --negatives throughout")
            .with_any({"--negatives"})
            .with_any({"--steps", "--epochs"})
            .without("--teacher-scores")
            .without("--teacher")
            .without("--rows");
        table_.text(app, "--refresh-window", options.window, "Ranks FIRST:LAST of the new negatives, from 1")
            .with_any({"--refresh-every"});
        table_.whole(app, "--refresh-number", options.number, {.least = 1, .most = 1'000'000}, "New negatives per query")
            .with_any({"--refresh-every"});
    }

    void pretrain() {
        PretrainOptions& options = all_.pretrain;
        CLI::App& app = add("pretrain", "Trains a preset over a token store",
                            "bmae pretrain --preset retromae --config mini --data articles.tokens --minutes 30 --output run\n"
                            "  bmae pretrain --preset retromae --model bert-base-uncased --data wiki.tokens --steps 10000 --set "
                            "encoder_mask=0.3 --output run",
                            [&all = all_] { return bmae::program::pretrain(all.common, all.pretrain); });
        table_.text(app, "--preset", options.preset, "Name of the list `bmae presets`");
        table_
            .text(app, "--set", options.numbers,
                  "An option of the preset, NAME=VALUE or PATH=VALUE as `bmae presets NAME` lists them; may be repeated")
            .by_default("the preset's");
        table_.path(app, "--model", options.model, "Start from this folder of an encoder of any family, with its tokenizer");
        table_
            .whole(app, "--positions", options.positions, {.least = 3, .most = std::uint64_t{1} << 20},
                   "Tokens of the longest text: the rows of the model's table of positions are repeated up to so many")
            .by_default("the model's")
            .with_any({"--model", "--init"});
        table_.text(app, "--config", options.config, "Start from random weights: " + sizes_text() + " or a config.json");
        auto const shape = [&](char const* name, std::int64_t& target, std::uint64_t most, char const* help) {
            table_.whole(app, name, target, {.least = 1, .most = most}, help).by_default("the config's").with_any({"--config"});
        };
        shape("--layers", options.layers, 1024, "Layers, overrides the config");
        shape("--hidden", options.hidden, 65536, "Hidden size, overrides the config");
        shape("--heads", options.heads, 1024, "Attention heads, overrides the config");
        shape("--intermediate", options.intermediate, std::uint64_t{1} << 20, "Feed-forward size, overrides the config");
        table_.path(
            app, "--init", options.init,
            "Checkpoint whose parameters are loaded, decoders included; the folder of a model: as --model, and its decoders if "
            "the code of RetroMAE, SimLM, Condenser or MASTER left some");
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
                    "Write the first step to this file; without --steps, --epochs, --minutes, --plan stop after it");
        table_.path(app, "--output", options.training.output, "New folder for checkpoints, log and the trained model")
            .by_default("none: required by a run")
            .with_any({"--steps", "--epochs", "--minutes", "--plan"});
        table_.path(
            app, "--eval-data", options.training.eval.data,
            "Token store of held-out texts: their loss, and how much of it rests on the sentence vectors, while training");
        table_.whole(app, "--eval-texts", options.training.eval.texts, {}, "Texts of --eval-data that are measured; 0: all")
            .with_any({"--eval-data"});
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
                            [&all = all_] { return bmae::program::finetune(all.common, all.finetune); });
        table_
            .text(
                app, "--preset", options.preset,
                "retriever, with the settings of papers retriever-dpr, -ance, -simcse, -cocondenser, -retromae, -retromae-beir, "
                "-simlm, -e5, "
                "-master-as-released, -bge; retriever-distilled, retriever-margin-mse, scored-pairs, reranker, reranker-r-drop, "
                "splade, splade-doc, dupmae-retriever, colbert, bge-m3")
            .by_default("retriever");
        table_.text(app, "--stage", options.stage, "Another name of --preset").by_default("that of --preset");
        table_
            .text(app, "--set", options.settings,
                  "An option of the preset, NAME=VALUE or PATH=VALUE as `bmae presets NAME` lists them; may be repeated")
            .by_default("the preset's");
        table_
            .path(app, "--model", options.model,
                  "Folder of an encoder, sentence-transformers folder, checkpoint or output folder of pretrain")
            .required();
        table_
            .path(
                app, "--data", options.data,
                "BEIR folder, pair store made by `pairs`, or files of FlagEmbedding, Tevatron, Sentence Transformers or DPR "
                "(JSON), or "
                "tables of query, positive, negative or label (tabs or CSV). FILE:WEIGHT: its queries stand so often in an epoch")
            .required();
        table_.text(app, "--split", options.split, "Judgments to train on, of a BEIR folder")
            .by_default("train")
            .without("--rows");
        table_
            .path(app, "--rows", options.rows,
                  "Rows of ids in place of the judgments of a BEIR folder: MS MARCO's triples, or JSON Lines with qid, pos, neg")
            .by_default("none");
        table_.path(app, "--negatives", options.negatives,
                    "Hard negatives, of a BEIR folder: a TREC run, or lines of query and document");
        table_.path(
            app, "--teacher-scores", options.teacher_scores,
            "Scores of query and document for retriever-distilled, retriever-margin-mse, sampling=ambiguous and masks by a "
            "teacher: a TREC run, three columns or JSON Lines; several are of a teacher each, and a pair has the mean of its "
            "scores");
        table_
            .path(app, "--teacher", options.teachers,
                  "In place of --teacher-scores: a cross-encoder or a retriever of any tokenizer, which scores the relevant "
                  "documents and --negatives once, before the first step; of several the mean")
            .with_any({"--negatives"})
            .without("--teacher-scores")
            .without("--rows");
        table_
            .text(app, "--teacher-normalization", options.teacher_normalization,
                  "Of the scores of a query by one teacher, before teachers are averaged: none or z-score")
            .with_any({"--teacher-scores", "--teacher"});
        add_refresh(app, options.refresh);
        table_.text(app, "--contrast", options.contrast, "info_nce, symmetric, SimLM's four_block, or pairwise_margin")
            .by_default("the preset's");
        table_
            .real(app, "--temperature", options.temperature, {.most = 1e6, .above_least = true},
                  "Temperature that divides the scores")
            .by_default("the preset's; 0.05 for cosines, where the preset's is 1");
        table_.flag(app, "--normalize", options.normalize, "Normalize vectors: scores are cosines");
        add_contrast_choices(table_, app, options.contrasted, options.training.batch.one_source);
        table_.text(app, "--pooling", options.pooling, "cls or mean").by_default("the model's, else cls");
        table_.flag(
            app, "--two-encoders", options.two_encoders,
            "Train an encoder of queries and one of passages, which both start from --model (DPR), in place of one of both");
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
        add_prompts(table_, app, options.prompts, "queries");
        skip_malformed(app, options.skip_malformed);
        table_.path(app, "--output", options.training.output, "New folder for checkpoints, log and the trained model").required();
        table_.path(app, "--eval-data", options.training.eval.data, "BEIR folder that the model is evaluated on while training");
        table_.text(app, "--eval-split", options.training.eval.split, "Judgments of --eval-data").with_any({"--eval-data"});
        table_.text(app, "--eval-measures", options.training.eval.measures, "Figures of each evaluation, as those of evaluate")
            .with_any({"--eval-data"});
        options.training.batch.examples = 32;
        options.training.learning_rate = 2e-5;
        TrainingGroup(table_, app, options.training).add();
        common_.threads(app);
        common_.device(app);
        common_.seed(app);
    }

    void glue() {
        GlueOptions& options = all_.glue;
        CLI::App& app =
            add("glue", "Fine-tune an encoder on tasks of language understanding, with several seeds, and measure it",
                "bmae glue --model run --task cola,mrpc,stsb,qqp --data GLUE --epochs 3 --learning-rate 2e-5 --output glue",
                [&all = all_] { return bmae::program::glue(all.common, all.glue); });
        table_
            .path(app, "--model", options.model,
                  "Folder of an encoder, checkpoint or output folder of pretrain; a classification head of it with the task's "
                  "labels is trained on")
            .required();
        table_
            .text(app, "--task", options.tasks,
                  "cola (Matthews correlation), mrpc and qqp (accuracy, F1), stsb (Pearson, Spearman); several with commas")
            .required();
        table_.path(app, "--data", options.data, "GLUE's folder of tasks, or the folder of one, with train.tsv and dev.tsv")
            .required();
        table_.text(app, "--seeds", options.seeds,
                    "Of head, order and dropout: a run each; the result has their mean and standard deviation");
        table_.whole(app, "--max-length", options.max_length, {.least = 4, .most = std::uint64_t{1} << 20},
                     "Tokens of a text or pair with its special ones");
        skip_malformed(app, options.skip_malformed);
        table_.path(app, "--output", options.training.output, "New folder: a run per task and seed").required();
        options.training.batch.examples = 32;
        options.training.learning_rate = 2e-5;
        TrainingGroup(table_, app, options.training).add(/*while_training=*/false);
        common_.threads(app);
        common_.device(app);
    }
};

}  // namespace

void declare_training_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands) {
    TrainingCommands(program, table, all, commands).declare();
}

}  // namespace bmae::program
