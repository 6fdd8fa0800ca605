// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Files compiled with and without optimization in one program: each calls what was compiled for it, and the results agree.
#include <algorithm>

#include <boost/test/unit_test.hpp>

#include "both.hpp"

linking::Results linking::optimized() { return compute(); }

BOOST_AUTO_TEST_SUITE(linking_)

BOOST_AUTO_TEST_CASE(files_of_both_kinds_agree) {
    linking::Results const with = linking::optimized();
    linking::Results const without = linking::unoptimized();
#ifdef __x86_64__
    BOOST_CHECK(with.has_kernels);
    for (std::size_t i = 0; i < with.names.size(); ++i) { BOOST_CHECK_NE(with.names[i], without.names[i]); }
#endif
    BOOST_CHECK(!without.has_kernels);
    for (std::size_t i = 0; i < with.tensors.size(); ++i) {
        double const scale = std::max(1.0, without.tensors[i].abs().max().item<double>());
        BOOST_CHECK_SMALL((with.tensors[i] - without.tensors[i]).abs().max().item<double>() / scale, 2e-5);
    }
}

BOOST_AUTO_TEST_SUITE_END()
