// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files of fine-tuning data in the formats of the field, read as one sequence of rows.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/csv.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/training_json.hpp>
#include <bmae/corpus/training_row.hpp>
#include <bmae/corpus/training_table.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Finds the objects of a JSON array that is read line by line, so that it may be larger than memory.
class JsonArraySplitter {
public:
    /// The text of the next object that ends on this line; what was read is taken off `line`. Nothing where the line ends before.
    std::optional<std::string> next(std::string_view& line);

    [[nodiscard]] bool is_finished() const noexcept { return is_finished_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return object_.size(); }   ///< of the unfinished object
    /// Whether something stood between the objects since the last call: a number, a text.
    bool take_stray() noexcept { return std::exchange(stray_, false); }

private:
    std::string object_;
    bool stray_ = false;
    int depth_ = 0;   // of brackets; the objects are at 1
    bool in_string_ = false;
    bool escaped_ = false;
    bool is_finished_ = false;
};

}  // namespace detail

/// Reads rows of queries with texts, plain or gzip; blank lines are skipped. The first line of a file determines its format:
///
///   - JSON Lines, a query as `query`, `anchor`, `question` or `sentence1`, its name as `query_id`, `qid`, `id` or `_id`;
///     positives as `pos`, `positive`, `positives`, `positive_passages`, `positive_ctxs` or `sentence2`, negatives as `neg`, `negative`,
///     `negatives`, `negative_passages`, `hard_negative_ctxs` or `negative_1`, `negative_2` ...: a string, or a list of strings or of objects
///     with `docid`, `title`, `text`; scores as `pos_scores` and `neg_scores`: lists of numbers, null for none; `prompt`, read before the query;
///     `type`, which must be "normal"; `label` or `score` beside two texts. Without a query text, `qid`, `pos` and `neg` are ids.
///     Other keys are counted and ignored.
///   - a JSON array of such objects, over any number of lines: DPR's files
///   - a table separated by tabs: query, positive and, if there is one, negative or label, with a header of such names or without; or
///     triples of ids (MS MARCO)
///   - a table separated by commas (RFC 4180), with a header
class TrainingRowReader {
public:
    /// \throws InputError  where a file is missing, or a folder holds none
    explicit TrainingRowReader(std::span<std::filesystem::path const> inputs, ReadOptions options = {})
        : lines_(inputs, options), json_(lines_), table_(lines_) {}
    TrainingRowReader(TrainingRowReader const&) = delete;
    TrainingRowReader& operator=(TrainingRowReader const&) = delete;

    /// \throws InputError  on a malformed row where the policy is to refuse, and on a file of another kind
    bool next(TrainingRow& row);

    /// The file of the row read last, and the line where it ends.
    [[nodiscard]] std::filesystem::path const& file() const noexcept { return lines_.file(); }
    [[nodiscard]] std::size_t line() const noexcept { return lines_.line(); }
    /// The format of each file, as "train.jsonl: JSON Lines".
    [[nodiscard]] std::vector<std::string> const& layouts() const noexcept { return layouts_; }
    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

    /// Throws a diagnostic about the row read last, or counts it where the policy is to skip.
    bool fault(std::string expected, std::string found, std::string hint = {});

private:
    enum class Layout { unknown, lines, array, tabs, commas };

    bool next_file();
    /// Looks at the first line of a file; true where it is a header.
    bool recognize(std::string_view line);
    std::optional<TrainingRow> parse(std::string_view line);
    std::optional<TrainingRow> parse_object(std::string_view text);
    std::optional<TrainingRow> parse_csv(std::string_view line);
    bool next_of_array(TrainingRow& row);

    detail::RecordLines lines_;
    Layout layout_ = Layout::unknown;
    std::vector<std::string> layouts_ = {};
    detail::CsvRow csv_ = {};
    detail::JsonArraySplitter array_ = {};
    std::string rest_ = {};   // of a line of an array
    detail::TrainingJson json_;
    detail::TrainingTable table_;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::optional<std::string> JsonArraySplitter::next(std::string_view& line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        char const c = line[i];
        if (depth_ >= 2) { object_ += c; }
        if (in_string_) {
            in_string_ = escaped_ || c != '"';
            escaped_ = !escaped_ && c == '\\';
            continue;
        }
        stray_ = stray_ || (depth_ < 2 && std::string_view("[]{}, \t").find(c) == std::string_view::npos);
        if (c == '"') {
            in_string_ = true;
        } else if (c == '[' || c == '{') {
            if (++depth_ == 2) { object_ = c; }
        } else if ((c == ']' || c == '}') && depth_ > 0) {
            is_finished_ = --depth_ == 0;
            if (depth_ == 1) {
                line.remove_prefix(i + 1);
                return std::exchange(object_, {});
            }
        }
    }
    if (depth_ >= 2) { object_ += '\n'; }
    line = {};
    return std::nullopt;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE bool TrainingRowReader::next(TrainingRow& row) {
    while (lines_.has_file() || next_file()) {
        if (layout_ == Layout::array && next_of_array(row)) { return true; }
        for (std::string_view line; layout_ != Layout::array && lines_.next(line);) {
            if (!csv_.is_open() && line.find_first_not_of(" \t") == line.npos) { continue; }
            if (layout_ == Layout::unknown && recognize(line)) { continue; }
            if (layout_ == Layout::array) {
                rest_ = line;
                if (next_of_array(row)) { return true; }
                break;
            }
            if (auto parsed = parse(line)) {
                row = *std::move(parsed);
                ++lines_.report().records;
                return true;
            }
        }
        if (csv_.is_open()) {
            csv_.drop();
            fault("a closing quote", "the end of the file", "The file may be truncated, or a quote not doubled.");
        }
        if (!next_file()) { break; }
    }
    return false;
}

BMAE_INLINE bool TrainingRowReader::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    return false;
}

BMAE_INLINE bool TrainingRowReader::next_file() {
    layout_ = Layout::unknown;
    array_ = {};
    rest_.clear();
    csv_.drop();
    return lines_.next_file();
}

BMAE_INLINE bool TrainingRowReader::recognize(std::string_view line) {
    std::string const name = lines_.file().filename().string() + ": ";
    char const first = line[line.find_first_not_of(" \t")];
    if (first == '{' || first == '[') {
        layout_ = first == '{' ? Layout::lines : Layout::array;
        layouts_.push_back(name + (first == '{' ? "JSON Lines" : "JSON array"));
        return false;
    }
    bool const tabs = line.find('\t') != line.npos;
    csv_.drop();
    bool const commas = !tabs && csv_.add(line) == detail::CsvRow::State::whole && csv_.fields().size() > 1;
    csv_.drop();
    bool const header = table_.start(commas ? csv_.fields() : detail::split_cells(line), /*needs_header=*/commas);
    layout_ = commas ? Layout::commas : Layout::tabs;
    layouts_.push_back(name + (commas ? "CSV table of " : "table of ") + table_.description());
    return header;
}

BMAE_INLINE std::optional<TrainingRow> TrainingRowReader::parse(std::string_view line) {
    return layout_ == Layout::lines  ? parse_object(line)
           : layout_ == Layout::tabs ? table_.parse(detail::split_cells(line))
                                     : parse_csv(line);
}

BMAE_INLINE std::optional<TrainingRow> TrainingRowReader::parse_object(std::string_view text) {
    std::string found;
    auto const object = detail::parse_object(text, found);
    if (object) { return json_.parse(*object); }
    fault("a JSON object", std::move(found), "One object per line; is the last line truncated?");
    return std::nullopt;
}

BMAE_INLINE std::optional<TrainingRow> TrainingRowReader::parse_csv(std::string_view line) {
    if (csv_.is_open() && csv_.size() + line.size() > lines_.options().max_line_bytes) {
        csv_.drop();
        fault("a row of at most " + std::to_string(lines_.options().max_line_bytes) + " bytes", "a longer one",
              "Is a closing quote missing?");
        return std::nullopt;
    }
    switch (csv_.add(line)) {
        case detail::CsvRow::State::open:
            return std::nullopt;
        case detail::CsvRow::State::wrong:
            csv_.drop();
            fault("a comma or the end of the line after a closing quote", detail::excerpt(line),
                  "A quote within a quoted field is written twice.");
            return std::nullopt;
        case detail::CsvRow::State::whole:
            break;
    }
    return table_.parse(csv_.fields());
}

BMAE_INLINE bool TrainingRowReader::next_of_array(TrainingRow& row) {
    while (true) {
        std::string_view line = rest_;
        while (!line.empty()) {
            auto const object = array_.next(line);
            if (array_.take_stray()) { fault("objects in the array", detail::excerpt(rest_), "Is this a JSON array of rows?"); }
            if (!object) { break; }
            if (auto parsed = parse_object(*object)) {
                row = *std::move(parsed);
                rest_ = std::string(line);
                ++lines_.report().records;
                return true;
            }
        }
        if (array_.bytes() > lines_.options().max_line_bytes) {
            throw InputError(
                lines_.diagnostic("an object of at most " + std::to_string(lines_.options().max_line_bytes) + " bytes",
                                  "a longer one", "Check that this is an array of rows."));
        }
        std::string_view more;
        if (!lines_.next(more)) { break; }
        rest_ = more;
        if (rest_.empty()) { continue; }
    }
    rest_.clear();
    if (!array_.is_finished()) {
        array_ = {};
        fault("the end of the array, ']'", "the end of the file", "Is the file truncated? Copy it again.");
    }
    return false;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
