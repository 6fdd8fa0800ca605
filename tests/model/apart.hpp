// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Losses computed one text at a time, apart from the composition.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/term.hpp>

#include "tiny.hpp"

namespace test {

/// Text `b` of a view, by itself.
inline bmae::PackedView one_text(bmae::PackedView const& view, std::size_t b) {
    bmae::PackedView text;
    text.special = view.special;
    auto const begin = view.offsets[b];
    auto const end = view.offsets[b + 1];
    auto cut = [&](auto const& from, auto& to) { to.assign(from.begin() + begin, from.begin() + end); };
    cut(view.input_ids, text.input_ids);
    cut(view.original_ids, text.original_ids);
    cut(view.labels, text.labels);
    cut(view.flags, text.flags);
    cut(view.positions, text.positions);
    text.offsets = {0, end - begin};
    return text;
}

/// Labeled logits of one text after another, so that nothing can reach over from its neighbors.
template <class Rows>
at::Tensor cross_entropy(bmae::BertEncoder const& encoder, bmae::PackedView const& view, Rows&& rows_of) {   // sum over labels
    std::vector<at::Tensor> logits;
    std::vector<at::Tensor> labels;
    for (std::size_t b = 0; b < view.texts(); ++b) {
        bmae::PackedView const text = one_text(view, b);
        bmae::PackedInput const input = bmae::to_tensors(text);
        logits.push_back(encoder.head.logits(rows_of(input, b).index_select(0, input.label_rows), encoder.embeddings.word));
        labels.push_back(input.labels);
    }
    return at::cross_entropy_loss(at::cat(logits), at::cat(labels), {}, /*reduction=sum*/ 2);
}

/// The last hidden states of each text of a view.                                                              [texts] of [L, H]
inline std::vector<at::Tensor> encode_apart(bmae::BertEncoder const& encoder, bmae::PackedView const& view) {
    bmae::ForwardContext context;
    std::vector<at::Tensor> states;
    for (std::size_t b = 0; b < view.texts(); ++b) {
        states.push_back(encoder.encode(bmae::to_tensors(one_text(view, b)), context).hidden);
    }
    return states;
}

/// Parameters of a model by name.
template <class Model>
std::map<std::string, at::Tensor> parameters_of(Model& model) {
    std::map<std::string, at::Tensor> values;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { values.emplace(name, value); });
    return values;
}

/// A part that reads the tensors `root...` of a model.
template <class Part>
Part with_tensors(Part part, std::string const& root, std::map<std::string, at::Tensor> const& values) {
    part.for_each_parameter(root, [&](std::string const& name, at::Tensor& value, bool) { value = values.at(name); });
    return part;
}

/// Losses of all terms, the total and the gradients of `model` equal those of `apart`, which computes the loss of each term.
template <class Model, class Apart>
void equals_apart(Model& model, bmae::HostBatch const& batch, Apart&& apart, double progress = 0) {
    need_gradients(model);
    bmae::ForwardContext context{.progress = progress};
    bmae::ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    loss.total.backward();
    std::vector<at::Tensor> const gradients = take_gradients(model);
    std::vector<at::Tensor> const means = apart();
    BOOST_TEST_REQUIRE(means.size() == loss.terms.size());
    at::Tensor total;
    for (std::size_t t = 0; t < means.size(); ++t) {
        BOOST_TEST_CONTEXT("term " << t) {
            BOOST_TEST(batch.term_labels[t] > 0);
            BOOST_CHECK_CLOSE(loss.terms[t].loss.template item<double>(), means[t].template item<double>(), 1e-3);
        }
        at::Tensor const weighted = means[t] * loss.terms[t].weight;
        total = total.defined() ? total + weighted : weighted;
    }
    BOOST_CHECK_CLOSE(loss.total.template item<double>(), total.template item<double>(), 1e-3);
    total.backward();
    std::vector<at::Tensor> const expected = take_gradients(model);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        BOOST_CHECK_LE(distance(gradients[i], expected[i]), 1e-4 * (1 + expected[i].abs().max().template item<double>()));
    }
}

}  // namespace test
