// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The main function of drivers that compute tensors from tensors: DRIVER INPUT.safetensors OUTPUT.safetensors
#pragma once

#include <cstdio>
#include <exception>

#include <bmae/io/tensors.hpp>

/// \param compute  from the tensors of the input to those of the output
template <class Compute>
int run_tensor_driver(int argc, char** argv, Compute const& compute) {
    try {
        if (argc != 3) { return 2; }
        bmae::save_tensors(argv[2], compute(bmae::load_tensors(argv[1])));
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
