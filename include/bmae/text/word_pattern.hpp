// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Regular expressions of a tokenizer.json, matched as HuggingFace's tokenizers match them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/unicode.hpp>
#include <bmae/text/word_pattern_syntax.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A regular expression over characters of Unicode, as far as tokenizers use them, with the matches of Oniguruma, which HuggingFace's
/// tokenizers match by: literals, any character, sets, the classes s, d, w and the properties L, M, N, P, S, Nd with their complements,
/// groups, `(?i:...)` of ASCII, lookahead, atomic groups, alternatives in their order, and repeats: greedy, lazy and possessive.
class WordPattern {
public:
    WordPattern() = default;
    /// \param file  named in errors
    /// \throws InputError  an expression with anything else (anchors, lookbehind, back references), or that matches an empty text
    explicit WordPattern(std::string expression, std::string const& file = {})
        : expression_(std::move(expression)),
          program_(std::make_shared<detail::PatternProgram const>(detail::compile_pattern(expression_, file))) {}

    [[nodiscard]] std::string const& expression() const noexcept { return expression_; }

    /// Calls `match(begin, end)` for the matches from left to right, which do not overlap.
    /// \param text  valid UTF-8
    /// \throws InputError  where one match takes more than 10 million retries
    template <class Match>
    void for_each_match(std::string_view text, Match match) const {
        std::vector<Branch> branches;
        for (std::size_t at = 0; program_ && at < text.size();) {
            std::uint64_t left = most_retries;
            std::size_t const end = run(0, text, at, branches, left);
            if (end == no_match) {
                at += detail::read_utf8(text.substr(at)).bytes;
            } else {
                match(at, end);
                at = end;   // no expression matches an empty text
            }
        }
    }

    friend bool operator==(WordPattern const& a, WordPattern const& b) { return a.expression_ == b.expression_; }

private:
    static constexpr std::size_t no_match = static_cast<std::size_t>(-1);
    static constexpr std::uint64_t most_retries = 10'000'000;

    /// What is tried where the rest does not match.
    struct Branch {
        std::uint32_t step;
        std::size_t at;
    };

    /// The end of a match that begins at `at` with step `step`, or `no_match`.
    std::size_t run(std::uint32_t step, std::string_view text, std::size_t at, std::vector<Branch>& branches,
                    std::uint64_t& left) const {
        using Kind = detail::PatternStep::Kind;
        std::size_t const floor = branches.size();
        std::size_t result = no_match;
        for (;;) {
            detail::PatternStep const& now = program_->steps[step];
            if (now.kind == Kind::done) {
                result = at;
                break;
            }
            bool fails = false;
            switch (now.kind) {
                case Kind::set: {
                    fails = at >= text.size();
                    if (fails) { break; }
                    detail::Utf8Step const read = detail::read_utf8(text.substr(at));
                    fails = !program_->sets[now.to].contains(read.character);
                    at += read.bytes;
                    ++step;
                    break;
                }
                case Kind::either:
                    branches.push_back({now.otherwise, at});
                    step = now.to;
                    break;
                case Kind::ahead:
                case Kind::not_ahead:
                    fails = (run(step + 1, text, at, branches, left) == no_match) == (now.kind == Kind::ahead);
                    step = now.to;
                    break;
                case Kind::atomic: {
                    std::size_t const end = run(step + 1, text, at, branches, left);
                    fails = end == no_match;
                    at = end;
                    step = now.to;
                    break;
                }
                case Kind::jump:
                case Kind::done:
                    step = now.to;
                    break;
            }
            if (!fails) { continue; }
            if (branches.size() == floor) { break; }
            if (left-- == 0) { refuse_effort(); }
            step = branches.back().step;
            at = branches.back().at;
            branches.pop_back();
        }
        branches.resize(floor, Branch{});
        return result;
    }

    [[noreturn]] void refuse_effort() const {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "an expression that matches in " + std::to_string(most_retries) + " retries",
                                    .found = '"' + expression_ + '"',
                                    .hint = "Repeats within repeats try exponentially many ways."});
    }

    std::string expression_ = {};
    std::shared_ptr<detail::PatternProgram const> program_ = {};
};

}  // namespace bmae
