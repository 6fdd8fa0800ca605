// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Builds a pair store from lines of queries with their texts: see PairLineReader for the formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/corpus/pair_lines.hpp>
#include <bmae/corpus/pair_store_build.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

namespace detail {

/// Texts are streamed; queries and indices stay in memory.
class LinePairBuild : PairStoreBuild {
public:
    LinePairBuild(PairStoreWriter& writer, EncodeText encode, PairStoreOptions options)
        : PairStoreBuild(writer, std::move(encode), std::move(options)) {}

    PairStoreReport run(std::span<std::filesystem::path const> inputs);

private:
    /// A line in the pipeline: its texts are tokenized.
    struct Item {
        std::uint32_t query = 0;      // its number
        std::string new_query = {};   // its text, at the first line that has it
        PairLine line = {};
        std::vector<TokenId> query_tokens = {};
        std::vector<std::vector<TokenId>> tokens = {};   // of positives, then of negatives
    };

    /// Finds or makes the query of a line, by its id or, where it has none, by its text; false where the line is skipped.
    bool number_query(PairLineReader& reader, PairLine const& line, std::uint32_t& number);

    void encode(Item& item) const;

    void add(Item& item);

    IdTable keys_;                              // of `queries_`
    std::vector<std::uint64_t> query_hashes_;   // [queries] of their texts
    std::vector<std::string> names_;            // [queries]
    std::size_t named_ = 0;
    std::uint64_t lines_ = 0;
};

}  // namespace detail

/// Builds a pair store: queries in the order of their first line. Lines with the same query are joined; a query without an id of
/// its own is identified by its text and named FILE:LINE.
/// \param output       new folder, which appears when all is done
/// \param inputs       files or folders; the first line of a file determines its format
/// \throws InputError  naming file and line; RunError where a disk fails; whatever `options.progress` throws
template <Tokenizer T>
PairStoreReport build_pair_store(std::filesystem::path const& output, T const& tokenizer,
                                 std::span<std::filesystem::path const> inputs, PairStoreOptions const& options = {}) {
    PairStoreWriter writer(output, tokenizer);
    return detail::LinePairBuild(writer, [&](std::string_view text) { return tokenizer.encode(text); }, options).run(inputs);
}

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE PairStoreReport LinePairBuild::run(std::span<std::filesystem::path const> inputs) {
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
    PairLineReader reader(inputs, options_.reading);
    std::vector<Item> batch;
    std::size_t bytes = 0;
    for (PairLine line; reader.next(line);) {
        Item item;
        if (!number_query(reader, line, item.query)) { continue; }
        if (names_.size() > named_) {
            named_ = names_.size();
            item.new_query = std::move(line.query);
        }
        item.line = std::move(line);
        for (auto const* texts : {&item.line.positives, &item.line.negatives}) {
            for (PairText const& text : *texts) { bytes += text.text.size(); }
        }
        batch.push_back(std::move(item));
        if (bytes < (std::size_t{64} << 10) && batch.size() < 256) { continue; }
        pipeline.push(std::exchange(batch, {}));
        bytes = 0;
    }
    pipeline.push(std::move(batch));
    pipeline.finish();
    if (reader.report().records == 0) {
        throw InputError(Diagnostic{.file = inputs.empty() ? std::string() : inputs.front().string(),
                                    .expected = "at least one line with a query and its texts",
                                    .found = "none",
                                    .hint = "Check that this is the right file."});
    }
    report_.sources = reader.layouts();
    add_report(reader.report());
    return finish([&](std::size_t q) { return names_[q]; });
}

BMAE_INLINE bool LinePairBuild::number_query(PairLineReader& reader, PairLine const& line, std::uint32_t& number) {
    if (line.query.empty()) {
        ++writer_.statistics().empty_queries;
        return false;
    }
    std::string const key = line.query_id.empty() ? "t" + line.query : "i" + line.query_id;
    std::uint64_t const text = xxh64(line.query);
    if (auto const known = keys_.find(key)) {
        number = *known;
        if (query_hashes_[number] != text) {
            return reader.fault("one text of the query with the id " + excerpt(line.query_id),
                                excerpt(line.query) + ", different from the first", "Give each query an id of its own.");
        }
        ++writer_.statistics().joined_lines;
        return true;
    }
    if (options_.limit != 0 && names_.size() == options_.limit) { return false; }
    number = keys_.add(key);
    query_hashes_.push_back(text);
    names_.push_back(line.query_id.empty() ? reader.file().filename().string() + ':' + std::to_string(line.line) : line.query_id);
    return true;
}

BMAE_INLINE void LinePairBuild::encode(Item& item) const {
    if (!item.new_query.empty()) { item.query_tokens = encode_(item.new_query); }
    for (auto* const texts : {&item.line.positives, &item.line.negatives}) {
        for (PairText& text : *texts) { item.tokens.push_back(encode_(std::exchange(text.text, {}))); }
    }
}

BMAE_INLINE void LinePairBuild::add(Item& item) {
    if (item.query >= queries_.size()) { queries_.resize(item.query + std::size_t{1}); }
    CollectedQuery& query = queries_[item.query];
    if (!item.query_tokens.empty()) { query.tokens = std::move(item.query_tokens); }
    PairLine const& line = item.line;
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
