// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "answer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <utility>

namespace bmae::program {

namespace {

/// The first words of a text, on one line.
std::string first_words(std::string text, std::size_t most = 160) {
    bool const is_cut = text.size() > most;
    if (is_cut) {
        while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) { --most; }
        text.resize(most);
    }
    std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return text + (is_cut ? " ..." : "");
}

}  // namespace

void Answer::add(std::string const& id, float score, std::optional<std::string> words) {
    std::string const shown = words ? first_words(*std::move(words)) : std::string();
    Json& hits = json["hits"];
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.4f", static_cast<double>(score));
    hits.push_back({{"id", id}, {"score", score}, {"text", words ? Json(shown) : Json()}});
    text += std::to_string(hits.size()) + '\t' + digits + '\t' + id + (words ? '\t' + shown : "") + '\n';
}

Json search_result(std::string const& method, std::size_t documents) {
    return {{"command", "search"},
            {"method", method},
            {"documents", documents},
            {"split", nullptr},
            {"queries", 0},
            {"hits", 0},
            {"output", nullptr},
            {"answers", nullptr},
            {"token_vectors", nullptr},
            {"malformed", Json::object()},
            {"collections", nullptr}};
}

}  // namespace bmae::program
