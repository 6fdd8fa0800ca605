// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE bmae_losses
#include <boost/test/unit_test.hpp>
