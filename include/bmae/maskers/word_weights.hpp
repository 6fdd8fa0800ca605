// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// How often each word of a corpus occurs: the weights of keyword masking.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <ranges>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/maskers/candidate_words.hpp>
#include <bmae/maskers/word_counter.hpp>
#include <bmae/maskers/word_weights_file.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Gives the content ids of text `i`: no [CLS], no final [SEP]. Called from several threads at once.
template <class F>
concept TextsByIndex = requires(F const& text_of, std::size_t i) {
    { text_of(i) } -> std::convertible_to<std::span<TokenId const>>;
};

/// Occurrences and document frequency of every word of a corpus.
///
/// A word is its sequence of token ids, hashed to 64 bits: the pieces of one word, as `WholeWordMasker{.skip_specials = true}`
/// joins them. Special tokens are no words and end the word before them; a text that starts inside a word starts with a word of
/// its own.
/// For a million words the probability of a hash collision is 1 in 37 million.
class WordWeights {
public:
    /// The counts of one word; zeros where it never occurred.
    struct Word {
        std::uint64_t hash = 0;        ///< see hash_of
        std::uint64_t count = 0;       ///< occurrences
        std::uint64_t documents = 0;   ///< texts that contain it; 0 where only counts are known

        friend bool operator==(Word const&, Word const&) = default;
    };

    /// Counts the words of `texts` texts. The result does not depend on the number of threads (0: one per processor).
    template <TextsByIndex F>
    static WordWeights count(std::size_t texts, F const& text_of, TokenTraits const& traits, unsigned threads = 0) {
        std::array<Shard, shards> counted;
        detail::parallel_for(texts, 8192, threads, [&](std::size_t begin, std::size_t end) {
            detail::WordCounter words;
            for (std::size_t i = begin; i < end; ++i) { count_text(text_of(i), traits, i, words); }
            words.for_each([&](detail::WordCount const& word) {
                Shard& shard = counted[word.hash >> 58];
                std::lock_guard const lock(shard.mutex);
                shard.words.add(word);
            });
        });
        std::vector<Word> words;
        for (Shard& shard : counted) {
            shard.words.for_each(
                [&](detail::WordCount const& word) { words.push_back({word.hash, word.count, word.documents}); });
            shard.words = {};
        }
        return WordWeights(std::move(words), texts, traits.size());
    }

    /// The same of any range of texts that can be indexed: a vector of vectors of ids.
    template <std::ranges::random_access_range R>
        requires std::convertible_to<std::ranges::range_reference_t<R const>, std::span<TokenId const>>
    static WordWeights of(R const& texts, TokenTraits const& traits, unsigned threads = 0) {
        auto const text_of = [&](std::size_t i) -> std::span<TokenId const> {
            return std::ranges::begin(texts)[static_cast<std::ranges::range_difference_t<R const>>(i)];
        };
        return count(static_cast<std::size_t>(std::ranges::size(texts)), text_of, traits, threads);
    }

    /// Of the passages of a token store, since a passage is what a masker sees; a document here is a passage.
    static WordWeights of(TokenStore const& store, unsigned threads = 0);

    /// From counts alone, in any order. \throws InputError  a count of 0, a word twice, a word in more texts than there are
    /// \param documents   texts counted; 0 where unknown, and then no word may have a document frequency
    /// \param vocabulary  size of the vocabulary of the words' token ids
    WordWeights(std::vector<Word> words, std::uint64_t documents, std::uint64_t vocabulary);

    /// Reads what `save` wrote. \throws InputError  naming the file where it is truncated, changed or of another version
    static WordWeights load(std::filesystem::path const& file);

    /// Writes a new file: see word_weights_file.hpp. \throws InputError where it exists or cannot be written
    void save(std::filesystem::path const& file) const;

    /// The hash of a word from the ids of its pieces.
    [[nodiscard]] static constexpr std::uint64_t hash_of(std::span<TokenId const> pieces) noexcept {
        std::uint64_t hash = start;
        for (TokenId const id : pieces) { hash = extend(hash, id); }
        return hash;
    }
    static constexpr std::uint64_t start = 0x776f7264;   ///< the hash of no piece
    [[nodiscard]] static constexpr std::uint64_t extend(std::uint64_t hash, TokenId id) noexcept {
        return detail::mix64(hash ^ static_cast<std::uint32_t>(id));
    }

    /// Index of a word in `words()`; size() where it never occurred.
    [[nodiscard]] std::size_t place_of(std::uint64_t hash) const noexcept {
        std::size_t const bucket = bucket_of(hash);
        for (std::size_t i = buckets_[bucket]; i < buckets_[bucket + 1]; ++i) {
            if (words_[i].hash == hash) { return i; }
        }
        return size();
    }
    /// The counts of a word.
    [[nodiscard]] Word find(std::uint64_t hash) const noexcept {
        std::size_t const place = place_of(hash);
        return place == size() ? Word{.hash = hash} : words_[place];
    }
    [[nodiscard]] std::uint64_t count(std::span<TokenId const> pieces) const noexcept { return find(hash_of(pieces)).count; }
    [[nodiscard]] std::uint64_t document_frequency(std::span<TokenId const> pieces) const noexcept {
        return find(hash_of(pieces)).documents;
    }

    [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }              ///< different words
    [[nodiscard]] std::uint64_t documents() const noexcept { return documents_; }          ///< texts counted; 0: unknown
    [[nodiscard]] std::uint64_t vocabulary_size() const noexcept { return vocabulary_; }   ///< V
    [[nodiscard]] std::span<Word const> words() const noexcept { return words_; }          ///< by hash

    friend bool operator==(WordWeights const& a, WordWeights const& b) noexcept {
        return a.documents_ == b.documents_ && a.vocabulary_ == b.vocabulary_ && a.words_ == b.words_;
    }

private:
    static constexpr std::size_t shards = 64;
    struct Shard {   // by the top six bits of the hash; tables use the low ones
        std::mutex mutex;
        detail::WordCounter words;
    };

    WordWeights() = default;

    static void count_text(std::span<TokenId const> ids, TokenTraits const& traits, std::uint64_t text,
                           detail::WordCounter& words) {
        detail::CandidateWords(TokenSpan(ids, traits), true).for_each([&](std::span<std::uint32_t const> positions) {
            std::uint64_t hash = start;
            for (std::uint32_t const i : positions) { hash = extend(hash, ids[i]); }
            words.add(hash, text);
        });
    }

    void check(std::string const& file) const;

    /// About one word per bucket, found by the top bits of its hash.
    void index();
    [[nodiscard]] std::size_t bucket_of(std::uint64_t hash) const noexcept { return static_cast<std::size_t>(hash >> shift_); }

    std::vector<Word> words_;            ///< sorted by hash
    std::vector<std::size_t> buckets_;   ///< [2^k + 1] first word of each bucket
    int shift_ = 63;
    std::uint64_t documents_ = 0;
    std::uint64_t vocabulary_ = 0;
};

/// A masker that draws by word counts, and receives those of the training corpus where it has none.
///
/// 1. `masker.needs_words()` on a const masker is true where it has no counts and needs them.
/// 2. `masker.learn(weights)` sets the counts. Counts that it has already (a dictionary that the user loaded) are kept.
template <class M>
concept LearnsWords = requires(M& masker, M const& fixed, std::shared_ptr<WordWeights const> weights) {
    { fixed.needs_words() } -> std::same_as<bool>;
    { masker.learn(weights) } -> std::same_as<void>;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE WordWeights WordWeights::of(TokenStore const& store, unsigned threads) {
    auto const text_of = [&](std::size_t i) { return store.example(i, store.passage_length(i)).passage; };
    return count(store.size(), text_of, store.traits(), threads);
}

BMAE_INLINE WordWeights::WordWeights(std::vector<Word> words, std::uint64_t documents, std::uint64_t vocabulary)
    : words_(std::move(words)), documents_(documents), vocabulary_(vocabulary) {
    std::ranges::sort(words_, {}, &Word::hash);
    check({});
    index();
}

BMAE_INLINE WordWeights WordWeights::load(std::filesystem::path const& file) {
    WordWeights weights;
    detail::WordWeightsHeader const header = detail::read_word_weights(file, weights.words_);
    weights.documents_ = header.documents;
    weights.vocabulary_ = header.vocabulary;
    weights.check(file.string());
    weights.index();
    return weights;
}

BMAE_INLINE void WordWeights::save(std::filesystem::path const& file) const {
    detail::WordWeightsHeader const header{.documents = documents_, .vocabulary = vocabulary_, .words = words_.size()};
    detail::write_word_weights<Word>(file, header, words_);
}

BMAE_INLINE void WordWeights::check(std::string const& file) const {
    auto const refuse = [&](std::string expected, std::string found) {
        return InputError(Diagnostic{
            .file = file, .expected = std::move(expected), .found = std::move(found), .hint = "Count the corpus again."});
    };
    for (std::size_t i = 0; i < words_.size(); ++i) {
        Word const& word = words_[i];
        if (word.count == 0) { throw refuse("words that occur", "a count of 0"); }
        if (word.documents > documents_ || word.documents > word.count) {
            throw refuse("a document frequency of at most " + std::to_string(std::min(documents_, word.count)),
                         std::to_string(word.documents));
        }
        bool const grows = i == 0 || word.hash > words_[i - 1].hash;
        if (!grows) { throw refuse("each word once, by hash", "a word twice or out of order"); }
    }
}

BMAE_INLINE void WordWeights::index() {
    shift_ = 64 - std::max(1, static_cast<int>(std::bit_width(words_.size())));
    buckets_.assign((std::size_t{1} << (64 - shift_)) + 1, 0);
    for (Word const& word : words_) { ++buckets_[bucket_of(word.hash) + 1]; }
    for (std::size_t i = 1; i < buckets_.size(); ++i) { buckets_[i] += buckets_[i - 1]; }
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
