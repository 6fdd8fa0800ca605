// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The syntax of `WordPattern`, and its compilation into steps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/text/pattern_set.hpp>

namespace bmae::detail {

/// One instruction of a compiled expression.
struct PatternStep {
    enum class Kind : std::uint8_t {
        set,         ///< the next character is of set `to`
        either,      ///< goes on at `to`, and where that fails at `otherwise`
        jump,        ///< goes on at `to`
        ahead,       ///< where the steps behind this one match here, goes on at `to`, at the same character
        not_ahead,   ///< ... where they do not match
        atomic,      ///< the first match of the steps behind this one is kept; goes on at `to`
        done,        ///< the end of an expression, of an `ahead`, of an `atomic`
    };
    Kind kind = Kind::done;
    std::uint32_t to = 0;
    std::uint32_t otherwise = 0;
};

struct PatternProgram {
    std::vector<PatternStep> steps = {};
    std::vector<PatternSet> sets = {};
};

/// Compiles an expression. \param file  named in errors
/// \throws InputError  see `WordPattern`
BMAE_INLINE PatternProgram compile_pattern(std::string_view expression, std::string const& file);

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include <bmae/text/unicode.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// A part of a parsed expression.
struct PatternNode {
    enum class Kind : std::uint8_t { set, sequence, alternatives, repeat, ahead, not_ahead, atomic };
    static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

    Kind kind = Kind::sequence;
    PatternSet set = {};
    std::vector<PatternNode> parts = {};
    std::size_t least = 1;   ///< of repeat
    std::size_t most = 1;    ///< of repeat
    bool is_lazy = false;    ///< of repeat

    /// Characters of the shortest match.
    [[nodiscard]] std::size_t shortest() const {
        std::size_t sum = 0;
        std::size_t smallest = unlimited;
        for (PatternNode const& part : parts) {
            std::size_t const one = part.shortest();
            sum += one;
            smallest = std::min(smallest, one);
        }
        switch (kind) {
            case Kind::set:
                return 1;
            case Kind::alternatives:
                return smallest;
            case Kind::repeat:
                return sum * least;
            case Kind::ahead:
            case Kind::not_ahead:
                return 0;
            case Kind::sequence:
            case Kind::atomic:
                break;
        }
        return sum;
    }
    [[nodiscard]] bool looks_ahead() const noexcept { return kind == Kind::ahead || kind == Kind::not_ahead; }
};

[[noreturn]] inline void refuse_pattern(std::string const& file, std::string_view expression, std::string const& what) {
    throw InputError(Diagnostic{.file = file,
                                .expected =
                                    "a regular expression of literals, sets, \\s, \\d, \\w, \\p{L}, \\p{M}, \\p{N}, \\p{P}, "
                                    "\\p{S}, groups, (?i:...), lookahead, alternatives and repeats",
                                .found = what + " in \"" + std::string(expression.substr(0, 200)) + '"',
                                .hint = "Write the pattern without it; tokenizers with other patterns cannot be read."});
}

/// Parses an expression.
class PatternParser {
public:
    PatternParser(std::string_view expression, std::string const& file) : text_(expression), file_(file) {}

    PatternNode whole() {
        if (first_invalid_utf8(text_) != text_.npos) { refuse("ill-formed UTF-8"); }
        PatternNode node = alternatives();
        if (at_ < text_.size()) { refuse("\")\" without a group"); }
        if (node.shortest() == 0) { refuse("a match of no character"); }
        return node;
    }

private:
    using Kind = PatternNode::Kind;
    static constexpr int deepest = 100;

    [[noreturn]] void refuse(std::string const& what) const { refuse_pattern(file_, text_, what); }

    [[nodiscard]] bool is_next(std::string_view what) const { return text_.substr(at_).starts_with(what); }
    bool take(std::string_view what) {
        bool const found = is_next(what);
        if (found) { at_ += what.size(); }
        return found;
    }
    char32_t take_character() {
        if (at_ >= text_.size()) { refuse("an end within a set or after a backslash"); }
        Utf8Step const step = read_utf8(text_.substr(at_));
        at_ += step.bytes;
        return step.character;
    }

    PatternNode alternatives() {
        if (++depth_ > deepest) { refuse("groups more than " + std::to_string(deepest) + " deep"); }
        PatternNode node{.kind = Kind::alternatives};
        do { node.parts.push_back(sequence()); } while (take("|"));
        --depth_;
        return node;
    }

    PatternNode sequence() {
        PatternNode node{.kind = Kind::sequence};
        last_letter_ = 0;
        while (at_ < text_.size() && !is_next("|") && !is_next(")")) { node.parts.push_back(repeated(atom())); }
        last_letter_ = 0;
        return node;
    }

    PatternNode atom() {
        if (is_next("(")) { return group(); }
        PatternNode node{.kind = Kind::set};
        char32_t const before = std::exchange(last_letter_, char32_t{0});
        if (take("[")) {
            node.set = brackets();
        } else if (take(".")) {
            node.set.add('\n', '\n');
            node.set.negate();
        } else if (take("\\")) {
            escaped(node.set, false);
        } else {
            std::string const shown(text_.substr(at_, read_utf8(text_.substr(at_)).bytes));
            if (std::string_view("^$*+?{").find(shown.front()) != std::string_view::npos) { refuse('"' + shown + "\" alone"); }
            add_literal(node.set, take_character(), before);
        }
        node.set.finish();
        return node;
    }

    PatternNode group() {
        bool const outer_case = ignores_case_;
        PatternNode node;
        take("(");
        if (take("?=") || is_next("?!")) {
            node.kind = take("?!") ? Kind::not_ahead : Kind::ahead;
        } else if (take("?>")) {
            node.kind = Kind::atomic;
        } else if (take("?i:")) {
            ignores_case_ = true;
        } else if (!take("?:") && is_next("?")) {
            refuse('"' + std::string(text_.substr(at_ - 1, 4)) + '"');
        }
        node.parts.push_back(alternatives());
        if (!take(")")) { refuse("a group without \")\""); }
        ignores_case_ = outer_case;
        return node;
    }

    // ---- sets --------------------------------------------------------------------------------------------------------------

    /// A literal, in both cases where that is asked for.
    /// \param before  the letter before it in a sequence; 0: none
    void add_literal(PatternSet& set, char32_t character, char32_t before = 0) {
        set.add(character, character);
        if (!ignores_case_) { return; }
        if (character >= 0x80) { refuse("a letter beyond ASCII under (?i:...)"); }
        bool const upper = character >= 'A' && character <= 'Z';
        if (!upper && (character < 'a' || character > 'z')) { return; }
        char32_t const small = upper ? character + 32 : character;
        set.add(small, small);
        set.add(small - 32, small - 32);
        if (small == 's') { set.add(0x17f, 0x17f); }     // long s
        if (small == 'k') { set.add(0x212a, 0x212a); }   // the sign of kelvin
        last_letter_ = small;
        bool const joined = (before == 'f' && (small == 'f' || small == 'i' || small == 'l')) ||
                            (before == 's' && (small == 's' || small == 't'));
        if (joined) { refuse("letters that one character may stand for, as of a ligature, under (?i:...)"); }
    }

    /// A class behind a backslash, or nothing: then it is a literal.
    static std::optional<std::pair<std::uint16_t, bool>> named_class(char32_t letter, bool in_set) {
        switch (letter) {
            case 's':
            case 'S':
                return std::pair(pattern_class::space, letter == 'S');
            case 'd':
            case 'D':
                return std::pair(pattern_class::digit, letter == 'D');
            case 'w':
            case 'W':
                return std::pair(in_set ? pattern_class::word : pattern_class::lone_word, letter == 'W');
            default:
                return std::nullopt;
        }
    }

    void property(PatternSet& set, bool others) {
        constexpr std::array<std::pair<std::string_view, std::uint16_t>, 6> known{{{"{L}", pattern_class::letter},
                                                                                   {"{N}", pattern_class::number},
                                                                                   {"{Nd}", pattern_class::digit},
                                                                                   {"{M}", pattern_class::mark},
                                                                                   {"{P}", pattern_class::punctuation},
                                                                                   {"{S}", pattern_class::symbol}}};
        for (auto const& [name, bit] : known) {
            if (take(name)) { return set.add_class(bit, others); }
        }
        refuse("\\p" + std::string(text_.substr(at_, text_.find('}', at_) - at_ + 1)));
    }

    /// What follows a backslash. \returns the character where it is one
    std::optional<char32_t> escaped(PatternSet& set, bool in_set) {
        char32_t const letter = take_character();
        if (auto const found = named_class(letter, in_set)) {
            set.add_class(found->first, found->second);
            return std::nullopt;
        }
        if (letter == 'p' || letter == 'P') {
            property(set, letter == 'P');
            return std::nullopt;
        }
        constexpr std::array<std::pair<char32_t, char32_t>, 5> controls{
            {{U'n', U'\n'}, {U'r', U'\r'}, {U't', U'\t'}, {U'f', U'\f'}, {U'v', U'\v'}}};
        auto const control = std::ranges::find(controls, letter, &std::pair<char32_t, char32_t>::first);
        bool const alphanumeric = letter < 0x80 && ((letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
                                                    (letter >= 'a' && letter <= 'z'));
        if (control == controls.end() && alphanumeric) { refuse(std::string("\\") + static_cast<char>(letter)); }
        char32_t const meant = control == controls.end() ? letter : control->second;
        add_literal(set, meant);
        return meant;
    }

    /// Behind "[".
    PatternSet brackets() {
        PatternSet set;
        bool const others = take("^");
        if (is_next("]")) { refuse("an empty set"); }
        while (!take("]")) {
            if (is_next("[") || is_next("&&")) { refuse("a set within a set"); }
            std::optional<char32_t> const first = member(set);
            bool const is_range = is_next("-") && !is_next("-]");
            if (!is_range) { continue; }
            take("-");
            if (is_next("[")) { refuse("a set within a set"); }
            std::optional<char32_t> const last = member(set);
            if (!first || !last || *last < *first) { refuse("a range that is not of two characters in their order"); }
            if (ignores_case_) { refuse("a range under (?i:...)"); }
            set.add(*first, *last);
        }
        if (others) { set.negate(); }
        last_letter_ = 0;
        return set;
    }
    std::optional<char32_t> member(PatternSet& set) {
        if (take("\\")) { return escaped(set, true); }
        char32_t const character = take_character();
        add_literal(set, character);
        return character;
    }

    // ---- repeats -----------------------------------------------------------------------------------------------------------

    std::optional<std::size_t> number() {
        std::size_t value = 0;
        std::size_t const begin = at_;
        for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
            value = std::min<std::size_t>(value * 10 + static_cast<std::size_t>(text_[at_] - '0'), 100'000);
        }
        return at_ == begin ? std::nullopt : std::optional(value);
    }

    /// Whether a repeat follows, and of how many.
    bool bounds(PatternNode& node) {
        if (take("*")) { return set_bounds(node, 0, PatternNode::unlimited); }
        if (take("+")) { return set_bounds(node, 1, PatternNode::unlimited); }
        if (take("?")) { return set_bounds(node, 0, 1); }
        if (!take("{")) { return false; }
        auto const least = number();
        bool const is_range = take(",");
        auto const most = is_range ? number() : least;
        if ((!least && !most) || !take("}") || most.value_or(PatternNode::unlimited) < least.value_or(0)) {
            refuse("\"{\" of no repeat");
        }
        if (is_next("+") || (is_next("?") && !is_range)) { refuse("a second repeat behind a repeat"); }
        return set_bounds(node, least.value_or(0), most.value_or(PatternNode::unlimited));
    }
    static bool set_bounds(PatternNode& node, std::size_t least, std::size_t most) {
        node.least = least;
        node.most = most;
        return true;
    }

    PatternNode repeated(PatternNode what) {
        PatternNode node{.kind = Kind::repeat};
        if (!bounds(node)) { return what; }
        if (what.looks_ahead()) { refuse("a repeat of a lookahead"); }
        if (node.most == PatternNode::unlimited && what.shortest() == 0) { refuse("a repeat of an empty match"); }
        node.is_lazy = take("?");
        bool const is_atomic = !node.is_lazy && take("+");
        node.parts.push_back(std::move(what));
        if (is_next("*") || is_next("+") || is_next("?") || is_next("{")) { refuse("a second repeat behind a repeat"); }
        if (!is_atomic) { return node; }
        PatternNode atomic{.kind = Kind::atomic};
        atomic.parts.push_back(std::move(node));
        return atomic;
    }

    std::string_view text_;
    std::string const& file_;
    std::size_t at_ = 0;
    int depth_ = 0;
    bool ignores_case_ = false;
    char32_t last_letter_ = 0;   // of a literal under (?i:...), directly before
};

/// Writes a parsed expression as steps.
class PatternCompiler {
public:
    PatternCompiler(PatternNode const& node, std::string_view expression, std::string const& file)
        : expression_(expression), file_(file) {
        put(node);
        add(Kind::done);
    }

    PatternProgram program() && { return std::move(program_); }

private:
    using Kind = PatternStep::Kind;
    static constexpr std::size_t most_steps = 50'000;

    [[nodiscard]] std::uint32_t next() const { return static_cast<std::uint32_t>(program_.steps.size()); }
    std::uint32_t add(Kind kind, std::uint32_t to = 0) {
        if (program_.steps.size() >= most_steps) {
            refuse_pattern(file_, expression_, "more than " + std::to_string(most_steps) + " repeats of characters");
        }
        program_.steps.push_back({.kind = kind, .to = to});
        return next() - 1;
    }
    PatternStep& step(std::uint32_t at) { return program_.steps[at]; }

    /// Where an `either` goes on first, and where it goes else; lazily the other way around.
    void choose(std::uint32_t at, std::uint32_t inner, std::uint32_t behind, bool is_lazy) {
        step(at).to = is_lazy ? behind : inner;
        step(at).otherwise = is_lazy ? inner : behind;
    }

    void put(PatternNode const& node) {
        switch (node.kind) {
            case PatternNode::Kind::set:
                add(Kind::set, static_cast<std::uint32_t>(program_.sets.size()));
                program_.sets.push_back(node.set);
                return;
            case PatternNode::Kind::sequence:
                for (PatternNode const& part : node.parts) { put(part); }
                return;
            case PatternNode::Kind::alternatives:
                return put_alternatives(node);
            case PatternNode::Kind::repeat:
                return put_repeat(node);
            case PatternNode::Kind::ahead:
                return put_inner(node, Kind::ahead);
            case PatternNode::Kind::not_ahead:
                return put_inner(node, Kind::not_ahead);
            case PatternNode::Kind::atomic:
                return put_inner(node, Kind::atomic);
        }
    }

    void put_inner(PatternNode const& node, Kind kind) {
        std::uint32_t const begin = add(kind);
        put(node.parts.front());
        add(Kind::done);
        step(begin).to = next();
    }

    void put_alternatives(PatternNode const& node) {
        std::vector<std::uint32_t> ends;
        for (std::size_t i = 0; i + 1 < node.parts.size(); ++i) {
            std::uint32_t const fork = add(Kind::either);
            put(node.parts[i]);
            ends.push_back(add(Kind::jump));
            choose(fork, fork + 1, next(), false);
        }
        put(node.parts.back());
        for (std::uint32_t const end : ends) { step(end).to = next(); }
    }

    void put_repeat(PatternNode const& node) {
        PatternNode const& part = node.parts.front();
        for (std::size_t i = 0; i < node.least; ++i) { put(part); }
        if (node.most == PatternNode::unlimited) {
            std::uint32_t const fork = add(Kind::either);
            put(part);
            add(Kind::jump, fork);
            choose(fork, fork + 1, next(), node.is_lazy);
            return;
        }
        std::vector<std::uint32_t> forks;
        for (std::size_t i = node.least; i < node.most; ++i) {
            forks.push_back(add(Kind::either));
            put(part);
        }
        for (std::uint32_t const fork : forks) { choose(fork, fork + 1, next(), node.is_lazy); }
    }

    PatternProgram program_ = {};
    std::string_view expression_;
    std::string const& file_;
};

BMAE_INLINE PatternProgram compile_pattern(std::string_view expression, std::string const& file) {
    constexpr std::size_t longest = 32'768;   // of tokenizers they have some hundred bytes; a tree takes 400 times its text
    if (expression.size() > longest) {
        refuse_pattern(file, expression,
                       std::to_string(expression.size()) + " bytes, more than " + std::to_string(longest) + ',');
    }
    return PatternCompiler(PatternParser(expression, file).whole(), expression, file).program();
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
