// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "option_table.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

#include <bmae/values/error.hpp>
#include <bmae/values/option.hpp>

namespace bmae::program {

namespace {

std::string short_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

std::string range_text(Whole const& range) {
    std::string const all = std::to_string(range.least) + " to " + std::to_string(range.most);
    return range.or_zero && range.least > 0 ? "0 or " + all : all;
}

std::string range_text(Real const& range) {
    return (range.above_least ? "above " : "") + short_text(range.least) + (range.below_most ? " to below " : " to ") +
           short_text(range.most);
}

/// The first long name of "--batch-examples,--batch-size".
std::string first_name(std::string const& names) { return names.substr(0, names.find(',')); }

[[noreturn]] void refuse_number(std::string const& names, char const* kind, std::string const& range, std::string const& text) {
    throw InputError(Diagnostic{
        .file = {}, .expected = first_name(names) + " as " + kind + ' ' + range, .found = '"' + text + '"', .hint = {}});
}

std::uint64_t whole_from(std::string const& names, Whole const& range, std::string const& text) {
    auto const number = detail::number_from<std::uint64_t>(text);
    bool const fits = number && ((*number >= range.least && *number <= range.most) || (range.or_zero && *number == 0));
    if (!fits) { refuse_number(names, "a whole number,", range_text(range), text); }
    return *number;
}

double real_from(std::string const& names, Real const& range, std::string const& text) {
    auto const number = detail::number_from<double>(text);
    bool const fits = number && (range.above_least ? *number > range.least : *number >= range.least) &&
                      (range.below_most ? *number < range.most : *number <= range.most);
    if (!fits) { refuse_number(names, "a number,", range_text(range), text); }
    return *number;
}

std::string joined(std::vector<std::string> const& words, char const* last) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == words.size() ? ' ' + std::string(last) + ' ' : std::string(", ")) + words[i];
    }
    return text;
}

/// Names of a command's options, each as it is written.
std::vector<std::string> option_names(CLI::App const& app) {
    std::vector<std::string> names;
    for (CLI::Option const* const option : app.get_options()) {
        for (std::string const& name : option->get_lnames()) { names.push_back("--" + name); }
    }
    return names;
}

/// Range, default and condition behind the text of an option: "[1 to 1000; default 16; with --method sample]".
std::string facts_of(DeclaredOption const& declared) {
    bool const told = !declared.option().get_required() && declared.type() != "flag";
    std::string facts = declared.range();
    for (std::string const& fact : {told ? "default " + declared.default_text() : std::string(), declared.condition()}) {
        if (!fact.empty()) { facts += (facts.empty() ? "" : "; ") + fact; }
    }
    return facts.empty() ? facts : " [" + facts + ']';
}

class Help : public CLI::Formatter {
public:
    explicit Help(std::deque<DeclaredOption> const& options) : options_(options) {}

    std::string make_option_opts(CLI::Option const* option) const override {
        std::string text;
        if (DeclaredOption const* const declared = find(option); declared != nullptr && declared->type() != "flag") {
            std::string type = declared->type();
            for (char& c : type) { c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
            text += ' ' + type;
            if (option->get_expected_max() > 1) { text += " ..."; }
        }
        return option->get_required() ? text + " REQUIRED" : text;
    }
    std::string make_option_desc(CLI::Option const* option) const override {
        DeclaredOption const* const declared = find(option);
        return option->get_description() + (declared == nullptr ? std::string() : facts_of(*declared));
    }

private:
    [[nodiscard]] DeclaredOption const* find(CLI::Option const* option) const {
        auto const found = std::ranges::find(options_, option, [](DeclaredOption const& one) { return &one.option(); });
        return found == options_.end() ? nullptr : &*found;
    }

    std::deque<DeclaredOption> const& options_;
};

}  // namespace

// ---- one option ----------------------------------------------------------------------------------------------------------

DeclaredOption& DeclaredOption::by_default(std::string text) {
    option_->default_str(text);   // shown and compared, never parsed
    default_ = std::move(text);
    return *this;
}
DeclaredOption& DeclaredOption::required() {
    option_->required();
    return *this;
}
DeclaredOption& DeclaredOption::group(std::string const& name) {
    option_->group(name);
    return *this;
}
DeclaredOption& DeclaredOption::excludes(std::string const& other) {
    option_->excludes(app_->get_option(other));
    return *this;
}
DeclaredOption& DeclaredOption::with(std::string other, std::vector<std::string> values) {
    conditions_.push_back({.options = {std::move(other)}, .values = std::move(values)});
    return *this;
}
DeclaredOption& DeclaredOption::with_any(std::vector<std::string> others) {
    conditions_.push_back({.options = std::move(others)});
    return *this;
}
DeclaredOption& DeclaredOption::without(std::string other) {
    conditions_.push_back({.options = {std::move(other)}, .absent = true});
    return *this;
}

std::string DeclaredOption::default_text() const {
    if (type_ == "flag") { return "off"; }
    return default_.empty() ? "none" : default_;
}

std::string DeclaredOption::text_of(Condition const& condition) {
    if (condition.absent) { return "without " + condition.options.front(); }
    return "with " + joined(condition.options, "or") + (condition.values.empty() ? "" : ' ' + joined(condition.values, "or"));
}

std::string DeclaredOption::condition() const {
    std::vector<std::string> texts;
    for (Condition const& condition : conditions_) { texts.push_back(text_of(condition)); }
    return joined(texts, "and");
}

std::string DeclaredOption::value_of(std::string const& other) const {
    CLI::Option const* const option = app_->get_option(other);
    return option->count() != 0 ? option->results().back() : option->get_default_str();
}

void DeclaredOption::refuse_unread() const {
    if (option_->count() == 0) { return; }
    auto const given = [&](std::string const& name) { return app_->get_option(name)->count() != 0; };
    for (Condition const& condition : conditions_) {
        std::string const& first = condition.options.front();
        bool const reads = condition.absent ? !given(first)
                           : !condition.values.empty()
                               ? std::ranges::find(condition.values, value_of(first)) != condition.values.end()
                               : std::ranges::any_of(condition.options, given);
        if (reads) { continue; }
        std::string const value = condition.values.empty() ? "" : value_of(first);
        throw InputError(Diagnostic{.file = {},
                                    .expected = name() + ' ' + text_of(condition) + (condition.absent ? "" : " alone"),
                                    .found = condition.absent ? first
                                             : condition.values.empty()
                                                 ? (condition.options.size() == 1 ? "no " + first : std::string("none of them"))
                                             : value.empty() ? "no " + first
                                                             : first + ' ' + value,
                                    .hint = "It has no effect here: leave it out."});
    }
}

// ---- the table -----------------------------------------------------------------------------------------------------------

DeclaredOption& OptionTable::add(CLI::App& app, CLI::Option* option, std::string type, std::string range) {
    return options_.emplace_back(app, option, std::move(type), std::move(range));
}

DeclaredOption& OptionTable::text(CLI::App& app, std::string const& names, std::string& target, std::string const& help) {
    return add(app, app.add_option(names, target, help)->capture_default_str(), "text").by_default(target);
}
DeclaredOption& OptionTable::text(CLI::App& app, std::string const& names, std::vector<std::string>& target,
                                  std::string const& help) {
    return add(app, app.add_option(names, target, help), "text");
}
DeclaredOption& OptionTable::path(CLI::App& app, std::string const& names, Path& target, std::string const& help) {
    return add(app, app.add_option(names, target, help), "path");
}
DeclaredOption& OptionTable::path(CLI::App& app, std::string const& names, std::vector<Path>& target, std::string const& help) {
    return add(app, app.add_option(names, target, help), "path");
}
DeclaredOption& OptionTable::flag(CLI::App& app, std::string const& names, bool& target, std::string const& help) {
    return add(app, app.add_flag(names, target, help), "flag");
}
DeclaredOption& OptionTable::whole(CLI::App& app, std::string const& names, std::function<void(std::uint64_t)> set,
                                   Whole const& range, std::string const& help) {
    auto const parse = [=, set = std::move(set)](std::string const& text) { set(whole_from(names, range, text)); };
    return add(app, app.add_option_function<std::string>(names, parse, help), "integer", range_text(range));
}
DeclaredOption& OptionTable::real(CLI::App& app, std::string const& names, std::function<void(double)> set, Real const& range,
                                  std::string const& help) {
    auto const parse = [=, set = std::move(set)](std::string const& text) { set(real_from(names, range, text)); };
    return add(app, app.add_option_function<std::string>(names, parse, help), "number", range_text(range));
}
DeclaredOption& OptionTable::real(CLI::App& app, std::string const& names, double& target, Real const& range,
                                  std::string const& help) {
    return real(app, names, [&target](double value) { target = value; }, range, help).by_default(short_text(target));
}
DeclaredOption& OptionTable::checked(CLI::App& app, std::string const& names, std::function<void(std::string const&)> set,
                                     std::string const& help) {
    return add(app, app.add_option_function<std::string>(names, std::move(set), help), "text");
}

void OptionTable::format(CLI::App& program) const {
    auto const help = std::make_shared<Help>(options_);
    help->column_width(34);
    for (CLI::App* const command : program.get_subcommands({})) { command->formatter(help); }
}

void OptionTable::refuse_unknown(CLI::App const& command, std::vector<std::string> const& arguments) const {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        std::string const name = arguments[i].substr(0, arguments[i].find('='));
        if (name.size() < 3 || !name.starts_with("--")) { continue; }
        if (CLI::Option const* const option = command.get_option_no_throw(name)) {
            bool const separate = option->get_expected_min() > 0 && name.size() == arguments[i].size();
            i += separate ? 1 : 0;   // the next argument is its value, whatever it looks like
            continue;
        }
        std::string readers;
        for (DeclaredOption const& other : options_) {
            if (other.option().check_name(name)) { readers += (readers.empty() ? "" : ", ") + other.app().get_name(); }
        }
        std::string const hint =
            readers.empty() ? did_you_mean(name, option_names(command)) : "It is an option of " + readers + '.';
        throw InputError(Diagnostic{.file = {},
                                    .expected = "an option of `bmae " + command.get_name() + '`',
                                    .found = name,
                                    .hint = hint.empty() ? "`bmae " + command.get_name() + " --help` lists them." : hint});
    }
}

void OptionTable::refuse_unread(CLI::App const& command) const {
    for (DeclaredOption const& declared : options_) {
        if (&declared.app() == &command) { declared.refuse_unread(); }
    }
}

std::vector<std::string> OptionTable::given_inputs(CLI::App const& command) const {
    std::vector<std::string> paths;
    for (DeclaredOption const& declared : options_) {
        if (&declared.app() != &command || declared.type() != "path" || declared.name() == "--output") { continue; }
        if (declared.option().count() == 0) { continue; }
        for (std::string const& path : declared.option().results()) { paths.push_back(path); }
    }
    return paths;
}

Json OptionTable::to_json() const {
    Json list = Json::array();
    for (DeclaredOption const& declared : options_) {
        CLI::Option const& option = declared.option();
        Json aliases = Json::array();
        for (std::string const& name : option.get_lnames()) {
            if ("--" + name != declared.name()) { aliases.push_back("--" + name); }
        }
        list.push_back({{"command", declared.app().get_name()},
                        {"name", declared.name()},
                        {"aliases", std::move(aliases)},
                        {"type", declared.type()},
                        {"range", declared.range()},
                        {"required", option.get_required()},
                        {"repeatable", option.get_expected_max() > 1},
                        {"default", option.get_required() ? std::string() : declared.default_text()},
                        {"read", declared.condition().empty() ? "always" : declared.condition()},
                        {"help", option.get_description()}});
    }
    return list;
}

std::string OptionTable::to_markdown() const {
    auto const cell = [](std::string text) {
        for (std::size_t i = 0; (i = text.find('|', i)) != std::string::npos; i += 2) { text.insert(i, 1, '\\'); }
        return text;
    };
    std::string page;
    CLI::App const* command = nullptr;
    for (DeclaredOption const& declared : options_) {
        CLI::Option const& option = declared.option();
        if (&declared.app() != command) {
            command = &declared.app();
            page += "\n## bmae " + command->get_name() + "\n\n" + command->get_description() +
                    ".\n\n| option | type | range | default | read | meaning |\n|---|---|---|---|---|---|\n";
        }
        std::string names;
        for (std::string const& name : option.get_lnames()) { names += (names.empty() ? "`--" : ", `--") + name + '`'; }
        if (names.empty()) { names = '`' + declared.name() + '`'; }
        std::string const usual = option.get_required() ? "required" : declared.default_text();
        std::string const read = declared.condition().empty() ? "always" : declared.condition();
        page += "| " + names + " | " + declared.type() + " | " + declared.range() + " | " + cell(usual) + " | " + cell(read) +
                " | " + cell(option.get_description()) + " |\n";
    }
    return page;
}

}  // namespace bmae::program
