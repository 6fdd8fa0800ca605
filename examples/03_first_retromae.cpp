// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Pre-trains RetroMAE (Liu, Shao, arXiv 2205.12035, figure 1) on a few hundred sentences, in seconds; both losses fall.
//
//     text --mask .30--> encoder --> masked words                  loss 1, masked language modeling
//                           |
//                         [CLS]   one vector, the bottleneck
//                           |
//     text --rows .50--> one-layer decoder --> every word          loss 2, enhanced decoding
//
// Run:     build/dev/bin/03_first_retromae
// Expect:  03_first_retromae.output. Losses differ in the last digits from processor to processor, so they go to standard error,
//          and what must hold everywhere goes to standard output.
#include <cmath>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/edge/pretrain.hpp>
#include <bmae/presets/retromae.hpp>

#include "tiny_world.hpp"

int main() {
    at::set_num_threads(1);   // tensors are so small here that a second thread does not help

    // 1. Text, tokenizer, token store. A store is a folder of token ids that is memory-mapped, for corpora of any size.
    tiny_world::ScratchFolder const scratch;
    bmae::WordPiece const tokenizer = tiny_world::tokenizer();
    bmae::TokenStore const corpus = tiny_world::make_store(scratch / "corpus.tokens", tiny_world::passages(500), tokenizer);
    std::cout << "passages          " << corpus.size() << '\n'
              << "tokens            " << corpus.statistics().tokens << '\n'
              << "vocabulary        " << tokenizer.size() << '\n';

    // 2. The model, with the paper's hyperparameters. Presets are aliases of compositions: see 04_swap_the_decoder.cpp.
    bmae::RetroMae model(tiny_world::config(tokenizer), {.encoder_mask = .30, .decoder_mask = .50});
    std::cout << "composition       " << model.composition() << '\n';

    // 3. Training. Every log line reports each term by name.
    std::vector<bmae::TermReport> first;
    bmae::TrainResult const result =
        bmae::pretrain(model, corpus, {.steps = 120, .batch = {.examples = 32}, .learning_rate = 3e-3, .log_every = 20},
                       {.on_log = [&first](bmae::LogReport const& report) {
                           if (first.empty()) { first = report.terms; }
                           std::fprintf(stderr, "step %3d   masked words %.3f   decoded words %.3f\n",
                                        static_cast<int>(report.step), report.terms[0].loss, report.terms[1].loss);
                       }});

    // 4. Check the result. A uniform prediction over V tokens has loss ln V; the first losses start near it.
    double const blind = std::log(static_cast<double>(tokenizer.size()));
    for (std::size_t t = 0; t < first.size(); ++t) {
        bmae::TermReport const& last = result.terms[t];
        std::cout << last.name << "  " << last.kind << ": " << (last.loss < first[t].loss ? "fell" : "did not fall") << ", "
                  << (last.loss < blind / 2 ? "below" : "not below") << " half of ln V, the loss of a uniform prediction\n";
    }
    std::cout << "steps             " << result.step << '\n';
}
