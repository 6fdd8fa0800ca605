// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Trains a cross-encoder, lets it order the hits of a fast index anew, and teaches a retriever its scores: the last two stages of SimLM
// and MASTER.
//
//     query, passage --> one text --> encoder --[CLS]--> score        slow: every pair is read
//                                                          |
//     BM25's hits ------------------------- reranked by ---+
//                                                          |  softmax over the passages of a query
//     query   --> encoder --[CLS]--.                       v
//                                   > scores --> KL divergence        fast: passages are read once, before any query
//     passage --> encoder --[CLS]--'
//
// Run:     build/dev/bin/12_rerank_and_distil
// Expect:  12_rerank_and_distil.output. What depends on the processor's rounding goes to standard error.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/pretrain.hpp>
#include <bmae/presets/reranker.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/rerank.hpp>

#include "search_world.hpp"

namespace {

constexpr std::size_t depth = 12;   // hits that the cross-encoder reads

/// The hits of each training query that are not relevant, best first.
std::map<std::string, search_world::Negatives> negatives_of(search_world::Collection const& collection, bmae::Run const& run) {
    std::map<std::string, search_world::Negatives> made;
    for (std::size_t q = 0; q < run.size(); ++q) {
        for (bmae::Hit const& hit : run.hits(q)) {
            std::string const document(run.document(hit.document));
            bool const relevant = collection.about[std::stoul(document.substr(1))] == collection.train.about[q];
            if (!relevant && made[std::string(run.query(q))].documents.size() < depth) {
                made[std::string(run.query(q))].documents.push_back(document);
            }
        }
    }
    return made;
}

/// A cross-encoder trained on groups of one relevant passage and three others.
bmae::CrossEncoder trained_reranker(bmae::PairStore const& pairs, bmae::WordPiece const& tokenizer,
                                    std::filesystem::path const& folder) {
    bmae::BertConfig config = tiny_world::config(tokenizer);
    config.max_position_embeddings = 64;   // for both texts
    bmae::Reranker model(config, {.passages = 4, .query_length = 20, .max_length = 64});
    bmae::finetune(model, pairs, {.steps = 800, .batch = {.examples = 16}, .learning_rate = 1e-3, .log_every = 0}, {},
                   {.log = nullptr});
    // The folder that transformers and sentence-transformers' CrossEncoder read as well.
    bmae::save_cross_encoder(folder, model.encoder(), tokenizer, bmae::shared_tensors(model),
                             {.query_length = 20, .max_length = 64});
    return bmae::load_cross_encoder(folder);
}

/// A query with the passages of some ids.
std::vector<float> scores_of(bmae::CrossEncoder const& reranker, search_world::Collection const& collection,
                             std::string const& query, std::vector<std::string> const& ids) {
    std::vector<std::string> passages;
    for (std::string const& id : ids) { passages.push_back(collection.texts[std::stoul(id.substr(1))]); }
    at::Tensor const scores = reranker.score(query, passages);
    return {scores.const_data_ptr<float>(), scores.const_data_ptr<float>() + scores.numel()};
}

/// The first hits of each query in the order of the cross-encoder's scores, the others behind.
bmae::Run reranked_run(bmae::CrossEncoder const& reranker, search_world::Collection const& collection, bmae::Run const& run) {
    bmae::Run made(run.documents());
    for (std::size_t q = 0; q < run.size(); ++q) {
        std::vector<bmae::Hit> const hits = bmae::best_first(run, q);
        std::vector<std::string> ids;
        for (std::size_t i = 0; i < std::min(depth, hits.size()); ++i) { ids.emplace_back(run.document(hits[i].document)); }
        made.add(run.query(q), bmae::reranked(hits, scores_of(reranker, collection, collection.test.texts[q], ids)));
    }
    return made;
}

/// The teacher's scores of all passages that a query is trained with.
void add_scores(bmae::CrossEncoder const& teacher, search_world::Collection const& collection,
                std::map<std::string, search_world::Negatives>& negatives) {
    for (std::size_t q = 0; q < collection.train.texts.size(); ++q) {
        search_world::Negatives& own = negatives[collection.train.ids[q]];
        std::vector<std::string> relevant;
        for (std::size_t d = 0; d < collection.ids.size(); ++d) {
            if (collection.about[d] == collection.train.about[q]) { relevant.push_back(collection.ids[d]); }
        }
        own.positive_scores = scores_of(teacher, collection, collection.train.texts[q], relevant);
        own.scores = scores_of(teacher, collection, collection.train.texts[q], own.documents);
    }
}

template <class Model>
double ndcg_of(Model& model, search_world::Collection const& collection, bmae::PairStore const& pairs,
               bmae::WordPiece const& tokenizer) {
    bmae::finetune(model, pairs, {.steps = 300, .batch = {.examples = 16}, .learning_rate = 2e-3, .log_every = 0}, {},
                   {.log = nullptr});
    bmae::SentenceEncoder const encoder(model.encoder(), tokenizer, {.normalize = true, .max_length = 40});
    return search_world::ndcg(collection.test, search_world::search(collection, collection.test, encoder, 20));
}

}  // namespace

int main() {
    at::set_num_threads(1);
    tiny_world::ScratchFolder const scratch;
    bmae::WordPiece const tokenizer = tiny_world::tokenizer();
    search_world::Collection const collection = search_world::make_collection();
    bmae::Bm25Index const index(collection.texts, collection.ids);

    // 1. A cross-encoder reads query and passage together, so a word of one attends to the words of the other.
    auto negatives = negatives_of(collection, index.search(collection.train.texts, 30, collection.train.ids));
    bmae::CrossEncoder const reranker = trained_reranker(
        search_world::make_pairs(scratch / "pairs", collection, tokenizer, negatives), tokenizer, scratch / "reranker");

    // 2. It is too slow for all pairs, and good enough for the first hits of something fast.
    bmae::Run const fast = index.search(collection.test.texts, 30, collection.test.ids);
    bmae::Run const slow = reranked_run(reranker, collection, fast);
    double const by_words = search_world::ndcg(collection.test, fast);
    double const by_pairs = search_world::ndcg(collection.test, slow);
    std::fprintf(stderr, "ndcg@5: BM25 %.3f, reranked %.3f\n", by_words, by_pairs);
    std::cout << "the first " << depth << " hits of BM25, reranked: " << (by_pairs > by_words + .05 ? "better" : "not better")
              << '\n';

    // 3. A retriever learns from its scores. Labels say which passage is relevant; the scores also say how far each of the others is.
    add_scores(reranker, collection, negatives);
    bmae::PairStore const scored = search_world::make_pairs(scratch / "scored", collection, tokenizer, negatives);
    bmae::RetrieverHyperparameters const common{
        .passages = 4, .query_length = 20, .passage_length = 40, .temperature = .05, .similarity = bmae::Similarity::cosine};
    bmae::Retriever plain(tiny_world::config(tokenizer), common);
    bmae::RetrieverDistilledHyperparameters taught;
    static_cast<bmae::RetrieverHyperparameters&>(taught) = common;
    bmae::RetrieverDistilled distilled(tiny_world::config(tokenizer), taught);
    double const by_labels = ndcg_of(plain, collection, scored, tokenizer);
    double const by_scores = ndcg_of(distilled, collection, scored, tokenizer);
    std::fprintf(stderr, "ndcg@5: from labels %.3f, distilled %.3f\n", by_labels, by_scores);
    std::cout << plain.composition() << '\n'
              << distilled.composition() << '\n'
              << "the distilled retriever finds what the one of labels finds, or more: "
              << (by_scores >= by_labels ? "yes" : "no") << '\n';
}
