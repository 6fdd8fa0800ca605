// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Classifiers into folders: a ForSequenceClassification of any family, as transformers' AutoModelForSequenceClassification reads.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/sequence_classifier.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Further keys of config.json: the labels and what the head was trained for.
inline std::string labeled_extra(std::string const& extra_json, std::vector<std::string> const& labels,
                                 std::string_view pooling) {
    Json extra = parse_json(extra_json, "extra_json");
    for (char const* const key : {"id2label", "label2id", "num_labels"}) { extra.erase(key); }   // of another head
    for (std::size_t i = 0; i < labels.size(); ++i) {
        extra["id2label"][std::to_string(i)] = labels[i];
        extra["label2id"][labels[i]] = i;
    }
    bool const is_score = labels.size() == 1;
    extra["problem_type"] = is_score ? "regression" : "single_label_classification";
    for (char const* const key : {"sentence_transformers", "sbert_ce_default_activation_function"}) { extra.erase(key); }
    if (is_score) {   // a cross-encoder, too: its score is as it was trained, without a sigmoid
        extra["sentence_transformers"] = {{"activation_fn", identity_class}, {"version", "4.0.1"}};
        extra["sbert_ce_default_activation_function"] = identity_class;   // versions before 4
    }
    if (!pooling.empty()) { extra["classifier_pooling"] = pooling; }
    return extra.dump();
}

}  // namespace detail

/// Writes a folder of a trained classifier that transformers loads, with equal outputs for texts within `max_length` of its options. A
/// regression also loads as a cross-encoder (`load_cross_encoder`), whose score is the regression's.
/// \param folder  must not exist, or be empty; appears when all of it is on the disk
/// \param labels  names of the outputs, all different; empty: LABEL_0, LABEL_1 ...
/// \throws InputError  an encoder of a type that has no folders, another number of labels, a folder that holds something
inline void save_sequence_classifier(std::filesystem::path const& folder, AnyEncoder const& encoder, NamedTensors const& head,
                                     AnyTokenizer const& tokenizer, SequenceClassifierOptions const& options,
                                     std::vector<std::string> labels = {}) {
    auto const count = static_cast<std::size_t>(options.labels);
    if (labels.empty()) {
        for (std::size_t i = 0; i < count; ++i) { labels.push_back("LABEL_" + std::to_string(i)); }
    }
    if (labels.size() != count || std::set<std::string>(labels.begin(), labels.end()).size() != count) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "different names for the " + std::to_string(count) + " outputs",
                                    .found = std::to_string(labels.size()) + " names"});
    }
    detail::write_classifier(
        folder, encoder, tokenizer, head,
        [&](std::string const& extra_json, std::string_view by_config) {
            return detail::labeled_extra(extra_json, labels, by_config);
        },
        ClsBottleneck::name, options.max_length);
}
/// The same for a classifier as it was trained.
inline void save_sequence_classifier(std::filesystem::path const& folder, SequenceClassifier const& model,
                                     AnyTokenizer const& tokenizer, std::vector<std::string> labels = {}) {
    save_sequence_classifier(folder, model.encoder(), model.head(), tokenizer, model.options(), std::move(labels));
}

}  // namespace bmae
