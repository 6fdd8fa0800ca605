// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Package descriptions as a collection: the synopsis is the query, the long description the relevant passage.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/values/draw.hpp>

#include "collection.hpp"

namespace quickstart {

// Calls `visit(fields)` for every stanza of a file in the format of Debian control files (deb822).
template <class Visit>
void for_each_stanza(std::filesystem::path const& file, Visit&& visit) {
    bmae::detail::LineReader lines(file);
    std::map<std::string, std::string, std::less<>> fields;
    std::string* open = nullptr;
    for (std::string_view line; lines.next(line);) {
        if (line.empty()) {
            if (!fields.empty()) { visit(fields); }
            fields.clear();
            open = nullptr;
        } else if (line.front() == ' ' || line.front() == '\t') {
            if (open != nullptr) { *open += '\n' + std::string(line.substr(1)); }
        } else if (std::size_t const colon = line.find(':'); colon != std::string_view::npos) {
            std::size_t const begin = line.find_first_not_of(' ', colon + 1);
            open = &(fields[std::string(line.substr(0, colon))] =
                         begin == std::string_view::npos ? "" : std::string(line.substr(begin)));
        }
    }
    if (!fields.empty()) { visit(fields); }
}

struct PackageText {
    std::string name;
    std::string source;
    std::string synopsis;
    std::string description;
};

// Words of a text in lower case, each once, to detect near-duplicates.
inline std::set<std::string> word_set(std::string const& text) {
    std::set<std::string> words;
    std::string word;
    for (char const c : text + ' ') {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
            word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        } else if (!word.empty()) {
            words.insert(std::exchange(word, {}));
        }
    }
    return words;
}

inline bool nearly_equal(std::set<std::string> const& a, std::set<std::string> const& b) {
    std::size_t common = 0;
    for (std::string const& word : a) { common += b.contains(word) ? 1U : 0U; }
    return static_cast<double>(common) >= 0.6 * static_cast<double>(a.size() + b.size() - common);
}

// Packages with a long description, sorted by name, without the near-duplicates that binary packages of one source are.
inline std::vector<PackageText> read_packages(std::filesystem::path const& translations, std::filesystem::path const& packages) {
    std::map<std::string, std::string> source_of;
    for_each_stanza(packages, [&](auto const& fields) {
        auto const name = fields.find("Package");
        if (name == fields.end()) { return; }
        auto const source = fields.find("Source");
        source_of[name->second] = source == fields.end() ? name->second : source->second.substr(0, source->second.find(' '));
    });
    std::map<std::string, PackageText> by_name;
    for_each_stanza(translations, [&](auto const& fields) {
        auto const name = fields.find("Package");
        auto const text = fields.find("Description-en");
        if (name == fields.end() || text == fields.end()) { return; }
        std::size_t const end = text->second.find('\n');
        if (end == std::string::npos) { return; }
        std::string description;
        for (std::size_t i = end + 1; i < text->second.size(); ++i) {
            char const c = text->second[i];
            bool const blank_line = c == '.' && text->second[i - 1] == '\n';
            if (!blank_line) { description += c == '\n' ? ' ' : c; }
        }
        auto const source = source_of.find(name->second);
        by_name[name->second] = {name->second, source == source_of.end() ? name->second : source->second,
                                 text->second.substr(0, end), description};
    });
    std::map<std::string, std::vector<std::set<std::string>>> kept_of_source;
    std::set<std::string> seen;
    std::vector<PackageText> kept;
    for (auto& [name, package] : by_name) {
        std::set<std::string> words = word_set(package.description);
        if (words.size() < 8 || !seen.insert(package.description).second) { continue; }
        auto& others = kept_of_source[package.source];
        if (std::ranges::any_of(others, [&](auto const& other) { return nearly_equal(words, other); })) { continue; }
        others.push_back(std::move(words));
        kept.push_back(std::move(package));
    }
    return kept;
}

// All descriptions are searched. Held-out packages give the questions of the table; they are neither read in pre-training
// nor used in fine-tuning.
inline Collection package_collection(std::vector<PackageText> const& packages, std::uint64_t seed, std::size_t held_out = 1000,
                                     std::size_t train = 4000) {
    if (packages.size() < 2 * held_out) {
        throw bmae::InputError(bmae::Diagnostic{.file = {},
                                                .expected = "at least " + std::to_string(2 * held_out) + " package descriptions",
                                                .found = std::to_string(packages.size()),
                                                .hint = "Run apt-get update, or name files with more."});
    }
    Collection collection{.name = "package descriptions"};
    std::vector<std::size_t> order(packages.size());
    for (std::size_t i = 0; i < order.size(); ++i) { order[i] = i; }
    bmae::Draw draw({.seed = seed, .epoch = 0, .example = 0, .slot = 0});
    draw.shuffle(std::span(order));
    for (PackageText const& package : packages) {
        collection.ids.push_back(package.name);
        collection.texts.push_back(package.description);
        collection.queries.push_back(package.synopsis);
    }
    for (std::size_t i = 0; i < order.size() && i < held_out + train; ++i) {
        Question question{.id = packages[order[i]].name, .text = packages[order[i]].synopsis, .relevant = {order[i]}};
        (i < held_out ? collection.test : collection.train).push_back(std::move(question));
    }
    collection.unread.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(held_out));
    collection.samples = {"draw diagrams and flow charts", "find out which program fills the disk", "teach children arithmetic",
                          "recover deleted pictures from a camera card", "learn to type with ten fingers"};
    return collection;
}

}  // namespace quickstart
