// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Makes a WordPiece vocabulary from text by merging the most frequent pair of pieces (Sennrich, Haddow and Birch, 2016), as
/// HuggingFace's WordPieceTrainer does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/tokenizer_files.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

struct VocabularyBuilderOptions {
    std::size_t vocabulary_size = 30522;   ///< tokens with the special ones; fewer where the text has no more pairs
    std::uint64_t min_frequency = 2;       ///< minimum frequency of a merged pair
    std::size_t max_alphabet = 1000;       ///< characters kept, the most frequent; words with other characters are skipped
    WordPieceOptions tokenizer = {};       ///< lower case, special tokens and so on; the special tokens get the first ids
};

namespace detail {

/// Merges pairs of pieces in a list of counted words.
class PairMerger {
public:
    struct Word {
        std::vector<std::uint32_t> pieces;
        std::uint64_t count;
    };
    struct Pair {
        std::uint64_t count;
        std::uint32_t left;
        std::uint32_t right;
    };

    explicit PairMerger(std::vector<Word> words) : words_(std::move(words)) {
        for (std::size_t w = 0; w < words_.size(); ++w) {
            Word const& word = words_[w];
            for (std::size_t i = 0; i + 1 < word.pieces.size(); ++i) {
                change(word.pieces[i], word.pieces[i + 1], word.count, w, true);
            }
        }
        queue_changed();
    }

    /// The most frequent pair; of equally frequent ones the one with the lowest left, then right piece. Count 0: none is left.
    [[nodiscard]] Pair next() {
        while (!queue_.empty()) {
            Entry const top = queue_.top();
            queue_.pop();
            auto const found = pairs_.find(key_of(top.left, top.right));
            if (found != pairs_.end() && found->second.count == top.count && top.count != 0) {
                return {top.count, top.left, top.right};
            }
        }
        return {0, 0, 0};
    }

    /// Replaces the pair by the piece `merged` in all words.
    void merge(Pair const& pair, std::uint32_t merged) {
        std::vector<std::uint32_t> places = std::move(pairs_[key_of(pair.left, pair.right)].words);
        std::sort(places.begin(), places.end());
        places.erase(std::unique(places.begin(), places.end()), places.end());
        for (std::uint32_t const w : places) { merge_in(w, pair, merged); }
        pairs_.erase(key_of(pair.left, pair.right));
        queue_changed();
    }

private:
    struct Place {
        std::uint64_t count = 0;
        std::vector<std::uint32_t> words = {};
        bool is_changed = false;
    };
    struct Entry {
        std::uint64_t count;
        std::uint32_t left;
        std::uint32_t right;

        bool operator<(Entry const& other) const noexcept {
            return std::tuple(count, ~left, ~right) < std::tuple(other.count, ~other.left, ~other.right);
        }
    };

    static std::uint64_t key_of(std::uint32_t left, std::uint32_t right) noexcept { return std::uint64_t{left} << 32 | right; }

    void change(std::uint32_t left, std::uint32_t right, std::uint64_t count, std::size_t word, bool is_more) {
        std::uint64_t const key = key_of(left, right);
        Place& place = pairs_[key];
        place.count = is_more ? place.count + count : place.count - count;
        if (is_more && (place.words.empty() || place.words.back() != word)) {
            place.words.push_back(static_cast<std::uint32_t>(word));
        }
        if (!place.is_changed) { changed_.push_back(key); }
        place.is_changed = true;
    }

    void merge_in(std::uint32_t w, Pair const& pair, std::uint32_t merged) {
        Word& word = words_[w];
        std::vector<std::uint32_t>& pieces = word.pieces;
        auto const is_here = [&](std::size_t i) {
            return i + 1 < pieces.size() && pieces[i] == pair.left && pieces[i + 1] == pair.right;
        };
        std::size_t first = 0;
        while (first < pieces.size() && !is_here(first)) { ++first; }
        if (first == pieces.size()) { return; }
        // All pairs of the word are recounted: words are short, and overlaps such as "aaa" need no special case.
        for (std::size_t i = 0; i + 1 < pieces.size(); ++i) { change(pieces[i], pieces[i + 1], word.count, w, false); }
        std::size_t into = first;
        for (std::size_t i = first; i < pieces.size(); ++into) {
            bool const here = is_here(i);
            pieces[into] = here ? merged : pieces[i];
            i += here ? 2 : 1;
        }
        pieces.resize(into);
        for (std::size_t i = 0; i + 1 < pieces.size(); ++i) { change(pieces[i], pieces[i + 1], word.count, w, true); }
    }

    void queue_changed() {
        for (std::uint64_t const key : changed_) {
            auto const found = pairs_.find(key);
            if (found == pairs_.end()) { continue; }
            found->second.is_changed = false;
            if (found->second.count == 0) {
                pairs_.erase(found);
                continue;
            }
            queue_.push({found->second.count, static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key)});
        }
        changed_.clear();
    }

    std::vector<Word> words_;
    std::unordered_map<std::uint64_t, Place> pairs_;
    std::vector<std::uint64_t> changed_;
    std::priority_queue<Entry> queue_;
};

}  // namespace detail

/// Counts the words of texts, then builds a vocabulary. The vocabulary does not depend on the order of the texts.
class VocabularyBuilder {
public:
    explicit VocabularyBuilder(VocabularyBuilderOptions options = {})
        : options_(std::move(options)), normalizer_(options_.tokenizer.normalizer) {}

    /// Counts the words of one text.
    void add(std::string_view text) {
        normalizer_.scan(text, 0, [&](std::size_t begin, std::size_t end, BertNormalizer::Kind, bool) {
            std::string_view const chunk = text.substr(begin, end - begin);
            auto const found = chunks_.find(chunk);
            if (found != chunks_.end()) {
                ++found->second;
            } else {
                chunks_.emplace(std::string(chunk), 1);
            }
        });
    }

    /// Special tokens, then the alphabet by code point, then its continuations, then merged pieces from frequent to rare.     [V]
    /// \throws InputError  where no text was added, or vocabulary_size is less than special tokens plus alphabet
    [[nodiscard]] std::vector<std::string> build() const {
        std::map<std::string, std::uint64_t> const words = count_words();
        std::vector<std::string> tokens = special_tokens();
        std::unordered_map<std::string, std::uint32_t> ids;
        auto const add_token = [&](std::string const& token) {
            auto const [place, is_new] = ids.emplace(token, static_cast<std::uint32_t>(tokens.size()));
            if (is_new) { tokens.push_back(token); }
            return place->second;
        };
        for (std::size_t i = 0; i < tokens.size(); ++i) { ids.emplace(tokens[i], static_cast<std::uint32_t>(i)); }
        std::map<std::string, bool> const alphabet = choose_alphabet(words);
        std::string const& prefix = options_.tokenizer.continuation;
        for (auto const& [character, continues] : alphabet) { add_token(character); }
        for (auto const& [character, continues] : alphabet) {
            if (continues) { add_token(prefix + character); }
        }
        if (tokens.size() > options_.vocabulary_size) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a vocabulary_size of at least " + std::to_string(tokens.size()) +
                                                    ", the special tokens and the alphabet",
                                        .found = std::to_string(options_.vocabulary_size),
                                        .hint = "Raise it or lower max_alphabet."});
        }
        std::vector<detail::PairMerger::Word> pieces;
        for (auto const& [word, count] : words) {
            std::vector<std::uint32_t> split;
            bool const known = for_each_character(word, [&](std::string const& character, bool is_first) {
                auto const found = ids.find(is_first ? character : prefix + character);
                if (found == ids.end()) { return false; }
                split.push_back(found->second);
                return true;
            });
            if (known && split.size() > 1) { pieces.push_back({std::move(split), count}); }
        }
        detail::PairMerger merger(std::move(pieces));
        while (tokens.size() < options_.vocabulary_size) {
            detail::PairMerger::Pair const pair = merger.next();
            if (pair.count == 0 || pair.count < options_.min_frequency) { break; }
            std::string const merged = tokens[pair.left] + tokens[pair.right].substr(prefix.size());
            merger.merge(pair, add_token(merged));
        }
        return tokens;
    }

    /// A tokenizer with the vocabulary that `build` makes.
    [[nodiscard]] WordPiece build_tokenizer() const { return WordPiece(build(), options_.tokenizer); }

private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };

    /// Calls `use(character, is_first)` for each character of a normalized word while it returns true.
    template <class Use>
    static bool for_each_character(std::string const& word, Use use) {
        for (std::size_t at = 0; at < word.size();) {
            std::size_t const bytes = detail::read_utf8(std::string_view(word).substr(at)).bytes;
            if (!use(word.substr(at, bytes), at == 0)) { return false; }
            at += bytes;
        }
        return true;
    }

    [[nodiscard]] std::vector<std::string> special_tokens() const {
        SpecialTokens const& special = options_.tokenizer.special;
        std::vector<std::string> tokens{special.pad, special.unk, special.cls, special.sep, special.mask};
        tokens.insert(tokens.end(), options_.tokenizer.extra_special.begin(), options_.tokenizer.extra_special.end());
        return tokens;
    }

    [[nodiscard]] std::map<std::string, std::uint64_t> count_words() const {
        std::map<std::string, std::uint64_t> words;
        BertNormalizer::Scratch scratch;
        for (auto const& [chunk, count] : chunks_) {
            normalizer_.normalize(chunk, 0, scratch, [&words, number = count, this](NormalizedWord const& word) {
                if (word.characters.size() <= options_.tokenizer.max_word_characters) { words[word.text] += number; }
            });
        }
        if (words.empty()) {
            throw InputError(Diagnostic{
                .file = {}, .expected = "text to build a vocabulary from", .found = "no word", .hint = "Add texts first."});
        }
        return words;
    }

    /// The most frequent characters in code-point order (which is the order of UTF-8), and whether each continues a word
    /// somewhere.
    [[nodiscard]] std::map<std::string, bool> choose_alphabet(std::map<std::string, std::uint64_t> const& words) const {
        std::map<std::string, std::pair<std::uint64_t, bool>> counts;
        for (auto const& [word, count] : words) {
            for_each_character(word, [&, number = count](std::string const& character, bool is_first) {
                auto& [total, continues] = counts[character];
                total += number;
                continues = continues || !is_first;
                return true;
            });
        }
        std::vector<std::pair<std::uint64_t, std::string>> order;
        for (auto const& [character, entry] : counts) { order.emplace_back(entry.first, character); }
        std::sort(order.begin(), order.end(),
                  [](auto const& a, auto const& b) { return std::tie(b.first, a.second) < std::tie(a.first, b.second); });
        if (order.size() > options_.max_alphabet) { order.resize(options_.max_alphabet); }
        std::map<std::string, bool> alphabet;
        for (auto const& [count, character] : order) { alphabet.emplace(character, counts.at(character).second); }
        return alphabet;
    }

    VocabularyBuilderOptions options_;
    BertNormalizer normalizer_;
    std::unordered_map<std::string, std::uint64_t, TextHash, std::equal_to<>> chunks_;
};

}  // namespace bmae
