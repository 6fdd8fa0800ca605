// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A small synthetic corpus in which word overlap is useless: an article has three topics, its query has the same
// topics in other words. Only a model of word co-occurrence can retrieve the article.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

#include "collection.hpp"
#include "topics.hpp"

namespace quickstart {

struct WorldOptions {
    std::uint64_t seed = 1;
    std::size_t unlabeled = 20000;                               // articles to pre-train on
    std::size_t searched = 1000;                                 // articles to search, no two of the same three topics
    std::size_t train = 200;                                     // further articles with a question, for fine-tuning
    std::size_t topics = quickstart::topics.size();              // the first of the list
    std::size_t words_per_topic = quickstart::words_per_topic;   // the first of its list
    std::size_t topics_per_article = 3;
    std::size_t words_of_topic = 6;   // topic words of an article; its question takes two of the others
    double stray = .25;               // probability that a topic is replaced in the texts of an article
};

// One article and its related texts.
struct Article {
    std::vector<std::size_t> topics;
    std::vector<std::string> lines;   // sentences of six tokens
    std::string question;

    std::string text(char between = ' ') const {
        std::string text;
        for (std::string const& line : lines) { text += (text.empty() ? std::string() : std::string(1, between)) + line; }
        return text;
    }
};

// Two articles, the second on nearly the same topics, and their simulated queries and continuation.
struct WorldDocument {
    std::vector<Article> articles;
    std::vector<std::string> queries;
    std::string continuation;
};

class World {
public:
    explicit World(WorldOptions options) : options_(options) {
        check();
        for (TopicWords const& topic : std::span(topics).first(options_.topics)) {
            std::vector<std::string_view>& list = words_.emplace_back();
            for (std::size_t begin = 0; begin < topic.words.size();) {
                std::size_t const end = std::min(topic.words.find(' ', begin), topic.words.size());
                list.push_back(topic.words.substr(begin, end - begin));
                begin = end + 1;
            }
            list.resize(std::min(list.size(), options_.words_per_topic));
        }
    }

    // The article number `index` of a part of the world; the same number is always the same article.
    Article article(std::uint64_t part, std::uint64_t index) const {
        bmae::Draw draw({.seed = options_.seed, .epoch = part, .example = index, .slot = 0});
        return write(draw_topics(draw), draw);
    }

    // The document number `index`. Its second article, its queries and its continuation are noisy: some topics are replaced.
    WorldDocument document(std::uint64_t index) const {
        constexpr std::size_t queries = 3;
        bmae::Draw draw({.seed = options_.seed, .epoch = 2, .example = index, .slot = 0});
        std::vector<std::size_t> const numbers = draw_topics(draw);
        WorldDocument document;
        document.articles = {write(numbers, draw), write(strayed(numbers, draw), draw)};
        for (std::size_t i = 0; i < queries; ++i) { document.queries.push_back(write(strayed(numbers, draw), draw).question); }
        document.continuation = write(strayed(document.articles[1].topics, draw), draw).text();
        return document;
    }

    Collection collection() const {
        Collection collection{.name = "invented world"};
        for (std::uint64_t i = 0; i < options_.unlabeled; ++i) { collection.unlabeled.push_back(article(0, i).text()); }
        std::set<std::vector<std::size_t>> taken;
        for (std::uint64_t i = 0; collection.ids.size() < options_.searched + options_.train; ++i) {
            Article const next = article(1, i);
            if (!taken.insert(next.topics).second) { continue; }
            std::size_t const row = collection.ids.size();
            bool const is_test = row < options_.searched;
            Question question{.id = "q" + std::to_string(row), .text = next.question, .relevant = {row}};
            (is_test ? collection.test : collection.train).push_back(std::move(question));
            collection.ids.push_back("a" + std::to_string(row));
            collection.texts.push_back(next.text());
        }
        collection.samples = {collection.test[0].text, collection.test[1].text};
        return collection;
    }

private:
    static constexpr std::size_t words_of_question = 2;   // of each topic

    void check() const {
        double sets = 1;   // of topics that an article may have
        for (std::size_t i = 0; i < std::min(options_.topics_per_article, options_.topics + 1); ++i) {
            sets *= static_cast<double>(options_.topics - std::min(i, options_.topics)) / static_cast<double>(i + 1);
        }
        std::size_t const articles = options_.searched + options_.train;
        bool const enough = options_.topics_per_article != 0 && sets >= 2. * static_cast<double>(articles);
        std::size_t const words = options_.words_of_topic + words_of_question;
        if (enough && options_.topics <= topics.size() && options_.words_per_topic >= words &&
            options_.words_per_topic <= quickstart::words_per_topic) {
            return;
        }
        throw bmae::InputError(bmae::Diagnostic{
            .file = {},
            .expected = "at most " + std::to_string(topics.size()) + " topics of " + std::to_string(words) + " to " +
                        std::to_string(quickstart::words_per_topic) + " words, and topics per article of which " +
                        std::to_string(articles) + " different sets are soon found",
            .found = std::to_string(options_.topics) + " topics of " + std::to_string(options_.words_per_topic) + " words, " +
                     std::to_string(options_.topics_per_article) + " per article",
            .hint = "For example 20 topics of 12 words, 4 per article."});
    }

    std::vector<std::size_t> draw_topics(bmae::Draw& draw) const {
        std::vector<std::size_t> numbers(words_.size());
        for (std::size_t i = 0; i < numbers.size(); ++i) { numbers[i] = i; }
        draw.shuffle(std::span(numbers));
        numbers.resize(options_.topics_per_article);
        std::sort(numbers.begin(), numbers.end());
        return numbers;
    }

    // Each topic is replaced with probability `stray`; none is repeated.
    std::vector<std::size_t> strayed(std::vector<std::size_t> numbers, bmae::Draw& draw) const {
        for (std::size_t& number : numbers) {
            if (!draw.chance(options_.stray)) { continue; }
            std::size_t const other = draw.below(words_.size());
            if (std::ranges::find(numbers, other) == numbers.end()) { number = other; }
        }
        return numbers;
    }

    // Two sentences for each topic, in random order, then a question from words that the article does not use.
    Article write(std::vector<std::size_t> const& numbers, bmae::Draw& draw) const {
        // Few words besides those of the topic, since they slow down training.
        static constexpr std::array<std::string_view, 4> sentences{"{}, {} and {}.", "{} and {} with {}.", "{}, {}, {}.",
                                                                   "{} or {}, {}."};
        static constexpr std::array<std::string_view, 3> questions{"{} and {}?", "{}, {}?", "{} or {}?"};
        Article article{.topics = numbers, .lines = {}, .question = {}};
        for (std::size_t const number : numbers) {
            std::vector<std::string_view> list = words_[number];
            draw.shuffle(std::span(list));
            std::span<std::string_view const> const used(list.data(), options_.words_of_topic);
            for (std::size_t begin = 0; begin + 3 <= used.size(); begin += 3) {
                article.lines.push_back(fill(sentences[draw.below(sentences.size())], used.subspan(begin, 3)));
            }
            std::span<std::string_view const> const others(list.data() + options_.words_of_topic, words_of_question);
            article.question += (article.question.empty() ? "" : " ") + fill(questions[draw.below(questions.size())], others);
        }
        draw.shuffle(std::span(article.lines));
        return article;
    }

    static std::string fill(std::string_view pattern, std::span<std::string_view const> words) {
        std::string text;
        for (std::string_view const word : words) {
            std::size_t const hole = pattern.find("{}");
            text += pattern.substr(0, hole);
            text += word;
            pattern.remove_prefix(hole + 2);
        }
        return text += pattern;
    }

    WorldOptions options_;
    std::vector<std::vector<std::string_view>> words_;
};

}  // namespace quickstart
