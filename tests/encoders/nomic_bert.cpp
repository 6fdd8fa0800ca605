// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// NomicBERT: one layer by hand, folders, both forms of config.json, what is refused. tests/parity/nomic_bert.py compares it with transformers.
#include <cmath>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/encoders/described_family.hpp>
#include <bmae/encoders/described_folder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/encoders/nomic_bert.hpp>
#include <bmae/encoders/nomic_bert_config.hpp>
#include <bmae/encoders/nomic_bert_config_json.hpp>
#include <bmae/encoders/nomic_bert_family.hpp>
#include <bmae/encoders/nomic_bert_folder.hpp>
#include <bmae/encoders/stored_tensors.hpp>
#include <bmae/io/tensors.hpp>

#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(nomic_bert)

namespace {

using namespace bmae;
using Json = nlohmann::json;

NomicBertConfig tiny() {
    return {.vocab_size = 40,
            .hidden_size = 16,
            .num_hidden_layers = 2,
            .num_attention_heads = 2,
            .intermediate_size = 24,
            .max_position_embeddings = 20,
            .initializer_range = .3};
}

PackedView view_of(std::vector<std::vector<TokenId>> const& texts) {
    PackedView view;
    for (auto const& text : texts) { view.append_input(text); }
    return view;
}

Json plain() {
    return {{"model_type", "nomic_bert"},     {"vocab_size", 40},         {"hidden_size", 16},
            {"num_hidden_layers", 2},         {"num_attention_heads", 2}, {"intermediate_size", 24},
            {"max_position_embeddings", 2048}};
}
NomicBertConfig read(Json const& json) { return nomic_bert_config_from_json(json.dump(), "config.json"); }
NomicBertConfig with(Json const& more) {
    Json json = plain();
    json.update(more);
    return read(json);
}

template <class Action>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (InputError const& error) { return error.what(); }
    BOOST_ERROR("nothing was refused");
    return {};
}
bool contains(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }

/// Columns i and i + d/2 of each head, turned by the position of the row.
at::Tensor turned(at::Tensor const& rows, std::int64_t heads, double base) {
    std::int64_t const width = rows.size(1) / heads;
    at::Tensor result = rows.clone();
    for (std::int64_t t = 0; t < rows.size(0); ++t) {
        for (std::int64_t head = 0; head < heads; ++head) {
            for (std::int64_t i = 0; i < width / 2; ++i) {
                double const angle =
                    static_cast<double>(t) * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
                std::int64_t const at = head * width + i;
                double const a = rows[t][at].item<double>(), b = rows[t][at + width / 2].item<double>();
                result[t][at] = a * std::cos(angle) - b * std::sin(angle);
                result[t][at + width / 2] = b * std::cos(angle) + a * std::sin(angle);
            }
        }
    }
    return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_layer_is_its_formula) {
    at::NoGradGuard const no_gradients;
    NomicBertEncoder const encoder(tiny(), 3);
    PackedView const view = view_of({{2, 7, 9, 11, 3}});
    PackedInput const input = to_tensors(view);
    ForwardContext context;
    Encoded const encoded = encoder.encode(input, context, true);
    BOOST_REQUIRE_EQUAL(encoded.layers.size(), 3U);
    NomicBertLayer const& layer = encoder.rotary_layers[1];
    at::Tensor const x = encoded.layers[1];
    auto const norm = [](LayerNorm const& by, at::Tensor const& rows) {
        return at::layer_norm(rows, {16}, by.weight, by.bias, by.epsilon);
    };
    auto const times = [](at::Tensor const& rows, Linear const& map) { return at::matmul(rows, map.weight.t()); };
    at::Tensor const product = times(x, layer.qkv);
    auto const heads = [](at::Tensor const& rows) { return rows.view({-1, 2, 8}).transpose(0, 1); };
    at::Tensor const q = heads(turned(product.narrow(1, 0, 16), 2, 1000)), k = heads(turned(product.narrow(1, 16, 16), 2, 1000));
    at::Tensor const v = heads(product.narrow(1, 32, 16).contiguous());
    at::Tensor const read =
        at::matmul(at::softmax(at::matmul(q, k.transpose(1, 2)) / std::sqrt(8.0), -1), v).transpose(0, 1).reshape({5, 16});
    at::Tensor const h = norm(layer.attention_norm, x + times(read, layer.attention_output));
    at::Tensor const y = norm(layer.output_norm, h + times(times(h, layer.up) * at::silu(times(h, layer.gate)), layer.down));
    BOOST_CHECK_LE((y - encoded.hidden).abs().max().item<double>(), 1e-5);
    at::Tensor const first = norm(encoder.embeddings.norm, encoder.embeddings.word.index_select(0, input.input_ids) +
                                                               encoder.embeddings.token_type.select(0, 0));
    BOOST_CHECK_LE((first - encoded.layers[0]).abs().max().item<double>(), 1e-5);
}

BOOST_AUTO_TEST_CASE(first_rows_and_packed_weights_give_the_hidden_states) {
    at::NoGradGuard const no_gradients;
    NomicBertEncoder const encoder(tiny(), 3);
    PackedView const view = view_of({{2, 7, 9, 3}, {2, 3}, {2, 5, 6, 7, 8, 9, 10, 11, 3}});
    PackedInput const input = to_tensors(view);
    ForwardContext context;
    at::Tensor const all = encoder.encode(input, context).hidden;
    BOOST_CHECK_LE((encoder.encode_first(input, context) - all.index_select(0, input.first_rows)).abs().max().item<double>(),
                   1e-5);
    for (PackedType const type : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
        if (!can_pack(type)) { continue; }
        NomicBertEncoder packed = encoder;
        packed.for_each_linear([&](Linear& map) { map.pack(type); });
        double const bound = type == PackedType::fp32 ? 1e-5 : type == PackedType::bf16 ? .1 : .3;   // of rows of deviation 1
        BOOST_CHECK_LE((packed.encode(input, context).hidden - all).abs().max().item<double>(), bound);
    }
    PackedView const long_view = view_of({std::vector<TokenId>(21, 7)});
    BOOST_TEST(
        contains(refusal([&] { static_cast<void>(encoder.encode(to_tensors(long_view), context)); }), "at most 20 tokens"));
}

BOOST_AUTO_TEST_CASE(folders_keep_the_model) {
    test::ScratchFolder const scratch;
    NomicBertEncoder const encoder(tiny(), 3);
    for (bool const with_head : {true, false}) {
        std::filesystem::path const folder = scratch / (with_head ? "head" : "bare");
        save_encoder(folder, encoder, with_head);
        NamedTensors const files = load_tensors(folder / "model.safetensors");
        std::string const prefix = with_head ? "nomic_bert." : "";
        for (char const* const name : {"embeddings.word_embeddings.weight", "emb_ln.bias", "encoder.layers.1.attn.Wqkv.weight"}) {
            BOOST_TEST(files.contains(prefix + name), prefix + name);
        }
        BOOST_TEST(files.contains("cls.predictions.bias") == with_head);
        AnyEncoder const read = load_encoder(folder, 3, with_head ? TokenHead::required : TokenHead::optional);
        BOOST_TEST(stores_token_head(folder) == with_head);
        BOOST_REQUIRE(read.as<NomicBertEncoder>() != nullptr);
        BOOST_CHECK(read.as<NomicBertEncoder>()->config() == tiny());
        BOOST_TEST(read.as<NomicBertEncoder>()->rotary_layers[1].qkv.weight.equal(encoder.rotary_layers[1].qkv.weight));
    }
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_encoder(scratch / "bare", 0, TokenHead::required)); }),
                        "language-model head"));
    HfNomicBert files = to_hf_nomic_bert(encoder);
    files.tensors.erase("encoder.layers.0.norm1.bias");
    files.tensors["encoder.layers.0.attn.out_proj.bias"] = files.tensors.at("encoder.emb_ln.bias");
    std::string const message = refusal([&] { detail::check_encoder_tensors(files, "folder"); });
    BOOST_TEST(contains(message, "1 missing: nomic_bert.encoder.layers.0.norm1.bias"), message);
    BOOST_TEST(contains(message, "1 unexpected: nomic_bert.encoder.layers.0.attn.out_proj.bias"), message);
}

// What the family does follows from the names of its files, which lead there and back.
BOOST_AUTO_TEST_CASE(names_in_files_lead_there_and_back) {
    static_assert(std::is_base_of_v<DescribedFamily<NomicBertFiles>, NomicBertFamily>);
    StoredEncoder<NomicBertFiles> const files = to_hf_nomic_bert(NomicBertEncoder(tiny(), 3));
    BOOST_TEST(files.has_head());
    for (auto const& [name, tensor] : files.tensors) {
        BOOST_TEST(NomicBertFiles::canonical(NomicBertFiles::file_name(name, /*bare=*/false)) == name);
        if (name.starts_with(NomicBertFiles::head)) { continue; }
        BOOST_TEST(NomicBertFiles::canonical(NomicBertFiles::file_name(name, /*bare=*/true)) == name);
    }
    BOOST_TEST(contains(NomicBertEncoder(tiny(), 3).description(), "\"model_type\":\"nomic_bert\""));
}

BOOST_AUTO_TEST_CASE(both_forms_of_one_model_are_read_alike) {
    NomicBertConfig const newer = with({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500.0}}}});
    NomicBertConfig const old = read({{"model_type", "nomic_bert"},
                                      {"vocab_size", 40},
                                      {"n_embd", 16},
                                      {"n_layer", 2},
                                      {"n_head", 2},
                                      {"n_inner", 24},
                                      {"n_positions", 8192},
                                      {"max_trained_positions", 2048},
                                      {"activation_function", "swiglu"},
                                      {"layer_norm_epsilon", 1e-12},
                                      {"rotary_emb_base", 500},
                                      {"rotary_emb_fraction", 1.0},
                                      {"rotary_scaling_factor", nullptr},
                                      {"prenorm", false}});
    BOOST_CHECK(newer == old);
    BOOST_CHECK(nomic_bert_config_from_json(to_json(newer), "again") == newer);
    BOOST_TEST(newer.shape().rotary_base == 500);
}

BOOST_AUTO_TEST_CASE(another_architecture_is_refused_by_name) {
    for (auto const& [more, says] :
         std::vector<std::pair<Json, std::string>>{{{{"hidden_act", "gelu"}}, "\"hidden_act\": \"silu\""},
                                                   {{{"prenorm", true}}, "\"prenorm\": false"},
                                                   {{{"qkv_proj_bias", true}}, "\"qkv_proj_bias\": false"},
                                                   {{{"rotary_scaling_factor", 2}}, "Scaled rotary positions"},
                                                   {{{"rotary_emb_fraction", .5}}, "\"rotary_emb_fraction\": 1"},
                                                   {{{"rope_parameters", {{"rope_type", "yarn"}}}}, "\"rope_type\": \"default\""},
                                                   {{{"head_dim", 4}}, "a head_dim of"},
                                                   {{{"architectures", {"BertModel"}}}, "begins with NomicBert"},
                                                   {{{"num_attention_heads", 3}}, "heads of an even width"}}) {
        std::string const message = refusal([&] { with(more); });
        BOOST_TEST(contains(message, says), message);
    }
}

BOOST_AUTO_TEST_SUITE_END()
