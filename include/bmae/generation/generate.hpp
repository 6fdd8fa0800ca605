// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Autoregressive generation with a language model, in batches.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <bmae/generation/sampler.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// The prompt of a language model.
struct Prompt {
    std::uint64_t example = 0;       ///< keys the draws, so that a text gets the same tokens in any batch
    std::vector<TokenId> ids = {};   ///< [n], at least one
};

/// A language model generates rows of many prompts.               legend: N prompts, S samples of each, R = N S rows, V tokens
///
/// 1. `model.start(prompts, samples, room)` reads the prompts and returns a state; rows are prompt-major, `room` tokens may follow each.
/// 2. `state.scores` are the logits of the next token of each row.                                                            [R, V]
/// 3. `model.step(state, tokens)` appends one token to each row.                                                              tokens: [R]
/// 4. `model.keep(state, prompts)` drops the rows of all other prompts; the numbers are indices among the remaining ones.
/// Law: the scores of a row depend on its own prompt and tokens alone, up to rounding.
template <class M>
concept LanguageModel = requires(M const& model, std::span<Prompt const> prompts, std::span<TokenId const> tokens,
                                 std::span<std::int64_t const> kept, std::int64_t count) {
    { model.start(prompts, count, count).scores } -> std::convertible_to<at::Tensor>;
    requires requires(decltype(model.start(prompts, count, count))& state) {
        model.step(state, tokens);
        model.keep(state, kept);
    };
};

struct GenerateOptions {
    std::int64_t max_new_tokens = 64;
    std::int64_t samples = 1;   ///< of each prompt
    SamplerOptions sampler = {};
    std::vector<TokenId> stop = {};   ///< stop tokens: any of them ends a text and is not part of it
    std::size_t vocabulary = 0;       ///< only ids below this are used; 0: all. Models are often padded beyond their tokenizer
    std::uint64_t seed = 42;
    std::function<bool()> canceled = {};   ///< called before each token; true ends the call without a result
};

/// The generated texts: `texts[prompt * samples + sample]`.
struct Generated {
    std::vector<std::vector<TokenId>> texts = {};
    std::uint64_t tokens = 0;   ///< number of sampled tokens, stop tokens included
    bool canceled = false;      ///< then the texts are incomplete
};

/// Generates up to `max_new_tokens` tokens after each prompt. Draws are keyed by (seed, sample, example, position).
/// \throws InputError  options out of their range, and an empty or too long prompt
template <LanguageModel M>
Generated generate(M const& model, std::span<Prompt const> prompts, GenerateOptions const& options) {
    auto const refuse = [](char const* expected, std::int64_t found) {
        throw InputError(Diagnostic{.file = {}, .expected = expected, .found = std::to_string(found)});
    };
    if (options.max_new_tokens < 1) { refuse("max_new_tokens of at least 1", options.max_new_tokens); }
    if (options.samples < 1) { refuse("at least 1 sample of each prompt", options.samples); }
    Sampler sampler(options.sampler);
    Generated result;
    auto const samples = static_cast<std::size_t>(options.samples);
    result.texts.resize(prompts.size() * samples);
    if (prompts.empty()) { return result; }

    at::NoGradGuard const no_gradients;
    auto state = model.start(prompts, options.samples, options.max_new_tokens);
    std::vector<std::size_t> alive(prompts.size());   // prompts whose rows are still in the state
    for (std::size_t i = 0; i < alive.size(); ++i) { alive[i] = i; }
    std::vector<std::uint8_t> ended(result.texts.size(), 0);
    std::vector<TokenId> tokens;
    for (std::int64_t position = 0; position < options.max_new_tokens; ++position) {
        if (options.canceled && options.canceled()) {
            result.canceled = true;
            return result;
        }
        at::Tensor const scores = state.scores.to(at::kCPU, at::kFloat).contiguous();
        auto const width = static_cast<std::size_t>(scores.size(1));
        std::size_t const choices = options.vocabulary == 0 ? width : std::min(width, options.vocabulary);
        tokens.assign(alive.size() * samples, 0);
        std::vector<std::int64_t> unfinished;
        for (std::size_t i = 0; i < alive.size(); ++i) {
            bool goes_on = false;
            for (std::size_t sample = 0; sample < samples; ++sample) {
                std::size_t const text = alive[i] * samples + sample;
                std::size_t const row = i * samples + sample;
                if (ended[text] != 0) { continue; }
                Draw draw({.seed = options.seed,
                           .epoch = sample,
                           .example = prompts[alive[i]].example,
                           .slot = static_cast<std::uint64_t>(position)});
                TokenId const token = sampler({scores.const_data_ptr<float>() + row * width, choices}, draw);
                ++result.tokens;
                tokens[row] = token;
                ended[text] = std::find(options.stop.begin(), options.stop.end(), token) != options.stop.end() ? 1 : 0;
                if (ended[text] == 0) { result.texts[text].push_back(token); }
                goes_on = goes_on || ended[text] == 0;
            }
            if (goes_on) { unfinished.push_back(static_cast<std::int64_t>(i)); }
        }
        if (unfinished.empty() || position + 1 == options.max_new_tokens) { break; }
        // Dropping rows copies the cache of the others: only where at least a quarter is finished.
        if (unfinished.size() * 4 <= alive.size() * 3) {
            model.keep(state, unfinished);
            std::vector<std::size_t> left;
            std::vector<TokenId> next;
            for (std::int64_t const place : unfinished) {
                auto const at = static_cast<std::size_t>(place);
                left.push_back(alive[at]);
                next.insert(next.end(), tokens.begin() + static_cast<std::ptrdiff_t>(at * samples),
                            tokens.begin() + static_cast<std::ptrdiff_t>((at + 1) * samples));
            }
            alive = std::move(left);
            tokens = std::move(next);
        }
        model.step(state, tokens);
    }
    return result;
}

}  // namespace bmae
