// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Byte-level BPE, the tokenizer of GPT-2 and RoBERTa (Radford et al., 2019, section 2.2; Sennrich et al., arXiv 1508.07909):
/// equal to HuggingFace's fast one, id for id.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/text/added_tokens.hpp>
#include <bmae/text/byte_level_bpe_files.hpp>
#include <bmae/text/byte_level_bpe_split.hpp>
#include <bmae/text/word_cache.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Maps text to the ids of a byte-level BPE vocabulary. Copies share one immutable core; const members may run in several
/// threads.
///
/// Ill-formed UTF-8 is read as U+FFFD. A token continues a word unless it begins with the marker of a space; the first token of a
/// text begins a word whatever it is, which a tokenizer without prefix space cannot show in the token: maskers see it after
/// [CLS].
class ByteLevelBpe {
public:
    /// \throws InputError  where a merge or a special token is not in the vocabulary
    explicit ByteLevelBpe(ByteLevelBpeDescription description) : core_(std::make_shared<Core const>(std::move(description))) {}

    /// Reads a tokenizer.json or a HuggingFace folder.
    static ByteLevelBpe from_file(std::filesystem::path const& path) { return ByteLevelBpe(read_byte_level_bpe(path)); }

    [[nodiscard]] std::size_t size() const noexcept { return core_->description.tokens.size(); }   ///< V
    [[nodiscard]] TokenTraits const& traits() const noexcept { return core_->traits; }
    [[nodiscard]] std::vector<std::string> const& tokens() const noexcept { return core_->description.tokens; }
    [[nodiscard]] WrappingTokens const& wrapping() const noexcept { return core_->description.wrapping; }

    /// A token in GPT-2's letters; valid as long as this tokenizer or a copy lives. \throws InputError where there is no such id
    [[nodiscard]] std::string_view token(TokenId id) const {
        if (id < 0 || static_cast<std::size_t>(id) >= size()) {
            throw InputError(Complaint{.file = core_->description.file,
                                       .expected = "a token id below " + std::to_string(size()),
                                       .found = std::to_string(id),
                                       .remedy = "Check that the ids were made with this vocabulary."});
        }
        return core_->description.tokens[static_cast<std::size_t>(id)];
    }
    /// The id of a token, absent where the vocabulary lacks it.
    [[nodiscard]] std::optional<TokenId> id(std::string_view token) const {
        auto const found = core_->ids.find(std::string(token));
        return found == core_->ids.end() ? std::nullopt : std::optional(found->second);
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
        if (detail::first_invalid_utf8(text) != std::string_view::npos) {
            replaced = detail::well_formed(text);
            text = replaced;
        }
        auto const special = [&](TokenId id) { ids.push_back(id); };
        core_->raw.split(text, special, [&](std::string_view part) {
            core_->normalized.split(part, special, [&](std::string_view segment) { encode_segment(segment, ids); });
        });
    }

    /// What a model reads: the text between the tokens that the files put around it.                                 [n]
    [[nodiscard]] std::vector<TokenId> encode_with_specials(std::string_view text) const {
        std::vector<TokenId> ids = wrapping().before;
        encode_into(text, ids);
        ids.insert(ids.end(), wrapping().after.begin(), wrapping().after.end());
        return ids;
    }

    /// The bytes of the tokens as text; those that are not UTF-8 become U+FFFD.
    /// \param skip_special  leave out special tokens
    [[nodiscard]] std::string decode(std::span<TokenId const> ids, bool skip_special = true) const {
        detail::ByteLetters const& letters = detail::ByteLetters::instance();
        std::string bytes;
        for (TokenId const id : ids) {
            std::string_view const piece = token(id);
            if (skip_special && core_->is_special[static_cast<std::size_t>(id)] != 0) { continue; }
            std::size_t const before = bytes.size();
            for (std::size_t at = 0; at < piece.size();) {
                detail::Utf8Step const step = detail::read_utf8(piece.substr(at));
                int const byte = letters.byte(step.character);
                if (byte < 0) {   // an added token that is not written in letters stands for itself
                    bytes.resize(before);
                    bytes += piece;
                    break;
                }
                bytes += static_cast<char>(static_cast<unsigned char>(byte));
                at += step.bytes;
            }
        }
        return detail::well_formed(bytes);
    }

private:
    struct Merge {
        std::uint32_t rank;
        TokenId id;
    };

    /// A piece of a word while it is merged; a list through `previous` and `next`. Merged away where id is -1.
    struct Symbol {
        TokenId id;
        std::int32_t previous;
        std::int32_t next;
    };

    static std::uint64_t pair_key(TokenId left, TokenId right) noexcept {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    }

    struct Core {
        explicit Core(ByteLevelBpeDescription given) : description(std::move(given)) {
            std::vector<std::string> const& tokens = description.tokens;
            ids.reserve(tokens.size());
            for (std::size_t i = 0; i < tokens.size(); ++i) { ids.emplace(tokens[i], static_cast<TokenId>(i)); }
            for (unsigned byte = 0; byte < 256; ++byte) {
                byte_ids[byte] = find(detail::ByteLetters::instance().letter(static_cast<unsigned char>(byte)));
            }
            merges.reserve(description.merges.size());
            for (std::size_t rank = 0; rank < description.merges.size(); ++rank) {
                auto const& [left, right] = description.merges[rank];
                merges[pair_key(require(left, "a piece of a merge"), require(right, "a piece of a merge"))] = {
                    static_cast<std::uint32_t>(rank), require(left + right, "the result of a merge")};
            }
            if (!description.unknown.empty()) { unknown = require(description.unknown, "the unknown token"); }
            is_special.assign(tokens.size(), 0);
            for (AddedToken const& token : description.added) {
                (token.normalized ? normalized : raw).add(token);
                if (token.special) { is_special[static_cast<std::size_t>(token.id)] = 1; }
            }
            SpecialTokens const& names = description.special;
            SpecialIds special{.pad = find(names.pad),
                               .unk = find(names.unk),
                               .cls = find(names.cls),
                               .sep = find(names.sep),
                               .mask = find(names.mask)};
            WrappingTokens const& wrapping = description.wrapping;
            if (special.cls < 0 && wrapping.before.size() == 1) { special.cls = wrapping.before.front(); }
            if (special.sep < 0 && wrapping.after.size() == 1) { special.sep = wrapping.after.front(); }
            if (special.unk < 0) { special.unk = unknown; }
            std::string const& space = detail::ByteLetters::instance().letter(' ');
            std::vector<std::uint8_t> continues(tokens.size());
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                continues[i] = tokens[i].starts_with(space) || is_special[i] != 0 ? 0 : 1;
            }
            traits = TokenTraits(special, std::move(continues));
        }

        [[nodiscard]] TokenId find(std::string const& token) const {
            auto const found = ids.find(token);
            return token.empty() || found == ids.end() ? TokenId{-1} : found->second;
        }
        [[nodiscard]] TokenId require(std::string const& token, char const* what) const {
            TokenId const id = find(token);
            if (id < 0) {
                throw InputError(Complaint{.file = description.file,
                                           .expected = std::string(what) + " in the vocabulary",
                                           .found = "no '" + token + '\'',
                                           .remedy = "Use vocabulary and merges of one model."});
            }
            return id;
        }

        ByteLevelBpeDescription description;
        std::unordered_map<std::string, TokenId> ids;
        std::unordered_map<std::uint64_t, Merge> merges;
        std::array<TokenId, 256> byte_ids{};
        TokenId unknown = -1;
        std::vector<std::uint8_t> is_special;
        TokenTraits traits;
        detail::AddedTokenFinder raw;
        detail::AddedTokenFinder normalized;
        std::uint64_t number = detail::next_tokenizer_number();
    };

    void encode_segment(std::string_view segment, std::vector<TokenId>& ids) const {
        std::string prefixed;
        if (core_->description.add_prefix_space && !segment.starts_with(' ')) {
            prefixed = ' ' + std::string(segment);
            segment = prefixed;
        }
        if (!core_->description.split_words) {
            encode_word(segment, ids);
            return;
        }
        detail::WordCache& cache = detail::wordpiece_scratch(core_->number).cache;
        detail::split_as_gpt2(segment, [&](std::size_t begin, std::size_t end) {
            detail::WordCache::Entry* const entry = cache.find(segment, begin, end - begin);
            if (entry != nullptr && entry->count != 0) {
                ids.insert(ids.end(), entry->ids, entry->ids + entry->count);
                return;
            }
            std::size_t const before = ids.size();
            encode_word(segment.substr(begin, end - begin), ids);
            if (entry != nullptr) { cache.keep(*entry, std::span(ids).subspan(before)); }
        });
    }

    /// Joins the pair of the lowest rank, the leftmost of equals, until no pair is left that merges.
    void encode_word(std::string_view word, std::vector<TokenId>& ids) const {
        if (core_->description.ignore_merges) {
            std::string letters;
            for (char const c : word) { letters += detail::ByteLetters::instance().letter(static_cast<unsigned char>(c)); }
            if (TokenId const whole = core_->find(letters); whole >= 0) {
                ids.push_back(whole);
                return;
            }
        }
        std::vector<Symbol> symbols;
        symbols.reserve(word.size());
        for (char const c : word) {
            TokenId id = core_->byte_ids[static_cast<unsigned char>(c)];
            if (id < 0) { id = core_->unknown; }
            if (id < 0) { continue; }
            auto const at = static_cast<std::int32_t>(symbols.size());
            symbols.push_back({id, at - 1, at + 1});
        }
        if (symbols.empty()) { return; }
        symbols.back().next = -1;

        struct Candidate {
            std::uint32_t rank;
            std::int32_t at;
            TokenId id;
            bool operator>(Candidate const& other) const noexcept {
                return rank != other.rank ? rank > other.rank : at > other.at;
            }
        };
        std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
        auto const offer = [&](std::int32_t at) {
            if (at < 0 || symbols[static_cast<std::size_t>(at)].next < 0) { return; }
            Symbol const& left = symbols[static_cast<std::size_t>(at)];
            auto const found = core_->merges.find(pair_key(left.id, symbols[static_cast<std::size_t>(left.next)].id));
            if (found != core_->merges.end()) { queue.push({found->second.rank, at, found->second.id}); }
        };
        for (std::size_t i = 0; i + 1 < symbols.size(); ++i) { offer(static_cast<std::int32_t>(i)); }
        while (!queue.empty()) {
            Candidate const best = queue.top();
            queue.pop();
            Symbol& left = symbols[static_cast<std::size_t>(best.at)];
            if (left.id < 0 || left.next < 0) { continue; }
            Symbol& right = symbols[static_cast<std::size_t>(left.next)];
            auto const found = core_->merges.find(pair_key(left.id, right.id));
            if (found == core_->merges.end() || found->second.id != best.id) { continue; }   // merged otherwise meanwhile
            left.id = best.id;
            left.next = right.next;
            right.id = -1;
            if (left.next >= 0) { symbols[static_cast<std::size_t>(left.next)].previous = best.at; }
            offer(left.previous);
            offer(best.at);
        }
        for (std::int32_t at = 0; at >= 0; at = symbols[static_cast<std::size_t>(at)].next) {
            ids.push_back(symbols[static_cast<std::size_t>(at)].id);
        }
    }

    std::shared_ptr<Core const> core_;
};

static_assert(Tokenizer<ByteLevelBpe>);

}  // namespace bmae
