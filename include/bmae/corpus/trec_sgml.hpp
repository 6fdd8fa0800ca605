// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// TREC's SGML: `<DOC> <DOCNO> FT911-1 </DOCNO> <TEXT> ... </TEXT> </DOC>`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/corpus/plain_text.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/corpus/smart.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The place of `needle`, an ASCII text in lower case, in `text` from `begin` on, in any case of letters; npos where it is not.
inline std::size_t find_in_any_case(std::string_view text, std::string_view needle, std::size_t begin = 0) {
    auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    auto const at = std::search(text.begin() + static_cast<std::ptrdiff_t>(std::min(begin, text.size())), text.end(),
                                needle.begin(), needle.end(), [&](char a, char b) { return lower(a) == b; });
    return at == text.end() ? std::string_view::npos : static_cast<std::size_t>(at - text.begin());
}

/// A piece of `text`: the content of one element, and where the text goes on after it.
struct SgmlElement {
    std::string_view content = {};
    std::size_t end = std::string_view::npos;
};

/// The next element `<name>` or `<name ...>` of `text` from `begin` on; nothing where there is none that is closed.
inline std::optional<SgmlElement> sgml_element(std::string_view text, std::string const& name, std::size_t begin = 0) {
    for (std::size_t at = begin;;) {
        at = find_in_any_case(text, '<' + name, at);
        if (at == std::string_view::npos) { return std::nullopt; }
        std::size_t const after = at + 1 + name.size();
        bool const whole = after < text.size() && (text[after] == '>' || text[after] == ' ' || text[after] == '\t');
        std::size_t const from = whole ? text.find('>', after) : std::string_view::npos;
        std::size_t const to = from == std::string_view::npos ? from : find_in_any_case(text, "</" + name + '>', from);
        if (to != std::string_view::npos) { return SgmlElement{text.substr(from + 1, to - from - 1), to + name.size() + 3}; }
        at = after;
    }
}

/// Text without tags, with its entities replaced: its lines trimmed and joined by blanks, paragraphs by line feeds.
inline std::string plain_of_sgml(std::string_view text) {
    std::string plain;
    std::string paragraph;
    auto const finish = [&] {
        if (!paragraph.empty() && !plain.empty()) { plain += '\n'; }
        plain += std::exchange(paragraph, {});
    };
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        std::string bare;
        for (std::size_t i = 0; i < line.size(); ++i) {
            char const next = i + 1 < line.size() ? line[i + 1] : ' ';
            bool const letter = (next | 0x20) >= 'a' && (next | 0x20) <= 'z';
            bool const tag = line[i] == '<' && (letter || next == '/' || next == '!' || next == '?');
            std::size_t const close = tag ? line.find('>', i) : std::string_view::npos;
            if (close == std::string_view::npos) {
                bare += line[i];
                continue;
            }
            if (find_in_any_case(line.substr(i, 3), "<p>") == 0) {
                append_wrapped(paragraph, decode_entities(bare));
                bare.clear();
                finish();
            }
            i = close;
        }
        append_wrapped(paragraph, decode_entities(bare));
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) { finish(); }
    }
    finish();
    return plain;
}

}  // namespace detail

/// Reads the documents of TREC's collections. Tags may be in any case and anywhere in a line; those within a text are dropped, and the
/// five entities of XML replaced. The title is that of the first element among TITLE, HEADLINE, HL, TI and TTL; the text is that of all
/// TEXT elements, or where there is none all that is neither DOCNO, DOCHDR nor the title.
class TrecSgmlReader {
public:
    /// \throws InputError  where a file is missing, or a folder has none
    explicit TrecSgmlReader(std::span<std::filesystem::path const> inputs, ReadOptions options = {}) : lines_(inputs, options) {}
    explicit TrecSgmlReader(std::filesystem::path const& input, ReadOptions options = {})
        : TrecSgmlReader(std::span(&input, 1), options) {}

    /// \throws InputError  on a malformed document where the policy is to refuse
    bool next(Record& record) {
        while (lines_.has_file() || (!done_ && lines_.next_file())) {
            for (std::string_view line; lines_.next(line);) {
                if (take(line) && parse(record) && lines_.accept(record)) { return true; }
            }
            if (begun_) {
                fault("</DOC>", "the end of the file within the document of line " + std::to_string(begin_));
                begun_ = false;
            }
            done_ = !lines_.next_file();
        }
        return false;
    }

    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

private:
    /// Reads one line; true where it ends a document, whose content is then in `content_`.
    bool take(std::string_view line) {
        if (std::size_t const at = detail::find_in_any_case(line, "<doc>"); at != std::string_view::npos) {
            if (begun_) { fault("</DOC> before the next <DOC>", "<DOC> within the document of line " + std::to_string(begin_)); }
            begun_ = true;
            too_long_ = false;
            begin_ = lines_.line();
            content_.clear();
            line.remove_prefix(at + 5);
        }
        if (!begun_) {
            if (line.find_first_not_of(" \t\r") != std::string_view::npos) { fault("<DOC>", detail::excerpt(line)); }
            return false;
        }
        std::size_t const end = detail::find_in_any_case(line, "</doc>");
        append(line.substr(0, std::min(end, line.size())));
        if (end == std::string_view::npos) { return false; }
        begun_ = false;
        return !too_long_;
    }

    void append(std::string_view line) {
        if (too_long_) { return; }
        too_long_ = content_.size() + line.size() > lines_.most_document_bytes();
        if (too_long_) {
            fault("a document of at most " + std::to_string(lines_.most_document_bytes()) + " bytes", "a longer one");
            return;
        }
        content_ += line;
        content_ += '\n';
    }

    bool parse(Record& record) {
        auto const name = detail::sgml_element(content_, "docno");
        if (!name) {
            fault("<DOCNO> with its end in the document of line " + std::to_string(begin_), "none");
            return false;
        }
        record = Record{.id = detail::plain_of_sgml(name->content), .line = begin_};
        std::string_view title;
        for (char const* const tag : {"title", "headline", "hl", "ti", "ttl"}) {
            auto const found = detail::sgml_element(content_, tag);
            if (!found) { continue; }
            title = found->content;
            break;
        }
        record.title = detail::plain_of_sgml(title);
        std::replace(record.title.begin(), record.title.end(), '\n', ' ');
        record.text = text_of(title);
        return true;
    }

    [[nodiscard]] std::string text_of(std::string_view title) const {
        std::string text;
        auto const add = [&](std::string_view content) {
            std::string const plain = detail::plain_of_sgml(content);
            if (!plain.empty() && !text.empty()) { text += '\n'; }
            text += plain;
        };
        bool told = false;
        std::size_t at = 0;
        while (auto const found = detail::sgml_element(content_, "text", at)) {
            add(found->content);
            at = found->end;
            told = true;
        }
        if (told) { return text; }
        std::string rest = content_;
        for (char const* const tag : {"docno", "dochdr"}) {
            while (auto const found = detail::sgml_element(rest, tag)) {
                auto const content = static_cast<std::size_t>(found->content.data() - rest.data());
                std::size_t const begin = rest.rfind('<', content - 1);
                rest.replace(begin, found->end - begin, "\n");
            }
        }
        if (std::size_t const place = title.empty() ? std::string::npos : rest.find(title); place != std::string::npos) {
            rest.erase(place, title.size());
        }
        add(rest);
        return text;
    }

    void fault(std::string expected, std::string found) {
        lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), "Is the file truncated, or of another format?"));
    }

    detail::RecordLines lines_;
    std::string content_;   // of the document being read, without <DOC> and </DOC>
    std::size_t begin_ = 0;
    bool begun_ = false;
    bool too_long_ = false;
    bool done_ = false;
};

static_assert(RecordReader<TrecSgmlReader>);

}  // namespace bmae
