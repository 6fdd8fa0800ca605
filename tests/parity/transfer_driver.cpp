// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Prints what transfer_parity.py compares: FOLDS TRAIN TEST, files of lines "label feature feature ...". The folds of the training rows; nested folds by both
// solvers; the test rows by both.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/lines.hpp>
#include <bmae/evaluation/transfer.hpp>

namespace {

bmae::LabeledVectors read_rows(std::string const& path) {
    bmae::LabeledVectors data;
    std::vector<float> values;
    bmae::detail::LineReader lines(path);
    for (std::string_view line; lines.next(line);) {
        std::istringstream words{std::string(line)};
        std::int32_t label = 0;
        words >> label;
        data.labels.push_back(label);
        for (float value = 0; words >> value;) { values.push_back(value); }
    }
    auto const count = static_cast<Eigen::Index>(data.labels.size());
    data.rows = Eigen::Map<bmae::FeatureMatrix const>(values.data(), count, static_cast<Eigen::Index>(values.size()) / count);
    return data;
}

void print(char const* what, bmae::TransferResult const& result) {
    std::printf("%s %.2f %.2f", what, result.dev, result.test);
    for (double const value : result.regularization) { std::printf(" %g", value); }
    for (double const value : result.fold_tests) { std::printf(" %.2f", value); }
    std::printf("\n");
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 4) { return 2; }
    try {
        auto const train = read_rows(arguments[2]), test = read_rows(arguments[3]);
        bmae::TransferOptions options{.folds = static_cast<std::size_t>(std::atoi(arguments[1]))};
        for (std::size_t const fold : bmae::detail::stratified_folds(train.labels, options.folds, options.seed)) {
            std::printf("%zu ", fold);
        }
        std::printf("\n");
        for (auto const solver : {bmae::TransferSolver::senteval, bmae::TransferSolver::convex}) {
            options.solver = solver;
            print("nested", bmae::transfer_by_folds(train, options));
            print("given", bmae::transfer_to_test(train, test, options));
        }
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
