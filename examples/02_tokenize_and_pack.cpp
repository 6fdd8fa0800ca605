// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
//
// Tokenizes sentences and packs them, as every network of bmae reads them: there is no padding token.
//
//     padded:  [CLS] a  b  [SEP]  .   .        packed:  [CLS] a b [SEP] [CLS] c d e f [SEP]
//              [CLS] c  d   e     f [SEP]       offsets  0               4                10
//
// Run:     build/dev/bin/02_tokenize_and_pack
// Expect:  02_tokenize_and_pack.output, the same on every machine
#include <iostream>
#include <string>
#include <vector>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/losses/token_cross_entropy.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/view.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/text/wordpiece.hpp>

namespace {

std::vector<std::string> const sentences = {
    "The baker sells bread.",
    "In the harbour a fisherman mends the old nets that the storm has torn.",
    "Snow falls on the mountains.",
};

template <class Values>
void print(char const* name, Values const& values, std::size_t limit = 100) {
    std::cout << name;
    for (std::size_t i = 0; i < values.size() && i < limit; ++i) { std::cout << ' ' << values[i]; }
    std::cout << '\n';
}

}  // namespace

int main() {
    // 1. Count words, build a vocabulary, get a tokenizer. `WordPiece::from_file("vocab.txt")` reads an existing one.
    bmae::VocabularyBuilder builder({.vocabulary_size = 200, .min_frequency = 1});
    for (std::string const& sentence : sentences) { builder.add(sentence); }
    bmae::WordPiece const tokenizer = builder.build_tokenizer();
    bmae::TokenTraits const& traits = tokenizer.traits();

    // 2. Content ids have no special tokens; decoding gives the normalized text back.
    std::vector<std::vector<bmae::TokenId>> contents;
    for (std::string const& sentence : sentences) { contents.push_back(tokenizer.encode(sentence)); }
    print("content ids ", contents[0]);
    std::cout << "decoded      " << tokenizer.decode(contents[0]) << '\n';

    // 3. A view: text source, masker and corruptor. It adds [CLS] and [SEP].
    bmae::View<bmae::Passage, bmae::WholeWordMasker, bmae::MaskOnly> const view{.masker = {.rate = .30}};

    // 4. Pack the same view of all examples. The loss labels the masked tokens and nothing else.
    bmae::PackedView packed;
    for (std::size_t i = 0; i < contents.size(); ++i) {
        bmae::Example const example{.id = i, .passage = contents[i]};
        bmae::ViewDraws const draws{.own = bmae::Draw({.seed = 1, .example = i}),
                                    .shared = bmae::Draw({.seed = 1, .example = i, .slot = 1})};
        bmae::MaskedText text = view.assemble(example, traits, {.max_length = 32}, draws).front().text;
        bmae::TokenCrossEntropy{}.label(text, traits);
        packed.append(text);
    }

    // 5. B texts, T tokens, M labeled rows. A padded batch of the same texts would have B * longest tokens.
    std::size_t longest = 0;
    for (std::size_t b = 0; b < packed.texts(); ++b) {
        longest = std::max(longest, static_cast<std::size_t>(packed.offsets[b + 1] - packed.offsets[b]));
    }
    std::cout << "texts B      " << packed.texts() << '\n'
              << "tokens T     " << packed.tokens() << " (padded: " << packed.texts() * longest << ")\n"
              << "labels M     " << packed.label_count() << '\n';
    print("offsets     ", packed.offsets);
    print("positions   ", packed.positions);

    // 6. The input of the network and its labels, text by text.
    for (std::size_t b = 0; b < packed.texts(); ++b) {
        auto const begin = static_cast<std::size_t>(packed.offsets[b]);
        auto const end = static_cast<std::size_t>(packed.offsets[b + 1]);
        std::string recover;
        for (std::size_t t = begin; t < end; ++t) {
            if (packed.labels[t] != bmae::ignored_label) {
                recover += ' ' + tokenizer.tokens()[static_cast<std::size_t>(packed.labels[t])];
            }
        }
        std::vector<bmae::TokenId> const read(packed.input_ids.begin() + packed.offsets[b],
                                              packed.input_ids.begin() + packed.offsets[b + 1]);
        std::cout << "reads    " << tokenizer.decode(read, false) << "\nrecovers" << recover << '\n';
    }
}
