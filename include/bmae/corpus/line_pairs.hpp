// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Builds a pair store from rows of queries with their texts: see TrainingRowReader for the formats.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/corpus/pair_store_build.hpp>
#include <bmae/corpus/training_row.hpp>
#include <bmae/corpus/training_rows.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// A file or folder of training rows among several.
struct TrainingFile {
    std::filesystem::path path;
    /// How often a query of the file stands in an epoch: 2 is twice; of a fraction so many of the queries, the same in every epoch.
    double weight = 1;
};

namespace detail {

/// How often a query is trained on per epoch: the whole part of the weight, and once more for a share of the queries as large as the rest.
BMAE_INLINE std::uint64_t times_of(std::string_view query, double weight);

/// The query with texts that a row is. Of a labeled pair the second text is relevant (1) or a negative (0); with similarities it is the
/// one text of the first, whose score is the label. False where the row is skipped.
/// \throws InputError  for rows of ids, and for other labels, or with similarities for rows without one, where the policy is to refuse
BMAE_INLINE bool take_pair(TrainingRowReader& reader, TrainingRow&& row, PairRow& pair,
                           PairLabels labels = PairLabels::relevance);

/// Texts are streamed; queries and indices stay in memory.
class LinePairBuild : PairStoreBuild {
public:
    LinePairBuild(PairStoreWriter& writer, EncodeText encode, PairStoreOptions options)
        : PairStoreBuild(writer, std::move(encode), std::move(options)) {}

    PairStoreReport run(std::span<TrainingFile const> inputs);

private:
    /// A row in the pipeline: its texts are tokenized.
    struct Item {
        std::uint32_t query = 0;      // its number
        std::uint32_t source = 0;     // number of its input
        std::string new_query = {};   // prompt and text, at the first row that has them
        PairRow row = {};
        std::vector<TokenId> query_tokens = {};
        std::vector<std::vector<TokenId>> tokens = {};   // of positives, then of negatives
    };

    /// Finds or makes the query of a row, by its id or, where it has none, by its text; false where the row is skipped.
    bool number_query(TrainingRowReader& reader, PairRow const& row, std::uint32_t& number);

    /// The number of a query that is not known yet.
    std::uint32_t add_query(TrainingRowReader& reader, PairRow const& row, std::string const& key);

    void encode(Item& item) const;

    void add(Item& item);

    IdTable keys_;                       // of `queries_`
    std::string source_;                 // begins the keys of a file with a weight, so that equal queries of others stand apart
    std::vector<std::uint64_t> times_;   // [queries]
    std::vector<std::uint64_t> query_hashes_;   // [queries] of their texts
    std::vector<std::string> names_;            // [queries]
    std::size_t named_ = 0;
    std::uint64_t lines_ = 0;
};

}  // namespace detail

/// Builds a pair store: queries in the order of their first row. Rows with the same query are joined; a query without an id of
/// its own is identified by its text and named FILE:LINE. Of labeled pairs the second text is relevant where the label is 1, a negative
/// where it is 0; other labels are malformed. Rows of ids are refused: see `BeirPairs::rows`.
///
/// With `PairStoreOptions::labels` of similarity each labeled pair is a query of its own, whatever finite number its label is; rows without
/// a label are malformed.
///
/// Files with weights are sources of their own, and all files are where sources are kept: equal queries of two of them are not joined, and
/// each stands in the store as often as its weight says.
/// \param output       new folder, which appears when all is done
/// \param inputs       files or folders; the first line of a file determines its format
/// \throws InputError  naming file and line; RunError where a disk fails; whatever `options.progress` throws
template <Tokenizer T>
PairStoreReport build_pair_store(std::filesystem::path const& output, T const& tokenizer, std::span<TrainingFile const> inputs,
                                 PairStoreOptions const& options = {}) {
    PairStoreWriter writer(output, tokenizer);
    return detail::LinePairBuild(writer, [&](std::string_view text) { return tokenizer.encode(text); }, options).run(inputs);
}
template <Tokenizer T>
PairStoreReport build_pair_store(std::filesystem::path const& output, T const& tokenizer,
                                 std::span<std::filesystem::path const> inputs, PairStoreOptions const& options = {}) {
    std::vector<TrainingFile> files;
    for (std::filesystem::path const& path : inputs) { files.push_back({.path = path}); }
    return build_pair_store(output, tokenizer, std::span<TrainingFile const>(files), options);
}

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::uint64_t times_of(std::string_view query, double weight) {
    auto const whole = static_cast<std::uint64_t>(weight);
    double const place = static_cast<double>(mix64(xxh64(query)) >> 11) * 0x1p-53;   // in [0, 1)
    return whole + (place < weight - static_cast<double>(whole) ? 1 : 0);
}

BMAE_INLINE PairStoreReport LinePairBuild::run(std::span<TrainingFile const> inputs) {
    OrderedPipeline<std::vector<Item>, std::vector<Item>> pipeline(
        options_.threads, 0,
        [this](std::vector<Item>&& items) {
            for (Item& item : items) { encode(item); }
            return std::move(items);
        },
        [this](std::vector<Item>&& items) {
            for (Item& item : items) { add(item); }
            progress("lines", lines_ += items.size());
        });
    bool const weighted = std::any_of(inputs.begin(), inputs.end(), [](TrainingFile const& file) { return file.weight != 1; });
    std::vector<Item> batch;
    std::size_t bytes = 0;
    std::uint64_t rows = 0;
    for (TrainingFile const& file : inputs) {
        if (!(file.weight > 0 && file.weight <= 1000)) {
            throw InputError(Diagnostic{.file = file.path.string(),
                                        .expected = "a weight above 0, up to 1000",
                                        .found = std::to_string(file.weight),
                                        .hint = "Leave out a file that is not to be trained on."});
        }
        if (weighted || options_.keep_sources) { source_ = std::to_string(&file - inputs.data()) + '/'; }
        TrainingRowReader reader(std::span(&file.path, 1), options_.reading);
        for (TrainingRow row; reader.next(row);) {
            Item item{.source = static_cast<std::uint32_t>(&file - inputs.data())};
            if (!take_pair(reader, std::move(row), item.row, options_.labels) || !number_query(reader, item.row, item.query)) {
                continue;
            }
            if (!item.row.prompt.empty()) { ++report_.prompts[item.row.prompt]; }
            if (names_.size() > named_) {
                named_ = names_.size();
                item.new_query = item.row.prompt + item.row.query;
                times_.push_back(times_of(item.new_query, file.weight));
            }
            for (auto const* texts : {&item.row.positives, &item.row.negatives}) {
                for (PairText const& text : *texts) { bytes += text.text.size(); }
            }
            batch.push_back(std::move(item));
            if (bytes < (std::size_t{64} << 10) && batch.size() < 256) { continue; }
            pipeline.push(std::exchange(batch, {}));
            bytes = 0;
        }
        rows += reader.report().records;
        for (std::string const& layout : reader.layouts()) {
            report_.sources.push_back(layout + (weighted ? ", weight " + nlohmann::json(file.weight).dump() : ""));
        }
        add_report(reader.report());
    }
    pipeline.push(std::move(batch));
    pipeline.finish();
    if (rows == 0) {
        throw InputError(Diagnostic{.file = inputs.empty() ? std::string() : inputs.front().path.string(),
                                    .expected = "at least one row with a query and its texts",
                                    .found = "none",
                                    .hint = "Check that this is the right file."});
    }
    return finish([&](std::size_t q) { return names_[q]; }, [&](std::size_t q) { return times_[q]; });
}

BMAE_INLINE bool take_pair(TrainingRowReader& reader, TrainingRow&& row, PairRow& pair, PairLabels labels) {
    bool const similarities = labels == PairLabels::similarity;
    if (auto* const whole = std::get_if<PairRow>(&row)) {
        if (similarities) {
            return reader.fault("two texts and how similar they are", "a row without a label",
                                "Rows of relevant texts are for the other presets.");
        }
        pair = std::move(*whole);
        return true;
    }
    auto* const labeled = std::get_if<LabeledPair>(&row);
    if (labeled == nullptr) {
        throw InputError(Diagnostic{.file = reader.file().string(),
                                    .line = reader.line(),
                                    .expected = "texts in the rows",
                                    .found = "the ids of query and documents",
                                    .hint = "Name their collection, a BEIR folder, and this file as its rows."});
    }
    if (similarities) {
        pair = {.query = std::move(labeled->first)};
        pair.positives.push_back({.text = std::move(labeled->second)});
        pair.positive_scores = {labeled->label};
        return true;
    }
    if (labeled->label != 0 && labeled->label != 1) {
        return reader.fault(
            "a label of 0 or 1", std::to_string(labeled->label),
            "Similarities are for the preset scored-pairs; for others keep the pairs that mean the same, without a "
            "label.");
    }
    pair = {.query = std::move(labeled->first)};
    (labeled->label == 1 ? pair.positives : pair.negatives).push_back({.text = std::move(labeled->second)});
    return true;
}

BMAE_INLINE bool LinePairBuild::number_query(TrainingRowReader& reader, PairRow const& line, std::uint32_t& number) {
    if (line.query.empty()) {
        ++writer_.statistics().empty_queries;
        return false;
    }
    if (options_.labels == PairLabels::similarity) {   // each pair is a query: its name is unique
        if (options_.limit != 0 && names_.size() == options_.limit) { return false; }
        number = add_query(reader, line, source_ + 'p' + std::to_string(names_.size()));
        return true;
    }
    std::string const query = line.prompt + line.query;
    std::string const key = source_ + (line.query_id.empty() ? "t" + query : "i" + line.query_id);
    std::uint64_t const text = xxh64(query);
    if (auto const known = keys_.find(key)) {
        number = *known;
        if (query_hashes_[number] != text) {
            return reader.fault("one text of each query id",
                                excerpt(line.query) + " for the id " + excerpt(line.query_id) + ", different from the first",
                                "Give each query an id of its own.");
        }
        ++writer_.statistics().joined_lines;
        return true;
    }
    if (options_.limit != 0 && names_.size() == options_.limit) { return false; }
    number = add_query(reader, line, key);
    return true;
}

BMAE_INLINE std::uint32_t LinePairBuild::add_query(TrainingRowReader& reader, PairRow const& line, std::string const& key) {
    query_hashes_.push_back(xxh64(line.prompt + line.query));
    names_.push_back(line.query_id.empty() ? reader.file().filename().string() + ':' + std::to_string(reader.line())
                                           : line.query_id);
    return keys_.add(key);
}

BMAE_INLINE void LinePairBuild::encode(Item& item) const {
    if (!item.new_query.empty()) {   // a prompt of its own stands in place of the model's
        item.query_tokens = item.row.prompt.empty() ? encode_query(item.new_query) : encode_(item.new_query);
    }
    for (auto* const texts : {&item.row.positives, &item.row.negatives}) {
        for (PairText& text : *texts) {
            item.tokens.push_back(encode_text(text.joined()));
            text.text.clear();
        }
    }
}

BMAE_INLINE void LinePairBuild::add(Item& item) {
    if (item.query >= queries_.size()) { queries_.resize(item.query + std::size_t{1}); }
    CollectedQuery& query = queries_[item.query];
    query.source = item.source;
    if (!item.query_tokens.empty()) { query.tokens = std::move(item.query_tokens); }
    PairRow const& line = item.row;
    auto const score_at = [](std::vector<float> const& scores, std::size_t i) {
        return scores.empty() ? CollectedQuery::no_score : scores[i];
    };
    for (std::size_t i = 0; i < line.positives.size(); ++i) {
        query.add_positive(writer_.add_text(line.positives[i].id, item.tokens[i]), score_at(line.positive_scores, i));
    }
    for (std::size_t i = 0; i < line.negatives.size(); ++i) {
        query.add_negative(writer_.add_text(line.negatives[i].id, item.tokens[line.positives.size() + i]),
                           score_at(line.negative_scores, i));
    }
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
