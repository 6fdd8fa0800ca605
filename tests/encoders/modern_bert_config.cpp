// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// ModernBERT's config.json in the forms of transformers 4 and 5, what contradicts itself, and what is refused by name.
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/encoders/activation_names.hpp>
#include <bmae/encoders/modern_bert_config_json.hpp>

BOOST_AUTO_TEST_SUITE(modern_bert_config)

namespace {

using namespace bmae;
using Json = nlohmann::json;

/// The keys that every file has.
Json plain() {
    return {{"model_type", "modernbert"},    {"vocab_size", 100},       {"hidden_size", 24},           {"num_hidden_layers", 6},
            {"num_attention_heads", 3},      {"intermediate_size", 30}, {"hidden_activation", "gelu"}, {"local_attention", 16},
            {"max_position_embeddings", 64}, {"pad_token_id", 0}};
}
ModernBertConfig read(Json const& json) { return modern_bert_config_from_json(json.dump(), "config.json"); }
ModernBertConfig with(Json const& more) {
    Json json = plain();
    json.update(more);
    return read(json);
}
/// The message with which these keys, beside the plain ones, are refused.
std::string refusal(Json const& more) {
    try {
        with(more);
    } catch (InputError const& error) { return error.what(); }
    BOOST_ERROR("nothing was refused: " << more.dump());
    return {};
}
bool contains(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }
Json rope(double global, double local) {
    return {{"full_attention", {{"rope_type", "default"}, {"rope_theta", global}}},
            {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", local}}}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(both_forms_of_one_model_are_read_alike) {
    ModernBertConfig const old =
        with({{"global_rope_theta", 80000.0}, {"local_rope_theta", 5000.0}, {"global_attn_every_n_layers", 2}});
    Json types = Json::array();
    for (int i = 0; i < 6; ++i) { types.push_back(i % 2 == 0 ? "full_attention" : "sliding_attention"); }
    ModernBertConfig const newer = with({{"rope_parameters", rope(80000, 5000)}, {"layer_types", types}});
    BOOST_CHECK(old == newer);
    BOOST_CHECK(old == with({{"global_rope_theta", 80000.0},
                             {"local_rope_theta", 5000.0},
                             {"global_attn_every_n_layers", 2},
                             {"rope_parameters", rope(80000, 5000)},
                             {"layer_types", types}}));
    BOOST_TEST(!old.is_local(0));
    BOOST_TEST(old.is_local(1));
    BOOST_TEST(old.reach() == 8);
    ModernBertConfig const usual = with(Json::object());   // defaults of files that lack the keys
    BOOST_TEST(usual.global_rope_theta == 160000);
    BOOST_TEST(usual.local_rope_theta == 10000);
    BOOST_TEST(usual.global_attn_every_n_layers == 3);
    BOOST_TEST(with({{"local_rope_theta", nullptr}, {"global_rope_theta", 7000.0}}).local_rope_theta == 7000);
}

BOOST_AUTO_TEST_CASE(layers_in_no_order_are_read) {
    Json const types = {"sliding_attention", "full_attention",    "full_attention",
                        "sliding_attention", "sliding_attention", "full_attention"};
    ModernBertConfig const config = with({{"layer_types", types}});
    BOOST_TEST(config.is_local(0));
    BOOST_TEST(!config.is_local(1));
    BOOST_CHECK(Json::parse(to_json(config)).at("layer_types") == types);
    BOOST_TEST(!Json::parse(to_json(config)).contains("global_attn_every_n_layers"));
    BOOST_CHECK(read(Json::parse(to_json(config))).local_layers == config.local_layers);
}

BOOST_AUTO_TEST_CASE(keys_that_contradict_each_other_are_refused) {
    BOOST_TEST(
        contains(refusal({{"global_rope_theta", 1000.0}, {"rope_parameters", rope(2000, 10000)}}), "global_rope_theta equal to"));
    BOOST_TEST(
        contains(refusal({{"local_rope_theta", 1000.0}, {"rope_parameters", rope(160000, 10000)}}), "local_rope_theta equal to"));
    Json const all(6, "full_attention");
    BOOST_TEST(
        contains(refusal({{"global_attn_every_n_layers", 3}, {"layer_types", all}}), "layer_types that have full_attention"));
    BOOST_TEST(contains(refusal({{"layer_types", Json(5, "full_attention")}}), "layer_types of num_hidden_layers, 6"));
    BOOST_TEST(contains(refusal({{"layer_types", Json(6, "chunked_attention")}}), "\"chunked_attention\""));
    BOOST_TEST(contains(refusal({{"sliding_window", 16}}), "sliding_window of half of local_attention"));
    BOOST_TEST(contains(refusal({{"layer_norm_eps", 1e-12}}), "layer_norm_eps equal to norm_eps"));
    BOOST_TEST(with({{"layer_norm_eps", 1e-5}, {"sliding_window", 8}}).norm_eps == 1e-5);
}

BOOST_AUTO_TEST_CASE(what_has_no_code_is_refused_by_name) {
    for (char const* const key :
         {"attention_bias", "mlp_bias", "norm_bias", "classifier_bias", "is_decoder", "add_cross_attention"}) {
        BOOST_TEST(contains(refusal({{key, true}}), '"' + std::string(key) + "\": false"), key);
    }
    BOOST_TEST(contains(refusal({{"decoder_bias", false}}), "\"decoder_bias\": true"));
    Json scaled = rope(160000, 10000);
    scaled["full_attention"]["rope_type"] = "yarn";
    BOOST_TEST(contains(refusal({{"rope_parameters", scaled}}), "\"yarn\""));
    BOOST_TEST(contains(refusal({{"rope_scaling", {{"factor", 2.0}}}}), "no \"rope_scaling\""));
    BOOST_TEST(contains(refusal({{"hidden_activation", "silu"}}), "hidden_activation gelu"));
    BOOST_TEST(contains(refusal({{"classifier_activation", "tanh"}}), "classifier_activation gelu"));
    BOOST_TEST(contains(refusal({{"model_type", "bert"}}), "\"modernbert\""));
    BOOST_TEST(contains(refusal({{"architectures", {"ModernBertDecoderForCausalLM"}}}), "ModernBertDecoder and other"));
    BOOST_TEST(contains(refusal({{"num_attention_heads", 8}}), "even width"));
    BOOST_TEST(contains(refusal({{"num_attention_heads", 5}}), "even width"));
    BOOST_TEST(contains(refusal({{"local_attention", 1}}), "local_attention between 2"));
    BOOST_TEST(contains(refusal({{"global_attn_every_n_layers", 0}}), "global_attn_every_n_layers between 1"));
    BOOST_TEST(contains(refusal({{"attention_dropout", 1.5}}), "attention_dropout of at least"));
    BOOST_CHECK(activation_named("relu", "x") == Activation::relu);
}

BOOST_AUTO_TEST_CASE(keys_without_effect_are_kept) {
    Json const kept = {{"reference_compile", true}, {"deterministic_flash_attn", false},
                       {"sparse_prediction", true}, {"classifier_pooling", "mean"},
                       {"classifier_dropout", .25}, {"position_embedding_type", "absolute"}};
    ModernBertConfig const config = with(kept);
    Json const written = Json::parse(to_json(config, "ModernBertForMaskedLM", "bfloat16"));
    for (auto const& [key, value] : kept.items()) { BOOST_CHECK(written.at(key) == value); }
    BOOST_TEST(written.at("torch_dtype") == "bfloat16");
    BOOST_CHECK(read(written) == config);
    BOOST_TEST(with({{"initializer_cutoff_factor", nullptr}}).initializer_cutoff_factor == 3);
    BOOST_TEST(Json::parse(to_json(with({{"pad_token_id", nullptr}}))).at("pad_token_id").is_null());
    BOOST_TEST(ModernBertConfig::large().shape().rotary_base == 160000);
}

BOOST_AUTO_TEST_SUITE_END()
