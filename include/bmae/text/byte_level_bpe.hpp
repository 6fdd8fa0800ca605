// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Byte-level BPE, the tokenizer of GPT-2, RoBERTa and ModernBERT (Radford et al., 2019, section 2.2; Sennrich et al., arXiv 1508.07909):
/// equal to HuggingFace's fast one, id for id.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
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
#include <bmae/text/nfc.hpp>
#include <bmae/text/subword_tokenizer.hpp>
#include <bmae/text/word_cache.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

namespace detail {

/// Merges, and tokenization by them.
class ByteLevelBpeCore {
public:
    static constexpr std::string_view name = "byte_level_bpe";

    explicit ByteLevelBpeCore(ByteLevelBpeDescription given)
        : description(with_names(std::move(given))),
          table(description, ByteLetters::instance().letter(' '), -1,
                [form_c = description.nfc](std::string const& text) { return form_c ? bmae::nfc(text) : text; }) {
        for (unsigned byte = 0; byte < 256; ++byte) {
            byte_ids_[byte] = table.find(ByteLetters::instance().letter(static_cast<unsigned char>(byte)));
        }
        merges_.reserve(description.merges.size());
        for (std::size_t rank = 0; rank < description.merges.size(); ++rank) {
            auto const& [left, right] = description.merges[rank];
            merges_[pair_key(require(left, "a piece of a merge"), require(right, "a piece of a merge"))] = {
                static_cast<std::uint32_t>(rank), require(left + right, "the result of a merge")};
        }
        if (!description.unknown.empty()) { unknown_ = require(description.unknown, "the unknown token"); }
    }

    void encode_part(std::string_view part, bool at_start, std::vector<TokenId>& ids) const {
        static_cast<void>(at_start);
        std::string normal;
        if (description.nfc) {
            normal = bmae::nfc(part);
            part = normal;
        }
        table.normalized.split(
            part, [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); },
            [&](std::size_t begin, std::size_t end) { encode_segment(part.substr(begin, end - begin), ids); });
    }

    void decode_token(std::string_view token, bool is_first, std::string& text) const {
        static_cast<void>(is_first);
        ByteLetters const& letters = ByteLetters::instance();
        std::size_t const before = text.size();
        for (std::size_t at = 0; at < token.size();) {
            Utf8Step const step = read_utf8(token.substr(at));
            int const byte = letters.byte(step.character);
            if (byte < 0) {   // an added token that is not in byte letters is literal text
                text.resize(before);
                text += token;
                return;
            }
            text += static_cast<char>(static_cast<unsigned char>(byte));
            at += step.bytes;
        }
    }

    void hash_into(Xxh64& hash) const {
        for (auto const& [left, right] : description.merges) { hash.update(left + ' ' + right + '\n'); }
        hash.update(std::string{description.add_prefix_space ? '+' : '-', description.split_words ? '+' : '-',
                                description.ignore_merges ? '+' : '-'});
        if (description.nfc) { hash.update("nfc"); }   // others keep the fingerprints that they have had
    }

    [[nodiscard]] std::string to_json() const { return byte_level_bpe_json(description); }

    ByteLevelBpeDescription description;
    SubwordTable table;

private:
    struct Merge {
        std::uint32_t rank;
        TokenId id;
    };

    /// A piece of a word while it is merged; a list through `previous` and `next`. Removed by a merge where id is -1.
    struct Symbol {
        TokenId id;
        std::int32_t previous;
        std::int32_t next;
    };

    static std::uint64_t pair_key(TokenId left, TokenId right) noexcept {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    }

    static ByteLevelBpeDescription with_names(ByteLevelBpeDescription given) {
        if (given.special.unk.empty()) { given.special.unk = given.unknown; }
        return given;
    }

    [[nodiscard]] TokenId require(std::string const& token, char const* what) const {
        TokenId const id = table.find(token);
        if (id < 0) {
            throw InputError(Diagnostic{.file = description.file,
                                        .expected = std::string(what) + " in the vocabulary",
                                        .found = "no '" + token + '\'',
                                        .hint = "Use vocabulary and merges of one model."});
        }
        return id;
    }

    void encode_segment(std::string_view segment, std::vector<TokenId>& ids) const {
        std::string prefixed;
        if (description.add_prefix_space && !segment.starts_with(' ')) {
            prefixed = ' ' + std::string(segment);
            segment = prefixed;
        }
        if (!description.split_words) {
            encode_word(segment, ids);
            return;
        }
        WordCache& cache = wordpiece_scratch(table.number).cache;
        split_as_gpt2(segment, [&](std::size_t begin, std::size_t end) {
            WordCache::Entry* const entry = cache.find(segment, begin, end - begin);
            if (entry != nullptr && entry->count != 0) {
                ids.insert(ids.end(), entry->ids, entry->ids + entry->count);
                return;
            }
            std::size_t const before = ids.size();
            encode_word(segment.substr(begin, end - begin), ids);
            if (entry != nullptr) { cache.keep(*entry, std::span(ids).subspan(before)); }
        });
    }

    /// Merges the pair of the lowest rank, the leftmost of equals, until no pair is left that merges.
    void encode_word(std::string_view word, std::vector<TokenId>& ids) const {
        if (description.ignore_merges) {
            std::string letters;
            for (char const c : word) { letters += ByteLetters::instance().letter(static_cast<unsigned char>(c)); }
            if (TokenId const whole = table.find(letters); whole >= 0) {
                ids.push_back(whole);
                return;
            }
        }
        std::vector<Symbol> symbols;
        symbols.reserve(word.size());
        for (char const c : word) {
            TokenId id = byte_ids_[static_cast<unsigned char>(c)];
            if (id < 0) { id = unknown_; }
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
            auto const found = merges_.find(pair_key(left.id, symbols[static_cast<std::size_t>(left.next)].id));
            if (found != merges_.end()) { queue.push({found->second.rank, at, found->second.id}); }
        };
        for (std::size_t i = 0; i + 1 < symbols.size(); ++i) { offer(static_cast<std::int32_t>(i)); }
        while (!queue.empty()) {
            Candidate const best = queue.top();
            queue.pop();
            Symbol& left = symbols[static_cast<std::size_t>(best.at)];
            if (left.id < 0 || left.next < 0) { continue; }
            Symbol& right = symbols[static_cast<std::size_t>(left.next)];
            auto const found = merges_.find(pair_key(left.id, right.id));
            if (found == merges_.end() || found->second.id != best.id) { continue; }   // changed by another merge
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

    std::unordered_map<std::uint64_t, Merge> merges_;
    std::array<TokenId, 256> byte_ids_{};
    TokenId unknown_ = -1;
};

}  // namespace detail

/// Maps text to the ids of a byte-level BPE vocabulary. Copies share one immutable core; const members may run in several
/// threads. Its tokens are written in GPT-2's letters.
///
/// Ill-formed UTF-8 is read as U+FFFD. A token continues a word unless it begins with the marker of a space; the first token of a
/// text always begins a word, which the token cannot show without a prefix space: maskers see it after
/// [CLS].
class ByteLevelBpe : public detail::SubwordTokenizer<detail::ByteLevelBpeCore> {
public:
    /// \throws InputError  where a merge or a special token is not in the vocabulary
    explicit ByteLevelBpe(ByteLevelBpeDescription description)
        : SubwordTokenizer(std::make_shared<detail::ByteLevelBpeCore const>(std::move(description))) {}

    /// Reads a tokenizer.json or a HuggingFace folder.
    static ByteLevelBpe from_file(std::filesystem::path const& path) { return ByteLevelBpe(read_byte_level_bpe(path)); }
};

static_assert(Tokenizer<ByteLevelBpe>);

}  // namespace bmae
