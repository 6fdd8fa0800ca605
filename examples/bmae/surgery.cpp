// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Changes a model's folder without training: `vocabulary` and `merge`.
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/folders.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/io/model_folder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/merged_folder.hpp>
#include <bmae/text/vocabulary_change.hpp>
#include <bmae/text/vocabulary_folder.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/option.hpp>

#include "common.hpp"
#include "model_card.hpp"

namespace bmae::program {

namespace {

WordPiece wordpiece_of(Path const& folder) {
    AnyTokenizer const tokenizer = AnyTokenizer::from_file(ModelFolder(folder).transformer());
    if (auto const* const found = tokenizer.as<WordPiece>()) { return *found; }
    throw InputError(Diagnostic{.file = folder.string(),
                                .expected = "a WordPiece tokenizer, whose tokens stand alone",
                                .found = std::string(tokenizer.kind()),
                                .hint = "Merges of byte-level BPE and scores of unigram tokenizers would have to be made anew."});
}

CountedWords counted(WordPiece const& tokenizer, VocabularyOptions const& options) {
    CountedWords words(tokenizer);
    std::uint64_t const records =
        read_texts({.inputs = options.corpus}, "vocabulary", [&](std::string const& text) { words.add(text); });
    say("vocabulary: " + count_text(records) + " records read");
    return words;
}

std::vector<std::string> lines_of_file(Path const& path) {
    detail::LineReader lines(path);
    std::vector<std::string> words;
    for (std::string_view line; lines.next(line);) {
        if (line.find_first_not_of(" \t") != line.npos) { words.emplace_back(line); }
    }
    return words;
}

VocabularyChange change_of(WordPiece const& tokenizer, VocabularyOptions const& options) {
    auto const refuse = [](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    };
    if (options.action == "trim") {
        if (options.corpus.empty() || !options.words.empty()) {
            throw refuse("--corpus, and no --words, with trim", options.words.empty() ? "none" : "--words");
        }
        return trimmed_vocabulary(tokenizer, counted(tokenizer, options).pieces());
    }
    if (options.action != "extend") { throw refuse("extend or trim", '"' + options.action + '"'); }
    if (options.corpus.empty() == options.words.empty()) {
        throw refuse("either --words or --corpus with extend", options.words.empty() ? "neither" : "both");
    }
    return extended_vocabulary(tokenizer, options.words.empty()
                                              ? counted(tokenizer, options).frequent_split_words(options.most, options.least)
                                              : lines_of_file(options.words));
}

void warn_of(std::vector<std::string> const& words, std::string const& what) {
    if (!words.empty()) { warn(count_text(words.size()) + " words " + what + ", such as \"" + words.front() + '"'); }
}

MergePart part_of(std::string const& text) {
    std::size_t const colon = text.rfind(':');
    bool const has_both = colon != text.npos && colon != 0;
    auto const weight = has_both ? detail::number_from<double>(std::string_view(text).substr(colon + 1)) : std::nullopt;
    if (weight) { return {.folder = text.substr(0, colon), .weight = *weight}; }
    throw InputError(
        Diagnostic{.file = {}, .expected = "FOLDER:WEIGHT", .found = '"' + text + '"', .hint = "Such as A:0.6 B:0.4."});
}

std::string left_out_text(std::vector<std::string> const& files) {
    std::string text;
    for (std::string const& file : files) {
        text += (text.empty() ? "left out, as other formats of the weights: " : ", ") + file;
    }
    return text.empty() ? text : text + '\n';
}

}  // namespace

int vocabulary(Common const& common, VocabularyOptions const& options) {
    detail::require_nothing_lost(options.output);
    WordPiece const tokenizer = wordpiece_of(options.model);
    VocabularyChange const change = change_of(tokenizer, options);
    warn_of(change.not_words, "are none or several words for this tokenizer and are left out");
    warn_of(change.known, "are tokens already");
    warn_of(change.without_pieces, "have characters that the vocabulary lacks and are left out");
    VocabularyFolderReport report;
    write_with_card(options.output, [&](Path const& folder) {
        report = write_with_vocabulary(options.model, folder, tokenizer, change);
        bool const trims = options.action == "trim";
        return CardOrigin{.model = options.model,
                          .change = "Its vocabulary was " + std::string(trims ? "trimmed" : "extended") + " from " +
                                    count_text(report.tokens_before) + " to " + count_text(report.tokens_after) + " tokens" +
                                    (trims ? "." : "; new ones start as the mean of their pieces.")};
    });
    Json const result{{"command", "vocabulary"},
                      {"action", options.action},
                      {"output", options.output.string()},
                      {"tokens_before", report.tokens_before},
                      {"tokens_after", report.tokens_after},
                      {"parameters_before", report.parameters_before},
                      {"parameters_after", report.parameters_after},
                      {"bytes_before", report.bytes_before},
                      {"bytes_after", report.bytes_after},
                      {"changed_tensors", report.tensors},
                      {"omitted_files", report.left_out}};
    print_result(common, result,
                 options.output.string() + ": " + count_text(report.tokens_before) + " tokens to " +
                     count_text(report.tokens_after) + ", " + count_text(report.bytes_before) + " bytes of weights to " +
                     count_text(report.bytes_after) + '\n' + left_out_text(report.left_out));
    return done;
}

int merge(Common const& common, MergeOptions const& options) {
    detail::require_nothing_lost(options.output);
    std::vector<MergePart> parts;
    for (std::string const& text : options.parts) { parts.push_back(part_of(text)); }
    std::string shares;
    for (MergePart const& part : parts) {
        std::string const name = detail::without_slash(part.folder).filename().string();
        char weight[32];
        std::snprintf(weight, sizeof weight, "%g", part.weight);
        shares += (shares.empty() ? "" : ", ") + ('`' + name + "` times ") + weight;
    }
    MergeReport report;
    write_with_card(options.output, [&](Path const& folder) {
        report = merge_folders(parts, folder);
        return CardOrigin{.model = parts.front().folder, .change = "Its weights are those of " + shares + ", added."};
    });
    Json const result{{"command", "merge"},        {"output", options.output.string()},     {"models", parts.size()},
                      {"tensors", report.tensors}, {"equal_tensors", report.equal_tensors}, {"omitted_files", report.left_out}};
    print_result(common, result,
                 options.output.string() + ": " + count_text(report.tensors) + " tensors of " + count_text(parts.size()) +
                     " models averaged\n" + left_out_text(report.left_out));
    return done;
}

}  // namespace bmae::program
