// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A frozen masked language model that replaces masked tokens for a corruptor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/concepts/encoder.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// `E` with its language-model head as a generator: no dropout, no gradient (DiffCSE's code leaves dropout on; this does not).
template <Encoder E>
class EncoderGenerator final : public TokenGenerator {
public:
    /// \param vocabulary_size  tokens of the tokenizer: rows of the generator beyond, which pad its vocabulary, are never proposed
    /// Throws InputError where the generator has fewer.
    EncoderGenerator(E encoder, std::int64_t vocabulary_size) : encoder_(std::move(encoder)), vocabulary_(vocabulary_size) {
        if (encoder_.shape().vocabulary < vocabulary_size) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "a generator with at least the tokenizer's " + std::to_string(vocabulary_size) + " tokens",
                           .found = std::to_string(encoder_.shape().vocabulary),
                           .hint = "Pre-train one on the same corpus: --preset mlm."});
        }
    }

    [[nodiscard]] std::vector<TokenId> propose(std::span<TokenId const> input_ids, std::span<std::int32_t const> positions,
                                               std::span<std::int64_t const> offsets, std::span<std::int64_t const> rows,
                                               std::span<double const> draws) const override {
        c10::AutoGradMode const no_grad(false);
        PackedView view;
        view.input_ids.assign(input_ids.begin(), input_ids.end());
        view.original_ids = view.input_ids;
        view.labels.assign(input_ids.size(), ignored_label);
        view.positions.assign(positions.begin(), positions.end());
        view.offsets.assign(offsets.begin(), offsets.end());
        at::Device const device = encoder_.embeddings.word.device();
        PackedInput const input = to_tensors(view, device);
        ForwardContext context;
        at::Tensor const hidden = encoder_.encode(input, context, false).hidden;
        std::vector<TokenId> ids;
        std::size_t const most = rows_at_once(encoder_.shape().vocabulary);
        for (std::size_t begin = 0; begin < rows.size(); begin += most) {
            std::size_t const size = std::min(most, rows.size() - begin);
            std::vector<std::int64_t> const some(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 rows.begin() + static_cast<std::ptrdiff_t>(begin + size));
            at::Tensor const logits =
                encoder_.head.logits(hidden.index_select(0, detail::int64_tensor(some, device)), encoder_.embeddings.word)
                    .narrow(1, 0, vocabulary_);   // [n, tokens]
            at::Tensor chosen;
            if (draws.empty()) {
                chosen = logits.argmax(1);
            } else {   // inverse of the distribution function
                at::Tensor const mass = at::softmax(logits.to(at::kDouble), 1).cumsum(1);
                at::Tensor const point =
                    at::tensor(std::vector<double>(draws.begin() + static_cast<std::ptrdiff_t>(begin),
                                                   draws.begin() + static_cast<std::ptrdiff_t>(begin + size)))
                        .to(device);
                chosen =
                    at::searchsorted(mass, point.unsqueeze(1), false, /*right=*/true).squeeze(1).clamp_max(logits.size(1) - 1);
            }
            at::Tensor const host = chosen.cpu();
            for (std::size_t i = 0; i < size; ++i) {
                ids.push_back(static_cast<TokenId>(host.const_data_ptr<std::int64_t>()[i]));
            }
        }
        return ids;
    }

    /// Checksum of the names and values of all parameters.
    [[nodiscard]] std::uint64_t fingerprint() const override {
        detail::Xxh64 hash;
        E encoder = encoder_;   // shares the tensors; visiting requires a mutable one
        encoder.for_each_parameter("", [&](std::string const& parameter, at::Tensor& value, bool) {
            at::Tensor const values = value.detach().to(at::kCPU, at::kFloat).contiguous();
            hash.update(parameter + '\n');
            hash.update(
                std::as_bytes(std::span(values.template const_data_ptr<float>(), static_cast<std::size_t>(values.numel()))));
        });
        return hash.digest();
    }

private:
    /// Distributions stored at once, in double: half a gigabyte, of 1024 rows at most.
    static std::size_t rows_at_once(std::int64_t vocabulary) {
        return static_cast<std::size_t>(std::clamp<std::int64_t>(64'000'000 / std::max<std::int64_t>(vocabulary, 1), 16, 1024));
    }

    E encoder_;
    std::int64_t vocabulary_;
};

}  // namespace bmae
