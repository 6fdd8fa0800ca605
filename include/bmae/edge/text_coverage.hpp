// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Checks that a token store has the texts that a composition reads: refused where no document provides the text of a term.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/concepts/text_source.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/sources/title_and_body.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Looks for [SEP] in the first tokens only: a store of texts without titles is not read to its end.
BMAE_INLINE bool has_heading(TokenStore const& store, std::size_t document);

}  // namespace detail

/// How many documents of a store have what a source reads.
struct TextCoverage {
    std::uint64_t with = 0;
    std::uint64_t documents = 0;

    [[nodiscard]] double share() const noexcept;
    /// Below this share of the documents a run is warned, since the term is not trained on the others.
    static constexpr double least_share = .01;
};

/// Number of documents of `store` that satisfy `need`.
/// \param span   tokens of a span that the source cuts; two of them need a longer document
/// \param field  name of the field that the source reads
BMAE_INLINE TextCoverage text_coverage(TokenStore const& store, Needs need, std::size_t span = 0, std::string_view field = {});

namespace detail {

/// Description of the missing text, and how to make it.
BMAE_INLINE std::pair<std::string, std::string> need_in_words(Needs need, std::size_t span, std::string_view field);

}  // namespace detail

/// The variant of MASTER for a store that lacks the text `need`: without DOR (queries), GOR (continuations), both (POR) or NPR
/// (neighbors). Empty where `preset` is another one, or a variant that lacks a task already.
BMAE_INLINE std::string preset_without(TokenStore const& store, std::string_view preset, Needs need);

/// Refuses a store in which no document has the text that `reader` reads.
/// \param reader   readable name: "DOR (passes.0.terms.2.view, queries)"
/// \param instead  sentence of the hint about training without such texts; empty: none
/// \returns       a warning where less than one document in a hundred has it; else nothing
/// Throws InputError with a hint how to make such texts.
BMAE_INLINE std::string require_texts(TokenStore const& store, Needs need, std::string const& reader, std::size_t span = 0,
                                      std::string_view field = {}, std::string_view instead = {});

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE bool has_heading(TokenStore const& store, std::size_t document) {
    constexpr std::size_t longest_title = 512;
    std::span<TokenId const> const text = store.document_tokens(document);
    return heading_length(text.first(std::min(longest_title, text.size())), store.traits()) > 1;
}

BMAE_INLINE std::pair<std::string, std::string> need_in_words(Needs need, std::size_t span, std::string_view field) {
    std::string const reads = "bmae prepare --format jsonl reads what it wrote; --format master reads rows that have them.";
    switch (need) {
        case Needs::queries:
            return {"queries of the documents", "bmae generate writes them with a T5 model (doc2query), " + reads};
        case Needs::continuation:
            return {"continuations of the documents", "bmae generate writes them with a GPT-2 model, " + reads};
        case Needs::triplets:
            return {"contradictions of the documents",
                    "bmae prepare --format nli reads SNLI, MNLI and SimCSE's table of triplets. "
                    "Queries that were generated for a text do not contradict it."};
        case Needs::sentences:
            return {"documents of more than one sentence",
                    "Prepare whole paragraphs or articles: a single sentence has no positive. "
                    "For those there is --preset simcse-unsupervised."};
        case Needs::spans:
            return {"documents of more than " + std::to_string(span) + " tokens",
                    "Prepare longer texts, or lower --set span_tokens."};
        case Needs::field:
            return {"the field '" + std::string(field) + "' of the documents",
                    "bmae prepare --format jsonl --field " + std::string(field) + " reads it."};
        case Needs::title:
            return {"documents that begin with their title and [SEP]",
                    "bmae prepare --titles section puts them there; by default titles are joined to the texts, as part of them. "
                    "For such a store use the source Passage."};
        case Needs::neighbors:
            break;
    }
    return {"documents of more than one passage",
            "Prepare texts with document boundaries and a --max-length below theirs, or "
            "choose a preset whose name ends in -as-released."};
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE double TextCoverage::share() const noexcept {
    return documents == 0 ? 0 : static_cast<double>(with) / static_cast<double>(documents);
}

BMAE_INLINE TextCoverage text_coverage(TokenStore const& store, Needs need, std::size_t span, std::string_view field) {
    TextCoverage coverage{.documents = store.documents()};
    if (need == Needs::triplets && store.query_kind() != inference_queries) { return coverage; }
    auto const place = static_cast<std::size_t>(std::ranges::find(store.fields(), field) - store.fields().begin());
    if (need == Needs::field && place == store.fields().size()) { return coverage; }
    auto const there = [&](std::size_t document) {
        TokenStore::DocumentCounts const counts = store.counts_of(document);
        switch (need) {   // without a default: a need that is not handled here does not compile
            case Needs::queries:
                return counts.queries != 0;
            case Needs::triplets:
                return counts.queries > 1;
            case Needs::continuation:
                return counts.continuation_tokens != 0;
            case Needs::neighbors:
                return counts.passages > 1;
            case Needs::spans:
                return counts.tokens > span;
            case Needs::sentences:
                return counts.sentences > 1;
            case Needs::field:
                return !store.field_tokens(document, place).empty();
            case Needs::title:
                return detail::has_heading(store, document);
        }
        return false;
    };
    for (std::size_t d = 0; d < store.documents(); ++d) { coverage.with += there(d) ? 1 : 0; }
    return coverage;
}

BMAE_INLINE std::string preset_without(TokenStore const& store, std::string_view preset, Needs need) {
    if (preset != "master" && preset != "master-as-released") { return {}; }
    auto const lacks = [&](Needs kind) { return text_coverage(store, kind).with == 0; };
    std::string_view const released = preset == "master" ? "" : "-as-released";
    std::string task;
    if (need == Needs::neighbors) { task = "npr"; }
    if (need == Needs::queries) { task = lacks(Needs::continuation) ? "por" : "dor"; }
    if (need == Needs::continuation) { task = lacks(Needs::queries) ? "por" : "gor"; }
    return task.empty() ? std::string() : ("master-without-" + task).append(released);
}

BMAE_INLINE std::string require_texts(TokenStore const& store, Needs need, std::string const& reader, std::size_t span,
                                      std::string_view field, std::string_view instead) {
    TextCoverage const coverage = text_coverage(store, need, span, field);
    auto const [what, hint] = detail::need_in_words(need, span, field);
    std::string const all = std::to_string(coverage.documents);
    if (coverage.with == 0) {
        std::uint64_t const queries = store.statistics().queries;
        bool const unsaid = need == Needs::triplets && queries != 0 && store.query_kind() != inference_queries;
        throw InputError(Diagnostic{.file = store.path().string(),
                                    .expected = what + ", which " + reader + " reads",
                                    .found = unsaid ? std::to_string(queries) + " queries that may be questions"
                                                    : "none in " + all + (coverage.documents == 1 ? " document" : " documents"),
                                    .hint = instead.empty() ? hint : std::string(instead) + ' ' + hint});
    }
    if (coverage.share() >= TextCoverage::least_share) { return {}; }
    char percent[32];
    std::snprintf(percent, sizeof percent, "%.2g %%", 100 * coverage.share());
    return reader + " reads " + what + ": only " + std::to_string(coverage.with) + " of " + all + " (" + percent +
           "), and is not trained on the others";
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
