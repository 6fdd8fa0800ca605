// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a masker, checks it against the concept, and trains RetroMAE with it: no base class, no registration.
//
//     text --EveryThird--> encoder --[CLS]--> one-layer decoder <--visible rows .50-- text
//            ^^^^^^^^^^
//            yours
//
// Run:     build/dev/bin/05_own_masker
// Expect:  05_own_masker.output; losses go to standard error
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/concepts/masker.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/edge/pretrain.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

#include "tiny_world.hpp"

// 1. The masker. It gets [CLS] text [SEP] and returns which tokens are masked, never specials. `draw` is its only source of
//    randomness, keyed by (seed, epoch, example, slot), so that the same text is masked alike on any number of threads.
struct EveryThird {
    std::size_t offset = 1;   ///< first masked token

    bmae::MaskFlags draw(bmae::TokenSpan text, bmae::Draw& draw) const {
        bmae::MaskFlags flags(text.size(), 0);
        for (std::size_t i = offset + draw.below(3); i < text.size(); i += 3) { flags[i] = text.is_special(i) ? 0 : 1; }
        return flags;
    }
};

// 2. The check. Were `const` missing, `explain_masker` would report it in one sentence.
static_assert(bmae::Masker<EveryThird> && bmae::explain_masker<EveryThird>());

// 3. The composition. It differs from RetroMAE in one type.
using Mine = bmae::Model<bmae::BertEncoder,
    bmae::Pass<bmae::View<bmae::Passage, EveryThird>, bmae::ClsBottleneck,
        bmae::MaskedLanguageModel,
        bmae::Branch<bmae::View<bmae::Passage, bmae::RowVisibility>, bmae::EnhancedDecoder>>>;

int main() {
    at::set_num_threads(1);
    tiny_world::ScratchFolder const scratch;
    bmae::WordPiece const tokenizer = tiny_world::tokenizer();
    bmae::TokenStore const corpus = tiny_world::make_store(scratch / "corpus.tokens", tiny_world::passages(500), tokenizer);

    // 4. Test a policy alone before training: it is a pure function of text and draw.
    std::vector<bmae::TokenId> ids = tokenizer.encode("the captain steers the ship in the bay .");
    ids.insert(ids.begin(), tokenizer.traits().special().cls);
    ids.push_back(tokenizer.traits().special().sep);
    for (std::uint64_t example : {0U, 1U, 2U}) {
        bmae::Draw draw({.seed = 1, .example = example});
        bmae::MaskFlags const flags = EveryThird{}.draw({ids, tokenizer.traits()}, draw);
        std::vector<bmae::TokenId> read = ids;
        for (std::size_t i = 0; i < ids.size(); ++i) { read[i] = flags[i] != 0 ? tokenizer.traits().special().mask : ids[i]; }
        std::cout << "example " << example << ": " << tokenizer.decode(read, false) << '\n';
    }

    // 5. Train with it. Reports, checkpoints and the log take the new part's name from its type.
    Mine model(tiny_world::config(tokenizer));
    std::vector<double> losses;
    bmae::pretrain(model, corpus, {.steps = 60, .batch = {.examples = 32}, .learning_rate = 3e-3, .log_every = 20},
                   {.on_log = [&losses](bmae::LogReport const& report) {
                       losses.push_back(report.loss);
                       std::fprintf(stderr, "step %d: loss %.3f\n", static_cast<int>(report.step), report.loss);
                   }});
    std::cout << model.composition() << '\n' << "loss " << (losses.back() < losses.front() ? "fell" : "did not fall") << '\n';
}
