// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// From articles as they are distributed to a token store: what the parts do together.
#include <bmae/corpus/plain_text.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(prepare_articles)

namespace {

namespace fs = std::filesystem;

/// Words at blanks; the id is a hash of the word.
class BlankTokenizer {
public:
    [[nodiscard]] std::vector<bmae::TokenId> encode(std::string_view text) const {
        std::vector<bmae::TokenId> ids;
        while (!text.empty()) {
            std::size_t const stop = std::min(text.find(' '), text.size());
            if (stop != 0) { ids.push_back(static_cast<bmae::TokenId>(5 + bmae::detail::xxh64(text.substr(0, stop)) % 29'995)); }
            text.remove_prefix(std::min(stop + 1, text.size()));
        }
        return ids;
    }
    [[nodiscard]] bmae::TokenTraits const& traits() const { return traits_; }
    [[nodiscard]] std::string_view token(bmae::TokenId) const { return "word"; }

private:
    bmae::TokenTraits traits_{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(30'000, 0)};
};

bmae::TokenStoreStatistics prepare(std::vector<fs::path> const& files, fs::path const& folder, unsigned threads) {
    BlankTokenizer const tokenizer;
    bmae::PlainTextReader reader(files, bmae::TextLayout::doc_tags);
    bmae::TokenStoreBuilder builder(folder, tokenizer, {.threads = threads});
    for (bmae::Record record; reader.next(record);) { builder.add(to_document(std::move(record))); }
    return builder.finish();
}

}  // namespace

// BMAE_FULL=1 takes all 2453 articles instead of one file of them.
BOOST_AUTO_TEST_CASE(articles_become_a_store) {
    fs::path const data = test::data_folder("wiki_featured");
    if (data.empty()) { return; }
    bool const all = std::getenv("BMAE_FULL") != nullptr;
    std::vector<fs::path> files;
    for (auto const& entry : fs::directory_iterator(data)) {
        if (entry.path().extension() == ".gz" && (all || entry.path().filename() == "wiki_00.gz")) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    test::Scratch const scratch;
    auto const counts = prepare(files, scratch / "1", 1);
    BOOST_TEST((prepare(files, scratch / "2", 2) == counts));
    for (auto const& entry : fs::directory_iterator(scratch / "1")) {
        bmae::detail::FileMap const one(entry.path());
        bmae::detail::FileMap const two(scratch / "2" / entry.path().filename());
        BOOST_TEST((one.text() == two.text()));
    }
    auto const store = bmae::TokenStore::open(scratch / "1", bmae::Verify::full);
    std::uint64_t tokens = 0;
    for (std::size_t i = 0; i < store.size(); ++i) {
        bmae::Example const example = store.example(i, 510);
        BOOST_REQUIRE((example.passage.size() >= 1 && example.passage.size() == store.passage_length(i)));
        tokens += example.passage.size();
    }
    BOOST_TEST(tokens == counts.tokens);
    if (all) { BOOST_TEST(counts.documents == 2453U); }
    BOOST_TEST_MESSAGE(counts.documents << " documents, " << counts.passages << " passages, " << counts.tokens << " tokens");
}

BOOST_AUTO_TEST_SUITE_END()
