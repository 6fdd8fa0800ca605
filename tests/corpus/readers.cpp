// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/plain_text.hpp>
#include <bmae/corpus/tsv.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <corpus/scratch.hpp>
#include <corpus/summary.hpp>

namespace {

namespace fs = std::filesystem;
using bmae::InputError;
using bmae::TextLayout;
using test::check_summary;
using test::says;
using test::skipping;
using test::Summary;
using test::summary;

}  // namespace

BOOST_AUTO_TEST_SUITE(jsonl)

BOOST_AUTO_TEST_CASE(the_relatives_of_one_format) {
    test::Scratch const scratch;
    auto const file = scratch.file("a.jsonl",
                                   "\xef\xbb\xbf"
                                   R"({"_id": "1", "title": "T", "text": "x\ny"})"
                                   "\r\n"
                                   R"({"id": 2, "title": null, "contents": "caf\u00e9 \ud83d\ude00", "metadata": {}})"
                                   "\n"
                                   "\n"
                                   R"({"docid": "a b", "document_text": ""})"
                                   "\n"
                                   R"({"query_id": "q", "query": "w", "queries": ["u", "v"], "continuation": "then"})"
                                   "\n"
                                   R"({"text": "no id"})");
    check_summary(bmae::JsonlReader(file), {"1|T|x\ny", "2||caf\xc3\xa9 \xf0\x9f\x98\x80", "a b||", "q||w", "a.jsonl:6||no id"});
    bmae::JsonlReader reader(file);
    bmae::Records const records = read_all(reader);
    BOOST_TEST(records[3].queries == (std::vector<std::string>{"u", "v"}), boost::test_tools::per_element());
    BOOST_TEST(records[3].continuation == "then");
    BOOST_TEST(records[3].line == 5U);
    BOOST_TEST(*records[3].file == file);
    BOOST_TEST(records.find("2").value() == 1U);
    BOOST_TEST(!records.find("3"));
    BOOST_TEST(reader.report().warnings == 1U);   // the id with a blank
    BOOST_TEST(reader.report().messages.front().find("a.jsonl:4") != std::string::npos);
    check_summary(bmae::JsonlReader(scratch.file("b.jsonl.gz", R"({"id":"z","text":"packed"})")), {"z||packed"});
}

BOOST_AUTO_TEST_CASE(malformed_lines) {
    test::Scratch const scratch;
    struct Case {
        std::string line;
        std::string expected;
        std::string found;
    };
    std::vector<Case> const cases{
        {"not json", "a JSON object", "byte"},
        {R"({"id": "x", "text": "cu)", "a JSON object", "not JSON"},
        {R"(["x"])", "a JSON object", "a JSON array"},
        {R"({"id": "x", "text": "a"} {"id")", "a JSON object", "not JSON"},
        {R"({"id": "x", "title": "t"})", "'text' or 'contents'", "the keys 'id, title'"},
        {"{}", "'text' or 'contents'", "no key"},
        {R"({"query": "q", "pos": ["p"]})", "a row with a text", "FlagEmbedding's training data with the keys 'pos, query'"},
        {R"({"query_id": "1", "query": "q", "positive_passages": []})", "a row with a text", "Tevatron's training data"},
        {R"({"anchor": "q", "positive": "p"})", "a row with a text", "Sentence Transformers' training data"},
        {R"({"sentence1": "q", "sentence2": "p", "label": 1})", "a row with a text", "Sentence Transformers' training data"},
        {R"({"question": "q", "positive_ctxs": []})", "a row with a text", "DPR's training data"},
        {R"({"qid": 1, "pos": [2], "neg": {}})", "a row with a text", "a dump of hard negatives"},
        {R"({"id": "x", "text": 3})", "a string as text", "number"},
        {R"({"id": "x", "text": ["a"]})", "a string as text", "array"},
        {R"({"id": "x", "text": null})", "a string as text", "null"},
        {R"({"id": 1.5, "text": "a"})", "a string or an integer", "number"},
        {R"({"id": null, "text": "a"})", "a string or an integer", "null"},
        {R"({"id": "", "text": "a"})", "an id", "an empty one"},
        {R"({"id": "x", "text": "a", "title": 1})", "a string as title", "number"},
        {R"({"id": "x", "text": "a", "queries": "b"})", "a list of strings", "string"},
        {R"({"id": "x", "text": "a", "queries": [1]})", "a list of strings", "number"},
        {R"({"id": "x", "text": "\ud800"})", "a JSON object", "not JSON"},
        {R"({"id": "good", "text": "again"})", "every id once", "first at"},
        {"{\"id\": \"x\", \"text\": \"a\xff\"}", "UTF-8", "column 23"},
        {std::string("{\"id\": \"x\", \"text\": \"\0\"}", 24), "text", "NUL"},
        {R"({"id": "x", "text": ")" + std::string(3000, 'a') + "\"}", "at most 2000 bytes", "a longer one"},
        {std::string(1500, '['), "a JSON object", "1500 levels"},
        {R"({"id": "x", "text": "a", "score": 1e999})", "a JSON object", "number overflow"},
    };
    for (Case const& c : cases) {
        fs::path const file = scratch.file("f.jsonl", R"({"id": "good", "text": "1"})"
                                                      "\n" +
                                                          c.line +
                                                          "\n"
                                                          R"({"id": "last", "text": "2"})");
        BOOST_CHECK_EXCEPTION(summary(bmae::JsonlReader(file, {.max_line_bytes = 2000})), InputError,
                              says("f.jsonl:2: expected", c.expected, c.found));
        check_summary(bmae::JsonlReader(file, {.malformed = bmae::MalformedLine::skip, .max_line_bytes = 2000}),
                      {"good||1", "last||2", "skipped 1"});
    }
}

BOOST_AUTO_TEST_CASE(ill_formed_bytes_may_be_replaced) {
    test::Scratch const scratch;
    bmae::JsonlReader reader(scratch.file("f", "{\"id\": \"x\", \"text\": \"a\xff\xe2\x82z\"}"),
                             {.invalid_utf8 = bmae::InvalidUtf8::replace});
    bmae::Record record;
    BOOST_TEST(reader.next(record));
    BOOST_TEST(record.text == "a\xef\xbf\xbd\xef\xbf\xbdz");
    BOOST_TEST(reader.report().replaced == 1U);
}

BOOST_AUTO_TEST_CASE(several_files_and_folders) {
    test::Scratch const scratch;
    scratch.file("in/b.jsonl", R"({"id": "b", "text": "2"})");
    scratch.file("in/a.jsonl", R"({"id": "a", "text": "1"})");
    scratch.file("in/sub/c.jsonl.gz", R"({"id": "c", "text": "3"})");
    scratch.file("in/.hidden", "x");
    scratch.file("in/.git/x", "x");
    scratch.file("in/empty", "");
    check_summary(bmae::JsonlReader(scratch / "in"), {"a||1", "b||2", "c||3"});
    scratch.file("again.jsonl", R"({"id": "b", "text": "4"})");
    std::vector<fs::path> const inputs{scratch / "in", scratch / "again.jsonl"};
    BOOST_CHECK_EXCEPTION(summary(bmae::JsonlReader(inputs)), InputError, says("again.jsonl:1", "in/b.jsonl:1"));
    check_summary(bmae::JsonlReader(inputs, {.unique_ids = false}), {"a||1", "b||2", "c||3", "b||4"});
    BOOST_CHECK_EXCEPTION(bmae::JsonlReader(scratch / "nothing"), InputError, says("nothing of that name"));
    fs::create_directory(scratch / "void");
    BOOST_CHECK_EXCEPTION(bmae::JsonlReader(scratch / "void"), InputError, says("a folder with files"));
}

BOOST_AUTO_TEST_CASE(damage_is_never_skipped) {
    test::Scratch const scratch;
    std::string text;
    for (int i = 0; i < 20'000; ++i) { text += R"({"text": "line )" + std::to_string(i * i) + "\"}\n"; }
    fs::path const whole = scratch.file("a.gz", text);
    fs::resize_file(whole, fs::file_size(whole) / 2);
    BOOST_CHECK_EXCEPTION(summary(bmae::JsonlReader(whole, skipping)), InputError, says("a.gz", "truncated"));
}

BOOST_AUTO_TEST_CASE(only_the_first_messages_are_kept) {
    test::Scratch const scratch;
    std::string text;
    for (int i = 0; i < 100; ++i) { text += "bad\n"; }
    bmae::JsonlReader reader(scratch.file("f", text), skipping);
    bmae::Record record;
    BOOST_TEST(!reader.next(record));
    BOOST_TEST(reader.report().skipped == 100U);
    BOOST_TEST(reader.report().messages.size() == bmae::ReadReport::kept_messages);
}

BOOST_AUTO_TEST_CASE(texts_as_models_read_them) {
    BOOST_TEST(bmae::joined_text({.id = "1", .title = "T", .text = "x"}) == "T x");
    BOOST_TEST(bmae::joined_text({.id = "1", .title = "T", .text = ""}) == "T");
    BOOST_TEST(bmae::joined_text({.id = "1", .text = " x \n"}) == "x");
    BOOST_TEST(bmae::joined_text({.id = "1", .text = " "}).empty());
    for (bmae::Record const& record : {bmae::Record{.id = "1", .title = "Title", .text = "x\ny"},
                                       {.id = "1", .text = "x\ny"},
                                       {.id = "1", .title = "-", .text = "x"},
                                       {.id = "1", .title = "Title"}}) {
        bmae::Document const document = bmae::to_document(record);   // as search and fine-tuning read it
        BOOST_TEST(document.text == bmae::joined_text(record));
        BOOST_TEST(document.title == record.title);
    }
    BOOST_TEST(bmae::to_document({.id = "1", .title = "Title", .text = "x"}, bmae::TitleUse::name).text == "x");
    BOOST_TEST(bmae::to_document({.id = "1", .title = "Title", .text = "x"}, bmae::TitleUse::section).text == "x");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(tsv)

BOOST_AUTO_TEST_CASE(columns) {
    test::Scratch const scratch;
    auto const file = scratch.file("c.tsv", "0\t text with\ta tab \r\nD1\t\t\tz\n");
    check_summary(bmae::TsvReader(file), {"0|| text with\ta tab ", "D1||\t\tz"});
    check_summary(bmae::TsvReader(scratch.file("d.tsv", "1\tTitle\tText\n2\t\tText\tmore"), bmae::TsvColumns::id_title_text),
                  {"1|Title|Text", "2||Text\tmore"});
    check_summary(bmae::TsvReader(scratch.file("e.tsv", "D1\thttp://x\tT\tbody"), bmae::TsvColumns::id_url_title_text),
                  {"D1|T|body"});
}

BOOST_AUTO_TEST_CASE(malformed_lines) {
    test::Scratch const scratch;
    for (std::string const bad : {"no tab", "\ttext without id", "1\tagain", "\xc2\x85\ttext"}) {
        auto const file = scratch.file("c.tsv", "1\ta\n" + bad + "\n2\tb\n");
        BOOST_CHECK_EXCEPTION(summary(bmae::TsvReader(file)), InputError, says("c.tsv:2: expected"));
        check_summary(bmae::TsvReader(file, bmae::TsvColumns::id_text, skipping), {"1||a", "2||b", "skipped 1"});
    }
    check_summary(bmae::TsvReader(scratch.file("e.tsv", "1\ta\n\n2\tb\n\n")), {"1||a", "2||b"});   // as in every other format
    BOOST_CHECK_EXCEPTION(summary(bmae::TsvReader(scratch.file("d.tsv", "1\ta"), bmae::TsvColumns::id_url_title_text)),
                          InputError, says("4 columns", "2 in '1 a'"));
}

BOOST_AUTO_TEST_CASE(real_queries) {
    fs::path const folder = test::data_folder("msmarco");
    if (folder.empty()) { return; }
    bmae::TsvReader reader(folder / "topics.msmarco-passage.dev-subset.tsv");
    bmae::Records const queries = read_all(reader);
    BOOST_TEST(queries.size() == 6980U);
    BOOST_TEST(queries[queries.find("2").value()].text == " Androgen receptor define");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(plain_text)

BOOST_AUTO_TEST_CASE(layouts) {
    test::Scratch const scratch;
    auto const file = scratch.file("t.txt", "\n a b\r\nc\n\n \nd\n");
    check_summary(bmae::PlainTextReader(file, TextLayout::file), {"t.txt|| a b\nc\nd"});
    check_summary(bmae::PlainTextReader(file, TextLayout::blank_lines), {"t.txt:2|| a b\nc", "t.txt:6||d"});
    check_summary(bmae::PlainTextReader(file, TextLayout::lines), {"t.txt:2|| a b", "t.txt:3||c", "t.txt:6||d"});
    auto const wikitext = scratch.file("w.tokens", " \n = One = \n \n x \n = = Part = = \n y \n = Two = \n z \n = Void = \n");
    check_summary(bmae::PlainTextReader(wikitext, TextLayout::headings),
                  {"w.tokens:2|One| x \n = = Part = = \n y ", "w.tokens:7|Two| z "});
    for (TextLayout const layout :
         {TextLayout::file, TextLayout::blank_lines, TextLayout::lines, TextLayout::doc_tags, TextLayout::headings}) {
        check_summary(bmae::PlainTextReader(scratch.file("empty", ""), layout), {});
        check_summary(bmae::PlainTextReader(scratch.file("blank", "\n \n\n"), layout), {});
    }
    std::vector<fs::path> const several{scratch / "empty", file, scratch / "blank", wikitext};
    BOOST_TEST(summary(bmae::PlainTextReader(several, TextLayout::file)).size() == 2U);
}

BOOST_AUTO_TEST_CASE(tagged_documents) {
    test::Scratch const scratch;
    auto const file = scratch.file(
        "w",
        "<doc id=\"7\" url=\"u?a=1\" title=\"R &amp; B &quot;x&quot;\">\nR &amp; B &quot;x&quot;\n\nOne &lt;.\nTwo.\n</doc>\n"
        "\n<doc id=\"8\" title=\"Empty\">\nEmpty\n\n</doc>\n<doc id=\"9\">\nText\nR\n</doc>\n");
    check_summary(bmae::PlainTextReader(file, TextLayout::doc_tags), {"7|R & B \"x\"|One <.\nTwo.", "8|Empty|", "9||Text\nR"});
}

BOOST_AUTO_TEST_CASE(malformed_tags) {
    test::Scratch const scratch;
    struct Case {
        std::string text;
        std::string expected;
        Summary skipped;
    };
    std::string const good = "<doc id=\"2\">\nx\n</doc>\n";
    std::vector<Case> const cases{
        {"stray\n" + good, ":1: expected <doc id=", {"2||x", "skipped 1"}},
        {"</doc>\n" + good, ":1: expected <doc> before </doc>", {"2||x", "skipped 1"}},
        {"<doc id=\"1\">\ny\n" + good, ":3: expected </doc> before the next <doc>", {"2||x", "skipped 1"}},
        {"<doc title=\"1\">\ny\nz\n</doc>\n" + good, ":1: expected an attribute id", {"2||x", "skipped 1"}},
        {good + "<doc id=\"1\">\ny\n", "the end of the file within the document of line 4", {"2||x", "skipped 1"}},
        {good + good, ":4: expected every id once", {"2||x", "skipped 1"}},
        {"<doc id=\"\">\n</doc>\n" + good, ":1: expected an id", {"2||x", "skipped 1"}},
    };
    for (Case const& c : cases) {
        auto const file = scratch.file("w", c.text);
        BOOST_CHECK_EXCEPTION(summary(bmae::PlainTextReader(file, TextLayout::doc_tags)), InputError, says(c.expected));
        BOOST_TEST(summary(bmae::PlainTextReader(file, TextLayout::doc_tags, skipping)) == c.skipped,
                   boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(long_documents_are_bounded) {
    test::Scratch const scratch;
    auto const file = scratch.file("t", "short\n\n" + std::string(60, 'a') + '\n' + std::string(60, 'b') + "\nc\n\nlast\n");
    bmae::ReadOptions options{.max_document_bytes = 100};
    BOOST_CHECK_EXCEPTION(summary(bmae::PlainTextReader(file, TextLayout::blank_lines, options)), InputError,
                          says("t:4", "at most 100 bytes"));
    options.malformed = bmae::MalformedLine::skip;
    check_summary(bmae::PlainTextReader(file, TextLayout::blank_lines, options), {"t:1||short", "t:7||last", "skipped 1"});
}

BOOST_AUTO_TEST_CASE(the_counts_of_real_corpora) {
    if (fs::path const folder = test::data_folder("wiki_short"); !folder.empty()) {
        std::vector<fs::path> const files{folder / "wiki_03.gz", folder / "wiki_04.gz"};
        bmae::PlainTextReader reader(files, TextLayout::doc_tags);
        std::size_t documents = 0;
        std::size_t paragraphs = 0;
        for (bmae::Record record; reader.next(record); ++documents) {
            paragraphs +=
                static_cast<std::size_t>(std::count(record.text.begin(), record.text.end(), '\n')) + !record.text.empty();
        }
        BOOST_TEST(documents == 2991U);
        BOOST_TEST(paragraphs == 7213U);
    }
    if (fs::path const folder = test::data_folder("wikitext2"); !folder.empty()) {
        bmae::PlainTextReader reader(folder / "wiki.valid.tokens.gz", TextLayout::headings);
        BOOST_TEST(read_all(reader).size() == 60U);
    }
}

BOOST_AUTO_TEST_SUITE_END()
