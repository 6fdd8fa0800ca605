// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Compares what bmae computes in fp32 and bf16 with LibTorch's operators in double: values and gradients, of numbers and of NaN.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_lanes.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/packed_input.hpp>
#include <bmae/values/visibility.hpp>

namespace oracle {

using Tensors = std::vector<at::Tensor>;
using Operation = std::function<at::Tensor(Tensors const&)>;

/// Restores what a case changes.
struct Settings {
    bmae::detail::LaneLevel const level = bmae::detail::lane_level();
    int const threads = at::get_num_threads();
    Settings() = default;
    Settings(Settings const&) = delete;
    ~Settings() {
        bmae::detail::lane_level() = level;
        at::set_num_threads(threads);
    }
};

inline at::Tensor normal(std::vector<std::int64_t> const& shape, std::uint64_t seed, double scale = 1) {
    return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::TensorOptions(at::kDouble)) * scale;
}

inline Tensors rounded(Tensors const& inputs, at::ScalarType type) {
    Tensors result;
    for (at::Tensor const& input : inputs) { result.push_back(input.to(type).to(at::kDouble)); }
    return result;
}

/// Result of `operation` and the gradients of its inputs under a fixed direction.
inline Tensors run(Operation const& operation, Tensors const& inputs, at::ScalarType type) {
    Tensors leaves;
    for (at::Tensor const& input : inputs) { leaves.push_back(input.to(type).detach().clone().requires_grad_()); }
    at::Tensor const result = operation(leaves);
    Tensors found{result.detach()};
    if (result.numel() != 0) { result.backward(normal(result.sizes().vec(), 99).to(result.scalar_type())); }
    for (at::Tensor const& leaf : leaves) { found.push_back(leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf)); }
    return found;
}

/// `operation` in fp32 and bf16 against `expected` in double, and one thread against two, unless the product of LibTorch that it
/// contains is not the same on both.
inline void check(std::string const& name, Tensors const& inputs, Operation const& operation, Operation const& expected,
                  bool same_on_all_threads = true) {
    Settings const settings;
    for (at::ScalarType const type : {at::kFloat, at::kBFloat16}) {
        Tensors const numbers = rounded(inputs, type);
        Tensors const wanted = run(expected, numbers, at::kDouble);
        Tensors const found = run(operation, numbers, type);
        at::set_num_threads(1);
        Tensors const alone = run(operation, numbers, type);
        at::set_num_threads(2);
        Tensors const together = run(operation, numbers, type);
        at::set_num_threads(settings.threads);
        double const tolerance = type == at::kFloat ? 2e-5 : 3e-2;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            BOOST_REQUIRE_MESSAGE(found[i].sizes() == wanted[i].sizes(), name << ": result " << i << " has another shape");
            if (wanted[i].numel() == 0) { continue; }
            double const scale = std::max(1e-2, wanted[i].abs().max().item<double>());
            double const error = (found[i].to(at::kDouble) - wanted[i]).abs().max().item<double>() / scale;
            BOOST_CHECK_MESSAGE(error <= tolerance, name << ' ' << toString(type) << ": result " << i << " is off by " << error);
            BOOST_CHECK_MESSAGE(!same_on_all_threads || at::equal(alone[i], together[i]),
                                name << ' ' << toString(type) << ": result " << i << " depends on the threads");
        }
    }
}
/// The same operation in double, where no kernel runs, is what is expected.
inline void check(std::string const& name, Tensors const& inputs, Operation const& operation) {
    check(name, inputs, operation, operation);
}

inline constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinite = std::numeric_limits<double>::infinity();

/// Numbers that kernels with shortcuts get wrong.
inline std::vector<double> const special{no_number, infinite, -infinite, 1e-40, -0.0, 90.0, -90.0};

/// NaN where `wanted` has NaN, the same infinity where it has one, else a number near to its number. Gradients may be NaN where
/// LibTorch's are infinite and the other way round: which of the two depends on the order of the sums.
inline void check_like(std::string const& name, at::Tensor const& found, at::Tensor const& wanted, bool exact_kind,
                       double tolerance) {
    at::Tensor const value = found.to(at::kDouble);
    BOOST_REQUIRE_MESSAGE(value.sizes() == wanted.sizes(), name << " has another shape");
    if (wanted.numel() == 0) { return; }
    at::Tensor const finite = at::isfinite(wanted);
    BOOST_CHECK_MESSAGE(at::equal(at::isfinite(value), finite), name << ": finite where LibTorch is not, or not where it is\n"
                                                                     << value << "\n"
                                                                     << wanted);
    if (exact_kind) {
        BOOST_CHECK_MESSAGE(at::equal(value.isnan(), wanted.isnan()) && at::equal(value.eq(infinite), wanted.eq(infinite)),
                            name << ": another kind than LibTorch's\n"
                                 << value << "\n"
                                 << wanted);
    }
    at::Tensor const plain = at::nan_to_num(wanted, 0, 0, 0);
    double const scale = std::max(1e-2, plain.abs().max().item<double>());
    double const error = (at::nan_to_num(value, 0, 0, 0) - plain).abs().max().item<double>() / scale;
    BOOST_CHECK_MESSAGE(error <= tolerance, name << " is off by " << error);
}

/// `check` with each special value at the first, a middle and the last position of each input.
inline void check_special(std::string const& name, Tensors const& inputs, Operation const& operation, Operation const& expected) {
    for (at::ScalarType const type : {at::kFloat, at::kBFloat16}) {
        double const tolerance = type == at::kFloat ? 5e-5 : 1e-1;
        for (std::size_t which = 0; which < inputs.size(); ++which) {
            std::int64_t const size = inputs[which].numel();
            for (double const number : special) {
                if (type == at::kBFloat16 && std::abs(number) == 90) { continue; }   // products are rounded to quarters
                for (std::int64_t const place : {std::int64_t{0}, size / 2, size - 1}) {
                    Tensors changed;
                    for (at::Tensor const& input : inputs) { changed.push_back(input.clone()); }
                    changed[which].view({-1})[place] = number;
                    Tensors const numbers = rounded(changed, type);
                    Tensors const wanted = run(expected, numbers, at::kDouble);
                    Tensors const found = run(operation, numbers, type);
                    for (std::size_t i = 0; i < wanted.size(); ++i) {
                        check_like(name + ' ' + toString(type) + ", input " + std::to_string(which) + " holds " +
                                       std::to_string(number) + " at " + std::to_string(place) + ", result " + std::to_string(i),
                                   found[i], wanted[i], /*exact_kind=*/i == 0, tolerance);
                    }
                }
            }
        }
    }
}

inline bmae::PackedInput packed(std::vector<std::int64_t> const& lengths) {
    bmae::PackedInput input;
    input.offsets = {0};
    for (std::int64_t const length : lengths) { input.offsets.push_back(input.offsets.back() + length); }
    return input;
}

/// Row masks that let row i read column j where (i + j) % 3 != 0, and row 2 read nothing.
inline std::vector<bmae::Visibility> masks(std::vector<std::int64_t> const& lengths) {
    std::vector<bmae::Visibility> all;
    for (std::int64_t const length : lengths) {
        bmae::Visibility rows{.length = static_cast<std::uint32_t>(length)};
        rows.bits.resize(static_cast<std::size_t>(length) * rows.words());
        for (std::size_t i = 0; i < static_cast<std::size_t>(length); ++i) {
            rows.row.push_back(static_cast<std::uint16_t>(i));
            for (std::size_t j = 0; j < static_cast<std::size_t>(length) && i != 2; ++j) {
                if ((i + j) % 3 != 0) { rows.bits[i * rows.words() + j / 64] |= std::uint64_t{1} << (j % 64); }
            }
        }
        all.push_back(rows);
    }
    return all;
}

/// What an InputError of `action` says; empty where it throws none.
template <class Action>
std::string refusal(Action const& action) {
    try {
        action();
    } catch (bmae::InputError const& error) { return error.what(); }
    return {};
}

}  // namespace oracle
