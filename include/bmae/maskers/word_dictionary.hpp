// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// MASTER's frequency dictionary: a JSON object of words, their "##" kept, and how often each occurs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/maskers/candidate_words.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// A vocabulary that looks up the id of a token, absent for an unknown one. `WordPiece` is one.
template <class V>
concept TokenLookup = requires(V const& vocabulary, std::string_view token) {
    { vocabulary.id(token) } -> std::convertible_to<std::optional<TokenId>>;
    { vocabulary.size() } -> std::convertible_to<std::size_t>;
};

namespace detail {

inline constexpr std::size_t most_word_pieces = 200;   ///< a WordPiece tokenizer makes at most 100 pieces of a word

/// The ids of "un##believ##able", the first piece as short as can be, then the second ...; false where no split at its "##" gives
/// pieces of the vocabulary, and where there are more than 200 of them.
template <TokenLookup V>
bool pieces_of(std::string_view word, V const& vocabulary, std::vector<TokenId>& pieces) {
    std::vector<std::size_t> cuts{0};
    for (std::size_t at = word.find("##", 1); at != word.npos; at = word.find("##", at + 1)) {
        cuts.push_back(at);
        if (cuts.size() > most_word_pieces) { return false; }
    }
    cuts.push_back(word.size());
    // From the end: the id of the piece at each cut and the cut behind it, where the rest can be split.
    std::size_t const last = cuts.size() - 1;
    std::vector<std::pair<TokenId, std::size_t>> next(cuts.size(), {0, 0});   // 0: no split
    next[last].second = last;
    for (std::size_t i = last; i-- > 0;) {
        for (std::size_t j = i + 1; j <= last && next[i].second == 0; ++j) {
            if (next[j].second == 0) { continue; }
            if (auto const id = vocabulary.id(word.substr(cuts[i], cuts[j] - cuts[i]))) { next[i] = {*id, j}; }
        }
    }
    if (next[0].second == 0) { return false; }
    for (std::size_t i = 0; i != last; i = next[i].second) { pieces.push_back(next[i].first); }
    return true;
}

/// Reads the count of each key while parsing (SAX), without a tree of the whole file.
template <class Use>
class DictionaryEvents : public nlohmann::json_sax<nlohmann::ordered_json> {
public:
    DictionaryEvents(std::string_view text, std::string file, Use use)
        : text_(text), file_(std::move(file)), use_(std::move(use)) {}

    bool null() override { return wrong("null"); }
    bool boolean(bool) override { return wrong("true or false"); }
    bool number_integer(std::int64_t value) override { return wrong(std::to_string(value)); }
    bool number_unsigned(std::uint64_t value) override {
        if (depth_ != 1 || value == 0) { return wrong(std::to_string(value)); }
        use_(key_, value);
        return true;
    }
    bool number_float(double, std::string const& text) override { return wrong(text); }
    bool string(std::string&) override { return wrong("a string"); }
    bool binary(nlohmann::ordered_json::binary_t&) override { return wrong("bytes"); }
    bool start_object(std::size_t) override { return ++depth_ == 1 || wrong("an object"); }
    bool key(std::string& key) override {
        key_ = key;
        return true;
    }
    bool end_object() override {
        --depth_;
        return true;
    }
    bool start_array(std::size_t) override { return wrong("an array"); }
    bool end_array() override { return true; }
    bool parse_error(std::size_t byte, std::string const&, nlohmann::ordered_json::exception const&) override {
        std::size_t const at = std::min(byte, text_.size());
        auto const lines = std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
        throw InputError(Diagnostic{.file = file_,
                                    .line = static_cast<std::size_t>(lines) + 1,
                                    .expected = "a JSON object",
                                    .found = text_.empty() ? "an empty file" : "an error at byte " + std::to_string(byte),
                                    .hint = "Fetch the dictionary again, or make one: bmae prepare --write-dictionary."});
    }

private:
    bool wrong(std::string found) const {
        throw InputError(Diagnostic{.file = file_,
                                    .expected = "an object of words, each with a whole number above 0",
                                    .found = depth_ == 0 ? std::move(found) : "under \"" + key_.substr(0, 60) + "\" " + found,
                                    .hint = "This is not a frequency dictionary, or it is damaged."});
    }

    std::string_view text_;
    std::string file_;
    Use use_;
    std::string key_;
    int depth_ = 0;
};

}  // namespace detail

/// Reads a dictionary as MASTER's code releases it: {"the": 60351, "un##believ##able": 3}. It has no document frequencies, so it
/// supports `KeywordWeighting::inverse_count` only.
/// \throws InputError  not such an object, a count that is not above 0, a word twice, a word whose pieces the vocabulary lacks
template <TokenLookup V>
WordWeights read_word_dictionary(std::filesystem::path const& path, V const& vocabulary) {
    std::string const text = detail::read_file(path);
    std::vector<WordWeights::Word> words;
    std::vector<TokenId> pieces;
    auto const add = [&](std::string const& word, std::uint64_t count) {
        pieces.clear();
        if (word.empty() || !detail::pieces_of(word, vocabulary, pieces)) {
            throw InputError(Diagnostic{.file = path.string(),
                                        .expected = "words whose pieces the vocabulary has",
                                        .found = '"' + word.substr(0, 60) + '"',
                                        .hint = "Use the dictionary that was made with this tokenizer."});
        }
        words.push_back({.hash = WordWeights::hash_of(pieces), .count = count});
    };
    detail::DictionaryEvents events(text, path.string(), add);
    nlohmann::ordered_json::sax_parse(std::string_view(text), &events);
    try {
        return WordWeights(std::move(words), 0, vocabulary.size());
    } catch (InputError const& error) {
        Diagnostic diagnostic = error.diagnostic();
        diagnostic.file = path.string();
        throw InputError(std::move(diagnostic));
    }
}

/// Writes such a dictionary, words in the order of their first occurrence. \throws InputError where the file exists
/// \param weights  the counts of these texts
template <TextsByIndex F, Tokenizer T>
void write_word_dictionary(std::filesystem::path const& path, WordWeights const& weights, std::size_t texts, F const& text_of,
                           T const& tokenizer) {
    detail::AtomicFile file(path);
    std::vector<bool> written(weights.size(), false);
    std::string line = "{";
    for (std::size_t text = 0; text < texts; ++text) {
        std::span<TokenId const> const ids = text_of(text);
        detail::CandidateWords(TokenSpan(ids, tokenizer.traits()), true).for_each([&](std::span<std::uint32_t const> positions) {
            std::uint64_t hash = WordWeights::start;
            for (std::uint32_t const i : positions) { hash = WordWeights::extend(hash, ids[i]); }
            std::size_t const place = weights.place_of(hash);
            if (place == weights.size() || written[place]) { return; }
            written[place] = true;
            std::string word;
            for (std::uint32_t const i : positions) { word += tokenizer.token(ids[i]); }
            line += line == "{" ? "\n" : ",\n";
            file.write(std::exchange(line, {}));
            file.write(nlohmann::ordered_json(word).dump() + ": " + std::to_string(weights.words()[place].count));
        });
    }
    file.write(line == "{" ? "{}\n" : "\n}\n");
    file.commit();
}

}  // namespace bmae
