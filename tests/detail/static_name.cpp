// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include <bmae/detail/static_name.hpp>

BOOST_AUTO_TEST_SUITE(static_name)

struct Named {
    static constexpr std::string_view name = "named";
};
struct Inherits : Named {};
struct PerObject {
    std::string name = "per object";
};
struct Counted {
    static constexpr int name = 1;
};
struct Unnamed {};

BOOST_AUTO_TEST_CASE(a_name_is_static_and_text) {
    using bmae::detail::HasStaticName;
    BOOST_TEST(HasStaticName<Named>);
    BOOST_TEST(HasStaticName<Inherits>);
    BOOST_TEST(!HasStaticName<PerObject>);
    BOOST_TEST(!HasStaticName<Counted>);
    BOOST_TEST(!HasStaticName<Unnamed>);
}

BOOST_AUTO_TEST_SUITE_END()
