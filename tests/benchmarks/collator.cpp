// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Times the data side of one RetroMAE example on one thread: encoder mask at .30, 80/10/10, labels, a pool of row masks at .50,
/// packed into batches. `collator FILE [BATCHES]` reads one text per line (ids with [CLS] and [SEP]; ids from 25000 on continue a
/// word) and prints examples per second of processor time; with `--ask` instead of a number it collates as many batches as each
/// line on stdin says and answers with seconds and examples, for collator.py.
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/corruptors/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>

namespace {

constexpr std::size_t batch_size = 8;

bmae::TokenTraits traits() {
    std::vector<std::uint8_t> continues(30522, 0);
    for (std::size_t id = 25000; id < continues.size(); ++id) { continues[id] = 1; }
    return {{.pad = 0, .unk = 100, .cls = 101, .sep = 102, .mask = 103}, continues};
}

std::vector<std::vector<bmae::TokenId>> read_texts(std::string const& file) {
    std::ifstream stream(file);
    if (!stream) { throw bmae::InputError(bmae::Diagnostic{.file = file, .expected = "a file of ids", .found = "none"}); }
    std::vector<std::vector<bmae::TokenId>> texts;
    for (std::string line; std::getline(stream, line);) {
        std::istringstream words(line);
        texts.emplace_back();
        for (bmae::TokenId id; words >> id;) { texts.back().push_back(id); }
    }
    if (texts.empty()) { throw bmae::InputError(bmae::Diagnostic{.file = file, .expected = "texts", .found = "no line"}); }
    return texts;
}

using Texts = std::vector<std::vector<bmae::TokenId>>;

bmae::HostBatch collate(Texts const& texts, bmae::TokenTraits const& traits, std::uint64_t first) {
    bmae::HostBatch batch{.views = std::vector<bmae::PackedView>(2)};
    for (std::uint64_t example = first; example < first + batch_size; ++example) {
        bmae::MaskedText encoder;
        encoder.original_ids = encoder.input_ids = texts[example % texts.size()];
        bmae::MaskedText decoder;
        decoder.original_ids = decoder.input_ids = encoder.original_ids;
        bmae::TokenSpan const span(encoder.original_ids, traits);
        bmae::Draw draw({.seed = 1, .example = example});
        encoder.flags = bmae::WholeWordMasker{.rate = .30}.draw(span, draw);
        bmae::BertCorruptor{}.corrupt(encoder, traits, draw);
        encoder.labels.assign(span.size(), bmae::ignored_label);
        for (std::size_t i = 0; i < span.size(); ++i) {
            if (encoder.flags[i] != 0) { encoder.labels[i] = span[i]; }
        }
        decoder.visibility = bmae::RowVisibility{}.draw(span, draw);
        decoder.labels = decoder.original_ids;
        decoder.labels.front() = decoder.labels.back() = bmae::ignored_label;
        batch.views[0].append(encoder);
        batch.views[1].append(decoder);
        batch.examples.push_back(example);
    }
    return batch;
}

/// \return seconds and examples; counting labels keeps the work from being optimized away
std::pair<double, std::size_t> run(Texts const& texts, bmae::TokenTraits const& traits, std::size_t batches) {
    std::size_t labels = 0;
    std::clock_t const start = std::clock();   // processor time: other programs on the machine do not count
    for (std::size_t k = 0; k < batches; ++k) { labels += collate(texts, traits, k * batch_size).views[0].label_count(); }
    double const took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (labels == 0) { std::fputs("no token was masked\n", stderr); }
    return {took, batches * batch_size};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: collator FILE [BATCHES | --ask]\n", stderr);
        return 2;
    }
    try {
        std::string const mode = argc > 2 ? argv[2] : "500";
        bmae::TokenTraits const vocabulary = traits();
        auto const texts = read_texts(argv[1]);
        if (mode != "--ask") {
            auto const [seconds, examples] = run(texts, vocabulary, std::stoul(mode));
            std::printf("%zu examples, %.1f per second, %.2f us each\n", examples, static_cast<double>(examples) / seconds,
                        1e6 * seconds / static_cast<double>(examples));
            return 0;
        }
        for (std::string line; std::getline(std::cin, line);) {
            auto const [seconds, examples] = run(texts, vocabulary, std::stoul(line));
            std::printf("%.9f %zu\n", seconds, examples);
            std::fflush(stdout);
        }
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
