// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Indexes and searches for bm25_parity.py and benchmarks/bm25.py: TEXTS QUERIES K RUN words|default|stemmed|language:CODE K1 B
// [THREADS [REPEATS]]. TEXTS and QUERIES hold lines `id <tab> text`; times go to stdout. With language:CODE the terms of each text and query
// are written to RUN.terms.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/retrieval/analyzer_settings.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/run_file.hpp>

namespace {

struct Lines {
    std::vector<std::string> ids, texts;
};

Lines read(char const* path) {
    Lines result;
    bmae::detail::LineReader lines(path);
    for (std::string_view line; lines.next(line);) {
        std::size_t const tab = line.find('\t');
        result.ids.emplace_back(line.substr(0, tab));
        result.texts.emplace_back(line.substr(tab + 1));
    }
    return result;
}

/// One line per text, then one per query.
void write_terms(bmae::Analyzer const& analyzer, Lines const& texts, Lines const& queries, std::string const& path) {
    std::ofstream file(path);
    for (Lines const* const lines : {&texts, &queries}) {
        for (std::string const& text : lines->texts) {
            for (std::string const& term : analyzer(text)) { file << term << ' '; }
            file << '\n';
        }
    }
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

int main(int count, char** arguments) {
    if (count < 8) { return 2; }
    try {
        Lines const texts = read(arguments[1]);
        Lines const queries = read(arguments[2]);
        auto const k = static_cast<std::size_t>(std::atoll(arguments[3]));
        std::string const mode = arguments[5];
        bmae::Bm25Options options{.k1 = std::atof(arguments[6]), .b = std::atof(arguments[7])};
        if (mode == "words") { options.analyzer.stop_words = bmae::StopWords::none; }
        if (mode == "stemmed") { options.analyzer.stemming = bmae::Stemming::english; }
        if (mode.starts_with("language:")) {
            options.analyzer = bmae::analyzer_for_language(mode.substr(mode.find(':') + 1));
            write_terms(bmae::Analyzer(options.analyzer), texts, queries, std::string(arguments[4]) + ".terms");
        }
        if (count > 8) { options.threads = static_cast<unsigned>(std::atoi(arguments[8])); }
        int const repeats = count > 9 ? std::atoi(arguments[9]) : 1;
        double const start = seconds();
        bmae::Bm25Index const index(texts.texts, texts.ids, options);
        double const built = seconds();
        bmae::Run run;
        for (int i = 0; i < repeats; ++i) { run = index.search(queries.texts, k, queries.ids); }
        double const done = seconds();
        bmae::write_run(run, arguments[4], {.replace = true});
        std::printf("index_docs_per_s %.0f\nsearch_queries_per_s %.0f\nterms %zu\n",
                    static_cast<double>(texts.ids.size()) / (built - start),
                    static_cast<double>(queries.ids.size()) * repeats / (done - built), index.term_count());
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
