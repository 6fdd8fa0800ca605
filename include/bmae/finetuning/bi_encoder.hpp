// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Fine-tuning one encoder for queries and passages with in-batch and hard negatives.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <nlohmann/json.hpp>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/pooling.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/retrieval_contrast.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What one query was judged against. Numbers index the passages of `RetrievalPairs`.
struct RetrievalPair {
    std::vector<TokenId> query = {};           ///< content ids
    std::vector<std::size_t> positives = {};   ///< at least one
    std::vector<std::size_t> negatives = {};   ///< hard negatives; may be empty
};

/// Training data of a bi-encoder, tokenised.
struct RetrievalPairs {
    std::vector<std::vector<TokenId>> passages = {};   ///< content ids
    std::vector<RetrievalPair> queries = {};
};

/// Numbers of bi-encoder fine-tuning.
struct BiEncoderOptions {
    Pooling pooling = Pooling::cls;
    bool normalize = false;                                     ///< cosine instead of dot product (RetroMAE: dot; SimLM: cosine)
    RetrievalContrast contrast = RetrievalContrast::info_nce;   ///< SimLM: four_block
    double temperature = 1.0;                                   ///< divides the scores (RetroMAE: 1; with cosine use .01-.05)
    std::size_t passages_per_query = 1;                         ///< 1 + hard negatives; hard negatives are drawn anew each epoch
    std::size_t query_length = 64;                              ///< tokens with [CLS] and [SEP] (RetroMAE: 32)
    std::size_t passage_length = 256;                           ///< tokens with [CLS] and [SEP] (RetroMAE: 140)
    bool mask_false_negatives = true;   ///< another query's passage that is relevant here too is no negative
};

/// Contrast of each query with all passages of its batch (Karpukhin et al., arXiv 2004.04906; RetroMAE's fine-tuning), or of the
/// whole optimizer step where the trainer keeps a gradient cache.
///
/// A batch of one query with one passage, as the last of an epoch may be, has nothing to tell apart: it counts no label.
class BiEncoderObjective final : public Objective, public StepContrast {
public:
    using Sidecars = std::function<void(std::filesystem::path const&)>;

    /// \param encoder,pairs  must outlive the objective
    /// Throws InputError without a training query, where all of them have one candidate, and for numbers that do not fit.
    BiEncoderObjective(BertEncoder& encoder, RetrievalPairs const& pairs, TokenTraits const& traits, BiEncoderOptions options,
                       Sidecars sidecars = {})
        : encoder_(encoder), pairs_(pairs), special_(traits.special()), options_(options), sidecars_(std::move(sidecars)) {
        if (pairs_.queries.empty()) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "training queries with relevant passages",
                                        .found = "none",
                                        .hint = "Check the split's qrels file."});
        }
        if (!(options_.temperature > 0) || options_.passages_per_query == 0) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "a temperature above 0 and at least 1 passage per query",
                .found = std::to_string(options_.temperature) + " and " + std::to_string(options_.passages_per_query)});
        }
        if (candidates(pairs_.queries.size()) < 2) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "at least two candidate passages to tell apart",
                                        .found = "one training query with one passage",
                                        .hint = "Add training queries, or hard negatives: --passages-per-query 2."});
        }
        auto const positions = static_cast<std::size_t>(encoder_.shape().positions);
        if (std::max(options_.query_length, options_.passage_length) > positions ||
            std::min(options_.query_length, options_.passage_length) < 3) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "lengths from 3 to " + std::to_string(positions) + " tokens, the positions of the encoder",
                           .found = std::to_string(options_.query_length) + " and " + std::to_string(options_.passage_length)});
        }
    }

    [[nodiscard]] std::size_t examples() const override { return pairs_.queries.size(); }
    [[nodiscard]] std::size_t terms() const override { return 1; }
    [[nodiscard]] std::size_t cost(std::size_t example) const override {
        RetrievalPair const& pair = pairs_.queries[example];
        std::size_t passages = 0;
        for (std::size_t const p : pair.positives) { passages = std::max(passages, pairs_.passages[p].size()); }
        return std::min(pair.query.size() + 2, options_.query_length) +
               options_.passages_per_query * std::min(passages + 2, options_.passage_length);
    }

    /// One view: the B queries, then for each query its positive and its negatives.
    [[nodiscard]] HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const override {
        HostBatch batch;
        batch.epoch = key.epoch;
        PackedView& view = batch.views.emplace_back();
        for (std::size_t const e : examples) {
            batch.examples.push_back(e);
            append(view, pairs_.queries[e].query, options_.query_length, -1);
        }
        for (std::size_t const e : examples) {
            RetrievalPair const& pair = pairs_.queries[e];
            Draw draw({.seed = key.seed, .epoch = key.epoch, .example = e, .slot = 0});
            append_passage(view, pair.positives[draw.below(pair.positives.size())]);
            std::vector<std::size_t> negatives = pair.negatives;
            draw.shuffle(std::span(negatives));
            for (std::size_t n = 0; n + 1 < options_.passages_per_query; ++n) {
                // A short list is filled with random passages, never with a relevant one.
                append_passage(view, n < negatives.size() ? negatives[n] : random_negative(pair, draw));
            }
        }
        batch.term_labels.push_back(labels_of(examples.size()));
        batch.term_absent.push_back(static_cast<std::int64_t>(examples.size()) - batch.term_labels.front());
        return batch;
    }

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        if (batch.term_labels.front() == 0) { return nothing_learnt(); }
        at::Tensor const vectors = represent(batch, context);
        return contrast(std::span(&batch, 1), std::span(&vectors, 1), context, step_labels);
    }

    [[nodiscard]] StepContrast& step_contrast() override { return *this; }
    /// All other passages; by SimLM's contrast also the other queries, twice, and the other queries' own passages.
    [[nodiscard]] std::size_t negatives(std::size_t examples) const override {
        if (candidates(examples) < 2) { return 0; }
        std::size_t const others = options_.contrast == RetrievalContrast::four_block ? 3 * (examples - 1) : 0;
        return candidates(examples) - 1 + others;
    }

    [[nodiscard]] std::vector<std::int64_t> step_labels(std::span<HostBatch const> batches) const override {
        return {labels_of(queries_of(batches))};
    }
    [[nodiscard]] std::vector<std::int64_t> step_absent(std::span<HostBatch const> batches) const override {
        std::size_t const queries = queries_of(batches);
        return {static_cast<std::int64_t>(queries) - labels_of(queries)};
    }

    /// Vectors of the texts in the order of the view, as they are compared.                                     [R, D] fp32
    at::Tensor represent(HostBatch const& batch, ForwardContext& context) override {
        PackedInput const input = to_tensors(batch.views.front(), encoder_.embeddings.word.device());
        at::Tensor const vectors =
            pool(options_.pooling, encoder_.encode(input, context, needs_layers(options_.pooling)), input).to(at::kFloat);
        return options_.normalize ? normalize_rows(vectors) : vectors;
    }

    StepOutput contrast(std::span<HostBatch const> batches, std::span<at::Tensor const> vectors, ForwardContext&,
                        std::span<std::int64_t const> step_labels) override {
        if (labels_of(queries_of(batches)) == 0) { return nothing_learnt(); }
        auto const group = static_cast<std::int64_t>(options_.passages_per_query);
        std::vector<at::Tensor> queries;
        std::vector<at::Tensor> passages;
        for (std::size_t b = 0; b < batches.size(); ++b) {
            auto const count = static_cast<std::int64_t>(batches[b].examples.size());
            queries.push_back(vectors[b].narrow(0, 0, count));
            passages.push_back(vectors[b].narrow(0, count, count * group));
        }
        at::Tensor const asking = at::cat(queries);   // [B, D]
        std::vector<std::int64_t> targets;
        for (std::int64_t b = 0; b < asking.size(0); ++b) { targets.push_back(b * group); }
        std::vector<std::int64_t> const excluded =
            options_.mask_false_negatives ? known_positives(batches) : std::vector<std::int64_t>();
        ContrastiveLoss const loss =
            retrieval_contrast(options_.contrast, asking, at::cat(passages), targets, excluded, options_.temperature);
        StepOutput output{.total = loss.sum / static_cast<double>(std::max<std::int64_t>(1, step_labels.front()))};
        output.terms.push_back({.name = "contrast",
                                .kind = "contrast",
                                .loss = loss.sum.detach() / static_cast<double>(asking.size(0)),
                                .correct = loss.correct,
                                .labels = asking.size(0),
                                .weight = 1});
        return output;
    }

    StepPart forward_part(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const>) override {
        StepPart part{.vectors = represent(batch, context)};
        part.output = nothing_learnt();
        return part;
    }

    /// The language-model head has no part in retrieval and is left out, so that it keeps its pre-trained values.
    void for_each_parameter(ParameterVisitor const& visit) override {
        encoder_.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool decay) {
            if (!name.starts_with("cls.")) { visit(name, value, decay); }
        });
    }

    [[nodiscard]] std::string description() const override {
        nlohmann::ordered_json json{{"stage", "retriever"},
                                    {"pooling", to_string(options_.pooling)},
                                    {"normalize", options_.normalize},
                                    {"temperature", options_.temperature},
                                    {"passages_per_query", options_.passages_per_query},
                                    {"query_length", options_.query_length},
                                    {"passage_length", options_.passage_length},
                                    {"mask_false_negatives", options_.mask_false_negatives},
                                    {"hidden_size", encoder_.shape().width},
                                    {"num_hidden_layers", encoder_.config().num_hidden_layers},
                                    {"vocab_size", encoder_.shape().vocabulary}};
        // Named only where it is not the default, so that checkpoints from before there was a choice resume.
        if (options_.contrast != BiEncoderOptions{}.contrast) { json["contrast"] = to_string(options_.contrast); }
        return json.dump();
    }

    void write_sidecars(std::filesystem::path const& folder) const override {
        if (sidecars_) { sidecars_(folder); }
    }

private:
    /// Passages of so many queries.
    [[nodiscard]] std::size_t candidates(std::size_t queries) const noexcept { return queries * options_.passages_per_query; }
    [[nodiscard]] std::int64_t labels_of(std::size_t queries) const noexcept {
        return candidates(queries) < 2 ? 0 : static_cast<std::int64_t>(queries);
    }
    [[nodiscard]] static std::size_t queries_of(std::span<HostBatch const> batches) {
        return std::accumulate(batches.begin(), batches.end(), std::size_t{0},
                               [](std::size_t sum, HostBatch const& batch) { return sum + batch.examples.size(); });
    }

    [[nodiscard]] StepOutput nothing_learnt() const {
        at::Tensor const none = at::zeros({}, at::TensorOptions(at::kFloat).device(encoder_.embeddings.word.device()));
        return {.total = none, .terms = {{.name = "contrast", .kind = "contrast", .loss = none}}};
    }

    void append(PackedView& view, std::vector<TokenId> const& content, std::size_t length, std::int64_t id) const {
        MaskedText text;
        text.input_ids.push_back(special_.cls);
        text.input_ids.insert(text.input_ids.end(), content.begin(),
                              content.begin() + static_cast<std::ptrdiff_t>(std::min(content.size(), length - 2)));
        text.input_ids.push_back(special_.sep);
        text.original_ids = text.input_ids;
        view.append(text);
        view.text_ids.push_back(id);
    }

    void append_passage(PackedView& view, std::size_t passage) const {
        append(view, pairs_.passages[passage], options_.passage_length, static_cast<std::int64_t>(passage));
    }

    [[nodiscard]] std::size_t random_negative(RetrievalPair const& pair, Draw& draw) const {
        std::size_t passage = 0;
        for (int attempt = 0; attempt < 64; ++attempt) {
            passage = draw.below(pairs_.passages.size());
            if (std::ranges::find(pair.positives, passage) == pair.positives.end()) { return passage; }
        }
        throw InputError(
            "hard negatives: nearly every passage is relevant to one query, so that no negative can be drawn. Use "
            "passages_per_query 1.");
    }

    /// (query, column) of all passages of all batches that are relevant to a query and not its own column.
    [[nodiscard]] std::vector<std::int64_t> known_positives(std::span<HostBatch const> batches) const {
        std::unordered_map<std::size_t, std::vector<std::int64_t>> columns;   // of a passage
        std::int64_t column = 0;
        for (HostBatch const& batch : batches) {
            std::vector<std::int64_t> const& ids = batch.views.front().text_ids;
            for (std::size_t row = batch.examples.size(); row < ids.size(); ++row) {
                columns[static_cast<std::size_t>(ids[row])].push_back(column++);
            }
        }
        auto const group = static_cast<std::int64_t>(options_.passages_per_query);
        std::vector<std::int64_t> excluded;
        std::int64_t query = 0;
        for (HostBatch const& batch : batches) {
            for (std::uint64_t const example : batch.examples) {
                for (std::size_t const positive : pairs_.queries[example].positives) {
                    auto const found = columns.find(positive);
                    if (found == columns.end()) { continue; }
                    for (std::int64_t const place : found->second) {
                        if (place != query * group) { excluded.insert(excluded.end(), {query, place}); }
                    }
                }
                ++query;
            }
        }
        return excluded;
    }

    BertEncoder& encoder_;
    RetrievalPairs const& pairs_;
    SpecialIds special_;
    BiEncoderOptions options_;
    Sidecars sidecars_;
};

}  // namespace bmae
