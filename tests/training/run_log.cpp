// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/training/run_log.hpp>

#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(run_log)

namespace {

using bmae::settings_text;

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

BOOST_AUTO_TEST_CASE(a_default_that_matters_is_told) {
    BOOST_TEST(settings_text({.steps = 20}) ==
               "steps          20\n"
               "batch          16384 tokens (the default; .batch = {.tokens = N} or {.examples = N} sets it)\n"
               "learning rate  0.0001 (the default), linear after a warm-up of 10% of the steps\n"
               "precision      fp32\n"
               "seed           42\n"
               "output         none: no checkpoint is written\n");
}

BOOST_AUTO_TEST_CASE(what_was_chosen_is_told_as_it_is) {
    std::string const text = settings_text({.epochs = 3,
                                            .batch = {.examples = 32},
                                            .accumulation = 4,
                                            .learning_rate = 3e-5,
                                            .schedule = {.decay = bmae::Decay::cosine, .warmup_steps = 7},
                                            .precision = bmae::ComputeType::bf16,
                                            .seed = 5,
                                            .output = "run"});
    BOOST_TEST(!has(text, "default"));
    for (char const* part : {"3 epochs\n", "32 examples, 4 of them a step\n", "3e-05, cosine after a warm-up of 7 steps\n",
                             "bf16\n", "seed           5\n", "output         run\n"}) {
        BOOST_TEST(has(text, part), part << " in " << text);
    }
}

BOOST_AUTO_TEST_CASE(progress_is_one_line) {
    BOOST_TEST(
        bmae::progress_text({.step = 20, .steps = 120, .loss = 2.31272, .learning_rate = 1e-4, .tokens_per_second = 1250.4}) ==
        "step 20 of 120  loss 2.3127  learning rate 0.0001  1250 tokens/s");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
