// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SentencePiece's unigram tokenizer (Kudo, arXiv 1804.10959), as T5 uses it: equal to HuggingFace's fast one, id for id.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/text/added_tokens.hpp>
#include <bmae/text/subword_tokenizer.hpp>
#include <bmae/text/unigram_files.hpp>
#include <bmae/text/unigram_normalizer.hpp>
#include <bmae/text/vocabulary.hpp>
#include <bmae/text/word_cache.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

namespace detail {

/// Scores, and segmentation by them.
class UnigramCore {
public:
    static constexpr std::string_view name = "unigram";

    explicit UnigramCore(UnigramDescription given)
        : description(checked(std::move(given))),
          table(description, description.space, description.unknown,
                [this](std::string const& text) { return normalized(text); }) {
        root_ = trie_.add_root();
        for (std::size_t i = 0; i < description.scores.size(); ++i) {
            if (!description.tokens[i].empty()) { trie_.insert(root_, description.tokens[i], static_cast<TokenId>(i)); }
        }
        unknown_score_ = *std::min_element(description.scores.begin(), description.scores.end()) - unknown_penalty;
    }

    void encode_part(std::string_view part, bool at_start, std::vector<TokenId>& ids) const {
        std::string const text = normalized(std::string(part));
        table.normalized.split(
            text, [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); },
            [&](std::size_t begin, std::size_t end) {
                encode_segment(std::string_view(text).substr(begin, end - begin), at_start && begin == 0, ids);
            });
    }

    /// The markers become spaces again, but for one at the start.
    void decode_token(std::string_view token, bool is_first, std::string& text) const {
        bool const drops = is_first && description.prepend != PrependScheme::never;
        text += with_replacements(token, description.space, drops ? "" : " ");
    }

    void hash_into(Xxh64& hash) const {
        hash.update(std::as_bytes(std::span(description.scores)));
        hash.update(description.space + std::to_string(static_cast<int>(description.prepend)) +
                    (description.split_whitespace ? '+' : '-') + (description.split_words ? '+' : '-'));
        for (UnigramNormalizerStep const& step : description.normalizer) { step.hash_into(hash); }
    }

    /// \throws InputError  always: only tokenizers read from a file can be written
    [[nodiscard]] std::string to_json() const {
        throw InputError(Diagnostic{.file = description.file,
                                    .expected = "a unigram tokenizer that was read from a tokenizer.json",
                                    .found = "one made in the program",
                                    .hint = "Read it by Unigram::from_file."});
    }

    UnigramDescription description;
    SubwordTable table;

private:
    static constexpr double unknown_penalty = 10;

    static UnigramDescription checked(UnigramDescription given) {
        auto const refuse = [&](std::string expected, std::string found) {
            throw InputError(Diagnostic{.file = given.file,
                                        .expected = std::move(expected),
                                        .found = std::move(found),
                                        .hint = "Use the tokenizer.json of a T5 model."});
        };
        std::size_t const scored = given.scores.size();
        if (scored == 0 || scored > given.tokens.size()) {
            refuse("a score for each token of the model", std::to_string(scored) + " of " + std::to_string(given.tokens.size()));
        }
        if (given.unknown < 0 || static_cast<std::size_t>(given.unknown) >= scored) {
            refuse("the id of the unknown token", std::to_string(given.unknown));
        }
        if (given.space.empty()) { refuse("a marker of spaces", "none"); }
        check_replacements(given.normalizer, given.file);
        std::unordered_set<std::string_view> seen;
        for (std::size_t i = 0; i < scored; ++i) {
            std::string const& token = given.tokens[i];
            if (token.size() > most_token_bytes) {
                refuse("tokens of at most " + std::to_string(most_token_bytes) + " bytes", std::to_string(token.size()));
            }
            if (token.empty() || !seen.insert(token).second) {
                refuse("tokens that are not empty, each once", '\'' + token + "' with id " + std::to_string(i));
            }
        }
        return given;
    }

    [[nodiscard]] std::string normalized(std::string text) const {
        return normalize_by(description.normalizer, std::move(text), description.file);
    }

    void encode_segment(std::string_view segment, bool at_start, std::vector<TokenId>& ids) const {
        if (!description.split_whitespace) {
            encode_marked(segment, at_start, ids);
            return;
        }
        CharacterClasses const& classes = CharacterClasses::instance();
        std::size_t begin = 0;
        for (std::size_t at = 0; at <= segment.size();) {
            Utf8Step const step = at < segment.size() ? read_utf8(segment.substr(at)) : Utf8Step{' ', 1, true};
            if (classes[step.character] == CharacterClass::space) {
                if (at > begin) { encode_marked(segment.substr(begin, at - begin), at_start && begin == 0, ids); }
                begin = at + step.bytes;
            }
            at += step.bytes;
        }
    }

    /// Replaces spaces by markers and splits before each.
    void encode_marked(std::string_view piece, bool at_start, std::vector<TokenId>& ids) const {
        std::string const& space = description.space;
        std::string text = with_replacements(piece, " ", space);
        bool const prepends =
            description.prepend == PrependScheme::always || (description.prepend == PrependScheme::first && at_start);
        if (prepends && !text.starts_with(space)) { text.insert(0, space); }
        if (!description.split_words) {
            encode_word(text, ids);
            return;
        }
        WordCache& cache = wordpiece_scratch(table.number).cache;
        for (std::size_t begin = 0; begin < text.size();) {
            std::size_t const from = std::string_view(text).substr(begin).starts_with(space) ? begin + space.size() : begin;
            std::size_t const end = std::min(text.find(space, from), text.size());
            WordCache::Entry* const entry = cache.find(text, begin, end - begin);
            if (entry != nullptr && entry->count != 0) {
                ids.insert(ids.end(), entry->ids, entry->ids + entry->count);
            } else {
                std::size_t const before = ids.size();
                encode_word(std::string_view(text).substr(begin, end - begin), ids);
                if (entry != nullptr) { cache.keep(*entry, std::span(ids).subspan(before)); }
            }
            begin = end;
        }
    }

    /// The path of the largest sum of scores (Viterbi); an unknown character scores ten less than the worst
    /// token, and neighbors of that kind are one unknown token.
    void encode_word(std::string_view word, std::vector<TokenId>& ids) const {
        struct Best {   // of the paths to one byte: 16 bytes, since a text without blanks may be megabytes
            double score = 0;
            std::uint32_t length = 0;   // of the last token; 0: no path
            TokenId id = -1;
        };
        TokenId const unknown = description.unknown;
        std::vector<Best> best(word.size() + 1);
        auto const offer = [&](std::size_t from, std::size_t to, double score, TokenId id) {
            if (best[to].length == 0 || score > best[to].score) { best[to] = {score, static_cast<std::uint32_t>(to - from), id}; }
        };
        for (std::size_t at = 0; at < word.size();) {
            std::size_t const character = read_utf8(word.substr(at)).bytes;
            bool has_character = false;
            std::uint32_t node = root_;
            for (std::size_t end = at; end < word.size();) {
                node = trie_.step(node, static_cast<unsigned char>(word[end]));
                if (node == TokenTrie::nowhere) { break; }
                ++end;
                TokenId const id = trie_.token(node);
                if (id < 0) { continue; }
                offer(at, end, description.scores[static_cast<std::size_t>(id)] + best[at].score, id);
                has_character = has_character || end - at == character;
            }
            if (!has_character) { offer(at, at + character, unknown_score_ + best[at].score, unknown); }
            at += character;
        }
        std::size_t const before = ids.size();
        for (std::size_t at = word.size(); at > 0; at -= best[at].length) {
            bool const joins = best[at].id == unknown && ids.size() > before && ids.back() == unknown;
            if (!joins) { ids.push_back(best[at].id); }
        }
        std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end());
    }

    TokenTrie trie_;
    std::uint32_t root_ = 0;
    double unknown_score_ = 0;
};

}  // namespace detail

/// Maps text to the most probable sequence of tokens. Copies share one immutable core; const members may run in several threads.
///
/// Ill-formed UTF-8 is read as U+FFFD. A token continues a word unless it begins with the marker of a space.
class Unigram : public detail::SubwordTokenizer<detail::UnigramCore> {
public:
    /// \throws InputError  where the scores do not fit the tokens, or there is no unknown token
    explicit Unigram(UnigramDescription description)
        : SubwordTokenizer(std::make_shared<detail::UnigramCore const>(std::move(description))) {}

    /// Reads a tokenizer.json or a HuggingFace folder with it.
    static Unigram from_file(std::filesystem::path const& path) { return Unigram(read_unigram(path)); }
};

static_assert(Tokenizer<Unigram>);

}  // namespace bmae
