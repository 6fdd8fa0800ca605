// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Rows of fine-tuning data in tables: pairs, triplets and labeled pairs of Sentence Transformers and MS MARCO, and triples of ids.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/corpus/training_row.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// What a column of a training table holds.
enum class TrainingColumn { query, positive, negative, label };

/// The column of a name in a header; nothing for an unknown one.
BMAE_INLINE std::optional<TrainingColumn> training_column(std::string_view name);

/// The columns of a header line: a query, a positive, and negatives or a label behind; nothing where a name is unknown or one of the first
/// two is missing.
BMAE_INLINE std::optional<std::vector<TrainingColumn>> training_header(std::vector<std::string> const& names);

/// The cells of a line, separated by tabs.
BMAE_INLINE std::vector<std::string> split_cells(std::string_view line);

/// Reads the rows of one table.
class TrainingTable {
public:
    explicit TrainingTable(RecordLines& lines) : lines_(lines) {}

    /// Takes the columns from the first row. True where it is a header.
    /// \param needs_header  of a table separated by commas, in which texts may stand unquoted
    /// \throws InputError  where they hold no training data
    bool start(std::vector<std::string> const& cells, bool needs_header);

    std::optional<TrainingRow> parse(std::vector<std::string> const& cells);

    /// "query, positive, negative, with a header"
    [[nodiscard]] std::string description() const;

private:
    std::nullopt_t fault(std::string expected, std::string found, std::string hint = {});

    RecordLines& lines_;
    std::vector<TrainingColumn> columns_ = {};
    bool of_ids_ = false;
    bool has_header_ = false;
};

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::optional<TrainingColumn> training_column(std::string_view name) {
    auto const is_one_of = [&](std::initializer_list<std::string_view> names) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (is_one_of({"query", "anchor", "question", "sentence1", "sent0", "sentence_A"})) { return TrainingColumn::query; }
    if (is_one_of({"positive", "pos", "passage", "answer", "sentence2", "sent1", "sentence_B"})) {
        return TrainingColumn::positive;
    }
    if (is_one_of({"negative", "neg", "hard_neg"})) { return TrainingColumn::negative; }
    constexpr std::string_view numbered = "negative_";
    if (name.starts_with(numbered) && is_whole_number(name.substr(numbered.size()))) { return TrainingColumn::negative; }
    if (is_one_of({"label", "score"})) { return TrainingColumn::label; }
    return std::nullopt;
}

BMAE_INLINE std::optional<std::vector<TrainingColumn>> training_header(std::vector<std::string> const& names) {
    std::vector<TrainingColumn> columns;
    for (std::string const& name : names) {
        auto const column = training_column(name);
        if (!column) { return std::nullopt; }
        columns.push_back(*column);
    }
    auto const count = [&](TrainingColumn column) { return std::count(columns.begin(), columns.end(), column); };
    bool const sound = count(TrainingColumn::query) == 1 && count(TrainingColumn::positive) == 1 &&
                       (count(TrainingColumn::label) == 0 || (count(TrainingColumn::label) == 1 && columns.size() == 3));
    return sound ? std::optional(std::move(columns)) : std::nullopt;
}

BMAE_INLINE std::vector<std::string> split_cells(std::string_view line) {
    std::vector<std::string> cells;
    for (std::size_t begin = 0;;) {
        std::size_t const end = line.find('\t', begin);
        cells.emplace_back(line.substr(begin, end - begin));
        if (end == std::string_view::npos) { return cells; }
        begin = end + 1;
    }
}

BMAE_INLINE bool TrainingTable::start(std::vector<std::string> const& cells, bool needs_header) {
    using enum TrainingColumn;
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        return InputError(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    };
    of_ids_ = false;
    auto header = training_header(cells);
    has_header_ = header.has_value();
    if (header) {
        columns_ = *std::move(header);
        return true;
    }
    std::string const shown = std::to_string(cells.size()) + " columns in " + excerpt(cells.empty() ? "" : cells[0]);
    if (needs_header || (cells.size() != 2 && cells.size() != 3)) {
        throw refuse(needs_header
                         ? "a JSON object or array, columns separated by tabs, or a header such as anchor,positive,negative"
                         : "a JSON object, or 2 or 3 columns separated by tabs: query, positive, negative",
                     shown, "One query with its texts per line.");
    }
    columns_ = {query, positive};
    bool const numbers =
        std::all_of(cells.begin(), cells.end(), [](std::string const& cell) { return parse_grade(cell).has_value(); });
    if (numbers && cells.size() == 2) {
        throw refuse("texts in the columns", "the ids " + excerpt(cells[0] + ' ' + cells[1]),
                     "Pairs of ids need the collection: write them as the qrels and negatives of a BEIR folder.");
    }
    of_ids_ = numbers;
    if (cells.size() == 3) { columns_.push_back(!numbers && parse_score(cells[2]) ? label : negative); }
    return false;
}

BMAE_INLINE std::optional<TrainingRow> TrainingTable::parse(std::vector<std::string> const& cells) {
    if (cells.size() != columns_.size()) {
        return fault(std::to_string(columns_.size()) + " columns, as in the first line", std::to_string(cells.size()),
                     "Texts must not contain tabs; those with commas are quoted in CSV.");
    }
    PairRow row;
    std::optional<double> label;
    IdRow ids;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        switch (columns_[i]) {
            case TrainingColumn::query:
                row.query = joined_text({}, cells[i]);
                ids.query_id = cells[i];
                break;
            case TrainingColumn::positive:
                row.positives.push_back({.text = joined_text({}, cells[i])});
                ids.positives = {cells[i]};
                break;
            case TrainingColumn::negative:
                row.negatives.push_back({.text = joined_text({}, cells[i])});
                ids.negatives.push_back(cells[i]);
                break;
            case TrainingColumn::label:
                label = parse_score(cells[i]);
                if (!label) { return fault("a finite number as label", excerpt(cells[i])); }
                break;
        }
    }
    if (of_ids_) {
        bool const sound =
            std::all_of(cells.begin(), cells.end(), [](std::string const& cell) { return parse_grade(cell).has_value(); });
        return sound ? std::optional<TrainingRow>(std::move(ids)) : fault("three ids, as in the first line", excerpt(cells[0]));
    }
    if (label) {
        return LabeledPair{
            .first = std::move(row.query), .second = std::move(row.positives[0].text), .label = static_cast<float>(*label)};
    }
    std::erase_if(row.negatives, [](PairText const& text) { return text.text.empty(); });   // a row with fewer than others
    return row;
}

BMAE_INLINE std::string TrainingTable::description() const {
    constexpr std::array<char const*, 4> names{"query", "positive", "negative", "label"};
    std::string text;
    for (TrainingColumn const column : columns_) {
        text += (text.empty() ? "" : ", ") + std::string(names[static_cast<std::size_t>(column)]);
    }
    return text + (of_ids_ ? " by their ids" : "") + (has_header_ ? ", with a header" : "");
}

BMAE_INLINE std::nullopt_t TrainingTable::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    return std::nullopt;
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
