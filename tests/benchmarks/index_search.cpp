// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Searches an index on disk: index_search INDEX QUERIES K THREADS SINGLE. QUERIES has a text per line, or fp32 rows for an index of vectors;
// SINGLE of them are asked one at a time. Prints seconds to open, of the first query, per query alone, and in a batch.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/lines.hpp>
#include <bmae/retrieval/dense_index.hpp>
#include <bmae/retrieval/lexical_index.hpp>

namespace {

template <class Work>
double seconds_of(Work&& work) {
    auto const start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// \param one    one(i) asks query i
/// \param batch  batch() asks all
template <class One, class Batch>
void report(double opened, std::size_t count, std::size_t single, One&& one, Batch&& batch) {
    double const first = seconds_of([&] { one(0); });
    std::size_t const asked = std::min(single, count);
    double const alone = seconds_of([&] {
        for (std::size_t i = 0; i < asked; ++i) { one(i); }
    });
    double const all = seconds_of(batch);
    std::printf("open %.6f first %.6f single %.3f batch %.3f\n", opened, first, static_cast<double>(asked) / alone,
                static_cast<double>(count) / all);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 6) { return 2; }
    std::string const folder = arguments[1];
    auto const k = static_cast<std::size_t>(std::atol(arguments[3]));
    auto const threads = static_cast<unsigned>(std::atol(arguments[4]));
    auto const single = static_cast<std::size_t>(std::atol(arguments[5]));
    if (bmae::IndexFolder(folder).kind() == "bm25") {
        std::vector<std::string> queries;
        bmae::detail::LineReader lines(arguments[2]);
        for (std::string_view line; lines.next(line);) { queries.emplace_back(line); }
        double opened = 0;
        bmae::LexicalIndex const index = [&] {
            auto const start = std::chrono::steady_clock::now();
            bmae::LexicalIndex made = bmae::LexicalIndex::open(folder, bmae::Verify::quick, threads);
            opened = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            return made;
        }();
        report(
            opened, queries.size(), single, [&](std::size_t i) { static_cast<void>(index.search(queries[i], k)); },
            [&] { static_cast<void>(index.search(queries, k)); });
        return 0;
    }
    bmae::detail::FileMap const file(arguments[2]);
    double opened = 0;
    bmae::DenseIndex const index = [&] {
        auto const start = std::chrono::steady_clock::now();
        bmae::DenseIndex made = bmae::DenseIndex::open(folder, bmae::Verify::quick, {.threads = threads});
        opened = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return made;
    }();
    std::span<float const> const values = file.as<float>();
    std::size_t const dimension = index.dimension();
    report(
        opened, values.size() / dimension, single,
        [&](std::size_t i) { static_cast<void>(index.find({values.subspan(i * dimension, dimension), dimension}, k)); },
        [&] { static_cast<void>(index.search({values, dimension}, k)); });
    return 0;
}
