// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// `rerank`, and `search` by sparse vectors and by vectors of tokens.
#include "ranking.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/corpus/beir.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/edge/sparse_encoder_folder.hpp>
#include <bmae/edge/token_encoder_folder.hpp>
#include <bmae/generation/resumable_lines.hpp>
#include <bmae/retrieval/impact_index.hpp>
#include <bmae/retrieval/rerank.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/retrieval/similarity.hpp>
#include <bmae/retrieval/top_k.hpp>

#include "collections.hpp"
#include "prompts.hpp"
#include "stored_vectors.hpp"

namespace bmae::program {

namespace {

enum class FolderKind { cross_encoder, sparse_encoder, token_encoder, sentence_encoder, other };

/// The folder of a model: itself, or what `finetune` wrote into its output folder.
Path model_folder(Path const& path) {
    for (char const* const name : {"cross-encoder", "sparse-encoder", "token-encoder", "sentence-transformer"}) {
        if (std::filesystem::is_directory(path / name)) { return path / name; }
    }
    if (std::filesystem::exists(path / "config.json") || std::filesystem::exists(path / "modules.json")) { return path; }
    throw InputError(Diagnostic{.file = path.string(),
                                .expected = "the folder of a model, or the output folder of `bmae finetune`",
                                .found = std::filesystem::exists(path) ? "something else" : "nothing of that name"});
}

FolderKind kind_of(Path const& folder) {
    Path const list = folder / "modules.json";
    std::string const modules = std::filesystem::exists(list) ? detail::read_file(list) : std::string();
    auto const has = [&](std::string_view word) { return modules.find(word) != std::string::npos; };
    if (has("SpladePooling")) { return FolderKind::sparse_encoder; }
    if (has("MultiVectorMask")) { return FolderKind::token_encoder; }
    if (has("Pooling")) { return FolderKind::sentence_encoder; }
    return detail::holds_classifier(folder) ? FolderKind::cross_encoder : FolderKind::other;
}

/// Scores the relevance of texts to a query.
class Scorer {
public:
    Scorer() = default;
    Scorer(Scorer const&) = delete;
    Scorer& operator=(Scorer const&) = delete;
    virtual ~Scorer() = default;
    [[nodiscard]] virtual char const* kind() const = 0;
    /// \returns fp32 on the CPU                                                                                         [N]
    [[nodiscard]] virtual at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                           EncodeRun const& run) const = 0;
};

class PairScorer final : public Scorer {
public:
    explicit PairScorer(Path const& folder) : model_(load_cross_encoder(folder)) {
        if (packing_pays(PackedType::fp32) && model_.model().packs(PackedType::fp32)) { model_ = model_.packed(); }
    }
    [[nodiscard]] char const* kind() const override { return "cross-encoder"; }
    [[nodiscard]] at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                   EncodeRun const& run) const override {
        return model_.score(query, texts, run);
    }

private:
    CrossEncoder model_;
};

class TokenScorer final : public Scorer {
public:
    explicit TokenScorer(Path const& folder) : model_(load_token_encoder(folder)) {}
    [[nodiscard]] char const* kind() const override { return "token-encoder"; }
    [[nodiscard]] at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                   EncodeRun const& run) const override {
        return max_sim(model_.encode_queries(std::span(&query, 1), run), model_.encode_documents(texts, run)).squeeze(0);
    }

private:
    TokenEncoder model_;
};

/// Vectors of texts, one each: sparse ones and dense ones.
template <class Model>
class VectorScorer final : public Scorer {
public:
    VectorScorer(Model model, char const* kind) : model_(std::move(model)), kind_(kind) {}
    [[nodiscard]] char const* kind() const override { return kind_; }
    [[nodiscard]] at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                   EncodeRun const& run) const override {
        at::Tensor const asked = model_.encode_queries(std::span(&query, 1), run);
        VectorSimilarity similarity = VectorSimilarity::dot;   // of sparse vectors, always
        if constexpr (requires { model_.options().ranks_by(); }) { similarity = model_.options().ranks_by(); }
        return similarity_scores(asked, model_.encode(texts, run), similarity).squeeze(0);
    }

private:
    Model model_;
    char const* kind_;
};

std::unique_ptr<Scorer> load_scorer(Path const& folder) {
    switch (kind_of(folder)) {
        case FolderKind::cross_encoder:
            return std::make_unique<PairScorer>(folder);
        case FolderKind::token_encoder:
            return std::make_unique<TokenScorer>(folder);
        case FolderKind::sparse_encoder:
            return std::make_unique<VectorScorer<SparseEncoder>>(load_sparse_encoder(folder), "sparse-encoder");
        case FolderKind::sentence_encoder:
            return std::make_unique<VectorScorer<SentenceEncoder>>(load_sentence_encoder(folder), "sentence-transformer");
        case FolderKind::other:
            break;
    }
    throw InputError(
        Diagnostic{.file = folder.string(),
                   .expected = "a cross-encoder, or a sentence-transformers folder of token, sparse or dense vectors",
                   .found = "a model without such a head",
                   .hint = "Fine-tune it: bmae finetune --preset reranker."});
}

/// A run over its collection, ready to be reranked.
struct Work {
    BeirCollection collection;
    Records queries;
    Run run;
    std::vector<std::size_t> places = {};   // of the queries of the split in `run`
    std::uint64_t skipped = 0;              // queries of the run that are not of the split
    ReadReport read = {};                   // of all files

    [[nodiscard]] std::string text_of(Hit const& hit, Path const& file) const {
        std::string const id(run.document(hit.document));
        auto const place = collection.documents().find(id);
        if (!place) {
            throw InputError(Diagnostic{.file = file.string(),
                                        .expected = "hits of the collection " + collection.path().string(),
                                        .found = "document '" + id + "', which its corpus lacks",
                                        .hint = "Rerank a run of the same collection."});
        }
        return joined_text(collection.documents()[*place]);
    }
};

Work read_work(RerankOptions const& options) {
    ReadOptions const reading = reading_by(options.skip_malformed);
    BeirCollection collection = BeirCollection::open(options.data, reading);
    ReadReport read = say_reports(collection);
    ReadReport report;
    Records queries = options.split == "all" ? collection.queries() : collection.queries(options.split, report);
    say_report(report, "judgments");
    read.add(report);
    Run run = read_run(options.run, {.malformed = reading.malformed}, report);
    say_report(report, "run");
    read.add(report);
    check_run_ids(run, options.run);
    Work work{.collection = std::move(collection), .queries = std::move(queries), .run = std::move(run), .read = std::move(read)};
    if (options.as_teacher) {
        if (options.split == "all") {
            throw InputError(Diagnostic{
                .file = {}, .expected = "--as-teacher with the split of the training queries", .found = "--split all"});
        }
        work.run = teacher_candidates(work.run, work.collection.qrels<Qrels>(options.split), options.depth);
    }
    for (std::size_t q = 0; q < work.run.size(); ++q) {
        if (work.queries.find(std::string(work.run.query(q)))) {
            work.places.push_back(q);
        } else {
            ++work.skipped;
        }
    }
    if (work.places.empty()) {
        throw InputError(Diagnostic{.file = options.run.string(),
                                    .expected = "queries of --split " + options.split,
                                    .found = "none of its " + std::to_string(work.run.size()),
                                    .hint = "Name the split that the run was searched with; all: every query."});
    }
    if (work.skipped != 0) {
        warn(count_text(work.skipped) + " queries of the run are not of --split " + options.split + " and are left out");
    }
    for (std::size_t const q : work.places) {   // before hours of scoring
        for (Hit const& hit : work.run.hits(q)) { static_cast<void>(work.text_of(hit, options.run)); }
    }
    return work;
}

/// What determines the lines; resuming requires the same.
std::string settings_of(RerankOptions const& options, Path const& folder) {
    std::uint64_t weights = 0;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().extension() == ".safetensors") { weights ^= detail::xxh64(detail::read_file(entry.path())); }
    }
    Json settings{{"run", detail::to_hex(detail::xxh64(detail::read_file(options.run)))},
                  {"weights", detail::to_hex(weights)},
                  {"config", detail::to_hex(detail::xxh64(detail::read_file(folder / "config.json")))},
                  {"split", options.split},
                  {"depth", options.depth},
                  {"tag", options.tag}};
    if (options.as_teacher) { settings["as_teacher"] = true; }
    if (options.skip_malformed) { settings["skip_malformed"] = true; }
    return settings.dump() + '\n';
}

/// The lines of a query in a TREC run.
std::string lines_of(Work const& work, std::size_t query, std::span<Hit const> hits, std::string const& tag) {
    std::string text;
    for (std::size_t rank = 0; rank < hits.size(); ++rank) {
        detail::append_run_line(text, work.run.query(query), work.run.document(hits[rank].document), rank + 1, hits[rank].score,
                                tag);
    }
    return text;
}

/// Keeps the lines of whole queries of a killed run. \returns how many queries those are
std::size_t kept_queries(ResumableLines& output, Work const& work, Path const& partial) {
    std::size_t lines = 0;
    if (std::filesystem::exists(partial)) {
        std::string const text = detail::read_file(partial);
        lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }
    std::size_t whole = 0;
    std::size_t sum = 0;
    for (; whole < work.places.size() && sum + work.run.hits(work.places[whole]).size() <= lines; ++whole) {
        sum += work.run.hits(work.places[whole]).size();
    }
    std::size_t at = 0;
    output.keep_groups(1, [&](std::string_view) { return at++ < sum; });
    return whole;
}

Json result_of(RerankOptions const& options, Work const& work, char const* kind) {
    return {{"command", "rerank"},
            {"kind", kind},
            {"depth", options.depth},
            {"queries", work.places.size()},
            {"skipped", work.skipped},
            {"pairs", 0},
            {"end", "finished"},
            {"resumed_from", 0},
            {"output", options.output.string()},
            {"malformed", malformed_json(work.read)}};
}

}  // namespace

int rerank(Common const& common, RerankOptions const& options) {
    if (common.threads != 0) { at::set_num_threads(static_cast<int>(common.threads)); }
    if (options.output.extension() == ".gz") {
        throw InputError(Diagnostic{.file = options.output.string(),
                                    .expected = "an output that is not named .gz, as lines are appended to it and resumed",
                                    .found = "that ending",
                                    .hint = "Compress it afterwards: every command reads gzip."});
    }
    detail::require_column(options.tag, "--tag", options.output.string());
    if (!options.resume) { check_new_file(options.output); }
    Path const folder = model_folder(options.model);
    Work const work = read_work(options);
    bool const is_there = options.resume && std::filesystem::exists(options.output);
    std::unique_ptr<Scorer> const scorer = is_there ? nullptr : load_scorer(folder);   // refused before anything is written
    ResumableLines output(options.output, settings_of(options, folder), options.resume);
    if (output.is_complete() || scorer == nullptr) {
        say(options.output.string() + " is finished already");
        print_result(common, result_of(options, work, ""));
        return done;
    }
    std::size_t next = kept_queries(output, work, Path(options.output) += ".partial");
    std::size_t const resumed = next;
    std::atomic<bool> stop = false;
    Interrupt const interrupt([&] { stop = true; }, "finishing the query and saving");
    EncodeRun const run{.batch_tokens = options.batch_tokens, .batch_texts = options.batch_examples, .threads = common.threads};
    Progress progress("rerank", "queries", work.places.size(), resumed);
    std::uint64_t pairs = 0;
    for (; next < work.places.size() && !stop; ++next) {
        std::size_t const q = work.places[next];
        std::vector<Hit> const hits = best_first(work.run, q);
        std::vector<std::string> texts;
        std::size_t const depth = options.as_teacher ? hits.size() : options.depth;
        for (std::size_t i = 0; i < std::min(depth, hits.size()); ++i) { texts.push_back(work.text_of(hits[i], options.run)); }
        std::string const query = work.queries[*work.queries.find(std::string(work.run.query(q)))].text;
        at::Tensor const scores =
            texts.empty()
                ? at::Tensor()
                : naming_texts(
                      [&](std::size_t i) { return NamedText{std::string(work.run.document(hits[i].document)), texts[i]}; },
                      [&] { return scorer->score(query, texts, run).contiguous(); });
        std::span<float const> const values =
            texts.empty() ? std::span<float const>() : std::span(scores.const_data_ptr<float>(), texts.size());
        output.append(lines_of(work, q, reranked(hits, values), options.tag));
        pairs += texts.size();
        progress.update(next + 1, count_text(pairs) + " pairs");
    }
    bool const finished = next == work.places.size();
    if (finished) { output.commit(); }
    progress.finish();
    Json result = result_of(options, work, scorer->kind());
    result.update({{"pairs", pairs}, {"end", finished ? "finished" : "interrupted"}, {"resumed_from", resumed}});
    if (!finished) { say("saved " + options.output.string() + ".partial; the same command with --resume continues"); }
    print_result(common, result,
                 finished
                     ? options.output.string() + ": " + count_text(next) + " queries, " + count_text(pairs) + " pairs scored\n"
                     : std::string());
    return finished ? done : interrupted;
}

namespace {

EncodeRun run_of(Common const& common, SearchOptions const& options, Progress* progress = nullptr, std::size_t before = 0) {
    EncodeRun run{
        .batch_tokens = options.model.batch_tokens, .batch_texts = options.model.batch_examples, .threads = common.threads};
    if (progress != nullptr) {
        run.on_progress = [progress, before](std::size_t count, std::size_t) { progress->update(before + count); };
    }
    return run;
}

/// Texts to sparse vectors, in parts: a whole row has a value for each token of the vocabulary.
template <class Encode>
SparseVectors sparse_vectors(std::vector<std::string> const& texts, Encode&& encode) {
    constexpr std::size_t part = 256;
    SparseVectors vectors;
    for (std::size_t first = 0; first < texts.size(); first += part) {
        auto const some = std::span(texts).subspan(first, std::min(part, texts.size() - first));
        at::Tensor rows;
        try {
            rows = encode(some, first).contiguous();
        } catch (NonFiniteVector const& error) { throw NonFiniteVector(first + error.text(), texts.size()); }
        auto const width = static_cast<std::size_t>(rows.size(1));
        for (std::size_t i = 0; i < some.size(); ++i) { vectors.add({rows.const_data_ptr<float>() + i * width, width}); }
    }
    return vectors;
}

class SparseSearcher final : public CollectionSearcher {
public:
    SparseSearcher(Common const& common, SearchOptions const& options, Records const& documents)
        : common_(common), options_(options), model_(load(options)), index_(build(documents)) {
        double const each =
            static_cast<double>(index_.posting_count()) / static_cast<double>(std::max<std::size_t>(1, index_.size()));
        say("sparse: " + count_text(index_.size()) + " texts, " + count_text(static_cast<std::uint64_t>(each)) + " terms each");
    }

    [[nodiscard]] Run search(std::vector<std::string> const& queries, std::vector<std::string> const& ids,
                             std::size_t k) const override {
        SparseVectors const vectors = sparse_vectors(
            queries, [&](auto some, std::size_t) { return model_.encode_queries(some, run_of(common_, options_)); });
        return index_.search(vectors, k, ids);
    }

private:
    static SparseEncoder load(SearchOptions const& options) {
        Path const folder = model_folder(options.model.model);
        FolderKind const kind = kind_of(folder);
        if (kind != FolderKind::sparse_encoder && kind != FolderKind::other) {
            throw InputError(Diagnostic{.file = folder.string(),
                                        .expected = "an encoder of sparse vectors with --method sparse",
                                        .found = "another model",
                                        .hint = "Fine-tune one: bmae finetune --preset splade."});
        }
        std::optional<std::size_t> length;
        if (options.model.max_length != 0) { length = options.model.max_length; }
        SparseEncoder const encoder = load_sparse_encoder(folder, length);
        SparseEncoder model = encoder.with_prompts(prompts_by(encoder.options().prompts, options.model.prompts));
        say_prompts("queries", model.options().prompts.of_queries());
        say_prompts("documents", model.options().prompts.of_documents());
        return model;
    }

    ImpactIndex build(Records const& documents) const {
        Progress progress("encode documents", "texts", documents.size());
        SparseVectors const vectors = sparse_vectors(documents.texts(), [&](auto some, std::size_t before) {
            return model_.encode(some, run_of(common_, options_, &progress, before));
        });
        return {vectors, documents.ids(), static_cast<std::size_t>(model_.model().width()), common_.threads};
    }

    Common const& common_;
    SearchOptions const& options_;
    SparseEncoder model_;
    ImpactIndex index_;
};

/// Late interaction over all texts, whose vectors stay in memory.
class TokenSearcher final : public CollectionSearcher {
public:
    TokenSearcher(Common const& common, SearchOptions const& options, Records const& documents)
        : common_(common), options_(options), model_(load(options)), ids_(std::make_shared<IdTable>(documents.ids())) {
        Progress progress("encode documents", "texts", documents.size());
        vectors_ = model_.encode_documents(documents.texts(), run_of(common, options, &progress));
        progress.finish();
        auto const megabytes = static_cast<std::uint64_t>(vectors_.rows.numel()) * sizeof(float) >> 20;
        say("maxsim: " + count_text(documents.size()) + " texts, " +
            count_text(static_cast<std::uint64_t>(vectors_.rows.size(0))) + " vectors, " + count_text(megabytes) + " MB");
    }

    [[nodiscard]] Run search(std::vector<std::string> const& queries, std::vector<std::string> const& ids,
                             std::size_t k) const override {
        std::vector<TopK> best(queries.size(), TopK(std::min(k, ids_->size())));
        MultiVectors const read = model_.encode_queries(queries, run_of(common_, options_));
        constexpr std::size_t group = 16;   // queries whose products with a block are held at once
        for (std::size_t q = 0; q < queries.size(); q += group) {
            search_group(read, q, std::min(q + group, queries.size()), best);
        }
        Run run(ids_);
        for (std::size_t q = 0; q < queries.size(); ++q) {
            std::vector<Hit> hits;
            for (TopK::Entry const& entry : best[q].sorted()) { hits.push_back({entry.key, entry.score}); }
            run.add(ids[q], hits);
        }
        return run;
    }

private:
    static TokenEncoder load(SearchOptions const& options) {
        Path const folder = model_folder(options.model.model);
        if (kind_of(folder) != FolderKind::token_encoder) {
            throw InputError(Diagnostic{.file = folder.string(),
                                        .expected = "an encoder of token vectors with --method maxsim",
                                        .found = "another model",
                                        .hint = "Fine-tune one: bmae finetune --preset colbert."});
        }
        if (options.model.max_length != 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "the lengths of the folder with --method maxsim",
                                        .found = "--max-length",
                                        .hint = "Queries and texts have lengths of their own there; leave it out."});
        }
        return load_token_encoder(folder);
    }

    /// Texts first to end - 1 of some vectors.
    static MultiVectors part_of(MultiVectors const& all, std::size_t first, std::size_t end) {
        MultiVectors part;
        part.rows = all.rows.narrow(0, all.offsets[first], all.offsets[end] - all.offsets[first]);
        for (std::size_t i = first; i < end; ++i) { part.offsets.push_back(all.offsets[i + 1] - all.offsets[first]); }
        return part;
    }

    void search_group(MultiVectors const& queries, std::size_t first, std::size_t end, std::vector<TopK>& best) const {
        constexpr std::int64_t most_rows = 1 << 16;   // token vectors of a block of texts
        MultiVectors const asked = part_of(queries, first, end);
        for (std::size_t begin = 0; begin < ids_->size();) {
            std::size_t last = begin + 1;
            while (last < ids_->size() && vectors_.offsets[last + 1] - vectors_.offsets[begin] <= most_rows) { ++last; }
            at::Tensor const scores = max_sim(asked, part_of(vectors_, begin, last)).contiguous();
            for (std::size_t q = first; q < end; ++q) {
                std::span<float const> const row(scores.const_data_ptr<float>() + (q - first) * (last - begin), last - begin);
                best[q].push_all(row, [&](std::size_t i) { return static_cast<std::uint32_t>(begin + i); });
            }
            begin = last;
        }
    }

    Common const& common_;
    SearchOptions const& options_;
    TokenEncoder model_;
    std::shared_ptr<IdTable const> ids_;
    MultiVectors vectors_;
};

}  // namespace

std::unique_ptr<CollectionSearcher> make_collection_searcher(Common const& common, SearchOptions const& options,
                                                             Records const& documents) {
    if (options.method == "sparse") { return std::make_unique<SparseSearcher>(common, options, documents); }
    return std::make_unique<TokenSearcher>(common, options, documents);
}

}  // namespace bmae::program
