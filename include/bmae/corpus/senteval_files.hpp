// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The classification tasks of SentEval (Conneau, Kiela, LREC 2018): MR, CR, SUBJ, MPQA, SST-2, TREC, MRPC.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <bmae/detail/columns.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Texts with classes.
struct LabeledTexts {
    std::vector<std::string> texts = {};     ///< [n]
    std::vector<std::string> seconds = {};   ///< [n] of tasks of pairs, else empty
    std::vector<std::int32_t> labels = {};   ///< [n] from 0
};

/// One task. Rows are in SentEval's order: by number of words, then by class.
struct TransferTask {
    std::string name = {};   ///< "mr"
    LabeledTexts train = {};
    LabeledTexts dev = {};    ///< of sst2
    LabeledTexts test = {};   ///< empty: folds of `train` are tested
};

/// In the order of papers' tables.
inline constexpr std::array<std::string_view, 7> transfer_task_names = {"mr", "cr", "subj", "mpqa", "sst2", "trec", "mrpc"};

namespace detail {

/// SentEval reads most files as ISO-8859-1; here a line that is not UTF-8 is.
inline std::string as_utf8(std::string_view line) {
    if (first_invalid_utf8(line) == std::string_view::npos) { return std::string(line); }
    std::string text;
    for (char const c : line) { append_utf8(text, static_cast<unsigned char>(c)); }
    return text;
}

/// Words joined by single blanks.
inline std::string normal_blanks(std::string_view text) {
    std::string words;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t const begin = text.find_first_not_of(" \t\v\f\r", at);
        if (begin == text.npos) { break; }
        std::size_t const end = std::min(text.find_first_of(" \t\v\f\r", begin), text.size());
        words.append(words.empty() ? "" : " ").append(text.substr(begin, end - begin));
        at = end;
    }
    return words;
}

inline std::size_t count_words(std::string const& text) {
    return text.empty() ? 0 : static_cast<std::size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
}

/// Orders rows as SentEval does before it encodes and splits them. A text without words, of which CR has some, becomes a full stop, as in SentEval.
inline LabeledTexts in_order_of_length(LabeledTexts const& rows) {
    std::vector<std::size_t> order(rows.labels.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    auto const key = [&](std::size_t i) {
        return std::tuple(count_words(rows.texts[i]), rows.seconds.empty() ? 0 : count_words(rows.seconds[i]), rows.labels[i]);
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    LabeledTexts sorted;
    for (std::size_t const i : order) {
        sorted.texts.push_back(rows.texts[i].empty() ? "." : rows.texts[i]);
        if (!rows.seconds.empty()) { sorted.seconds.push_back(rows.seconds[i]); }
        sorted.labels.push_back(rows.labels[i]);
    }
    return sorted;
}

/// A file of one text per line, all of one class.
inline void add_lines(LabeledTexts& rows, std::filesystem::path const& path, std::int32_t label) {
    LineReader lines(path);
    for (std::string_view line; lines.next(line);) {
        rows.texts.push_back(normal_blanks(as_utf8(line)));
        rows.labels.push_back(label);
    }
}

/// "COARSE:fine question".
inline void add_questions(LabeledTexts& rows, std::filesystem::path const& path) {
    constexpr std::array<std::string_view, 6> classes = {"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"};
    LineReader lines(path);
    for (std::string_view line; lines.next(line);) {
        std::size_t const colon = line.find(':'), blank = line.find(' ', std::min(colon, line.size()));
        auto const found = std::find(classes.begin(), classes.end(), line.substr(0, colon));
        if (found == classes.end() || blank == line.npos) {
            throw InputError(
                lines.diagnostic("'COARSE:fine question' with COARSE as ABBR, DESC, ENTY, HUM, LOC or NUM", "another line"));
        }
        rows.texts.push_back(normal_blanks(as_utf8(line.substr(blank))));
        rows.labels.push_back(static_cast<std::int32_t>(found - classes.begin()));
    }
}

inline std::int32_t binary_label(LineReader const& lines, std::string_view text) {
    if (text != "0" && text != "1") {
        throw InputError(lines.diagnostic("the class 0 or 1", "'" + std::string(text.substr(0, 40)) + "'"));
    }
    return text == "1" ? 1 : 0;
}

/// "`sentence TAB class`".
inline void add_reviews(LabeledTexts& rows, std::filesystem::path const& path) {
    LineReader lines(path);
    for (std::string_view line; lines.next(line);) {
        std::size_t const tab = line.rfind('\t');
        if (tab == line.npos) { throw InputError(lines.diagnostic("sentence <tab> class", "a line without a tab")); }
        rows.labels.push_back(binary_label(lines, line.substr(tab + 1)));
        rows.texts.push_back(normal_blanks(as_utf8(line.substr(0, tab))));
    }
}

/// MRPC: class, two ids and two sentences, behind a header; no quoting.
inline void add_paraphrases(LabeledTexts& rows, std::filesystem::path const& path) {
    LineReader lines(path);
    for (std::string_view line; lines.next(line);) {
        Columns const cells = split_tabs(line);
        if (cells.count != 5) {
            throw InputError(lines.diagnostic("5 columns: class, two ids, two sentences", std::to_string(cells.count)));
        }
        if (lines.line() == 1 && cells[0] == "Quality") { continue; }
        rows.labels.push_back(binary_label(lines, cells[0]));
        rows.texts.push_back(normal_blanks(as_utf8(cells[3])));
        rows.seconds.push_back(normal_blanks(as_utf8(cells[4])));
    }
}

/// The folder of a task: `data` itself, or the first of data/NAME, data/name and data/transfer_name that has the file.
inline std::filesystem::path folder_of_task(std::filesystem::path const& data, std::string_view name, std::string_view file) {
    std::string upper(name);
    std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    for (auto const& folder :
         {data, data / upper, data / name, data / ("transfer_" + std::string(name)), data / "SST" / "binary"}) {
        if (std::filesystem::exists(folder / file)) { return folder; }
    }
    throw InputError(Diagnostic{.file = data.string(),
                                .expected = "the file " + std::string(file) + " of task " + std::string(name) +
                                            ", in the folder, in " + upper + " or in " + std::string(name),
                                .found = "none",
                                .hint = "Name the folder `downstream` of SentEval's data."});
}

inline TransferTask read_two_classes(std::filesystem::path const& data, std::string_view name, char const* positive,
                                     char const* negative) {
    auto const folder = folder_of_task(data, name, positive);
    LabeledTexts rows;
    add_lines(rows, folder / positive, 1);
    add_lines(rows, folder / negative, 0);
    return {.name = std::string(name), .train = in_order_of_length(rows)};
}

inline TransferTask read_trec(std::filesystem::path const& data) {
    auto const folder = folder_of_task(data, "trec", "train_5500.label");
    LabeledTexts train, test;
    add_questions(train, folder / "train_5500.label");
    add_questions(test, folder / "TREC_10.label");
    return {.name = "trec", .train = in_order_of_length(train), .test = in_order_of_length(test)};
}

inline TransferTask read_sst2(std::filesystem::path const& data) {
    auto const folder = folder_of_task(data, "sst2", "sentiment-train");
    TransferTask task{.name = "sst2"};
    for (auto const& [part, file] : {std::pair{&task.train, "sentiment-train"}, std::pair{&task.dev, "sentiment-dev"},
                                     std::pair{&task.test, "sentiment-test"}}) {
        LabeledTexts rows;
        add_reviews(rows, folder / file);
        *part = in_order_of_length(rows);
    }
    return task;
}

/// SentEval's two files, or the split into three that other distributions have: its training part is both.
inline TransferTask read_mrpc(std::filesystem::path const& data) {
    LabeledTexts train, test;
    bool const three = [&] {
        for (auto const& folder : {data, data / "MRPC", data / "mrpc"}) {
            if (std::filesystem::exists(folder / "msr-para-train.tsv")) { return true; }
        }
        return false;
    }();
    auto const folder = folder_of_task(data, "mrpc", three ? "msr-para-train.tsv" : "msr_paraphrase_train.txt");
    add_paraphrases(train, folder / (three ? "msr-para-train.tsv" : "msr_paraphrase_train.txt"));
    if (three) { add_paraphrases(train, folder / "msr-para-val.tsv"); }
    add_paraphrases(test, folder / (three ? "msr-para-test.tsv" : "msr_paraphrase_test.txt"));
    return {.name = "mrpc", .train = in_order_of_length(train), .test = in_order_of_length(test)};
}

}  // namespace detail

/// Reads a task from SentEval's folder `downstream`, or from one of its folders.
/// \param name  one of `transfer_task_names`
/// \throws InputError  for an unknown name, a missing file, or a malformed line, naming file and line
inline TransferTask read_transfer_task(std::filesystem::path const& data, std::string_view name) {
    if (name == "mr") { return detail::read_two_classes(data, name, "rt-polarity.pos", "rt-polarity.neg"); }
    if (name == "cr") { return detail::read_two_classes(data, name, "custrev.pos", "custrev.neg"); }
    if (name == "subj") { return detail::read_two_classes(data, name, "subj.objective", "subj.subjective"); }
    if (name == "mpqa") { return detail::read_two_classes(data, name, "mpqa.pos", "mpqa.neg"); }
    if (name == "sst2") { return detail::read_sst2(data); }
    if (name == "trec") { return detail::read_trec(data); }
    if (name == "mrpc") { return detail::read_mrpc(data); }
    std::string known;
    for (std::string_view const each : transfer_task_names) { known.append(known.empty() ? "" : ", ").append(each); }
    throw InputError(Diagnostic{.file = {}, .expected = "a task: " + known, .found = '\'' + std::string(name) + '\''});
}

}  // namespace bmae
