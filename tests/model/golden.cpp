// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The compositions against golden steps that an independent Python program computed (tests/parity/bert_golden.py).
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/io/tensors.hpp>
#include <bmae/presets/retromae.hpp>

#include "../dumped_view.hpp"
#include "../parity_folder.hpp"

BOOST_AUTO_TEST_SUITE(golden_steps)

namespace {

using namespace bmae;
using test::read_view;

std::filesystem::path golden(std::string const& name) { return test::parity_folder() / "golden" / (name + ".safetensors"); }

/// Loads the step's parameters into `Model`, runs it and compares every loss and every gradient.
template <class Model>
void check(std::string const& name, RetroMaeHyperparameters numbers = {}) {
    NamedTensors const step = load_tensors(golden(name));
    auto const report = nlohmann::json::parse(SafetensorsFile::open(golden(name)).metadata().at("report"));
    BertConfig config;
    at::Tensor const word = step.at("encoder.embeddings.word_embeddings.weight");
    config.vocab_size = word.size(0);
    config.hidden_size = word.size(1);
    config.num_hidden_layers = 2;
    config.num_attention_heads = report.at("config").at("num_attention_heads").get<std::int64_t>();
    config.intermediate_size = step.at("encoder.layer.0.intermediate.dense.weight").size(0);
    config.max_position_embeddings = step.at("encoder.embeddings.position_embeddings.weight").size(0);
    Model model(config, numbers);
    model.for_each_parameter([&](std::string const& parameter, at::Tensor& value, bool) {
        value.copy_(step.at(parameter));
        value.requires_grad_(true);
    });
    HostBatch batch;
    for (ViewDescription const& view : model.describe_views()) { batch.views.push_back(read_view(step, view.path)); }
    for (PackedView const& view : batch.views) { batch.term_labels.push_back(static_cast<std::int64_t>(view.label_count())); }

    ForwardContext context;
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    loss.total.backward();
    BOOST_CHECK_CLOSE(loss.total.template item<double>(), report.at("total").get<double>(), 1e-3);   // per cent: 1e-5 relative
    for (std::size_t t = 0; t < loss.terms.size(); ++t) {
        BOOST_CHECK_EQUAL(loss.terms[t].labels, report.at("terms")[t].at("labels").get<std::int64_t>());
        BOOST_CHECK_CLOSE(loss.terms[t].loss.template item<double>(), report.at("terms")[t].at("loss").get<double>(), 1e-3);
    }
    std::size_t compared = 0;
    model.for_each_parameter([&](std::string const& parameter, at::Tensor& value, bool) {
        at::Tensor const expected = step.at("gradients." + parameter);
        at::Tensor const found = value.grad().defined() ? value.grad() : at::zeros_like(value);
        double const scale = std::max(1e-3, expected.abs().max().template item<double>());
        double const error = (found - expected).abs().max().template item<double>() / scale;
        BOOST_CHECK_MESSAGE(error <= 1e-5, name << ": gradient of " << parameter << " is off by " << error);
        ++compared;
    });
    BOOST_TEST_MESSAGE(name << ": " << compared << " gradients");
}

}  // namespace

BOOST_AUTO_TEST_CASE(retromae) { check<RetroMae>("retromae"); }
BOOST_AUTO_TEST_CASE(retromae_layernorm_query) { check<RetroMaeLayerNormQuery>("retromae-layernorm-query"); }
BOOST_AUTO_TEST_CASE(retromae_basic) { check<RetroMaeBasic>("retromae-basic"); }
BOOST_AUTO_TEST_CASE(retromae_deep) { check<RetroMae>("retromae-deep", {.decoder_layers = 2}); }

BOOST_AUTO_TEST_SUITE_END()
