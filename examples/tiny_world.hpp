// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Common code of the examples that train: an invented world of five topics, its tokenizer, its corpus, and a model of toy size.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <bmae/encoders/bert_config.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>
#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/draw.hpp>

namespace tiny_world {

/// Words that occur together and nowhere else.
struct Topic {
    std::array<std::string_view, 4> who;
    std::array<std::string_view, 4> does;
    std::array<std::string_view, 6> what;
    std::array<std::string_view, 3> where;
};

inline constexpr std::array<Topic, 5> topics = {{
    {{"baker", "cook", "waiter", "guest"},
     {"tastes", "fries", "serves", "bakes"},
     {"bread", "soup", "cake", "rice", "salad", "pie"},
     {"kitchen", "bakery", "inn"}},
    {{"captain", "sailor", "pilot", "diver"},
     {"steers", "loads", "anchors", "repairs"},
     {"ship", "sail", "mast", "net", "rope", "boat"},
     {"harbour", "bay", "sea"}},
    {{"doctor", "nurse", "patient", "surgeon"},
     {"treats", "heals", "examines", "cures"},
     {"fever", "wound", "cough", "heart", "bone", "tooth"},
     {"hospital", "ward", "clinic"}},
    {{"farmer", "shepherd", "miller", "gardener"},
     {"plants", "harvests", "waters", "grinds"},
     {"wheat", "barley", "apple", "hay", "corn", "seed"},
     {"field", "barn", "mill"}},
    {{"judge", "lawyer", "witness", "clerk"},
     {"accuses", "defends", "convicts", "questions"},
     {"thief", "crime", "verdict", "law", "proof", "oath"},
     {"court", "prison", "office"}},
}};

/// The words of a topic that a text may use. Texts of the two halves share no word but "the" and "in".
enum class Words { all, first_half, second_half };

/// "the baker bakes the bread in the kitchen ."
inline std::string sentence(Topic const& topic, bmae::Draw& draw, Words use = Words::all) {
    auto const pick = [&](auto const& words) {
        std::size_t const half = words.size() / 2;
        std::size_t const begin = use == Words::second_half ? half : 0;
        std::size_t const end = use == Words::first_half ? half : words.size();
        return std::string(words[begin + draw.below(end - begin)]);
    };
    return "the " + pick(topic.who) + ' ' + pick(topic.does) + " the " + pick(topic.what) + " in the " + pick(topic.where) + " .";
}

/// Passages of three sentences on one topic each; passage i is about topic i modulo 5.                                    [count]
inline std::vector<std::string> passages(std::size_t count, std::uint64_t seed = 1, Words use = Words::all) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
        bmae::Draw draw({.seed = seed, .example = i});
        std::string text = sentence(topics[i % topics.size()], draw, use);
        for (int more = 0; more < 2; ++more) { text += '\n' + sentence(topics[i % topics.size()], draw, use); }
        texts.push_back(text);
    }
    return texts;
}

/// A tokenizer with every word of the world.
inline bmae::WordPiece tokenizer() {
    bmae::VocabularyBuilder builder({.min_frequency = 1});
    for (std::string const& text : passages(500)) { builder.add(text); }
    return builder.build_tokenizer();
}

/// A temporary folder.
class ScratchFolder {
public:
    ScratchFolder() : path_(std::filesystem::temp_directory_path() / ("bmae-lesson-" + std::to_string(::getpid()))) {
        std::filesystem::create_directory(path_);
    }
    ScratchFolder(ScratchFolder const&) = delete;
    ScratchFolder& operator=(ScratchFolder const&) = delete;
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::filesystem::path operator/(std::string const& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

/// `texts` as a token store in `folder`.
inline bmae::TokenStore make_store(std::filesystem::path const& folder, std::vector<std::string> const& texts,
                                   bmae::WordPiece const& tokenizer) {
    bmae::TokenStoreBuilder builder(folder, tokenizer, {.passages = {.max_length = 40}});
    for (std::size_t i = 0; i < texts.size(); ++i) { builder.add({.id = std::to_string(i), .text = texts[i]}); }
    builder.finish();
    return bmae::TokenStore::open(folder);
}

/// Two layers of 64 units: trains on this world in seconds on one core.
inline bmae::BertConfig config(bmae::WordPiece const& tokenizer) {
    bmae::BertConfig config = bmae::BertConfig::of_size(2, 64);
    config.vocab_size = static_cast<std::int64_t>(tokenizer.size());
    config.max_position_embeddings = 40;
    return config;
}

}  // namespace tiny_world
