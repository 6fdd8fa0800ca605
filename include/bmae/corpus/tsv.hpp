// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tab-separated collections and queries, as of MS MARCO and RocketQA.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The columns of a line. The text is the rest of the line: tabs within it belong to it.
enum class TsvColumns {
    id_text,             ///< MS MARCO passages and queries
    id_title_text,       ///< RocketQA's corpus.tsv; the title may be empty
    id_url_title_text,   ///< MS MARCO documents; the URL is not kept
};

/// Reads lines of `id <tab> ... <tab> text` without header. Nothing is trimmed; empty lines are skipped.
class TsvReader {
public:
    /// \throws InputError  where a file is missing, or a folder has none
    explicit TsvReader(std::span<std::filesystem::path const> inputs, TsvColumns columns = TsvColumns::id_text,
                       ReadOptions options = {})
        : lines_(inputs, options), columns_(columns) {}
    explicit TsvReader(std::filesystem::path const& input, TsvColumns columns = TsvColumns::id_text, ReadOptions options = {})
        : TsvReader(std::span(&input, 1), columns, options) {}

    /// \throws InputError  on a malformed line where the policy is to refuse
    bool next(Record& record) {
        while (lines_.has_file() || lines_.next_file()) {
            for (std::string_view line; lines_.next(line);) {
                if (line.empty()) { continue; }
                if (parse(line, record) && lines_.accept(record)) { return true; }
            }
            if (!lines_.next_file()) { break; }
        }
        return false;
    }

    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

private:
    bool parse(std::string_view line, Record& record) {
        auto const tabs = static_cast<std::size_t>(std::count(line.begin(), line.end(), '\t'));
        std::size_t const wanted = columns_ == TsvColumns::id_text ? 1 : columns_ == TsvColumns::id_title_text ? 2 : 3;
        if (tabs < wanted) {
            lines_.fault(lines_.diagnostic(std::to_string(wanted + 1) + " columns separated by tabs",
                                           std::to_string(tabs + 1) + " in " + detail::excerpt(line),
                                           "The columns may be separated by blanks, or this is another format."));
            return false;
        }
        auto const take = [&] {
            std::string_view const column = line.substr(0, line.find('\t'));
            line.remove_prefix(column.size() + 1);
            return std::string(column);
        };
        record = Record{.id = take(), .line = lines_.line()};
        if (columns_ == TsvColumns::id_url_title_text) { static_cast<void>(take()); }
        if (columns_ != TsvColumns::id_text) { record.title = take(); }
        record.text = line;
        return true;
    }

    detail::RecordLines lines_;
    TsvColumns columns_;
};

static_assert(RecordReader<TsvReader>);

}  // namespace bmae
