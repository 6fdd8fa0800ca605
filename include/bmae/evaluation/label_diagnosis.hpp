// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What is odd about judgments: labels that their texts contradict, and queries or documents that training and test share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/near_duplicates.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/evaluation/text_diagnosis.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae {

/// Judged pairs with one oddity, and the first of them.
struct CountedPairs {
    static constexpr std::size_t kept = 5;

    std::uint64_t count = 0;
    std::vector<std::pair<std::string, std::string>> first = {};   ///< ids of query and document

    void add(std::string_view query, std::string_view document) {
        if (++count <= kept) { first.emplace_back(query, document); }
    }
};

/// The judgments of one split. "Positive": a judgment of a grade above 0 whose two texts are there.
struct LabelDiagnosis {
    std::uint64_t judgments = 0;
    std::uint64_t queries = 0;   ///< judged
    std::uint64_t positives = 0;
    CountedTexts without_positive = {};      ///< judged queries
    CountedPairs without_document = {};      ///< judgments of documents that the corpus lacks
    CountedPairs without_common_term = {};   ///< positives whose texts share no term
    CountedPairs below_depth = {};           ///< positives that are not among the first hits of BM25
    CountedPairs below_nonrelevant = {};     ///< of these, with a hit that is judged not relevant
    CountedPairs contradicted = {};          ///< positives whose document has a copy that is judged not relevant
    CountedPairs unjudged_copies = {};       ///< copies of a relevant document without a judgment: false negatives of training
    std::uint64_t suspects = 0;              ///< positives without a common term, below a non-relevant one, or contradicted

    /// Share of the positives that their texts speak against: an estimate of label noise, and an upper one where queries and documents
    /// are written in different words by purpose.
    [[nodiscard]] double noise() const noexcept {
        return positives == 0 ? 0 : static_cast<double>(suspects) / static_cast<double>(positives);
    }
};

/// What two splits of judgments share. "Test query": a judged query of the second.
struct SplitOverlap {
    std::uint64_t train_queries = 0;
    std::uint64_t test_queries = 0;
    CountedTexts same_id = {};            ///< test queries that are judged in training, too
    CountedTexts same_text = {};          ///< test queries of another id with the words of a training query
    CountedTexts similar_text = {};       ///< test queries, none of the above, of which a training query has nearly all words
    CountedTexts same_pair = {};          ///< test queries whose words and relevant document training has together
    std::uint64_t test_documents = 0;     ///< relevant in the test
    std::uint64_t shared_documents = 0;   ///< of these, relevant in training, too
};

/// Which documents of a corpus have the same text. Every document is hashed: one object serves all splits of a collection.
class CopiesOfTexts {
public:
    explicit CopiesOfTexts(Records const& documents) {
        for (std::size_t d = 0; d < documents.size(); ++d) {
            keys_.push_back(detail::copy_key(joined_text(documents[d])));
            places_[keys_.back()].push_back(d);
        }
    }
    /// The places of the documents with the text of `document`, itself among them.
    [[nodiscard]] std::vector<std::size_t> const& of(std::size_t document) const { return places_.at(keys_[document]); }
    /// Whether a document has this text, title included.
    [[nodiscard]] bool contains(std::string_view text) const { return places_.contains(detail::copy_key(text)); }
    [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }   ///< documents

private:
    std::vector<std::uint64_t> keys_ = {};
    std::unordered_map<std::uint64_t, std::vector<std::size_t>> places_ = {};
};

namespace detail {

/// Sorted numbers of the distinct terms of a text.
inline std::vector<std::uint64_t> term_set(Analyzer const& analyzer, std::string_view text) {
    std::vector<std::uint64_t> terms;
    for (std::string const& term : analyzer(text)) { terms.push_back(xxh64(term)); }
    std::sort(terms.begin(), terms.end());
    terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
    return terms;
}

inline bool have_common_term(std::vector<std::uint64_t> const& a, std::vector<std::uint64_t> const& b) {
    for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
        if (*i == *j) { return true; }
        *i < *j ? ++i : ++j;
    }
    return false;
}

/// The judgments of one query by the place of their document.
using JudgedDocuments = std::unordered_map<std::size_t, std::int32_t>;

/// The judged queries in the order of the file.
inline std::vector<std::pair<std::string, JudgedDocuments>> group_by_query(Records const& documents,
                                                                           std::vector<JudgedPair> const& pairs,
                                                                           LabelDiagnosis& diagnosis) {
    std::vector<std::pair<std::string, JudgedDocuments>> groups;
    std::unordered_map<std::string, std::size_t> places;
    for (JudgedPair const& pair : pairs) {
        auto const [place, is_new] = places.try_emplace(pair.query_id, groups.size());
        if (is_new) { groups.emplace_back(pair.query_id, JudgedDocuments{}); }
        if (auto const document = documents.find(pair.document_id)) {
            groups[place->second].second.emplace(*document, pair.grade);
        } else {
            diagnosis.without_document.add(pair.query_id, pair.document_id);
        }
    }
    return groups;
}

/// Places of documents in ascending order, so that reports do not depend on hashing.
inline std::vector<std::size_t> sorted_places(JudgedDocuments const& judged) {
    std::vector<std::size_t> places;
    for (auto const& [place, grade] : judged) { places.push_back(place); }
    std::sort(places.begin(), places.end());
    return places;
}

}  // namespace detail

struct LabelDiagnosisOptions {
    std::size_t depth = 100;   ///< hits of BM25 among which a positive is looked for
    std::int32_t level = 1;    ///< the lowest grade of a positive
};

namespace detail {

/// Compares the judgments of one query after the other with the texts.
class LabelDiagnoser {
public:
    LabelDiagnoser(Records const& documents, CopiesOfTexts const& copies, Bm25Index const& bm25,
                   LabelDiagnosisOptions const& options, LabelDiagnosis& diagnosis)
        : documents_(documents), options_(options), copies_(copies), analyzer_(bm25.options().analyzer), diagnosis_(diagnosis) {}

    /// \param hits  of the query, from `run`
    void add(std::string const& id, std::string const& text, JudgedDocuments const& judged, Run const& run,
             std::span<Hit const> hits) {
        std::unordered_set<std::size_t> found;
        bool nonrelevant_found = false;
        for (Hit const& hit : hits) {
            std::size_t const document = *documents_.find(run.document(hit.document));
            found.insert(document);
            nonrelevant_found = nonrelevant_found || is_nonrelevant(judged, document);
        }
        auto const terms = term_set(analyzer_, text);
        bool any = false;
        for (std::size_t const document : sorted_places(judged)) {
            if (judged.at(document) < options_.level) { continue; }
            any = true;
            ++diagnosis_.positives;
            std::string const& name = documents_[document].id;
            bool const strange = !have_common_term(terms, term_set(analyzer_, joined_text(documents_[document])));
            bool const below = !found.contains(document);
            bool const contradicted = look_at_copies(id, document, judged);
            if (strange) { diagnosis_.without_common_term.add(id, name); }
            if (below) { diagnosis_.below_depth.add(id, name); }
            if (below && nonrelevant_found) { diagnosis_.below_nonrelevant.add(id, name); }
            if (contradicted) { diagnosis_.contradicted.add(id, name); }
            diagnosis_.suspects += strange || (below && nonrelevant_found) || contradicted ? 1U : 0U;
        }
        if (!any) { diagnosis_.without_positive.add(id); }
    }

private:
    [[nodiscard]] bool is_nonrelevant(JudgedDocuments const& judged, std::size_t document) const {
        auto const found = judged.find(document);
        return found != judged.end() && found->second < options_.level;
    }

    /// Whether a copy of a relevant document is judged not relevant; counts the copies without a judgment.
    bool look_at_copies(std::string const& id, std::size_t document, JudgedDocuments const& judged) {
        bool contradicted = false;
        for (std::size_t const copy : copies_.of(document)) {
            contradicted = contradicted || is_nonrelevant(judged, copy);
            if (!judged.contains(copy)) { diagnosis_.unjudged_copies.add(id, documents_[copy].id); }
        }
        return contradicted;
    }

    Records const& documents_;
    LabelDiagnosisOptions const& options_;
    CopiesOfTexts const& copies_;
    Analyzer analyzer_;
    LabelDiagnosis& diagnosis_;
};

}  // namespace detail

/// Compares the judgments of a split with the texts.
/// \param copies  of `documents`
/// \param bm25    over `documents`; its terms are those that texts share
/// \throws std::invalid_argument  for copies of another corpus
inline LabelDiagnosis diagnose_labels(Records const& documents, CopiesOfTexts const& copies, Records const& queries,
                                      std::vector<JudgedPair> const& pairs, Bm25Index const& bm25,
                                      LabelDiagnosisOptions const& options = {}) {
    if (copies.size() != documents.size()) { throw std::invalid_argument("diagnose_labels: copies of another corpus"); }
    LabelDiagnosis diagnosis{.judgments = pairs.size()};
    auto const groups = detail::group_by_query(documents, pairs, diagnosis);
    diagnosis.queries = groups.size();
    std::vector<std::string> texts;
    for (auto const& [id, judged] : groups) {
        auto const place = queries.find(id);
        texts.push_back(place ? joined_text(queries[*place]) : std::string());
    }
    Run const run = bm25.search(texts, options.depth);
    detail::LabelDiagnoser diagnoser(documents, copies, bm25, options, diagnosis);
    for (std::size_t q = 0; q < groups.size(); ++q) {
        diagnoser.add(groups[q].first, texts[q], groups[q].second, run, run.hits(q));
    }
    return diagnosis;
}

namespace detail {

/// The judged queries of a split: what their texts are made of, and what is relevant to them.
struct SplitQuery {
    std::string id;
    std::uint64_t words = 0;                 ///< hash of the words in their order; 0 without any
    std::optional<MinHash> signature = {};   ///< of the set of words
    std::unordered_set<std::string> relevant = {};
};

inline std::vector<SplitQuery> queries_of_split(Records const& queries, std::vector<JudgedPair> const& pairs) {
    Analyzer const analyzer({.stop_words = StopWords::none});
    std::vector<SplitQuery> split;
    std::unordered_map<std::string, std::size_t> places;
    for (JudgedPair const& pair : pairs) {
        auto const [place, is_new] = places.try_emplace(pair.query_id, split.size());
        if (is_new) {
            SplitQuery& query = split.emplace_back(SplitQuery{.id = pair.query_id});
            auto const found = queries.find(pair.query_id);
            auto const words = found ? word_hashes(analyzer, joined_text(queries[*found])) : std::vector<std::uint64_t>();
            if (!words.empty()) {
                query.words = xxh64(std::as_bytes(std::span(words)));
                query.signature.emplace(words);
            }
        }
        if (pair.grade > 0) { split[place->second].relevant.insert(pair.document_id); }
    }
    return split;
}

/// For each query of `test` whether a query of `train` has nearly all of its words.
inline std::vector<bool> similar_queries(std::vector<SplitQuery> const& train, std::vector<SplitQuery> const& test,
                                         double threshold) {
    NearDuplicates near(threshold);
    std::vector<std::size_t> origins;   // below train.size(): a training query
    auto const add = [&](std::vector<SplitQuery> const& split, std::size_t offset) {
        for (std::size_t i = 0; i < split.size(); ++i) {
            if (!split[i].signature) { continue; }
            near.add(*split[i].signature);
            origins.push_back(offset + i);
        }
    };
    add(train, 0);
    add(test, train.size());
    std::vector<bool> similar(test.size());
    for (DuplicateGroup const& group : near.groups()) {
        if (origins[group.members.front()] >= train.size()) { continue; }   // ascending: no training query among them
        for (std::uint32_t const member : group.members) {
            if (origins[member] >= train.size()) { similar[origins[member] - train.size()] = true; }
        }
    }
    return similar;
}

}  // namespace detail

/// Queries, pairs and relevant documents that two splits share.
/// \param threshold  least similarity of the sets of words of similar queries
inline SplitOverlap overlap_of_splits(Records const& queries, std::vector<JudgedPair> const& train_pairs,
                                      std::vector<JudgedPair> const& test_pairs, double threshold = .8) {
    auto const train = detail::queries_of_split(queries, train_pairs), test = detail::queries_of_split(queries, test_pairs);
    SplitOverlap overlap{.train_queries = train.size(), .test_queries = test.size()};
    std::unordered_set<std::string> ids, train_documents, test_documents;
    std::unordered_map<std::uint64_t, std::vector<std::size_t>> by_words;
    for (std::size_t i = 0; i < train.size(); ++i) {
        ids.insert(train[i].id);
        if (train[i].words != 0) { by_words[train[i].words].push_back(i); }
        train_documents.insert(train[i].relevant.begin(), train[i].relevant.end());
    }
    std::vector<bool> const similar = detail::similar_queries(train, test, threshold);
    for (std::size_t i = 0; i < test.size(); ++i) {
        test_documents.insert(test[i].relevant.begin(), test[i].relevant.end());
        auto const same = by_words.find(test[i].words);
        bool const has_same = test[i].words != 0 && same != by_words.end();
        if (ids.contains(test[i].id)) {
            overlap.same_id.add(test[i].id);
        } else if (has_same) {
            overlap.same_text.add(test[i].id);
        } else if (similar[i]) {
            overlap.similar_text.add(test[i].id);
        }
        bool const pair =
            has_same && std::any_of(same->second.begin(), same->second.end(), [&](std::size_t twin) {
                return std::any_of(test[i].relevant.begin(), test[i].relevant.end(),
                                   [&](std::string const& document) { return train[twin].relevant.contains(document); });
            });
        if (pair) { overlap.same_pair.add(test[i].id); }
    }
    overlap.test_documents = test_documents.size();
    for (std::string const& document : test_documents) {
        overlap.shared_documents += train_documents.contains(document) ? 1U : 0U;
    }
    return overlap;
}

}  // namespace bmae
