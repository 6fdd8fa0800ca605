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
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/pooling.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What one query was judged against. Numbers index the passages of `RetrievalPairs`.
struct RetrievalPair {
    std::vector<TokenId> query = {};             ///< content ids
    std::vector<std::size_t> positives = {};     ///< at least one
    std::vector<std::size_t> negatives = {};     ///< hard negatives; may be empty
};

/// Training data of a bi-encoder, tokenised.
struct RetrievalPairs {
    std::vector<std::vector<TokenId>> passages = {};   ///< content ids
    std::vector<RetrievalPair> queries = {};
};

/// Numbers of bi-encoder fine-tuning.
struct BiEncoderOptions {
    Pooling pooling = Pooling::cls;
    bool normalize = false;                ///< cosine instead of dot product (RetroMAE: dot; SimLM: cosine)
    double temperature = 1.0;              ///< divides the scores (RetroMAE: 1; with cosine use .01-.05)
    std::size_t passages_per_query = 1;    ///< 1 + hard negatives; hard negatives are drawn anew each epoch
    std::size_t query_length = 64;         ///< tokens with [CLS] and [SEP] (RetroMAE: 32)
    std::size_t passage_length = 256;      ///< tokens with [CLS] and [SEP] (RetroMAE: 140)
    bool spare_known_positives = true;     ///< another query's passage that is relevant here too is no negative
};

/// Contrast of each query with all passages of its batch (Karpukhin et al., arXiv 2004.04906; RetroMAE's fine-tuning).
class BiEncoderObjective final : public Objective {
public:
    using Sidecars = std::function<void(std::filesystem::path const&)>;

    /// \param encoder,pairs  must outlive the objective
    BiEncoderObjective(BertEncoder& encoder, RetrievalPairs const& pairs, TokenTraits const& traits, BiEncoderOptions options,
                       Sidecars sidecars = {})
        : encoder_(encoder), pairs_(pairs), special_(traits.special()), options_(options), sidecars_(std::move(sidecars)) {
        if (pairs_.queries.empty()) {
            throw InputError(Complaint{.file = {}, .expected = "training queries with relevant passages", .found = "none",
                                       .remedy = "Check the split's qrels file."});
        }
        if (!(options_.temperature > 0) || options_.passages_per_query == 0) {
            throw InputError(
                Complaint{.file = {},
                          .expected = "a temperature above 0 and at least 1 passage per query",
                          .found = std::to_string(options_.temperature) + " and " + std::to_string(options_.passages_per_query)});
        }
        auto const positions = static_cast<std::size_t>(encoder_.config().usable_positions());
        if (std::max(options_.query_length, options_.passage_length) > positions ||
            std::min(options_.query_length, options_.passage_length) < 3) {
            throw InputError(
                Complaint{.file = {},
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
        batch.term_labels.push_back(static_cast<std::int64_t>(examples.size()));
        return batch;
    }

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        PackedView const& view = batch.views.front();
        PackedInput const input = to_tensors(view, encoder_.embeddings.word.device());
        at::Tensor vectors = pool(options_.pooling, encoder_.encode(input, context), input).to(at::kFloat);
        if (options_.normalize) { vectors = normalize_rows(vectors); }
        auto const count = static_cast<std::int64_t>(batch.examples.size());
        std::vector<std::int64_t> targets;
        std::vector<std::int64_t> excluded;
        auto const group = static_cast<std::int64_t>(options_.passages_per_query);
        for (std::int64_t b = 0; b < count; ++b) {
            targets.push_back(b * group);
            if (options_.spare_known_positives) { exclude_positives(batch, b, excluded); }
        }
        ContrastiveLoss const contrast = info_nce(vectors.narrow(0, 0, count), vectors.narrow(0, count, count * group), targets,
                                                  excluded, options_.temperature);
        StepOutput output{.total = contrast.sum / static_cast<double>(std::max<std::int64_t>(1, step_labels.front()))};
        output.terms.push_back({.name = "contrast",
                                .kind = "contrast",
                                .loss = contrast.sum.detach() / static_cast<double>(count),
                                .correct = contrast.correct,
                                .labels = count,
                                .weight = 1});
        return output;
    }

    /// The language-model head has no part in retrieval and is left out, so that it keeps its pre-trained values.
    void for_each_parameter(ParameterVisitor const& visit) override {
        encoder_.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool decay) {
            if (!name.starts_with("cls.")) { visit(name, value, decay); }
        });
    }

    [[nodiscard]] std::string description() const override {
        return nlohmann::ordered_json{{"stage", "retriever"},
                                      {"pooling", to_string(options_.pooling)},
                                      {"normalize", options_.normalize},
                                      {"temperature", options_.temperature},
                                      {"passages_per_query", options_.passages_per_query},
                                      {"query_length", options_.query_length},
                                      {"passage_length", options_.passage_length},
                                      {"spare_known_positives", options_.spare_known_positives},
                                      {"hidden_size", encoder_.width()},
                                      {"num_hidden_layers", encoder_.config().num_hidden_layers},
                                      {"vocab_size", encoder_.vocabulary_size()}}
            .dump();
    }

    void write_sidecars(std::filesystem::path const& folder) const override {
        if (sidecars_) { sidecars_(folder); }
    }

private:
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

    /// All columns of query `b` but its own that hold a passage relevant to it.
    void exclude_positives(HostBatch const& batch, std::int64_t b, std::vector<std::int64_t>& excluded) const {
        auto const count = static_cast<std::int64_t>(batch.examples.size());
        auto const group = static_cast<std::int64_t>(options_.passages_per_query);
        std::vector<std::size_t> const& positives = pairs_.queries[batch.examples[static_cast<std::size_t>(b)]].positives;
        for (std::int64_t column = 0; column < count * group; ++column) {
            auto const passage = static_cast<std::size_t>(batch.views.front().text_ids[static_cast<std::size_t>(count + column)]);
            if (column != b * group && std::ranges::find(positives, passage) != positives.end()) {
                excluded.push_back(b);
                excluded.push_back(column);
            }
        }
    }

    BertEncoder& encoder_;
    RetrievalPairs const& pairs_;
    SpecialIds special_;
    BiEncoderOptions options_;
    Sidecars sidecars_;
};

}  // namespace bmae
