// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/encoders/bert_config_json.hpp>

#include <limits>

#include <boost/test/unit_test.hpp>

#include "../io/support.hpp"

BOOST_AUTO_TEST_SUITE(bert_config)

namespace {

using io_test::contains;
using io_test::refusal;

std::string config_with(std::string const& key, std::string const& value) {
    auto document = bmae::detail::parse_json(bmae::to_json(bmae::BertConfig::tiny()), "x");
    document[key] = bmae::detail::parse_json(value, "x");
    return document.dump();
}

std::string refused(std::string const& text) {
    std::string const message = refusal([&] { static_cast<void>(bmae::bert_config_from_json(text, "config.json")); });
    BOOST_TEST(message.starts_with("config.json"));
    return message;
}

}  // namespace

BOOST_AUTO_TEST_CASE(sizes_are_those_of_the_published_models) {
    BOOST_TEST(bmae::BertConfig::base().num_hidden_layers == 12);
    BOOST_TEST(bmae::BertConfig::small().hidden_size == 512);
    BOOST_TEST(bmae::BertConfig::mini().num_attention_heads == 4);
    BOOST_TEST(bmae::BertConfig::tiny().intermediate_size == 512);
    for (auto const& config : {bmae::BertConfig::base(), bmae::BertConfig::small(), bmae::BertConfig::mini(),
                               bmae::BertConfig::tiny(), bmae::BertConfig::of_size(1, 48)}) {
        config.validate();
        BOOST_TEST((bmae::bert_config_from_json(bmae::to_json(config), "x") == config));
    }
}

BOOST_AUTO_TEST_CASE(unknown_keys_survive) {
    std::string const text = config_with("id2label", R"({"0":"no","1":"yes"})");
    auto config = bmae::bert_config_from_json(text, "x");
    BOOST_TEST(config.extra_json == R"({"id2label":{"0":"no","1":"yes"}})");
    config.num_hidden_layers = 3;
    auto const again = bmae::bert_config_from_json(bmae::to_json(config, "BertForMaskedLM", "bfloat16"), "x");
    BOOST_TEST((again == config));
    BOOST_TEST(contains(bmae::to_json(config, "BertForMaskedLM", "bfloat16"), "\"torch_dtype\": \"bfloat16\""));
    BOOST_TEST(contains(bmae::to_json(config, "BertForMaskedLM"), "\"BertForMaskedLM\""));
}

BOOST_AUTO_TEST_CASE(optional_keys_have_the_historical_constants) {
    auto const config = bmae::bert_config_from_json(
        R"({"model_type":"bert","vocab_size":10,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,
            "intermediate_size":16,"hidden_act":"relu","max_position_embeddings":32,"type_vocab_size":1,"pad_token_id":null,
            "hidden_dropout_prob":0})",
        "x");
    BOOST_TEST(config.layer_norm_eps == 1e-12);
    BOOST_TEST(config.pad_token_id == -1);
    BOOST_TEST(config.hidden_dropout_prob == 0.0);
    BOOST_TEST((config.activation() == bmae::Activation::relu));
    BOOST_TEST(contains(bmae::to_json(config), "\"pad_token_id\": null"));
}

BOOST_AUTO_TEST_CASE(activations_are_told_apart) {
    bmae::BertConfig config;
    BOOST_TEST((config.activation() == bmae::Activation::gelu));
    for (char const* const name : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"}) {
        config.hidden_act = name;
        BOOST_TEST((config.activation() == bmae::Activation::gelu_tanh));
    }
    config.hidden_act = "swish";
    BOOST_TEST(contains(refusal([&] { config.validate("c"); }), "c: expected hidden_act gelu"));
}

BOOST_AUTO_TEST_CASE(families_differ_in_numbers_and_keys) {
    using bmae::BertConfig;
    BertConfig small = BertConfig::electra_base();
    small.embedding_size = 128;
    for (auto const& config : {BertConfig::roberta_base(), BertConfig::electra_base(), BertConfig::electra_base_generator(),
                               small, BertConfig::distilbert_base()}) {
        config.validate();
        auto const again =
            bmae::bert_config_from_json(bmae::to_json(config, bmae::class_name(config.model_type, "ForMaskedLM")), "x");
        BOOST_TEST((again == config));
        BOOST_TEST(again.extra_json == "{}");
        BOOST_TEST(config.usable_positions() == 512);
    }
    auto const roberta = bmae::bert_config_from_json(bmae::to_json(BertConfig::roberta_base()), "x");
    BOOST_TEST(roberta.first_position() == 2);
    BOOST_TEST(roberta.max_position_embeddings == 514);
    BOOST_TEST(contains(bmae::to_json(roberta), "\"RobertaModel\""));
    auto other = roberta;
    other.hidden_act = "relu";
    BOOST_TEST((other.activation() == bmae::Activation::relu));
    BOOST_TEST((other.head_activation() == bmae::Activation::gelu));
    BOOST_TEST(contains(bmae::to_json(BertConfig::electra_base()), "\"embedding_size\": 768"));
    BOOST_TEST(BertConfig::electra_base_generator().embedding_width() == 768);
    std::string const distilled = bmae::to_json(BertConfig::distilbert_base());
    for (char const* const key : {"dim", "n_layers", "n_heads", "hidden_dim", "dropout", "attention_dropout", "activation"}) {
        BOOST_TEST(contains(distilled, '"' + std::string(key) + '"'), key);
    }
    for (char const* const key : {"hidden_size", "type_vocab_size", "layer_norm_eps", "position_embedding_type"}) {
        BOOST_TEST(!contains(distilled, key), key);
    }
    BOOST_TEST(BertConfig::distilbert_base().attention_output_dropout() == 0.0);
    BOOST_TEST(BertConfig::base().attention_output_dropout() == 0.1);
}

BOOST_AUTO_TEST_CASE(families_refuse_what_is_not_theirs) {
    using bmae::BertConfig;
    auto const refused_config = [](BertConfig config, auto&& change) {
        change(config);
        return refusal([&] { config.validate("c"); });
    };
    BOOST_TEST(contains(refused_config(BertConfig::base(), [](auto& c) { c.embedding_size = 128; }), "only ELECTRA projects"));
    BOOST_TEST(contains(refused_config(BertConfig::base(), [](auto& c) { c.type_vocab_size = 0; }), "type_vocab_size between 1"));
    BOOST_TEST(
        contains(refused_config(BertConfig::distilbert_base(), [](auto& c) { c.type_vocab_size = 2; }), "between 0 and 0"));
    BOOST_TEST(
        contains(refused_config(BertConfig::distilbert_base(), [](auto& c) { c.layer_norm_eps = 1e-5; }), "DistilBERT fixes"));
    BOOST_TEST(
        contains(refused_config(BertConfig::roberta_base(), [](auto& c) { c.pad_token_id = -1; }), "pad_token_id between 0"));
    BOOST_TEST(contains(refused_config(BertConfig::roberta_base(), [](auto& c) { c.max_position_embeddings = 2; }), "above 2"));
    auto document = bmae::detail::parse_json(bmae::to_json(BertConfig::electra_base()), "x");
    document["embedding_size"] = 0;
    BOOST_TEST(contains(refused(document.dump()), "\"embedding_size\" of at least 1"));
    document.erase("embedding_size");
    BOOST_TEST(contains(refused(document.dump()), "the key \"embedding_size\""));
}

BOOST_AUTO_TEST_CASE(refuses_other_models) {
    BOOST_TEST(contains(refused(config_with("model_type", "\"gpt2\"")),
                        "expected \"model_type\" bert, roberta, electra, distilbert, xlm-roberta or camembert, found \"gpt2\""));
    BOOST_TEST(contains(refused(config_with("model_type", "\"roberta\"")), "begins with Roberta, found \"BertModel\""));
    BOOST_TEST(contains(refused(config_with("model_type", "null")), "the key \"model_type\", found none"));
    BOOST_TEST(contains(refused(config_with("architectures", "[\"GPT2LMHeadModel\"]")), "found \"GPT2LMHeadModel\""));
    BOOST_TEST(contains(refused(config_with("position_embedding_type", "\"relative_key\"")), "found \"relative_key\""));
    BOOST_TEST(contains(refused(config_with("is_decoder", "true")), "\"is_decoder\": false, found true"));
    BOOST_TEST(contains(refused(config_with("hidden_act", "\"mish\"")), "found \"mish\""));
    for (std::string const name : {"xlm-roberta-xl", "deberta-v2", "mpnet"}) {   // near, and another network
        BOOST_TEST(contains(refused(config_with("model_type", '"' + name + '"')), "camembert, found \"" + name + '"'));
    }
}

// Which kernel computes attention is no matter of the results: the name is dropped. An unknown one is refused.
BOOST_AUTO_TEST_CASE(names_of_attention_kernels_are_dropped) {
    for (std::string const key : {"attn_implementation", "_attn_implementation", "_attn_implementation_internal"}) {
        for (std::string const kernel : {"\"eager\"", "\"sdpa\"", "\"flash_attention_2\"", "null"}) {
            auto const config = bmae::bert_config_from_json(config_with(key, kernel), "x");
            BOOST_TEST(config.extra_json.find("attn") == std::string::npos);
        }
        BOOST_TEST(contains(refused(config_with(key, "\"sparse\"")), "found \"sparse\""));
    }
}

BOOST_AUTO_TEST_CASE(refuses_nonsense_numbers) {
    BOOST_TEST(
        contains(refused(config_with("hidden_size", "\"128\"")), "a whole number under \"hidden_size\", found the text \"128\""));
    BOOST_TEST(contains(refused(config_with("hidden_size", "128.5")), "found 128.5"));
    BOOST_TEST(contains(refused(config_with("hidden_size", "null")), "the key \"hidden_size\", found none"));
    BOOST_TEST(contains(refused(config_with("hidden_size", "129")), "num_attention_heads divides, found 129 and 2"));
    BOOST_TEST(contains(refused(config_with("hidden_size", "0")), "hidden_size between 1"));
    BOOST_TEST(contains(refused(config_with("num_hidden_layers", "-1")), "found -1"));
    BOOST_TEST(contains(refused(config_with("num_hidden_layers", "1000000")), "found 1000000"));
    BOOST_TEST(contains(refused(config_with("vocab_size", "18446744073709551615")), "found 18446744073709551615"));
    BOOST_TEST(contains(refused(config_with("vocab_size", "true")), "found true"));
    BOOST_TEST(contains(refused(config_with("pad_token_id", "30522")), "found 30522"));
    BOOST_TEST(contains(refused(config_with("hidden_dropout_prob", "1.0")), "hidden_dropout_prob of at least"));
    BOOST_TEST(contains(refused(config_with("hidden_dropout_prob", "\"0\"")), "a number under"));
    BOOST_TEST(contains(refused(config_with("layer_norm_eps", "-1e-12")), "layer_norm_eps"));
    BOOST_TEST(contains(refused(config_with("tie_word_embeddings", "1")), "true or false"));
    bmae::BertConfig config;
    config.initializer_range = std::numeric_limits<double>::quiet_NaN();
    BOOST_TEST(contains(refusal([&] { static_cast<void>(bmae::to_json(config)); }), "initializer_range"));
}

BOOST_AUTO_TEST_CASE(refuses_broken_json_with_its_line) {
    BOOST_TEST(contains(refused("{\n \"a\": 1,\n}"), "config.json:3: expected JSON"));
    BOOST_TEST(contains(refused(""), "found an empty file"));
    BOOST_TEST(contains(refused("[]"), "a JSON object, found an array"));
    BOOST_TEST(contains(refused(R"({"a":{"b":1,"b":2}})"), "each key once, found \"b\" twice"));
    BOOST_TEST(contains(refused(std::string("{}\0x", 4)), "a NUL at byte 2"));
    BOOST_TEST(contains(refused("{\"a\":\"\xff\"}"), "expected JSON"));
    std::string deep = "{\"a\":";
    deep += std::string(100'000, '[') + std::string(100'000, ']') + '}';
    BOOST_TEST(contains(refused(deep), "at most 64 levels"));
}

BOOST_AUTO_TEST_SUITE_END()
