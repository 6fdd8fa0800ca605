// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// An objective around another one, which changes some of it and hands on the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <bmae/training/objective.hpp>

namespace bmae {

/// Everything is that of the inner objective, which must outlive it.
class ObjectiveWrapper : public Objective {
public:
    explicit ObjectiveWrapper(Objective& inner) : inner_(inner) {}

    [[nodiscard]] std::size_t examples() const override { return inner_.examples(); }
    [[nodiscard]] std::size_t cost(std::size_t example) const override { return inner_.cost(example); }
    [[nodiscard]] std::size_t terms() const override { return inner_.terms(); }
    [[nodiscard]] std::size_t source(std::size_t example) const override { return inner_.source(example); }
    [[nodiscard]] HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const override {
        return inner_.collate(examples, key);
    }
    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        return inner_.forward(batch, context, step_labels);
    }
    [[nodiscard]] StepContrast& step_contrast() override { return inner_.step_contrast(); }
    [[nodiscard]] std::size_t negatives(std::size_t examples) const override { return inner_.negatives(examples); }
    void for_each_parameter(ParameterVisitor const& visit) override { inner_.for_each_parameter(visit); }
    [[nodiscard]] std::size_t alternation(std::string const& parameter) const override { return inner_.alternation(parameter); }
    [[nodiscard]] std::size_t frozen(std::uint64_t step) const override { return inner_.frozen(step); }
    void after_step(MasterOf const& master) override { inner_.after_step(master); }
    void for_each_state(StateVisitor const& visit) override { inner_.for_each_state(visit); }
    [[nodiscard]] std::vector<std::string> warnings() const override { return inner_.warnings(); }
    [[nodiscard]] std::string description() const override { return inner_.description(); }
    void write_sidecars(std::filesystem::path const& folder) const override { inner_.write_sidecars(folder); }

protected:
    Objective& inner_;
};

}  // namespace bmae
