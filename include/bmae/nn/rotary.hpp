// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Rotary positions: queries and keys are turned by an angle that grows with the position of their token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>
#include <c10/util/StringUtil.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Cosines and sines of the angles of T tokens; constants, shared by all heads and by all layers of one base.
struct RotaryPhases {
    at::Tensor cosine = {};   ///< [T, d/2] fp32, d the width of a head
    at::Tensor sine = {};     ///< [T, d/2] fp32
};

/// The angle of token t in plane i is p_t base^(-2i/d) (Su et al.: RoFormer, arXiv 2104.09864, equation 15). In fp32 throughout, as
/// models are trained: at position 8,000 its rounding is a thousandth of a turn.
/// \param positions   [T] int64, from 0 in each text
/// \param head_width  d, even
/// \param base        theta of the configuration, above 0: the slowest plane turns once in about 2 pi base tokens
BMAE_INLINE RotaryPhases rotary_phases(at::Tensor const& positions, std::int64_t head_width, double base);

/// The `parts` blocks of columns of a product, queries, keys and values side by side; the first `turned` of them are turned by the
/// positions of their rows. Scores of a query and a key then depend on the difference of their positions alone.
/// \param product  [T, parts * H]
/// \param heads    divides H into heads of the width for which the phases were made
/// \returns        `parts` tensors [T, H]
/// \throws InputError  a product, heads and phases that do not fit each other
BMAE_INLINE std::vector<at::Tensor> rotated_parts(at::Tensor const& product, RotaryPhases const& phases, std::int64_t heads,
                                                  std::int64_t parts, std::int64_t turned);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <torch/csrc/autograd/custom_function.h>

namespace bmae {

namespace detail {
inline namespace BMAE_KERNELS {

/// Turns one row of heads, or turns it back: columns i and i + d/2 of a head are a point of a plane.
/// \param direction  1, or -1 for the inverse
template <class Real>
void rotate_row(Real const* from, float const* cosine, float const* sine, std::int64_t heads, std::int64_t half, float direction,
                Real* to) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        for (std::int64_t head = 0; head < heads; ++head, from += 2 * half, to += 2 * half) {
            along(level, half, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                auto const a = read(from);
                auto const b = read(from + half);
                auto const c = read(cosine);
                auto const s = read(sine) * direction;
                write(to, a * c - b * s);
                write(to + half, b * c + a * s);
            });
        }
    });
}

/// Splits the columns of a product into `parts` of equal width and turns the first `turned` of them; the gradient turns back.
struct RotatedParts : torch::autograd::Function<RotatedParts> {
    static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, at::Tensor const& product,
                                                  at::Tensor const& cosine, at::Tensor const& sine, std::int64_t heads,
                                                  std::int64_t parts, std::int64_t turned) {
        context->save_for_backward({cosine, sine});
        context->saved_data["heads"] = heads;
        context->saved_data["turned"] = turned;
        std::int64_t const width = product.size(1) / parts;
        torch::autograd::variable_list results;
        for (std::int64_t part = 0; part < parts; ++part) {
            results.push_back(at::empty({product.size(0), width}, product.options()));
        }
        at::Tensor const rows = product.contiguous();
        for (std::int64_t part = 0; part < parts; ++part) {
            at::Tensor& result = results[static_cast<std::size_t>(part)];
            turn(rows.narrow(1, part * width, width), cosine, sine, heads, part < turned ? 1.0F : 0.0F, result);
        }
        return results;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        std::int64_t const heads = context->saved_data["heads"].toInt();
        std::int64_t const turned = context->saved_data["turned"].toInt();
        auto const parts = static_cast<std::int64_t>(gradients.size());
        std::int64_t const width = gradients[0].size(1);
        at::Tensor product = at::empty({gradients[0].size(0), parts * width}, gradients[0].options());
        for (std::int64_t part = 0; part < parts; ++part) {
            at::Tensor target = product.narrow(1, part * width, width);
            turn(gradients[static_cast<std::size_t>(part)], saved[0], saved[1], heads, part < turned ? -1.0F : 0.0F, target);
        }
        return {product, {}, {}, {}, {}, {}};
    }

private:
    /// \param from,to    [T, H] with adjacent columns
    /// \param direction  1 forward, -1 back, 0: a copy
    static void turn(at::Tensor const& from, at::Tensor const& cosine, at::Tensor const& sine, std::int64_t heads,
                     float direction, at::Tensor& to) {
        std::int64_t const width = from.size(1);
        if (direction == 0) {
            to.copy_(from);
        } else if (has_row_kernels(from) && from.stride(1) == 1 && to.stride(1) == 1 && cosine.is_cpu()) {
            with_real(from, [&]<class Real>(Real) {
                std::int64_t const half = width / heads / 2;
                RowBlocks(from.size(0)).run([&](std::int64_t, std::int64_t first, std::int64_t end) {
                    for (std::int64_t t = first; t < end; ++t) {
                        rotate_row(read_from<Real>(from) + t * from.stride(0), read_from<float>(cosine) + t * half,
                                   read_from<float>(sine) + t * half, heads, half, direction,
                                   write_to<Real>(to) + t * to.stride(0));
                    }
                });
            });
        } else {
            turn_with_operators(from, cosine, sine, heads, direction, to);
        }
    }

    static void turn_with_operators(at::Tensor const& from, at::Tensor const& cosine, at::Tensor const& sine, std::int64_t heads,
                                    float direction, at::Tensor& to) {
        at::ScalarType const wide = from.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
        at::Tensor const pairs = from.to(wide).reshape({from.size(0), heads, 2, from.size(1) / heads / 2});
        at::Tensor const c = cosine.to(wide).unsqueeze(1);   // [T, 1, d/2]
        at::Tensor const s = sine.to(wide).unsqueeze(1) * direction;
        at::Tensor const a = pairs.select(2, 0);
        at::Tensor const b = pairs.select(2, 1);
        to.copy_(at::stack({a * c - b * s, b * c + a * s}, 2).reshape(from.sizes()));
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

BMAE_INLINE RotaryPhases rotary_phases(at::Tensor const& positions, std::int64_t head_width, double base) {
    if (head_width < 2 || head_width % 2 != 0 || !(base > 0)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "heads of an even width and a rotary base above 0",
                                    .found = std::to_string(head_width) + " columns, base " + std::to_string(base),
                                    .hint = "A rotary position turns pairs of columns."});
    }
    at::TensorOptions const options = at::TensorOptions(at::kFloat).device(positions.device());
    at::Tensor const planes = at::arange(0, head_width, 2, options) / static_cast<double>(head_width);
    at::Tensor const speeds = at::reciprocal(at::pow(base, planes));                         // [d/2]
    at::Tensor const angles = positions.to(at::kFloat).unsqueeze(1) * speeds.unsqueeze(0);   // [T, d/2]
    return {.cosine = at::cos(angles), .sine = at::sin(angles)};
}

BMAE_INLINE std::vector<at::Tensor> rotated_parts(at::Tensor const& product, RotaryPhases const& phases, std::int64_t heads,
                                                  std::int64_t parts, std::int64_t turned) {
    bool const fits = product.dim() == 2 && heads > 0 && parts > 0 && product.size(1) % (parts * heads * 2) == 0 &&
                      phases.cosine.dim() == 2 && phases.cosine.sizes() == phases.sine.sizes() &&
                      phases.cosine.size(0) == product.size(0) && phases.cosine.size(1) * 2 * heads * parts == product.size(1) &&
                      phases.cosine.scalar_type() == at::kFloat;
    if (!fits) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "rows of " + std::to_string(parts) + " parts of " + std::to_string(heads) +
                                                " heads, and the phases of as many rows",
                                    .found = c10::str(product.sizes(), " with phases ", phases.cosine.sizes())});
    }
    return detail::RotatedParts::apply(product, phases.cosine.contiguous(), phases.sine.contiguous(), heads, parts, turned);
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
