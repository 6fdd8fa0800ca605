// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The entry of libFuzzer for the target that the environment names in BMAE_FUZZ_TARGET: see run.sh. No part of the test program.
#ifdef BMAE_LIBFUZZER

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include <bmae/values/error.hpp>

#include "targets.hpp"

namespace {

fuzz::Target const& target_of_the_environment() {
    char const* const name = std::getenv("BMAE_FUZZ_TARGET");
    try {
        return fuzz::target_named(name == nullptr ? "" : name);
    } catch (std::out_of_range const& error) {
        std::fprintf(stderr, "BMAE_FUZZ_TARGET: %s\n", error.what());
        std::exit(2);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    static fuzz::Target const& target = target_of_the_environment();
    try {
        target.read({reinterpret_cast<char const*>(data), size});
    } catch (bmae::Error const&) {}   // refused, as it should be; any other exception ends the program
    return 0;
}

#endif
