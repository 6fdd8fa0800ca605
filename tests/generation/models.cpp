// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// GPT-2 and T5 against what transformers computes (tests/parity/generate_golden.py).
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <bmae/generation/generate.hpp>
#include <bmae/generation/gpt2.hpp>
#include <bmae/generation/t5.hpp>
#include <bmae/io/tensors.hpp>

#include "../parity_folder.hpp"

BOOST_AUTO_TEST_SUITE(models)

namespace {

using bmae::Prompt;
using bmae::TokenId;

std::filesystem::path const golden = test::parity_folder() / "golden";

struct Expected {
    std::vector<Prompt> prompts = {};
    at::Tensor greedy = {};   // [N, T]
    at::Tensor scores = {};   // [N, T, V]
};

Expected read(std::string const& name) {
    auto const tensors = bmae::load_tensors(golden / "generation.safetensors");
    Expected expected{.greedy = tensors.at(name + ".greedy"), .scores = tensors.at(name + ".scores")};
    at::Tensor const ids = tensors.at(name + ".prompts");
    at::Tensor const offsets = tensors.at(name + ".offsets");
    auto const* const places = offsets.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i + 1 < offsets.size(0); ++i) {
        auto const* const first = ids.const_data_ptr<std::int64_t>();
        expected.prompts.push_back({.example = static_cast<std::uint64_t>(i), .ids = {first + places[i], first + places[i + 1]}});
    }
    return expected;
}

double difference(at::Tensor const& a, at::Tensor const& b) { return ((a - b).abs().max() / b.abs().max()).item<double>(); }

std::vector<TokenId> column(at::Tensor const& greedy, std::int64_t step, std::int64_t samples = 1) {
    std::vector<TokenId> tokens;
    for (std::int64_t i = 0; i < greedy.size(0) * samples; ++i) {
        tokens.push_back(static_cast<TokenId>(greedy[i / samples][step].item<std::int64_t>()));
    }
    return tokens;
}

template <class Model>
void check_scores(Model const& model, std::string const& name) {
    Expected const expected = read(name);
    std::int64_t const steps = expected.greedy.size(1);
    for (std::int64_t const samples : {1, 3}) {   // all prompts at once, of 1 to 30 tokens
        auto state = model.start(expected.prompts, samples, steps);
        for (std::int64_t step = 0;; ++step) {
            at::Tensor const wanted = expected.scores.select(1, step).repeat_interleave(samples, 0);
            BOOST_TEST(difference(state.scores, wanted) < 1e-5);
            if (step + 1 == steps) { break; }
            model.step(state, column(expected.greedy, step, samples));
        }
    }
    for (std::size_t i = 0; i < expected.prompts.size(); ++i) {   // each alone
        auto const state = model.start(std::span(expected.prompts).subspan(i, 1), 1, 1);
        BOOST_TEST(difference(state.scores[0], expected.scores[static_cast<std::int64_t>(i)][0]) < 1e-5);
    }
    auto state = model.start(expected.prompts, 2, steps);   // some leave on the way
    model.step(state, column(expected.greedy, 0, 2));
    model.keep(state, std::vector<std::int64_t>{4, 1, 5});
    model.keep(state, std::vector<std::int64_t>{0, 2});
    auto const token = [&](std::int64_t prompt) { return static_cast<TokenId>(expected.greedy[prompt][1].item<std::int64_t>()); };
    model.step(state, std::vector<TokenId>{token(4), token(4), token(5), token(5)});
    for (std::int64_t row = 0; row < 4; ++row) {
        BOOST_TEST(difference(state.scores[row], expected.scores[row < 2 ? 4 : 5][2]) < 1e-5);
    }
}

template <class Model>
void check_texts(Model const& model, std::string const& name) {
    Expected const expected = read(name);
    std::int64_t const steps = expected.greedy.size(1);
    bmae::GenerateOptions const greedy{.max_new_tokens = steps, .sampler = {.greedy = true}};
    auto const written = bmae::generate(model, expected.prompts, greedy);
    for (std::size_t i = 0; i < expected.prompts.size(); ++i) {
        for (std::int64_t step = 0; step < steps; ++step) {
            BOOST_TEST(written.texts[i][static_cast<std::size_t>(step)] ==
                       expected.greedy[static_cast<std::int64_t>(i)][step].template item<std::int64_t>());
        }
    }
    BOOST_TEST(written.tokens == expected.prompts.size() * static_cast<std::size_t>(steps));

    // A token that ends texts, at another place in each of them, cuts them there and changes nothing else.
    TokenId const end = written.texts[2][3];
    bmae::GenerateOptions stopping = greedy;
    stopping.stop = {end, 95};
    auto const cut = bmae::generate(model, expected.prompts, stopping);
    for (std::size_t i = 0; i < expected.prompts.size(); ++i) {
        std::vector<TokenId> wanted;
        for (TokenId const id : written.texts[i]) {
            if (id == end || id == 95) { break; }
            wanted.push_back(id);
        }
        BOOST_TEST(cut.texts[i] == wanted, boost::test_tools::per_element());
    }

    // Draws depend on the example, the sample and the position, not on the other texts of the batch.
    bmae::GenerateOptions const drawn{.max_new_tokens = 8,
                                      .samples = 4,
                                      .sampler = {.temperature = 1.5, .top_k = 20, .top_p = .9},
                                      .stop = {7, 8, 9},
                                      .seed = 5};
    auto const together = bmae::generate(model, expected.prompts, drawn);
    bool differ = false;
    for (std::size_t i = 0; i < expected.prompts.size(); ++i) {
        auto const alone = bmae::generate(model, std::span(expected.prompts).subspan(i, 1), drawn);
        for (std::size_t sample = 0; sample < 4; ++sample) {
            BOOST_TEST(alone.texts[sample] == together.texts[i * 4 + sample], boost::test_tools::per_element());
        }
        differ = differ || alone.texts[0] != alone.texts[1];
    }
    BOOST_TEST(differ);

    bmae::GenerateOptions limited = greedy;
    limited.vocabulary = 5;
    for (auto const& text : bmae::generate(model, expected.prompts, limited).texts) {
        for (TokenId const id : text) { BOOST_TEST(id < 5); }
    }
    limited.canceled = [] { return true; };
    BOOST_TEST(bmae::generate(model, expected.prompts, limited).canceled);
    BOOST_TEST(bmae::generate(model, std::span<Prompt const>(), greedy).texts.empty());

    std::vector<Prompt> const empty{{.ids = {}}};
    BOOST_CHECK_THROW(bmae::generate(model, empty, greedy), bmae::InputError);
    std::vector<Prompt> const foreign{{.ids = {96}}};
    BOOST_CHECK_THROW(bmae::generate(model, foreign, greedy), bmae::InputError);
    BOOST_CHECK_THROW(bmae::generate(model, expected.prompts, {.max_new_tokens = 0}), bmae::InputError);
    BOOST_CHECK_THROW(bmae::generate(model, expected.prompts, {.samples = 0}), bmae::InputError);
}

/// A copy of a golden model with one word of its config.json changed.
template <class Model>
void check_refusal(std::string const& name, std::string const& from, std::string const& to) {
    auto const folder = std::filesystem::temp_directory_path() / ("bmae_generation_" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder);
    std::filesystem::copy(golden / name, folder);
    std::string text = bmae::detail::read_file(folder / "config.json");
    std::size_t const at = text.find(from);
    BOOST_REQUIRE(at != std::string::npos);
    std::ofstream(folder / "config.json", std::ios::trunc) << text.replace(at, from.size(), to);
    BOOST_CHECK_THROW(Model::load(folder), bmae::InputError);
    std::filesystem::remove_all(folder);
}

}  // namespace

BOOST_AUTO_TEST_CASE(gpt2) {
    auto const model = bmae::Gpt2::load(golden / "tiny_gpt2");
    check_scores(model, "tiny_gpt2");
    check_texts(model, "tiny_gpt2");
    std::vector<Prompt> const prompts{{.ids = std::vector<TokenId>(40, 3)}};
    BOOST_CHECK_NO_THROW(bmae::generate(model, prompts, {.max_new_tokens = 8}));   // 48 positions
    BOOST_CHECK_THROW(bmae::generate(model, prompts, {.max_new_tokens = 9}), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(t5) {
    auto const model = bmae::T5::load(golden / "tiny_t5");
    check_scores(model, "tiny_t5");
    check_texts(model, "tiny_t5");
}

BOOST_AUTO_TEST_CASE(t5_gated_with_a_head_of_its_own) {
    auto const model = bmae::T5::load(golden / "tiny_t5_v11");
    check_scores(model, "tiny_t5_v11");
    check_texts(model, "tiny_t5_v11");
}

BOOST_AUTO_TEST_CASE(bad_folders_are_refused) {
    BOOST_CHECK_THROW(bmae::Gpt2::load(golden / "nothing"), bmae::InputError);
    BOOST_CHECK_THROW(bmae::Gpt2::load(golden / "tiny_t5"), bmae::InputError);
    BOOST_CHECK_THROW(bmae::T5::load(golden / "tiny_gpt2"), bmae::InputError);
    BOOST_CHECK_THROW(bmae::T5::load(golden / "tiny_bert"), bmae::InputError);
    check_refusal<bmae::Gpt2>("tiny_gpt2", "\"n_layer\": 2", "\"n_layer\": 3");
    check_refusal<bmae::Gpt2>("tiny_gpt2", "\"n_head\": 3", "\"n_head\": 5");
    check_refusal<bmae::Gpt2>("tiny_gpt2", "\"vocab_size\": 96", "\"vocab_size\": 97");
    check_refusal<bmae::Gpt2>("tiny_gpt2", "gelu_new", "tanh");
    check_refusal<bmae::T5>("tiny_t5", "\"feed_forward_proj\": \"relu\"", "\"feed_forward_proj\": \"gated-relu\"");
    check_refusal<bmae::T5>("tiny_t5", "\"d_kv\": 6", "\"d_kv\": 8");
}

BOOST_AUTO_TEST_CASE(ends_of_text_are_read) {
    BOOST_TEST(bmae::detail::read_stop_tokens(golden / "tiny_gpt2") == std::vector<TokenId>{0}, boost::test_tools::per_element());
    BOOST_TEST(bmae::detail::read_stop_tokens(golden / "tiny_t5") == std::vector<TokenId>{1}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
