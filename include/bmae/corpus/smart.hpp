// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Collections in the format of the SMART system: CACM, Cranfield, MED, ADI; and LISA, whose format is its own.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How a classic collection delimits its documents or queries.
enum class ClassicLayout {
    smart,            ///< `.I 1` starts a record, `.T` its title, `.W` its text; other sections (.A .B .K .N .X ...) are not read
    lisa_documents,   ///< `Document 1`, a title, a blank line, the text, a row of asterisks
    lisa_queries,     ///< a number on a line of its own, the text, `#` at its end
};

namespace detail {

/// Appends a line of a text that was broken by its width: a blank joins it to the line before.
inline void append_wrapped(std::string& text, std::string_view line) {
    constexpr std::string_view blanks = " \t\r\f";
    std::size_t const first = line.find_first_not_of(blanks);
    if (first == std::string_view::npos) { return; }
    if (!text.empty()) { text += ' '; }
    text += line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

/// 'I' of ".I" or ".I 17"; nothing for a line that starts no section.
inline std::optional<char> section_of(std::string_view line) {
    bool const marked = line.size() >= 2 && line[0] == '.' && line[1] >= 'A' && line[1] <= 'Z';
    if (!marked) { return std::nullopt; }
    std::string_view const rest = line.substr(2);
    bool const alone = rest.find_first_not_of(" \t") == std::string_view::npos;
    bool const numbered = line[1] == 'I' && rest.find_first_not_of(" \t0123456789") == std::string_view::npos;
    return alone || numbered ? std::optional(line[1]) : std::nullopt;
}

/// The number after `word`, without leading zeros; nothing for a line that is something else.
inline std::optional<std::string> number_after(std::string_view word, std::string_view line) {
    if (!line.starts_with(word)) { return std::nullopt; }
    line.remove_prefix(word.size());
    std::size_t const first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || (!word.empty() && first == 0)) { return std::nullopt; }
    line = line.substr(first, line.find_last_not_of(" \t") - first + 1);
    if (line.find_first_not_of("0123456789") != std::string_view::npos) { return std::nullopt; }
    return std::string(line.substr(std::min(line.find_first_not_of('0'), line.size() - 1)));
}

inline bool is_row_of_asterisks(std::string_view line) {
    return line.size() >= 10 && line.find_first_not_of('*') == std::string_view::npos;
}

}  // namespace detail

/// Reads the documents or queries of a classic collection. The lines of a title or text, broken by their width, are joined. A text
/// that opens with its title again (Cranfield) is read without it. A record may have neither.
class ClassicReader {
public:
    /// \throws InputError  where a file is missing, or a folder has none
    explicit ClassicReader(std::span<std::filesystem::path const> inputs, ClassicLayout layout = ClassicLayout::smart,
                           ReadOptions options = {})
        : lines_(inputs, options), layout_(layout) {}
    explicit ClassicReader(std::filesystem::path const& input, ClassicLayout layout = ClassicLayout::smart,
                           ReadOptions options = {})
        : ClassicReader(std::span(&input, 1), layout, options) {}

    /// \throws InputError  on a malformed line where the policy is to refuse
    bool next(Record& record) {
        while (lines_.has_file() || (!done_ && lines_.next_file())) {
            for (std::string_view line; lines_.next(line);) {
                if (take(line) && give(record)) { return true; }
            }
            bool const last = end_file() && give(record);
            done_ = !lines_.next_file();
            if (last) { return true; }
        }
        return false;
    }

    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

private:
    /// Reads one line; true where it ends a record, which is then in `ready_`.
    bool take(std::string_view line) {
        if (open_ && open_->title.size() + open_->text.size() + line.size() > lines_.most_document_bytes()) {
            skipping_ = true;
            open_.reset();
            return fault("a document of at most " + std::to_string(lines_.most_document_bytes()) + " bytes", line);
        }
        switch (layout_) {
            case ClassicLayout::smart:
                return take_smart(line);
            case ClassicLayout::lisa_documents:
                return take_document(line);
            case ClassicLayout::lisa_queries:
                return take_query(line);
        }
        return false;
    }

    bool take_smart(std::string_view line) {
        auto const section = detail::section_of(line);
        if (section == 'I') {
            auto number = detail::number_after(".I", line);
            bool const ended = close();
            section_ = 'I';
            skipping_ = !number;
            if (!number) { return fault("a number after .I", line) || ended; }
            open(*std::move(number));
            return ended;
        }
        if (section) {
            if (!open_ && !skipping_) { return fault(".I before the first section", line); }
            section_ = *section;
            return false;
        }
        if (open_ && section_ == 'T') { detail::append_wrapped(open_->title, line); }
        if (open_ && section_ == 'W') { detail::append_wrapped(open_->text, line); }
        bool const stray = !open_ && !skipping_ && line.find_first_not_of(" \t") != std::string_view::npos;
        return stray && fault(".I and a number, which start a document", line);
    }

    bool take_document(std::string_view line) {
        if (detail::is_row_of_asterisks(line)) {
            if (!open_ && !skipping_) { return fault("'Document' before a row of asterisks", line); }
            skipping_ = false;
            return close();
        }
        if (auto number = detail::number_after("Document", line)) {
            if (open_) { return fault("a row of asterisks before the next document", line); }
            open(*std::move(number));
            section_ = 'T';
            return false;
        }
        bool const blank = line.find_first_not_of(" \t") == std::string_view::npos;
        if (!open_) { return !blank && !skipping_ && fault("'Document' and a number", line); }
        if (blank && !open_->title.empty()) { section_ = 'W'; }
        detail::append_wrapped(section_ == 'T' ? open_->title : open_->text, line);
        return false;
    }

    bool take_query(std::string_view line) {
        if (!open_) {
            if (line.find_first_not_of(" \t") == std::string_view::npos) { return false; }
            auto number = detail::number_after("", line);
            if (!number) { return fault("the number of a query", line); }
            open(*std::move(number));
            return false;
        }
        std::size_t const last = line.find_last_not_of(" \t");
        bool const ends = last != std::string_view::npos && line[last] == '#';
        detail::append_wrapped(open_->text, ends ? line.substr(0, last) : line);
        return ends && close();
    }

    /// At the end of a file; true where that ends a record.
    bool end_file() {
        bool const cut = open_ && layout_ != ClassicLayout::smart;
        if (cut) {
            char const* const mark = layout_ == ClassicLayout::lisa_documents ? "a row of asterisks" : "#";
            lines_.fault(lines_.diagnostic(std::string(mark) + " after the record of line " + std::to_string(open_->line),
                                           "the end of the file", "Is the file truncated?"));
            open_.reset();
        }
        skipping_ = false;
        return close();
    }

    void open(std::string id) { open_ = Record{.id = std::move(id), .line = lines_.line()}; }

    bool close() {
        if (!open_) { return false; }
        ready_ = std::move(*open_);
        open_.reset();
        bool const repeats = !ready_.title.empty() && ready_.text.starts_with(ready_.title);
        if (repeats) { ready_.text.erase(0, std::min(ready_.text.size(), ready_.title.size() + 1)); }
        return true;
    }

    bool give(Record& record) {
        if (!lines_.accept(ready_)) { return false; }
        record = std::move(ready_);
        return true;
    }

    /// \returns  false, so that a caller may end with it
    bool fault(std::string expected, std::string_view line) {
        lines_.fault(lines_.diagnostic(std::move(expected), detail::excerpt(line), "Is the file of another format?"));
        return false;
    }

    detail::RecordLines lines_;
    ClassicLayout layout_;
    std::optional<Record> open_;   // the record being read
    Record ready_;                 // the one that ended last
    char section_ = 'I';
    bool skipping_ = false;   // within a record whose first line was malformed
    bool done_ = false;
};

static_assert(RecordReader<ClassicReader>);

}  // namespace bmae
