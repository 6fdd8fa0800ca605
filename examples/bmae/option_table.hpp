// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Declaration of command-line options with their ranges, defaults, and the modes that read them: what CLI11 does not keep.
#pragma once

#include <concepts>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "common.hpp"
#include "did_you_mean.hpp"

namespace bmae::program {

/// The whole numbers that an option takes. Also written as 1e3.
struct Whole {
    std::uint64_t least = 0;
    std::uint64_t most = 1'000'000'000'000;
    bool or_zero = false;   ///< 0 too, which then stands for something else
};

/// The numbers that an option takes, all of them finite.
struct Real {
    double least = 0;
    double most = 1;
    bool above_least = false;   ///< `least` itself is refused
    bool below_most = false;    ///< `most` itself is refused
};

/// One option of one command.
class DeclaredOption {
public:
    DeclaredOption(CLI::App& app, CLI::Option* option, std::string type, std::string range)
        : app_(&app), option_(option), type_(std::move(type)), range_(std::move(range)) {}

    /// \param text  a number or word, or what stands for it: "the preset's"
    DeclaredOption& by_default(std::string text);
    DeclaredOption& required();
    DeclaredOption& group(std::string const& name);
    DeclaredOption& excludes(std::string const& other);
    /// It is read where `other`, given or by default, has one of these values.
    DeclaredOption& with(std::string other, std::vector<std::string> values);
    /// It is read where one of these options is given.
    DeclaredOption& with_any(std::vector<std::string> others);
    /// It is not read where `other` is given.
    DeclaredOption& without(std::string other);

    [[nodiscard]] CLI::App const& app() const noexcept { return *app_; }
    [[nodiscard]] CLI::Option const& option() const noexcept { return *option_; }
    [[nodiscard]] std::string name() const { return option_->get_name(false, false); }
    [[nodiscard]] std::string const& type() const noexcept { return type_; }
    [[nodiscard]] std::string const& range() const noexcept { return range_; }
    /// "none" where the option is absent unless it is given.
    [[nodiscard]] std::string default_text() const;
    /// "with --method bm25 or hybrid, without --query"; empty: always.
    [[nodiscard]] std::string condition() const;
    /// Throws InputError where the option was given and nothing reads it.
    void refuse_unread() const;

private:
    struct Condition {
        std::vector<std::string> options;
        std::vector<std::string> values = {};   ///< of the one option
        bool absent = false;                    ///< the option must not be given
    };
    [[nodiscard]] static std::string text_of(Condition const& condition);
    [[nodiscard]] std::string value_of(std::string const& other) const;

    CLI::App* app_;
    CLI::Option* option_;
    std::string type_;
    std::string range_;
    std::string default_ = {};
    std::vector<Condition> conditions_ = {};
};

/// The options of all commands, in order of declaration.
class OptionTable {
public:
    DeclaredOption& text(CLI::App& app, std::string const& names, std::string& target, std::string const& help);
    DeclaredOption& text(CLI::App& app, std::string const& names, std::vector<std::string>& target, std::string const& help);
    DeclaredOption& path(CLI::App& app, std::string const& names, Path& target, std::string const& help);
    DeclaredOption& path(CLI::App& app, std::string const& names, std::vector<Path>& target, std::string const& help);
    DeclaredOption& flag(CLI::App& app, std::string const& names, bool& target, std::string const& help);

    /// \param after  called when the option has been set
    template <std::integral Number>
    DeclaredOption& whole(CLI::App& app, std::string const& names, Number& target, Whole const& range, std::string const& help,
                          std::function<void()> after = {}) {
        Whole held = range;
        held.most = std::min(held.most, static_cast<std::uint64_t>(std::numeric_limits<Number>::max()));
        auto const set = [&target, after = std::move(after)](std::uint64_t value) {
            target = static_cast<Number>(value);
            if (after) { after(); }
        };
        return whole(app, names, set, held, help).by_default(std::to_string(target));
    }
    DeclaredOption& whole(CLI::App& app, std::string const& names, std::function<void(std::uint64_t)> set, Whole const& range,
                          std::string const& help);
    DeclaredOption& real(CLI::App& app, std::string const& names, double& target, Real const& range, std::string const& help);
    DeclaredOption& real(CLI::App& app, std::string const& names, std::function<void(double)> set, Real const& range,
                         std::string const& help);
    /// A text that `set` checks.
    DeclaredOption& checked(CLI::App& app, std::string const& names, std::function<void(std::string const&)> set,
                            std::string const& help);

    /// Help with range, default and condition of each option.
    void format(CLI::App& program) const;
    /// Refuses an argument that looks like an option and is none of the command's, with the most similar one.
    void refuse_unknown(CLI::App const& command, std::vector<std::string> const& arguments) const;
    /// Refuses an option that was given and that nothing reads in this mode.
    void refuse_unread(CLI::App const& command) const;

    /// The paths that were given to a command, but for its output.
    [[nodiscard]] std::vector<std::string> given_inputs(CLI::App const& command) const;

    [[nodiscard]] Json to_json() const;
    /// The page docs/options.md.
    [[nodiscard]] std::string to_markdown() const;

private:
    DeclaredOption& add(CLI::App& app, CLI::Option* option, std::string type, std::string range = {});

    std::deque<DeclaredOption> options_;
};

}  // namespace bmae::program
