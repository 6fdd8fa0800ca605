// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Options by name: paths of nested parts, reading from text, and what is refused.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/values/option.hpp>

BOOST_AUTO_TEST_SUITE(option)

namespace {

using namespace bmae;

enum class Color { red, green };
[[maybe_unused]] constexpr std::array<std::string_view, 2> names_of(Color) noexcept { return {"red", "green"}; }

struct Inner {
    std::uint64_t count = 3;
    Color color = Color::green;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("count", count, "how many");
        visit("color", color, "which");
    }
};

struct Silent {
    int anything = 0;   // a part need not offer anything
};

struct Outer {
    double rate = .25;
    std::int64_t layers = -1;
    bool exact = true;
    Inner inner;
    std::tuple<Inner, Silent, Inner> parts;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share");
        visit("layers", layers, "of the decoder");
        visit("exact", exact, "or a coin per token");
        visit.inside("inner", inner);
        visit.inside_each("parts", parts);
    }
};

static_assert(OffersOptions<Outer> && OffersOptions<Inner> && !OffersOptions<Silent>);

bool holds(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// The refusal of one setting, which must name the path and the text that was given.
Diagnostic refusal(std::vector<OptionEntry> const& entries, std::string const& path, std::string const& text) {
    try {
        set_option(entries, path, text);
    } catch (InputError const& error) {
        BOOST_TEST(holds(error.what(), path));
        return error.diagnostic();
    }
    BOOST_ERROR(path << '=' << text << " was accepted");
    return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(paths_of_nested_parts_in_order) {
    Outer outer;
    std::vector<std::string> paths;
    for (OptionEntry const& entry : option_entries(outer)) {
        paths.push_back(entry.path);
        BOOST_TEST(!entry.meaning.empty());
    }
    std::vector<std::string> const expected = {"rate",          "layers",        "exact",         "inner.count",  "inner.color",
                                               "parts.0.count", "parts.0.color", "parts.2.count", "parts.2.color"};
    BOOST_TEST(paths == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(values_are_read_and_written_where_they_stand) {
    Outer outer;
    auto const entries = option_entries(outer);
    auto const value = [&](std::string_view path) { return find_option(entries, path)->number.value(); };
    BOOST_TEST(std::get<double>(value("rate")) == .25);
    BOOST_TEST(std::get<std::int64_t>(value("layers")) == -1);
    BOOST_TEST(std::get<bool>(value("exact")));
    BOOST_TEST(std::get<std::uint64_t>(value("inner.count")) == 3U);
    BOOST_TEST(std::get<std::string>(value("inner.color")) == "green");
    set_option(entries, "rate", "1e-3");
    set_option(entries, "layers", "+2");
    set_option(entries, "exact", "false");
    set_option(entries, "inner.count", "18446744073709551615");
    set_option(entries, "parts.2.color", "red");
    BOOST_TEST(outer.rate == 1e-3);
    BOOST_TEST(outer.layers == 2);
    BOOST_TEST(!outer.exact);
    BOOST_TEST(outer.inner.count == 18446744073709551615U);
    BOOST_TEST((std::get<2>(outer.parts).color == Color::red && std::get<0>(outer.parts).color == Color::green));
    BOOST_TEST((find_option(entries, "inner") == nullptr));
    set_option(entries, "layers", "-1e3");
    set_option(entries, "inner.count", "1.5e3");
    BOOST_TEST(outer.layers == -1000);
    BOOST_TEST(outer.inner.count == 1500U);
}

BOOST_AUTO_TEST_CASE(what_is_not_of_the_kind_is_refused_and_changes_nothing) {
    Outer outer;
    auto const entries = option_entries(outer);
    for (std::string const text : {"", "x", ".3.", "0.3 ", " 1", "1,5", "0x1p", "--1", "1e999", "nan", "inf", "-inf"}) {
        BOOST_TEST(holds(refusal(entries, "rate", text).found, text));
    }
    for (std::string const text : {"", "1.5", "9223372036854775808", "two", "1.5e0", "1e19", "nan", "inf"}) {
        refusal(entries, "layers", text);
    }
    for (std::string const text : {"-1", "-1e0", "1e-1", "1e17", "18446744073709551616"}) {
        refusal(entries, "inner.count", text);
    }
    for (std::string const text : {"yes", "2", "True", ""}) { refusal(entries, "exact", text); }
    Diagnostic const choice = refusal(entries, "inner.color", "blue");
    BOOST_TEST(holds(choice.expected, "red, green"));
    BOOST_TEST(outer.rate == .25);
    BOOST_TEST(outer.layers == -1);
    BOOST_TEST(outer.exact);
    BOOST_TEST(outer.inner.count == 3U);
}

BOOST_AUTO_TEST_CASE(an_unknown_path_lists_the_known_ones_the_nearest_first) {
    Outer outer;
    auto const entries = option_entries(outer);
    Diagnostic const unknown = refusal(entries, "inner.cuont", "1");
    BOOST_TEST(holds(unknown.found, "inner.cuont"));
    for (OptionEntry const& entry : entries) { BOOST_TEST(holds(unknown.hint, entry.path)); }
    BOOST_TEST(unknown.hint.starts_with("Did you mean \"inner.count\"? "));
    BOOST_TEST(!holds(refusal(entries, "temperature", "1").hint, "Did you mean"));
    BOOST_TEST(unknown.hint.find("inner.count") < unknown.hint.find("rate"));
    BOOST_TEST(detail::edit_distance("kitten", "sitting") == 3U);
    BOOST_TEST(detail::edit_distance("", "abc") == 3U);
    BOOST_TEST(detail::edit_distance("same", "same") == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
