// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Writes pair stores from token ids. corpus/beir_pairs.hpp and corpus/line_pairs.hpp build them from
/// files.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/pair_store_format.hpp>
#include <bmae/text/store_files.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// A training query whose texts are numbers returned by `PairStoreWriter::add_text`.
struct PairQuery {
    std::string id;
    std::vector<TokenId> tokens = {};            ///< content ids
    std::vector<std::uint32_t> positives = {};   ///< relevant texts
    std::vector<std::uint32_t> negatives = {};   ///< hard negatives, the hardest first
    std::vector<float> positive_scores = {};     ///< teacher's scores of `positives`; NaN: not scored; empty: no teacher
    std::vector<float> negative_scores = {};     ///< likewise, of `negatives`
    std::uint32_t source = 0;                    ///< number of the input that it is of, where sources are kept
};

/// Writes a pair store: texts and queries in any order, but a text before its queries. Texts are written immediately,
/// and about 30 bytes of each are kept in memory. The folder appears only on `finish`.
class PairStoreWriter {
public:
    /// The result of `add_text` for a text without tokens, which is not stored.
    static constexpr std::uint32_t no_text = std::numeric_limits<std::uint32_t>::max();

    /// \param tokenizer    of the ids
    /// \throws InputError  where the folder is not empty or cannot be written
    template <Tokenizer T>
    PairStoreWriter(std::filesystem::path const& folder, T const& tokenizer)
        : PairStoreWriter(folder, tokenizer.traits(), tokenizer_fingerprint(tokenizer)) {
        manifest_.tokenizer_kind = tokenizer_kind(tokenizer);
    }

    /// The same without the tokenizer.
    /// \param fingerprint  of it: see tokenizer_fingerprint
    PairStoreWriter(std::filesystem::path const& folder, TokenTraits traits, std::uint64_t fingerprint);

    /// The number of a new text, or of an earlier one with the same tokens; `no_text` where it has none.
    /// \throws InputError  where an id is outside the vocabulary, or for more than 2^32 - 1 texts
    std::uint32_t add_text(std::string_view id, std::span<TokenId const> tokens);

    /// Skipped and counted are: a duplicate text of this query, a negative that is also a positive, and the query itself
    /// where it has no token or no positive.
    /// \throws InputError  where a number is that of no text, an id is outside the vocabulary, the scores are not as many as the
    ///                     texts, or one is infinite
    void add(PairQuery const& query);

    /// Sets the readable description of the sources.
    void source(std::string text) { manifest_.source = std::move(text); }
    /// Sets what stands before every query and before every text; the caller has tokenized it with them.
    void prompts(std::string query, std::string document) {
        manifest_.query_prompt = std::move(query);
        manifest_.document_prompt = std::move(document);
    }

    /// The store keeps which source each query is of. To be called before the first query.
    void keep_sources() {
        if (!std::exchange(manifest_.keeps_sources, true)) { files_.create("query_sources"); }
    }
    /// The scores of the positives say how similar query and text are.
    void labels(PairLabels labels) { manifest_.labels = labels; }

    [[nodiscard]] PairStoreStatistics const& statistics() const noexcept { return manifest_.statistics; }
    /// The counts, for readers that skip data.
    [[nodiscard]] PairStoreStatistics& statistics() noexcept { return manifest_.statistics; }
    [[nodiscard]] TokenTraits const& traits() const noexcept { return traits_; }

    /// Completes and renames the store. \throws InputError where it has no query
    PairStoreStatistics finish();

private:
    enum class Side : std::uint32_t { positive, negative };

    // ---- equal texts: an open-addressing table over the hashes; a text of the same hash is read back and compared ----------

    /// The slot of these tokens: it holds the number + 1 of the text, or 0 where the text is new and belongs there.
    std::size_t find_slot(std::uint64_t hash, std::span<TokenId const> tokens);
    bool has_tokens(std::size_t number, std::span<TokenId const> tokens);
    void grow();

    // ---- queries -----------------------------------------------------------------------------------------------------------

    /// Resets the texts of the previous query.
    void start_query();

    /// Writes the positives or the negatives of a query, each once.
    void write_side(std::span<std::uint32_t const> numbers, std::span<float const> scores, Side side);

    /// Where the next query starts, or after the last one the ends.
    void write_row();

    void count_unknown(std::span<TokenId const> tokens);

    // ---- checks ------------------------------------------------------------------------------------------------------------

    static InputError refuse(std::string const& what, std::string_view id, std::string expected, std::string found);

    void check_ids(std::string const& what, std::string_view id, std::span<TokenId const> tokens) const;

    void check(PairQuery const& query) const;

    TokenTraits traits_;
    detail::StoreFolderWriter files_;
    detail::pair_format::Manifest manifest_;
    std::vector<std::uint64_t> ends_;                                          // [texts] end of each text in tokens
    std::vector<std::uint64_t> hashes_;                                        // [texts]
    std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(1024, 0);   // power of two; number + 1, or 0 where free
    std::vector<std::uint32_t> seen_;                                          // [texts] stamp of the last query and side with it
    std::uint32_t stamp_ = 0;
    std::uint64_t text_id_bytes_ = 0;
    std::uint64_t query_id_bytes_ = 0;
    std::vector<TokenId> compared_;     // buffer of has_tokens
    std::vector<std::uint32_t> kept_;   // buffer of write_side
    std::vector<float> kept_scores_;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE PairStoreWriter::PairStoreWriter(std::filesystem::path const& folder, TokenTraits traits, std::uint64_t fingerprint)
    : traits_(std::move(traits)),
      files_(folder, {"texts", "text_ends", "text_ids", "text_id_ends", "queries", "query_rows", "query_ids", "positives",
                      "negatives", "positive_scores", "negative_scores"}) {
    manifest_.fingerprint = fingerprint;
    manifest_.vocabulary_size = traits_.size();
    manifest_.special = traits_.special();
}

BMAE_INLINE std::uint32_t PairStoreWriter::add_text(std::string_view id, std::span<TokenId const> tokens) {
    PairStoreStatistics& counts = manifest_.statistics;
    if (tokens.empty()) {
        ++counts.empty_texts;
        return no_text;
    }
    check_ids("text", id, tokens);
    std::uint64_t const hash = detail::xxh64(std::as_bytes(tokens));
    std::size_t const place = find_slot(hash, tokens);
    if (slots_[place] != 0) {
        ++counts.equal_texts;
        return slots_[place] - 1;
    }
    if (ends_.size() >= no_text) {
        throw InputError(Diagnostic{.file = files_.path().string(),
                                    .expected = "at most " + std::to_string(no_text) + " texts",
                                    .found = "one more",
                                    .hint = "Texts have numbers of 32 bits: split the collection."});
    }
    files_.put<TokenId>("texts", tokens);
    files_.put<char>("text_ids", id);
    counts.text_tokens += tokens.size();
    text_id_bytes_ += id.size();
    files_.put<std::uint64_t>("text_ends", {counts.text_tokens});
    files_.put<std::uint64_t>("text_id_ends", {text_id_bytes_});
    ends_.push_back(counts.text_tokens);
    hashes_.push_back(hash);
    slots_[place] = static_cast<std::uint32_t>(ends_.size());
    if (ends_.size() * 2 > slots_.size()) { grow(); }
    ++counts.texts;
    counts.longest_text = std::max<std::uint64_t>(counts.longest_text, tokens.size());
    count_unknown(tokens);
    return static_cast<std::uint32_t>(ends_.size() - 1);
}

BMAE_INLINE void PairStoreWriter::add(PairQuery const& query) {
    check(query);
    PairStoreStatistics& counts = manifest_.statistics;
    if (query.tokens.empty()) {
        ++counts.empty_queries;
        return;
    }
    if (query.positives.empty()) {
        ++counts.queries_without_positives;
        return;
    }
    write_row();
    ++counts.queries;
    start_query();
    std::uint64_t const scored = counts.scores;
    std::uint64_t const negatives = counts.negatives;
    write_side(query.positives, query.positive_scores, Side::positive);
    write_side(query.negatives, query.negative_scores, Side::negative);
    counts.queries_without_negatives += counts.negatives == negatives ? 1 : 0;
    counts.queries_with_scores += counts.scores == scored ? 0 : 1;
    files_.put<TokenId>("queries", query.tokens);
    files_.put<char>("query_ids", query.id);
    if (manifest_.keeps_sources) { files_.put<std::uint32_t>("query_sources", {&query.source, 1}); }
    counts.query_tokens += query.tokens.size();
    counts.longest_query = std::max<std::uint64_t>(counts.longest_query, query.tokens.size());
    query_id_bytes_ += query.id.size();
    count_unknown(query.tokens);
}

BMAE_INLINE PairStoreStatistics PairStoreWriter::finish() {
    PairStoreStatistics const& counts = manifest_.statistics;
    if (counts.queries == 0) {
        throw InputError(Diagnostic{.file = files_.path().string(),
                                    .expected = "at least one query with a token and a relevant text",
                                    .found = std::to_string(counts.queries_without_positives) +
                                             " queries without a relevant "
                                             "text and " +
                                             std::to_string(counts.empty_queries) + " empty ones",
                                    .hint = "Check the input files and their format."});
    }
    write_row();
    if (counts.scores == 0) {
        files_.drop("positive_scores");
        files_.drop("negative_scores");
    }
    files_.commit(manifest_, traits_, [&] { return detail::pair_format::to_text(manifest_); });
    return counts;
}

BMAE_INLINE std::size_t PairStoreWriter::find_slot(std::uint64_t hash, std::span<TokenId const> tokens) {
    std::size_t const mask = slots_.size() - 1;
    std::size_t place = hash & mask;
    while (slots_[place] != 0) {
        std::size_t const number = slots_[place] - 1;
        if (hashes_[number] == hash && has_tokens(number, tokens)) { break; }
        place = (place + 1) & mask;
    }
    return place;
}

BMAE_INLINE bool PairStoreWriter::has_tokens(std::size_t number, std::span<TokenId const> tokens) {
    std::uint64_t const begin = number == 0 ? 0 : ends_[number - 1];
    if (ends_[number] - begin != tokens.size()) { return false; }
    compared_.resize(tokens.size());
    files_.read_back("texts", begin * sizeof(TokenId), std::as_writable_bytes(std::span(compared_)));
    return std::equal(tokens.begin(), tokens.end(), compared_.begin());
}

BMAE_INLINE void PairStoreWriter::grow() {
    slots_.assign(slots_.size() * 2, 0);
    std::size_t const mask = slots_.size() - 1;
    for (std::size_t number = 0; number < hashes_.size(); ++number) {
        std::size_t place = hashes_[number] & mask;
        while (slots_[place] != 0) { place = (place + 1) & mask; }
        slots_[place] = static_cast<std::uint32_t>(number + 1);
    }
}

BMAE_INLINE void PairStoreWriter::start_query() {
    seen_.resize(ends_.size(), 0);
    if (stamp_ > std::numeric_limits<std::uint32_t>::max() - 4) {
        std::fill(seen_.begin(), seen_.end(), 0);
        stamp_ = 0;
    }
    stamp_ += 2;   // of its positives; of its negatives one more
}

BMAE_INLINE void PairStoreWriter::write_side(std::span<std::uint32_t const> numbers, std::span<float const> scores, Side side) {
    PairStoreStatistics& counts = manifest_.statistics;
    bool const positive = side == Side::positive;
    std::uint32_t const mark = stamp_ + static_cast<std::uint32_t>(side);
    kept_.clear();
    kept_scores_.clear();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        std::uint32_t const number = numbers[i];
        float const score = scores.empty() ? std::numeric_limits<float>::quiet_NaN() : scores[i];
        if (seen_[number] == mark) {
            ++(positive ? counts.repeated_positives : counts.repeated_negatives);
            float& first = kept_scores_[static_cast<std::size_t>(std::find(kept_.begin(), kept_.end(), number) - kept_.begin())];
            if (std::isnan(first)) { first = score; }
        } else if (seen_[number] == stamp_) {
            ++counts.relevant_negatives;
        } else {
            seen_[number] = mark;
            kept_.push_back(number);
            kept_scores_.push_back(score);
        }
    }
    files_.put<std::uint32_t>(positive ? "positives" : "negatives", kept_);
    files_.put<float>(positive ? "positive_scores" : "negative_scores", kept_scores_);
    (positive ? counts.positives : counts.negatives) += kept_.size();
    counts.scores += kept_.size() - static_cast<std::size_t>(std::count_if(kept_scores_.begin(), kept_scores_.end(),
                                                                           [](float score) { return std::isnan(score); }));
}

BMAE_INLINE void PairStoreWriter::write_row() {
    PairStoreStatistics const& counts = manifest_.statistics;
    files_.put<detail::pair_format::QueryRow>("query_rows",
                                              {{counts.query_tokens, counts.positives, counts.negatives, query_id_bytes_}});
}

BMAE_INLINE void PairStoreWriter::count_unknown(std::span<TokenId const> tokens) {
    auto const unknown = std::count(tokens.begin(), tokens.end(), traits_.special().unk);
    manifest_.statistics.unknown_tokens += static_cast<std::uint64_t>(unknown);
}

BMAE_INLINE InputError PairStoreWriter::refuse(std::string const& what, std::string_view id, std::string expected,
                                               std::string found) {
    return InputError(Diagnostic{.file = what + " '" + std::string(id) + "'",
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = "Check that ids are of this tokenizer and numbers of add_text."});
}

BMAE_INLINE void PairStoreWriter::check_ids(std::string const& what, std::string_view id, std::span<TokenId const> tokens) const {
    for (TokenId const token : tokens) {
        if (token < 0 || static_cast<std::size_t>(token) >= traits_.size()) {
            throw refuse(what, id, "token ids from 0 to " + std::to_string(traits_.size()), std::to_string(token));
        }
    }
}

BMAE_INLINE void PairStoreWriter::check(PairQuery const& query) const {
    check_ids("query", query.id, query.tokens);
    auto const check_side = [&](std::span<std::uint32_t const> numbers, std::span<float const> scores) {
        for (std::uint32_t const number : numbers) {
            if (number >= ends_.size()) {
                throw refuse("query", query.id, "numbers of texts below " + std::to_string(ends_.size()), std::to_string(number));
            }
        }
        if (!scores.empty() && scores.size() != numbers.size()) {
            throw refuse("query", query.id, std::to_string(numbers.size()) + " scores, one for each text",
                         std::to_string(scores.size()));
        }
        for (float const score : scores) {
            if (std::isinf(score)) { throw refuse("query", query.id, "finite scores, or NaN for none", "an infinite one"); }
        }
    };
    check_side(query.positives, query.positive_scores);
    check_side(query.negatives, query.negative_scores);
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
