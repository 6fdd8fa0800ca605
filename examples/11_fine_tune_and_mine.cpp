// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Fine-tunes a retriever on pairs, lets it mine the texts that it mistakes for relevant ones, and trains a second retriever on these:
// the two rounds of ANCE, RocketQA, SimLM and MASTER.
//
//     pairs ----------------> retriever 1 --search the training queries--> run
//                                                                           |
//                             unjudged texts in a window of its ranks <-----'   NegativeMiner
//                                        |
//     pairs + hard negatives <-----------'
//        '------------------> retriever 2
//
// Run:     build/dev/bin/11_fine_tune_and_mine
// Expect:  11_fine_tune_and_mine.output. What depends on the processor's rounding goes to standard error.
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/edge/pretrain.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/retrieval/mining.hpp>

#include "search_world.hpp"

namespace {

/// Two passages of each query are read: a relevant one, and a hard negative where there is one; other queries' passages are negatives, too.
bmae::SentenceEncoder trained(bmae::PairStore const& pairs, bmae::WordPiece const& tokenizer, std::size_t passages) {
    bmae::Retriever model(tiny_world::config(tokenizer), {.passages = passages,
                                                          .query_length = 20,
                                                          .passage_length = 40,
                                                          .temperature = .05,
                                                          .similarity = bmae::Similarity::cosine});
    bmae::finetune(model, pairs, {.steps = 120, .batch = {.examples = 16}, .learning_rate = 2e-3, .log_every = 0}, {},
                   {.log = nullptr});
    return {model.encoder(), tokenizer, {.normalize = true, .max_length = 40}};
}

/// The text of a document by its id, for the miner, which drops texts with the words of a relevant one.
class TextsById {
public:
    explicit TextsById(search_world::Collection const& collection) {
        for (std::size_t d = 0; d < collection.ids.size(); ++d) { texts_[collection.ids[d]] = collection.texts[d]; }
    }
    std::optional<std::string> operator()(std::string_view id) const {
        auto const found = texts_.find(std::string(id));
        return found == texts_.end() ? std::nullopt : std::optional(found->second);
    }

private:
    std::map<std::string, std::string> texts_ = {};
};

bmae::MiningResult mined(search_world::Collection const& collection, bmae::Run const& run, bmae::MiningOptions const& options) {
    bmae::NegativeMiner miner({&run}, TextsById(collection), options);
    search_world::Queries const& queries = collection.train;
    for (std::size_t q = 0; q < queries.texts.size(); ++q) {
        bmae::MiningQuery query{.id = queries.ids[q]};
        for (std::size_t d = 0; d < collection.ids.size(); ++d) {
            if (collection.about[d] == queries.about[q]) { query.relevant.push_back(collection.ids[d]); }
        }
        miner.add(query, queries.texts[q]);
    }
    return miner.finish();
}

std::map<std::string, search_world::Negatives> by_query(bmae::MiningResult const& mined) {
    std::map<std::string, search_world::Negatives> made;
    for (bmae::MinedNegatives const& query : mined.queries) { made[query.query].documents = query.documents; }
    return made;
}

}  // namespace

int main() {
    at::set_num_threads(1);
    tiny_world::ScratchFolder const scratch;
    bmae::WordPiece const tokenizer = tiny_world::tokenizer();

    // 1. Twenty things, four of each topic. The topic of a text fills most of its words; the thing is one word of ten.
    search_world::Collection const collection = search_world::make_collection();
    std::cout << "query: " << collection.test.texts[0] << "\nrelevant: " << collection.texts[0]
              << "\nnot relevant: " << collection.texts[1] << "\n\n";

    // 2. Retriever 1: the negatives of a query are the passages of the other queries in its batch. Four of five of them are on another topic,
    //    and soon teach nothing more.
    bmae::SentenceEncoder const first = trained(search_world::make_pairs(scratch / "pairs", collection, tokenizer), tokenizer, 1);

    // 3. What does it mistake? The unjudged texts among its first hits for the training queries. Judged ones are dropped, and so are texts
    //    equal to them; the rate says how many relevant texts would be taken, were they not judged: the danger of mining at all.
    bmae::Run const of_training = search_world::search(collection, collection.train, first, 20);
    bmae::MiningResult const hard = mined(collection, of_training, {.first = 1, .last = 20, .number = 4});
    std::cout << "mined for " << hard.counts.queries << " queries, " << hard.counts.negatives << " negatives\n";
    std::fprintf(stderr, "of relevant hits that nobody judged, %.0f %% would be among them\n",
                 100 * hard.counts.false_negative_rate().value_or(0));

    // 4. They are on the topic of the query, nearly all.
    std::size_t on_topic = 0;
    for (bmae::MinedNegatives const& query : hard.queries) {
        std::size_t const thing = collection.train.about[std::stoul(query.query.substr(5))];
        for (std::string const& document : query.documents) {
            on_topic +=
                collection.about[std::stoul(document.substr(1))] / search_world::per_topic == thing / search_world::per_topic ? 1
                                                                                                                              : 0;
        }
    }
    double const share = static_cast<double>(on_topic) / static_cast<double>(hard.counts.negatives);
    std::fprintf(stderr, "on the topic of the query: %.2f\n", share);
    std::cout << "on the topic of their query: " << (share > .6 ? "most" : "not most")
              << " of them; of the passages in a batch one of five is\n";

    // 5. Retriever 2: the same model, data and steps, with one of them beside each relevant passage.
    bmae::SentenceEncoder const second =
        trained(search_world::make_pairs(scratch / "hard-pairs", collection, tokenizer, by_query(hard)), tokenizer, 2);

    double const before = search_world::ndcg(collection.test, search_world::search(collection, collection.test, first, 20));
    double const after = search_world::ndcg(collection.test, search_world::search(collection, collection.test, second, 20));
    std::fprintf(stderr, "ndcg@5: retriever 1 %.3f, retriever 2 %.3f\n", before, after);
    std::cout << "hard negatives find more: " << (after > before ? "yes" : "no") << '\n';
}
