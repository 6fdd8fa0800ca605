// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
/// \file
/// Time of everything that a step does besides the network: gather gradients, norm, AdamW, publish, zero; and of a save.
///
/// usage: optimizer [MILLIONS OF PARAMETERS = 110] [THREADS = 2] [FOLDER to time a save in]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>

#include <bmae/training/allocator.hpp>
#include <bmae/training/checkpoint.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/optimizer.hpp>

namespace {

/// Parameters in the sizes of BERT and nothing else.
class Weights : public bmae::Objective {
public:
    explicit Weights(std::int64_t count) {
        for (std::int64_t left = count; left > 0; left -= 768 * 3072) {
            values_.push_back(at::randn({3072, 768}).requires_grad_());
        }
        for (int i = 0; i < 100; ++i) { values_.push_back(at::randn({768}).requires_grad_()); }
    }
    [[nodiscard]] std::size_t examples() const override { return 1; }
    [[nodiscard]] std::size_t cost(std::size_t) const override { return 1; }
    [[nodiscard]] std::size_t terms() const override { return 1; }
    [[nodiscard]] bmae::HostBatch collate(std::span<std::size_t const>, bmae::DrawKey) const override { return {}; }
    bmae::StepOutput forward(bmae::HostBatch const&, bmae::ForwardContext&, std::span<std::int64_t const>) override { return {}; }
    void for_each_parameter(bmae::ParameterVisitor const& visit) override {
        for (std::size_t i = 0; i < values_.size(); ++i) { visit("p" + std::to_string(i), values_[i], values_[i].dim() > 1); }
    }
    [[nodiscard]] std::string description() const override { return "{}"; }

private:
    std::vector<at::Tensor> values_;
};

template <class F>
double median_ms(F&& run) {
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
        auto const start = std::chrono::steady_clock::now();
        run();
        times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    std::ranges::sort(times);
    return times[4];
}

}  // namespace

int main(int argc, char** argv) {
    double const millions = argc > 1 ? std::atof(argv[1]) : 110;
    at::set_num_threads(argc > 2 ? std::atoi(argv[2]) : 2);
    bmae::keep_freed_memory();
    for (bmae::ComputeType const precision : {bmae::ComputeType::fp32, bmae::ComputeType::bf16}) {
        Weights weights(static_cast<std::int64_t>(millions * 1e6));
        bmae::FlatParameters parameters(weights, precision);
        bmae::AdamW optimizer(parameters, {});
        parameters.gradient().fill_(1e-3F);
        double const collect = median_ms([&] { parameters.collect(); });
        double const norm = median_ms([&] { parameters.gradient_norm().item<float>(); });
        double const step = median_ms([&] { optimizer.step(1e-4); });
        double const clipped = median_ms([&] { optimizer.step(1e-4, 1.0001); });
        double const publish = median_ms([&] { parameters.publish(); });
        double const zero = median_ms([&] { parameters.zero_gradient(); });
        std::printf(
            "%s, %.1f M parameters: collect %.1f ms, norm %.1f, step %.1f (of which publish %.1f), clipped step %.1f, zero "
            "%.1f\n",
            to_string(precision).c_str(), static_cast<double>(parameters.elements()) / 1e6, collect, norm, step, publish, clipped,
            zero);
        if (argc > 3 && precision == bmae::ComputeType::fp32) {
            bmae::CheckpointStore store(argv[3], 1);
            auto const start = std::chrono::steady_clock::now();
            auto const saved = store.save(1, [&](std::filesystem::path const& folder) {
                bmae::write_model(folder, parameters);
                bmae::write_optimizer(folder, optimizer);
            });
            auto const middle = std::chrono::steady_clock::now();
            bool const sound = bmae::explain_damage(saved.path).empty();
            auto const end = std::chrono::steady_clock::now();
            std::printf("save %.2f s, verify %.2f s, %s\n", std::chrono::duration<double>(middle - start).count(),
                        std::chrono::duration<double>(end - middle).count(), sound ? "sound" : "damaged");
        }
    }
    return 0;
}
