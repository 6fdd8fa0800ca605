// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Times bmae::VocabularyBuilder: `tokenizer_vocabulary SIZE FILE...` writes the vocabulary to stdout and the seconds to stderr.
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <bmae/detail/lines.hpp>
#include <bmae/text/vocabulary_builder.hpp>

int main(int argc, char** argv) {
    try {
        std::vector<std::string> const arguments(argv, argv + argc);
        bmae::VocabularyBuilder builder({.vocabulary_size = std::stoul(arguments.at(1))});
        auto const start = std::chrono::steady_clock::now();
        auto const seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
        for (std::size_t i = 2; i < arguments.size(); ++i) {
            bmae::detail::LineReader reader(arguments[i]);
            for (std::string_view line; reader.next(line);) { builder.add(line); }
        }
        double const counted = seconds();
        std::vector<std::string> const tokens = builder.build();
        std::fprintf(stderr, "%zu tokens: words counted in %.1f s, merged in %.1f s\n", tokens.size(), counted,
                     seconds() - counted);
        for (std::string const& token : tokens) { std::printf("%s\n", token.c_str()); }
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\nusage: tokenizer_vocabulary SIZE FILE...\n", error.what());
        return 2;
    }
}
