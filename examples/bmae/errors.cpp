// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "errors.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <new>
#include <utility>

#include <bmae/detail/whole_files.hpp>
#include <bmae/values/error.hpp>

#include "common.hpp"

namespace bmae::program {

namespace {

/// Hints of the library that name its members, and what a user of the program can do.
constexpr std::pair<char const*, char const*> phrases[] = {
    {"Set `comments` to skip lines that start with '#'.", "Remove the lines that start with '#'."},
    {"Name their collection, a BEIR folder, and this file as its rows.",
     "Name their collection by --data, a BEIR folder, and this file by --rows."},
    {"Such rows need no collection: leave it out.", "Such rows need no collection: name them in its place."},
    {"Raise it or lower max_alphabet.", "Raise --build-vocabulary."},
    {"a vocabulary_size of at least", "--build-vocabulary of at least"},
    {"Set BatchOptions::tokens or BatchOptions::examples.", "Name --batch-tokens or --batch-examples."},
    {"Set KeywordMasker::floor to a small positive number.", "Choose a larger --set ... floor of the masker."},
    {"Lower the maximum length.", "Choose another --max-length."},
    {"Raise the passages per query: one positive and its negatives.",
     "Raise --passages-per-query: one positive and its negatives."},
    {"Lower the number of passages per query; where `forward` is set, lower that.",
     "Lower --passages-per-query; where --set forward is given, lower that."},
    {"or set vocab_size in its config.", "or set vocab_size in its config.json."},
    {"an accumulation of at least 2 with a gradient cache", "--accumulate of at least 2 with --gradient-cache"},
    {"no other bottleneck for ", "no --pooling with the preset "},
    {"Set alternate to 0.", "Leave --set alternate out."},
    {"Mine more, lower the passages per query, or allow random_negatives.",
     "Mine more, lower --passages-per-query, or allow random negatives by --set."},
};

/// What a report of an error holds.
struct Failure {
    int status = failed;
    char const* kind = "failure";   ///< input, in_use, failure, interrupted
    std::string message = {};
    Diagnostic diagnostic = {};
};

Failure current_failure() {
    try {
        throw;
    } catch (InputError const& error) {
        return {.status = bad_input, .kind = "input", .message = error.what(), .diagnostic = error.diagnostic()};
    } catch (Interrupted const&) {
        return {.status = interrupted, .kind = "interrupted", .message = nothing_written};
    } catch (InUseError const& error) {
        return {.status = bad_input, .kind = "in_use", .message = error.what()};
    } catch (std::filesystem::filesystem_error const& error) {   // on accessing a path: too long, no permission
        bool const of_path = detail::is_output_path_error(error.code().value());
        return {.status = of_path ? bad_input : failed, .kind = of_path ? "input" : "failure", .message = error.what()};
    } catch (RunError const& error) { return {.message = error.what()}; } catch (std::bad_alloc const&) {
        return {.message = "out of memory. Lower the batch size or the length."};
    } catch (std::exception const& error) {
        std::string const text = error.what();   // LibTorch appends a stack trace: report the first line only
        return {.message = text.substr(0, text.find('\n'))};
    }
}

Json failure_json(Failure const& failure, std::vector<std::string> const& arguments) {
    Diagnostic const& told = failure.diagnostic;
    return {{"command", arguments.empty() ? std::string() : arguments.front()},
            {"status", failure.status},
            {"error",
             {{"kind", failure.kind},
              {"message", failure.message},
              {"file", told.file},
              {"line", told.line},
              {"expected", in_program_words(told.expected)},
              {"found", told.found},
              {"hint", in_program_words(told.hint)}}}};
}

}  // namespace

std::string in_program_words(std::string text) {
    for (auto const& [library, program] : phrases) {
        std::size_t const place = text.find(library);
        if (place != std::string::npos) { text.replace(place, std::string_view(library).size(), program); }
    }
    return text;
}

int report_error(std::vector<std::string> const& arguments) {
    Failure failure = current_failure();
    failure.message = in_program_words(std::move(failure.message));
    bool const own = failure.message.starts_with("bmae: ");
    say(own ? failure.message : "bmae: " + failure.message);
    bool const as_json = std::ranges::find(arguments, "--json") != arguments.end();
    if (!as_json) { return failure.status; }
    try {
        print(failure_json(failure, arguments).dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
    } catch (std::exception const&) {   // standard output is closed or full: the message above has to do
        return std::max(failure.status, static_cast<int>(failed));
    }
    return failure.status;
}

}  // namespace bmae::program
