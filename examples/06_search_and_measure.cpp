// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Pre-trains an encoder, saves it, searches with it and with BM25, and measures both where query and text share no word.
//
//     corpus --RetroMAE--> encoder --> folder --> encoder
//     texts   --encode--> vectors --> exact index --.
//                                                    >-- run --evaluate with qrels--> MRR, nDCG, precision
//     queries --encode--> vectors ------------------'
//
// Run:     build/dev/bin/06_search_and_measure
// Expect:  06_search_and_measure.output; what depends on the processor's rounding goes to standard error
#include <iostream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/edge/pretrain.hpp>
#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/metrics/mrr.hpp>
#include <bmae/metrics/ndcg.hpp>
#include <bmae/metrics/recall.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/exact_index.hpp>

#include "tiny_world.hpp"

int main() {
    at::set_num_threads(1);
    tiny_world::ScratchFolder const scratch;
    bmae::WordPiece const tokenizer = tiny_world::tokenizer();

    // 1. Pre-train on text in which all words of a topic meet. Texts this short are easy to predict from half of them, so
    // the decoder's mask rate is .90: the topic must then come from the sentence vector.
    bmae::TokenStore const corpus = tiny_world::make_store(scratch / "corpus.tokens", tiny_world::passages(500), tokenizer);
    bmae::RetroMae model(tiny_world::config(tokenizer), {.encoder_mask = .30, .decoder_mask = .90});
    bmae::pretrain(model, corpus, {.steps = 300, .batch = {.examples = 32}, .learning_rate = 3e-3});

    // 2. Keep the encoder, drop the decoder. Python's sentence-transformers reads the same folder.
    bmae::save_sentence_transformer(bmae::SentenceEncoder(model.encoder(), tokenizer, {.normalize = true, .max_length = 40}),
                                    scratch / "encoder");
    bmae::SentenceEncoder const encoder = bmae::load_sentence_encoder(scratch / "encoder");

    // 3. A collection and queries. Queries use the other half of each topic's words: "the surgeon cures the bone" matches texts
    //    about doctors and fever. Every text of the query's topic is relevant.
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

    // 4. Search twice: exact dense search, and BM25.
    bmae::ExactIndex const dense(encoder.encode(texts), text_ids);
    bmae::Run const by_vector = dense.search(encoder.encode(queries), 20, query_ids);
    bmae::Bm25Index const sparse(texts, text_ids);
    bmae::Run const by_word = sparse.search(queries, 20, query_ids);

    // 5. Measure. The profile sets the rules for ties and missing queries; the default is that of trec_eval 9.
    bmae::Report const vectors = bmae::evaluate(qrels, by_vector, bmae::Mrr{10}, bmae::Ndcg{10}, bmae::Recall{20});
    bmae::Report const words = bmae::evaluate(qrels, by_word, bmae::Mrr{10}, bmae::Ndcg{10}, bmae::Recall{20});
    std::cerr << "vectors: ndcg@10 " << vectors["ndcg@10"] << ", recall@20 " << vectors["recall@20"] << '\n';
    std::cout << "query  q2: " << queries[2].substr(0, queries[2].find('\n')) << '\n'
              << "wanted d2: " << texts[2].substr(0, texts[2].find('\n')) << '\n'
              << "bm25 ndcg@10 " << words["ndcg@10"] << ", recall@20 " << words["recall@20"] << '\n'
              << words.summary() << '\n'
              << "vectors find more than words: " << (vectors["recall@20"] > words["recall@20"] ? "yes" : "no") << '\n'
              << "and more than half of what is relevant: " << (vectors["recall@20"] > .5 ? "yes" : "no") << '\n';
}
