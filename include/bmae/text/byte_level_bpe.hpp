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
#include <memory>
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
        results_.reserve(description.merges.size());
        for (std::size_t rank = 0; rank < description.merges.size(); ++rank) {
            auto const& [left, right] = description.merges[rank];
            results_.push_back(require(left + right, "the result of a merge"));
            merges_[pair_key(require(left, "a piece of a merge"), require(right, "a piece of a merge"))] = {
                static_cast<std::uint32_t>(rank), results_.back()};
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

    /// A pair of neighbors that may merge: the one that begins at `at`.
    struct Candidate {
        std::uint32_t rank;
        std::int32_t at;
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

        auto const later = [](Candidate const& a, Candidate const& b) {
            return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
        };
        auto const merge_at = [&](std::int32_t at) {
            if (at < 0 || symbols[static_cast<std::size_t>(at)].next < 0) { return merges_.end(); }
            Symbol const& left = symbols[static_cast<std::size_t>(at)];
            return merges_.find(pair_key(left.id, symbols[static_cast<std::size_t>(left.next)].id));
        };
        auto const count = static_cast<std::int32_t>(symbols.size());
        std::vector<Candidate> heap;
        constexpr std::int32_t long_word = 4096;
        if (count > long_word) {   // the capacity is taken once: a word may be a megabyte, and doubling would hold it three times
            std::size_t pairs = 0;
            for (std::int32_t at = 0; at < count; ++at) { pairs += merge_at(at) == merges_.end() ? 0U : 1U; }
            heap.reserve(2 * pairs);
        } else {
            heap.reserve(symbols.size());
        }
        auto const offer = [&](std::int32_t at) {
            auto const found = merge_at(at);
            if (found != merges_.end()) { heap.push_back({found->second.rank, at}); }
            return found != merges_.end();
        };
        for (std::int32_t at = 0; at < count; ++at) { offer(at); }
        std::make_heap(heap.begin(), heap.end(), later);
        while (!heap.empty()) {
            std::pop_heap(heap.begin(), heap.end(), later);
            Candidate const best = heap.back();
            heap.pop_back();
            Symbol& left = symbols[static_cast<std::size_t>(best.at)];
            if (left.id < 0 || left.next < 0) { continue; }
            Symbol& right = symbols[static_cast<std::size_t>(left.next)];
            auto const found = merges_.find(pair_key(left.id, right.id));
            TokenId const merged = results_[best.rank];
            if (found == merges_.end() || found->second.id != merged) { continue; }   // changed by another merge
            left.id = merged;
            left.next = right.next;
            right.id = -1;
            if (left.next >= 0) { symbols[static_cast<std::size_t>(left.next)].previous = best.at; }
            for (std::int32_t const at : {left.previous, best.at}) {
                if (offer(at)) { std::push_heap(heap.begin(), heap.end(), later); }
            }
        }
        for (std::int32_t at = 0; at >= 0; at = symbols[static_cast<std::size_t>(at)].next) {
            ids.push_back(symbols[static_cast<std::size_t>(at)].id);
        }
    }

    std::unordered_map<std::uint64_t, Merge> merges_;
    std::vector<TokenId> results_;   // of the merge of each rank
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
