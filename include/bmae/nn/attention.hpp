// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Multi-head attention inside each text of a packed batch, with optional row masks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/cpu_attention.hpp>
#include <bmae/nn/cpu_long_attention.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/device_attention.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/grouped_attention.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/nn/packed_rows.hpp>
#include <bmae/values/packed_input.hpp>
#include <bmae/values/visibility.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae {

#if BMAE_TORCH_DEFINITIONS

namespace detail {
inline namespace BMAE_KERNELS {

/// Attention in the CPU kernels: one task per text and head, without padding or copies. Texts that recompute their weights are
/// divided further in the forward pass.
struct TiledAttention {
    std::vector<std::int64_t> const& offsets;
    std::int64_t heads;
    std::vector<Visibility> const* visibility;
    std::int64_t window;
    double rate;
    std::int64_t key;

    /// \param keep   whether a backward pass will follow
    /// \param saved  for it: the weights of the texts that store them, the output and two numbers per row of the others
    at::Tensor forward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value, bool keep,
                       std::vector<at::Tensor>& saved) const {
        at::Tensor output = at::empty_like(query);
        at::Tensor const weights = keep ? at::empty({cells()}, query.options()) : at::Tensor();
        at::Tensor const rows = at::empty({2, heads, recomputes() ? query.size(0) : 0}, query.options().dtype(at::kFloat));
        with_real(query, [&]<class Real>(Real) {
            run(tasks(LongHeadAttention<Real>::chunk_rows), [&](Task const& task) {
                auto const head = head_of<Real>(query, keys, value, task);
                std::int64_t const place = place_of(query, task);
                if (task.recomputes) {
                    auto const [top, share] = statistics(rows, task);
                    LongHeadAttention<Real>{head}.forward(task.first, task.end, write_to<Real>(output) + place, top, share);
                } else {
                    head.forward(keep ? write_to<Real>(weights) + task.cell : nullptr, write_to<Real>(output) + place);
                }
            });
        });
        if (keep) { saved.insert(saved.end(), {weights, recomputes() ? output : at::Tensor(), rows}); }
        return output;
    }

    std::vector<at::Tensor> backward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                     at::Tensor const& gradient, at::Tensor const* saved) const {
        std::vector<at::Tensor> results{at::empty_like(query), at::empty_like(keys), at::empty_like(value)};
        with_real(query, [&]<class Real>(Real) {
            run(tasks(std::numeric_limits<std::int64_t>::max()), [&](Task const& task) {
                auto const head = head_of<Real>(query, keys, value, task);
                std::int64_t const place = place_of(query, task);
                Real const* const slope = read_from<Real>(gradient) + place;
                Real* const results_at[3] = {write_to<Real>(results[0]) + place, write_to<Real>(results[1]) + place,
                                             write_to<Real>(results[2]) + place};
                if (task.recomputes) {
                    auto const [top, share] = statistics(saved[2], task);
                    LongHeadAttention<Real>{head}.backward(read_from<Real>(saved[1]) + place, slope, top, share, results_at[0],
                                                           results_at[1], results_at[2]);
                } else {
                    head.backward(read_from<Real>(saved[0]) + task.cell, slope, results_at[0], results_at[1], results_at[2]);
                }
            });
        });
        return results;
    }

private:
    /// Rows [first, end) of one head of a text.
    struct Task {
        std::size_t text;
        std::int64_t head;
        std::int64_t first;
        std::int64_t end;
        std::int64_t cell;   ///< its first weight, where weights are stored
        bool recomputes;
    };

    [[nodiscard]] std::int64_t length_of(std::size_t b) const { return offsets[b + 1] - offsets[b]; }

    /// Whether some text recomputes its weights.
    [[nodiscard]] bool recomputes() const {
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            if (recomputes_attention(length_of(b), window)) { return true; }
        }
        return false;
    }

    /// Number of weights of a text that are stored: heads x L x L, or none.
    [[nodiscard]] std::int64_t cells_of(std::size_t b) const {
        return recomputes_attention(length_of(b), window) ? 0 : heads * length_of(b) * length_of(b);
    }
    [[nodiscard]] std::int64_t cells() const {
        std::int64_t sum = 0;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) { sum += cells_of(b); }
        return sum;
    }

    /// Longest texts first. \param chunk  rows of a task of a text that recomputes, at most
    [[nodiscard]] std::vector<Task> tasks(std::int64_t chunk) const {
        std::vector<std::int64_t> before{0};   // weights before each text
        std::vector<std::size_t> order;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            before.push_back(before.back() + cells_of(b));
            order.push_back(b);
        }
        std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t b) { return length_of(b); });
        std::vector<Task> all;
        for (std::size_t const b : order) {
            std::int64_t const length = length_of(b);
            bool const again = recomputes_attention(length, window);
            for (std::int64_t head = 0; head < heads; ++head) {
                std::int64_t const cell = before[b] + (again ? 0 : head * length * length);
                for (std::int64_t first = 0; first < length;) {
                    std::int64_t const end = again && length - first > chunk ? first + chunk : length;
                    all.push_back({.text = b, .head = head, .first = first, .end = end, .cell = cell, .recomputes = again});
                    first = end;
                }
            }
        }
        return all;
    }

    template <class Body>
    static void run(std::vector<Task> const& all, Body const& body) {
        parallel_blocks(static_cast<std::int64_t>(all.size()),
                        [&](std::int64_t task) { body(all[static_cast<std::size_t>(task)]); });
    }

    /// Offset of the task's text and head in the rows.
    [[nodiscard]] std::int64_t place_of(at::Tensor const& rows, Task const& task) const {
        return offsets[task.text] * rows.size(1) + task.head * (rows.size(1) / heads);
    }

    /// Top and share of the rows of the task's text. \param rows  [2, heads, T]
    [[nodiscard]] std::pair<float*, float*> statistics(at::Tensor const& rows, Task const& task) const {
        float* const top = write_to<float>(rows) + task.head * rows.size(2) + offsets[task.text];
        return {top, top + heads * rows.size(2)};
    }

    template <class Real>
    [[nodiscard]] HeadAttention<Real> head_of(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                              Task const& task) const {
        std::int64_t const length = length_of(task.text);
        std::int64_t const width = query.size(1) / heads;
        std::int64_t const place = place_of(query, task);
        return {.query = read_from<Real>(query) + place,
                .key = read_from<Real>(keys) + place,
                .value = read_from<Real>(value) + place,
                .length = length,
                .width = width,
                .stride = query.size(1),
                .scale = 1.0F / std::sqrt(static_cast<float>(width)),
                .visibility = visibility == nullptr ? nullptr : &(*visibility)[task.text],
                .window = window,
                .dropout = rate > 0 ? DropoutSite::make(rate, text_key(key, offsets[task.text])) : DropoutSite(),
                .first_element = task.head * length * length};
    }
};

/// Row masks that live as long as the graph.
struct KeptMasks : torch::CustomClassHolder {
    std::vector<Visibility> texts;
};

/// softmax(Q K^T / sqrt(d) + M) V per text and head, with its gradients.
struct PackedAttention : torch::autograd::Function<PackedAttention> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& query, at::Tensor const& key,
                              at::Tensor const& value, std::vector<std::int64_t> const& offsets, std::int64_t heads,
                              std::int64_t visibility, std::int64_t window, double dropout_rate, std::int64_t dropout_key,
                              bool differentiate) {
        // The pointer is passed as an integer because autograd keeps only tensors and plain values.
        auto const* rows = reinterpret_cast<std::vector<Visibility> const*>(static_cast<std::uintptr_t>(visibility));
        at::Tensor const q = query.contiguous();
        at::Tensor const k = key.contiguous();
        at::Tensor const v = value.contiguous();
        std::vector<at::Tensor> saved{q, k, v};
        bool const tiled = kernel_path(Operation::attention, q, k, v) == Path::rows;
        auto const run = [&](auto const& attention) { return attention.forward(q, k, v, differentiate, saved); };
        at::Tensor output = tiled ? run(TiledAttention{offsets, heads, rows, window, dropout_rate, dropout_key})
                                  : run(GroupedAttention{offsets, heads, rows, window, dropout_rate, dropout_key});
        if (!differentiate) { return output; }
        keep_masks(context, kept_masks(offsets, rows, window));
        context->save_for_backward(std::move(saved));
        context->saved_data["tiled"] = tiled;
        context->saved_data["offsets"] = offsets;
        context->saved_data["heads"] = heads;
        context->saved_data["window"] = window;
        context->saved_data["rate"] = dropout_rate;
        context->saved_data["key"] = dropout_key;
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        std::vector<std::int64_t> const offsets = context->saved_data["offsets"].toIntVector();
        std::int64_t const heads = context->saved_data["heads"].toInt();
        std::int64_t const window = context->saved_data["window"].toInt();
        double const rate = context->saved_data["rate"].toDouble();
        std::int64_t const key = context->saved_data["key"].toInt();
        at::Tensor const gradient = gradients[0].contiguous();
        std::vector<Visibility> const* const rows = masks(context);
        auto const run = [&](auto const& attention) {
            return attention.backward(saved[0], saved[1], saved[2], gradient, saved.data() + 3);
        };
        auto results = context->saved_data["tiled"].toBool() ? run(TiledAttention{offsets, heads, rows, window, rate, key})
                                                             : run(GroupedAttention{offsets, heads, rows, window, rate, key});
        results.resize(10);
        return results;
    }

private:
    static void keep_masks(torch::autograd::AutogradContext* context, std::vector<Visibility> texts) {
        if (texts.empty()) { return; }
        auto kept = c10::make_intrusive<KeptMasks>();
        kept->texts = std::move(texts);
        context->saved_data["masks"] = c10::IValue::make_capsule(std::move(kept));
    }
    static std::vector<Visibility> const* masks(torch::autograd::AutogradContext* context) {
        auto const found = context->saved_data.find("masks");
        return found == context->saved_data.end() ? nullptr : &static_cast<KeptMasks&>(*found->second.toCapsule()).texts;
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

#endif   // BMAE_TORCH_DEFINITIONS

/// Options of `packed_attention`.
struct AttentionOptions {
    std::int64_t heads = 1;   ///< divides the columns H
    std::vector<Visibility> const* visibility =
        nullptr;          ///< row masks M, one per text; none: every row attends to its whole text
    double dropout = 0;   ///< of the weights, in training only
    /// Half-width of local attention: row i attends to the columns j with |i - j| <= window (Beltagy et al.: Longformer, arXiv
    /// 2004.05150, section 3.1), as far as its mask allows them; 0: no window.
    std::int64_t window = 0;
};

/// Each row attends to the rows of its own text: softmax(Q K^T / sqrt(d) + M) V (Vaswani et al., equation 1; M: RetroMAE eq. 7).
/// A row whose mask leaves nothing averages the columns of its window, or of its text.
/// \param query,key,value  [T, H] projected rows, in the order of `input.offsets`
/// \returns [T, H]
/// \throws InputError  shapes, offsets, heads, masks or a window that do not fit each other
BMAE_INLINE at::Tensor packed_attention(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value,
                                        PackedInput const& input, AttentionOptions const& options, ForwardContext& context);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor packed_attention(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value,
                                        PackedInput const& input, AttentionOptions const& options, ForwardContext& context) {
    detail::require_packed(query, key, value, input.offsets, options.heads, options.visibility);
    detail::require_local(options.window);
    bool const drop = context.training && options.dropout > 0;
    double const rate = drop ? options.dropout : 0.0;
    auto const site = drop ? static_cast<std::int64_t>(context.next_key()) : 0;
    if (detail::kernel_path(detail::Operation::attention, query, key, value) == detail::Path::device) {
        return detail::DeviceAttention{input, options.heads, options.visibility, options.window, rate, site}(query, key, value);
    }
    bool const differentiate =
        at::GradMode::is_enabled() && (query.requires_grad() || key.requires_grad() || value.requires_grad());
    return detail::PackedAttention::apply(query, key, value, input.offsets, options.heads,
                                          static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(options.visibility)),
                                          options.window, rate, site, differentiate);
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
