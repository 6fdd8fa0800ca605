// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Evaluates a run from its file, and once it is in memory: QRELS RUN [THREADS [REPEATS]]. Prints seconds as JSON; evaluate_run.py puts them beside
// other tools.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <bmae/evaluation/file_evaluator.hpp>

namespace {

template <class Work>
double median_seconds(int repeats, Work&& work) {
    std::vector<double> seconds;
    for (int i = 0; i < repeats; ++i) {
        auto const start = std::chrono::steady_clock::now();
        work();
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) { return 2; }
    bmae::EvaluateOptions const options{.threads = count > 3 ? static_cast<unsigned>(std::atoi(arguments[3])) : 0};
    int const repeats = count > 4 ? std::atoi(arguments[4]) : 3;
    std::vector<std::string> const measures = {"mrr@10,ndcg@10,recall@1000,map"};
    auto const qrels = bmae::read_qrels(arguments[1]);
    double const file = median_seconds(repeats, [&] { bmae::evaluate_file(qrels, arguments[2], measures, options); });
    bmae::Run run;
    double const read = median_seconds(1, [&] { run = bmae::read_run(arguments[2]); });
    double const memory = median_seconds(repeats, [&] { bmae::evaluate(qrels, run, measures, options); });
    std::printf("{\"file\": %.4f, \"read_run\": %.4f, \"memory\": %.4f}\n", file, read, memory);
}
