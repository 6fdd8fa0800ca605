// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A run measured from its file equals the run measured in memory, and is refused with the same words.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/text_file.hpp>
#include <bmae/evaluation/file_evaluator.hpp>
#include <bmae/retrieval/run_scanner.hpp>

#include "../retrieval/files.hpp"

BOOST_AUTO_TEST_SUITE(file_evaluator)

namespace {

std::vector<std::string> const measures = {"ndcg@10,map,mrr@10,bpref,infap,judged@10"};

/// Both ways give one report.
void compare(bmae::Qrels const& qrels, std::filesystem::path const& path, bmae::RunFileOptions const& file = {}) {
    for (bmae::Profile profile : bmae::profiles::all) {
        bmae::EvaluateOptions const options{.profile = profile, .missing = bmae::MissingQuery::zero};
        auto const whole = bmae::evaluate(qrels, bmae::read_run(path, file), measures, options);
        auto const streamed = bmae::evaluate_file(qrels, path, measures, options, file);
        BOOST_TEST(whole.values == streamed.values);
        BOOST_TEST(whole.means == streamed.means);
        BOOST_TEST(whole.queries == streamed.queries);
        BOOST_TEST(whole.summary() == streamed.summary());
        BOOST_TEST(whole.trec_text() == streamed.trec_text());
    }
}

bmae::Qrels some_qrels() {
    bmae::Qrels qrels;
    qrels.add("q1", "a", 1);
    qrels.add("q1", "c", 2);
    qrels.add("q1", "z", -2);
    qrels.add("q2", "b", 1);
    qrels.add("q3", "b", 1);
    return qrels;
}

std::string const plain = "q1 Q0 a 1 2.5 t\nq1 Q0 q1 2 2.5 t\nq1\tQ0  c 3 1e-3 t\nq2 Q0 b 1 .5 t\nx Q0 b 1 -1 t\n";

bool scans(std::string const& text, bmae::RunFileOptions const& file = {}) {
    return bmae::detail::RunScanner(file).scan(text, [](std::string_view, bmae::detail::ScannedHits const&) {});
}

}  // namespace

BOOST_AUTO_TEST_CASE(plain_packed_and_scattered_files_give_the_report_of_the_run_in_memory) {
    test::Folder folder;
    auto const qrels = some_qrels();
    BOOST_TEST(scans(plain));
    compare(qrels, folder.file("plain", plain));
    compare(qrels, folder.file("open_end", plain.substr(0, plain.size() - 1)));
    compare(qrels, folder.file("marked", "\xef\xbb\xbf" + plain));
    compare(qrels, folder.file("scattered", plain + "q1 Q0 d 1 9 t\n"));
    compare(qrels, folder.file("unusual", plain + "q3 Q0 d 1 +9 t\nq3 Q0 e 1 1e-400 t\n"));
    compare(qrels, folder.file("other_scripts", plain + "q3 Q0 \u00e9\u4e2d 1 9 t\n"));
    BOOST_TEST(!scans(plain + "q3 Q0 \xe9 1 9 t\n"));             // the careful reader decides about what is not UTF-8
    BOOST_TEST(!scans(plain + "q3 Q0 d first 9 t\n"));            // about a rank that is no number
    BOOST_TEST(!scans(plain + "q3 Q0 d 1 9 t of two words\n"));   // and about further columns
    std::string windows;
    for (char const c : plain) { windows += c == '\n' ? "\r\n" : std::string(1, c); }
    BOOST_TEST(scans(windows));
    compare(qrels, folder.file("windows", windows));
    compare(qrels, folder.file("comments", "# made by hand\n" + plain), {.comments = true});
    compare(qrels, folder.file("ranks", "q1\ta\t1\nq1\tc\t2\nq2\tb\t1\n"), {.format = bmae::RunFormat::msmarco});
    compare(qrels, folder.file("scores", "q1 a 1.5\nq1 c 1.5\nq2 b 0\n"), {.format = bmae::RunFormat::tevatron});
    bmae::detail::TextFile packed(folder.path("packed.gz"));
    packed.write(plain);
    packed.commit();
    compare(qrels, folder.path("packed.gz"));
}

BOOST_AUTO_TEST_CASE(real_runs_by_any_number_of_threads) {
    auto const folder = test::data("trec_covid_round1");
    if (folder.empty()) { return; }
    auto const qrels = bmae::read_qrels(folder / "qrels.covid-round1.txt");
    test::Folder scratch;
    for (auto const& entry : std::filesystem::directory_iterator(folder / "runs")) {
        compare(qrels, entry.path());
        auto const plain_file = scratch.path("run");
        bmae::write_run(bmae::read_run(entry.path()), plain_file, {.replace = true});
        compare(qrels, plain_file);
        auto const one = bmae::evaluate_file(qrels, plain_file, measures, {.threads = 1});
        BOOST_TEST(one.values == bmae::evaluate_file(qrels, plain_file, measures, {.threads = 3}).values);
    }
}

BOOST_AUTO_TEST_CASE(short_decimals_are_the_doubles_of_from_chars) {
    std::uint64_t state = 1;
    for (int i = 0; i < 20000; ++i) {
        state = bmae::detail::mix64(state);
        std::string text = std::to_string(state % 1'000'000'000'000'000ULL).substr(0, 1 + state % 15);
        text.insert((state >> 32) % (text.size() + 1), ".");
        if (i % 3 == 0) { text.insert(0, "-"); }
        double value = 0;
        if (bmae::detail::parse_short_decimal(text, value)) { BOOST_TEST(value == *bmae::detail::parse_score(text), text); }
    }
    for (std::string_view const text : {"", "-", ".", "1e3", "+1", "1.2.3", "0x1", "1234567890123456", "nan", "-0", "1 "}) {
        double value = 0;
        BOOST_TEST(!bmae::detail::parse_short_decimal(text, value), text);
    }
}

BOOST_AUTO_TEST_CASE(blocks_end_with_the_lines_of_a_query) {
    std::string text;
    for (int q = 0; q < 50; ++q) {
        for (int i = 0; i <= q; ++i) { text += "q" + std::to_string(q) + " Q0 d" + std::to_string(i) + " 1 1 t\n"; }
    }
    for (std::size_t const size : {1U, 20U, 300U, 5000U, 1000000U}) {
        auto const begins = bmae::detail::blocks_of_queries(text, 0, size);
        BOOST_TEST(begins.back() == text.size());
        for (std::size_t i = 1; i + 1 < begins.size(); ++i) {
            auto const query = [&](std::size_t at) { return text.substr(at, text.find(' ', at) - at); };
            BOOST_TEST(text[begins[i] - 1] == '\n');
            BOOST_TEST(query(begins[i]) != query(text.rfind('\n', begins[i] - 2) + 1));
        }
    }
}

BOOST_AUTO_TEST_CASE(malformed_files_are_refused_as_by_the_reader) {
    test::Folder folder;
    auto const qrels = some_qrels();
    std::string const good = "q1 Q0 a 1 2.5 t\n";
    for (std::string const& bad :
         {std::string(), std::string("\n"), good + "\n", good + "q1 Q0 b 2 nan t\n", good + "q1 Q0 b 2 inf t\n",
          good + "q1 Q0 b 2 1e39 t\n", good + "q1 Q0 b 2 2.5\n", good + good, good + "q2 Q0 a 1 1 t\n" + good,
          good + "q1 Q0 b 2 2,5 t\n", good + "q1 Q0 b 2 0x1 t\n", good + std::string("q1 Q0 b\0 2 1 t\n", 15),
          "# comment\n" + good, good + "q1 Q0 b 2 1\rt x\n"}) {
        auto const path = folder.file("bad", bad);
        std::string const expected = test::refusal([&] { bmae::read_run(path); });
        std::string const found = test::refusal([&] { bmae::evaluate_file(qrels, path, measures); });
        BOOST_TEST(expected == found, bad);
    }
    BOOST_TEST(test::contains(test::refusal([&] { bmae::evaluate_file(qrels, folder.path("absent"), measures); }), "absent"));
    BOOST_TEST(test::contains(
        test::refusal([&] { bmae::evaluate_file(qrels, folder.file("other", "x Q0 a 1 1 t\n"), measures); }), "same queries"));
}

BOOST_AUTO_TEST_SUITE_END()
