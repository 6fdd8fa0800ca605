// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// M3-Embedding: contrasts of dense, lexical and multi-vector scores and of their sum, which teaches each of the three.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/contrast_pairs.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/model/max_sim_contrast.hpp>
#include <bmae/model/term.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A number for each representation of a text.
struct HybridWeights {
    double dense = 1;
    double lexical = 1;
    double tokens = 1;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("dense", dense, "of the dense vectors");
        visit("lexical", lexical, "of the lexical weights");
        visit("tokens", tokens, "of the vectors of tokens");
    }
};

/// Options of `HybridContrast` and `SelfDistillation`; defaults are those of the paper's experiments and of FlagEmbedding's code.
struct HybridOptions {
    TermWeight weight = 1;                                             ///< in the total
    double temperature = .02;                                          ///< divides all scores
    HybridWeights scores = {.dense = 1, .lexical = .3, .tokens = 1};   ///< w1, w2, w3: s_inter is the sum of weighted scores
    HybridWeights losses = {.dense = 1, .lexical = .1, .tokens = 1};   ///< lambda1, lambda2, lambda3
    bool mask_false_negatives = true;   ///< another query's text that is relevant to this one too is not a negative

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("temperature", temperature, "divides the scores");
        visit.inside("scores", scores);
        visit.inside("losses", losses);
        visit("mask_false_negatives", mask_false_negatives, "a text known to be relevant to a query is never its negative");
    }
};

/// Scores of B queries with N texts.                                                                              [B, N] fp32
struct HybridScores {
    at::Tensor dense = {};     ///< product of the dense vectors
    at::Tensor lexical = {};   ///< sum over the tokens of both texts of the product of their weights
    at::Tensor tokens = {};    ///< mean over the tokens of the query of the highest product with a token of the text

    /// s_inter = w1 s_dense + w2 s_lex + w3 s_mul (M3-Embedding, section 3.3).
    [[nodiscard]] at::Tensor integrated(HybridWeights const& w) const {
        return dense * w.dense + lexical * w.lexical + tokens * w.tokens;
    }
};

namespace detail {

/// Tokens with a lexical weight: all but [CLS], [SEP], padding and unknown ones, as in FlagEmbedding's code.
inline bool has_lexical_weight(TokenId id, SpecialIds const& special) {
    return id != special.cls && id != special.sep && id != special.pad && id != special.unk;
}

/// Where the weight of each token of some texts goes in a matrix of texts and words.
struct LexicalCells {
    std::vector<std::int64_t> rows = {};    ///< of tokens
    std::vector<std::int64_t> cells = {};   ///< text x words + word
};

inline LexicalCells lexical_cells(std::span<PackedView const* const> views,
                                  std::unordered_map<TokenId, std::int64_t> const& word_of) {
    LexicalCells list;
    auto const words = static_cast<std::int64_t>(word_of.size());
    std::int64_t row = 0;
    std::int64_t text = 0;
    for (PackedView const* const view : views) {
        for (std::size_t t = 0; t < view->texts(); ++t, ++text) {
            for (std::int64_t i = view->offsets[t]; i < view->offsets[t + 1]; ++i, ++row) {
                auto const word = word_of.find(view->input_ids[static_cast<std::size_t>(i)]);
                if (word == word_of.end()) { continue; }
                list.rows.push_back(row);
                list.cells.push_back(text * words + word->second);
            }
        }
    }
    return list;
}

/// The highest weight of each word in each text; 0 where it has none.                                    [T] -> [texts, words]
inline at::Tensor word_weights(at::Tensor const& weights, LexicalCells const& list, std::int64_t texts, std::int64_t words) {
    at::Tensor const chosen = weights.index_select(0, int64_tensor(list.rows, weights.device()));
    return at::zeros({texts * words}, weights.options().requires_grad(false))
        .scatter_reduce(0, int64_tensor(list.cells, weights.device()), chosen, "amax", /*include_self=*/false)
        .view({texts, words});
}

/// s_lex over the words of the queries, which are all that count.
inline at::Tensor lexical_scores(at::Tensor const& queries, at::Tensor const& texts, std::span<PackedView const* const> views,
                                 std::int64_t text_count) {
    PackedView const& asked = *views[0];
    std::unordered_map<TokenId, std::int64_t> word_of;
    for (TokenId const id : asked.input_ids) {
        if (has_lexical_weight(id, asked.special)) { word_of.try_emplace(id, static_cast<std::int64_t>(word_of.size())); }
    }
    auto const words = static_cast<std::int64_t>(word_of.size());
    auto const query_count = static_cast<std::int64_t>(asked.texts());
    return at::mm(word_weights(queries, lexical_cells(views.first(1), word_of), query_count, words),
                  word_weights(texts, lexical_cells(views.subspan(1), word_of), text_count, words).t());
}

/// Rows of some texts without the first of each.
struct LaterRows {
    std::vector<std::int64_t> rows = {};
    std::vector<std::int64_t> offsets = {0};
    std::vector<std::int64_t> first = {};   ///< the first rows
};

inline LaterRows later_rows(std::span<PackedView const* const> views) {
    LaterRows list;
    std::int64_t before = 0;
    for (PackedView const* const view : views) {
        for (std::size_t t = 0; t < view->texts(); ++t) {
            list.first.push_back(before + view->offsets[t]);
            for (std::int64_t i = view->offsets[t] + 1; i < view->offsets[t + 1]; ++i) { list.rows.push_back(before + i); }
            list.offsets.push_back(static_cast<std::int64_t>(list.rows.size()));
        }
        before += view->offsets.back();
    }
    return list;
}

}  // namespace detail

/// The scores of the texts of pass 0 with those of all other passes, from rows of `HybridVectors`.
inline HybridScores hybrid_scores(std::span<at::Tensor const> sentences, std::span<PackedView const* const> views) {
    at::Tensor const queries = sentences[0].to(at::kFloat);
    at::Tensor const texts = at::cat(sentences.subspan(1)).to(at::kFloat);
    at::Device const device = queries.device();
    detail::LaterRows const asked = detail::later_rows(views.first(1));
    detail::LaterRows const found = detail::later_rows(views.subspan(1));
    auto const vectors = [&](at::Tensor const& rows, std::vector<std::int64_t> const& which) {
        return rows.narrow(1, 1, rows.size(1) - 1).index_select(0, detail::int64_tensor(which, device));
    };
    std::vector<float> lengths;
    for (std::size_t q = 0; q + 1 < asked.offsets.size(); ++q) {
        lengths.push_back(static_cast<float>(std::max<std::int64_t>(1, asked.offsets[q + 1] - asked.offsets[q])));
    }
    return {.dense = at::mm(vectors(queries, asked.first), vectors(texts, found.first).t()),
            .lexical = detail::lexical_scores(queries.select(1, 0), texts.select(1, 0), views,
                                              static_cast<std::int64_t>(found.first.size())),
            .tokens = max_sim(vectors(queries, asked.rows), asked.offsets, vectors(texts, found.rows), found.offsets)
                          .div(detail::sent<float>(lengths, device).unsqueeze(1))};
}

namespace detail {

/// What both terms have in common.
class HybridTerm {
public:
    using Options = HybridOptions;
    static constexpr std::size_t passes = 2;
    static constexpr bool needs_token_vectors = true;    ///< a row per token,
    static constexpr bool needs_hybrid_vectors = true;   ///< of the bottleneck `HybridVectors`

    /// Throws InputError for a temperature that is not above 0, and weights that are not finite or below 0.
    explicit HybridTerm(HybridOptions options) : options_(std::move(options)) {
        require_temperature(options_.temperature);
        for (double const weight : {options_.scores.dense, options_.scores.lexical, options_.scores.tokens, options_.losses.dense,
                                    options_.losses.lexical, options_.losses.tokens}) {
            if (weight >= 0 && std::isfinite(weight)) { continue; }
            throw InputError(Diagnostic{
                .file = {}, .expected = "finite weights of scores and losses, at least 0", .found = std::to_string(weight)});
        }
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    [[nodiscard]] std::size_t negatives(std::size_t, std::size_t candidates) const {
        return candidates == 0 ? 0 : candidates - 1;
    }
    [[nodiscard]] PairList pairs(std::span<PackedView const* const> views) const {
        return batch_pairs(views, {.mask_false_negatives = options_.mask_false_negatives});
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

protected:
    /// Scores of the pairs' anchors divided by the temperature, and their sum; -inf where a text is no candidate.
    struct Masked {
        HybridScores scores = {};
        at::Tensor integrated = {};
        std::vector<std::int64_t> targets = {};
    };
    [[nodiscard]] Masked masked(CrossState const& state) const {
        auto const first = static_cast<std::int64_t>(state.views[0]->texts());
        HybridScores scores = hybrid_scores(state.sentences, state.views);
        std::vector<std::int64_t> const excluded = state.pairs.excluded_cells(first, scores.dense.size(1));
        at::Tensor const anchors = int64_tensor(state.pairs.side(0), scores.dense.device());
        for (at::Tensor* const one : {&scores.dense, &scores.lexical, &scores.tokens}) {
            *one = one->index_select(0, anchors).div(options_.temperature);
        }
        Masked result{.integrated = scores.integrated(options_.scores), .targets = state.pairs.side(1, first)};
        auto const mask = [&](at::Tensor const& one) {
            return add_to_cells(one, excluded, -std::numeric_limits<float>::infinity());
        };
        result.scores = {.dense = mask(scores.dense), .lexical = mask(scores.lexical), .tokens = mask(scores.tokens)};
        result.integrated = mask(result.integrated);
        return result;
    }
    [[nodiscard]] static TermSum none(CrossState const& state) {
        return {.sum = at::zeros({}, state.sentences[0].options().dtype(at::kFloat).requires_grad(false))};
    }
    [[nodiscard]] TermDescription described(std::string name, std::string_view kind) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .similarity = "dense+lexical+max_sim",
                .candidates = std::string(to_string(CandidateScope::other_passes)),
                .temperature = options_.temperature,
                .weight = options_.weight.at(0)};
    }

    HybridOptions options_;
};

}  // namespace detail

/// L = (lambda1 L_dense + lambda2 L_lex + lambda3 L_mul + L_inter) / 4, each -log softmax over the texts of the batch by that score (Chen et
/// al.: M3-Embedding, arXiv 2402.03216, section 3.3). What is correct is said of the integrated score.
class HybridContrast : public detail::HybridTerm {
public:
    static constexpr std::string_view kind = "hybrid_contrast";

    template <Encoder E>
    HybridContrast(Options options, E const&, std::uint64_t, std::string const&) : HybridTerm(std::move(options)) {}

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        if (state.pairs.empty()) { return none(state); }
        Masked const at = masked(state);
        ContrastiveLoss const whole = softmax_contrast(at.integrated, at.targets);
        at::Tensor const sum = softmax_contrast(at.scores.dense, at.targets).sum * options_.losses.dense +
                               softmax_contrast(at.scores.lexical, at.targets).sum * options_.losses.lexical +
                               softmax_contrast(at.scores.tokens, at.targets).sum * options_.losses.tokens + whole.sum;
        return {.sum = sum / 4, .correct = whole.correct};
    }

    [[nodiscard]] TermDescription describe(std::string name) const { return described(std::move(name), kind); }
};

/// L' = (lambda1 L'_dense + lambda2 L'_lex + lambda3 L'_mul) / 3, L'_x = -sum p(s_inter) log p(s_x), whose teacher, the softmax of the
/// integrated scores over the texts of the batch, has no gradient (the same, section 3.3). What is correct: the best text by the dense
/// score is that of the teacher.
class SelfDistillation : public detail::HybridTerm {
public:
    static constexpr std::string_view kind = "self_distillation";

    template <Encoder E>
    SelfDistillation(Options options, E const&, std::uint64_t, std::string const&) : HybridTerm(std::move(options)) {}

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        if (state.pairs.empty()) { return none(state); }
        Masked const at = masked(state);
        at::Tensor const teacher = at::softmax(at.integrated.detach(), 1);   // [P, C]
        at::Tensor const no_candidate = at.integrated.detach().isneginf();
        auto const loss = [&](at::Tensor const& scores) {
            return -(at::log_softmax(scores, 1).masked_fill(no_candidate, 0) * teacher).sum();
        };
        at::Tensor const sum = loss(at.scores.dense) * options_.losses.dense + loss(at.scores.lexical) * options_.losses.lexical +
                               loss(at.scores.tokens) * options_.losses.tokens;
        return {.sum = sum / 3, .correct = at.scores.dense.detach().argmax(1).eq(teacher.argmax(1)).sum().to(at::kFloat)};
    }

    [[nodiscard]] TermDescription describe(std::string name) const { return described(std::move(name), kind); }
};

}  // namespace bmae
