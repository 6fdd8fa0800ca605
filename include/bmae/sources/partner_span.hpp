// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The second text of CoT-MAE's pairs: a span of the document that the passage belongs to.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/sources/sentences.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How the partner of a passage is chosen.
enum class PartnerKind {
    random,    ///< any other span of the document within `reach` spans of the passage, uniformly
    nearby,    ///< the span before or after
    overlap,   ///< the last sentences of the passage, uniformly one up to half of them, and the text after them
    mixed,     ///< one of the three, uniformly, drawn per example among those available
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 4> names_of(PartnerKind) noexcept { return {"random", "nearby", "overlap", "mixed"}; }
/// Names in reports.
constexpr std::string_view to_string(PartnerKind kind) noexcept { return names_of(kind)[static_cast<std::size_t>(kind)]; }

/// A span of whole sentences from the context of the passage (CoT-MAE, arXiv 2208.07670). The anchor of the pair is `Passage`.
///
/// All views of an example read the same partner, for training in both directions: a pass that reads `Passage` and predicts
/// `PartnerSpan`, and one that reads `PartnerSpan` and predicts `Passage`. Spans are cut like the passages of a token store,
/// before and after the passage, and never leave its document. Empty where the document has none: a passage that is a whole
/// document has no random or nearby partner, and no overlap either where it is one sentence.
struct PartnerSpan {
    static constexpr std::string_view name = "partner_span";
    static constexpr std::string_view shared_choice = "partner";
    static constexpr Needs needs = Needs::neighbors;

    PartnerKind kind = PartnerKind::mixed;
    std::size_t length = 126;   ///< tokens at most, without [CLS] and [SEP]; CoT-MAE: 126
    std::size_t reach = 100;    ///< spans on either side; `random` only

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("kind", kind, "how the partner is chosen");
        visit("length", length, "tokens at most, without [CLS] and [SEP]");
        visit("reach", reach, "spans on either side");
    }

    /// Throws InputError where `length` is 0 or the example lacks its document's sentences.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw, Draw shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        detail::require_sentences(example, "PartnerSpan");
        if (length == 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "PartnerSpan::length of at least 1",
                                        .found = "0",
                                        .hint = "CoT-MAE reads 126 tokens between [CLS] and [SEP]."});
        }
        if (example.passage.empty()) { return {}; }
        Draw choice = shared.fork(0x706172746e6572);   // "partner"
        std::array order = {PartnerKind::random, PartnerKind::nearby, PartnerKind::overlap};
        if (kind == PartnerKind::mixed) { choice.shuffle(std::span<PartnerKind>(order)); }
        for (PartnerKind const next : order) {
            if (kind != PartnerKind::mixed && next != kind) { continue; }
            detail::TokenRange const partner = find(next, example, choice);
            if (partner.size() != 0) { return detail::tokens_of(example, partner); }
        }
        return {};
    }

private:
    [[nodiscard]] detail::TokenRange find(PartnerKind which, Example const& example, Draw& choice) const {
        detail::TokenRange const passage = detail::passage_range(example);
        if (which == PartnerKind::overlap) { return overlap(example, passage, choice); }
        std::size_t const most = which == PartnerKind::nearby ? 1 : reach;
        std::vector<detail::TokenRange> spans = detail::spans_within(example, {0, passage.begin}, length);
        if (spans.size() > most) { spans.erase(spans.begin(), spans.end() - static_cast<std::ptrdiff_t>(most)); }
        auto const after = detail::spans_within(example, {passage.end, example.document.size()}, length);
        spans.insert(spans.end(), after.begin(), after.begin() + static_cast<std::ptrdiff_t>(std::min(most, after.size())));
        return spans.empty() ? detail::TokenRange{} : spans[choice.below(spans.size())];
    }

    [[nodiscard]] detail::TokenRange overlap(Example const& example, detail::TokenRange passage, Draw& choice) const {
        std::vector<detail::TokenRange> const inside = detail::sentences_within(example, passage);
        std::size_t const kept = inside.size() < 2 ? 0 : 1 + choice.below(inside.size() / 2);
        std::size_t const begin = kept == 0 ? passage.end : inside[inside.size() - kept].begin;
        return detail::span_from(example, {begin, example.document.size()}, length);
    }
};

static_assert(SharedTextSource<PartnerSpan>);

}  // namespace bmae
