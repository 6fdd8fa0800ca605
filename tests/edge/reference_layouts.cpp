// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/edge/reference_layouts.hpp>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(reference_layouts)

namespace {

using bmae::NamedTensors;
using bmae::ReferenceLayout;
using test::ScratchFolder;

std::string branch(std::string const& name, std::string const& decoder, std::string const& more) {
    return R"({"name":")" + name + R"(","kind":"branch","decoder":")" + decoder + "\"," + more + '}';
}

std::string described(std::string const& branches) {
    return R"({"terms":[{"name":"passes.0.terms.0","kind":"masked_language_model"},)" + branches + "]}";
}

std::string const retromae = described(branch("passes.0.terms.1", "enhanced", R"("decoder_layers":1,"query":"plain")"));
std::string const condenser = described(branch("passes.0.terms.1", "tap", R"("decoder_layers":2,"tap":1)"));
std::string const master = described(branch("passes.0.terms.1", "basic", R"("decoder_layers":2,"task":"mkp")") + ',' +
                                     branch("passes.0.terms.2", "basic", R"("decoder_layers":2,"task":"dor")"));

constexpr char const* bias = "layer.0.output.dense.bias";

/// A model of parameters alone.
struct Parameters {
    NamedTensors tensors;

    bmae::ReferenceInit load(bmae::ReferenceDecoders const& found, std::string const& description) {
        return bmae::load_reference_decoders(found, description, [&](auto const& visit) {
            for (auto& [name, tensor] : tensors) { visit(name, tensor, true); }
        });
    }
};

std::string refusal(std::string const& description, ReferenceLayout layout) {
    try {
        static_cast<void>(bmae::detail::reference_heads(layout, description, "run"));
    } catch (bmae::InputError const& error) { return error.what(); }
    return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(layouts_have_names) {
    BOOST_TEST((bmae::reference_layout("simlm") == ReferenceLayout::simlm));
    BOOST_TEST(!bmae::reference_layout("SimLM").has_value());
}

BOOST_AUTO_TEST_CASE(heads_go_to_the_decoder_of_their_task) {
    ScratchFolder const scratch;
    BOOST_TEST(!bmae::read_reference_decoders(scratch.path()).has_value());
    at::Tensor const first = at::rand({3});
    at::Tensor const second = at::rand({3});
    bmae::save_torch_tensors(scratch / "model.pt", {{"c_head.0.output.dense.bias", first},
                                                    {"query_head.0.output.dense.bias", second},
                                                    {"gpt_head.0.output.dense.bias", first},
                                                    {"co_target", at::zeros({2})}});
    auto const found = bmae::read_reference_decoders(scratch.path());
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->heads.size() == 3U);
    BOOST_TEST(!found->enhanced);
    std::string const mkp = std::string("passes.0.terms.1.decoder.") + bias;
    std::string const dor = std::string("passes.0.terms.2.decoder.") + bias;
    Parameters model{{{mkp, at::zeros({3})}, {dor, at::zeros({3})}, {"passes.0.terms.2.decoder.layer.1.x", at::zeros({1})}}};
    auto const init = model.load(*found, master);
    BOOST_TEST(model.tensors.at(mkp).equal(first));
    BOOST_TEST(model.tensors.at(dor).equal(second));
    BOOST_TEST(init.loaded == 2U);
    BOOST_TEST((init.unused == std::vector<std::string>{"gpt_head"}));
    BOOST_TEST((init.fresh == std::vector<std::string>{"passes.0.terms.2.decoder.layer.1.x"}));
    Parameters wide{{{mkp, at::zeros({4})}}};
    BOOST_CHECK_EXCEPTION(static_cast<void>(wide.load(*found, master)), bmae::InputError, [](bmae::InputError const& error) {
        return std::string(error.what()).find("[4] as in this model, found [3] in c_head") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(a_decoder_of_another_kind_gets_nothing) {
    ScratchFolder const scratch;
    bmae::save_torch_tensors(scratch / "pytorch_model.bin", {{"lm.bert.embeddings.x", at::zeros({1})},
                                                             {"decoder_embeddings.x", at::zeros({1})},
                                                             {"c_head.output.dense.bias", at::rand({3})},
                                                             {"c_head.attention.output.dense.bias", at::rand({3})}});
    auto const found = bmae::read_reference_decoders(scratch.path());
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->enhanced);
    BOOST_TEST(bmae::detail::load_hf_tensors(scratch.path(), bmae::Loading::copy).contains("bert.embeddings.x"));
    Parameters model{{{std::string("passes.0.terms.1.decoder.") + bias, at::zeros({3})}}};
    auto const other = model.load(*found, condenser);
    BOOST_TEST(other.loaded == 0U);
    BOOST_TEST((other.unused == std::vector<std::string>{"c_head"}));
    BOOST_TEST(model.load(*found, retromae).loaded == 1U);
    BOOST_TEST(model.load(*found, "not JSON").loaded == 0U);
}

BOOST_AUTO_TEST_CASE(a_layout_takes_its_own_decoders_alone) {
    BOOST_TEST((bmae::detail::reference_heads(ReferenceLayout::retromae, retromae, "run") ==
                std::vector<std::pair<std::string, std::string>>{{"c_head", "passes.0.terms.1.decoder."}}));
    BOOST_TEST(bmae::detail::reference_heads(ReferenceLayout::master, master, "run").at(1).first == "query_head");
    BOOST_TEST(refusal(retromae, ReferenceLayout::dupmae).find("the query layer_norm, found enhanced plain of 1") !=
               std::string::npos);
    BOOST_TEST(refusal(condenser, ReferenceLayout::simlm).find("one basic decoder, as SimLM's, found tap of 2") !=
               std::string::npos);
    BOOST_TEST(refusal(master, ReferenceLayout::condenser).find("found mkp basic of 2, dor basic of 2") != std::string::npos);
    BOOST_TEST(refusal(retromae, ReferenceLayout::master).find("MASTER's tasks, one each") != std::string::npos);
    BOOST_TEST(refusal("{}", ReferenceLayout::simlm).find("found no decoder") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
