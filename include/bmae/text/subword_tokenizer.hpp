// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Common code of byte-level BPE and unigram tokenizers: a table of tokens, added tokens found in raw text, and files.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/detail/hash.hpp>
#include <bmae/text/added_tokens.hpp>
#include <bmae/text/subword_files.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/text/word_cache.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae::detail {

/// True for a token that begins in a script written without spaces: Han, kana, Thai, Lao, Myanmar, Khmer. Each of its pieces is taken
/// for a word, as WordPiece takes each ideograph: a whole text as one word could not be masked by words.
inline bool begins_without_space(std::string_view token) noexcept {
    using Range = std::pair<char32_t, char32_t>;
    static constexpr std::array<Range, 9> ranges{{{0x0e00, 0x0eff},       // Thai, Lao
                                                  {0x1000, 0x109f},       // Myanmar
                                                  {0x1780, 0x17ff},       // Khmer
                                                  {0x3040, 0x30ff},       // Hiragana, Katakana
                                                  {0x31f0, 0x31ff},       // Katakana extensions
                                                  {0x3400, 0x9fff},       // Han
                                                  {0xf900, 0xfaff},       // Han, compatibility
                                                  {0xff66, 0xff9f},       // Katakana of half the width
                                                  {0x20000, 0x3ffff}}};   // Han, supplementary
    if (token.empty()) { return false; }
    char32_t const first = read_utf8(token).character;
    return std::ranges::any_of(ranges, [&](Range const& range) { return first >= range.first && first <= range.second; });
}

/// The tokens of a description by id and by text, their traits, and the added ones.
class SubwordTable {
public:
    /// \param space    the prefix of tokens that begin a word
    /// \param unknown  the model's unknown token; -1: from the files
    /// \param change   normalization before matching normalized added tokens
    template <class Description, class Change>
    SubwordTable(Description const& description, std::string_view space, TokenId unknown, Change change)
        : is_special(description.tokens.size(), 0) {
        std::vector<std::string> const& tokens = description.tokens;
        ids.reserve(tokens.size());
        for (std::size_t i = 0; i < tokens.size(); ++i) { ids[tokens[i]] = static_cast<TokenId>(i); }
        auto const require_id = [&](TokenId id) {
            if (id >= 0 && static_cast<std::size_t>(id) < tokens.size()) { return; }
            throw InputError(Diagnostic{.file = description.file,
                                        .expected = "token ids below " + std::to_string(tokens.size()),
                                        .found = std::to_string(id),
                                        .hint = "Use files of one model."});
        };
        for (auto const* around : {&description.wrapping.before, &description.wrapping.after}) {
            for (TokenId const id : *around) { require_id(id); }
        }
        for (AddedToken token : description.added) {
            require_id(token.id);
            if (token.special) { is_special[static_cast<std::size_t>(token.id)] = 1; }
            if (token.normalized) { token.content = change(token.content); }
            (token.normalized ? normalized : raw).add(std::move(token));
        }
        // A tokenizer.json alone has no roles of tokens: uses the names common in such models.
        auto const named = [&](std::string const& name, std::initializer_list<char const*> usual) {
            if (TokenId const id = find(name); id >= 0 || !name.empty()) { return id; }
            for (AddedToken const& token : description.added) {
                if (token.special && std::find(usual.begin(), usual.end(), token.content) != usual.end()) { return token.id; }
            }
            return TokenId{-1};
        };
        SpecialTokens const& names = description.special;
        SpecialIds special{.pad = named(names.pad, {"<pad>", "[PAD]"}),
                           .unk = unknown >= 0 ? unknown : named(names.unk, {"<unk>", "[UNK]"}),
                           .cls = find(names.cls),
                           .sep = find(names.sep),
                           .mask = named(names.mask, {"<mask>", "[MASK]"})};
        WrappingTokens const& wrapping = description.wrapping;
        if (special.cls < 0 && wrapping.before.size() == 1) { special.cls = wrapping.before.front(); }
        if (special.sep < 0 && wrapping.after.size() == 1) { special.sep = wrapping.after.front(); }
        std::vector<std::uint8_t> continues(tokens.size());
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            bool const begins = tokens[i].starts_with(space) || tokens[i].starts_with(' ') ||   // an added run of blanks
                                begins_without_space(tokens[i]);
            continues[i] = begins || is_special[i] != 0 ? 0 : 1;
        }
        traits = TokenTraits(special, std::move(continues));
    }

    /// -1 for a missing token.
    [[nodiscard]] TokenId find(std::string const& token) const {
        auto const found = ids.find(token);
        return token.empty() || found == ids.end() ? TokenId{-1} : found->second;
    }

    std::unordered_map<std::string, TokenId> ids;
    std::vector<std::uint8_t> is_special;   // [V] skipped in decoded text
    TokenTraits traits;
    AddedTokenFinder raw;          // matched in the raw text
    AddedTokenFinder normalized;   // matched in the normalized text
    std::uint64_t number = next_tokenizer_number();
};

/// A tokenizer over an immutable core that its copies share.
///
/// `Core` has `description`, `table`, `name`, and the const members `encode_part(part, at_start, ids)`, `decode_token(token,
/// is_first, text)`, `hash_into(hash)` and `to_json()`.
template <class Core>
class SubwordTokenizer {
public:
    static constexpr std::string_view kind() noexcept { return Core::name; }

    [[nodiscard]] std::size_t size() const noexcept { return tokens().size(); }   ///< V
    [[nodiscard]] TokenTraits const& traits() const noexcept { return core_->table.traits; }
    [[nodiscard]] std::vector<std::string> const& tokens() const noexcept { return core_->description.tokens; }
    /// The special tokens before and after a text.
    [[nodiscard]] WrappingTokens const& wrapping() const noexcept { return core_->description.wrapping; }
    /// How two texts stand in one input; nothing where the files do not say so in a known form.
    [[nodiscard]] std::optional<PairForm> pair_form() const noexcept { return core_->description.pair; }

    /// The text of a token as in the vocabulary; valid as long as this tokenizer or a copy lives.
    /// \throws InputError  where there is no such id
    [[nodiscard]] std::string_view token(TokenId id) const {
        if (id < 0 || static_cast<std::size_t>(id) >= size()) {
            throw InputError(Diagnostic{.file = core_->description.file,
                                        .expected = "a token id below " + std::to_string(size()),
                                        .found = std::to_string(id),
                                        .hint = "Check that the ids were made with this vocabulary."});
        }
        return tokens()[static_cast<std::size_t>(id)];
    }
    /// The id of a token, absent for an unknown token.
    [[nodiscard]] std::optional<TokenId> id(std::string_view token) const {
        TokenId const found = core_->table.find(std::string(token));
        return found < 0 ? std::nullopt : std::optional(found);
    }

    /// Content ids of a text; added tokens in it become themselves.                                                  [n]
    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const {
        std::vector<TokenId> ids;
        ids.reserve(text.size() / 3 + 8);
        encode_into(text, ids);
        return ids;
    }

    /// As `encode`, appended to `ids`.
    void encode_into(std::string_view text, std::vector<TokenId>& ids) const {
        std::string replaced;
        if (first_invalid_utf8(text) != std::string_view::npos) {
            replaced = well_formed(text);
            text = replaced;
        }
        core_->table.raw.split(
            text, [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); },
            [&](std::size_t begin, std::size_t end) { core_->encode_part(text.substr(begin, end - begin), begin == 0, ids); });
    }

    /// The input of a model: the text with its special tokens.                                 [n]
    [[nodiscard]] std::vector<TokenId> encode_with_specials(std::string_view text) const {
        std::vector<TokenId> ids = wrapping().before;
        encode_into(text, ids);
        ids.insert(ids.end(), wrapping().after.begin(), wrapping().after.end());
        return ids;
    }

    /// Readable text; bytes that are no UTF-8 become U+FFFD.
    /// \param skip_special  skip special tokens
    [[nodiscard]] std::string decode(std::span<TokenId const> ids, bool skip_special = true) const {
        std::string text;
        bool is_first = true;
        for (TokenId const id : ids) {
            std::string_view const piece = token(id);
            if (skip_special && core_->table.is_special[static_cast<std::size_t>(id)] != 0) { continue; }
            core_->decode_token(piece, is_first, text);
            is_first = false;
        }
        return well_formed(text);
    }

    /// Vocabulary and everything else that affects the ids.
    [[nodiscard]] std::uint64_t fingerprint() const {
        Xxh64 hash;
        hash_vocabulary(*this, hash);
        hash.update(kind());
        core_->hash_into(hash);
        return hash.digest();
    }

    /// Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json. \throws InputError, RunError
    void save(std::filesystem::path const& folder) const {
        auto const& description = core_->description;
        SpecialIds const& special = traits().special();
        auto const name = [&](TokenId id) { return id < 0 ? std::string() : std::string(token(id)); };
        write_subword_files(folder, description.source.empty() ? core_->to_json() : description.source,
                            {.pad = name(special.pad),
                             .unk = name(special.unk),
                             .cls = name(special.cls),
                             .sep = name(special.sep),
                             .mask = name(special.mask)},
                            description.model_max_length);
    }

protected:
    explicit SubwordTokenizer(std::shared_ptr<Core const> core) : core_(std::move(core)) {}

private:
    std::shared_ptr<Core const> core_;
};

}  // namespace bmae::detail
