// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Text to token ids: `tokenize` and `prepare`.
#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/master_rows.hpp>
#include <bmae/corpus/nli.hpp>
#include <bmae/corpus/plain_text.hpp>
#include <bmae/corpus/recognize.hpp>
#include <bmae/corpus/smart.hpp>
#include <bmae/corpus/trec_sgml.hpp>
#include <bmae/corpus/tsv.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/edge/text_coverage.hpp>
#include <bmae/maskers/word_dictionary.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/sources/title_and_body.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>
#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/text/wordpiece.hpp>

#include "collections.hpp"
#include "common.hpp"
#include "diagnose.hpp"
#include "tokenizers.hpp"

namespace bmae::program {

int tokenize(Common const& common, TokenizeOptions const& options) {
    AnyTokenizer const tokenizer = tokenizer_from(options.tokenizer, options.cased);
    auto const [before, after] = options.no_special_tokens ? WrappingTokens{} : tokenizer.wrapping();
    std::size_t const special = before.size() + after.size();
    if (options.max_length != 0 && options.max_length < special + 1) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a --max-length of at least " + std::to_string(special + 1),
                                    .found = std::to_string(options.max_length)});
    }
    std::uint64_t lines = 0;
    std::uint64_t tokens = 0;
    std::string output;
    for (std::string line; std::getline(std::cin, line);) {
        if (line.ends_with('\r')) { line.pop_back(); }
        std::vector<TokenId> ids = tokenizer.encode(line);
        if (options.max_length != 0) { ids.resize(std::min(ids.size(), options.max_length - special)); }
        ids.insert(ids.begin(), before.begin(), before.end());
        ids.insert(ids.end(), after.begin(), after.end());
        for (std::size_t i = 0; i < ids.size(); ++i) { output += (i == 0 ? "" : " ") + std::to_string(ids[i]); }
        output += '\n';
        ++lines;
        tokens += ids.size();
        if (output.size() > (1U << 16)) { print(std::exchange(output, {})); }
    }
    print_result(common, {{"command", "tokenize"}, {"lines", lines}, {"tokens", tokens}}, output);
    return done;
}

namespace {

/// A type-erased reader.
class AnyReader {
public:
    virtual ~AnyReader() = default;
    virtual bool next(Record& record) = 0;
    [[nodiscard]] virtual ReadReport const& report() const = 0;
};

template <RecordReader R>
class ReaderOf final : public AnyReader {
public:
    template <class... Arguments>
    explicit ReaderOf(Arguments&&... arguments) : reader_(std::forward<Arguments>(arguments)...) {}
    bool next(Record& record) override { return reader_.next(record); }
    [[nodiscard]] ReadReport const& report() const override { return reader_.report(); }

private:
    R reader_;
};

[[noreturn]] void refuse_name(char const* option, std::string const& known, std::string const& found) {
    throw InputError(Diagnostic{.file = {}, .expected = std::string(option) + " as one of " + known, .found = '"' + found + '"'});
}

/// A BEIR folder means its corpus.jsonl.
std::vector<Path> beir_files(std::vector<Path> const& inputs) {
    std::vector<Path> files;
    for (Path const& input : inputs) {
        if (!std::filesystem::is_directory(input)) {
            files.push_back(input);
            continue;
        }
        bool const packed =
            !std::filesystem::exists(input / "corpus.jsonl") && std::filesystem::exists(input / "corpus.jsonl.gz");
        files.push_back(input / (packed ? "corpus.jsonl.gz" : "corpus.jsonl"));
    }
    return files;
}

ReadOptions reading_of(PrepareOptions const& options) { return reading_by(options.skip_malformed); }

std::unique_ptr<AnyReader> open_reader(PrepareOptions const& options) {
    ReadOptions const reading = reading_of(options);
    if (options.format == "text") {
        std::string const layout = options.layout.empty() ? "blank-lines" : options.layout;
        for (auto const& [name, value] : {std::pair{"file", TextLayout::file}, std::pair{"blank-lines", TextLayout::blank_lines},
                                          std::pair{"lines", TextLayout::lines}, std::pair{"doc-tags", TextLayout::doc_tags},
                                          std::pair{"headings", TextLayout::headings}}) {
            if (layout == name) { return std::make_unique<ReaderOf<PlainTextReader>>(options.inputs, value, reading); }
        }
        refuse_name("--layout of text", "file, blank-lines, lines, doc-tags, headings", layout);
    }
    if (options.format == "msmarco") {
        std::string const layout = options.layout.empty() ? "id-text" : options.layout;
        for (auto const& [name, value] :
             {std::pair{"id-text", TsvColumns::id_text}, std::pair{"id-title-text", TsvColumns::id_title_text},
              std::pair{"id-url-title-text", TsvColumns::id_url_title_text}}) {
            if (layout == name) { return std::make_unique<ReaderOf<TsvReader>>(options.inputs, value, reading); }
        }
        refuse_name("--layout of msmarco", "id-text, id-title-text, id-url-title-text", layout);
    }
    if (options.format == "beir") {
        return std::make_unique<ReaderOf<JsonlReader>>(beir_files(options.inputs), reading, options.fields);
    }
    if (options.format == "nli") { return std::make_unique<ReaderOf<NliReader>>(options.inputs, reading); }
    if (options.format == "jsonl") { return std::make_unique<ReaderOf<JsonlReader>>(options.inputs, reading, options.fields); }
    if (options.format == "smart" || options.format == "lisa") {
        ClassicLayout const layout = options.format == "smart" ? ClassicLayout::smart : ClassicLayout::lisa_documents;
        return std::make_unique<ReaderOf<ClassicReader>>(options.inputs, layout, reading);
    }
    if (options.format == "trec") { return std::make_unique<ReaderOf<TrecSgmlReader>>(options.inputs, reading); }
    if (options.format == "master") {
        throw InputError(Diagnostic{.file = options.inputs.front().string(),
                                    .expected = "texts",
                                    .found = "rows of token ids, as MASTER's code writes them",
                                    .hint = "`bmae prepare --format master` reads them."});
    }
    refuse_name("--format", "text, beir, msmarco, jsonl, nli, smart, lisa, trec, master", options.format);
}

/// The options with the format that the first input has by its content, where none is named. A named layout names its format, too.
PrepareOptions with_format(PrepareOptions options, std::string const& command = "prepare") {
    if (!options.format.empty()) { return options; }
    CorpusFormat found = recognize_format(options.inputs.front());
    if (options.layout.empty()) { require_corpus(found, options.inputs.front(), "; --format names another format"); }
    if (!options.layout.empty()) { found = {.format = options.layout.starts_with("id-") ? "msmarco" : "text"}; }
    options.format = found.format;
    if (options.layout.empty()) { options.layout = found.layout; }
    say(command + ": reading " + options.inputs.front().string() + " as --format " + options.format +
        (options.layout.empty() ? "" : " --layout " + options.layout));
    return options;
}

/// Paragraphs that are all one document were probably meant as several.
void warn_of_one_document(PrepareOptions const& options, TokenStoreStatistics const& counts) {
    bool const by_blank_lines = options.format == "text" && (options.layout.empty() || options.layout == "blank-lines");
    constexpr std::uint64_t many = 20;
    if (!by_blank_lines || counts.documents != 1 || counts.sentences < many) { return; }
    warn("all of the input is one document of " + count_text(counts.sentences) +
         " sentences, as it has no blank line; one document per line: --layout lines, per file: --layout file");
}

/// MASTER stores whole rows and draws a window in every epoch; a premise and its pair are one example.
Blocks blocks_of(PrepareOptions const& options) {
    bool const whole = options.format == "master" || options.format == "nli";
    std::string const usual(to_string(whole ? Blocks::whole_document : Blocks::whole_sentences));
    std::string const& name = options.blocks.empty() ? usual : options.blocks;
    for (Blocks const blocks : {Blocks::whole_sentences, Blocks::as_released, Blocks::whole_document}) {
        if (to_string(blocks) == name) { return blocks; }
    }
    refuse_name("--blocks", "whole_sentences, as_released, whole_document", name);
}

TitleUse titles_of(PrepareOptions const& options) {
    if (options.titles.empty()) { return TitleUse::joined; }
    for (TitleUse const use : {TitleUse::joined, TitleUse::section, TitleUse::name}) {
        if (to_string(use) == options.titles) { return use; }
    }
    refuse_name("--titles", "joined, section, name", options.titles);
}

/// The use of titles, for the report; empty where no record had one.
std::string titles_in_words(TitleUse use, std::uint64_t with_title, std::uint64_t documents) {
    if (with_title == 0) { return {}; }
    std::string const of = count_text(with_title) + " of " + count_text(documents);
    return use == TitleUse::joined    ? "titles of " + of + " documents joined to their texts"
           : use == TitleUse::section ? "titles of " + of + " documents before their texts, with [SEP] between"
                                      : "titles of " + of + " documents stored as names, not trained on";
}

/// Every text of a record.
template <class Use>
void for_each_text_of(Record const& record, Use&& use) {
    use(record.title);
    use(record.text);
    for (std::string const& query : record.queries) { use(query); }
    use(record.continuation);
    for (std::string const& field : record.fields) { use(field); }
}

AnyTokenizer make_tokenizer(PrepareOptions const& options, Cancellation const& cancellation) {
    if (options.build_vocabulary == 0) {
        AnyTokenizer tokenizer = tokenizer_from(options.tokenizer, options.cased);
        require_encoder_tokens(tokenizer, /*for_training=*/true, options.tokenizer);
        return tokenizer;
    }
    VocabularyBuilderOptions vocabulary{.vocabulary_size = options.build_vocabulary};
    vocabulary.tokenizer.normalizer.lower_case = !options.keep_case;
    VocabularyBuilder builder(vocabulary);
    auto const reader = open_reader(options);
    Progress progress("vocabulary: reading", "texts", 0);
    std::uint64_t texts = 0;
    for (Record record; reader->next(record);) {
        cancellation.check();
        for_each_text_of(record, [&](std::string const& text) { builder.add(text); });
        progress.update(++texts);
    }
    progress.finish();
    return builder.build_tokenizer();
}

/// Texts of one of the text formats.
TokenStoreStatistics build_from_texts(Common const& common, PrepareOptions const& options, PassageOptions const& passages,
                                      AnyTokenizer const& tokenizer, Cancellation const& cancellation, Progress& progress,
                                      ReadReport& report, std::uint64_t& with_title) {
    TitleUse const titles = titles_of(options);
    auto const reader = open_reader(options);
    TokenStoreBuilder builder(options.output, tokenizer,
                              {.passages = passages,
                               .query_kind = options.format == "nli" ? inference_queries : std::string_view(),
                               .fields = options.fields,
                               .threads = common.threads,
                               .progress = [&progress](TokenStoreProgress const& now) {
                                   progress.update(now.documents, count_text(now.tokens) + " tokens");
                               }});
    for (Record record; reader->next(record); record = {}) {
        cancellation.check();
        with_title += record.title.empty() ? 0 : 1;
        builder.add(to_document(std::move(record), titles));
    }
    cancellation.check();
    report = reader->report();
    return builder.finish();
}

/// MASTER's rows, which are token ids.
TokenStoreStatistics build_from_rows(PrepareOptions const& options, PassageOptions const& passages, AnyTokenizer const& tokenizer,
                                     Cancellation const& cancellation, Progress& progress, ReadReport& report) {
    MasterRowReader reader(options.inputs, tokenizer.traits(), reading_of(options));
    TokenStoreWriter writer(options.output, tokenizer, passages);
    for (MasterRow row; reader.next(row);) {
        cancellation.check();
        writer.add(to_tokenized_document(std::move(row), tokenizer.traits()));
        progress.update(writer.statistics().documents, count_text(writer.statistics().tokens) + " tokens");
    }
    cancellation.check();
    report = reader.report();
    return writer.finish();
}

/// The words of the store's documents, as MASTER's code counts them.
void write_dictionary(Common const& common, PrepareOptions const& options, AnyTokenizer const& tokenizer) {
    TokenStore const store = TokenStore::open(options.output);
    auto const text_of = [&](std::size_t document) { return store.document_tokens(document); };
    WordWeights const weights = WordWeights::count(store.documents(), text_of, store.traits(), common.threads);
    write_word_dictionary(options.write_dictionary, weights, store.documents(), text_of, tokenizer);
    say(options.write_dictionary.string() + ": " + count_text(weights.size()) + " words");
}

}  // namespace

ReadReport for_each_record(PrepareOptions const& given, std::string const& command, std::function<void(Record&&)> const& use) {
    ReadReport all;
    Cancellation const cancellation;
    for (Path const& input : given.inputs) {   // each by its own format
        PrepareOptions one = given;
        one.inputs = {input};
        one = with_format(std::move(one), command);
        auto const reader = open_reader(one);
        for (Record record; reader->next(record); record = {}) {
            cancellation.check();
            use(std::move(record));
        }
        all.add(reader->report());
    }
    return all;
}

std::uint64_t read_texts(PrepareOptions const& given, std::string const& command,
                         std::function<void(std::string const&)> const& use) {
    std::uint64_t records = 0;
    for_each_record(given, command, [&](Record&& record) {
        for_each_text_of(record, use);
        ++records;
    });
    return records;
}

int prepare(Common const& common, PrepareOptions const& given) {
    PrepareOptions const options = with_format(given);
    if (options.tokenizer.empty() == (options.build_vocabulary == 0)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "either --tokenizer or --build-vocabulary",
                                    .found = options.tokenizer.empty() ? "neither" : "both",
                                    .hint = "Name the tokenizer of the model, or make a vocabulary of N tokens from the input."});
    }
    static_cast<void>(titles_of(options));
    if (!options.fields.empty() && options.format != "jsonl" && options.format != "beir") {
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "--format jsonl or beir with --field, whose records have keys",
                       .found = "--format " + options.format,
                       .hint = "Write the texts as JSON Lines: {\"text\": ..., \"" + options.fields.front() + "\": ...}."});
    }
    bool const rows = options.format == "master";
    if (rows && options.build_vocabulary != 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--tokenizer with --format master, whose rows are ids",
                                    .found = "--build-vocabulary",
                                    .hint = "Name the tokenizer of the ids: bert-base-uncased for the released data."});
    }
    if ((rows || options.format == "nli") && (!options.titles.empty() || !options.layout.empty())) {
        throw InputError(Diagnostic{
            .file = {},
            .expected = "neither --titles nor --layout with --format " + options.format,
            .found = "one of them",
            .hint = rows ? "A row already contains its title, before the first [SEP]." : "Pairs of sentences have no titles."});
    }
    PassageOptions const passages{.max_length = options.max_length,
                                  .blocks = blocks_of(options),
                                  .short_probability = options.short_probability,
                                  .seed = common.seed};
    if (options.short_probability > 0 && passages.blocks == Blocks::whole_document) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--short-probability with --blocks whole_sentences or as_released",
                                    .found = "whole_document, whose passages have no length of their own",
                                    .hint = "It has no effect here: leave it out."});
    }
    detail::require_nothing_lost(options.output);
    // Errors are reported before the vocabulary is built.
    if (!options.write_dictionary.empty()) { static_cast<void>(detail::AtomicFile(options.write_dictionary)); }
    if (!rows) { static_cast<void>(open_reader(options)); }
    Cancellation const cancellation;
    AnyTokenizer const tokenizer = make_tokenizer(options, cancellation);
    if (!options.write_dictionary.empty() && tokenizer.as<WordPiece>() == nullptr) {
        throw InputError(Diagnostic{.file = options.tokenizer.string(),
                                    .expected = "a WordPiece tokenizer with --write-dictionary, which joins pieces at \"##\"",
                                    .found = std::string(tokenizer.kind()),
                                    .hint = "Leave it out: keyword masking then counts the words of the store."});
    }

    Progress progress("prepare", "documents", 0);
    ReadReport report;
    std::uint64_t with_title = 0;
    TokenStoreStatistics const counts =
        rows ? build_from_rows(options, passages, tokenizer, cancellation, progress, report)
             : build_from_texts(common, options, passages, tokenizer, cancellation, progress, report, with_title);
    tokenizer.save(options.output);   // the store is complete without it; with it, training needs no other path
    progress.finish();
    say_report(report, "prepare");
    TitleUse const title_use = titles_of(options);
    std::string const titles_line = titles_in_words(title_use, with_title, counts.documents + counts.empty_documents);
    if (title_use == TitleUse::section) {
        TitleCounts const titles = count_titles(TokenStore::open(options.output));
        say("titles: " + count_text(titles.without_title) + " of " + count_text(titles.documents) + " documents have none, " +
            count_text(titles.without_body) + " have nothing else");
    }
    for (std::string const& field : options.fields) {
        TextCoverage const coverage = text_coverage(TokenStore::open(options.output), Needs::field, 0, field);
        say("field " + field + ": " + count_text(coverage.with) + " of " + count_text(coverage.documents) + " documents");
        if (coverage.with == 0) { warn("no document has the field '" + field + "'"); }
    }
    if (!options.write_dictionary.empty()) { write_dictionary(common, options, tokenizer); }
    warn_of_one_document(options, counts);
    if (counts.passages == 0) { warn("the store holds no passage: no input text has a token"); }
    double const unknown =
        counts.tokens == 0 ? 0 : static_cast<double>(counts.unknown_tokens) / static_cast<double>(counts.tokens);
    if (unknown > .02) { warn(std::to_string(unknown * 100) + " % of the tokens are unknown to the vocabulary"); }
    Json result{{"command", "prepare"},
                {"output", options.output.string()},
                {"format", options.format},
                {"documents", counts.documents},
                {"passages", counts.passages},
                {"tokens", counts.tokens},
                {"queries", counts.queries},
                {"unknown_tokens", counts.unknown_tokens},
                {"tokenizer", tokenizer.kind()},
                {"vocabulary", tokenizer.size()},
                {"max_length", options.max_length},
                {"blocks", to_string(passages.blocks)},
                {"empty_documents", counts.empty_documents},
                {"skipped", report.skipped},
                {"malformed", malformed_json(report)},
                {"left_out", Json(report.left_out)},
                {"titles", rows ? Json() : Json(to_string(title_use))},
                {"with_title", with_title}};
    print_result(common, result,
                 options.output.string() + ": " + count_text(counts.documents) + " documents, " + count_text(counts.passages) +
                     " passages, " + count_text(counts.tokens) + " tokens, vocabulary " + count_text(tokenizer.size()) +
                     (titles_line.empty() ? "" : ", " + titles_line) + '\n');
    return done;
}

}  // namespace bmae::program
