// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Builds a pair store from a BEIR folder, mined negatives and a teacher's scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/pair_store_build.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/corpus/scored_pairs.hpp>
#include <bmae/corpus/teacher_scores.hpp>
#include <bmae/corpus/training_row.hpp>
#include <bmae/corpus/training_rows.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Training data in BEIR's layout.
struct BeirPairs {
    std::filesystem::path folder;
    std::string split = "train";                              ///< whose judgments are trained on: grades above 0 are positives
    std::vector<std::filesystem::path> negatives = {};        ///< see PairPurpose; joined in this order
    std::vector<std::filesystem::path> teacher_scores = {};   ///< see PairPurpose; of a teacher each: a pair has their mean
    TeacherNormalization teacher_normalization = TeacherNormalization::none;
    /// Rows of ids in place of the judgments: MS MARCO's triples, dumps of hard negatives with `qid`, `pos` and `neg`. See TrainingRowReader.
    std::vector<std::filesystem::path> rows = {};
};

namespace detail {

/// Texts are streamed; ids, numbers and the queries of all splits stay in memory.
class BeirPairBuild : PairStoreBuild {
public:
    BeirPairBuild(PairStoreWriter& writer, EncodeText encode, PairStoreOptions options)
        : PairStoreBuild(writer, std::move(encode), std::move(options)) {}

    PairStoreReport run(BeirPairs const& input);

private:
    using Readers = std::vector<std::unique_ptr<ScoredPairReader>>;

    /// All files are opened first, so that errors are reported at once.
    Readers open(std::vector<std::filesystem::path> const& files, PairPurpose purpose, std::string const& what);

    /// Makes the queries, in the order of the judgments. \returns the judgments above 0 of them
    std::vector<JudgedPair> choose_queries(BeirFolder const& folder, std::filesystem::path const& qrels, JudgedPairs judged);

    /// The positives of rows of ids, as judgments; their negatives are kept for `add_row_negatives`.
    JudgedPairs read_rows(std::vector<std::filesystem::path> const& files);
    void add_row_negatives();

    struct Text {
        std::string id;
        std::vector<TokenId> tokens;
    };

    void read_corpus(std::filesystem::path const& file);

    void add_text(Text const& text);

    /// The index of a document's text; nothing where the corpus lacks it or it has no token.
    [[nodiscard]] std::optional<std::uint32_t> number_of(std::string_view document) const;

    /// Counts an unknown document, and names the first one of a file.
    void count_unknown(std::uint64_t& count, std::uint64_t& of_file, std::filesystem::path const& file, std::size_t line,
                       std::string_view document);

    void add_positives(std::filesystem::path const& qrels, std::vector<JudgedPair> const& judged);

    void add_negatives(ScoredPairReader& reader, std::string const& split);

    void add_scores(ScoredPairReader& reader);

    /// The means of the teachers; a pair that one of them lacks has no score, and is counted.
    void add_teachers(Readers const& readers, TeacherNormalization normalization);

    IdTable query_ids_;   // of `queries_`
    IdTable document_ids_;
    std::vector<std::uint32_t> numbers_;                               // [documents] of their texts
    std::vector<bool> has_equals_;                                     // [texts] of more than one document
    std::vector<std::pair<std::string, std::string>> row_negatives_;   // query, document
};

}  // namespace detail

/// Builds a pair store: queries in the order of their first judgment above 0, all texts of the corpus, which may serve as random
/// negatives. The negatives of a run are ordered by score, those of a list by line. The score of a pair is the mean of those of the
/// teachers; one that a teacher did not score has none, and is among `left_out` of the report.
/// \param output       new folder, which appears when it is complete
/// \throws InputError  naming file and line; RunError where a disk fails; whatever `options.progress` throws
template <Tokenizer T>
PairStoreReport build_pair_store(std::filesystem::path const& output, T const& tokenizer, BeirPairs const& input,
                                 PairStoreOptions const& options = {}) {
    PairStoreWriter writer(output, tokenizer);
    return detail::BeirPairBuild(writer, [&](std::string_view text) { return tokenizer.encode(text); }, options).run(input);
}

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE PairStoreReport BeirPairBuild::run(BeirPairs const& input) {
    if (options_.labels == PairLabels::similarity) {
        throw InputError(Diagnostic{.file = input.folder.string(),
                                    .expected = "files of two texts and how similar they are",
                                    .found = "a collection with judgments"});
    }
    BeirFolder const folder(input.folder);
    std::string const name = without_slash(input.folder).filename().string();
    report_.sources.push_back(name + ": BEIR folder" + (input.rows.empty() ? ", split " + input.split : ""));
    auto const negatives = open(input.negatives, PairPurpose::negatives, "negatives");
    bool const normalizes = input.teacher_normalization != TeacherNormalization::none;
    auto const scores =
        open(input.teacher_scores, PairPurpose::scores,
             "teacher scores" + (normalizes ? " as " + std::string(to_string(input.teacher_normalization)) : std::string()));
    std::filesystem::path const qrels = input.rows.empty() ? folder.qrels(input.split) : input.rows.front();
    JudgedPairs judged =
        input.rows.empty() ? read_judged_pairs(qrels, JudgmentLayout::recognized, options_.reading) : read_rows(input.rows);
    std::vector<JudgedPair> const positives = choose_queries(folder, qrels, std::move(judged));
    read_corpus(folder.corpus());
    add_positives(qrels, positives);
    add_row_negatives();
    for (auto const& reader : negatives) { add_negatives(*reader, input.split); }
    add_teachers(scores, input.teacher_normalization);
    return finish([&](std::size_t q) { return query_ids_[q]; });
}

BMAE_INLINE BeirPairBuild::Readers BeirPairBuild::open(std::vector<std::filesystem::path> const& files, PairPurpose purpose,
                                                       std::string const& what) {
    Readers readers;
    for (std::filesystem::path const& file : files) {
        readers.push_back(std::make_unique<ScoredPairReader>(file, purpose, options_.reading));
        report_.sources.push_back(file.filename().string() + ": " + what + ", " + std::string(readers.back()->layout()));
    }
    return readers;
}

BMAE_INLINE JudgedPairs BeirPairBuild::read_rows(std::vector<std::filesystem::path> const& files) {
    JudgedPairs judged;
    TrainingRowReader reader(files, options_.reading);
    for (TrainingRow row; reader.next(row);) {
        auto* const ids = std::get_if<IdRow>(&row);
        if (ids == nullptr) {
            throw InputError(Diagnostic{.file = reader.file().string(),
                                        .line = reader.line(),
                                        .expected = "rows of ids, whose texts are in the collection",
                                        .found = "a row of texts",
                                        .hint = "Such rows need no collection: leave it out."});
        }
        for (std::string& id : ids->positives) {
            judged.pairs.push_back({.query_id = ids->query_id, .document_id = std::move(id), .line = reader.line()});
        }
        for (std::string& id : ids->negatives) { row_negatives_.emplace_back(ids->query_id, std::move(id)); }
    }
    if (judged.pairs.empty()) {
        throw InputError(Diagnostic{.file = files.front().string(), .expected = "at least one row of ids", .found = "none"});
    }
    judged.report = reader.report();
    for (std::string const& layout : reader.layouts()) { report_.sources.push_back(layout); }
    return judged;
}

BMAE_INLINE void BeirPairBuild::add_row_negatives() {
    for (auto const& [query_id, document] : row_negatives_) {
        auto const query = query_ids_.find(query_id);
        auto const number = number_of(document);
        if (!query) {
            ++writer_.statistics().unknown_queries;
        } else if (!number) {
            ++writer_.statistics().unknown_negatives;
        } else {
            queries_[*query].add_negative(*number);
        }
    }
    row_negatives_ = {};
}

BMAE_INLINE std::vector<JudgedPair> BeirPairBuild::choose_queries(BeirFolder const& folder, std::filesystem::path const& qrels,
                                                                  JudgedPairs judged) {
    JsonlReader reader(folder.queries(), options_.reading);
    Records const all = read_all(reader);
    if (all.size() == 0) { throw no_record(folder.queries()); }
    add_report(reader.report());
    std::vector<std::size_t> records;
    std::erase_if(judged.pairs, [&](JudgedPair const& pair) {
        auto const record = all.find(pair.query_id);
        if (!record) {
            Diagnostic diagnostic = no_query_text(qrels, pair);
            if (options_.reading.malformed == MalformedLine::refuse) { throw InputError(std::move(diagnostic)); }
            judged.report.skip(diagnostic);
            return true;
        }
        if (pair.grade <= 0) {
            ++writer_.statistics().irrelevant_judgments;
            return true;
        }
        if (query_ids_.find(pair.query_id)) { return false; }
        if (options_.limit != 0 && query_ids_.size() == options_.limit) { return true; }
        query_ids_.add(pair.query_id);
        records.push_back(*record);
        return false;
    });
    add_report(judged.report);
    queries_.resize(records.size());
    parallel_for(records.size(), 256, options_.threads, [&](std::size_t begin, std::size_t end) {
        for (std::size_t q = begin; q < end; ++q) { queries_[q].tokens = encode_query(joined_text(all[records[q]])); }
    });
    return std::move(judged.pairs);
}

BMAE_INLINE void BeirPairBuild::read_corpus(std::filesystem::path const& file) {
    OrderedPipeline<std::vector<Record>, std::vector<Text>> pipeline(
        options_.threads, 0,
        [this](std::vector<Record>&& records) {
            std::vector<Text> texts;
            texts.reserve(records.size());
            for (Record& record : records) { texts.push_back({std::move(record.id), encode_text(joined_text(record))}); }
            return texts;
        },
        [this](std::vector<Text>&& texts) {
            for (Text const& text : texts) { add_text(text); }
            progress("texts", document_ids_.size());
        });
    JsonlReader reader(file, options_.reading);
    std::vector<Record> batch;
    std::size_t bytes = 0;
    for (Record record; reader.next(record);) {
        bytes += record.text.size();
        batch.push_back(std::exchange(record, {}));
        if (bytes < (std::size_t{64} << 10) && batch.size() < 256) { continue; }
        pipeline.push(std::exchange(batch, {}));
        bytes = 0;
    }
    pipeline.push(std::move(batch));
    pipeline.finish();
    if (document_ids_.size() == 0) { throw no_record(file); }
    add_report(reader.report());
}

BMAE_INLINE void BeirPairBuild::add_text(Text const& text) {
    if (document_ids_.add(text.id) != numbers_.size()) { return; }   // a duplicate id, where the reading options allow it
    std::uint32_t const number = writer_.add_text(text.id, text.tokens);
    numbers_.push_back(number);
    if (number == PairStoreWriter::no_text) { return; }
    if (number < has_equals_.size()) {
        has_equals_[number] = true;
    } else {
        has_equals_.push_back(false);
    }
}

BMAE_INLINE std::optional<std::uint32_t> BeirPairBuild::number_of(std::string_view document) const {
    auto const found = document_ids_.find(document);
    if (!found || numbers_[*found] == PairStoreWriter::no_text) { return std::nullopt; }
    return numbers_[*found];
}

BMAE_INLINE void BeirPairBuild::count_unknown(std::uint64_t& count, std::uint64_t& of_file, std::filesystem::path const& file,
                                              std::size_t line, std::string_view document) {
    ++count;
    if (++of_file != 1) { return; }
    report_.reading.warn(file.string() + ':' + std::to_string(line) + ": document " + excerpt(document) +
                         " is not in the corpus or has no token; others are only counted");
}

BMAE_INLINE void BeirPairBuild::add_positives(std::filesystem::path const& qrels, std::vector<JudgedPair> const& judged) {
    std::uint64_t unknown = 0;
    for (JudgedPair const& pair : judged) {
        if (auto const number = number_of(pair.document_id)) {
            queries_[*query_ids_.find(pair.query_id)].add_positive(*number);
        } else {
            count_unknown(writer_.statistics().unknown_positives, unknown, qrels, pair.line, pair.document_id);
        }
    }
}

BMAE_INLINE void BeirPairBuild::add_negatives(ScoredPairReader& reader, std::string const& split) {
    struct Candidate {
        std::uint32_t number;
        float score;
    };
    std::vector<std::vector<Candidate>> candidates(queries_.size());
    std::uint64_t lines = 0;
    std::uint64_t unknown = 0;
    bool found = false;
    for (ScoredPair pair; reader.next(pair);) {
        if (++lines % 65'536 == 0) { progress("negatives", lines); }
        auto const query = query_ids_.find(pair.query);
        auto const number = number_of(pair.document);
        if (!query) {   // a run may contain queries of all splits
            ++writer_.statistics().unknown_queries;
        } else if (!number) {
            count_unknown(writer_.statistics().unknown_negatives, unknown, reader.path(), reader.line(), pair.document);
        } else {
            candidates[*query].push_back({*number, pair.score});
            found = true;
        }
    }
    add_report(reader.report());
    if (!found) {
        throw InputError(Diagnostic{.file = reader.path().string(),
                                    .expected = "hard negatives of the training queries",
                                    .found = "none",
                                    .hint = "Search with --split " + split + "."});
    }
    for (std::size_t q = 0; q < queries_.size(); ++q) {
        if (reader.is_run()) {   // equal scores keep the order of the file
            std::stable_sort(candidates[q].begin(), candidates[q].end(),
                             [](Candidate const& a, Candidate const& b) { return a.score > b.score; });
        }
        for (Candidate const& candidate : candidates[q]) { queries_[q].add_negative(candidate.number); }
    }
}

BMAE_INLINE void BeirPairBuild::add_scores(ScoredPairReader& reader) {
    PairStoreStatistics& counts = writer_.statistics();
    std::uint64_t lines = 0;
    bool used = false;
    for (ScoredPair pair; reader.next(pair);) {
        if (++lines % 65'536 == 0) { progress("scores", lines); }
        auto const query = query_ids_.find(pair.query);
        auto const number = number_of(pair.document);
        float* const score = query && number ? queries_[*query].score_of(*number) : nullptr;
        if (score == nullptr) {
            ++counts.unused_scores;
        } else if (std::isnan(*score) || *score == pair.score) {
            *score = pair.score;
            used = true;
        } else if (has_equals_[*number]) {   // perhaps the score of another document with the same tokens: the first counts
            ++counts.unused_scores;
        } else {
            reader.fault("one score of a document for a query",
                         "document " + excerpt(pair.document) + " for query " + excerpt(pair.query) + ": " +
                             std::to_string(pair.score) + " here and " + std::to_string(*score) + " before",
                         "Remove one of the two.");
        }
    }
    add_report(reader.report());
    if (!used) {
        throw InputError(Diagnostic{.file = reader.path().string(),
                                    .expected = "scores of positives or negatives of the training queries",
                                    .found = "none",
                                    .hint = "Check that the ids are those of this collection."});
    }
}

BMAE_INLINE void BeirPairBuild::add_teachers(Readers const& readers, TeacherNormalization normalization) {
    if (readers.size() < 2 && normalization == TeacherNormalization::none) {
        for (auto const& reader : readers) { add_scores(*reader); }
        return;
    }
    TeacherMean mean(normalization);
    for (auto const& reader : readers) {
        add_scores(*reader);
        mean.take(queries_);
    }
    std::uint64_t unscored = 0;
    std::string first;
    std::uint64_t const whole = mean.give(queries_, [&](std::size_t query, std::uint32_t text) {
        if (++unscored != 1) { return; }
        for (std::size_t d = 0; d < numbers_.size() && first.empty(); ++d) {
            if (numbers_[d] == text) {
                first = "document " + excerpt(document_ids_[d]) + " for query " + excerpt(query_ids_[query]);
            }
        }
    });
    if (unscored == 0) { return; }
    if (whole == 0) {
        throw InputError(Diagnostic{.file = readers.front()->path().string(),
                                    .expected = "pairs that all " + std::to_string(readers.size()) + " teachers scored",
                                    .found = "none of " + std::to_string(unscored) + ", the first is " + first,
                                    .hint = "Each file is a teacher of its own: join files of one teacher beforehand."});
    }
    report_.reading.left_out["pairs that one of several teachers did not score"] += unscored;
    report_.reading.warn(first + " has no score of one of the " + std::to_string(readers.size()) +
                         " teachers, and so no mean; others are only counted");
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
