// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Builds MASTER (Zhou et al., arXiv 2212.07841, figure 2) over a few texts with queries and continuations, and prints what
// each of its tasks reads and its loss.
//
//     passage --mask .30--> encoder --> masked words                       MLM
//                              |
//                            [CLS]   one vector for five decoders
//                              |--> passage, rare words masked             MKP
//                              |--> passage, complement masked  CMP
//                              |--> the next passage                       NPR
//                              |--> queries that a model wrote             DOR
//                              '--> what a model wrote after the text      GOR
//
// Run:     build/dev/bin/07_master
// Expect:  07_master.output; losses while training go to standard error
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/presets/master.hpp>
#include <bmae/training/trainer.hpp>

#include "tiny_world.hpp"

namespace {

/// Invented documents, two passages each. `bmae generate` writes queries and continuations with T5 and GPT-2.
std::vector<bmae::Document> const documents = {
    {.id = "bread",
     .text = "the baker kneads the dough at four in the cold kitchen .\nat six the loaves are brown and the first guests wait .",
     .queries = {"when does the baker start", "who kneads the dough"},
     .continuation = "by noon the shelves are empty and the baker sleeps ."},
    {.id = "harbour",
     .text = "a storm broke the mast of the old boat in the bay .\nthe crew now mends the sails and waits for a calm sea .",
     .queries = {"what broke the mast", "where is the old boat"},
     .continuation = "on the third day the sea is calm and the boat sails ."},
    {.id = "court",
     .text = "the clerk reads the charge and the thief denies the crime .\n"
             "the judge hears two guards and believes the second one .",
     .queries = {"who denies the crime", "who reads the charge"},
     .continuation = "the thief pays the price and leaves the town ."},
};

/// The input of a network for a view, with [MASK] at masked tokens.
std::string words(bmae::PackedView const& view, bmae::WordPiece const& tokenizer) {
    return tokenizer.decode(view.input_ids, false);
}

}  // namespace

int main() {
    at::set_num_threads(1);

    // 1. Every word becomes one token, so that the views are easy to read. Passages of 16 tokens: NPR needs a next one.
    bmae::VocabularyBuilder builder({.min_frequency = 1});
    for (bmae::Document const& document : documents) {
        builder.add(document.text);
        builder.add(document.continuation);
        for (std::string const& query : document.queries) { builder.add(query); }
    }
    bmae::WordPiece const tokenizer = builder.build_tokenizer();
    tiny_world::ScratchFolder const scratch;
    bmae::TokenStoreBuilder store(scratch / "corpus.tokens", tokenizer, {.passages = {.max_length = 16}});
    for (bmae::Document const& document : documents) { store.add(document); }
    store.finish();
    bmae::TokenStore const corpus = bmae::TokenStore::open(scratch / "corpus.tokens");

    // 2. The preset. The objective binds it to the corpus: word counts for MKP come from there.
    auto const model =
        std::make_shared<bmae::Master>(tiny_world::config(tokenizer), bmae::MasterHyperparameters{.decoder_layers = 1});
    bmae::ComposedObjective<bmae::Master> objective(model, corpus, {.max_length = 24}, "master");

    // 3. The views of one text: view 0 is the encoder's, the others belong to the decoders, in the order of the composition.
    bmae::HostBatch const batch = objective.collate(std::vector<std::size_t>{0}, {.seed = 7});
    std::vector<bmae::TermDescription> const terms = model->describe_terms();
    std::cout << "mlm  " << words(batch.views[0], tokenizer) << '\n';
    for (std::size_t t = 1; t < terms.size(); ++t) {
        std::cout << terms[t].task << "  " << words(batch.views[t], tokenizer) << '\n';
    }

    // 4. A task has a loss where it has labels. The continuation belongs to the last passage of a document, a next passage to all
    //    others: an absent text is [CLS] [SEP], and its task has no label.
    bmae::HostBatch const all = objective.collate(std::vector<std::size_t>{0, 1, 2, 3, 4, 5}, {.seed = 7});
    bmae::ForwardContext context;
    bmae::ModelLoss const loss = model->forward(all, context, all.term_labels);
    std::printf("\ntask  labels  loss before training\n");
    double sum = 0;
    double labels = 0;
    for (std::size_t t = 0; t < terms.size(); ++t) {
        double const mean = loss.terms[t].loss.item<double>();
        auto const count = static_cast<double>(loss.terms[t].labels);
        std::printf("%-4s  %6.0f  %.2f\n", t == 0 ? "mlm" : terms[t].task.c_str(), count, mean);
        sum += mean * count;
        labels += count;
    }
    std::printf("all   %6.0f  %.2f = %.2f, one mean over all labels (equation 8)\n", labels, sum / labels,
                loss.total.item<double>());

    // 5. A few steps.
    std::vector<double> first;
    bmae::TrainerCallbacks callbacks;
    callbacks.on_log = [&first](bmae::LogReport const& report) {
        for (bmae::TermReport const& term : report.terms) {
            if (first.size() < report.terms.size()) { first.push_back(term.loss); }
            std::fprintf(stderr, "%.3f ", term.loss);
        }
        std::fprintf(stderr, "\n");
    };
    bmae::Trainer trainer(objective, {.steps = 60, .batch = {.examples = 6}, .learning_rate = 3e-3, .log_every = 10}, callbacks);
    bmae::TrainResult const result = trainer.fit();
    for (std::size_t t = 0; t < terms.size(); ++t) {
        std::printf("%-4s  %s\n", t == 0 ? "mlm" : terms[t].task.c_str(),
                    result.terms[t].loss < first[t] ? "fell" : "did not fall");
    }
}
