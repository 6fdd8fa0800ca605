// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
/// \file
/// Our side of encode.py: texts to vectors with a folder of sentence-transformers.
///
/// usage: encode MODEL TEXTS [fp32|bf16|int8] [THREADS] [plain]
///
/// TEXTS has one text per line. Commands on standard input, one JSON line each on standard output: `run` encodes all texts and prints
/// {"seconds": s, "tokens": n}, `vectors FILE` writes the last vectors as safetensors, `quit`. `plain` encodes without packed weights.
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>

namespace {

using namespace bmae;

SentenceEncoder load(std::string const& folder, std::string const& precision, bool plain) {
    SentenceEncoder encoder = load_sentence_encoder(folder);
    if (!plain) {
        for (PackedType const type : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
            if (to_string(type) == precision) { return encoder.packed(type); }
        }
    }
    if (precision == "fp32") { return encoder; }
    BertEncoder halves = *encoder.model().encoder<BertEncoder>();
    halves.for_each_parameter("", [](std::string const&, at::Tensor& value, auto) { value = value.detach().to(at::kBFloat16); });
    return {halves, encoder.tokenizer(), encoder.options()};
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> const arguments(argv + 1, argv + argc);
    if (arguments.size() < 2) {
        std::cerr << "usage: encode MODEL TEXTS [fp32|bf16|int8] [THREADS] [plain]\n";
        return 2;
    }
    at::set_num_threads(arguments.size() > 3 ? std::stoi(arguments[3]) : 2);
    SentenceEncoder const encoder =
        load(arguments[0], arguments.size() > 2 ? arguments[2] : "fp32", arguments.size() > 4 && arguments[4] == "plain");
    std::vector<std::string> texts;
    std::ifstream file(arguments[1]);
    for (std::string line; std::getline(file, line);) { texts.push_back(line); }
    std::size_t tokens = 0;
    for (std::string const& text : texts) { tokens += encoder.tokenize(text).size(); }
    at::Tensor vectors;
    for (std::string command; std::getline(std::cin, command) && command != "quit";) {
        if (command.starts_with("vectors ")) {
            save_tensors(command.substr(8), {{"embeddings", vectors}}, {}, detail::Existing::replace);
            std::cout << "{}" << std::endl;
            continue;
        }
        auto const start = std::chrono::steady_clock::now();
        vectors = encoder.encode(texts, {.batch_tokens = 16384, .threads = 2});
        double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        std::cout << "{\"seconds\": " << seconds << ", \"tokens\": " << tokens << '}' << std::endl;
    }
}
