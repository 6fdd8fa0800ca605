// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Trains two models that differ in one line of their type, and counts the labels of each decoder
// (arXiv 2205.12035, section 3).
//
//     enhanced:  [CLS] + text under row masks .50 --> decoder --> every word, each from a context of its own
//     basic:     [CLS] + text masked a second time .50 --> decoder --> the masked words alone, all from one context
//
// Run:     build/dev/bin/04_swap_the_decoder
// Expect:  04_swap_the_decoder.output; losses go to standard error, since they differ in the last digits between processors
#include <cstdio>
#include <iostream>

#include <ATen/Parallel.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/edge/pretrain.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

#include "tiny_world.hpp"

using namespace bmae;

// 1. One slot per line. This is all: no registration, no factory, no configuration file.
using Enhanced = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, RowVisibility>, EnhancedDecoder>>>;

using Basic = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, WholeWordMasker, MaskOnly>, BasicDecoder>>>;   // the line that differs

namespace {

template <class Model>
void train(char const* name, Model model, TokenStore const& corpus) {
    double first = 0;
    TrainResult const result = pretrain(
        model, corpus, {.steps = 60, .batch = {.examples = 32}, .learning_rate = 3e-3, .log_every = 20},
        {.on_log = [&](LogReport const& report) {
            if (first == 0) { first = report.terms[1].loss; }
            std::fprintf(stderr, "%s, step %d: decoder loss %.3f\n", name, static_cast<int>(report.step), report.terms[1].loss);
        }});
    TermReport const& decoder = result.terms[1];
    std::cout << name << "\n    composition     " << model.composition()   //
              << "\n    decoder labels  " << decoder.labels / 20
              << " per step (masked in the encoder's view: " << result.terms[0].labels / 20 << ')'   //
              << "\n    decoder loss    " << (decoder.loss < first ? "fell" : "did not fall") << '\n';
}

}  // namespace

int main() {
    at::set_num_threads(1);

    // 2. One corpus for both.
    tiny_world::ScratchFolder const scratch;
    WordPiece const tokenizer = tiny_world::tokenizer();
    TokenStore const corpus = tiny_world::make_store(scratch / "corpus.tokens", tiny_world::passages(500), tokenizer);

    // 3. A composition's options mirror its structure, so that designated initializers can set every option.
    Enhanced::Options enhanced;
    std::get<1>(std::get<0>(enhanced.passes).terms) = {.view = {.masker = {.rate = .50}}, .decoder = {.layers = 1}, .weight = 1};
    Basic::Options basic;
    std::get<1>(std::get<0>(basic.passes).terms) = {.view = {.masker = {.rate = .50}}, .decoder = {.layers = 1}, .weight = 1};

    // 4. The enhanced decoder has a label on every token of a text, the basic one on the masked half: the paper's
    // argument.
    train("enhanced", Enhanced(tiny_world::config(tokenizer), enhanced), corpus);
    train("basic", Basic(tiny_world::config(tokenizer), basic), corpus);
}
