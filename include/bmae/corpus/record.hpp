// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A record of a corpus, and the concept `RecordReader`.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/text/token_store_builder.hpp>

namespace bmae {

/// One text with its id and position, for all file formats.
struct Record {
    std::string id;
    std::string title = {};
    std::string text = {};                                    ///< UTF-8; paragraphs are separated by line feeds
    std::vector<std::string> queries = {};                    ///< where the format has them
    std::string continuation = {};                            ///< where the format has it
    std::vector<std::string> fields = {};                     ///< the requested fields, in their order
    std::shared_ptr<std::filesystem::path const> file = {};   ///< shared by all records of the file
    std::size_t line = 0;                                     ///< where the record starts, from 1
};

/// A reader returns the records of its files in sequence.
///
/// 1. `reader.next(record)` fills `record` and returns true, or returns false after the last one.
/// Law: after false it keeps returning false; an error throws InputError with file and line. Not required: a base class.
template <class R>
concept RecordReader = requires(R& reader, Record& record) {
    { reader.next(record) } -> std::same_as<bool>;
};

/// Title and text as retrieval models read them: joined by a blank, then stripped (BEIR, Sentence Transformers).
inline std::string joined_text(std::string_view title, std::string_view text) {
    constexpr std::string_view blanks = " \t\n\v\f\r";
    std::string const whole = title.empty() ? std::string(text) : std::string(title) + ' ' + std::string(text);
    std::size_t const first = whole.find_first_not_of(blanks);
    return first == std::string::npos ? std::string() : whole.substr(first, whole.find_last_not_of(blanks) - first + 1);
}
inline std::string joined_text(Record const& record) { return joined_text(record.title, record.text); }

/// The use of titles in a token store.
enum class TitleUse {
    joined,    ///< put before the text with a blank between, as `joined_text` does for search and fine-tuning (BEIR)
    section,   ///< put before the text with [SEP] between them (MASTER's released rows): `TitleAndBody` reads both parts
    name,      ///< stored beside the text, not trained on
};

/// As command lines write it.
constexpr std::array<std::string_view, 3> names_of(TitleUse) noexcept { return {"joined", "section", "name"}; }
/// Names in reports.
constexpr std::string_view to_string(TitleUse use) noexcept { return names_of(use)[static_cast<std::size_t>(use)]; }

/// The document of a token store for a record. The store keeps the title as a name in any case.
inline Document to_document(Record record, TitleUse titles = TitleUse::joined) {
    if (titles == TitleUse::joined && !record.title.empty()) { record.text = joined_text(record); }
    return {.id = std::move(record.id),
            .title = std::move(record.title),
            .text = std::move(record.text),
            .queries = std::move(record.queries),
            .continuation = std::move(record.continuation),
            .fields = std::move(record.fields),
            .title_in_tokens = titles == TitleUse::section};
}

/// Records held in memory, found by id.
class Records {
public:
    /// The id must be new: readers check that.
    void add(Record record) {
        places_.emplace(record.id, records_.size());
        records_.push_back(std::move(record));
    }

    [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }
    [[nodiscard]] Record const& operator[](std::size_t i) const noexcept { return records_[i]; }
    [[nodiscard]] auto begin() const noexcept { return records_.begin(); }
    [[nodiscard]] auto end() const noexcept { return records_.end(); }

    [[nodiscard]] std::optional<std::size_t> find(std::string_view id) const {
        auto const place = places_.find(std::string(id));
        return place == places_.end() ? std::nullopt : std::optional(place->second);
    }
    [[nodiscard]] std::vector<std::string> ids() const {
        std::vector<std::string> ids;
        ids.reserve(size());
        for (Record const& record : records_) { ids.push_back(record.id); }
        return ids;
    }
    /// Title and text of every record, joined as retrieval models read them.
    [[nodiscard]] std::vector<std::string> texts() const {
        std::vector<std::string> texts;
        texts.reserve(size());
        for (Record const& record : records_) { texts.push_back(joined_text(record)); }
        return texts;
    }

private:
    std::vector<Record> records_;
    std::unordered_map<std::string, std::size_t> places_;
};

/// All records of a reader.
template <RecordReader R>
Records read_all(R& reader) {
    Records records;
    for (Record record; reader.next(record);) { records.add(std::exchange(record, {})); }
    return records;
}

}  // namespace bmae
