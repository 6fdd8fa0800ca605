// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <string>

#include <bmae/text/language_guess.hpp>

BOOST_AUTO_TEST_SUITE(language_guess)

BOOST_AUTO_TEST_CASE(letters_have_a_writing_system) {
    for (auto const& [letter, name] :
         {std::pair{U'a', "latin"}, std::pair{U'\u00e9', "latin"}, std::pair{U'\u03b1', "greek"},
          std::pair{U'\u0436', "cyrillic"}, std::pair{U'\u05d0', "hebrew"}, std::pair{U'\u0628', "arabic"},
          std::pair{U'\u0915', "devanagari"}, std::pair{U'\u4e2d', "han"}, std::pair{U'\u30ab', "kana"},
          std::pair{U'\ud55c', "hangul"}, std::pair{U'\u0e01', "thai"}}) {
        BOOST_TEST(bmae::writing_of(letter) == name);
    }
    for (char32_t const other : {U'1', U' ', U'.', U'\u00d7', U'\u20ac', U'\0', U'\U0001f600'}) {
        BOOST_TEST(bmae::writing_of(other).empty());
    }
}

BOOST_AUTO_TEST_CASE(function_words_tell_languages_of_one_writing) {
    BOOST_TEST(bmae::guess_language("The ships lie in the harbour, and they are to leave it with the tide.") == "en");
    BOOST_TEST(bmae::guess_language("Die Schiffe liegen im Hafen und werden mit der Flut von dort abfahren.") == "de");
    BOOST_TEST(bmae::guess_language("Les navires sont dans le port et ils partent avec la mar\u00e9e du soir.") == "fr");
    BOOST_TEST(bmae::guess_language("Los barcos est\u00e1n en el puerto y salen con la marea de la tarde, pero no todos.") ==
               "es");
    BOOST_TEST(
        bmae::guess_language(
            "As embarca\u00e7\u00f5es est\u00e3o no porto e saem com uma mar\u00e9 da tarde, mas n\u00e3o todas as do cais.") ==
        "pt");
    BOOST_TEST(bmae::guess_language("De schepen liggen in het haventje en worden met een sleepboot naar zee gebracht.") == "nl");
    BOOST_TEST(
        bmae::guess_language(
            "\u041a\u043e\u0440\u0430\u0431\u043b\u0438 \u0441\u0442\u043e\u044f\u0442 \u0432 \u043f\u043e\u0440\u0442\u0443, "
            "\u0438 \u044d\u0442\u043e \u043d\u0435 \u0432\u0441\u0435") == "ru");
    BOOST_TEST(bmae::guess_language("\u8239\u505c\u5728\u6e2f\u53e3\u91cc\uff0c\u7b49\u7740\u6da8\u6f6e\u65f6\u4e00\u8d77\u79bb"
                                    "\u5f00\u8fd9\u4e2a\u5730\u65b9\u53bb\u6d77\u4e0a") == "zh");
    BOOST_TEST(bmae::guess_language("\u8239\u306f\u6e2f\u306b\u505c\u307e\u3063\u3066\u3044\u3066\u3001\u6f6e\u304c\u6e80\u3061"
                                    "\u308b\u306e\u3092\u5f85\u3063\u3066\u3044\u307e\u3059") == "ja");
    BOOST_TEST(bmae::guess_language("\ubc30\ub294 \ud56d\uad6c\uc5d0 \uc788\uace0 \ubc00\ubb3c\uc744 \uae30\ub2e4\ub9ac\uace0 "
                                    "\uc788\uc2b5\ub2c8\ub2e4 \uadf8\ub9ac\uace0") == "ko");
}

BOOST_AUTO_TEST_CASE(where_nothing_tells_it_says_the_writing_or_nothing) {
    BOOST_TEST(bmae::guess_language("Lorem ipsum dolor consectetur adipiscing") == "latin");
    BOOST_TEST(bmae::guess_language("and the").empty());   // too short
    BOOST_TEST(bmae::guess_language("1234567890 1234567890 1234567890").empty());
    BOOST_TEST(bmae::guess_language("").empty());
    std::string cut(1999, ' ');   // a character across the end of what is read
    cut += "\u4e2d";
    BOOST_TEST(bmae::guess_language(cut).empty());
}

BOOST_AUTO_TEST_SUITE_END()
