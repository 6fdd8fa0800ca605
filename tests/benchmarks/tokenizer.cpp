// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Times bmae::WordPiece on the lines of text files. `tokenizer TOKENIZER FILE... [--repeats N]` prints megabytes and tokens per
/// second; with `--ask` it encodes once per line on stdin and answers each with seconds and tokens, for tokenizer.py.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/lines.hpp>
#include <bmae/text/wordpiece.hpp>

namespace {

std::vector<std::string> read_lines(std::vector<std::string> const& files) {
    std::vector<std::string> lines;
    for (std::string const& file : files) {
        bmae::detail::LineReader reader(file);
        for (std::string_view line; reader.next(line);) { lines.emplace_back(line); }
    }
    return lines;
}

/// \return seconds and tokens of one pass
std::pair<double, std::size_t> encode(bmae::WordPiece const& tokenizer, std::vector<std::string> const& lines,
                                      std::vector<bmae::TokenId>& ids) {
    auto const start = std::chrono::steady_clock::now();
    ids.clear();
    for (std::string const& line : lines) { tokenizer.encode_into(line, ids); }
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - start;
    return {took.count(), ids.size()};
}

int run(std::vector<std::string> const& arguments) {
    std::vector<std::string> files;
    bool asks = false;
    int repeats = 7;
    for (std::size_t i = 2; i < arguments.size(); ++i) {
        if (arguments[i] == "--ask") {
            asks = true;
        } else if (arguments[i] == "--repeats") {
            repeats = std::stoi(arguments.at(++i));
        } else {
            files.push_back(arguments[i]);
        }
    }
    auto const tokenizer = bmae::WordPiece::from_file(arguments.at(1));
    std::vector<std::string> const lines = read_lines(files);
    std::vector<bmae::TokenId> ids;
    if (asks) {
        for (std::string line; std::getline(std::cin, line);) {
            auto const [seconds, tokens] = encode(tokenizer, lines, ids);
            std::printf("%.6f %zu\n", seconds, tokens);
            std::fflush(stdout);
        }
        return 0;
    }
    std::size_t bytes = 0;
    for (std::string const& line : lines) { bytes += line.size(); }
    std::vector<double> seconds;
    for (int i = 0; i < repeats; ++i) { seconds.push_back(encode(tokenizer, lines, ids).first); }
    std::sort(seconds.begin(), seconds.end());
    double const median = seconds[seconds.size() / 2];
    std::printf("%zu lines, %.1f MB, %zu tokens: median %.1f MB/s, %.2f Mtokens/s (best %.1f, worst %.1f MB/s of %d)\n",
                lines.size(), static_cast<double>(bytes) / 1e6, ids.size(), static_cast<double>(bytes) / 1e6 / median,
                static_cast<double>(ids.size()) / 1e6 / median, static_cast<double>(bytes) / 1e6 / seconds.front(),
                static_cast<double>(bytes) / 1e6 / seconds.back(), repeats);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv, argv + argc});
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\nusage: tokenizer TOKENIZER FILE... [--repeats N] [--ask]\n", error.what());
        return 2;
    }
}
