// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What all commands share: common options, progress, results, interrupts. Free of LibTorch.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/reading.hpp>
#include <bmae/training/lora_options.hpp>
#include <bmae/training/trainer_options.hpp>

namespace bmae::program {

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int bad_input = 2;
inline constexpr int interrupted = 130;

/// Options of every command.
struct Common {
    unsigned threads = 0;   ///< 0: one per processor
    std::string device = "cpu";
    std::uint64_t seed = 42;
    bool json = false;
};

/// Progress of a long command: a bar with rate and time left on a terminal, a plain line every ten seconds elsewhere.
class Progress {
public:
    /// \param unit   what is counted: "steps", "texts"
    /// \param total  0 where unknown
    Progress(std::string title, std::string unit, std::uint64_t total, std::uint64_t start = 0);
    ~Progress() { finish(); }
    Progress(Progress const&) = delete;
    Progress& operator=(Progress const&) = delete;

    void total(std::uint64_t total) { total_ = total; }
    /// Counts from here on, as after a resume.
    void restart(std::uint64_t start);
    void update(std::uint64_t count, std::string const& note = {});
    /// A permanent line above the bar.
    void line(std::string const& text);
    void finish();
    /// Since its construction.
    [[nodiscard]] double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

private:
    using Clock = std::chrono::steady_clock;
    struct Tick {
        Clock::time_point at;
        std::uint64_t count;
    };

    void note_tick(Clock::time_point now);
    [[nodiscard]] double rate() const;
    void draw();
    [[nodiscard]] std::string bar_within(std::size_t width, std::vector<std::string> const& parts) const;

    std::string title_;
    std::string unit_;
    std::string note_;
    std::uint64_t total_;
    std::uint64_t start_;
    std::uint64_t count_;
    std::deque<Tick> ticks_ = {};   ///< of the last half minute: the rate is that of now, not of the whole run
    Clock::time_point began_ = Clock::now();
    Clock::time_point drawn_ = {};
    bool terminal_;
    bool finished_ = false;
};

/// A line on standard error.
void say(std::string const& text);
void warn(std::string const& text);

/// How readers take malformed lines with --skip-malformed and without.
inline ReadOptions reading_by(bool skip_malformed) {
    return {.malformed = skip_malformed ? MalformedLine::skip : MalformedLine::refuse};
}
/// The key `malformed` of results: how many lines were skipped, by what was expected of them.
inline Json malformed_json(ReadReport const& report) {
    Json reasons = Json::object();
    for (auto const& [reason, count] : report.reasons) { reasons[reason] = count; }
    return reasons;
}

/// The skipped lines and warnings of a reader, on standard error.
void say_report(ReadReport const& report, std::string const& what);

/// Writes to standard output. \throws InputError for a full disk, RunError for a closed pipe
void print(std::string_view text);

/// The result of a command: readable `text`, and one JSON object as the last line with --json.
void print_result(Common const& common, Json const& result, std::string const& text = {});

/// Handling of an interrupt after the object is destroyed.
enum class LateInterrupt { ends_the_program, does_nothing };

/// Calls `stop` at the first SIGINT or SIGTERM while it lives; a second one ends the program at once.
class Interrupt {
public:
    /// \param what_follows  printed at once, on standard error; empty: `stop` does not return
    /// \param late          `does_nothing` where the command ends with this object: result and status are kept
    explicit Interrupt(std::function<void()> stop, std::string what_follows = "finishing the step and saving",
                       LateInterrupt late = LateInterrupt::ends_the_program);
    ~Interrupt();
    Interrupt(Interrupt const&) = delete;
    Interrupt& operator=(Interrupt const&) = delete;

private:
    LateInterrupt late_;
};

/// The value of an enumeration by its name on the command line. \param option  "--method"
template <class Value>
Value named_value(char const* option, std::string const& name) {
    std::string known;
    std::size_t number = 0;
    for (std::string_view const each : names_of(Value{})) {
        if (each == name) { return static_cast<Value>(number); }
        known += (number++ == 0 ? "" : ", ") + std::string(each);
    }
    throw InputError(Diagnostic{.file = {}, .expected = std::string(option) + " as one of " + known, .found = '"' + name + '"'});
}

/// Refuses, before the work, an output that exists or whose folder cannot be written.
void check_new_file(Path const& path);
/// The same for a run, and a tag that its last column cannot hold.
void check_new_run(Path const& path, std::string const& tag);

/// Thrown by a command that was interrupted and leaves no output; the program then ends with status 130.
struct Interrupted {};
inline constexpr char const* nothing_written = "bmae: interrupted, and nothing was written; the same command starts over";

/// For commands whose output appears as a whole or not at all: turns an interrupt into an exception at the next `check`.
/// Lives as long as the command.
class Cancellation {
public:
    void check() const {
        if (asked_) { throw Interrupted{}; }
    }

private:
    std::atomic<bool> asked_ = false;
    Interrupt interrupt_{[this] { asked_ = true; }, "cleaning up", LateInterrupt::does_nothing};
};

/// For commands without cleanup until they write their output: an interrupt ends the program at once, with status 130.
/// Lives as long as the command.
class QuickExit {
public:
    QuickExit();
    /// Before the output: from here on an interrupt waits for the end of the command.
    void finish() { finishing_ = true; }

private:
    std::atomic<bool> finishing_ = false;
    Interrupt interrupt_;
};

/// "12.3 s", "4 min 05 s", "3 h 20 min".
std::string duration_text(double seconds);
/// "1 234 567".
std::string count_text(std::uint64_t count);

// ---- the commands; each returns an exit status and reports errors by throwing --------------------------------------------

struct TokenizeOptions {
    Path tokenizer = {};
    bool cased = false;           ///< of a vocab.txt alone: text is not lower-cased; so below
    std::size_t max_length = 0;   ///< 0: no limit
    bool no_special_tokens = false;
};
int tokenize(Common const& common, TokenizeOptions const& options);

struct PrepareOptions {
    std::vector<Path> inputs = {};
    std::string format = {};   ///< empty: recognized by the content
    std::string layout = {};   ///< of text and msmarco; empty: the format's usual one
    std::string titles = {};
    std::vector<std::string> fields = {};
    Path tokenizer = {};
    bool cased = false;
    std::size_t build_vocabulary = 0;
    bool keep_case = false;   ///< of a vocabulary that is built
    std::size_t max_length = 512;
    std::string blocks = {};   ///< empty: the format's usual one
    double short_probability = 0;
    bool skip_malformed = false;
    Path write_dictionary = {};
    Path output = {};
};
int prepare(Common const& common, PrepareOptions const& options);
/// Calls `use` with every text of the inputs, read as `prepare` reads them; the number of records.
std::uint64_t read_texts(PrepareOptions const& options, std::string const& command,
                         std::function<void(std::string const&)> const& use);

struct PairsOptions {
    Path data = {};           ///< BEIR folder, or `inputs`
    std::string split = {};   ///< empty: train
    std::vector<Path> negatives = {};
    std::vector<Path> teacher_scores = {};   ///< of a teacher each
    std::string teacher_normalization = "none";
    std::vector<Path> rows = {};     ///< of ids, in place of the judgments of `data`
    std::vector<Path> inputs = {};   ///< FILE or FILE:WEIGHT
    Path tokenizer = {};
    bool cased = false;
    std::size_t limit = 0;
    std::string query_prompt = {};      ///< put before each query
    std::string document_prompt = {};   ///< the same before each text
    bool skip_malformed = false;
    std::string convert = {};   ///< the format of a file that is written in place of a store
    std::string labels = "relevance";
    bool keep_sources = false;
    Path output = {};
};
int pairs(Common const& common, PairsOptions const& options);

/// The file in the output folder of a run with the options that it was started with.
inline constexpr char const* run_options_file = "run.json";

/// Evaluation while training.
struct EvalOptions {
    Path data = {};   ///< empty: none. Held-out token store of pretrain, BEIR folder of finetune
    std::uint64_t every = 1000;
    std::size_t texts = 1024;   ///< of the held-out store; 0: all
    std::string split = "dev";
    std::string measures = "ndcg@10,mrr@10,recall@100";
    std::string keep_best = {};
    std::uint64_t patience = 0;
};

/// Numbers of the trainer, shared by pretrain and finetune, and further options of training. The seed is that of `Common`.
struct TrainingOptions : TrainerOptions {
    double minutes = 0;    ///< 0: no limit
    Path plan_of = {};     ///< a run by the clock whose plan is repeated; empty: none
    double dropout = -1;   ///< below 0: from config.json
    LoraOptions lora = {};
    std::uint64_t pause_every = 0;   ///< steps after which `train` returns, to go on with `resume`; 0: never
    EvalOptions eval = {};
    std::string record = {};   ///< text of `run_options_file`; empty: none is written

    /// Whether one of --steps, --epochs, --minutes and --plan is given.
    [[nodiscard]] bool has_length() const { return steps != 0 || epochs != 0 || minutes > 0 || !plan_of.empty(); }
};

struct PretrainOptions {
    std::string preset = "retromae";
    std::vector<std::string> numbers = {};   ///< NAME=VALUE
    Path model = {};
    std::int64_t positions = 0;   ///< tokens of the longest text; 0: the model's
    std::string config = {};      ///< base, small, mini, tiny or a file
    std::int64_t layers = 0;      ///< 0: from the config; so below
    std::int64_t hidden = 0;
    std::int64_t heads = 0;
    std::int64_t intermediate = 0;
    Path init = {};
    Path dictionary = {};   ///< word counts for keyword masking; empty: those of the corpus
    Path generator = {};    ///< generator that replaces masked tokens (SimLM, DiffCSE)
    Path data = {};
    Path tokenizer = {};
    std::size_t max_length = 0;   ///< 0: as the store was prepared
    Path dump_step = {};
    TrainingOptions training = {};
};
int pretrain(Common const& common, PretrainOptions const& options);
/// \param name  describe this one alone, with all its paths; empty: all
int presets(Common const& common, std::string const& name);

/// Prompts on the command line.
struct PromptOptions {
    std::optional<std::string> query = {};   ///< absent: the model's; so below
    std::optional<std::string> document = {};
    std::string name = {};   ///< of a prompt of the model; empty: the role's
};

/// See contrast_choices.hpp.
struct ContrastChoices {
    std::string matryoshka = {};    ///< dimensions with weights; empty: whole vectors alone
    std::size_t truncate_dim = 0;   ///< of the result; 0: all
};

/// Hard negatives that are mined again while training.
struct RefreshOptions {
    std::uint64_t every = 0;   ///< steps; 0: never
    std::string window = "1:200";
    std::size_t number = 20;
    [[nodiscard]] bool is_used() const noexcept { return every != 0; }
};

struct FinetuneOptions {
    std::string preset = {};                  ///< empty: retriever
    std::string stage = {};                   ///< another name of `preset`
    std::vector<std::string> settings = {};   ///< NAME=VALUE
    Path model = {};
    std::vector<Path> data = {};   ///< BEIR folder, pair store, or files of rows: FILE or FILE:WEIGHT
    std::vector<Path> rows = {};   ///< of ids, in place of the judgments of a BEIR folder
    std::string split = "train";
    Path negatives = {};
    std::vector<Path> teacher_scores = {};   ///< of a teacher each: a pair has their mean
    std::vector<Path> teachers = {};         ///< score what is read, in place of `teacher_scores`
    std::string teacher_normalization = "none";
    RefreshOptions refresh = {};
    std::string contrast = {};   ///< empty: the preset's; so below with 0
    double temperature = 0;
    bool normalize = false;
    std::string pooling = {};
    std::size_t passages_per_query = 0;
    std::size_t query_length = 0;
    std::size_t passage_length = 0;
    std::size_t limit = 0;
    ContrastChoices contrasted = {};
    PromptOptions prompts = {};
    bool skip_malformed = false;
    TrainingOptions training = {};
    bool two_encoders = false;   ///< passages are read by an encoder of their own
};
int finetune(Common const& common, FinetuneOptions const& options);

/// Options of a sentence encoder, shared by encode, search and export.
struct ModelOptions {
    Path model = {};
    std::string pooling = {};
    bool normalize = false;
    std::size_t max_length = 0;
    std::size_t query_length = 0;   ///< 0: the folder's
    std::size_t batch_tokens = 4096;
    std::size_t batch_examples = 0;   ///< texts of a batch; 0: by tokens
    std::string precision = "fp32";   ///< fp32, bf16 or int8; encode and search
    std::size_t chunk_tokens = 0;     ///< of a chunk of a document with a vector of its own; 0: one vector per document
    std::string chunk_pooling = "max";
    PromptOptions prompts = {};
};

inline constexpr std::size_t default_shard_texts = 32768;
inline constexpr std::size_t default_sparse_shard_texts = 8192;
inline constexpr std::size_t default_token_shard_texts = 2048;   ///< with a vector per token

struct EncodeOptions {
    ModelOptions model = {};
    std::vector<Path> inputs = {};
    std::string role = {};   ///< document or query, which may have a length and a prompt of its own; empty: document
    bool by_role = false;    ///< the role was given: a default prompt of the model is not read in its place
    Path output = {};
    bool skip_malformed = false;
    std::size_t shard_texts = 0;   ///< of an output that is a folder; 0: the default of the kind of vectors
    bool resume = false;
    std::string vectors = {};         ///< dense, sparse or tokens; empty: what the model makes
    std::uint64_t impact_scale = 0;   ///< of impacts in JSON Lines beside sparse vectors; 0: none
};
int encode(Common const& common, EncodeOptions const& options);

/// The terms of BM25.
struct TermOptions {
    std::string language = {};   ///< ISO 639-1; empty: told by the script
    bool stem = false;
    std::string stopwords = {};   ///< english, none or a file; empty: those of the language
    std::string terms = "words";
    Path tokenizer = {};
};

struct SearchOptions {
    ModelOptions model = {};
    Path embeddings = {};
    std::string similarity = {};   ///< cosine, dot, euclidean or manhattan; empty: the model's
    bool force = false;            ///< take vectors of another model
    Path data = {};
    bool skip_malformed = false;
    std::string split = "test";
    std::string method = "dense";
    std::size_t top_k = 0;   ///< 0: 1000 of a run, 10 of a query that is shown
    Path output = {};
    std::string tag = {};
    std::optional<std::string> query = {};
    double k1 = 0.9;
    double b = 0.4;
    TermOptions terms = {};
    std::string fusion = "reciprocal-rank";
    double dense_weight = 0.5;
    unsigned bits = 0;           ///< of a dimension of a token's vector; 0: fp32
    std::size_t centroids = 0;   ///< of compressed vectors of tokens; 0: by their number
};
int search(Common const& common, SearchOptions const& options);

struct EvaluateOptions {
    Path qrels = {};
    std::vector<Path> runs = {};
    std::string run_format = "trec";
    std::string profile = "trec9";
    std::vector<std::string> measures = {};
    std::string missing = {};
    std::int32_t relevance_level = 1;
    bool skip_malformed = false;
    bool per_query = false;
    std::string format = {};   ///< empty: trec_eval's lines of one run, a table of several
    std::string test = "student";
    std::string correction = "holm";
    double alpha = .05;
    std::size_t resamples = 10'000;
    Path differences = {};
    Path output = {};
};
int evaluate(Common const& common, EvaluateOptions const& options);

struct GenerateOptions {
    Path model = {};
    std::vector<Path> inputs = {};
    Path output = {};
    std::size_t per_text = 0;   ///< 0: 5 queries of T5, 1 continuation of GPT-2
    std::string method = "sample";
    std::optional<std::size_t> top_k = {};   ///< absent: 10 for T5, 50 for GPT-2
    double top_p = 1;
    double temperature = 1;
    std::size_t max_new_tokens = 0;      ///< 0: 64 for T5, 128 for GPT-2
    std::size_t max_prompt_tokens = 0;   ///< 0: as many as the model takes
    std::size_t batch_size = 16;         ///< batch size, in texts
    std::string prefix = {};
    bool resume = false;
    bool skip_malformed = false;
};
int generate(Common const& common, GenerateOptions const& options);

struct ExportOptions {
    ModelOptions model = {};
    std::string format = "sentence-transformers";
    std::string tower = {};   ///< first or second; empty: both of a fine-tuned model, else the first
    Path output = {};
};
int export_model(Common const& common, ExportOptions const& options);

struct VocabularyOptions {
    std::string action = {};   ///< extend or trim
    Path model = {};
    Path words = {};
    std::vector<Path> corpus = {};
    std::size_t most = 500;
    std::size_t least = 5;
    Path output = {};
};
int vocabulary(Common const& common, VocabularyOptions const& options);

struct MergeOptions {
    std::vector<std::string> parts = {};   ///< FOLDER:WEIGHT
    Path output = {};
};
int merge(Common const& common, MergeOptions const& options);

struct InspectOptions {
    Path path = {};
    bool tensors = false;   ///< list every tensor
};
int inspect(Common const& common, InspectOptions const& options);
int doctor(Common const& common, Path const& data);

}  // namespace bmae::program
