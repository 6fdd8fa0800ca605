// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// `search` by sparse vectors and by vectors of tokens.
#include "ranking.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/edge/dense_lexical_folder.hpp>
#include <bmae/edge/sparse_encoder_folder.hpp>
#include <bmae/edge/token_encoder_folder.hpp>
#include <bmae/retrieval/dual_index.hpp>
#include <bmae/retrieval/impact_index.hpp>
#include <bmae/retrieval/sparse_token_folder.hpp>
#include <bmae/retrieval/top_k.hpp>

#include "folder_kind.hpp"
#include "prompts.hpp"
#include "stored_vectors.hpp"
#include "token_rows.hpp"

namespace bmae::program {

namespace {

EncodeRun search_run_of(Common const& common, SearchOptions const& options, Progress* progress = nullptr) {
    EncodeRun run{
        .batch_tokens = options.model.batch_tokens, .batch_texts = options.model.batch_examples, .threads = common.threads};
    if (progress != nullptr) {
        run.on_progress = [progress](std::size_t count, std::size_t total) {
            progress->total(total);   // vectors that are compressed are encoded in several parts
            progress->update(count);
        };
    }
    return run;
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
        return index_.search(model_.for_queries().encode_sparse(queries, search_run_of(common_, options_)), k, ids);
    }

private:
    static SparseEncoder load(SearchOptions const& options) {
        Path const folder = model_folder(options.model.model);
        FolderKind const kind = kind_of_folder(folder);
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
        auto const terms = static_cast<std::size_t>(model_.model().width());
        if (!options_.embeddings.empty()) {
            StoredSparseVectors const stored = read_sparse_folder(options_.embeddings);
            require_same_model(options_, stored.model, describe_vectors(model_, "fp32"));
            require_collection(options_, stored.ids, documents);
            return {stored.vectors, stored.ids, terms, common_.threads};
        }
        Progress progress("encode documents", "texts", documents.size());
        SparseVectors const vectors = model_.encode_sparse(documents.texts(), search_run_of(common_, options_, &progress));
        return {vectors, documents.ids(), terms, common_.threads};
    }

    Common const& common_;
    SearchOptions const& options_;
    SparseEncoder model_;
    ImpactIndex index_;
};

/// A dense vector and lexical weights of one model, whose scores are summed.
class DenseLexicalSearcher final : public CollectionSearcher {
public:
    DenseLexicalSearcher(Common const& common, SearchOptions const& options, Records const& documents)
        : common_(common), options_(options), model_(load(options)), index_(build(documents)) {
        say("dense-lexical: " + count_text(index_.size()) + " texts, " +
            count_text(static_cast<std::uint64_t>(model_.dense_width())) + " dimensions and " +
            count_text(model_.options().terms) + " terms each");
    }

    [[nodiscard]] Run search(std::vector<std::string> const& queries, std::vector<std::string> const& ids,
                             std::size_t k) const override {
        return index_.search(model_.encode_queries(queries, search_run_of(common_, options_)), k, ids);
    }

private:
    static DenseLexicalEncoder load(SearchOptions const& options) {
        Path const folder = model_folder(options.model.model);
        if (kind_of_folder(folder) != FolderKind::dense_lexical_encoder) {
            throw InputError(Diagnostic{.file = folder.string(),
                                        .expected = "an encoder of dense vectors and lexical weights with --method dense-lexical",
                                        .found = "another model",
                                        .hint = "Fine-tune one: bmae finetune --preset dupmae-retriever."});
        }
        return load_dense_lexical_encoder(folder);
    }

    DualIndex build(Records const& documents) const {
        Progress progress("encode documents", "texts", documents.size());
        return {model_.encode_documents(documents.texts(), search_run_of(common_, options_, &progress)), documents.ids()};
    }

    Common const& common_;
    SearchOptions const& options_;
    DenseLexicalEncoder model_;
    DualIndex index_;
};

/// Late interaction over all texts, whose vectors stay in memory.
class TokenSearcher final : public CollectionSearcher {
public:
    TokenSearcher(Common const& common, SearchOptions const& options, Records const& documents)
        : common_(common), options_(options), model_(load(options)), rows_(read(documents)) {
        Json const facts = rows_.facts();
        say("maxsim: " + count_text(documents.size()) + " texts, " + count_text(facts["rows"].get<std::uint64_t>()) +
            " vectors, " + count_text(facts["bytes"].get<std::uint64_t>() >> 20) + " MB");
    }

    [[nodiscard]] Json token_vectors() const override { return rows_.facts(); }

    [[nodiscard]] Run search(std::vector<std::string> const& queries, std::vector<std::string> const& ids,
                             std::size_t k) const override {
        std::vector<TopK> best(queries.size(), TopK(std::min(k, ids_->size())));
        MultiVectors const read = model_.encode_queries(queries, search_run_of(common_, options_));
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
        if (kind_of_folder(folder) != FolderKind::token_encoder) {
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

    /// The vectors of the documents, in the order of `ids_`, which it sets.
    TokenRows read(Records const& documents) {
        if (!options_.embeddings.empty()) {
            StoredTokenVectors stored = read_token_folder(options_.embeddings);
            require_same_model(options_, stored.model, describe_vectors(model_, "fp32"));
            require_collection(options_, stored.ids, documents);
            ids_ = std::make_shared<IdTable>(stored.ids);
            return {options_, common_.threads, std::move(stored.vectors)};
        }
        ids_ = std::make_shared<IdTable>(documents.ids());
        Progress progress("encode documents", "texts", documents.size());
        return {options_, common_.threads, documents.texts(), [&](std::vector<std::string> const& texts) {
                    return model_.encode_documents(texts, search_run_of(common_, options_, &progress));
                }};
    }

    /// Queries first to end - 1.
    static MultiVectors part_of(MultiVectors const& all, std::size_t first, std::size_t end) {
        MultiVectors part;
        part.rows = all.rows.narrow(0, all.offsets[first], all.offsets[end] - all.offsets[first]);
        for (std::size_t i = first; i < end; ++i) { part.offsets.push_back(all.offsets[i + 1] - all.offsets[first]); }
        return part;
    }

    void search_group(MultiVectors const& queries, std::size_t first, std::size_t end, std::vector<TopK>& best) const {
        constexpr std::int64_t most_rows = 1 << 16;   // token vectors of a block of texts
        MultiVectors const asked = part_of(queries, first, end);
        std::vector<std::int64_t> const& offsets = rows_.offsets();
        for (std::size_t begin = 0; begin < ids_->size();) {
            std::size_t last = begin + 1;
            while (last < ids_->size() && offsets[last + 1] - offsets[begin] <= most_rows) { ++last; }
            at::Tensor const scores = max_sim(asked, rows_.part(begin, last)).contiguous();
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
    std::shared_ptr<IdTable const> ids_ = {};
    TokenRows rows_;
};

}  // namespace

std::unique_ptr<CollectionSearcher> make_collection_searcher(Common const& common, SearchOptions const& options,
                                                             Records const& documents) {
    if (options.method == "sparse") { return std::make_unique<SparseSearcher>(common, options, documents); }
    if (options.method == "dense-lexical") { return std::make_unique<DenseLexicalSearcher>(common, options, documents); }
    return std::make_unique<TokenSearcher>(common, options, documents);
}

}  // namespace bmae::program
