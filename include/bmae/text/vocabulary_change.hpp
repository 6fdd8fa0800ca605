// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Other vocabularies for a trained WordPiece tokenizer: words of a domain added, pieces that a corpus never uses dropped.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// A new vocabulary and where its rows come from.
struct VocabularyChange {
    std::vector<std::string> tokens = {};             ///< [V'] by new id
    std::vector<std::vector<TokenId>> sources = {};   ///< [V'] old ids: the mean of their rows is the new row
    std::vector<std::string> known = {};              ///< given words that are tokens already
    std::vector<std::string> not_words = {};          ///< given words that the tokenizer reads as none or several words
    std::vector<std::string> without_pieces = {};     ///< given words that are unknown: there is no row to start from
};

/// The words and pieces of texts, counted as a tokenizer reads them.
class CountedWords {
public:
    explicit CountedWords(WordPiece tokenizer) : tokenizer_(std::move(tokenizer)), normalizer_(tokenizer_.options().normalizer) {}

    void add(std::string_view text) {
        normalizer_.scan(text, 0, [&](std::size_t begin, std::size_t end, BertNormalizer::Kind, bool) {
            ++chunks_[std::string(text.substr(begin, end - begin))];
        });
    }

    /// Each normalized word with its count.
    [[nodiscard]] std::map<std::string, std::uint64_t> words() const {
        std::map<std::string, std::uint64_t> words;
        BertNormalizer::Scratch scratch;
        for (auto const& [chunk, count] : chunks_) {
            normalizer_.normalize(chunk, 0, scratch,
                                  [&, n = count](NormalizedWord const& word) { words[std::string(word.text)] += n; });
        }
        return words;
    }

    /// The words that are split into several known pieces, the most frequent first, of equally frequent ones by their bytes.
    /// \param most   as many at most
    /// \param least  occurrences of each at least
    [[nodiscard]] std::vector<std::string> frequent_split_words(std::size_t most, std::uint64_t least = 2) const {
        std::vector<std::pair<std::uint64_t, std::string>> found;
        TokenId const unknown = tokenizer_.traits().special().unk;
        for (auto const& [word, count] : words()) {
            if (count < least) { continue; }
            std::vector<TokenId> const ids = tokenizer_.encode(word);
            if (ids.size() > 1 && std::ranges::find(ids, unknown) == ids.end()) { found.emplace_back(count, word); }
        }
        std::ranges::sort(
            found, [](auto const& a, auto const& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
        found.resize(std::min(found.size(), most));
        std::vector<std::string> list;
        for (auto& [count, word] : found) { list.push_back(std::move(word)); }
        return list;
    }

    /// [V] occurrences of each piece.
    [[nodiscard]] std::vector<std::uint64_t> pieces() const {
        std::vector<std::uint64_t> counts(tokenizer_.size(), 0);
        for (auto const& [word, count] : words()) {
            for (TokenId const id : tokenizer_.encode(word)) { counts[static_cast<std::size_t>(id)] += count; }
        }
        return counts;
    }

private:
    WordPiece tokenizer_;
    BertNormalizer normalizer_;
    std::unordered_map<std::string, std::uint64_t> chunks_;
};

/// The vocabulary with words appended; each starts as the mean of its pieces. All old ids stay. A word that begins with a new one
/// is split anew, as WordPiece takes the longest prefix.
inline VocabularyChange extended_vocabulary(WordPiece const& tokenizer, std::span<std::string const> words) {
    VocabularyChange change{.tokens = tokenizer.tokens()};
    for (std::size_t i = 0; i < change.tokens.size(); ++i) { change.sources.push_back({static_cast<TokenId>(i)}); }
    TokenId const unknown = tokenizer.traits().special().unk;
    std::unordered_set<std::string> added;
    for (std::string const& given : words) {
        CountedWords one(tokenizer);
        one.add(given);
        auto const read = one.words();
        if (read.size() != 1 || read.begin()->second != 1) {
            change.not_words.push_back(given);
            continue;
        }
        std::string const& word = read.begin()->first;
        std::vector<TokenId> const pieces = tokenizer.encode(word);
        if (tokenizer.id(word) || added.contains(word)) {
            change.known.push_back(given);
        } else if (pieces.empty() || std::ranges::find(pieces, unknown) != pieces.end()) {
            change.without_pieces.push_back(given);
        } else {
            added.insert(word);
            change.tokens.push_back(word);
            change.sources.push_back(pieces);
        }
    }
    return change;
}

/// The vocabulary without pieces that were never used. Special tokens and single characters stay, so that no text becomes unknown, and
/// the texts of the counts are split as before.
/// \param counts  [V] as CountedWords::pieces gives them
inline VocabularyChange trimmed_vocabulary(WordPiece const& tokenizer, std::span<std::uint64_t const> counts) {
    WordPieceOptions const& options = tokenizer.options();
    auto const is_character = [&](std::string_view token) {
        if (token.starts_with(options.continuation)) { token.remove_prefix(options.continuation.size()); }
        return token.empty() || detail::read_utf8(token).bytes == token.size();
    };
    VocabularyChange change;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        auto const id = static_cast<TokenId>(i);
        std::string const token(tokenizer.token(id));
        bool const is_special =
            tokenizer.traits().is_special(id) || std::ranges::find(options.extra_special, token) != options.extra_special.end();
        if (counts[i] == 0 && !is_special && !is_character(token)) { continue; }
        change.tokens.push_back(token);
        change.sources.push_back({id});
    }
    return change;
}

/// The tokenizer with another vocabulary, all else as before.
inline WordPiece with_vocabulary(WordPiece const& tokenizer, std::vector<std::string> tokens) {
    return WordPiece(std::move(tokens), tokenizer.options());
}

}  // namespace bmae
