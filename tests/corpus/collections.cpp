// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The formats of classic collections, and the recognition of formats.
#include <bmae/corpus/recognize.hpp>
#include <bmae/corpus/smart.hpp>
#include <bmae/corpus/trec_sgml.hpp>

#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <corpus/scratch.hpp>
#include <corpus/summary.hpp>

namespace {

using bmae::ClassicLayout;
using bmae::ClassicReader;
using bmae::CorpusFormat;
using bmae::InputError;
using bmae::TrecSgmlReader;
using test::check_summary;
using test::says;
using test::skipping;
using test::summary;

}  // namespace

BOOST_AUTO_TEST_SUITE(smart)

BOOST_AUTO_TEST_CASE(sections_become_title_and_text) {
    test::Scratch const scratch;
    auto const file = scratch.file("small.all",
                                   ".I 1\n.T\nOn sorting\n by hand\n.B\nJournal, 1958\n.A\nDoe, J.\n.X\n1\t5\t1\n"
                                   ".I 02\n.T\na wing .\n.W\na wing .\n  the text   \nof two lines .\n\n"
                                   ".I 3\n.W\nno title; .5 of a line\n.5 is no section\n"
                                   ".I 4\n.T\n");
    check_summary(ClassicReader(file), {"1|On sorting by hand|", "2|a wing .|the text of two lines .",
                                        "3||no title; .5 of a line .5 is no section", "4||"});
    auto const more = scratch.file("more.all", ".I 5\n.W\nin another file\n");
    std::vector<std::filesystem::path> const both{more, file};
    BOOST_TEST(summary(ClassicReader(both)).size() == 5U);
    bmae::Record record;
    ClassicReader reader(file);
    BOOST_TEST(reader.next(record));
    BOOST_TEST(reader.next(record));
    BOOST_TEST(record.line == 11U);
}

BOOST_AUTO_TEST_CASE(malformed_files_are_named) {
    test::Scratch const scratch;
    auto const all = [](auto const& file, ClassicLayout layout = ClassicLayout::smart) {
        ClassicReader reader(file, layout);
        for (bmae::Record record; reader.next(record);) {}
    };
    auto const stray = scratch.file("stray", "words\n.I 1\n.W\ntext\n");
    BOOST_CHECK_EXCEPTION(all(stray), InputError, says("stray:1", ".I and a number", "'words'"));
    check_summary(ClassicReader(stray, ClassicLayout::smart, skipping), {"1||text", "skipped 1"});
    auto const unnamed = scratch.file("unnamed", ".I 1\n.W\na\n.I\n.W\nb\n.I 3\n.W\nc\n");
    BOOST_CHECK_EXCEPTION(all(unnamed), InputError, says("unnamed:4", "a number after .I"));
    BOOST_CHECK_EXCEPTION(all(scratch.file("twice", ".I 1\n.I 1\n")), InputError, says("twice:2", "every id once"));
    auto const cut = scratch.file("cut", "Document 1\nTITLE\n\nTEXT\n");
    BOOST_CHECK_EXCEPTION(all(cut, ClassicLayout::lisa_documents), InputError, says("a row of asterisks", "the end of the file"));
}

BOOST_AUTO_TEST_CASE(lisa_has_its_own) {
    test::Scratch const scratch;
    std::string const row(44, '*');
    auto const documents = scratch.file("LISA0.001", "Document    1\nA LIBRARY\nOF TWO LINES.\n\nIT LENDS\nBOOKS.\n" + row +
                                                         "\nDocument   12\nNO TEXT.\n\n" + row + '\n');
    check_summary(ClassicReader(documents, ClassicLayout::lisa_documents),
                  {"1|A LIBRARY OF TWO LINES.|IT LENDS BOOKS.", "12|NO TEXT.|"});
    auto const queries = scratch.file("LISA.QUE", "1\nI WANT\nBOOKS. #\n2\nOR 3\nJOURNALS #\n");
    check_summary(ClassicReader(queries, ClassicLayout::lisa_queries), {"1||I WANT BOOKS.", "2||OR 3 JOURNALS"});
}

BOOST_AUTO_TEST_CASE(real_collections_have_their_counts) {
    struct Collection {
        char const* folder;
        std::vector<std::string> files;
        std::size_t records;
        ClassicLayout layout = ClassicLayout::smart;
    };
    for (auto const& [folder, files, records, layout] :
         {Collection{"cacm", {"cacm.all"}, 3204}, Collection{"medline", {"MED.ALL"}, 1033},
          Collection{"cranfield", {"cran.all.1400"}, 1400}, Collection{"adi", {"ADI.ALL"}, 82},
          Collection{"lisa", {"LISA0.001", "LISA5.501", "LISA5.627", "LISA5.850"}, 1004, ClassicLayout::lisa_documents},
          Collection{"lisa", {"LISA.QUE"}, 35, ClassicLayout::lisa_queries}}) {
        auto const place = test::data_folder(folder);
        if (place.empty()) { continue; }
        std::vector<std::filesystem::path> paths;
        for (std::string const& file : files) { paths.push_back(place / file); }
        ClassicReader reader(std::span<std::filesystem::path const>(paths), layout);
        BOOST_TEST_CONTEXT(folder) { BOOST_TEST(read_all(reader).size() == records); }
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(trec_sgml)

BOOST_AUTO_TEST_CASE(elements_become_title_and_text) {
    test::Scratch const scratch;
    auto const file =
        scratch.file("ft911",
                     "<DOC>\n<DOCNO> FT911-1 </DOCNO>\n<HEADLINE>\nFT 1 / Ships &amp;\nshoes\n</HEADLINE>\n<TEXT>\n"
                     "<P>\nOne  line\nand the next.\n</P>\n<P>\nAnother: 1 < 2 &lt; 3 <F P=1>marked</F>.\n</P>\n</TEXT>\n"
                     "<PUB>Not read</PUB>\n</DOC>\n\n"
                     "<doc><docno>b</docno><text>small letters</text><text>twice</text></doc>\n"
                     "<DOC>\n<DOCNO>WT1</DOCNO>\n<DOCHDR>\nhttp://x\n</DOCHDR>\n<title>A page</title>\nall of it\n</DOC>\n"
                     "<DOC>\n<DOCNO>empty</DOCNO>\n</DOC>\n");
    check_summary(TrecSgmlReader(file), {"FT911-1|FT 1 / Ships & shoes|One  line and the next.\nAnother: 1 < 2 < 3 marked.",
                                         "b||small letters\ntwice", "WT1|A page|all of it", "empty||"});
}

BOOST_AUTO_TEST_CASE(malformed_files_are_named) {
    test::Scratch const scratch;
    auto const all = [](auto const& file) {
        TrecSgmlReader reader(file);
        for (bmae::Record record; reader.next(record);) {}
    };
    auto const nameless =
        scratch.file("nameless", "<DOC>\n<TEXT>x</TEXT>\n</DOC>\n<DOC>\n<DOCNO>2</DOCNO>\n<TEXT>y</TEXT></DOC>\n");
    BOOST_CHECK_EXCEPTION(all(nameless), InputError, says("nameless:3", "<DOCNO>", "line 1"));
    check_summary(TrecSgmlReader(nameless, skipping), {"2||y", "skipped 1"});
    BOOST_CHECK_EXCEPTION(all(scratch.file("open", "<DOC>\n<DOCNO>1</DOCNO>\n")), InputError,
                          says("</DOC>", "the end of the file"));
    BOOST_CHECK_EXCEPTION(all(scratch.file("prose", "words\n")), InputError, says("prose:1", "<DOC>", "'words'"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(recognize)

BOOST_AUTO_TEST_CASE(by_content_and_not_by_name) {
    test::Scratch const scratch;
    struct Case {
        std::string content;
        CorpusFormat expected;
    };
    int number = 0;
    for (auto const& [content, expected] :
         {Case{R"({"_id": "1", "text": "x"})", {"jsonl", ""}},
          Case{R"({"gold_label": "-", "sentence1": "a", "sentence2": "b"})", {"nli", ""}},
          Case{R"({"text": [1, 2]})", {"master", ""}}, Case{"sent0,sent1,hard_neg\n", {"nli", ""}},
          Case{"\n.I 1\n.T\nx\n", {"smart", ""}}, Case{"Document    1\nX\n", {"lisa", ""}},
          Case{"<DOC>\n<DOCNO>1</DOCNO>", {"trec", ""}}, Case{"<doc id=\"1\" title=\"x\">\n", {"text", "doc-tags"}},
          Case{" = Title = \n", {"text", "headings"}}, Case{"1\ta text\n2\tb\n", {"msmarco", "id-text"}},
          Case{"1\ttitle\ttext\n", {"msmarco", "id-title-text"}}, Case{"prose, and\tmore\n", {"text", ""}},
          Case{"{not JSON\n", {"text", ""}}, Case{"", {"text", ""}}, Case{"1\ta\n2\tb\tc\n", {"text", ""}}}) {
        std::string const name = "file" + std::to_string(number++);
        BOOST_TEST_CONTEXT(content) {
            BOOST_TEST((bmae::recognize_format(scratch.file(name, content)) == expected));
            BOOST_TEST((bmae::recognize_format(scratch.file(name + ".gz", content)) == expected));
        }
    }
    for (auto const& [content, foreign] : {std::pair{"[{\"question\": \"q\"}]", "a JSON array"},
                                           {"[\n  {\n", "a JSON array"},
                                           {"q Q0 d 1 2.5 t\n", "a run"},
                                           {"query-id\tcorpus-id\tscore\nq\td\t1\n", "judgments"},
                                           {"1\t0\t7\t1\n", "judgments or rows of ids"},
                                           {"1\t2\t3\n4\t5\t6\n", "judgments or rows of ids"},
                                           {"anchor,positive\na,b\n", "a table of queries"},
                                           {"query\tpositive\tnegative\na\tb\tc\n", "a table of queries"},
                                           {"a text\tb\n another text\tc\n", "a table of queries"}}) {
        std::string const found = bmae::recognize_format(scratch.file("foreign" + std::to_string(number++), content)).foreign;
        BOOST_TEST(found.starts_with(foreign), content << ": " << found);
    }
    for (std::string const corpus :
         {"1\t1984\n2\tnumbers and words\n", "[brackets] in prose\n", "one\ttab\nno tab\n", "query, he said\n"}) {
        BOOST_TEST(bmae::recognize_format(scratch.file("corpus" + std::to_string(number++), corpus)).foreign == "", corpus);
    }
    scratch.file("beir/corpus.jsonl", "{}");
    BOOST_TEST(bmae::recognize_format(scratch / "beir").format == "beir");
    scratch.file("folder/a", ".I 1\n");
    BOOST_TEST(bmae::recognize_format(scratch / "folder").format == "smart");
    BOOST_CHECK_THROW(bmae::recognize_format(scratch / "nothing"), InputError);
}

BOOST_AUTO_TEST_SUITE_END()
