// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Two ranks as two threads that add up their tensors when they meet.
#pragma once

#include <barrier>
#include <cstddef>
#include <thread>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/training/replicas.hpp>

namespace bmae::test {

/// Calls `work(rank, replicas)` for both ranks side by side.
template <class Work>
void on_two_ranks(Work const& work) {
    std::barrier meeting(2);
    std::vector<at::Tensor> mine(2);
    auto const run = [&](std::size_t rank) {
        Replicas const replicas{.rank = rank, .ranks = 2, .sum = [&, rank](at::Tensor const& tensor) {
                                    mine[rank] = tensor.clone();
                                    meeting.arrive_and_wait();
                                    tensor.copy_(mine[0].add(mine[1]));
                                    meeting.arrive_and_wait();
                                }};
        work(rank, replicas);
    };
    std::thread other(run, 1);
    run(0);
    other.join();
}

}  // namespace bmae::test
