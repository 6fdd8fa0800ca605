// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Times attention of one head of width 64 over one text on one thread: with stored weights (`HeadAttention`) and with weights that
/// are computed again (`LongHeadAttention`), in turns. `attention [REPEATS [LENGTH DROPOUT [WINDOW]]]` prints a table of processor time in milliseconds, the
/// best of the repeats, which is the measurement behind `stored_attention_rows`.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <limits>
#include <string>
#include <vector>

#include <bmae/nn/cpu_long_attention.hpp>
#include <bmae/values/draw.hpp>

namespace {

using namespace bmae::detail;

constexpr std::int64_t width = 64;

template <class Real>
std::vector<Real> invented(std::int64_t length, std::uint64_t seed) {
    bmae::Draw draw({.seed = seed});
    std::vector<Real> values(static_cast<std::size_t>(length * width));
    for (Real& value : values) {
        auto const number = static_cast<float>(4 * draw.uniform() - 2);
        if constexpr (sizeof(Real) == sizeof(float)) {
            value = number;
        } else {
            value = static_cast<Real>(std::bit_cast<std::uint32_t>(number) >> 16);
        }
    }
    return values;
}

/// The least processor time of `action` so far, in milliseconds.
template <class Action>
void keep_best(double& best, Action const& action) {
    std::clock_t const start = std::clock();
    action();
    best = std::min(best, 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
}

struct Setting {
    std::int64_t length;
    double dropout;
    std::int64_t window;
};

template <class Real>
void time_one(Setting const& setting, int repeats) {
    auto const [length, dropout, window] = setting;
    bool const stores = length <= 4096;
    auto const query = invented<Real>(length, 1);
    auto const key = invented<Real>(length, 2);
    auto const value = invented<Real>(length, 3);
    auto const gradient = invented<Real>(length, 4);
    HeadAttention<Real> const head{.query = query.data(),
                                   .key = key.data(),
                                   .value = value.data(),
                                   .length = length,
                                   .width = width,
                                   .stride = width,
                                   .scale = .125F,
                                   .window = window,
                                   .dropout = dropout > 0 ? DropoutSite::make(dropout, 7) : DropoutSite()};
    LongHeadAttention<Real> const tiles{head};
    std::vector<Real> output(query.size());
    std::vector<Real> results[3] = {output, output, output};
    std::vector<Real> weights(stores ? static_cast<std::size_t>(length * length) : 0);
    std::vector<float> top(static_cast<std::size_t>(length));
    std::vector<float> share(static_cast<std::size_t>(length));
    double best[4];
    std::ranges::fill(best, std::numeric_limits<double>::infinity());
    for (int i = 0; i < repeats; ++i) {
        if (stores) {
            keep_best(best[0], [&] { head.forward(weights.data(), output.data()); });
            keep_best(best[1], [&] {
                head.backward(weights.data(), gradient.data(), results[0].data(), results[1].data(), results[2].data());
            });
        }
        keep_best(best[2], [&] {
            for (std::int64_t first = 0; first < length; first += tiles.chunk_rows) {
                tiles.forward(first, std::min(first + tiles.chunk_rows, length), output.data(), top.data(), share.data());
            }
        });
        keep_best(best[3], [&] {
            tiles.backward(output.data(), gradient.data(), top.data(), share.data(), results[0].data(), results[1].data(),
                           results[2].data());
        });
    }
    std::printf("%6lld  %-4s  %7.1f  %6lld", static_cast<long long>(length), sizeof(Real) == sizeof(float) ? "fp32" : "bf16",
                dropout, static_cast<long long>(window));
    if (stores) {
        std::printf("  %9.3f  %9.3f  %9.3f  %9.3f  %6.2f\n", best[0], best[1], best[2], best[3],
                    (best[0] + best[1]) / (best[2] + best[3]));
    } else {
        std::printf("  %9s  %9s  %9.3f  %9.3f  %6s\n", "-", "-", best[2], best[3], "-");
    }
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    int const repeats = argc > 1 ? std::max(std::stoi(argv[1]), 1) : 10;
    std::printf("length  type  dropout  window     stored   gradient recomputed   gradient   ratio\n");
    std::vector<Setting> settings{{128, .1, 0},  {256, .1, 0},  {512, .1, 0},   {640, .1, 0},  {777, .1, 0},
                                  {1024, .1, 0}, {1500, .1, 0}, {2048, 0, 0},   {2048, .1, 0}, {8192, .1, 0},
                                  {256, .1, 64}, {512, .1, 64}, {2048, .1, 64}, {8192, .1, 64}};
    if (argc > 3) { settings = {{std::stol(argv[2]), std::stod(argv[3]), argc > 4 ? std::stol(argv[4]) : 0}}; }
    for (Setting const& setting : settings) {
        time_one<float>(setting, repeats);
        time_one<Bf16>(setting, repeats);
    }
    return 0;
}
