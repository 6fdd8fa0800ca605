// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Normalization of a unigram tokenizer: SentencePiece's compiled character map, Unicode forms, stripping.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/hash.hpp>
#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/byte_level_bpe_split.hpp>
#include <bmae/text/graphemes.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/text/unicode_form.hpp>
#include <bmae/text/word_pattern.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The bytes of base64 text; absent where it is not base64.
inline std::optional<std::string> decode_base64(std::string_view text) {
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned held = 0;
    while (text.ends_with('=')) { text.remove_suffix(1); }
    for (char const c : text) {
        std::uint32_t value = 0;
        if (c >= 'A' && c <= 'Z') {
            value = static_cast<std::uint32_t>(c - 'A');
        } else if (c >= 'a' && c <= 'z') {
            value = static_cast<std::uint32_t>(c - 'a') + 26;
        } else if (c >= '0' && c <= '9') {
            value = static_cast<std::uint32_t>(c - '0') + 52;
        } else if (c == '+' || c == '/') {
            value = c == '+' ? 62 : 63;
        } else {
            return std::nullopt;
        }
        bits = bits << 6 | value;
        held += 6;
        if (held < 8) { continue; }
        held -= 8;
        bytes += static_cast<char>(static_cast<unsigned char>(bits >> held & 0xff));
    }
    return bytes;
}

/// The map of a SentencePiece model: a double-array trie of byte strings (Aoe, 1989, as Darts-clone packs it), each with the
/// offset of its replacement in one block of NUL-ended texts.
class CharacterMapTrie {
public:
    /// \param blob  u32 size of the trie in bytes, the trie as u32 units, the replacements; all little-endian
    /// \param file  named in errors
    explicit CharacterMapTrie(std::string_view blob, std::string const& file = {}) {
        std::uint32_t size = 0;
        if (blob.size() >= 4) { std::memcpy(&size, blob.data(), 4); }
        if (blob.size() < 4 || size == 0 || size % 4 != 0 || size > blob.size() - 4) {
            throw InputError(Diagnostic{.file = file,
                                        .expected = "a precompiled character map of SentencePiece",
                                        .found = std::to_string(blob.size()) + " bytes of another form",
                                        .hint = "Save the tokenizer again."});
        }
        units_.resize(size / 4);
        std::memcpy(units_.data(), blob.data() + 4, size);
        replacements_ = blob.substr(4 + size);
    }

    /// The replacement of the shortest key that `text` begins with; absent where none does.
    ///
    /// The shortest, not the longest, and for the whole of `text`, as in the Rust tokenizers, which are the
    /// reference.
    [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const noexcept {
        std::size_t at = 0;
        std::uint32_t unit = units_[0];
        at ^= offset(unit);
        for (char const c : text) {
            auto const byte = static_cast<unsigned char>(c);
            if (byte == 0) { break; }
            at ^= byte;
            if (at >= units_.size()) { break; }
            unit = units_[at];
            if ((unit & 0x800000ffU) != byte) { break; }
            at ^= offset(unit);
            if ((unit >> 8 & 1U) == 0) { continue; }
            if (at >= units_.size()) { break; }
            std::size_t const begin = units_[at] & 0x7fffffffU;
            if (begin > replacements_.size()) { break; }
            std::size_t const end = std::min(replacements_.find('\0', begin), replacements_.size());
            return std::string_view(replacements_).substr(begin, end - begin);
        }
        return std::nullopt;
    }

    void hash_into(Xxh64& hash) const {
        hash.update(std::as_bytes(std::span(units_)));
        hash.update(replacements_);
    }

private:
    static std::uint32_t offset(std::uint32_t unit) noexcept { return (unit >> 10) << ((unit & 0x200U) >> 6); }

    std::vector<std::uint32_t> units_;
    std::string replacements_;
};

}  // namespace detail

/// One step of the normalizer.
struct UnigramNormalizerStep {
    enum class Kind : std::uint8_t {
        character_map,
        unicode_form,
        strip,
        replace,
        join_spaces,
        lower_case,
        strip_accents,   ///< drops nonspacing marks; composed letters keep theirs
        prepend,
        bert,
        replace_matches,   ///< of a regular expression
    };

    Kind kind = Kind::unicode_form;
    std::shared_ptr<detail::CharacterMapTrie const> map = {};   ///< of character_map
    UnicodeForm form = UnicodeForm::none;                       ///< of unicode_form
    bool left = false;                                          ///< of strip
    bool right = false;                                         ///< of strip
    std::string from = {};                                      ///< of replace
    std::string to = {};   ///< of replace and replace_matches, of join_spaces: for two or more spaces, and of prepend
    std::shared_ptr<BertNormalizer const> bert = {};   ///< of bert
    WordPattern expression = {};                       ///< of replace_matches

    /// Everything that decides what the step does.
    void hash_into(detail::Xxh64& hash) const {
        hash.update(std::to_string(static_cast<int>(kind)) + from + expression.expression() + '\n' + to + '\n');
        hash.update(std::to_string(static_cast<int>(form)) + (left ? '+' : '-') + (right ? '+' : '-'));
        if (map) { map->hash_into(hash); }
        if (!bert) { return; }
        BertNormalizerOptions const& options = bert->options();
        for (bool const flag : {options.lower_case, options.strip_accents.value_or(options.lower_case), options.clean_text,
                                options.split_chinese}) {
            hash.update(std::string_view(flag ? "+" : "-"));
        }
    }
};

namespace detail {

/// Grapheme by grapheme: those below six bytes are looked up as a whole, then each character alone.
inline std::string apply_character_map(CharacterMapTrie const& map, std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        std::size_t const end = at + first_grapheme(text.substr(at));
        std::string_view const grapheme = text.substr(at, end - at);
        at = end;
        if (grapheme.size() < 6) {
            if (auto const found = map.find(grapheme)) {
                result += *found;
                continue;
            }
        }
        for (std::size_t i = 0; i < grapheme.size();) {
            std::string_view const character = grapheme.substr(i, read_utf8(grapheme.substr(i)).bytes);
            auto const found = map.find(character);
            result += found ? *found : character;
            i += character.size();
        }
    }
    return result;
}

inline std::string stripped(std::string_view text, bool left, bool right) {
    CharacterClasses const& classes = CharacterClasses::instance();
    std::size_t begin = std::string_view::npos;
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size();) {
        Utf8Step const step = read_utf8(text.substr(at));
        if (classes[step.character] != CharacterClass::space) {
            begin = std::min(begin, at);
            end = at + step.bytes;
        }
        at += step.bytes;
    }
    if (begin == std::string_view::npos) { return left || right ? std::string() : std::string(text); }
    if (!left) { begin = 0; }
    if (!right) { end = text.size(); }
    return std::string(text.substr(begin, end - begin));
}

inline std::string with_joined_spaces(std::string_view text, std::string const& to) {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t const end = std::min(text.find_first_not_of(' ', at), text.size());
        if (end - at >= 2) {
            result += to;
            at = end;
        } else {
            result += text[at++];
        }
    }
    return result;
}

inline std::string with_replacements(std::string_view text, std::string const& from, std::string const& to) {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t const found = std::min(text.find(from, at), text.size());
        result += text.substr(at, found - at);
        if (found < text.size()) { result += to; }
        at = found + from.size();
    }
    return result;
}

inline std::string with_replaced_matches(std::string_view text, WordPattern const& expression, std::string const& to) {
    std::string result;
    std::size_t done = 0;
    expression.for_each_match(text, [&](std::size_t begin, std::size_t end) {
        result += text.substr(done, begin - done);
        result += to;
        done = end;
    });
    result += text.substr(done);
    return result;
}

inline std::string lower_cased(std::string_view text) {
    CharacterMap const& lowered = UnicodeTable::instance().lowered();
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        Utf8Step const step = read_utf8(text.substr(at));
        lowered.apply(step.character, [&](char32_t c) { append_utf8(result, c); });
        at += step.bytes;
    }
    return result;
}

inline std::string without_marks(std::string_view text) {
    UnicodeTable const& table = UnicodeTable::instance();
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        Utf8Step const step = read_utf8(text.substr(at));
        bool is_kept = (table.flags(step.character) & is_mark) == 0;
        if (is_kept && (table.flags(step.character) & changes_when_stripped) != 0) {   // a mark that is made of marks
            is_kept = false;
            table.strip(step.character, [&](char32_t) { is_kept = true; });
        }
        if (is_kept) { append_utf8(result, step.character); }
        at += step.bytes;
    }
    return result;
}

}  // namespace detail

/// The text after one step.
/// \param text  valid UTF-8
inline std::string normalize(UnigramNormalizerStep const& step, std::string_view text) {
    switch (step.kind) {
        case UnigramNormalizerStep::Kind::character_map:
            return detail::apply_character_map(*step.map, text);
        case UnigramNormalizerStep::Kind::strip:
            return detail::stripped(text, step.left, step.right);
        case UnigramNormalizerStep::Kind::replace:
            return detail::with_replacements(text, step.from, step.to);
        case UnigramNormalizerStep::Kind::join_spaces:
            return detail::with_joined_spaces(text, step.to);
        case UnigramNormalizerStep::Kind::lower_case:
            return detail::lower_cased(text);
        case UnigramNormalizerStep::Kind::strip_accents:
            return detail::without_marks(text);
        case UnigramNormalizerStep::Kind::prepend:
            return text.empty() ? std::string() : step.to + std::string(text);
        case UnigramNormalizerStep::Kind::bert:
            return step.bert->normalized(text);
        case UnigramNormalizerStep::Kind::replace_matches:
            return detail::with_replaced_matches(text, step.expression, step.to);
        case UnigramNormalizerStep::Kind::unicode_form:
            break;
    }
    return to_unicode_form(text, step.form);
}

namespace detail {

/// Bytes that a text of `size` bytes may have after normalization. Unicode's longest compatibility form has eleven times as many.
inline std::size_t longest_normalized(std::size_t size) noexcept { return 32 * size + (std::size_t{1} << 16); }

/// \param file  of the steps, named in errors
/// \throws InputError  for a replacement of more than 256 bytes
inline void check_replacements(std::vector<UnigramNormalizerStep> const& steps, std::string const& file) {
    constexpr std::size_t longest = 256;
    for (UnigramNormalizerStep const& step : steps) {
        if (step.to.size() <= longest) { continue; }
        throw InputError(Diagnostic{.file = file,
                                    .expected = "replacements of at most 256 bytes in the normalizer",
                                    .found = std::to_string(step.to.size()),
                                    .hint = "Save the tokenizer again."});
    }
}

/// The text after all steps. \param file  of them, named in errors
/// \throws InputError  where the text grows beyond `longest_normalized`
inline std::string normalize_by(std::vector<UnigramNormalizerStep> const& steps, std::string text, std::string const& file) {
    std::size_t const most = longest_normalized(text.size());
    for (UnigramNormalizerStep const& step : steps) {
        text = normalize(step, text);
        if (text.size() <= most) { continue; }
        throw InputError(
            Diagnostic{.file = file,
                       .expected = "a normalizer that gives at most " + std::to_string(most) + " bytes for this text",
                       .found = std::to_string(text.size()),
                       .hint = "Steps that repeat each other double a text again and again: copy the file again."});
    }
    return text;
}

}  // namespace detail

}  // namespace bmae
