// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Natural-language inference as pairs and triplets: premise, entailment, contradiction.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/csv.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Reads SNLI and MNLI, and the table of triplets that SimCSE's authors made of both (Gao et al., EMNLP 2021, section 4). The
/// first line of a file determines its format; all lines are held in memory, since MNLI scatters the lines of one premise.
///
///   - JSON Lines with `gold_label` (entailment, neutral, contradiction, - where the annotators do not agree), `sentence1` (the
///     premise) and `sentence2`. One record for each entailment: the first of a premise uses its first contradiction, the
///     second with the second; without a contradiction it is a pair.
///   - CSV with the header `sent0,sent1,hard_neg` or `sent0,sent1`: one record per row. An empty `hard_neg` makes a pair.
///
/// `text` is the premise, `queries` are the entailment and, in a triplet, the contradiction: what PairedText and OpposedText
/// read. The report counts the skipped lines by reason.
class NliReader {
public:
    /// \throws InputError  where a file is missing, or a folder holds none
    explicit NliReader(std::span<std::filesystem::path const> inputs, ReadOptions options = {}) : lines_(inputs, options) {}
    explicit NliReader(std::filesystem::path const& input, ReadOptions options = {}) : NliReader(std::span(&input, 1), options) {}

    /// Reads everything at the first call. \throws InputError on a malformed line where the policy is to refuse
    bool next(Record& record);

    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

private:
    struct Hypothesis {
        std::string text;
        std::shared_ptr<std::filesystem::path const> file;
        std::size_t line;
    };
    struct Premise {
        std::vector<Hypothesis> entailed = {};
        std::vector<std::string> contradicted = {};
    };
    static constexpr char const* header_hint =
        "Give SNLI's or MNLI's .jsonl files, or a CSV file whose first line is sent0,sent1,hard_neg.";

    void read();

    void add(std::string premise, std::string entailed, std::string opposed, std::shared_ptr<std::filesystem::path const> file,
             std::size_t line);

    void read_object(std::string_view line, std::shared_ptr<std::filesystem::path const> const& file);

    void read_table(std::string_view line, std::shared_ptr<std::filesystem::path const> const& file);

    void add_row(std::vector<std::string> const& fields, std::size_t columns,
                 std::shared_ptr<std::filesystem::path const> const& file, std::size_t line);

    static bool is_blank(std::string const& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

    void fault(std::string expected, std::string found, std::string hint);
    void fault_at(std::size_t line, std::string expected, std::string found, std::string hint);

    detail::RecordLines lines_;
    std::unordered_map<std::string, Premise> premises_;   // its keys have stable addresses
    std::vector<std::string const*> order_;               // of their first occurrence
    std::vector<Record> records_;
    std::size_t place_ = 0;
    bool is_read_ = false;
};

static_assert(RecordReader<NliReader>);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE bool NliReader::next(Record& record) {
    if (!is_read_) { read(); }
    if (place_ == records_.size()) { return false; }
    record = std::move(records_[place_++]);
    return true;
}

BMAE_INLINE void NliReader::read() {
    is_read_ = true;
    while (lines_.next_file()) {
        auto const file = std::make_shared<std::filesystem::path const>(lines_.file());
        std::string_view line;
        bool has_line = lines_.next(line);
        while (has_line && line.find_first_not_of(" \t") == std::string_view::npos) { has_line = lines_.next(line); }
        if (!has_line) { continue; }
        if (line[line.find_first_not_of(" \t")] == '{') {
            do { read_object(line, file); } while (lines_.next(line));
        } else {
            read_table(line, file);
        }
    }
    for (std::string const* const premise : order_) {
        Premise& known = premises_.find(*premise)->second;
        if (known.entailed.empty()) { ++lines_.report().left_out["premises without an entailment"]; }
        for (std::size_t i = 0; i < known.entailed.size(); ++i) {
            Hypothesis& entailed = known.entailed[i];
            std::string* const opposed = i < known.contradicted.size() ? &known.contradicted[i] : nullptr;
            add(*premise, std::move(entailed.text), opposed == nullptr ? std::string() : std::move(*opposed), entailed.file,
                entailed.line);
        }
    }
    order_.clear();
    premises_.clear();
}

BMAE_INLINE void NliReader::add(std::string premise, std::string entailed, std::string opposed,
                                std::shared_ptr<std::filesystem::path const> file, std::size_t line) {
    Record record{
        .id = file->string() + ':' + std::to_string(line), .text = std::move(premise), .file = std::move(file), .line = line};
    record.queries.push_back(std::move(entailed));
    if (!opposed.empty()) { record.queries.push_back(std::move(opposed)); }
    records_.push_back(std::move(record));
    ++lines_.report().records;
}

BMAE_INLINE void NliReader::read_object(std::string_view line, std::shared_ptr<std::filesystem::path const> const& file) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) { return; }
    std::string found;
    auto const object = detail::parse_object(line, found);
    if (!object) { return fault("a JSON object", std::move(found), "One object per line; is the last line truncated?"); }
    std::string values[3];
    std::size_t i = 0;
    for (char const* const key : {"gold_label", "sentence1", "sentence2"}) {
        auto const value = object->find(key);
        if (value == object->end() || !value->is_string()) {
            return fault("a string as " + std::string(key),
                         value == object->end() ? std::string("no such key") : std::string("a JSON ") + value->type_name(),
                         "A line of SNLI or MNLI has gold_label, sentence1 and sentence2.");
        }
        values[i++] = value->get<std::string>();
    }
    auto& [label, premise, hypothesis] = values;
    auto& left_out = lines_.report().left_out;
    if (label == "-") {
        ++left_out["lines without a gold label"];
    } else if (label == "neutral") {
        ++left_out["neutral lines"];
    } else if (label != "entailment" && label != "contradiction") {
        fault("gold_label entailment, neutral, contradiction or -", detail::excerpt(label), {});
    } else if (is_blank(premise) || is_blank(hypothesis)) {
        fault("two sentences", "an empty one", {});
    } else {
        auto const [place, is_new] = premises_.try_emplace(std::move(premise));
        if (is_new) { order_.push_back(&place->first); }
        if (label == "entailment") {
            place->second.entailed.push_back({std::move(hypothesis), file, lines_.line()});
        } else {
            place->second.contradicted.push_back(std::move(hypothesis));
        }
    }
}

BMAE_INLINE void NliReader::read_table(std::string_view line, std::shared_ptr<std::filesystem::path const> const& file) {
    detail::CsvRow row;
    std::size_t begin = lines_.line();
    row.add(line);
    std::vector<std::string> const header = row.fields();
    bool const is_known =
        header == std::vector<std::string>{"sent0", "sent1"} || header == std::vector<std::string>{"sent0", "sent1", "hard_neg"};
    if (!is_known) {
        throw InputError(
            lines_.diagnostic("a JSON object, or the header sent0,sent1,hard_neg", detail::excerpt(line), header_hint));
    }
    while (lines_.next(line)) {
        if (!row.is_open()) {
            if (line.empty()) { continue; }
            begin = lines_.line();
        } else if (row.size() + line.size() > lines_.most_row_bytes()) {
            fault_at(begin, "a row of at most " + std::to_string(lines_.most_row_bytes()) + " bytes", "a longer one",
                     "Is a closing quote missing?");
            row.drop();
            continue;
        }
        switch (row.add(line)) {
            case detail::CsvRow::State::open:
                break;
            case detail::CsvRow::State::wrong:
                fault_at(begin, "a comma or the end of the line after a closing quote", detail::excerpt(line),
                         "A quote within a quoted field is written twice.");
                row.drop();
                break;
            case detail::CsvRow::State::whole:
                add_row(row.fields(), header.size(), file, begin);
                break;
        }
    }
    if (row.is_open()) {
        fault_at(begin, "a closing quote", "the end of the file", "The file may be truncated, or a quote not doubled.");
    }
}

BMAE_INLINE void NliReader::add_row(std::vector<std::string> const& fields, std::size_t columns,
                                    std::shared_ptr<std::filesystem::path const> const& file, std::size_t line) {
    if (fields.size() != columns) {
        return fault_at(line, std::to_string(columns) + " columns separated by commas", std::to_string(fields.size()),
                        "Quote sentences that contain commas.");
    }
    if (is_blank(fields[0]) || is_blank(fields[1])) { return fault_at(line, "two sentences", "an empty one", {}); }
    bool const has_opposed = columns == 3 && !is_blank(fields[2]);
    add(fields[0], fields[1], has_opposed ? fields[2] : std::string(), file, line);
}

BMAE_INLINE void NliReader::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
}

BMAE_INLINE void NliReader::fault_at(std::size_t line, std::string expected, std::string found, std::string hint) {
    lines_.fault({.file = lines_.file().string(),
                  .line = line,
                  .expected = std::move(expected),
                  .found = std::move(found),
                  .hint = std::move(hint)});
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
