// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
//
// Masks words of one passage in four ways from the papers, and prints what remains visible.
//
//     text --> masker --> flags --> corruptor --> what the network reads
//              which?     0 1 0     becomes what?
//
// Run:     build/dev/bin/01_mask_a_passage
// Expect:  01_mask_a_passage.output, the same on every machine: draws are a function of their key, not of a generator's state.
#include <iostream>
#include <string>
#include <vector>

#include <bmae/corruptors/bert.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/text/wordpiece.hpp>

namespace {

std::string const passage = "The lighthouse keeper writes down every ship and reads the list to his cat.";

/// The text that the vocabulary is built from. It lacks "lighthouse" and "keeper", so they are split into pieces.
std::string const texts =
    "the storehouse, the warehouse and the farmhouse. light. keep. every reader, writer and baker reads and writes "
    "to his cat. ship the list down.";

/// The tokens of `ids` with blanks between them.
std::string show(std::vector<bmae::TokenId> const& ids, bmae::WordPiece const& tokenizer) {
    std::string line;
    for (bmae::TokenId const id : ids) { line += (line.empty() ? "" : " ") + tokenizer.tokens()[static_cast<std::size_t>(id)]; }
    return line;
}

/// The same with a blank box for each masked token.
std::string show(bmae::TokenSpan text, bmae::MaskFlags const& flags, bmae::WordPiece const& tokenizer) {
    std::string line;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string const& token = tokenizer.tokens()[static_cast<std::size_t>(text[i])];
        line += (i == 0 ? "" : " ") + (flags[i] == 0 ? token : std::string(token.size(), '_'));
    }
    return line;
}

}  // namespace

int main() {
    // 1. A tokenizer. Words that the vocabulary lacks are split into pieces; "##" continues the word before it.
    bmae::VocabularyBuilder builder({.min_frequency = 1});
    builder.add(texts);
    bmae::WordPiece const tokenizer = builder.build_tokenizer();
    bmae::TokenTraits const& traits = tokenizer.traits();
    std::vector<bmae::TokenId> ids = tokenizer.encode(passage);
    ids.insert(ids.begin(), traits.special().cls);
    ids.push_back(traits.special().sep);
    bmae::TokenSpan const text(ids, traits);
    std::cout << "text          " << show(ids, tokenizer) << '\n';

    // 2. Single tokens (BERT) against whole words (RetroMAE): a piece is easy to predict when the rest of its word is visible.
    bmae::Draw draw({.seed = 2, .epoch = 0, .example = 0, .slot = 0});
    bmae::MaskFlags const tokens = bmae::TokenMasker{.rate = .30}.draw(text, draw);
    bmae::MaskFlags const words = bmae::WholeWordMasker{.rate = .30}.draw(text, draw);
    std::cout << "tokens .30    " << show(text, tokens, tokenizer) << '\n'
              << "words .30     " << show(text, words, tokenizer) << '\n';

    // 3. Complementary masks (MASTER): the decoder predicts exactly the tokens that the encoder could read.
    bmae::MaskFlags const others = bmae::ComplementMasker{}.draw(text, draw, words);
    std::cout << "complement    " << show(text, others, tokenizer) << '\n';

    // 4. What a masked token becomes: always [MASK], or BERT's 80 % [MASK], 10 % any token, 10 % left alone.
    bmae::MaskedText masked{.original_ids = ids, .input_ids = ids, .flags = words};
    bmae::MaskOnly{}.corrupt(masked, traits, draw);
    std::cout << "mask only     " << show(masked.input_ids, tokenizer) << '\n';
    masked.input_ids = ids;
    bmae::BertCorruptor{}.corrupt(masked, traits, draw);
    std::cout << "80/10/10      " << show(masked.input_ids, tokenizer) << '\n';

    // 5. Row masks (RetroMAE, equation 7): no mask, but each row attends to its own half of the text and never to itself.
    bmae::Visibility const visibility = bmae::RowVisibility{.rate = .50}.draw(text, draw);
    for (std::size_t const row : {1U, 2U}) {
        bmae::MaskFlags unread(text.size(), 0);
        for (std::size_t column = 0; column < text.size(); ++column) { unread[column] = visibility.allows(row, column) ? 0 : 1; }
        std::cout << "row " << row << " reads   " << show(text, unread, tokenizer) << '\n';
    }

    // 6. The same key draws the same mask, independent of earlier draws.
    bmae::Draw again({.seed = 2, .epoch = 0, .example = 0, .slot = 0});
    std::cout << "same key, same mask: " << (bmae::TokenMasker{.rate = .30}.draw(text, again) == tokens ? "yes" : "no") << '\n';
}
