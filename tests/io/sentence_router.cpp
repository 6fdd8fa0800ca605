// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/sentence_router.hpp>

#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(sentence_router)

namespace {

using bmae::RouterLayout;
using io_test::contains;
using io_test::refusal;
using io_test::Scratch;

void put(std::filesystem::path const& file, std::string const& text) {
    std::filesystem::create_directories(file.parent_path());
    bmae::detail::write_file(file, text, bmae::detail::Existing::replace);
}

RouterLayout const written{
    .query = {.width = 8,
              .pooling = {bmae::PoolingMode::mean},
              .modules = {bmae::NormalizeLayout{}},
              .max_seq_length = 16,
              .prompts = {{"document", ""}, {"query", "query: "}}},
    .document = {.width = 8,
                 .pooling = {bmae::PoolingMode::mean},
                 .modules = {bmae::DenseLayout{.in_features = 8, .out_features = 8}, bmae::NormalizeLayout{}},
                 .max_seq_length = 32,
                 .prompts = {{"document", ""}, {"query", "query: "}}}};

/// A folder with both layouts, without weights.
class Folder {
public:
    Folder() {
        folders_ = bmae::write_sentence_router_files(scratch_.path(), written);
        for (auto const& folders : folders_) { put(folders.transformer / "config.json", R"({"max_position_embeddings": 64})"); }
    }
    [[nodiscard]] std::filesystem::path path() const { return scratch_.path(); }
    [[nodiscard]] std::array<bmae::RouteFolders, 2> const& folders() const { return folders_; }
    [[nodiscard]] bmae::detail::Json router() const {
        return bmae::detail::JsonObject::read(path() / "router_config.json").json();
    }
    void put_router(bmae::detail::Json const& router) const { put(path() / "router_config.json", router.dump()); }
    [[nodiscard]] std::string refused() const {
        return refusal([this] { static_cast<void>(bmae::read_sentence_router(path())); });
    }

private:
    Scratch scratch_;
    std::array<bmae::RouteFolders, 2> folders_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(round_trips) {
    Folder const folder;
    BOOST_TEST(bmae::is_router_folder(folder.path()));
    RouterLayout const read = bmae::read_sentence_router(folder.path());
    BOOST_TEST(read.query.transformer_folder == "query_0_Transformer");
    BOOST_TEST(read.document.transformer_folder == "document_0_Transformer");
    BOOST_TEST(read.query.max_seq_length == 16);
    BOOST_TEST(read.document.max_seq_length == 32);
    BOOST_TEST(read.query.modules.size() == 1U);
    BOOST_TEST(std::get<bmae::DenseLayout>(read.document.modules.front()).folder == "document_2_Dense");
    BOOST_TEST(read.document.prompts.at("query") == "query: ");
    BOOST_TEST(folder.folders()[1].weights.front() == folder.path() / "document_2_Dense");
    BOOST_TEST(folder.folders()[0].weights.empty());
}

BOOST_AUTO_TEST_CASE(modules_behind_the_router_belong_to_both) {
    Folder const folder;
    auto router = folder.router();
    for (char const* const route : {"query", "document"}) {
        auto& list = router["structure"][route];
        list.erase(list.size() - 1);   // Normalize
    }
    folder.put_router(router);
    bmae::detail::Json modules =
        bmae::detail::parse_json(bmae::detail::read_file(folder.path() / "modules.json"), "modules.json");
    modules.push_back({{"idx", 1}, {"name", "1"}, {"path", "1_Normalize"}, {"type", "sentence_transformers.models.Normalize"}});
    put(folder.path() / "modules.json", modules.dump());
    RouterLayout const read = bmae::read_sentence_router(folder.path());
    BOOST_TEST(read.query.unit_length());
    BOOST_TEST(read.document.unit_length());
}

BOOST_AUTO_TEST_CASE(asym_of_earlier_versions_is_read) {
    Folder const folder;
    auto router = folder.router();
    std::filesystem::rename(folder.path() / "router_config.json", folder.path() / "config.json");
    router["parameters"] = {{"allow_empty_key", true}};
    put(folder.path() / "config.json", router.dump());
    std::string modules = bmae::detail::read_file(folder.path() / "modules.json");
    modules.replace(modules.find("Router"), 6, "Asym");
    put(folder.path() / "modules.json", modules);
    BOOST_TEST(bmae::is_router_folder(folder.path()));
    BOOST_TEST(bmae::read_sentence_router(folder.path()).query.max_seq_length == 16);
}

BOOST_AUTO_TEST_CASE(what_it_does_not_obey_is_refused) {
    Folder const folder;
    auto const whole = folder.router();
    auto const with = [&](auto&& change) {
        auto router = whole;
        change(router);
        folder.put_router(router);
        return folder.refused();
    };
    BOOST_TEST(contains(with([](auto& r) { r["structure"]["image"] = r["structure"]["query"]; }), "\"image\""));
    BOOST_TEST(contains(with([](auto& r) { r["structure"].erase("query"); }), "\"query\""));
    BOOST_TEST(
        contains(with([](auto& r) { r["parameters"]["route_mappings"] = {{"('query', None)", "document"}}; }), "route_mappings"));
    BOOST_TEST(contains(with([](auto& r) { r["parameters"]["temperature"] = 2; }), "temperature"));
    BOOST_TEST(contains(with([](auto& r) { r["structure"]["query"][0] = "../query"; }), "inside the folder"));
    BOOST_TEST(contains(with([](auto& r) { r["types"]["query_1_Pooling"] = "sentence_transformers.models.WordWeights"; }),
                        "WordWeights"));
    BOOST_TEST(contains(with([](auto& r) { r["structure"]["query"].erase(2); }), "Normalize"));   // of documents alone
    folder.put_router(whole);
    BOOST_TEST(bmae::read_sentence_router(folder.path()).query.width == 8);
    BOOST_TEST(!bmae::is_router_folder(folder.path() / "query_0_Transformer"));
}

BOOST_AUTO_TEST_SUITE_END()
