// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
// Exact search of random vectors, beside torch matmul + topk: exact_index [ROWS DIMENSION QUERIES K THREADS].
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/topk.h>

#include <bmae/retrieval/exact_index.hpp>

namespace {

template <class Work>
double median_seconds(Work&& work) {
    std::vector<double> times;
    for (int i = 0; i < 5; ++i) {
        auto const start = std::chrono::steady_clock::now();
        work();
        times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    return times[2];
}

}  // namespace

int main(int count, char** arguments) {
    auto const number = [&](int i, long fallback) { return count > i ? std::atol(arguments[i]) : fallback; };
    long const rows = number(1, 100000), dimension = number(2, 384), queries = number(3, 512), k = number(4, 1000),
               threads = number(5, 0);
    std::vector<std::string> ids;
    for (long i = 0; i < rows; ++i) { ids.push_back(std::to_string(10000000 + i)); }
    if (threads > 0) { at::set_num_threads(static_cast<int>(threads)); }
    at::Tensor const vectors = at::randn({rows, dimension});
    at::Tensor const asked = at::randn({queries, dimension});
    bmae::ExactIndexOptions const options{.threads = static_cast<unsigned>(threads)};
    bmae::ExactIndex const single(vectors, ids, options);
    bmae::ExactIndex const half(vectors.to(at::kBFloat16), ids, options);
    auto const report = [&](char const* name, long asked_queries, double seconds) {
        std::printf(
            "%-28s %ld queries, %ld x %ld, k=%ld: %.1f queries/s, %.1f GFLOP/s\n", name, asked_queries, rows, dimension, k,
            static_cast<double>(asked_queries) / seconds,
            2e-9 * static_cast<double>(asked_queries) * static_cast<double>(rows) * static_cast<double>(dimension) / seconds);
    };
    at::Tensor const one = asked.narrow(0, 0, 1);
    auto const depth = static_cast<std::size_t>(k);
    report("bmae fp32", queries, median_seconds([&] { (void)single.search(asked, depth); }));
    report("bmae bf16 storage", queries, median_seconds([&] { (void)half.search(asked, depth); }));
    report("torch matmul + topk", queries, median_seconds([&] { (void)at::topk(at::matmul(asked, vectors.t()), k); }));
    report("bmae fp32", 1, median_seconds([&] { (void)single.search(one, depth); }));
    report("bmae bf16 storage", 1, median_seconds([&] { (void)half.search(one, depth); }));
    report("torch matmul + topk", 1, median_seconds([&] { (void)at::topk(at::matmul(one, vectors.t()), k); }));
}
