// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
/// \file
/// Encodes texts by BERT-base, ModernBERT-base and NomicBERT of random weights, with packed weights and without.
///
/// usage: benchmark_packed_encoders [REPEATS] [THREADS] [TOKENS]
///
/// TOKENS in texts of 60 to 180 tokens. Prints a table: milliseconds with LibTorch's products in fp32 and bf16 and with packed weights in
/// fp32, bf16 and int8 (medians of alternating runs), and what packing gains at the same precision, above 1 where it wins. Up to 2 GB.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>

#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/encoders/nomic_bert.hpp>
#include <bmae/nn/packed_linear.hpp>

namespace {

using namespace bmae;

PackedInput texts_of(std::int64_t tokens, std::int64_t vocabulary) {
    PackedInput input;
    std::vector<at::Tensor> positions;
    input.offsets.push_back(0);
    for (std::int64_t n = 60; input.offsets.back() < tokens; n = 60 + (n - 60 + 37) % 121) {
        positions.push_back(at::arange(n));
        input.offsets.push_back(input.offsets.back() + n);
    }
    input.positions = at::cat(positions);
    input.input_ids = at::randint(1000, vocabulary, {input.tokens()}, at::kLong);
    input.first_rows = at::tensor(std::vector<std::int64_t>(input.offsets.begin(), input.offsets.end() - 1));
    return input;
}

template <class E>
E packed(E encoder, PackedType type) {
    encoder.for_each_linear([type](Linear& map) { map.pack(type); });
    return encoder;
}

/// Copies share their tensors: these get their own.
template <class E>
E halved(E encoder) {
    encoder.for_each_parameter("", [](std::string const&, at::Tensor& value, auto) { value = value.detach().to(at::kBFloat16); });
    return encoder;
}

template <class E>
double milliseconds(std::optional<E> const& encoder, PackedInput const& input) {
    auto const start = std::chrono::steady_clock::now();
    ForwardContext context{};
    static_cast<void>(encoder->encode(input, context));
    return 1e3 * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class E>
void measure(std::string const& title, typename E::Options const& options, int repeats, std::int64_t tokens) {
    E const plain(options, 1);
    std::array<std::optional<E>, 5> encoders{plain, halved(plain), {}, {}, {}};
    for (PackedType const type : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
        if (can_pack(type)) { encoders[2 + static_cast<std::size_t>(type)] = packed(plain, type); }
    }
    PackedInput const input = texts_of(tokens, options.vocab_size);
    std::array<std::vector<double>, 5> times;
    for (int i = -1; i < repeats; ++i) {   // the first warms up
        for (std::size_t e = 0; e < encoders.size(); ++e) {
            if (!encoders[e]) { continue; }
            double const time = milliseconds(encoders[e], input);
            if (i >= 0) { times[e].push_back(time); }
        }
    }
    auto const median = [&](std::size_t e) {
        std::ranges::sort(times[e]);
        return times[e].empty() ? 0 : times[e][times[e].size() / 2];
    };
    std::printf("| %s, %lld tokens | %.0f | %.0f | %.0f | %.0f | %.0f | %.2f | %.2f |\n", title.c_str(),
                static_cast<long long>(input.tokens()), median(0), median(1), median(2), median(3), median(4),
                median(0) / median(2), median(1) / median(3));
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** argument) {
    at::NoGradGuard const no_gradients;
    int const repeats = count > 1 ? std::stoi(argument[1]) : 9;
    at::set_num_threads(count > 2 ? std::stoi(argument[2]) : 2);
    std::int64_t const tokens = count > 3 ? std::stoll(argument[3]) : 2000;
    std::puts(
        "| encoder | fp32 ms | bf16 ms | packed fp32 | packed bf16 | packed int8 | gain fp32 | gain bf16 |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|");
    measure<BertEncoder>("BERT-base", BertConfig::base(), repeats, tokens);
    measure<ModernBertEncoder>("ModernBERT-base", ModernBertConfig::base(), repeats, tokens);
    measure<NomicBertEncoder>("NomicBERT", NomicBertConfig::base(), repeats, tokens);
}
