// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Pairs of query and document by their ids, with or without a score: mined negatives and the scores of a teacher.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/run_line.hpp>
#include <bmae/corpus/training_json.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The purpose of a file of pairs.
enum class PairPurpose {
    negatives,   ///< a TREC run of 6 columns, 2 columns: query, document, or JSON Lines: qid, neg
    scores,      ///< a TREC run, 3 columns: query, document, score, or JSON Lines: query_id, docid, score
};

/// One line of such a file. Views are valid until the next one is read.
struct ScoredPair {
    std::string_view query = {};
    std::string_view document = {};
    float score = std::numeric_limits<float>::quiet_NaN();   ///< NaN where the format has none
};

/// Reads mined negatives or scores, plain or gzip; blank lines are skipped. The first line determines the layout.
///
/// `neg` is a list of ids or, as Sentence Transformers publishes mined negatives, an object of such lists by the system that found
/// them: then come the first of each list, the second of each, and so on.
class ScoredPairReader {
public:
    /// \throws InputError  where the file is missing, empty or of another layout
    ScoredPairReader(std::filesystem::path const& path, PairPurpose purpose, ReadOptions options = {});

    /// \throws InputError  on a malformed line where the policy is to refuse, and where the scores of all lines are ranks
    bool next(ScoredPair& pair);

    /// Whether the order of a query's documents is that of their scores, largest first, and not that of the lines.
    [[nodiscard]] bool is_run() const noexcept { return layout_ == Layout::trec; }
    /// The layout as readable text.
    [[nodiscard]] std::string_view layout() const noexcept;
    [[nodiscard]] std::filesystem::path const& path() const noexcept { return lines_.file(); }
    [[nodiscard]] std::size_t line() const noexcept { return lines_.line(); }
    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

    /// Throws a diagnostic about the line read last, or counts it where the policy is to skip.
    void fault(std::string expected, std::string found, std::string hint = {});

private:
    enum class Layout { trec, query_document, query_document_score, json };

    static bool is_blank(std::string_view line) { return line.find_first_not_of(" \t") == std::string_view::npos; }

    void recognize();

    bool parse_columns(std::string_view line, ScoredPair& pair);

    std::optional<nlohmann::json> parse_object(std::string_view line, char const* keys);
    bool take_query(nlohmann::json const& object);

    bool parse_json(std::string_view line, ScoredPair& pair);

    /// Adds the negatives of a line to `listed_`.
    void parse_lists(std::string_view line);

    /// Three columns are also the layout of MS MARCO's runs, whose third is a rank: lower is better.
    void watch_ranks(ScoredPair const& pair);
    void refuse_ranks() const;

    detail::RecordLines lines_;
    PairPurpose purpose_;
    Layout layout_ = Layout::trec;
    std::optional<std::string> pending_;   // the first line, read to detect the layout
    std::string first_;
    std::string query_;
    std::string document_;
    std::vector<std::string> listed_;   // documents of a line that holds several
    std::size_t next_listed_ = 0;
    std::string last_query_;
    float last_score_ = 0;
    bool only_ranks_ = true;
    bool has_second_ = false;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE ScoredPairReader::ScoredPairReader(std::filesystem::path const& path, PairPurpose purpose, ReadOptions options)
    : lines_(std::span(&path, 1), options), purpose_(purpose) {
    lines_.next_file();
    for (std::string_view line; lines_.next(line);) {
        if (is_blank(line)) { continue; }
        pending_ = line;
        recognize();
        return;
    }
    throw InputError(Diagnostic{.file = path.string(),
                                .expected = purpose == PairPurpose::negatives ? "hard negatives" : "scores of a teacher",
                                .found = "an empty file"});
}

BMAE_INLINE bool ScoredPairReader::next(ScoredPair& pair) {
    std::string_view line;
    while (true) {
        if (next_listed_ < listed_.size()) {
            pair = {.query = query_, .document = listed_[next_listed_++]};
            return true;
        }
        if (pending_) {
            first_ = std::move(*pending_);
            pending_.reset();
            line = first_;
        } else if (!lines_.next(line)) {
            refuse_ranks();
            return false;
        }
        if (is_blank(line)) { continue; }
        if (layout_ == Layout::json && purpose_ == PairPurpose::negatives) {
            parse_lists(line);
            continue;
        }
        bool const read = layout_ == Layout::json ? parse_json(line, pair) : parse_columns(line, pair);
        if (!read) { continue; }
        if (layout_ == Layout::query_document_score) { watch_ranks(pair); }
        return true;
    }
}

BMAE_INLINE std::string_view ScoredPairReader::layout() const noexcept {
    switch (layout_) {
        case Layout::trec:
            return "TREC run";
        case Layout::query_document:
            return "query, document";
        case Layout::query_document_score:
            return "query, document, score";
        case Layout::json:
            break;
    }
    return "JSON Lines";
}

BMAE_INLINE void ScoredPairReader::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
}

BMAE_INLINE void ScoredPairReader::recognize() {
    bool const scores = purpose_ == PairPurpose::scores;
    std::size_t const count = detail::split_blanks(*pending_).count;
    if (pending_->starts_with('{')) {
        layout_ = Layout::json;
    } else if (count >= 6) {
        layout_ = Layout::trec;
    } else if (count == (scores ? 3U : 2U)) {
        layout_ = scores ? Layout::query_document_score : Layout::query_document;
    } else {
        throw InputError(lines_.diagnostic(scores ? "3 columns (query, document, score), the 6 of a TREC run, or JSON Lines"
                                                  : "2 columns (query, document), the 6 of a TREC run, or JSON Lines",
                                           std::to_string(count) + " in " + detail::excerpt(*pending_),
                                           "Write one document per line."));
    }
}

BMAE_INLINE bool ScoredPairReader::parse_columns(std::string_view line, ScoredPair& pair) {
    if (layout_ == Layout::trec) {
        Diagnostic wrong;
        auto const hit = detail::parse_run_line(line, wrong);
        if (!hit) {
            fault(wrong.expected, wrong.found, wrong.hint);
            return false;
        }
        pair = {.query = hit->query, .document = hit->document, .score = static_cast<float>(hit->score)};
        return true;
    }
    detail::Columns const columns = detail::split_blanks(line);
    std::size_t const wanted = layout_ == Layout::query_document ? 2 : 3;
    if (columns.count != wanted) {
        fault(std::to_string(wanted) + " columns, as in the lines before",
              std::to_string(columns.count) + " in " + detail::excerpt(line), "Ids must not contain blanks.");
        return false;
    }
    pair = {.query = columns[0], .document = columns[1]};
    if (layout_ == Layout::query_document) { return true; }
    auto const score = detail::parse_score(columns[2]);
    if (!score) {
        fault("a finite score in column 3", detail::excerpt(columns[2]), "Omit lines without a score.");
        return false;
    }
    pair.score = static_cast<float>(*score);
    return true;
}

BMAE_INLINE std::optional<nlohmann::json> ScoredPairReader::parse_object(std::string_view line, char const* keys) {
    std::string found;
    auto object = detail::parse_object(line, found);
    if (!object) { fault("a JSON object", std::move(found), std::string("One object per line, with ") + keys + '.'); }
    return object;
}

BMAE_INLINE bool ScoredPairReader::take_query(nlohmann::json const& object) {
    return detail::take_id(detail::find_key(object, {"query_id", "qid", "query-id"}), query_);
}

BMAE_INLINE bool ScoredPairReader::parse_json(std::string_view line, ScoredPair& pair) {
    auto const object = parse_object(line, "query_id, docid and score");
    if (!object) { return false; }
    bool const ids = take_query(*object) &&
                     detail::take_id(detail::find_key(*object, {"docid", "doc_id", "pid", "corpus-id", "corpus_id"}), document_);
    nlohmann::json const* const score = detail::find_key(*object, {"score"});
    double const value = score != nullptr && score->is_number() ? score->get<double>() : std::nan("");
    if (!ids || !(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()))) {
        fault("query_id, docid and a finite score", detail::excerpt(line), "Omit lines without a score.");
        return false;
    }
    pair = {.query = query_, .document = document_, .score = static_cast<float>(value)};
    return true;
}

BMAE_INLINE void ScoredPairReader::parse_lists(std::string_view line) {
    listed_.clear();
    next_listed_ = 0;
    auto const object = parse_object(line, "qid and neg");
    if (!object) { return; }
    nlohmann::json const* const found = detail::find_key(*object, {"neg", "negatives"});
    if (take_query(*object) && found != nullptr && detail::take_ids(*found, listed_)) { return; }
    listed_.clear();
    fault("qid, and neg: a list of ids, or such lists by the system that found them", detail::excerpt(line));
}

BMAE_INLINE void ScoredPairReader::watch_ranks(ScoredPair const& pair) {
    bool const same = pair.query == last_query_;
    float const expected = same ? last_score_ + 1 : 1;
    only_ranks_ = only_ranks_ && pair.score == expected;
    has_second_ = has_second_ || same;
    if (!same) { last_query_ = pair.query; }
    last_score_ = pair.score;
}

BMAE_INLINE void ScoredPairReader::refuse_ranks() const {
    if (layout_ != Layout::query_document_score || !only_ranks_ || !has_second_) { return; }
    throw InputError(Diagnostic{.file = lines_.file().string(),
                                .expected = "scores in column 3, higher is better",
                                .found = "the ranks 1, 2, ... of every query",
                                .hint = "This is a run of MS MARCO: write the scores of the teacher in place of the ranks."});
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
