// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a decoder, checks it against the concept and its law, and trains with it. It predicts tokens from the sentence vector
// and the token's position alone: weaker than any decoder of the papers, so that all information is in the vector.
//
//     text --mask .30--> encoder --[CLS]--> PositionDecoder <-- positions 0, 1, 2 ...
//                                           ^^^^^^^^^^^^^^^
//                                           yours
//
// Run:     build/dev/bin/10_your_own_decoder
// Expect:  10_your_own_decoder.output; losses go to standard error
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/gelu.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/concepts/decoder.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/edge/pretrain.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/all_tokens.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

#include "tiny_world.hpp"

using namespace bmae;

// 1. The decoder. `view` holds the packed tokens of all texts of the batch; `text_of_row` is the text of each.
class PositionDecoder {
public:
    struct Options {};
    static constexpr std::string_view kind = "position";   // its name in reports
    static constexpr bool reads_visibility = false;        // it does not support row masks

    /// `seed` and `name` key the initialization: the same on every machine, in any order.
    PositionDecoder(Options, BertEncoder const& encoder, std::uint64_t seed, std::string const& name)
        : mix(encoder.shape().width, encoder.shape().width), norm(encoder.shape().width, 1e-12) {
        initialize(*this, name, seed);
    }

    at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, BertEncoder const& encoder, Encoded const&,
                      ForwardContext&) const {
        at::Tensor const rows = sentence.index_select(0, view.text_of_row);                          // [T, H]
        return norm(at::gelu(mix(rows + encoder.embeddings.position_rows(rows, view.positions))));   // [T, H]
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        mix.for_each_parameter(prefix + ".mix", visit);
        norm.for_each_parameter(prefix + ".LayerNorm", visit);
    }

private:
    Linear mix;
    LayerNorm norm;
};

// 2. The check. Were `kind` missing, `explain_decoder` would report it in one sentence.
static_assert(DecoderOf<PositionDecoder, BertEncoder> && explain_decoder<PositionDecoder, BertEncoder>());

// 3. The composition. The decoder's view has no mask, since it is not read; every token has a label.
using Mine = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, NoMasker, NoCorruption>, PositionDecoder, AllTokens>>>;

int main() {
    at::set_num_threads(1);
    tiny_world::ScratchFolder const scratch;
    WordPiece const tokenizer = tiny_world::tokenizer();
    TokenStore const corpus = tiny_world::make_store(scratch / "corpus.tokens", tiny_world::passages(500), tokenizer);
    Mine model(tiny_world::config(tokenizer));
    std::cout << model.composition() << '\n';

    // 4. The law: a row never reads its own token. Change the tokens and keep the vector: the rows must be equal.
    std::vector<Example> const texts = {corpus.example(0, 38), corpus.example(1, 38)};
    HostBatch const batch = model.collate(texts, tokenizer.traits(), {.max_length = 40}, {.seed = 1});
    PackedInput view = to_tensors(batch.views[1]);
    ForwardContext context;
    Encoded const encoded = model.encoder().encode(to_tensors(batch.views[0]), context);
    at::Tensor const sentence = encoded.hidden.index_select(0, view.first_rows);   // [B, H]
    PositionDecoder const decoder({}, model.encoder(), 1, "decoder");
    at::Tensor const told = decoder.decode(sentence, view, model.encoder(), {}, context);
    view.input_ids = view.input_ids.flip({0});
    at::Tensor const same = decoder.decode(sentence, view, model.encoder(), {}, context);
    std::cout << "reads its own token: " << (told.equal(same) ? "no" : "yes") << '\n';

    // 5. One step by hand: loss, gradient. Parameters are visited by name.
    model.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.set_requires_grad(true); });
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    loss.total.backward();
    model.for_each_parameter([](std::string const& name, at::Tensor& value, bool) {
        if (name.find("decoder") == std::string::npos || name.starts_with("cls.")) { return; }
        bool const learns = value.grad().abs().sum().item<double>() > 0;
        std::cout << name << ' ' << value.sizes() << (learns ? " learns\n" : " learns nothing\n");
    });
    for (TermLoss const& term : loss.terms) {
        std::printf("%d labels, loss %.1f\n", static_cast<int>(term.labels), term.loss.item<double>());
    }

    // 6. The same over many steps. Reports, checkpoints and the log use the decoder's name.
    std::vector<double> losses;
    pretrain(model, corpus, {.steps = 60, .batch = {.examples = 32}, .learning_rate = 3e-3, .log_every = 20},
             {.on_log = [&losses](LogReport const& report) {
                 losses.push_back(report.terms[1].loss);
                 std::fprintf(stderr, "step %d: decoder loss %.3f\n", static_cast<int>(report.step), report.terms[1].loss);
             }});
    std::cout << "decoder loss " << (losses.back() < losses.front() ? "fell" : "did not fall") << '\n';
}
