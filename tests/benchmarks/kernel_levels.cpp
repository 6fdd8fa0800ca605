// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
/// \file
/// Times every operation of nn/kernels.hpp by the row kernels at one instruction set against LibTorch's operators.
///
/// usage: ATEN_CPU_CAPABILITY=default|avx2|avx512 benchmark_kernel_levels plain|avx2|avx512 [REPEATS]
///
/// One thread; forward and backward of RetroMAE's shapes (BERT-base, 8 texts of 128 tokens). Prints a table: operation, format,
/// milliseconds of LibTorch, of the row kernels (medians of alternating runs) and their ratio, above 1 where the row kernels win.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <bmae/nn/attention.hpp>
#include <bmae/nn/causal_window.hpp>
#include <bmae/nn/gated_activation.hpp>
#include <bmae/nn/gather_rows.hpp>
#include <bmae/nn/linear_cross_entropy.hpp>
#include <bmae/nn/pooled_logits.hpp>
#include <bmae/nn/rotary.hpp>
#include <bmae/nn/transformer_layer.hpp>

namespace {

using namespace bmae;
using detail::Operation;

constexpr std::int64_t texts = 8;
constexpr std::int64_t length = 128;
constexpr std::int64_t width = 768;
constexpr std::int64_t inner = 3072;
constexpr std::int64_t vocabulary = 30522;

at::Tensor normal(std::vector<std::int64_t> const& shape, at::ScalarType format, double scale = 1) {
    static auto generator = at::make_generator<at::CPUGeneratorImpl>(1);
    return (at::randn(shape, generator, at::TensorOptions(at::kFloat)) * scale).to(format).requires_grad_();
}

void learn(at::Tensor const& y) { y.backward(y.detach()); }

/// The row kernels of `operation` from `level` on, in both formats, until the end of the scope; those of others stay as they are.
class Use {
public:
    Use(Operation operation, detail::LaneLevel level)
        : choice_(detail::kernel_choices()[static_cast<std::size_t>(operation)]), before_(choice_) {
        choice_.single = choice_.half = level;
    }
    Use(Use const&) = delete;
    Use& operator=(Use const&) = delete;
    ~Use() { choice_ = before_; }

private:
    detail::KernelChoice& choice_;
    detail::KernelChoice before_;
};

double seconds(std::function<void()> const& run) {
    auto const start = std::chrono::steady_clock::now();
    run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
    return values[values.size() / 2];
}

struct Case {
    std::string name;
    Operation operation;
    std::function<std::function<void()>(at::ScalarType)> make;   ///< what is timed
};

std::function<void()> attention(at::ScalarType format, double rate, bool masked) {
    PackedInput input;
    for (std::int64_t b = 0; b <= texts; ++b) { input.offsets.push_back(b * length); }
    auto const rows = std::make_shared<std::vector<Visibility>>(causal_windows(input.offsets, 64));
    auto const q = normal({texts * length, width}, format);
    auto const k = normal({texts * length, width}, format);
    auto const v = normal({texts * length, width}, format);
    return [=] {
        ForwardContext context{.training = true, .seed = 3};
        learn(packed_attention(q, k, v, input, {.heads = 12, .visibility = masked ? rows.get() : nullptr, .dropout = rate},
                               context));
    };
}

std::function<void()> norm(at::ScalarType format, double rate, bool block) {
    LayerNorm layer(width, 1e-12);
    layer.weight = normal({width}, format);
    layer.bias = normal({width}, format);
    auto const x = normal({texts * length, width}, format);
    auto const residual = normal({texts * length, width}, format);
    auto const added = normal({width}, format);
    return [=] {
        ForwardContext context{.training = true, .seed = 3};
        learn(block ? layer.after_block(x, added, residual, rate, context) : layer(x));
    };
}

std::vector<Case> cases() {
    std::vector<Case> all;
    all.push_back({"attention", Operation::attention, [](auto format) { return attention(format, 0, false); }});
    all.push_back({"attention, dropout", Operation::attention, [](auto format) { return attention(format, .1, false); }});
    all.push_back({"attention, masks, dropout", Operation::attention, [](auto format) { return attention(format, .1, true); }});
    all.push_back({"layer norm", Operation::layer_norm, [](auto format) { return norm(format, 0, false); }});
    all.push_back({"residual, norm", Operation::layer_norm, [](auto format) { return norm(format, 0, true); }});
    all.push_back({"dropout, residual, norm", Operation::layer_norm, [](auto format) { return norm(format, .1, true); }});
    all.push_back({"bias, gelu", Operation::gelu, [](auto format) -> std::function<void()> {
                       auto const x = normal({texts * length, inner}, format);
                       auto const bias = normal({inner}, format);
                       return [=] { learn(activate(x, bias, Activation::gelu)); };
                   }});
    all.push_back({"dropout", Operation::dropout, [](auto format) -> std::function<void()> {
                       auto const x = normal({texts * length, width}, format);
                       return [=] {
                           ForwardContext context{.training = true, .seed = 3};
                           learn(dropout(x, .1, context));
                       };
                   }});
    all.push_back({"gated gelu", Operation::row_wise, [](auto format) -> std::function<void()> {
                       auto const x = normal({texts * length, 2 * 1152}, format);   // ModernBERT-base
                       return [=] { learn(gated_activation(x, Activation::gelu)); };
                   }});
    all.push_back({"rotary positions", Operation::row_wise, [](auto format) -> std::function<void()> {
                       auto const x = normal({texts * length, 3 * width}, format);
                       auto const phases = rotary_phases(at::arange(texts * length) % length, width / 12, 1e4);
                       return [=] {
                           auto const parts = rotated_parts(x, phases, 12, 3, 2);
                           learn(parts[0] + parts[1] + parts[2]);
                       };
                   }});
    // Only the softmax: 16 columns of H keep the products small beside it.
    all.push_back({"cross-entropy", Operation::cross_entropy, [](auto format) -> std::function<void()> {
                       auto const rows = normal({256, 16}, format);
                       auto const table = normal({vocabulary, 16}, format, .05);
                       auto const bias = normal({vocabulary}, format, .05);
                       auto const labels = at::randint(vocabulary, {256}, at::kLong);
                       auto const weights = at::full({256}, 1.0, at::kFloat);
                       return [=] { linear_cross_entropy(rows, table, bias, labels, weights).total.backward(); };
                   }});
    all.push_back({"highest logits", Operation::pooled_logits, [](auto format) -> std::function<void()> {
                       auto const rows = normal({4 * 32, 128}, format);
                       auto const table = normal({vocabulary, 128}, format, .05);
                       auto const bias = normal({vocabulary}, format, .05);
                       std::vector<std::int64_t> const offsets{0, 32, 64, 96, 128};
                       return [=] { learn(max_pooled_logits(rows, table, bias, offsets, 0, 0)); };
                   }});
    return all;
}

}  // namespace

int main(int count, char** argument) {
    if (count < 2) {
        std::puts("usage: benchmark_kernel_levels plain|avx2|avx512 [REPEATS]");
        return 2;
    }
    at::set_num_threads(1);
    detail::LaneLevel const level = detail::level_of(argument[1]);
    int const repeats = count > 2 ? std::stoi(argument[2]) : 15;
    if (level > detail::best_level()) {
        std::printf("this processor has no %s\n", argument[1]);
        return 2;
    }
    detail::lane_level() = level;
    std::printf("| operation | format | LibTorch ms | rows %s ms | ratio |\n|---|---|---:|---:|---:|\n", argument[1]);
    for (Case const& one : cases()) {
        for (at::ScalarType const format : {at::kFloat, at::kBFloat16}) {
            auto const run = one.make(format);
            std::vector<double> times[2];
            for (int i = -2; i < repeats; ++i) {   // the first two warm up
                for (int rows = 0; rows < 2; ++rows) {
                    Use const only(one.operation, rows == 1 ? detail::LaneLevel::plain : detail::no_level);
                    double const time = seconds(run);
                    if (i >= 0) { times[rows].push_back(1e3 * time); }
                }
            }
            double const plain = median(times[0]);
            double const rows = median(times[1]);
            std::printf("| %s | %s | %.2f | %.2f | %.2f |\n", one.name.c_str(), format == at::kFloat ? "fp32" : "bf16", plain,
                        rows, plain / rows);
            std::fflush(stdout);
        }
    }
    return 0;
}
