// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Text to normalized words: BERT's cleaning, accent stripping, lower-casing and splitting, exactly as HuggingFace tokenizers do
/// them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/unicode.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A piece of a text in bytes: [begin, end).
struct ByteSpan {
    std::size_t begin = 0;
    std::size_t end = 0;

    friend bool operator==(ByteSpan const&, ByteSpan const&) = default;
};

struct BertNormalizerOptions {
    bool lower_case = true;
    std::optional<bool> strip_accents = {};   ///< absent: as lower_case
    bool clean_text = true;                   ///< drop control characters, U+0000 and U+FFFD; any white space is a space
    bool split_chinese = true;                ///< each CJK ideograph is a word
    InvalidUtf8 invalid_utf8 = InvalidUtf8::replace;

    friend bool operator==(BertNormalizerOptions const&, BertNormalizerOptions const&) = default;
};

/// One word after normalization, with the source of each of its characters.
struct NormalizedWord {
    struct Character {
        std::uint32_t begin = 0;   ///< first byte in `text`
        ByteSpan source = {};      ///< bytes of the source that it came from
    };
    std::string text = {};                    ///< UTF-8
    std::vector<Character> characters = {};   ///< one per scalar value of `text`
};

/// Splits text into the words that WordPiece looks up.
///
/// The work is done by chunks: maximal runs of bytes without white space and punctuation. These and unmapped CJK ideographs are
/// starters that normalization leaves alone, so chunks can be normalized independently.
class BertNormalizer {
public:
    /// Class of a character in the scan for chunks.
    enum class Kind : std::uint8_t {
        plain,      ///< part of a chunk that is unchanged (except ASCII capitals)
        changing,   ///< part of a chunk that needs `normalize`
        space,      ///< ends a chunk
        isolated,   ///< ends a chunk and is a word
    };

    explicit BertNormalizer(BertNormalizerOptions options = {})
        : options_(std::move(options)), table_(&detail::UnicodeTable::instance()) {
        bool const strip = options_.strip_accents.value_or(options_.lower_case);
        if (options_.clean_text) { changing_ |= detail::is_control; }
        if (strip) { changing_ |= detail::is_mark | detail::is_nonstarter | detail::changes_when_stripped; }
        if (options_.lower_case) { changing_ |= detail::changes_when_lowered; }
        strip_ = strip;
        isolated_ = static_cast<std::uint8_t>(detail::is_punctuation | (options_.split_chinese ? detail::is_chinese : 0));
        for (std::uint32_t c = 0; c < 128; ++c) {
            bool const capital = c >= 'A' && c <= 'Z';
            ascii_kind_[c] = capital ? Kind::plain : kind(static_cast<char32_t>(c));
            lowered_[c] = static_cast<char>(capital && options_.lower_case ? c + ('a' - 'A') : c);
        }
    }

    [[nodiscard]] BertNormalizerOptions const& options() const noexcept { return options_; }
    [[nodiscard]] Kind ascii_kind(unsigned char c) const noexcept { return ascii_kind_[c]; }   ///< \param c  < 128
    [[nodiscard]] char lowered(unsigned char c) const noexcept { return lowered_[c]; }         ///< \param c  < 128

    [[nodiscard]] Kind kind(char32_t character) const noexcept {
        std::uint32_t const flags = table_->flags(character);
        if ((flags & changing_) != 0) { return Kind::changing; }
        if ((flags & isolated_) != 0) { return Kind::isolated; }
        return (flags & detail::is_space) != 0 ? Kind::space : Kind::plain;
    }

    /// Walks over `text` and calls `chunk(begin, end, Kind, is_ascii)` for each run of plain or changing characters
    /// (Kind::changing iff it needs `normalize`; plain ones may have ASCII capitals) and each isolated character
    /// (Kind::isolated).
    /// \param offset     offset of `text` in the whole text, for errors
    /// \throws InputError  at ill-formed UTF-8 where the policy is reject
    template <class Chunk>
    void scan(std::string_view text, std::size_t offset, Chunk chunk) const {
        std::size_t at = 0;
        while (at < text.size()) {
            std::size_t const begin = at;
            Kind found = Kind::plain;
            bool is_ascii = true;
            while (at < text.size()) {
                auto const byte = static_cast<unsigned char>(text[at]);
                Kind next{};
                std::size_t bytes = 1;
                if (byte < 0x80) {
                    next = ascii_kind_[byte];
                } else {
                    detail::Utf8Step const step = detail::read_utf8(text.substr(at, 4));
                    if (!step.valid && options_.invalid_utf8 == InvalidUtf8::reject) { refuse(text, at, offset); }
                    next = step.valid ? kind(step.character) : Kind::changing;
                    bytes = step.bytes;
                    is_ascii = is_ascii && next >= Kind::space;
                }
                if (next >= Kind::space) {
                    if (at > begin) { chunk(begin, at, found, is_ascii); }
                    if (next == Kind::isolated) { chunk(at, at + bytes, Kind::isolated, bytes == 1); }
                    at += bytes;
                    break;
                }
                if (next == Kind::changing) { found = Kind::changing; }
                at += bytes;
                if (at == text.size()) { chunk(begin, at, found, is_ascii); }
            }
        }
    }

    /// Reusable buffers of `normalize`.
    struct Scratch {
        struct Unit {
            char32_t character;
            ByteSpan source;
        };
        std::vector<Unit> units = {};
        NormalizedWord word = {};
    };

    /// Normalizes one chunk and calls `use(NormalizedWord const&)` for each word of it.
    /// \param offset   added to the sources of the characters
    /// \param longest  characters of a word that are kept: a longer one has one more, with the source of all that follow
    template <class Use>
    void normalize(std::string_view chunk, std::size_t offset, Scratch& scratch, Use use,
                   std::size_t longest = std::string_view::npos) const {
        NormalizedWord& word = scratch.word;
        auto const clear = [&] {
            word.text.clear();
            word.characters.clear();
        };
        auto const flush = [&] {
            if (!word.characters.empty()) { use(std::as_const(word)); }
            clear();
        };
        auto const put = [&](char32_t character, ByteSpan source) {
            std::uint8_t const flags = table_->flags(character);
            if ((flags & (detail::is_space | detail::is_punctuation)) != 0) { flush(); }
            if ((flags & detail::is_space) != 0) { return; }
            if (word.characters.size() > longest) {   // too long for any vocabulary: memory for its end alone
                word.characters.back().source.end = source.end;
                return;
            }
            word.characters.push_back({static_cast<std::uint32_t>(word.text.size()), source});
            detail::append_utf8(word.text, character);
            if ((flags & detail::is_punctuation) != 0) { flush(); }
        };
        clear();
        read_units(chunk, offset, scratch.units, [&](Scratch::Unit const& unit) {
            if (options_.lower_case && (table_->flags(unit.character) & detail::changes_when_lowered) != 0) {
                table_->lowered().apply(unit.character, [&](char32_t c) { put(c, unit.source); });
            } else {
                put(unit.character, unit.source);
            }
        });
        flush();
    }

    /// The whole text after normalization, white space included.
    [[nodiscard]] std::string normalized(std::string_view text) const {
        std::string spaced;   // white space is cleaned before anything else
        spaced.reserve(text.size());
        for (std::size_t at = 0; at < text.size();) {
            detail::Utf8Step const step = detail::read_utf8(text.substr(at, 4));
            bool const is_space = options_.clean_text && (table_->flags(step.character) & detail::is_space) != 0;
            detail::append_utf8(spaced, is_space ? U' ' : step.character);
            at += step.bytes;
        }
        Scratch scratch;
        std::string result;
        read_units(spaced, 0, scratch.units, [&](Scratch::Unit const& unit) {
            if (options_.lower_case && (table_->flags(unit.character) & detail::changes_when_lowered) != 0) {
                table_->lowered().apply(unit.character, [&](char32_t c) { detail::append_utf8(result, c); });
            } else {
                detail::append_utf8(result, unit.character);
            }
        });
        return result;
    }

private:
    using Units = std::vector<Scratch::Unit>;

    [[noreturn]] static void refuse(std::string_view text, std::size_t at, std::size_t offset) {
        auto const byte = static_cast<unsigned>(static_cast<unsigned char>(text[at]));
        throw InputError(Diagnostic{.file = {},
                                    .expected = "UTF-8 text",
                                    .found = "the byte " + std::to_string(byte) + " at byte " + std::to_string(offset + at),
                                    .hint = "Convert the text to UTF-8 or choose InvalidUtf8::replace."});
    }

    /// Cleaning, spaces around CJK, decomposition in canonical order, marks dropped. Lower-casing follows: it changes no order.
    /// \param run  a buffer: the characters that may still be reordered
    /// \param use  `use(unit)` is called for each character, in order
    template <class Use>
    void read_units(std::string_view chunk, std::size_t offset, Units& run, Use use) const {
        run.clear();
        auto const close_run = [&] {
            if (run.size() > 1) {
                std::vector<ByteSpan> sources;
                for (auto const& unit : run) { sources.push_back(unit.source); }
                std::stable_sort(run.begin(), run.end(), [&](auto const& left, auto const& right) {
                    return table_->combining_class(left.character) < table_->combining_class(right.character);
                });
                // Sources stay in the order of the text, so that no word begins after its end.
                for (std::size_t i = 0; i < run.size(); ++i) { run[i].source = sources[i]; }
            }
            for (auto const& unit : run) { use(unit); }
            run.clear();
        };
        for (std::size_t at = 0; at < chunk.size();) {
            detail::Utf8Step const step = detail::read_utf8(chunk.substr(at, 4));
            ByteSpan const source{offset + at, offset + at + step.bytes};
            at += step.bytes;
            std::uint8_t const flags = table_->flags(step.character);
            if (options_.clean_text && (flags & detail::is_control) != 0) { continue; }
            bool const chinese = options_.split_chinese && (flags & detail::is_chinese) != 0;
            auto const put_starter = [&](char32_t c) {
                close_run();
                use(Scratch::Unit{c, source});
            };
            if (chinese) { put_starter(U' '); }
            if (!strip_) {
                put_starter(step.character);
            } else if ((flags & detail::is_mark) == 0) {
                table_->strip(step.character, [&](char32_t c) {
                    if (table_->combining_class(c) == 0) {
                        put_starter(c);
                    } else {
                        run.push_back({c, source});
                    }
                });
            }
            // A mark that is dropped still keeps its neighbors apart if it is a starter.
            if (strip_ && (flags & (detail::is_mark | detail::changes_when_stripped)) != 0 &&
                (flags & detail::is_nonstarter) == 0) {
                close_run();
            }
            if (chinese) { put_starter(U' '); }
        }
        close_run();
    }

    BertNormalizerOptions options_;
    detail::UnicodeTable const* table_;
    std::uint32_t changing_ = 0;
    std::uint8_t isolated_ = 0;
    bool strip_ = true;
    std::array<Kind, 128> ascii_kind_{};
    std::array<char, 128> lowered_{};
};

}  // namespace bmae
