// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// What is wrong with the data, before hours of training are spent on it: `diagnose`.
#include "diagnose.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/corpus/beir.hpp>
#include <bmae/evaluation/label_diagnosis.hpp>
#include <bmae/evaluation/text_diagnosis.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/scripts.hpp>
#include <bmae/text/any_tokenizer.hpp>

#include "collections.hpp"
#include "common.hpp"
#include "language.hpp"
#include "option_text.hpp"

namespace bmae::program {

namespace {

/// Something that deserves a look, with its number and its first examples.
struct Finding {
    std::string name;
    std::string what;   ///< behind the number: "texts are empty"
    std::uint64_t count = 0;
    std::uint64_t of = 0;
    Json examples = Json::array();
};

/// The findings with a number above 0, in the order of the checks.
class Findings {
public:
    void add(std::string name, std::string what, std::uint64_t count, std::uint64_t of, Json examples = Json::array()) {
        if (count != 0) { all_.push_back({std::move(name), std::move(what), count, of, std::move(examples)}); }
    }

    [[nodiscard]] Json json() const {
        Json list = Json::array();
        for (Finding const& each : all_) {
            list.push_back({{"name", each.name},
                            {"count", each.count},
                            {"of", each.of},
                            {"message", each.what},
                            {"examples", each.examples}});
        }
        return list;
    }

    [[nodiscard]] std::string text() const {
        std::string text;
        for (Finding const& each : all_) {
            char share[32];
            std::snprintf(share, sizeof share, " (%.2g %%)",
                          each.of == 0 ? 0 : 100. * static_cast<double>(each.count) / static_cast<double>(each.of));
            text += "  " + each.name + ": " + count_text(each.count) + " of " + count_text(each.of) + share + ' ' + each.what;
            for (std::size_t i = 0; i < std::min<std::size_t>(3, each.examples.size()); ++i) {
                Json const& example = each.examples[i];
                std::string const shown = example.is_string() ? example.get<std::string>() : example.dump();
                text += (i == 0 ? "; as " : ", ") + shown;
            }
            text += '\n';
        }
        return text.empty() ? "nothing was found\n" : "found:\n" + text;
    }

private:
    std::vector<Finding> all_;
};

std::vector<std::size_t> lengths_of(std::string const& list) {
    std::vector<std::size_t> lengths;
    for (std::string const& part : parts_of(list)) {
        auto const length = detail::number_from<std::size_t>(part);
        if (!length || *length == 0) {
            throw refuse("--lengths as numbers above 0 with commas between: 128,512", '"' + list + '"');
        }
        lengths.push_back(*length);
    }
    return lengths;
}

Json diagnosis_json(DuplicateCounts const& counts) {
    return {{"groups", counts.groups}, {"redundant", counts.redundant}, {"held_out", counts.held_out}, {"first", counts.first}};
}

Json diagnosis_json(TextDiagnosis const& texts, std::vector<std::size_t> const& lengths) {
    Json result{{"texts", texts.texts}, {"held_out", texts.held_out}, {"compared", texts.compared}};
    for (std::size_t i = 0; i < texts.issues.size(); ++i) {
        result["issues"][std::string(names_of(TextIssue{})[i])] = texts.issues[i].count;
    }
    result["languages"] = Json::object();
    for (auto const& [language, count] : texts.languages) { result["languages"][language.empty() ? "short" : language] = count; }
    result["copies"] = diagnosis_json(texts.copies);
    result["near_copies"] = diagnosis_json(texts.near);
    result["tokens"] = nullptr;
    if (!texts.has_tokens) { return result; }
    Json truncation = Json::array();
    for (std::size_t const length : lengths) {
        auto const cut = texts.truncation(length);
        truncation.push_back({{"length", length}, {"texts", cut.texts}, {"tokens", cut.tokens}});
    }
    Json words = Json::object();
    for (auto const& [word, count] : texts.unknown_words) { words[word] = count; }
    result["tokens"] = {{"tokens", texts.tokens},        {"unknown", texts.unknown},
                        {"unknown_words", words},        {"without_token", texts.without_token},
                        {"median", texts.length_of(.5)}, {"p95", texts.length_of(.95)},
                        {"longest", texts.length_of(1)}, {"truncation", truncation}};
    return result;
}

std::string percent(std::uint64_t count, std::uint64_t of) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.1f %%", of == 0 ? 0. : 100. * static_cast<double>(count) / static_cast<double>(of));
    return digits;
}

/// The counts of texts in some lines.
std::string diagnosis_text(std::string const& kind, TextDiagnosis const& texts, std::vector<std::size_t> const& lengths) {
    std::string text = kind + ": " + count_text(texts.texts);
    std::string languages;
    for (auto const& [language, count] : texts.languages) {
        languages += (languages.empty() ? "" : ", ") + (language.empty() ? "too short to tell" : language) + ' ' +
                     percent(count, texts.texts);
    }
    text += "; languages: " + languages + '\n';
    if (!texts.has_tokens) { return text; }
    text += "  " + count_text(texts.tokens) + " tokens, " + count_text(texts.unknown) +
            " of them unknown; length with special tokens: median " + std::to_string(texts.length_of(.5)) + ", 95 % " +
            std::to_string(texts.length_of(.95)) + ", longest " + std::to_string(texts.length_of(1)) + '\n';
    for (std::size_t const length : lengths) {
        auto const cut = texts.truncation(length);
        text += "  --max-length " + std::to_string(length) + " truncates " + percent(cut.texts, texts.texts) +
                " of the texts and loses " + percent(cut.tokens, texts.tokens) + " of the tokens\n";
    }
    return text;
}

/// Whether one name is the writing system of the other, which nothing more was told of.
bool may_be_same(std::string const& one, std::string const& other) {
    return std::any_of(detail::function_words.begin(), detail::function_words.end(), [&](auto const& known) {
        return (known.language == one && known.writing == other) || (known.language == other && known.writing == one);
    });
}

void find_languages(Findings& findings, std::string const& kind, TextDiagnosis const& texts) {
    std::string main;
    std::uint64_t told = 0, others = 0, most = 0;
    for (auto const& [language, count] : texts.languages) {
        told += language.empty() ? 0 : count;
        if (language.empty() || count <= most) { continue; }
        main = language;
        most = count;
    }
    Json names = Json::array();
    for (auto const& [language, count] : texts.languages) {
        if (language.empty() || language == main || may_be_same(language, main)) { continue; }
        others += count;
        names.push_back(language);
    }
    constexpr double worth_saying = .05;
    if (static_cast<double>(others) <= worth_saying * static_cast<double>(told)) { return; }
    findings.add(kind + "-other-languages", "in other languages than most", others, told, std::move(names));
}

/// \param kind  "documents", "queries" or "texts": the first part of the names
void find_in_texts(Findings& findings, std::string const& kind, TextDiagnosis const& texts) {
    struct Issue {
        TextIssue issue;
        char const* name;
        char const* what;
    };
    for (Issue const& each :
         {Issue{TextIssue::empty, "empty", "without a visible character"},
          Issue{TextIssue::control, "control-characters", "with control characters"},
          Issue{TextIssue::replacement, "replacement-characters", "with U+FFFD, where an earlier conversion lost characters"},
          Issue{TextIssue::invisible, "invisible-characters", "with soft hyphens, zero-width characters or marks of direction"},
          Issue{TextIssue::mojibake, "mojibake", "with UTF-8 that was read as Latin-1: convert them anew"},
          Issue{TextIssue::markup, "markup", "with tags or character references of HTML"}}) {
        CountedTexts const& counted = texts.of(each.issue);
        findings.add(kind + '-' + each.name, each.what, counted.count, texts.texts, counted.first);
    }
    findings.add(kind + "-copies", "that are equal to an earlier one", texts.copies.redundant, texts.compared,
                 texts.copies.first);
    findings.add(kind + "-near-copies", "that are nearly equal to an earlier one", texts.near.redundant, texts.compared,
                 texts.near.first);
    findings.add(kind + "-held-out-copies", "held-out texts that are equal to a training text", texts.copies.held_out,
                 texts.held_out, texts.copies.held_out_first);
    findings.add(kind + "-held-out-near-copies", "held-out texts that are nearly equal to a training text", texts.near.held_out,
                 texts.held_out, texts.near.held_out_first);
    find_languages(findings, kind, texts);
    if (!texts.has_tokens) { return; }
    findings.add(kind + "-without-token", "without a token", texts.without_token, texts.texts);
    constexpr double worth_saying = .005;
    if (static_cast<double>(texts.unknown) < worth_saying * static_cast<double>(texts.tokens)) { return; }
    Json words = Json::array();
    for (auto const& [word, count] : texts.unknown_words) { words.push_back(word); }
    findings.add(kind + "-unknown-tokens", "tokens unknown to the vocabulary", texts.unknown, texts.tokens, std::move(words));
}

void find_in_reading(Findings& findings, std::string const& kind, ReadReport const& report) {
    std::uint64_t const all = report.records + report.skipped;
    for (auto const& [reason, count] : report.reasons) {
        bool const twice = reason == "every id once";
        findings.add(kind + (twice ? "-repeated-ids" : "-malformed"),
                     twice ? "with an id that an earlier one has" : "without " + reason, count, all);
    }
}

void find_in_labels(Findings& findings, std::string const& split, LabelDiagnosis const& labels, std::size_t depth) {
    auto const pairs = [&](char const* name, std::string what, CountedPairs const& counted, std::uint64_t of) {
        findings.add(split + '-' + name, std::move(what), counted.count, of, counted.first);
    };
    findings.add(split + "-queries-without-positive", "judged queries without a relevant document", labels.without_positive.count,
                 labels.queries, labels.without_positive.first);
    pairs("missing-documents", "judgments of documents that the corpus lacks", labels.without_document, labels.judgments);
    pairs("no-common-term", "relevant documents without a term of their query", labels.without_common_term, labels.positives);
    pairs("contradicted", "relevant documents with a copy that is judged not relevant", labels.contradicted, labels.positives);
    pairs("below-nonrelevant",
          "relevant documents not among the first " + std::to_string(depth) +
              " hits of BM25, where one that is judged not relevant is",
          labels.below_nonrelevant, labels.positives);
    pairs("unjudged-copies", "copies of a relevant document without a judgment: false negatives of training",
          labels.unjudged_copies, labels.positives);
}

void find_in_overlap(Findings& findings, std::string const& name, SplitOverlap const& overlap) {
    auto const queries = [&](char const* kind, char const* what, CountedTexts const& counted) {
        findings.add(name + '-' + kind, what, counted.count, overlap.test_queries, counted.first);
    };
    queries("same-queries", "queries that are judged in training, too", overlap.same_id);
    queries("same-texts", "queries with the words of a training query of another id", overlap.same_text);
    queries("similar-texts", "queries with nearly all words of a training query", overlap.similar_text);
    queries("same-pairs", "queries whose words and relevant document training has together", overlap.same_pair);
}

Json diagnosis_json(std::string const& split, LabelDiagnosis const& labels) {
    return {{"split", split},
            {"judgments", labels.judgments},
            {"queries", labels.queries},
            {"positives", labels.positives},
            {"without_common_term", labels.without_common_term.count},
            {"below_depth", labels.below_depth.count},
            {"below_nonrelevant", labels.below_nonrelevant.count},
            {"contradicted", labels.contradicted.count},
            {"noise", labels.noise()}};
}

Json diagnosis_json(std::string const& split, SplitOverlap const& overlap) {
    return {{"split", split},
            {"queries", overlap.test_queries},
            {"same_queries", overlap.same_id.count},
            {"same_texts", overlap.same_text.count},
            {"similar_texts", overlap.similar_text.count},
            {"same_pairs", overlap.same_pair.count},
            {"documents", overlap.test_documents},
            {"shared_documents", overlap.shared_documents}};
}

TextDiagnosisOptions counting_of(Common const& common, DiagnoseOptions const& options) {
    TextDiagnosisOptions how{.threshold = options.similarity, .compared = options.compared, .threads = common.threads};
    if (!options.tokenizer.empty()) { how.tokenizer = AnyTokenizer::from_file(options.tokenizer); }
    return how;
}

/// The result of the command, as it grows.
struct Diagnosis {
    std::vector<std::size_t> lengths;
    Findings findings = {};
    std::string text = {};
    Json json = {{"command", "diagnose"},
                 {"texts", nullptr},
                 {"queries", nullptr},
                 {"splits", Json::array()},
                 {"overlaps", Json::array()}};
    ReadReport reading = {};

    void add(char const* key, std::string const& kind, TextDiagnosis const& texts) {
        json[key] = diagnosis_json(texts, lengths);
        text += diagnosis_text(kind, texts, lengths);
        find_in_texts(findings, kind, texts);
        if (texts.compared < texts.texts - texts.of(TextIssue::empty).count) {
            warn("copies were looked for among the first " + count_text(texts.compared) + " of the " + kind +
                 "; --compared takes more");
        }
    }
    void add(std::string const& kind, ReadReport const& report) {
        find_in_reading(findings, kind, report);
        reading.add(report);
    }
};

TextDiagnosis count_records(Records const& records, TextDiagnosisOptions const& how, std::string const& title) {
    TextDiagnoser diagnoser(how);
    Progress progress(title, "texts", records.size());
    std::uint64_t count = 0;
    for (Record const& record : records) {
        diagnoser.add(record.id, joined_text(record));
        progress.update(++count);
    }
    progress.finish();
    return diagnoser.finish();
}

/// Queries whose text is that of a document, as in ArguAna: training takes such a document for a negative or a positive by its id alone.
void find_queries_in_corpus(Findings& findings, BeirCollection const& data, CopiesOfTexts const& copies) {
    std::unordered_set<std::uint64_t> bodies;   // of documents with a title
    for (Record const& document : data.documents()) {
        if (!document.title.empty()) { bodies.insert(detail::copy_key(document.text)); }
    }
    CountedTexts found;
    for (Record const& query : data.queries()) {
        if (query.text.empty()) { continue; }
        if (copies.contains(query.text) || bodies.contains(detail::copy_key(query.text))) { found.add(query.id); }
    }
    findings.add("queries-in-corpus", "whose text is that of a document", found.count, data.queries().size(), found.first);
}

void diagnose_splits(Common const& common, DiagnoseOptions const& options, BeirCollection const& data,
                     CopiesOfTexts const& copies, Diagnosis& diagnosis) {
    ScriptCounts scripts;
    for (std::size_t i = 0; i < std::min(detected_documents, data.documents().size()); ++i) {
        scripts.add(joined_text(data.documents()[i]));
    }
    Bm25Options bm25{.analyzer = analyzer_by({.stem = scripts.language().empty()}, scripts), .threads = common.threads};
    Bm25Index const index(data.documents().texts(), data.ids(), bm25);
    std::vector<JudgedPair> train;
    std::vector<std::string> splits = data.splits();
    std::stable_partition(splits.begin(), splits.end(), [](std::string const& split) { return split == "train"; });
    for (std::string const& split : splits) {
        JudgedPairs judged = data.judged_pairs(split);
        diagnosis.add(split + "-judgments", judged.report);
        LabelDiagnosis const labels =
            diagnose_labels(data.documents(), copies, data.queries(), judged.pairs, index, {.depth = options.depth});
        diagnosis.json["splits"].push_back(diagnosis_json(split, labels));
        diagnosis.text += "split " + split + ": " + count_text(labels.queries) + " queries, " + count_text(labels.positives) +
                          " relevant documents, " + percent(labels.below_depth.count, labels.positives) +
                          " of them not among the first " + std::to_string(options.depth) +
                          " hits of BM25; labels that their texts speak against: " + percent(labels.suspects, labels.positives) +
                          '\n';
        find_in_labels(diagnosis.findings, split, labels, options.depth);
        if (split == "train") {
            train = std::move(judged.pairs);
        } else if (!train.empty()) {
            SplitOverlap const overlap = overlap_of_splits(data.queries(), train, judged.pairs, options.similarity);
            diagnosis.json["overlaps"].push_back(diagnosis_json(split, overlap));
            diagnosis.text += "train and " + split + ": " + percent(overlap.shared_documents, overlap.test_documents) +
                              " of the relevant documents of " + split + " are relevant in train, too\n";
            find_in_overlap(diagnosis.findings, "train-" + split, overlap);
        }
    }
}

void diagnose_collection(Common const& common, DiagnoseOptions const& options, Diagnosis& diagnosis) {
    TextDiagnosisOptions how = counting_of(common, options);   // a wrong tokenizer is reported before large files are read
    BeirCollection const data = BeirCollection::open(options.data, reading_by(true));
    diagnosis.add("documents", data.documents_report());
    diagnosis.add("queries", data.queries_report());
    diagnosis.add("texts", "documents", count_records(data.documents(), how, "documents"));
    how.shingle = 2;   // queries are short
    diagnosis.add("queries", "queries", count_records(data.queries(), how, "queries"));
    CopiesOfTexts const copies(data.documents());
    find_queries_in_corpus(diagnosis.findings, data, copies);
    diagnose_splits(common, options, data, copies, diagnosis);
}

void diagnose_files(Common const& common, DiagnoseOptions const& options, Diagnosis& diagnosis) {
    TextDiagnoser diagnoser(counting_of(common, options));
    Progress progress("diagnose", "texts", 0);
    std::uint64_t count = 0;
    auto const read = [&](std::vector<Path> const& inputs, bool held_out) {
        PrepareOptions const reading{
            .inputs = inputs, .format = options.format, .layout = options.layout, .skip_malformed = true};
        diagnosis.add(held_out ? "held-out" : "texts", for_each_record(reading, "diagnose", [&](Record&& record) {
                          std::string text = joined_text(record);
                          diagnoser.add(std::move(record.id), std::move(text), held_out);
                          progress.update(++count);
                      }));
    };
    read(options.inputs, false);
    if (!options.held_out.empty()) { read(options.held_out, true); }
    progress.finish();
    diagnosis.add("texts", "texts", diagnoser.finish());
}

}  // namespace

int diagnose(Common const& common, DiagnoseOptions const& options) {
    if (options.data.empty() == options.inputs.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "either --data with a BEIR folder or --input with texts",
                                    .found = options.data.empty() ? "neither" : "both",
                                    .hint = "Judgments and overlap of splits are looked at with --data."});
    }
    Diagnosis diagnosis{.lengths = lengths_of(options.lengths)};
    if (options.data.empty()) {
        diagnose_files(common, options, diagnosis);
    } else {
        QuickExit const interruptible;
        diagnose_collection(common, options, diagnosis);
    }
    diagnosis.json["findings"] = diagnosis.findings.json();
    diagnosis.json["malformed"] = malformed_json(diagnosis.reading);
    print_result(common, diagnosis.json, diagnosis.text + diagnosis.findings.text());
    return done;
}

}  // namespace bmae::program
