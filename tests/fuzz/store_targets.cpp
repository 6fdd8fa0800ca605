// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Stores of tokens and of pairs.
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/sources/crop.hpp>
#include <bmae/sources/sentence_pair.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>

#include "../blank_tokenizer.hpp"
#include "stores.hpp"
#include "targets.hpp"

namespace fuzz {

namespace {

Files const& token_store_files() {
    static Files const files = [] {
        bmae::TokenStoreOptions options{.passages = {.max_length = 6}};
        options.fields = {"summary"};
        test::BlankTokenizer const tokenizer(64);
        bmae::TokenStoreBuilder builder(scratch() / "tokens-seed", tokenizer, std::move(options));
        builder.add({.id = "first",
                     .title = "One",
                     .text = "a b c\nd e\nf g h i",
                     .queries = {"q r", "s"},
                     .continuation = "t u",
                     .fields = {"y z"}});
        builder.add({.id = "second", .text = "k l m n o p\nq"});
        builder.finish();
        return files_of(scratch() / "tokens-seed");
    }();
    return files;
}

Files const& pair_store_files() {
    static Files const files = [] {
        test::BlankTokenizer const tokenizer(64);
        bmae::PairStoreWriter writer(scratch() / "pairs-seed", tokenizer);
        std::vector<bmae::TokenId> const a{5, 6}, b{7}, c{8, 9, 10};
        auto const first = writer.add_text("a", a), second = writer.add_text("b", b), third = writer.add_text("c", c);
        writer.add({.id = "q1",
                    .tokens = {11, 12},
                    .positives = {first},
                    .negatives = {second, third},
                    .positive_scores = {1.5F},
                    .negative_scores = {.5F, .25F}});
        writer.add({.id = "q2", .tokens = {13}, .positives = {third}, .negatives = {}});
        writer.finish();
        return files_of(scratch() / "pairs-seed");
    }();
    return files;
}

/// All that training reads of a store that was opened.
void use(bmae::TokenStore const& store) {
    for (std::size_t i = 0; i < store.size(); ++i) {
        bmae::Example const example = store.example(i, 8);
        bmae::Draw draw({.example = i}), shared({.example = i, .slot = 1});
        static_cast<void>(bmae::SentenceCrop().read(example, store.traits(), draw));
        static_cast<void>(bmae::RandomCrop().read(example, store.traits(), draw));
        static_cast<void>(bmae::FirstSentence().read(example, store.traits(), draw, shared));
        static_cast<void>(bmae::OtherSentence().read(example, store.traits(), draw, shared));
    }
    for (std::size_t d = 0; d < store.documents(); ++d) {
        static_cast<void>(store.document_id(d).size() + store.title(d).size());
    }
}

void use(bmae::PairStore const& store) {
    for (std::size_t i = 0; i < store.size(); ++i) {
        static_cast<void>(store.example(i).query.size() + store.query_id(i).size());
    }
}

/// As training opens it, then with all checks. What the checks let pass must be sound: a source that refuses it afterwards is a fault.
template <class Store>
void open(std::filesystem::path const& folder) {
    std::exception_ptr first;
    try {
        use(Store::open(folder));
    } catch (bmae::Error const&) { first = std::current_exception(); }
    Store const checked = Store::open(folder, bmae::Verify::full);
    try {
        use(checked);
    } catch (bmae::Error const& error) { throw std::logic_error(std::string("full verification let pass: ") + error.what()); }
    if (first) { throw std::logic_error("a quick look refused what full verification let pass"); }
}

void read_token_store(std::string_view input) { open<bmae::TokenStore>(write_store("tokens", token_store_files(), input)); }
void read_token_manifest(std::string_view input) {
    open<bmae::TokenStore>(write_manifest("tokens-manifest", token_store_files(), input));
}
void read_pair_store(std::string_view input) { open<bmae::PairStore>(write_store("pairs", pair_store_files(), input)); }
void read_pair_manifest(std::string_view input) {
    open<bmae::PairStore>(write_manifest("pairs-manifest", pair_store_files(), input));
}

}  // namespace

std::vector<Target> store_targets() {
    return {
        {"token_store", read_token_store, seeds_of(token_store_files())},
        {"token_store_manifest", read_token_manifest, {token_store_files().at("manifest.json")}},
        {"pair_store", read_pair_store, seeds_of(pair_store_files())},
        {"pair_store_manifest", read_pair_manifest, {pair_store_files().at("manifest.json")}},
    };
}

}  // namespace fuzz
