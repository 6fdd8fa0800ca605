// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The encoders of one model: its own, its momentum encoder, or a second one trained with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/model/pass.hpp>
#include <bmae/nn/initialize.hpp>

namespace bmae::detail {

/// Number of a tower in an alternation: 1 the model's own, 2 the second, 0 one without a gradient.
template <class Tower>
inline constexpr std::size_t alternation_of = std::is_same_v<Tower, TiedEncoder>     ? 1
                                              : std::is_same_v<Tower, SecondEncoder> ? 2
                                                                                     : 0;

/// Storage for an encoder that only some compositions have.
template <class E, bool present>
struct OptionalEncoder {
    explicit OptionalEncoder(E const&) {}
};

template <class E>
struct OptionalEncoder<E, true> {
    E encoder;

    /// Starts as a copy of `model`.
    explicit OptionalEncoder(E const& model) : encoder(deep_copy(model)) {}
};

/// \tparam momentum,second  which further encoders the passes of the composition run
template <class E, bool momentum, bool second>
class Towers {
public:
    explicit Towers(E encoder) : own_(std::move(encoder)), momentum_(own_), second_(own_) {
        if constexpr (momentum) {
            momentum_.encoder.for_each_parameter(
                "momentum.", [&](std::string const& name, at::Tensor& value, bool) { averages_.emplace_back(name, value); });
        }
    }

    template <class Tower>
    [[nodiscard]] E const& of() const noexcept {
        if constexpr (std::is_same_v<Tower, MomentumEncoder>) {
            return momentum_.encoder;
        } else if constexpr (std::is_same_v<Tower, SecondEncoder>) {
            return second_.encoder;
        } else {
            return own_;
        }
    }
    [[nodiscard]] E& own() noexcept { return own_; }
    [[nodiscard]] E const& own() const noexcept { return own_; }
    [[nodiscard]] E& second_tower() noexcept
        requires second
    {
        return second_.encoder;
    }

    /// theta_k = m theta_k + (1 - m) theta_q (He et al.: MoCo, arXiv 1911.05722, equation 2), in the averages' fp32.
    /// \param master  gives the fp32 master of a parameter by its name; empty, or an undefined tensor: the parameter itself
    void update_averages(double m, std::function<at::Tensor(std::string const&)> const& master) {
        if constexpr (momentum) {
            c10::AutoGradMode const no_grad(false);
            std::size_t next = 0;
            own_.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
                at::Tensor const found = master ? master(name) : at::Tensor();
                at::Tensor& average = averages_[next++].second;
                average.mul_(m).add_((found.defined() ? found : value.detach()).to(average.scalar_type()), 1 - m);
            });
        } else {
            static_cast<void>(m);
            static_cast<void>(master);
        }
    }

    /// The momentum encoder reads the averages as they are now, in the number format of the model's own encoder: where that has
    /// lower precision, a rounded copy. Called before the first micro-batch of a step.
    void publish_averages() {
        if constexpr (momentum) {
            c10::AutoGradMode const no_grad(false);
            std::vector<at::ScalarType> formats;
            own_.for_each_parameter("",
                                    [&](std::string const&, at::Tensor& value, bool) { formats.push_back(value.scalar_type()); });
            std::size_t next = 0;
            momentum_.encoder.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) {
                value = averages_[next].second.to(formats[next]);   // the same tensor where the format is the same
                ++next;
            });
        }
    }

    /// \tparam with_head  the token heads, too
    template <bool with_head = true, class Visit>
    void for_each_parameter(Visit&& visit) {
        each_of<with_head>(own_, "", visit);
        if constexpr (second) { each_of<with_head>(second_.encoder, "second.", visit); }
    }
    /// State that is saved with the parameters but not trained.
    template <class Visit>
    void for_each_state(Visit&& visit) {
        for (auto& [name, average] : averages_) { visit(name, average); }
    }

private:
    template <bool with_head, class Visit>
    static void each_of(E& encoder, std::string const& prefix, Visit& visit) {
        if constexpr (with_head) {
            encoder.for_each_parameter(prefix, visit);
        } else {
            bmae::for_each_body_parameter(encoder, prefix + "encoder", visit);
        }
    }

    E own_;
    std::vector<std::pair<std::string, at::Tensor>> averages_;   // fp32, by their names in a checkpoint; of a momentum encoder
    [[no_unique_address]] OptionalEncoder<E, momentum> momentum_;
    [[no_unique_address]] OptionalEncoder<E, second> second_;
};

}  // namespace bmae::detail
