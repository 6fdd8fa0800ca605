// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Pre-trains a very small RetroMAE on eight invented sentences: train_retromae FOLDER, which must not exist.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <bmae/edge/pretrain.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/text/token_store_builder.hpp>
#include <bmae/text/vocabulary_builder.hpp>

int main(int count, char** words) {
    if (count != 2) { return 2; }
    std::filesystem::path const folder = words[1];
    std::vector<std::string> const texts{"bread is baked in an oven", "ships lie in the harbor", "an oven is hot",
                                         "the harbor is deep",        "bread is warm",           "ships are large",
                                         "a baker bakes bread",       "a sailor sails ships"};
    bmae::VocabularyBuilder vocabulary({.min_frequency = 1});
    for (std::string const& text : texts) { vocabulary.add(text); }
    auto const tokenizer = vocabulary.build_tokenizer();
    std::filesystem::create_directories(folder);
    bmae::TokenStoreBuilder builder(folder / "corpus", tokenizer, {.passages = {.max_length = 16}});
    for (std::string const& text : texts) { builder.add({.id = text.substr(0, 4), .text = text}); }
    builder.finish();
    auto const corpus = bmae::TokenStore::open(folder / "corpus");

    bmae::BertConfig config;
    config.vocab_size = static_cast<std::int64_t>(corpus.traits().size());
    config.hidden_size = 16;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 2;
    config.intermediate_size = 32;
    config.max_position_embeddings = 32;
    bmae::RetroMae model(config);
    auto const result =
        bmae::pretrain(model, corpus, {.steps = 5, .batch = {.examples = 4}, .output = folder / "run"}, {}, {.log = nullptr});
    for (auto const& term : result.terms) { std::cout << term.name << ' ' << term.loss << '\n'; }
    return result.step == 5 && std::isfinite(result.terms.at(0).loss) ? 0 : 1;
}
