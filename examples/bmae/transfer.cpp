// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Vectors of a model as features of linear classifiers: `transfer`.
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/corpus/senteval_files.hpp>
#include <bmae/evaluation/transfer.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/metrics/classification.hpp>

#include "common.hpp"
#include "embedding_tasks.hpp"
#include "models.hpp"
#include "stored_vectors.hpp"

namespace bmae::program {

namespace {

TransferSolver solver_from(std::string const& name) {
    std::size_t number = 0;
    for (std::string_view const each : names_of(TransferSolver{})) {
        if (each == name) { return static_cast<TransferSolver>(number); }
        ++number;
    }
    throw InputError(Diagnostic{.file = {}, .expected = "--classifier senteval or convex", .found = '"' + name + '"'});
}

/// Features of texts, or |u - v| and u * v of pairs.
LabeledVectors features_of(SentenceEncoder const& encoder, LabeledTexts const& texts, Common const& common,
                           ModelOptions const& options, Cancellation const& cancellation, std::string const& title) {
    auto const encode = [&](std::vector<std::string> const& some) {
        at::Tensor const rows = encode_texts(encoder, some, common, options, [&] { cancellation.check(); }, title).contiguous();
        return FeatureMatrix(Eigen::Map<FeatureMatrix const>(rows.const_data_ptr<float>(), rows.size(0), rows.size(1)));
    };
    FeatureMatrix first = encode(texts.texts);
    if (texts.seconds.empty()) { return {std::move(first), texts.labels}; }
    FeatureMatrix const second = encode(texts.seconds);
    FeatureMatrix both(first.rows(), first.cols() * 2);
    both << (first - second).cwiseAbs(), first.cwiseProduct(second);
    return {std::move(both), texts.labels};
}

Json task_result(TransferTask const& task, TransferResult const& result, LabeledVectors const& test) {
    Json entry{{"task", task.name},
               {"train", task.train.labels.size()},
               {"test", task.test.labels.size()},
               {"dev_accuracy", result.dev},
               {"accuracy", result.test},
               {"f1", nullptr},
               {"folds", result.fold_tests},
               {"regularization", result.regularization}};
    if (task.name == "mrpc") {
        std::vector<double> const gold(test.labels.begin(), test.labels.end()),
            predicted(result.predicted.begin(), result.predicted.end());
        auto const f1 = F1{}(gold, predicted);
        entry["f1"] = f1 ? Json(*f1 * 100) : Json();
    }
    return entry;
}

Json run_transfer_task(SentenceEncoder const& encoder, TransferTask const& task, Common const& common,
                       TransferTaskOptions const& options, Cancellation const& cancellation) {
    auto const features = [&](LabeledTexts const& texts) {
        return features_of(encoder, texts, common, options.model, cancellation, task.name);
    };
    LabeledVectors const train = features(task.train);
    LabeledVectors const test = task.test.labels.empty() ? LabeledVectors{} : features(task.test);
    Progress progress(task.name + ": classifiers", "fits", 0);
    bmae::TransferOptions const protocol{.solver = solver_from(options.classifier),
                                         .folds = options.folds,
                                         .threads = common.threads,
                                         .on_progress = [&](std::size_t done, std::size_t total) {
                                             cancellation.check();
                                             progress.total(total);
                                             progress.update(done);
                                         }};
    TransferResult const result = task.dev.labels.empty() ? task.test.labels.empty() ? transfer_by_folds(train, protocol)
                                                                                     : transfer_to_test(train, test, protocol)
                                                          : transfer_with_dev(train, features(task.dev), test, protocol);
    progress.finish();
    return task_result(task, result, test);
}

}  // namespace

int transfer(Common const& common, TransferTaskOptions const& options) {
    use_threads(common);
    static_cast<void>(solver_from(options.classifier));
    std::vector<TransferTask> tasks;   // all are read before the first is encoded
    for (std::string const& name : names_of_metrics(options.tasks)) { tasks.push_back(read_transfer_task(options.data, name)); }
    SentenceEncoder const encoder = make_inference_encoder(common, options.model);
    Cancellation const cancellation;
    Json result{
        {"command", "transfer"}, {"classifier", options.classifier}, {"fold_count", options.folds}, {"results", Json::array()}};
    double sum = 0;
    std::string table = "task     dev    test\n";
    for (TransferTask const& task : tasks) {
        Json const& entry = result["results"].emplace_back(run_transfer_task(encoder, task, common, options, cancellation));
        sum += entry["accuracy"].get<double>();
        char line[96];
        std::snprintf(line, sizeof line, "%-5s %6.2f  %6.2f", task.name.c_str(), entry["dev_accuracy"].get<double>(),
                      entry["accuracy"].get<double>());
        table += line;
        if (!entry["f1"].is_null()) {
            std::snprintf(line, sizeof line, "  (F1 %.2f)", entry["f1"].get<double>());
            table += line;
        }
        table += '\n';
    }
    result["mean_accuracy"] = sum / static_cast<double>(tasks.size());
    print_result(common, result, table);
    return done;
}

}  // namespace bmae::program
