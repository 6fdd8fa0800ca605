// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/sentence_transformer.hpp>

#include <boost/test/unit_test.hpp>

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(sentence_transformer)

namespace {

using Pooling = bmae::PoolingMode;
using io_test::contains;
using io_test::refusal;
using io_test::Scratch;
using Layout = bmae::SentenceTransformerLayout;

/// A folder with the files of a plain encoder, some of which a test replaces.
class Folder {
public:
    Folder() {
        put("config.json", R"({"max_position_embeddings": 512})");
        put("sentence_bert_config.json", R"({"max_seq_length": 128, "do_lower_case": false})");
        put("1_Pooling/config.json", R"({"word_embedding_dimension": 8, "pooling_mode_cls_token": true})");
        modules({"Transformer", "Pooling"});
    }

    void put(std::string const& name, std::string const& text) {
        std::filesystem::create_directories((scratch_ / name).parent_path());
        bmae::detail::write_file(scratch_ / name, text, bmae::detail::Existing::replace);
    }

    void remove(std::string const& name) { std::filesystem::remove_all(scratch_ / name); }

    void modules(std::vector<std::string> const& kinds, std::string const& package = "sentence_transformers.models.") {
        std::string text;
        for (std::size_t i = 0; i < kinds.size(); ++i) {
            std::string const path = i == 0 ? "" : std::to_string(i) + '_' + kinds[i];
            text += (text.empty() ? "" : ",") + ("{\"idx\":" + std::to_string(i)) + R"(,"name":"x","path":")" + path +
                    R"(","type":")" + package + kinds[i] + "\"}";
        }
        put("modules.json", '[' + text + ']');
    }

    [[nodiscard]] Layout read() const { return bmae::read_sentence_transformer(scratch_.path()); }

    [[nodiscard]] std::string refused() const {
        return refusal([this] { static_cast<void>(read()); });
    }

    [[nodiscard]] std::string refused_pooling(std::string const& text) {
        put("1_Pooling/config.json", text);
        return refused();
    }

private:
    Scratch scratch_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(round_trips) {
    for (Layout const& layout :
         {Layout{.width = 8},
          Layout{.width = 384,
                 .pooling = {Pooling::mean},
                 .modules = {bmae::NormalizeLayout{}},
                 .max_seq_length = 32,
                 .do_lower_case = true},
          Layout{.width = 384,
                 .pooling = {Pooling::mean, Pooling::cls},
                 .truncate_dim = 16,
                 .query_length = 8,
                 .document_length = 9},
          Layout{.width = 4,
                 .pooling = {Pooling::cls, Pooling::max, Pooling::mean, Pooling::mean_sqrt_len, Pooling::weighted_mean,
                             Pooling::last_token},
                 .include_prompt = false,
                 .modules = {bmae::DenseLayout{.in_features = 24, .out_features = 3, .folder = "2_Dense"},
                             bmae::NormalizeLayout{}, bmae::LayerNormLayout{.width = 3, .folder = "4_LayerNorm"},
                             bmae::DenseLayout{.in_features = 3,
                                               .out_features = 5,
                                               .bias = false,
                                               .activation = "torch.nn.modules.linear.Identity",
                                               .folder = "5_Dense"},
                             bmae::NormalizeLayout{}},
                 .similarity = "dot",
                 .prompts = {{"query", "query: "}, {"document", ""}},
                 .default_prompt = "query"}}) {
        Scratch const scratch;
        auto const weights = bmae::write_sentence_transformer_files(scratch.path(), layout);
        BOOST_TEST(weights.size() == (layout.modules.size() > 1 ? 3U : 0U));   // none of Normalize
        for (auto const& folder : weights) { BOOST_TEST(std::filesystem::is_directory(folder)); }
        BOOST_TEST((bmae::read_sentence_transformer(scratch.path()) == layout));
        BOOST_TEST(
            contains(refusal([&] { bmae::write_sentence_transformer_files(scratch.path(), layout); }), "Nothing is overwritten"));
    }
}

BOOST_AUTO_TEST_CASE(writes_what_the_oldest_versions_read) {
    Scratch const scratch;
    bmae::write_sentence_transformer_files(scratch.path(), {.width = 8, .modules = {bmae::NormalizeLayout{}}});
    auto const text = [&](char const* name) { return bmae::detail::read_file(scratch / name); };
    BOOST_TEST(contains(text("modules.json"), "\"sentence_transformers.models.Pooling\""));
    BOOST_TEST(contains(text("1_Pooling/config.json"), "\"pooling_mode_cls_token\": true"));
    BOOST_TEST(contains(text("1_Pooling/config.json"), "\"pooling_mode_mean_tokens\": false"));
    BOOST_TEST(!contains(text("1_Pooling/config.json"), "lasttoken"));
    BOOST_TEST(text("2_Normalize/config.json") == "{}\n");
    BOOST_TEST(contains(text("config_sentence_transformers.json"), "\"sentence_transformers\": \"3.0.0\""));
    BOOST_TEST(text("sentence_bert_config.json") == "{\n  \"max_seq_length\": 512,\n  \"do_lower_case\": false\n}\n");
}

BOOST_AUTO_TEST_CASE(reads_new_names_and_keys) {
    Folder folder;
    folder.put("modules.json",
               R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.base.modules.transformer.Transformer"},
        {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
        {"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.base.modules.normalize.Normalize"}])");
    folder.put("1_Pooling/config.json", R"({"embedding_dimension":8,"pooling_mode":["cls","mean"],"include_prompt":true})");
    BOOST_TEST(
        (folder.read() ==
         Layout{
             .width = 8, .pooling = {Pooling::cls, Pooling::mean}, .modules = {bmae::NormalizeLayout{}}, .max_seq_length = 128}));
    folder.put("1_Pooling/config.json", R"({"embedding_dimension":8,"pooling_mode":"lasttoken"})");
    BOOST_TEST((folder.read().pooling == std::vector{Pooling::last_token}));
}

BOOST_AUTO_TEST_CASE(finds_the_transformer_in_its_own_folder) {
    Folder folder;
    folder.put("modules.json", R"([{"idx":0,"name":"0","path":"0_BERT","type":"sentence_transformers.models.Transformer"},
        {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}])");
    folder.put("0_BERT/sentence_bert_config.json", R"({"max_seq_length": 64, "do_lower_case": true})");
    BOOST_TEST(folder.read().transformer_folder == "0_BERT");
    BOOST_TEST(folder.read().max_seq_length == 64);
    BOOST_TEST(folder.read().do_lower_case);
}

BOOST_AUTO_TEST_CASE(takes_the_length_limit_from_where_it_is) {
    Folder folder;
    folder.put("sentence_bert_config.json", R"({"max_seq_length": 64, "query_length": 16})");
    BOOST_TEST(folder.read().query_length == 16);
    folder.put("sentence_bert_config.json", R"({"max_seq_length": 64, "query_length": 90})");
    BOOST_TEST(folder.read().query_length == 64);   // no longer than a text
    folder.put("sentence_bert_config.json", R"({"max_seq_length": 64, "query_length": null})");
    BOOST_TEST(folder.read().query_length == 0);
    folder.put("sentence_bert_config.json", R"({"max_seq_length": 600})");
    BOOST_TEST(folder.read().max_seq_length == 512);   // the model has no more positions
    folder.put("config.json", R"({"model_type": "roberta", "max_position_embeddings": 258, "pad_token_id": 1})");
    BOOST_TEST(folder.read().max_seq_length == 256);   // RoBERTa's first two are never read
    folder.put("config.json", R"({"model_type": "xlm-roberta", "max_position_embeddings": 258})");
    BOOST_TEST(folder.read().max_seq_length == 256);
    folder.put("config.json", R"({"max_position_embeddings": 512})");
    // version 6 says it in the tokenizer
    folder.put("sentence_bert_config.json", R"({"transformer_task": "feature-extraction"})");
    folder.put("tokenizer_config.json", R"({"model_max_length": 256})");
    BOOST_TEST(folder.read().max_seq_length == 256);
    folder.put("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
    BOOST_TEST(folder.read().max_seq_length == 512);
    folder.remove("sentence_bert_config.json");
    folder.remove("tokenizer_config.json");
    BOOST_TEST(folder.read().max_seq_length == 512);
    folder.remove("config.json");
    BOOST_TEST(contains(folder.refused(), "Write {\"max_seq_length\": 512}"));
    folder.put("sentence_bert_config.json", R"({"max_seq_length": 1})");
    BOOST_TEST(contains(folder.refused(), "at least 2, found 1"));
}

BOOST_AUTO_TEST_CASE(never_guesses_the_pooling) {
    Folder folder;
    BOOST_TEST(contains(folder.refused_pooling(R"({"word_embedding_dimension": 8})"), "a pooling mode, found none"));
    BOOST_TEST(contains(folder.refused_pooling(R"({"word_embedding_dimension": 8, "pooling_mode_cls_token": false})"),
                        "none that is true"));
    BOOST_TEST(
        contains(folder.refused_pooling(R"({"word_embedding_dimension": 8, "pooling_mode_cls_token": 1})"), "true or false"));
    BOOST_TEST(contains(folder.refused_pooling(R"({"embedding_dimension": 8, "pooling_mode": "first"})"), "found \"first\""));
    BOOST_TEST(contains(folder.refused_pooling(R"({"embedding_dimension": 8, "pooling_mode": []})"), "a pooling mode"));
    BOOST_TEST(contains(folder.refused_pooling(R"({"pooling_mode": "cls"})"), "pass --pooling"));
    BOOST_TEST(
        contains(folder.refused_pooling(R"({"embedding_dimension": 0, "pooling_mode": "cls"})"), "a width from 1 to 1000000"));
    BOOST_TEST(contains(folder.refused_pooling(R"({"embedding_dimension": 4611686018427387904, "pooling_mode": "cls"})"),
                        "a width from 1 to 1000000"));
    BOOST_TEST(contains(folder.refused_pooling(R"({"embedding_dimension": 8, "pooling_mode": ["cls", "cls"]})"),
                        "each pooling mode once"));
    folder.remove("1_Pooling");
    BOOST_TEST(contains(folder.refused(), "1_Pooling/config.json, found none"));
    folder.modules({"Transformer"});
    BOOST_TEST(contains(folder.refused(), "a Pooling module, found none"));
    folder.remove("modules.json");
    BOOST_TEST(contains(folder.refused(), "Pass --pooling"));
}

BOOST_AUTO_TEST_CASE(refuses_modules_that_it_cannot_run) {
    Folder folder;
    folder.modules({"Transformer", "Pooling"}, "my.models.");
    BOOST_TEST(contains(folder.refused(), "found \"my.models.Transformer\""));
    folder.modules({"Transformer", "Pooling", "LSTM"});
    BOOST_TEST(contains(folder.refused(), "LSTM"));
    folder.put("2_Pooling/config.json", R"({"word_embedding_dimension": 8, "pooling_mode_cls_token": true})");
    folder.modules({"Transformer", "Normalize", "Pooling"});
    BOOST_TEST(contains(folder.refused(), "in this order"));
    folder.modules({"Transformer", "Pooling", "Pooling"});
    BOOST_TEST(contains(folder.refused(), "in this order"));
    folder.modules({"Transformer", "Pooling", "Dropout", "Normalize", "Normalize"});
    BOOST_TEST(folder.read().modules.size() == 2U);   // dropout is none
    folder.modules({"Transformer", "Pooling", "LayerNorm"});
    folder.put("2_LayerNorm/config.json", R"({"dimension": 9})");
    BOOST_TEST(contains(folder.refused(), "the dimension 8 of the module 2_LayerNorm, found 9"));
    folder.put("modules.json", "{}");
    BOOST_TEST(contains(folder.refused(), "an array of modules"));
    folder.put("modules.json", R"([{"path":"../x","type":"sentence_transformers.models.Transformer"}])");
    BOOST_TEST(contains(folder.refused(), "a path inside the folder"));
    folder.modules({"Transformer", "Pooling", "Normalize"});   // its folder is not there: archives drop empty ones
    BOOST_TEST(folder.read().unit_length());
    folder.put("2_Normalize/config.json", R"({"module_input_name":"token_embeddings"})");
    BOOST_TEST(contains(folder.refused(), "token_embeddings"));
}

BOOST_AUTO_TEST_CASE(refuses_dense_modules_that_do_not_fit) {
    Folder folder;
    folder.modules({"Transformer", "Pooling", "Dense"});
    auto const refused = [&folder](std::string const& text) {
        folder.put("2_Dense/config.json", text);
        return folder.refused();
    };
    BOOST_TEST(contains(refused(R"({"in_features":9,"out_features":4})"), "in_features 8 of the module 2_Dense, found 9"));
    BOOST_TEST(contains(refused(R"({"in_features":8,"out_features":0})"), "sizes from 1 to 8000000"));
    BOOST_TEST(contains(refused(R"({"in_features":8})"), "the key \"out_features\""));
    BOOST_TEST(contains(refused(R"({"in_features":8,"out_features":4,"use_residual":true})"), "\"use_residual\": false"));
    BOOST_TEST(contains(refused(R"({"in_features":8,"out_features":4,"activation_function":"os.system"})"),
                        "an activation of torch.nn"));
    BOOST_TEST(
        contains(refused(R"({"in_features":8,"out_features":4,"module_input_name":"token_embeddings"})"), "token_embeddings"));
    folder.put("2_Dense/config.json", R"({"in_features":8,"out_features":4,"bias":false})");
    BOOST_TEST((folder.read().modules == std::vector<bmae::ModuleLayout>{bmae::DenseLayout{
                                             .in_features = 8, .out_features = 4, .bias = false, .folder = "2_Dense"}}));
}

BOOST_AUTO_TEST_CASE(checks_similarity_and_prompts) {
    Folder folder;
    auto const refused = [&folder](std::string const& text) {
        folder.put("config_sentence_transformers.json", text);
        return folder.refused();
    };
    BOOST_TEST(contains(refused(R"({"similarity_fn_name":"jaccard"})"), "found \"jaccard\""));
    BOOST_TEST(contains(refused(R"({"default_prompt_name":"q"})"), "among the prompts, found \"q\""));
    BOOST_TEST(contains(refused(R"({"prompts":{"q":1}})"), "text under \"q\""));
    BOOST_TEST(contains(refused(R"({"truncate_dim":0})"), "a truncate_dim of at least 1"));
    BOOST_TEST(contains(refused(R"({"model_type":"CrossEncoder"})"), "\"model_type\": \"SentenceTransformer\""));
    BOOST_TEST(contains(refused(R"({"new_setting":3})"), "no key that is unknown"));
    folder.put("config_sentence_transformers.json", R"({"truncate_dim":4,"new_setting":null})");
    BOOST_TEST(folder.read().truncate_dim == 4);
    folder.put("config_sentence_transformers.json",
               R"({"prompts":{"q":"ask: "},"default_prompt_name":"q","similarity_fn_name":null})");
    BOOST_TEST(folder.read().prompts.at("q") == "ask: ");
    BOOST_TEST(folder.read().similarity == "cosine");
}

BOOST_AUTO_TEST_CASE(refuses_to_write_nonsense) {
    auto const refused = [](Layout const& layout) {
        Scratch const scratch;
        std::string message = refusal([&] { bmae::write_sentence_transformer_files(scratch.path(), layout); });
        BOOST_TEST(std::filesystem::is_empty(scratch.path()));
        return message;
    };
    BOOST_TEST(contains(refused({}), "a width of at least 1"));
    BOOST_TEST(contains(refused({.width = 8, .pooling = {}}), "a pooling mode"));
    BOOST_TEST(contains(refused({.width = 8, .pooling = {Pooling::cls, Pooling::cls}}), "each once"));
    BOOST_TEST(contains(refused({.width = 8, .max_seq_length = 1}), "max_seq_length"));
    BOOST_TEST(contains(refused({.width = 8, .similarity = "x"}), "similarity"));
    BOOST_TEST(contains(refused({.width = 8, .default_prompt = "x"}), "a default prompt"));
}

BOOST_AUTO_TEST_SUITE_END()
