// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Trains on pairs, without a decoder: in the inverse cloze task (Lee, Chang, Toutanova, P19-1612) a sentence retrieves the text
// that it was taken from, with in-batch negatives.
//
//     a sentence        --> encoder --[CLS]--.
//                                             > similar; the texts of other sentences are negatives
//     the text around   --> encoder --[CLS]--'
//
// Run:     build/dev/bin/09_contrastive_pairs
// Expect:  09_contrastive_pairs.output. What depends on the processor's rounding goes to standard error.
#include <cmath>
#include <cstdio>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/tensor.h>

#include <bmae/edge/pretrain.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/metrics/recall.hpp>
#include <bmae/presets/inverse_cloze.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>

#include "tiny_world.hpp"

namespace {

/// Loss of one sentence: its positive first, then the negatives.
void print_loss(char const* what, std::vector<float> const& cosines, double temperature) {
    std::vector<std::int64_t> const own{0};
    at::Tensor const scores = at::tensor(cosines).div(temperature).unsqueeze(0);
    std::printf("%-44s %.3f\n", what, bmae::softmax_contrast(scores, own).sum.item<double>());
}

/// Share of the relevant texts among the first twenty, where query and text have the topic in common but no word.
double recall(bmae::BertEncoder& encoder, bmae::WordPiece const& tokenizer) {
    std::vector<std::string> const texts = tiny_world::passages(100, 2, tiny_world::Words::first_half);
    std::vector<std::string> const queries = tiny_world::passages(20, 3, tiny_world::Words::second_half);
    std::vector<std::string> text_ids;
    std::vector<std::string> query_ids;
    bmae::Qrels qrels;
    for (std::size_t d = 0; d < texts.size(); ++d) { text_ids.push_back("d" + std::to_string(d)); }
    for (std::size_t q = 0; q < queries.size(); ++q) {
        query_ids.push_back("q" + std::to_string(q));
        for (std::size_t d = q % 5; d < texts.size(); d += 5) { qrels.add(query_ids[q], text_ids[d], 1); }
    }
    bmae::SentenceEncoder const vectors(encoder, tokenizer, {.normalize = true, .max_length = 40});
    bmae::ExactIndex const index(vectors.encode(texts), text_ids);
    return bmae::evaluate(qrels, index.search(vectors.encode(queries), 20, query_ids), bmae::Recall{20})["recall@20"];
}

}  // namespace

int main() {
    at::set_num_threads(1);

    // 1. The loss by hand: -log of the softmax probability of the positive. A low temperature emphasizes the hardest negative.
    //    The same text twice in a batch is a false negative: no training gets below ln 2. Duplicates must be removed,
    //    or masked by a score of minus infinity, as fine-tuning does with texts known to be relevant.
    constexpr float out = -std::numeric_limits<float>::infinity();
    print_loss("cosines .6 | .4 .2 0, temperature 1", {.6F, .4F, .2F, 0}, 1);
    print_loss("the same, temperature .05", {.6F, .4F, .2F, 0}, .05);
    print_loss("a duplicate as negative: .6 | .6 .2 0", {.6F, .6F, .2F, 0}, .05);
    print_loss("the duplicate masked", {.6F, out, .2F, 0}, .05);

    // 2. Pairs from plain text: every passage gives a random one of its three sentences, and the other two.
    tiny_world::ScratchFolder const scratch;
    bmae::WordPiece const tokenizer = tiny_world::tokenizer();
    bmae::TokenStore const corpus = tiny_world::make_store(scratch / "corpus.tokens", tiny_world::passages(500), tokenizer);
    bmae::InverseClozeHyperparameters const numbers{.kept = .1, .temperature = 1};
    bmae::InverseCloze model(tiny_world::config(tokenizer), bmae::PresetHyperparameters<bmae::InverseCloze>::options(numbers));
    std::cout << model.composition() << std::endl;
    double const before = recall(model.encoder(), tokenizer);

    // 3. A batch of 32: every sentence has 31 negatives, a uniform prediction has loss ln 32. But about seven of the batch are
    //    on the sentence's own topic, and only topics distinguish texts here: a perfect model keeps the logarithm of
    //    their number as loss.
    bmae::TrainResult const result =
        bmae::pretrain(model, corpus, {.steps = 260, .batch = {.examples = 32}, .learning_rate = 3e-3, .log_every = 20},
                       {.on_log = [](bmae::LogReport const& report) {
                           std::fprintf(stderr, "step %3d: loss %.3f\n", static_cast<int>(report.step), report.loss);
                       }});
    double const after = recall(model.encoder(), tokenizer);
    std::fprintf(stderr, "recall@20 %.3f before, %.3f after\n", before, after);
    double const loss = result.terms[0].loss;
    std::cout << "loss below ln 32, that of a uniform prediction: " << (loss < std::log(32.) - 1 ? "by more than 1" : "no")
              << "\nfar below ln 7, that of a prediction by topic alone: " << (loss < std::log(7.) - .3 ? "yes" : "no")
              << "\nrelevant texts found among the first 20: " << (before < .4 ? "few" : "many") << " before, "
              << (after > .8 ? "most" : "not most") << " after\n";
}
