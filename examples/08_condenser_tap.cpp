// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Shows what Condenser's head reads (Gao, Callan, arXiv 2104.08253, figure 2): the rows of a layer of the encoder itself, with
// the sentence vector of its end in front.
//
//     text --> layers 1, 2 --> layers 3, 4 --[CLS]--.
//                    |                              v
//                    '------------ rows ---------> head --> masked words
//                   the tap
//
// Run:     build/dev/bin/08_condenser_tap
// Expect:  08_condenser_tap.output
#include <array>
#include <cstdio>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/presets/condenser.hpp>

#include "tiny_world.hpp"

using namespace bmae;

namespace {

/// How many rows of `a` and `b` differ.                                                             a, b: [T, H]
std::int64_t rows_that_differ(at::Tensor const& a, at::Tensor const& b) {
    return (a - b).abs().amax({1}).gt(1e-6).sum().item<std::int64_t>();
}

}  // namespace

int main() {
    at::set_num_threads(1);
    tiny_world::ScratchFolder const scratch;
    WordPiece const tokenizer = tiny_world::tokenizer();
    TokenStore const corpus = tiny_world::make_store(scratch / "corpus.tokens", tiny_world::passages(8), tokenizer);
    BertConfig config = tiny_world::config(tokenizer);
    config.num_hidden_layers = 4;

    // 1. Two Condensers that differ in one option. -1, the default, is the middle layer.
    Condenser middle(config, {.skip_from = -1});
    Condenser embeddings(config, {.skip_from = 0});
    std::cout << middle.composition() << "\ntap " << middle.describe_terms()[1].tap << " of " << config.num_hidden_layers
              << ", and tap " << embeddings.describe_terms()[1].tap << '\n';

    // 2. One masked text through the encoder. The branch has no view of its own: it keeps the layers of this pass.
    std::array const texts = {corpus.example(0, 38)};
    HostBatch const batch = middle.collate(texts, tokenizer.traits(), {.max_length = 40}, {.seed = 1});
    PackedInput const input = to_tensors(batch.views[0]);
    ForwardContext context;
    Encoded const encoded = middle.encoder().encode(input, context, /*keep_layers=*/true);
    at::Tensor const sentence = encoded.hidden.index_select(0, input.first_rows);   // [1, H]
    std::cout << "\nviews             " << batch.views.size()                       //
              << "\nlayers kept       " << encoded.layers.size() << ", the embeddings among them\n";

    // 3. A tap at the embeddings is the ordinary decoder, fed the encoder's own masked text.
    TapDecoder const tap_0({.layers = 2, .tap = 0}, middle.encoder(), 1, "head");
    TapDecoder const tap_2({.layers = 2, .tap = 2}, middle.encoder(), 1, "head");   // the same parameters: seed, name
    BasicDecoder const basic({.layers = 2}, middle.encoder(), 1, "head");
    auto const decode = [&](auto const& decoder) { return decoder.decode(sentence, input, middle.encoder(), encoded, context); };
    std::cout << "\nrows that differ from BasicDecoder's\n"
              << "    tap 0         " << rows_that_differ(decode(tap_0), decode(basic)) << " of " << input.tokens() << '\n'
              << "    tap 2         " << rows_that_differ(decode(tap_2), decode(basic)) << " of " << input.tokens() << '\n';

    // 4. How contextual the rows are before the head: change one token and count the rows that change. From
    //    the middle layer they carry local context, so that [CLS] is free for global semantics.
    PackedView changed = batch.views[0];
    changed.input_ids[5] = tokenizer.encode("captain")[0];
    Encoded const other = middle.encoder().encode(to_tensors(changed), context, true);
    std::cout << "\nrows that change with one token\n";
    for (std::size_t const tap : {0U, 2U}) {
        std::int64_t const rows = rows_that_differ(encoded.layers[tap], other.layers[tap]);
        std::cout << "    tap " << tap << "         " << rows << " of " << input.tokens() << '\n';
    }

    // 5. What the head trains besides [CLS]: detach the sentence vector and see which layers get a gradient.
    std::map<int, std::set<int>> trained;   // tap -> layers
    middle.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.set_requires_grad(true); });
    for (int const tap : {0, 2}) {
        middle.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.mutable_grad() = at::Tensor(); });
        Encoded const pass = middle.encoder().encode(input, context, true);
        (tap == 0 ? tap_0 : tap_2).decode(sentence.detach(), input, middle.encoder(), pass, context).square().sum().backward();
        middle.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
            std::string const prefix = "encoder.layer.";
            if (name.starts_with(prefix) && value.grad().defined()) {
                trained[tap].insert(std::stoi(name.substr(prefix.size())));
            }
        });
    }
    std::cout << "\nlayers with a gradient from the head's rows\n";
    for (int const tap : {0, 2}) {
        std::cout << "    tap " << tap << "        ";
        for (int const layer : trained[tap]) { std::cout << ' ' << layer + 1; }
        std::cout << (trained[tap].empty() ? " none\n" : "\n");
    }

    // 6. Both terms predict the same masked tokens, so they have equally many labels. Untrained, each loss is about ln V.
    ModelLoss const loss = middle.forward(batch, context, batch.term_labels);
    std::printf("\n");
    for (TermLoss const& term : loss.terms) {
        std::printf("%s%d labels, loss %.1f\n", &term == loss.terms.data() ? "encoder           " : "head              ",
                    static_cast<int>(term.labels), term.loss.item<double>());
    }
}
