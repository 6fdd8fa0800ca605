// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Rerankers, sparse encoders and token vectors in folders, exchanged with sentence-transformers both ways.
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/dense_lexical_folder.hpp>
#include <bmae/edge/sparse_encoder_folder.hpp>
#include <bmae/edge/token_encoder_folder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/activation.hpp>
#include <bmae/retrieval/dual_index.hpp>
#include <bmae/text/wordpiece.hpp>

#include "../io/support.hpp"

BOOST_AUTO_TEST_SUITE(encoder_folders)

namespace {

using namespace bmae;
using io_test::contains;
using io_test::refusal;

std::vector<std::string> const queries{"w7 w8", "w20", "w30 w31 w7"};
/// The second is cut at 20 tokens, the others fit every length.
std::vector<std::string> const documents{"w9 w8 w7", "w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 w20 w21 w22 w23 w24",
                                         "w40 w41 w42 w43 w7 w20", "w11"};

WordPiece sixty_words() {
    std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 5; i < 60; ++i) { tokens.push_back("w" + std::to_string(i)); }
    return WordPiece(std::move(tokens));
}

BertConfig tiny() {
    BertConfig config = BertConfig::of_size(2, 16);
    config.vocab_size = 60;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 48;
    config.initializer_range = .3;
    return config;
}

BertEncoder encoder_of(std::uint64_t seed) {
    BertEncoder encoder(tiny(), seed);
    at::NoGradGuard const no_gradients;   // biases start at 0, which would hide one that is not read
    std::uint64_t number = 0;
    encoder.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) {
        value.add_(at::arange(value.numel(), at::kFloat).mul(.7).add(static_cast<double>(++number)).sin().mul(.1).view_as(value));
    });
    return encoder;
}

template <class B>
NamedTensors tensors_of(B bottleneck) {
    NamedTensors tensors;
    bottleneck.for_each_parameter("", [&](std::string const& name, at::Tensor& value, auto) {
        tensors[name] = value.add(at::arange(value.numel(), at::kFloat).sin().mul(.1).view_as(value));
    });
    return tensors;
}

at::Tensor scores_of(CrossEncoder const& cross) {
    std::vector<at::Tensor> scores;
    for (std::string const& query : queries) { scores.push_back(cross.score(query, documents)); }
    return at::cat(scores);
}
NamedTensors results_of(CrossEncoder const& cross) { return {{"scores", scores_of(cross)}}; }
NamedTensors results_of(SparseEncoder const& sparse) {
    return {{"queries", sparse.encode(queries)}, {"documents", sparse.encode(documents)}};
}
NamedTensors results_of(TokenEncoder const& tokens) {
    MultiVectors const q = tokens.encode_queries(queries);
    MultiVectors const d = tokens.encode_documents(documents);
    return {{"queries", q.rows}, {"documents", d.rows}, {"scores", max_sim(q, d)}};
}

void check_close(NamedTensors const& found, NamedTensors const& expected, std::string const& what) {
    BOOST_REQUIRE(found.size() == expected.size());
    for (auto const& [name, tensor] : expected) {
        BOOST_REQUIRE_MESSAGE(found.at(name).sizes() == tensor.sizes(), what << ' ' << name);
        double const difference = (found.at(name) - tensor).abs().max().item<double>();
        BOOST_CHECK_MESSAGE(difference <= 1e-5, what << ' ' << name << ": " << difference);
        BOOST_CHECK_MESSAGE(tensor.std().item<double>() > 1e-3, what << ' ' << name << " tells nothing apart");
    }
}

struct Models {
    BertEncoder encoder = encoder_of(1);
    AnyTokenizer tokenizer = sixty_words();
    NamedTensors score = tensors_of(Scored<>({}, encoder, 2, {}));
    NamedTensors projection = tensors_of(TokenVectors({.width = 6}, encoder, 3, {}));

    void save_cross(std::filesystem::path const& folder, CrossEncoderOptions const& options = {.max_length = 40}) const {
        save_cross_encoder(folder, encoder, tokenizer, score, options);
    }
    void save_sparse(std::filesystem::path const& folder) const {
        save_sparse_encoder(folder, encoder, tokenizer, {.max_length = 24});
    }
    void save_tokens(std::filesystem::path const& folder) const {
        save_token_encoder(folder, encoder, tokenizer, projection, {.query_length = 8, .document_length = 20});
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_saved_is_loaded_and_saved_again) {
    test::ScratchFolder const scratch;
    Models const models;
    models.save_cross(scratch / "cross", {.query_length = 5, .max_length = 40});
    models.save_sparse(scratch / "sparse");
    models.save_tokens(scratch / "tokens");
    CrossEncoder const cross = load_cross_encoder(scratch / "cross");
    BOOST_TEST(cross.options().query_length == 5U);
    BOOST_TEST(cross.options().max_length == 40U);
    BOOST_TEST(!cross.options().sigmoid);
    SparseEncoder const sparse = load_sparse_encoder(scratch / "sparse");
    BOOST_TEST(sparse.options().max_length == 24U);
    TokenEncoder const tokens = load_token_encoder(scratch / "tokens");
    BOOST_TEST(tokens.options().query_length == 8U);
    BOOST_TEST(tokens.options().document_length == 20U);
    BOOST_TEST(tokens.model().width() == 6);
    save_cross_encoder(scratch / "cross2", cross);
    save_sparse_encoder(scratch / "sparse2", sparse);
    save_token_encoder(scratch / "tokens2", tokens);
    check_close(results_of(load_cross_encoder(scratch / "cross2")), results_of(cross), "cross");
    check_close(results_of(load_sparse_encoder(scratch / "sparse2")), results_of(sparse), "sparse");
    check_close(results_of(load_token_encoder(scratch / "tokens2")), results_of(tokens), "tokens");
}

BOOST_AUTO_TEST_CASE(queries_that_are_counted_have_a_route_of_their_own) {
    test::ScratchFolder const scratch;
    Models const models;
    at::Tensor weights = at::arange(60, at::kFloat).mul(.25);
    weights.narrow(0, 0, 5).fill_(0);
    SparseEncoderOptions const options{.lexical = {.saturated = true, .first_row_counts = true, .terms = 4},
                                       .max_length = 24,
                                       .query_length = 5,
                                       .query_weights = weights};
    save_sparse_encoder(scratch / "doc", models.encoder, models.tokenizer, options);
    BOOST_TEST(std::filesystem::exists(scratch / "doc" / "query_0_SparseStaticEmbedding" / "model.safetensors"));
    SparseEncoder const sparse = load_sparse_encoder(scratch / "doc");
    BOOST_TEST(sparse.options().query_length == 5U);
    BOOST_TEST(sparse.options().lexical.terms == 4U);
    BOOST_CHECK(sparse.options().query_weights.equal(weights));
    std::vector<std::string> const texts{"w7 w8 w7", "w20 w21 w22 w23", ""};   // of the second three tokens are read
    at::Tensor const rows = sparse.encode_queries(texts);
    at::Tensor expected = at::zeros({3, 60});
    for (auto const& [text, term] : {std::pair{0, 7}, {0, 8}, {1, 20}, {1, 21}, {1, 22}}) { expected[text][term] = .25 * term; }
    BOOST_CHECK(rows.equal(expected));
    SparseVectors const lists = sparse.for_queries().encode_sparse(texts);
    BOOST_TEST(lists.size() == 3U);
    BOOST_TEST(lists[0].size() == 2U);
    BOOST_TEST(lists[1][2].weight == 5.5F);
    BOOST_TEST(lists[2].empty());
    at::Tensor const encoded = sparse.encode(documents);
    BOOST_TEST(encoded.gt(0).sum(1).max().item<std::int64_t>() == 4);
    save_sparse_encoder(scratch / "again", sparse);
    check_close(results_of(load_sparse_encoder(scratch / "again")), results_of(sparse), "sparse");

    auto const router = scratch / "doc" / "router_config.json";
    std::string const routes = detail::read_file(router);
    auto changed = nlohmann::json::parse(routes);
    changed["structure"]["image"] = changed["structure"]["query"];
    detail::write_file(router, changed.dump(), detail::Existing::replace);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_sparse_encoder(scratch / "doc")); }), "\"image\""));
    detail::write_file(router, routes, detail::Existing::replace);

    detail::write_file(scratch / "doc" / "query_0_SparseStaticEmbedding" / "config.json", R"({"path": "idf.json"})",
                       detail::Existing::replace);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_sparse_encoder(scratch / "doc")); }), "path"));
    SparseEncoderOptions wrong = options;
    wrong.query_weights = weights.narrow(0, 0, 59);
    BOOST_TEST(
        contains(refusal([&] { save_sparse_encoder(scratch / "no", models.encoder, models.tokenizer, wrong); }), "59 weights"));
    wrong.query_weights = weights.neg();
    BOOST_TEST(
        contains(refusal([&] { save_sparse_encoder(scratch / "no", models.encoder, models.tokenizer, wrong); }), "at least 0"));
}

BOOST_AUTO_TEST_CASE(a_dense_vector_and_word_weights_are_searched_in_one_pass) {
    test::ScratchFolder const scratch;
    Models const models;
    DualBottleneck::Options sizes;
    std::get<0>(sizes.parts).width = 6;
    NamedTensors const head = tensors_of(DualBottleneck(sizes, models.encoder, 2, {}));
    DenseLexicalOptions const options{.terms = 9, .query_length = 8, .max_length = 20};
    save_dense_lexical_encoder(scratch / "dual", models.encoder, models.tokenizer, head, options);
    DenseLexicalEncoder const dual = load_dense_lexical_encoder(scratch / "dual");
    BOOST_TEST(dual.dense_width() == 6);
    BOOST_TEST(dual.options().terms == 9U);
    at::Tensor const asked = dual.encode_queries(queries);
    DualVectors const texts = dual.encode_documents(documents);
    BOOST_TEST(texts.words.size(1) == 9);
    at::Tensor const whole = dual.encode_queries(documents);   // the second is cut at another length there
    for (std::int64_t const text : {0, 2, 3}) {
        BOOST_TEST((texts.dense[text] - whole[text].narrow(0, 0, 6)).abs().max().item<float>() < 1e-5);
        at::Tensor const best = std::get<0>(at::topk(whole[text].narrow(0, 6, 60), 9));
        BOOST_TEST((std::get<0>(texts.weights[text].sort(0, true)) - best).abs().max().item<float>() < 1e-5);
    }
    at::Tensor const scores = dual_scores(asked, texts);
    std::vector<std::string> const ids{"a", "b", "c", "d"};
    Run const run = DualIndex(texts, ids).search(asked, 3, {"q0", "q1", "q2"});
    for (std::size_t q = 0; q < queries.size(); ++q) {
        auto const hits = run.hits(q);
        BOOST_REQUIRE(hits.size() == 3U);
        auto const [values, places] = at::topk(scores[static_cast<std::int64_t>(q)], 3);
        for (std::int64_t i = 0; i < 3; ++i) {
            BOOST_TEST(hits[static_cast<std::size_t>(i)].score == values[i].item<float>());
            BOOST_TEST(hits[static_cast<std::size_t>(i)].document == places[i].item<std::int64_t>());
        }
    }
    BOOST_CHECK_THROW(DualIndex(texts, {"a", "b"}), InputError);
    refusal([&] { save_dense_lexical_encoder(scratch / "no", models.encoder, models.tokenizer, {}, options); });
    BOOST_TEST(contains(refusal([&] {
                            save_dense_lexical_encoder(scratch / "no", models.encoder, models.tokenizer, head,
                                                       {.terms = 0, .query_length = 8, .max_length = 20});
                        }),
                        "at least 1 token"));
}

/// A folder of each family's form: the names of its head, what stands between both maps, and whether it has token types.
BOOST_AUTO_TEST_CASE(every_family_has_its_own_head) {
    struct Case {
        ModelType type;
        char const* dense;
        char const* out;
        at::Tensor (*between)(at::Tensor const&);
    };
    auto const tanh = [](at::Tensor const& x) { return x.tanh(); };
    auto const gelu = [](at::Tensor const& x) { return activate(x, Activation::gelu); };
    auto const relu = [](at::Tensor const& x) { return x.relu(); };
    AnyTokenizer const tokenizer = sixty_words();
    for (Case const& one : {Case{ModelType::roberta, "classifier.dense", "classifier.out_proj", tanh},
                            Case{ModelType::xlm_roberta, "classifier.dense", "classifier.out_proj", tanh},
                            Case{ModelType::camembert, "classifier.dense", "classifier.out_proj", tanh},
                            Case{ModelType::electra, "classifier.dense", "classifier.out_proj", gelu},
                            Case{ModelType::distilbert, "pre_classifier", "classifier", relu}}) {
        test::ScratchFolder const scratch;
        BertConfig config = tiny();
        config.model_type = one.type;
        config.type_vocab_size = one.type == ModelType::electra ? 2 : one.type == ModelType::distilbert ? 0 : 1;
        config.pad_token_id = 0;
        BertEncoder const encoder(config, 3);
        NamedTensors const head = tensors_of(Scored<>({}, encoder, 2, {}));
        save_cross_encoder(scratch / "cross", encoder, tokenizer, head, {.max_length = 40});
        NamedTensors const files = load_tensors(scratch / "cross" / "model.safetensors");
        BOOST_TEST(files.contains(one.dense + std::string(".bias")), one.dense);
        BOOST_TEST(files.contains(one.out + std::string(".weight")), one.out);
        BOOST_TEST(contains(detail::read_file(scratch / "cross" / "config.json"), "ForSequenceClassification"));
        CrossEncoder const cross = load_cross_encoder(scratch / "cross");
        bool const typed = one.type == ModelType::electra;
        PackedView view;
        view.append_input(
            QueryWithCandidate::pair_text(tokenizer.encode("w20"), tokenizer.encode(documents[2]), tokenizer.traits().special(),
                                          9, 40, {.separators = 1, .token_types = typed})
                .input_ids,
            typed ? std::vector<std::uint8_t>{0, 0, 0, 1, 1, 1, 1, 1, 1, 1} : std::vector<std::uint8_t>());
        ForwardContext context;
        at::NoGradGuard const no_gradients;
        at::Tensor const first = encoder.encode(to_tensors(view), context).hidden.narrow(0, 0, 1);
        auto const of = [&](char const* name) { return head.at(std::string("shared.score.") + name); };
        at::Tensor const by_hand = at::linear(one.between(at::linear(first, of("pooler.dense.weight"), of("pooler.dense.bias"))),
                                              of("classifier.weight"), of("classifier.bias"));
        at::Tensor const score = cross.score("w20", std::vector<std::string>{documents[2]});
        BOOST_CHECK_LE((score[0] - by_hand[0][0]).abs().item<double>(), 1e-5);
    }
}

BOOST_AUTO_TEST_CASE(modern_bert_pools_as_its_config_says) {
    ModernBertConfig config;
    config.vocab_size = 60;
    config.hidden_size = 16;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 2;
    config.intermediate_size = 24;
    config.max_position_embeddings = 48;
    config.initializer_range = .3;
    config.pad_token_id = 0;
    ModernBertEncoder const encoder(config, 3);
    AnyTokenizer const tokenizer = sixty_words();
    NamedTensors const head = tensors_of(Scored<>({}, encoder, 2, {}));
    BOOST_TEST(!head.contains("shared.score.pooler.dense.bias"));
    std::vector<NamedTensors> results;
    for (std::string const pooling : {"cls", "mean"}) {
        test::ScratchFolder const scratch;
        save_cross_encoder(scratch / "cross", encoder, tokenizer, head, {.max_length = 40}, pooling);
        BOOST_TEST(contains(detail::read_file(scratch / "cross" / "config.json"), "\"classifier_pooling\": \"" + pooling + '"'));
        NamedTensors const files = load_tensors(scratch / "cross" / "model.safetensors");
        for (char const* const name : {"head.dense.weight", "head.norm.weight", "classifier.weight", "classifier.bias"}) {
            BOOST_TEST(files.contains(name), name);
        }
        CrossEncoder const cross = load_cross_encoder(scratch / "cross");
        BOOST_TEST(cross.model().bottleneck().projection == pooling);
        save_cross_encoder(scratch / "again", cross);
        check_close(results_of(load_cross_encoder(scratch / "again")), results_of(cross), pooling);
        results.push_back(results_of(cross));
    }
    BOOST_CHECK_GE((results[0].at("scores") - results[1].at("scores")).abs().max().item<double>(), 1e-3);
}

BOOST_AUTO_TEST_CASE(pairs_are_read_as_training_reads_them) {
    Models const models;
    Scored<> head({}, models.encoder, 0, {});
    take_tensors(head, models.score);
    CrossEncoder const cross(models.encoder, head, models.tokenizer, {.query_length = 2, .max_length = 9});
    auto const ids = [&](std::string const& text) { return models.tokenizer.encode(text); };
    PackedView view;
    view.append(QueryWithCandidate::pair_text(ids("w7 w8 w9"), ids(documents[1]), models.tokenizer.traits().special(), 2, 9));
    BOOST_TEST(view.tokens() == 9U);
    PackedInput const input = to_tensors(view);
    ForwardContext context;
    at::NoGradGuard const no_gradients;
    at::Tensor const by_hand = head.pool(models.encoder.encode(input, context), input, models.encoder);
    std::vector<std::string> const passages(documents.begin(), documents.end());
    at::Tensor const scores = cross.score("w7 w8 w9", passages);
    BOOST_CHECK_LE((scores[1] - by_hand[0][0]).abs().item<double>(), 1e-5);
    std::vector<std::pair<std::string, std::string>> const pairs{{"w7 w8 w9", documents[1]}};
    BOOST_CHECK_LE((cross.score(pairs)[0] - scores[1]).abs().item<double>(), 1e-5);
    BOOST_TEST(cross.score("w7", std::vector<std::string>()).numel() == 0);
    if (!cross.model().packs(PackedType::fp32)) { return; }
    BOOST_CHECK_LE((cross.packed().score("w7 w8 w9", passages) - scores).abs().max().item<double>(), 1e-5);
}

BOOST_AUTO_TEST_CASE(sentence_transformers_agrees_both_ways) {
    test::ScratchFolder const scratch;
    Models const models;
    models.save_cross(scratch / "cpp_cross");
    models.save_cross(scratch / "cpp_sigmoid", {.max_length = 40, .sigmoid = true});
    models.save_sparse(scratch / "cpp_sparse");
    models.save_tokens(scratch / "cpp_tokens");
    NamedTensors const cross = results_of(load_cross_encoder(scratch / "cpp_cross"));
    NamedTensors const sparse = results_of(load_sparse_encoder(scratch / "cpp_sparse"));
    NamedTensors const tokens = results_of(load_token_encoder(scratch / "cpp_tokens"));
    save_tensors(scratch / "cpp_cross.results", cross);
    save_tensors(scratch / "cpp_sigmoid.results", {{"scores", cross.at("scores").sigmoid()}});
    save_tensors(scratch / "cpp_sparse.results", sparse);
    save_tensors(scratch / "cpp_tokens.results", tokens);
    detail::Json const texts{{"queries", queries}, {"documents", documents}};
    detail::write_file(scratch / "texts.json", texts.dump());
    if (!io_test::python_agrees("encoder_folders_parity.py", scratch.path())) { return; }
    check_close(results_of(load_cross_encoder(scratch / "py_cpp_cross")), cross, "py_cpp_cross");
    check_close(results_of(load_sparse_encoder(scratch / "py_cpp_sparse")), sparse, "py_cpp_sparse");
    check_close(results_of(load_token_encoder(scratch / "py_cpp_tokens")), tokens, "py_cpp_tokens");
    for (std::string const name : {"py_cross", "py_sigmoid"}) {
        CrossEncoder const read = load_cross_encoder(scratch / name);
        BOOST_TEST(read.options().sigmoid == (name == "py_sigmoid"));
        check_close(results_of(read), load_tensors(scratch / (name + ".results")), name);
    }
    check_close(results_of(load_sparse_encoder(scratch / "py_sparse")), load_tensors(scratch / "py_sparse.results"), "py_sparse");
    check_close(results_of(load_token_encoder(scratch / "py_tokens")), load_tensors(scratch / "py_tokens.results"), "py_tokens");
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_cross_encoder(scratch / "py_labels")); }), "found 3 labels"));
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_token_encoder(scratch / "py_skiplist")); }), "skiplist_words"));
}

BOOST_AUTO_TEST_CASE(refuses_by_name_what_a_folder_cannot_say) {
    test::ScratchFolder const scratch;
    Models const models;
    auto const refused = [&](auto const& save) {
        std::string message = refusal([&] { save(scratch / "out"); });
        BOOST_CHECK(!std::filesystem::exists(scratch / "out"));
        return message;
    };
    BOOST_TEST(contains(refused([&](auto const& folder) {
                            save_cross_encoder(folder, models.encoder, models.tokenizer, models.score, {.max_length = 40},
                                               "mean");
                        }),
                        "a score of [CLS], as every BERT classifier reads it, found of the bottleneck mean"));
    BOOST_TEST(contains(refused([&](auto const& folder) {
                            save_cross_encoder(folder, models.encoder, models.tokenizer, models.projection, {.max_length = 40});
                        }),
                        "shared.score.pooler.dense.weight"));
    BOOST_TEST(contains(
        refused([&](auto const& folder) { save_token_encoder(folder, models.encoder, models.tokenizer, models.score, {}); }),
        "shared.token_projection.weight"));
    at::Tensor const counted = at::ones({60}, at::kFloat);
    for (auto const& [options, word] :
         {std::pair{SparseEncoderOptions{.lexical = {}, .max_length = 24}, "saturated = false"},
          std::pair{SparseEncoderOptions{.lexical = {.saturated = true}, .max_length = 24, .query_weights = counted},
                    "first_row_counts = false"}}) {
        BOOST_TEST(contains(
            refused([&](auto const& folder) { save_sparse_encoder(folder, models.encoder, models.tokenizer, options); }), word));
    }
    models.save_cross(scratch / "cross");
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_sparse_encoder(scratch / "cross")); }), "language-model head"));
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_token_encoder(scratch / "cross")); }), "modules.json"));
    models.save_sparse(scratch / "sparse");
    BOOST_TEST(
        contains(refusal([&] { static_cast<void>(load_cross_encoder(scratch / "sparse")); }), "found Transformer SpladePooling"));
    detail::write_file(scratch / "sparse" / "1_SpladePooling" / "config.json", R"({"pooling_strategy": "sum"})",
                       detail::Existing::replace);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_sparse_encoder(scratch / "sparse")); }), "found \"sum\""));
    models.save_tokens(scratch / "tokens");
    detail::write_file(scratch / "tokens" / "config_sentence_transformers.json", R"({"query_prefix": "[Q] "})",
                       detail::Existing::replace);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_token_encoder(scratch / "tokens")); }), "query_prefix"));
}

BOOST_AUTO_TEST_CASE(the_first_row_counts_where_it_is_told_to) {
    Models const models;
    at::Tensor const all = SparseEncoder(models.encoder, models.tokenizer, {.max_length = 24}).encode(documents);
    at::Tensor const rest =
        SparseEncoder(models.encoder, models.tokenizer, {.lexical = {.saturated = true}, .max_length = 24}).encode(documents);
    BOOST_CHECK_LE((rest - all).max().item<double>(), 1e-5);
    BOOST_CHECK_GE((all - rest).max().item<double>(), 1e-2);
    // SpladePooling cannot leave rows out, so the folder has a form of its own.
    test::ScratchFolder const scratch;
    save_sparse_encoder(scratch / "own", models.encoder, models.tokenizer,
                        {.lexical = {.saturated = true, .terms = 7}, .max_length = 24, .query_length = 9});
    BOOST_TEST(!std::filesystem::exists(scratch / "own" / "modules.json"));
    SparseEncoder const own = load_sparse_encoder(scratch / "own");
    BOOST_CHECK(own.options().lexical == (LexicalBottleneck::Options{.saturated = true, .terms = 7}));
    BOOST_TEST(own.options().query_length == 9U);
    BOOST_TEST(own.encode(documents).gt(0).sum(1).max().item<std::int64_t>() == 7);
    // What training was told reaches the folder: nothing is saved as what it is not.
    std::vector<std::pair<std::string, OptionValue>> const values{{"passes.0.bottleneck.saturated", false},
                                                                  {"passes.1.bottleneck.saturated", true},
                                                                  {"passes.1.bottleneck.separator_counts", false},
                                                                  {"passes.1.bottleneck.first_row_counts", true},
                                                                  {"passes.1.bottleneck.terms", std::uint64_t{30}}};
    LexicalBottleneck::Options const told = lexical_options(values, "passes.1.bottleneck");
    BOOST_CHECK(told.saturated && !told.separator_counts && told.first_row_counts && told.terms == 30);
}

BOOST_AUTO_TEST_SUITE_END()
