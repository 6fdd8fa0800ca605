// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Pairs of a contrast: whose text is whose positive, and which texts of the batch are no negatives.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/pair_list.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// What an anchor is compared with.
enum class CandidateScope {
    other_passes,   ///< anchors are the rows of pass 0, candidates all rows of the other passes: SimCSE, SentMAE, ICT
    all_rows,       ///< every row is an anchor, all 2B - 1 others are its candidates: coCondenser
    own_group,      ///< of the other pass, the anchor's own group alone: its positive and its negatives
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(CandidateScope) noexcept { return {"other_passes", "all_rows", "own_group"}; }
[[nodiscard]] constexpr std::string_view to_string(CandidateScope candidates) noexcept {
    return names_of(candidates)[static_cast<std::size_t>(candidates)];
}

/// Whose scores say that a candidate is probably relevant, because it scores too near to the positive or above it: s >= s+ - margin, or
/// relative to the positive s >= s+ - margin |s+|, which is right for scores of either sign: the margins of GISTEmbed (arXiv 2402.16829)
/// in Sentence Transformers, and of `MiningOptions`. Of distances |q - p| <= (1 + margin) |q - p+| is masked.
enum class MarginMask {
    none,
    score,              ///< those of the model in this step, of all candidates
    score_relative,     ///< the same, relative
    teacher,            ///< a teacher's, of the query's own negatives; one that it did not score stays a negative
    teacher_relative,   ///< the same, relative
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 5> names_of(MarginMask) noexcept {
    return {"none", "score", "score_relative", "teacher", "teacher_relative"};
}
[[nodiscard]] constexpr std::string_view to_string(MarginMask mask) noexcept {
    return names_of(mask)[static_cast<std::size_t>(mask)];
}
[[nodiscard]] constexpr bool is_by_teacher(MarginMask mask) noexcept {
    return mask == MarginMask::teacher || mask == MarginMask::teacher_relative;
}
[[nodiscard]] constexpr bool is_relative(MarginMask mask) noexcept {
    return mask == MarginMask::score_relative || mask == MarginMask::teacher_relative;
}

/// What `batch_pairs` shall collect.
struct PairRules {
    CandidateScope candidates = CandidateScope::other_passes;
    bool mask_false_negatives = true;     ///< another example's text that is relevant to this one too is not a negative
    bool own_negatives = false;           ///< list the hard negatives of each pair
    MarginMask mask = MarginMask::none;   ///< by a teacher; masks by the model's scores are none of the collator's
    double margin = 0;                    ///< of the mask
};

namespace detail {

/// The examples whose query has the same tokens, its own among them, of each example: what is relevant to one is relevant to all.
inline std::vector<std::vector<std::size_t>> equal_queries(PackedView const& queries) {
    std::map<std::vector<TokenId>, std::vector<std::size_t>> examples_of;
    std::vector<std::vector<TokenId>> tokens(queries.texts());
    for (std::size_t t = 0; t < queries.texts(); ++t) {
        auto const begin = queries.original_ids.begin() + static_cast<std::ptrdiff_t>(queries.offsets[t]);
        tokens[t].assign(begin, begin + static_cast<std::ptrdiff_t>(queries.offsets[t + 1] - queries.offsets[t]));
        examples_of[tokens[t]].push_back(t);
    }
    std::vector<std::vector<std::size_t>> equals;
    equals.reserve(tokens.size());
    for (std::vector<TokenId> const& one : tokens) { equals.push_back(examples_of[one]); }
    return equals;
}

/// Adds the texts of `view` that are known to be relevant to an example, or to one with an equal query, and are not its own one.
/// \param equals   [examples] of `equal_queries`
/// \param pair_of  [examples] pair of each example, or -1
/// \param first    row of the view's first text
inline void exclude_relevant(PackedView const& view, std::vector<std::vector<std::size_t>> const& equals,
                             std::span<std::int64_t const> pair_of, std::int64_t first, PairList& pairs) {
    std::unordered_map<std::int64_t, std::vector<std::int64_t>> places;   // of a text in the batch
    for (std::size_t t = 0; t < view.texts(); ++t) { places[view.text_ids[t]].push_back(static_cast<std::int64_t>(t)); }
    for (std::size_t e = 0; e < view.examples(); ++e) {
        if (pair_of[e] < 0) { continue; }
        std::vector<std::int64_t> relevant = view.relevant[e];
        for (std::size_t const equal : equals[e]) {
            for (std::int64_t const id : view.relevant[equal]) {
                if (std::ranges::find(relevant, id) == relevant.end()) { relevant.push_back(id); }
            }
        }
        for (std::int64_t const id : relevant) {
            auto const found = places.find(id);
            if (found == places.end()) { continue; }
            for (std::int64_t const text : found->second) {
                if (text != view.first_text(e)) { pairs.excluded.insert(pairs.excluded.end(), {pair_of[e], first + text}); }
            }
        }
    }
}

/// Adds the negatives of an example that a teacher finds too near to its positive. Where no other text is a candidate, the one that the
/// teacher scores lowest stays, since a softmax over the positive alone would be 0 for any model.
/// \param first  row of the view's first text
/// Throws InputError where the view has no scores.
inline void exclude_by_teacher(PackedView const& view, std::size_t example, std::int64_t pair, PairRules const& rules,
                               std::int64_t first, PairList& pairs) {
    if (view.scores.size() != view.texts()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a teacher's scores of the texts, by which negatives are masked",
                                    .found = "none",
                                    .hint = "Give --teacher-scores FILE, or mask by score."});
    }
    auto const own = static_cast<std::size_t>(view.first_text(example));
    auto const end = own + static_cast<std::size_t>(view.texts_of(example));
    double const positive = static_cast<double>(view.scores[own]);
    if (std::isnan(positive)) { return; }   // nothing to compare with
    double const limit = positive - rules.margin * (is_relative(rules.mask) ? std::abs(positive) : 1);
    std::vector<std::size_t> near;
    for (std::size_t t = own + 1; t < end; ++t) {
        if (static_cast<double>(view.scores[t]) >= limit) { near.push_back(t); }   // false for NaN
    }
    bool const all = rules.candidates == CandidateScope::own_group && near.size() + 1 == end - own;
    if (all && !near.empty()) {
        near.erase(std::ranges::min_element(near, {}, [&](std::size_t t) { return view.scores[t]; }));
    }
    for (std::size_t const t : near) {
        pairs.excluded.insert(pairs.excluded.end(), {pair, first + static_cast<std::int64_t>(t)});
    }
}

/// Adds what the groups of pass 1 say: relevant texts, own negatives, and, where no other texts count, where a group begins and
/// ends.
inline void add_groups(PackedView const& queries, PackedView const& view, PairRules const& rules, PairList& pairs) {
    auto const first = static_cast<std::int64_t>(queries.texts());
    std::vector<std::int64_t> pair_of(view.examples(), -1);   // an example without a pair is no anchor
    for (std::size_t p = 0; p < pairs.size(); ++p) {
        pair_of[static_cast<std::size_t>(pairs.rows[2 * p])] = static_cast<std::int64_t>(p);
    }
    if (rules.mask_false_negatives && !view.relevant.empty()) {
        exclude_relevant(view, equal_queries(queries), pair_of, first, pairs);
    }
    for (std::size_t e = 0; e < view.examples(); ++e) {
        if (pair_of[e] < 0) { continue; }
        std::int64_t const own = first + view.first_text(e);
        std::int64_t const end = own + view.texts_of(e);
        if (is_by_teacher(rules.mask)) { exclude_by_teacher(view, e, pair_of[e], rules, first, pairs); }
        if (rules.candidates == CandidateScope::own_group) { pairs.spans.insert(pairs.spans.end(), {own, end}); }
        if (!rules.own_negatives) { continue; }
        for (std::int64_t row = own + 1; row < end; ++row) {
            pairs.own_negatives.insert(pairs.own_negatives.end(), {pair_of[e], row});
        }
    }
}

}  // namespace detail

/// Example b's text in pass 0 and its own text in pass 1, of all examples that have both; and the texts that are absent.
/// \param views  [passes] what each pass reads; the first one has one text per example
inline PairList present_pairs(std::span<PackedView const* const> views) {
    PairList pairs;
    std::int64_t first = 0;
    for (PackedView const* const view : views) {
        for (std::size_t t = 0; t < view->texts(); ++t) {
            if (view->is_empty(t)) { pairs.absent.push_back(first + static_cast<std::int64_t>(t)); }
        }
        first += static_cast<std::int64_t>(view->texts());
    }
    std::size_t const texts = views[0]->texts();
    for (std::size_t b = 0; b < texts; ++b) {
        std::int64_t const own = views[1]->first_text(b);
        if (!views[0]->is_empty(b) && !views[1]->is_empty(static_cast<std::size_t>(own))) {
            pairs.rows.insert(pairs.rows.end(), {static_cast<std::int64_t>(b), static_cast<std::int64_t>(texts) + own});
        }
    }
    return pairs;
}

/// The same with all that a contrast within the batch needs. Of other passes with a single text, as the last batch of an epoch may
/// be, there is no pair: it has no negative.
inline PairList batch_pairs(std::span<PackedView const* const> views, PairRules const& rules = {}) {
    std::size_t candidates = 0;
    for (PackedView const* const view : views.subspan(1)) { candidates += view->texts(); }
    if (rules.candidates == CandidateScope::other_passes && candidates < 2) { return {}; }
    PairList pairs = present_pairs(views);
    auto const texts = static_cast<std::int64_t>(views[0]->texts());
    if (rules.candidates == CandidateScope::all_rows) {
        std::size_t const forward = pairs.rows.size();
        for (std::size_t i = 0; i < forward; i += 2) { pairs.rows.insert(pairs.rows.end(), {pairs.rows[i + 1], pairs.rows[i]}); }
        for (std::size_t p = 0; p < pairs.size(); ++p) {   // itself
            pairs.excluded.insert(pairs.excluded.end(), {static_cast<std::int64_t>(p), pairs.rows[2 * p]});
        }
    } else {
        detail::add_groups(*views[0], *views[1], rules, pairs);
    }
    if (rules.own_negatives && views.size() > 2) {
        std::int64_t const third = texts + static_cast<std::int64_t>(views[1]->texts());
        for (std::size_t p = 0; p < pairs.size(); ++p) {
            pairs.own_negatives.insert(pairs.own_negatives.end(),
                                       {static_cast<std::int64_t>(p), third + pairs.rows[2 * p] % texts});
        }
    }
    return pairs;
}

}  // namespace bmae
