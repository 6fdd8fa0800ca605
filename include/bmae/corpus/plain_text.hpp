// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Plain text, split into documents.
#pragma once

#include <array>
#include <cstddef>
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

/// How documents are delimited. Each line that is not blank is a paragraph of its document.
enum class TextLayout {
    file,          ///< every file is a document; its id is the path
    blank_lines,   ///< blank lines separate documents; the id is FILE:LINE
    lines,         ///< every line that is not blank is a document; the id is FILE:LINE
    doc_tags,      ///< `<doc id="" url="" title="">` ... `</doc>` around each document (WikiExtractor)
    headings,      ///< a line ` = Title = ` starts a document (WikiText); ` = = Section = = ` is a paragraph
};

namespace detail {

/// Replaces the five entities of XML.
inline std::string decode_entities(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, char>, 5> entities{
        {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
    std::string decoded;
    for (std::size_t i = 0; i < text.size();) {
        bool replaced = false;
        for (auto const& [name, character] : entities) {
            if (text[i] == '&' && text.substr(i).starts_with(name)) {
                decoded += character;
                i += name.size();
                replaced = true;
                break;
            }
        }
        if (!replaced) { decoded += text[i++]; }
    }
    return decoded;
}

/// The value of an attribute of a tag, entities replaced; nothing where it is absent.
inline std::optional<std::string> attribute(std::string_view tag, std::string_view name) {
    std::string const key = ' ' + std::string(name) + "=\"";
    std::size_t const found = tag.find(key);
    if (found == std::string_view::npos) { return std::nullopt; }
    std::size_t const begin = found + key.size();
    std::size_t const end = tag.find('"', begin);
    if (end == std::string_view::npos) { return std::nullopt; }
    return decode_entities(tag.substr(begin, end - begin));
}

inline std::string_view without_blanks(std::string_view text) {
    std::size_t const first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace detail

/// Reads documents of plain text, one paragraph per line.
///
/// With doc_tags the first line of a document is dropped where it repeats the title, the five entities of XML are replaced, and a
/// document may be empty; in the other layouts it holds at least one paragraph.
class PlainTextReader {
public:
    /// \throws InputError  where a file is missing, or a folder has none
    PlainTextReader(std::span<std::filesystem::path const> inputs, TextLayout layout, ReadOptions options = {})
        : lines_(inputs, options), layout_(layout) {}
    PlainTextReader(std::filesystem::path const& input, TextLayout layout, ReadOptions options = {})
        : PlainTextReader(std::span(&input, 1), layout, options) {}

    /// \throws InputError  on a malformed line where the policy is to refuse
    bool next(Record& record) {
        while (lines_.has_file() || next_file()) {
            std::string_view line;
            while (lines_.next(line)) {
                if (take(line) && give(record)) { return true; }
            }
            bool const complete = end_file() && give(record);
            done_ = !next_file();
            if (complete) { return true; }
            if (done_) { break; }
        }
        return false;
    }

    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

private:
    bool next_file() {
        if (done_ || !lines_.next_file()) { return false; }
        open_.reset();
        return true;
    }

    /// Reads one line; true where it ends a document, which is then in `ready_`.
    bool take(std::string_view line) {
        std::string_view const bare = detail::without_blanks(line);
        if (layout_ == TextLayout::doc_tags) { return take_tagged(line, bare); }
        if (layout_ == TextLayout::blank_lines && bare.empty()) { return close(); }
        if (layout_ == TextLayout::headings && is_title(line)) {
            bool const ended = close();
            begin(place(), std::string(detail::without_blanks(bare.substr(1, bare.size() - 2))));
            return ended;
        }
        if (bare.empty()) { return false; }
        if (!open_) { begin(layout_ == TextLayout::file ? lines_.file().string() : place(), {}); }
        append(line);
        return layout_ == TextLayout::lines && close();
    }

    bool take_tagged(std::string_view line, std::string_view bare) {
        if (bare.starts_with("<doc ") && bare.ends_with('>')) {
            if (open_) {
                fault("</doc> before the next <doc>", "<doc> within the document of line " + std::to_string(open_->line));
                open_.reset();
            }
            auto id = detail::attribute(bare, "id");
            if (!id) {
                fault("an attribute id=\"...\"", detail::excerpt(bare));
                skipping_ = true;
                return false;
            }
            skipping_ = false;
            begin(std::move(*id), detail::attribute(bare, "title").value_or(""));
            return false;
        }
        if (bare == "</doc>") {
            if (!open_ && !skipping_) { fault("<doc> before </doc>", "</doc>"); }
            skipping_ = false;
            return close();
        }
        if (bare.empty() || skipping_) { return false; }
        if (!open_) {
            fault("<doc id=\"...\" ...>", detail::excerpt(bare));
            return false;
        }
        bool const escaped = line.find('&') != std::string_view::npos;
        std::string const plain = escaped ? detail::decode_entities(line) : std::string();
        if (escaped) { line = plain; }
        bool const first = lines_.line() == open_->line + 1;
        if (!first || detail::without_blanks(line) != detail::without_blanks(open_->title)) { append(line); }
        return false;
    }

    /// At the end of a file; true where that ends a document.
    bool end_file() {
        skipping_ = false;
        if (layout_ != TextLayout::doc_tags) { return close(); }
        if (open_) {
            fault("</doc>", "the end of the file within the document of line " + std::to_string(open_->line));
            open_.reset();
        }
        return false;
    }

    void begin(std::string id, std::string title) {
        open_ = Record{.id = std::move(id), .title = std::move(title), .line = lines_.line()};
        too_long_ = false;
    }

    void append(std::string_view line) {
        if (too_long_) { return; }
        if (open_->text.size() + line.size() > lines_.most_document_bytes()) {
            fault("a document of at most " + std::to_string(lines_.most_document_bytes()) + " bytes", "a longer one");
            too_long_ = true;
            return;
        }
        if (!open_->text.empty()) { open_->text += '\n'; }
        open_->text += line;
    }

    bool close() {
        bool const whole = open_ && !too_long_ && (layout_ == TextLayout::doc_tags || !open_->text.empty());
        if (whole) { ready_ = std::move(*open_); }
        open_.reset();
        return whole;
    }

    bool give(Record& record) {
        if (!lines_.accept(ready_)) { return false; }
        record = std::move(ready_);
        return true;
    }

    static bool is_title(std::string_view line) {
        std::string_view const bare = detail::without_blanks(line);
        return bare.size() > 4 && bare.starts_with("= ") && bare.ends_with(" =") && bare[2] != '=' &&
               bare[bare.size() - 3] != '=';
    }

    [[nodiscard]] std::string place() const { return lines_.file().string() + ':' + std::to_string(lines_.line()); }

    void fault(std::string expected, std::string found) {
        lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), "Is the file truncated, or of another layout?"));
    }

    detail::RecordLines lines_;
    TextLayout layout_;
    std::optional<Record> open_;   // the document being read
    Record ready_;                 // the one that ended last
    bool skipping_ = false;        // within a document whose tag was malformed
    bool too_long_ = false;
    bool done_ = false;
};

static_assert(RecordReader<PlainTextReader>);

}  // namespace bmae
