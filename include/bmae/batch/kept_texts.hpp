// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A packed view of some of its texts alone, and the choice of the texts of each group by their scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <bmae/batch/packed_batch.hpp>

namespace bmae {

/// The texts of these numbers alone, each in the group of its example; an example without one is left out. Its rows are packed anew, so
/// that it costs an encoder what its own texts cost.
/// \param texts  [n] ascending numbers of texts of `view`
inline PackedView only_texts(PackedView const& view, std::span<std::int64_t const> texts) {
    PackedView kept;
    kept.special = view.special;
    auto const append = [](auto& to, auto const& from, std::int64_t begin, std::int64_t end) {
        if (!from.empty()) { to.insert(to.end(), from.begin() + begin, from.begin() + end); }
    };
    for (std::int64_t const text : texts) {
        auto const t = static_cast<std::size_t>(text);
        std::int64_t const begin = view.offsets[t];
        std::int64_t const end = view.offsets[t + 1];
        append(kept.input_ids, view.input_ids, begin, end);
        append(kept.original_ids, view.original_ids, begin, end);
        append(kept.labels, view.labels, begin, end);
        append(kept.flags, view.flags, begin, end);
        append(kept.positions, view.positions, begin, end);
        append(kept.token_types, view.token_types, begin, end);
        append(kept.visibility, view.visibility, text, text + 1);
        append(kept.text_ids, view.text_ids, text, text + 1);
        append(kept.scores, view.scores, text, text + 1);
        kept.offsets.push_back(static_cast<std::int64_t>(kept.input_ids.size()));
    }
    if (!view.groups.empty()) { kept.groups.push_back(0); }
    std::size_t next = 0;   // of texts
    for (std::size_t e = 0; e < view.examples(); ++e) {
        std::size_t const first = next;
        std::int64_t const end = view.first_text(e) + view.texts_of(e);
        while (next < texts.size() && texts[next] < end) { ++next; }
        if (next == first) { continue; }
        if (!view.groups.empty()) { kept.groups.push_back(static_cast<std::int64_t>(next)); }
        if (!view.relevant.empty()) { kept.relevant.push_back(view.relevant[e]); }
    }
    return kept;
}

/// Numbers of the texts that are kept of each group: its positive, which comes first, and of the others the `keep - 1` that score
/// highest; of equal scores the first in the list. A score that is NaN counts as the highest, so that the loss shows it.
/// \param view    texts in groups; of a smaller group all are kept
/// \param scores  [B] of its texts; that of a positive is not read
/// \param keep    texts of a group, at least 1
/// \returns       ascending: the order of the list stays
inline std::vector<std::int64_t> highest_texts(PackedView const& view, std::span<float const> scores, std::size_t keep) {
    auto const comes_before = [&](std::int64_t one, std::int64_t other) {
        float const a = scores[static_cast<std::size_t>(one)];
        float const b = scores[static_cast<std::size_t>(other)];
        return std::isnan(a) != std::isnan(b) ? std::isnan(a) : a > b;
    };
    std::vector<std::int64_t> kept;
    std::vector<std::int64_t> negatives;
    for (std::size_t e = 0; e < view.examples(); ++e) {
        std::int64_t const positive = view.first_text(e);
        negatives.clear();
        for (std::int64_t text = positive + 1; text < positive + view.texts_of(e); ++text) { negatives.push_back(text); }
        std::ranges::stable_sort(negatives, comes_before);
        negatives.resize(std::min(negatives.size(), keep - 1));
        std::ranges::sort(negatives);
        kept.push_back(positive);
        kept.insert(kept.end(), negatives.begin(), negatives.end());
    }
    return kept;
}

}  // namespace bmae
