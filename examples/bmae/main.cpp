// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// The command-line program: what each command accepts. The commands are implemented in the files beside this one.
#include <cmath>
#include <csignal>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>

#include <bmae/detail/whole_files.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

#include "common.hpp"

namespace {

using namespace bmae::program;

/// One command of the parser: its options, and the function that runs it.
struct Command {
    CLI::App* app;
    std::function<int()> run;
};

void add_common(CLI::App& app, Common& common) {
    app.add_option("--threads", common.threads, "Threads; 0: one per processor")->group("Common");
    app.add_option("--device", common.device, "cpu, cuda or cuda:N")->group("Common");
    app.add_option("--seed", common.seed, "Random seed")->group("Common")->capture_default_str();
    app.add_flag("--json", common.json, "Print one JSON object as the last line of standard output")->group("Common");
}

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

void add_training(CLI::App& app, TrainingOptions& options) {
    auto* const group = "Training";
    app.add_option("--output", options.output, "New folder for checkpoints, log and the trained model")->required();
    app.add_option("--steps", options.steps, "Optimizer steps of the whole run")->group(group);
    app.add_option("--epochs", options.epochs, "Epochs over the data, instead of --steps")->group(group)->excludes("--steps");
    app.add_option("--minutes", options.minutes, "Time limit; without --steps or --epochs, the steps are estimated to fill it")
        ->group(group)
        ->check(CLI::PositiveNumber);
    app.add_option("--batch-tokens", options.batch.tokens, "Tokens of a batch")
        ->group(group)
        ->each([&options](std::string const&) { options.batch.examples = 0; });   // in place of a command's own default
    app.add_option("--batch-examples", options.batch.examples, "Examples of a batch, instead of --batch-tokens")
        ->group(group)
        ->excludes("--batch-tokens");
    app.add_option("--sort-window", options.batch.sort_window, "Examples sorted by length before packing; 0: none")->group(group);
    app.add_option("--accumulate", options.accumulation, "Batches per optimizer step")->group(group)->capture_default_str();
    app.add_flag("--gradient-cache", options.gradient_cache, "With --accumulate: one contrast over all batches of a step")
        ->group(group);
    app.add_option("--learning-rate", options.learning_rate, "Peak learning rate")->group(group)->capture_default_str();
    app.add_option_function<double>(
           "--warmup", [&options](double warmup) { set_warmup(warmup, options.schedule); },
           "Warm-up: a share of the steps if below 1, else steps")
        ->group(group)
        ->default_str("0.1");
    app.add_option_function<std::string>(
           "--schedule", [&options](std::string const& name) { options.schedule.decay = bmae::decay_from(name); },
           "After the warm-up: constant, linear, cosine")
        ->group(group)
        ->default_str(std::string(to_string(options.schedule.decay)));
    app.add_option("--schedule-floor", options.schedule.floor, "Final rate of linear and cosine, as a share of the peak")
        ->group(group)
        ->capture_default_str();
    app.add_option("--beta1", options.adamw.beta1, "AdamW: decay of the first moment")->group(group)->capture_default_str();
    app.add_option("--beta2", options.adamw.beta2, "AdamW: decay of the second moment")->group(group)->capture_default_str();
    app.add_option("--epsilon", options.adamw.epsilon, "AdamW: added to the root of the second moment")
        ->group(group)
        ->capture_default_str();
    app.add_option("--weight-decay", options.adamw.weight_decay, "Decay of matrices")->group(group)->capture_default_str();
    app.add_option("--clip", options.clip, "Maximum gradient norm; 0: no clipping")->group(group)->capture_default_str();
    app.add_option_function<std::string>(
           "--precision", [&options](std::string const& name) { options.precision = bmae::compute_type_from(name); },
           "fp32 or bf16")
        ->group(group)
        ->default_str(to_string(options.precision));
    app.add_option("--dropout", options.dropout, "Dropout, overrides both rates of config.json")
        ->group(group)
        ->check(CLI::Range(0.0, 0.99));
    app.add_flag("--resume", options.resume, "Resume from the newest undamaged checkpoint of --output")->group(group);
    app.add_option("--save-every", options.save_every, "Steps between checkpoints; 0: only at the end")
        ->group(group)
        ->capture_default_str();
    app.add_option("--keep-last", options.keep_last, "Checkpoints to keep; 0: all")->group(group)->capture_default_str();
    app.add_option("--log-every", options.log_every, "Steps between log lines; 0: none")->group(group)->capture_default_str();
    app.add_option("--loader-threads", options.loader_threads, "Threads that prefetch batches")
        ->group(group)
        ->capture_default_str();
}

void add_model(CLI::App& app, ModelOptions& options) {
    app.add_option("--model", options.model, "sentence-transformers folder, BERT folder, checkpoint or output folder of a run");
    app.add_option("--pooling", options.pooling,
                   "cls, mean, first_last or top_two; required where the folder has none, else overrides it");
    app.add_flag("--normalize", options.normalize, "Normalize vectors, so that scores are cosines");
    app.add_option("--max-length", options.max_length, "Maximum tokens of a text with [CLS] and [SEP]; 0: the model's limit");
    app.add_option("--batch-tokens", options.batch_tokens, "Tokens of a batch")->capture_default_str();
}

void add_precision(CLI::App& app, ModelOptions& options) {
    app.add_option("--precision", options.precision, "Compute type of the encoder: fp32 or bf16")->capture_default_str();
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

std::vector<Command> declare(CLI::App& program, Options& all) {
    std::vector<Command> commands;
    auto const add = [&](char const* name, char const* does, char const* example, std::function<int()> run) -> CLI::App& {
        CLI::App* const app = program.add_subcommand(name, does);
        add_common(*app, all.common);
        app->footer("Example:\n  " + std::string(example));
        commands.push_back({app, std::move(run)});
        return *app;
    };
    Common& common = all.common;

    CLI::App& tokenize = add("tokenize", "Lines of standard input to token ids, one line each",
                             "echo 'Hello, world' | bmae tokenize --tokenizer vocab.txt",
                             [&] { return bmae::program::tokenize(common, all.tokenize); });
    tokenize.add_option("--tokenizer", all.tokenize.tokenizer, "vocab.txt, tokenizer.json or the folder of a model")->required();
    tokenize.add_option("--max-length", all.tokenize.max_length, "Maximum tokens, special ones included; 0: no limit");
    tokenize.add_flag("--no-special-tokens", all.tokenize.no_special_tokens,
                      "Without the special tokens around a text, [CLS] and [SEP] or <s> and </s>");

    CLI::App& prepare = add("prepare", "Raw text to a token store, which pretrain reads",
                            "bmae prepare --input articles.txt --build-vocabulary 8000 --max-length 128 --output articles.tokens",
                            [&] { return bmae::program::prepare(common, all.prepare); });
    prepare.add_option("--input", all.prepare.inputs, "Files or folders, plain or gzip")->required();
    prepare.add_option("--format", all.prepare.format, "text, beir, msmarco, jsonl, nli, master")->capture_default_str();
    prepare.add_option("--layout", all.prepare.layout,
                       "text: file, blank-lines, lines, doc-tags, headings; msmarco: id-text, id-title-text, id-url-title-text. "
                       "Default: the first, for text: blank-lines");
    prepare.add_option("--titles", all.prepare.titles,
                       "Use of titles. joined, the default: title, blank, text, as search and finetune read them; section: "
                       "[SEP] between; name: stored beside the text, not trained on");
    prepare.add_option("--field", all.prepare.fields,
                       "jsonl, beir: also keep the text under this key, for the source Field<\"NAME\">; may be repeated");
    prepare.add_option("--tokenizer", all.prepare.tokenizer, "vocab.txt, tokenizer.json or the folder of a model");
    prepare.add_option("--build-vocabulary", all.prepare.build_vocabulary,
                       "Train a WordPiece vocabulary of N tokens on the input");
    prepare.add_flag("--keep-case", all.prepare.keep_case, "Do not lower-case with --build-vocabulary");
    prepare.add_option("--max-length", all.prepare.max_length, "Tokens of a passage with [CLS] and [SEP]")
        ->capture_default_str()
        ->check(CLI::Range(3, 1 << 20));
    prepare.add_option("--blocks", all.prepare.blocks,
                       "whole_sentences (the default), as_released, whole_document (the default of nli and master)");
    prepare.add_option("--short-probability", all.prepare.short_probability, "Of a passage with a smaller random length")
        ->check(CLI::Range(0.0, 1.0));
    prepare.add_flag("--skip-malformed", all.prepare.skip_malformed, "Skip and count malformed lines, instead of stopping");
    prepare.add_option("--write-dictionary", all.prepare.write_dictionary,
                       "Also write the word counts as JSON: MASTER's frequency dictionary");
    prepare.add_option("--output", all.prepare.output, "New folder")->required();

    CLI::App& pairs =
        add("pairs", "Queries with relevant passages, hard negatives and a teacher's scores to a pair store for fine-tuning",
            "bmae pairs --data scifact --split train --negatives bm25.trec --tokenizer vocab.txt --output scifact.pairs\n"
            "  bmae pairs --input train.jsonl --tokenizer bert-base-uncased --output train.pairs",
            [&] { return bmae::program::pairs(common, all.pairs); });
    pairs.add_option("--data", all.pairs.data, "BEIR folder");
    pairs.add_option("--split", all.pairs.split, "With --data: judgments to train on; default: train");
    pairs.add_option("--negatives", all.pairs.negatives,
                     "With --data: hard negatives, TREC runs, lines of query, document, or JSON Lines with qid, neg; several are "
                     "concatenated in order");
    pairs.add_option("--teacher-scores", all.pairs.teacher_scores,
                     "With --data: TREC runs, lines of query, document, score, or JSON Lines with query_id, docid, score");
    pairs.add_option("--input", all.pairs.inputs,
                     "Instead: JSON Lines (query, pos, neg; positive_passages, negative_passages), or tables of query, positive "
                     "and, if any, negative; plain or gzip");
    pairs.add_option("--tokenizer", all.pairs.tokenizer, "vocab.txt, tokenizer.json or the folder of a model")->required();
    pairs.add_option("--limit", all.pairs.limit, "Use the first N training queries; 0: all");
    pairs.add_flag("--skip-malformed", all.pairs.skip_malformed, "Skip and count malformed lines, instead of stopping");
    pairs.add_option("--output", all.pairs.output, "New folder")->required();

    CLI::App& pretrain = add("pretrain", "Trains a preset over a token store",
                             "bmae pretrain --preset retromae --config mini --data articles.tokens --minutes 30 --output run\n"
                             "  bmae pretrain --preset retromae --model bert-base-uncased --data wiki.tokens --steps 10000 --set "
                             "encoder_mask=0.3 --output run",
                             [&] { return bmae::program::pretrain(common, all.pretrain); });
    pretrain.add_option("--preset", all.pretrain.preset, "Name of the list `bmae presets`")->capture_default_str();
    pretrain.add_option("--set", all.pretrain.numbers,
                        "An option of the preset, NAME=VALUE or PATH=VALUE as `bmae presets NAME` lists them; may be repeated");
    pretrain.add_option("--model", all.pretrain.model, "Start from this BERT or RoBERTa folder, with its tokenizer");
    pretrain.add_option("--config", all.pretrain.config, "Start from random weights: base, small, mini, tiny or a config.json");
    pretrain.add_option("--layers", all.pretrain.layers, "Layers, overrides the config")->check(CLI::PositiveNumber);
    pretrain.add_option("--hidden", all.pretrain.hidden, "Hidden size, overrides the config")->check(CLI::PositiveNumber);
    pretrain.add_option("--heads", all.pretrain.heads, "Attention heads, overrides the config")->check(CLI::PositiveNumber);
    pretrain.add_option("--intermediate", all.pretrain.intermediate, "Feed-forward size, overrides the config")
        ->check(CLI::PositiveNumber);
    pretrain.add_option("--init", all.pretrain.init,
                        "Checkpoint whose parameters are loaded, decoders included; the folder of a model: as --model");
    pretrain.add_option("--dictionary", all.pretrain.dictionary,
                        "Word counts for keyword masking, as prepare --write-dictionary makes them; default: the corpus's own");
    pretrain.add_option("--generator", all.pretrain.generator, "Masked language model as generator (simlm, diffcse)");
    pretrain.add_option("--data", all.pretrain.data, "Token store made by prepare")->required();
    pretrain.add_option("--tokenizer", all.pretrain.tokenizer, "Tokenizer, where neither --model nor --data has one");
    pretrain.add_option("--max-length", all.pretrain.max_length, "Maximum tokens of a view; 0: as in the store");
    pretrain.add_option("--dump-step", all.pretrain.dump_step,
                        "Write the first step to this file; without --steps, --epochs, --minutes stop after it");
    all.pretrain.training.batch.tokens = 8192;
    add_training(pretrain, all.pretrain.training);
    pretrain.get_option("--output")->required(false);

    CLI::App& finetune =
        add("finetune", "Trains a pre-trained encoder for search",
            "bmae finetune --preset retriever --model run --data scifact --epochs 5 --learning-rate 2e-5 --output tuned",
            [&] { return bmae::program::finetune(common, all.finetune); });
    finetune.add_option("--preset", all.finetune.preset,
                        "retriever (the default), retriever-distilled, reranker, reranker-r-drop, splade, colbert");
    finetune.add_option("--stage", all.finetune.stage, "Another name of --preset");
    finetune.add_option("--set", all.finetune.settings,
                        "An option of the preset, NAME=VALUE or PATH=VALUE as `bmae presets NAME` lists them; may be repeated");
    finetune
        .add_option("--model", all.finetune.model,
                    "BERT folder, sentence-transformers folder, checkpoint or output folder of pretrain")
        ->required();
    finetune.add_option("--data", all.finetune.data, "BEIR folder, pair store made by `pairs`, or a file of JSON Lines or tabs")
        ->required();
    finetune.add_option("--split", all.finetune.split, "Judgments to train on")->capture_default_str();
    finetune.add_option("--negatives", all.finetune.negatives, "Hard negatives: a TREC run, or lines of query and document");
    finetune.add_option("--teacher-scores", all.finetune.teacher_scores,
                        "Scores of query and document for retriever-distilled: a TREC run, three columns or JSON Lines");
    finetune.add_option("--contrast", all.finetune.contrast, "info_nce, symmetric, or SimLM's four_block; default: the preset's");
    finetune.add_option("--temperature", all.finetune.temperature, "Temperature that divides the scores; default: the preset's")
        ->check(CLI::PositiveNumber);
    finetune.add_flag("--normalize", all.finetune.normalize, "Normalize vectors: scores are cosines");
    finetune.add_option("--pooling", all.finetune.pooling, "cls or mean; default: the model's, else cls");
    finetune
        .add_option("--passages-per-query", all.finetune.passages_per_query,
                    "1 positive and hard negatives; default: the preset's, or 1 for a retriever without negatives")
        ->check(CLI::PositiveNumber);
    finetune
        .add_option("--query-length", all.finetune.query_length, "Tokens of a query with [CLS] and [SEP]; default: the preset's")
        ->check(CLI::PositiveNumber);
    finetune
        .add_option("--passage-length", all.finetune.passage_length,
                    "Tokens of a passage with [CLS] and [SEP], of a reranker's pair; default: the preset's")
        ->check(CLI::PositiveNumber);
    finetune.add_option("--limit", all.finetune.limit, "Use the first N training queries; 0: all");
    all.finetune.training.batch.examples = 32;
    all.finetune.training.learning_rate = 2e-5;
    add_training(finetune, all.finetune.training);

    CLI::App& encode = add("encode", "Texts to vectors",
                           "bmae encode --model tuned/sentence-transformer --input corpus.jsonl --output corpus.safetensors",
                           [&] { return bmae::program::encode(common, all.encode); });
    add_model(encode, all.encode.model);
    encode.get_option("--model")->required();
    add_precision(encode, all.encode.model);
    encode.add_option("--input", all.encode.inputs, "JSON Lines with _id, title, text; plain or gzip")->required();
    encode.add_option("--output", all.encode.output, "NAME.safetensors with the tensor `embeddings`; ids go to NAME.ids")
        ->required();
    encode.add_flag("--skip-malformed", all.encode.skip_malformed, "Skip and count malformed lines");

    CLI::App& search =
        add("search", "Queries to a TREC run, or one query to the ten best texts",
            "bmae search --method hybrid --model tuned/sentence-transformer --data scifact --split test --output run.trec\n"
            "  bmae search --method bm25 --data scifact --query 'does vitamin D help'",
            [&] { return bmae::program::search(common, all.search); });
    add_model(search, all.search.model);
    add_precision(search, all.search.model);
    search.add_option("--embeddings", all.search.embeddings, "Vectors of the documents made by encode");
    search.add_option("--data", all.search.data, "BEIR folder")->required();
    search.add_option("--split", all.search.split, "Split of the queries")->capture_default_str();
    search.add_option("--method", all.search.method, "dense, bm25, hybrid")->capture_default_str();
    search.add_option("--top-k", all.search.top_k, "Hits per query")
        ->capture_default_str()
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 31));
    search.add_option("--output", all.search.output, "TREC run");
    search.add_option("--tag", all.search.tag, "Last column of the run; default: the method");
    search.add_option("--query", all.search.query, "Show the ten best texts of this query; - reads queries from standard input");
    search.add_option("--k1", all.search.k1, "BM25: saturation")->capture_default_str();
    search.add_option("--b", all.search.b, "BM25: length normalization")->capture_default_str();
    search.add_flag("--stem", all.search.stem, "BM25: English stemming");
    search.add_option("--stopwords", all.search.stopwords, "BM25 stop words: english or none")->capture_default_str();
    search.add_option("--fusion", all.search.fusion, "hybrid: reciprocal-rank or weighted")->capture_default_str();
    search.add_option("--dense-weight", all.search.dense_weight, "weighted fusion: weight of the dense score")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));

    CLI::App& evaluate =
        add("evaluate", "Evaluate a run by judgments",
            "bmae evaluate --qrels scifact/qrels/test.tsv --run run.trec --profile beir --measures ndcg@10,recall@100",
            [&] { return bmae::program::evaluate(common, all.evaluate); });
    evaluate.add_option("--qrels", all.evaluate.qrels, "TREC, BEIR or MS MARCO judgments")->required();
    evaluate.add_option("--run", all.evaluate.run, "Run to measure")->required();
    evaluate.add_option("--run-format", all.evaluate.run_format, "trec, msmarco, tevatron")->capture_default_str();
    evaluate.add_option("--profile", all.evaluate.profile, "trec9, trec10, beir, mteb, msmarco, sentence-transformers")
        ->capture_default_str();
    evaluate.add_option("--measures", all.evaluate.measures,
                        "mrr@10,ndcg@10,recall@1000,map ...; default mrr@10,ndcg@10,recall@100,map");
    evaluate.add_option("--missing", all.evaluate.missing,
                        "Judged queries without results: zero, skip, error; default: the profile's rule");
    evaluate.add_option("--relevance-level", all.evaluate.relevance_level, "Lowest relevant grade")->capture_default_str();
    evaluate.add_flag("--per-query", all.evaluate.per_query, "Also print the value of each query");
    evaluate.add_option("--output", all.evaluate.output, "Also write the table to this new file");

    CLI::App& generate = add("generate", "Generate queries with T5 or continuations with GPT-2, for prepare",
                             "bmae generate --model doc2query --input corpus.jsonl --per-text 5 --output queries.jsonl\n"
                             "  bmae generate --model gpt2 --input corpus.jsonl --max-new-tokens 128 --output continued.jsonl",
                             [&] { return bmae::program::generate(common, all.generate); });
    generate.add_option("--model", all.generate.model, "GPT-2 or T5 folder of Hugging Face")->required();
    generate.add_option("--input", all.generate.inputs, "JSON Lines with id, title, text; plain or gzip")->required();
    generate.add_option("--output", all.generate.output, "New JSON Lines file: the rows with `queries` or `continuation`")
        ->required();
    generate.add_option("--per-text", all.generate.per_text, "Generated texts per text; 0: 5 queries, 1 continuation");
    generate.add_option("--method", all.generate.method, "greedy or sample")->capture_default_str();
    generate.add_option("--top-k", all.generate.top_k, "Top-k sampling; 0: from all tokens; default: 10 for T5, 50 for GPT-2");
    generate.add_option("--top-p", all.generate.top_p, "Nucleus (top-p) sampling")->capture_default_str();
    generate.add_option("--temperature", all.generate.temperature, "Sampling temperature")->capture_default_str();
    generate.add_option("--max-new-tokens", all.generate.max_new_tokens, "New tokens per text; 0: 64 for T5, 128 for GPT-2");
    generate.add_option("--max-prompt-tokens", all.generate.max_prompt_tokens,
                        "Prompt tokens of a text: the first for T5, the last for GPT-2; 0: as many as the model allows");
    generate.add_option("--batch-size", all.generate.batch_size, "Batch size, in texts")
        ->capture_default_str()
        ->check(CLI::Range(1, 1 << 16));
    generate.add_option("--prefix", all.generate.prefix, "Prompt prefix of each text, as 'text2query: '");
    generate.add_flag("--resume", all.generate.resume, "Resume an interrupted or killed run");
    generate.add_flag("--skip-malformed", all.generate.skip_malformed, "Skip and count malformed lines");

    CLI::App& export_ = add("export", "A checkpoint to a folder that Python libraries load",
                            "bmae export --model run --format sentence-transformers --pooling cls --output encoder",
                            [&] { return bmae::program::export_model(common, all.export_); });
    add_model(export_, all.export_.model);
    export_.get_option("--model")->required();
    export_.add_option("--format", all.export_.format, "sentence-transformers or huggingface")->capture_default_str();
    export_.add_option("--tower", all.export_.tower, "Of a model with two encoders: first or second")->capture_default_str();
    export_.add_option("--output", all.export_.output, "New folder")->required();

    CLI::App& inspect = add("inspect", "Inspect a file or folder", "bmae inspect run/step-1000",
                            [&] { return bmae::program::inspect(common, all.inspect); });
    inspect
        .add_option("path", all.inspect.path, "safetensors file, token or pair store, checkpoint, model folder, run or judgments")
        ->required();
    inspect.add_flag("--tensors", all.inspect.tensors, "List every tensor");

    CLI::App& doctor = add("doctor", "Check what is installed, what is missing and how to get it",
                           "bmae doctor --data /data/scifact", [&] { return bmae::program::doctor(common, all.doctor_data); });
    doctor.add_option("--data", all.doctor_data, "Folder of data sets; default: the environment variable BMAE_DATA");

    CLI::App& presets = add("presets", "List the presets, and the options that --set can set", "bmae presets master",
                            [&] { return bmae::program::presets(common, all.preset); });
    presets.add_option("name", all.preset, "Describe this preset, with all its paths");
    return commands;
}

int run(int argc, char** argv) {
    CLI::App program("bmae: bottlenecked masked auto-encoders, from text to a measured retriever", "bmae");
    program.set_version_flag("--version", std::string("bmae ").append(bmae::version));
    program.require_subcommand(1);
    program.footer(
        "`bmae COMMAND --help` shows the options and an example. Exit status: 0 done, 2 bad usage, bad input or no\n"
        "room for the output, 1 failure while running, 130 interrupted (pretrain, finetune and generate are saved and go\n"
        "on with --resume, other commands leave no output).");
    Options options;
    auto const commands = declare(program, options);
    std::string known;
    bool found = argc < 2 || argv[1][0] == '-';
    for (Command const& command : commands) {
        found = found || command.app->get_name() == argv[1];
        known += (known.empty() ? "" : ", ") + command.app->get_name();
    }
    if (!found) {   // CLI11's message would only be that a command is missing
        throw bmae::InputError(bmae::Diagnostic{
            .file = {}, .expected = "a command", .found = '"' + std::string(argv[1]) + '"', .hint = "Known: " + known + '.'});
    }
    try {
        program.parse(argc, argv);
    } catch (CLI::ParseError const& error) {
        std::ostringstream shown;
        int const status = program.exit(error, shown, std::cerr);
        bmae::program::print(shown.str());
        return status == 0 ? done : bad_input;
    }
    for (Command const& command : commands) {
        if (command.app->parsed()) { return command.run(); }
    }
    return bad_input;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);   // a closed pipe becomes an error of the write, with a message
    try {
        return run(argc, argv);
    } catch (bmae::InputError const& error) {
        say(std::string("bmae: ") + error.what());
        return bad_input;
    } catch (bmae::program::Interrupted const&) {
        say(nothing_written);
        return bmae::program::interrupted;
    } catch (std::filesystem::filesystem_error const& error) {   // on accessing a path: too long, no permission
        say(std::string("bmae: ") + error.what());
        if (bmae::detail::is_output_path_error(error.code().value())) { return bad_input; }
    } catch (bmae::RunError const& error) { say(std::string("bmae: ") + error.what()); } catch (std::bad_alloc const&) {
        say("bmae: out of memory. Lower the batch size or the length.");
    } catch (std::exception const& error) {
        std::string const text = error.what();   // LibTorch appends a stack trace: print the first line only
        say("bmae: " + text.substr(0, text.find('\n')));
    }
    return failed;
}
