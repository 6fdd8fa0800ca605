// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Common code of the examples that search: a collection in the tiny world in which the topic of a text is easy to find, and what
// exactly it is about is not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/evaluation/evaluator.hpp>
#include <bmae/metrics/ndcg.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/pair_store_writer.hpp>

#include "tiny_world.hpp"

namespace search_world {

using Texts = std::vector<std::string>;

inline constexpr std::size_t per_topic = 4;            ///< things of each topic
inline constexpr std::size_t things = 5 * per_topic;   ///< a text is about one of them
inline constexpr std::size_t texts_per_thing = 5;      ///< all of them relevant to a query about it

/// Queries with their ids and what is relevant to them.
struct Queries {
    Texts texts = {};
    Texts ids = {};
    std::vector<std::size_t> about = {};   ///< the number of the thing that each is about
    bmae::Qrels qrels = {};
};

/// Texts of two sentences, each about one of twenty things: four per topic. A text is relevant to a query about the same thing. Texts
/// of one topic share all other words.
struct Collection {
    Texts texts = {};
    Texts ids = {};
    std::vector<std::size_t> about = {};
    Queries train = {};
    Queries test = {};
};

/// "the baker bakes the bread in the kitchen ." about one thing.
inline std::string sentence_about(std::size_t thing, bmae::Draw& draw) {
    tiny_world::Topic const& topic = tiny_world::topics[thing / per_topic];
    auto const pick = [&](auto const& words) { return std::string(words[draw.below(words.size())]); };
    return "the " + pick(topic.who) + ' ' + pick(topic.does) + " the " + std::string(topic.what[thing % per_topic]) + " in the " +
           pick(topic.where) + " .";
}

inline Queries make_queries(Collection const& collection, std::size_t per_thing, std::string const& prefix, std::uint64_t seed) {
    Queries queries;
    for (std::size_t i = 0; i < things * per_thing; ++i) {
        bmae::Draw draw({.seed = seed, .example = i});
        queries.texts.push_back(sentence_about(i % things, draw));
        queries.ids.push_back(prefix + std::to_string(i));
        queries.about.push_back(i % things);
        for (std::size_t d = 0; d < collection.texts.size(); ++d) {
            if (collection.about[d] == i % things) { queries.qrels.add(queries.ids.back(), collection.ids[d], 1); }
        }
    }
    return queries;
}

inline Collection make_collection() {
    Collection collection;
    for (std::size_t i = 0; i < texts_per_thing * things; ++i) {
        bmae::Draw draw({.seed = 11, .example = i});
        std::string const first = sentence_about(i % things, draw);
        collection.texts.push_back(first + '\n' + sentence_about(i % things, draw));
        collection.ids.push_back("d" + std::to_string(i));
        collection.about.push_back(i % things);
    }
    collection.train = make_queries(collection, 4, "train", 12);
    collection.test = make_queries(collection, 2, "test", 13);
    return collection;
}

/// Of each query by its id: documents, and their scores where a teacher gave any.
struct Negatives {
    Texts documents = {};
    std::vector<float> scores = {};
    std::vector<float> positive_scores = {};   ///< of the relevant documents, in the order of the collection
};

/// The training queries as a pair store: relevant texts, and the negatives given.
inline bmae::PairStore make_pairs(std::filesystem::path const& folder, Collection const& collection,
                                  bmae::WordPiece const& tokenizer, std::map<std::string, Negatives> const& negatives = {}) {
    bmae::PairStoreWriter writer(folder, tokenizer);
    std::map<std::string, std::uint32_t> numbers;   // in the store, of each document
    for (std::size_t d = 0; d < collection.texts.size(); ++d) {
        numbers[collection.ids[d]] = writer.add_text(collection.ids[d], tokenizer.encode(collection.texts[d]));
    }
    for (std::size_t q = 0; q < collection.train.texts.size(); ++q) {
        bmae::PairQuery query{.id = collection.train.ids[q], .tokens = tokenizer.encode(collection.train.texts[q])};
        for (std::size_t d = 0; d < collection.texts.size(); ++d) {
            if (collection.about[d] == collection.train.about[q]) { query.positives.push_back(numbers[collection.ids[d]]); }
        }
        if (auto const own = negatives.find(query.id); own != negatives.end()) {
            for (std::string const& document : own->second.documents) { query.negatives.push_back(numbers[document]); }
            query.positive_scores = own->second.positive_scores;
            query.negative_scores = own->second.scores;
        }
        writer.add(query);
    }
    writer.finish();
    return bmae::PairStore::open(folder);
}

/// The best documents of each query by the dot products of vectors.
inline bmae::Run search(Collection const& collection, Queries const& queries, bmae::SentenceEncoder const& encoder,
                        std::size_t k) {
    bmae::ExactIndex const index(encoder.encode(collection.texts), collection.ids);
    return index.search(encoder.encode(queries.texts), k, queries.ids);
}

/// nDCG at 5, the number of relevant texts.
inline double ndcg(Queries const& queries, bmae::Run const& run) {
    return bmae::evaluate(queries.qrels, run, bmae::Ndcg{5})["ndcg@5"];
}

}  // namespace search_world
