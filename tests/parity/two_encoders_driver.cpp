// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// One step of a preset with two encoders, whose weights differ, over all queries of a pair store, written with its gradients' norms.
// usage: two_encoders_driver MODEL PAIRS PRESET TEMPERATURE OUTPUT.safetensors
#include <cstdio>
#include <exception>
#include <numeric>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <c10/core/GradMode.h>

#include <bmae/edge/finetuning_presets.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/text/pair_store.hpp>

int main(int argc, char** argv) {
    try {
        if (argc != 6) { return 2; }
        bmae::AnyEncoder const encoder = bmae::load_encoder(argv[1]);
        bmae::PairStore const pairs = bmae::PairStore::open(argv[2]);
        bmae::PretrainingRequest const request{
            .preset = argv[3],
            .overrides = {{"passages", "3"}, {"query_length", "12"}, {"passage_length", "20"}, {"temperature", argv[4]}},
            .two_encoders = true,
            .settings = {.max_length = static_cast<std::size_t>(encoder.shape().positions)}};
        auto const objective = bmae::make_finetuning(request, encoder, pairs);
        double number = 0;   // large differences of the towers and of texts, so that a fault is loud
        objective->for_each_parameter([&number](std::string const&, at::Tensor& value, bool) {
            c10::AutoGradMode const no_gradient(false);
            number += 1;
            value.add_(at::arange(value.numel(), value.options()).mul(.7).add(number).sin().mul(.2).view_as(value));
        });
        std::vector<std::size_t> examples(pairs.size());
        std::iota(examples.begin(), examples.end(), std::size_t{0});
        objective->dump_step(objective->collate(examples, {.seed = 1}), argv[5]);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
