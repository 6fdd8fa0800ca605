// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
// Compositions over queries and candidates, and over encoders that lack what a part requires: one slot of each is wrong.
#include <bmae/bottlenecks/hybrid_vectors.hpp>
#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/bottlenecks/token_vectors.hpp>
#include <bmae/decoders/full_depth.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/model/distillation.hpp>
#include <bmae/model/hybrid_contrast.hpp>
#include <bmae/model/max_sim_contrast.hpp>
#include <bmae/model/two_encoders.hpp>
#include <bmae/presets/reranker.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/sources/passage.hpp>

#include "../concepts/poor_encoder.hpp"
#include "pick.hpp"

using namespace bmae;
using bmae_test::HeadlessEncoder;
using bmae_test::PoorEncoder;

using Words = View<Passage, WholeWordMasker>;
using Rows = View<Passage, RowVisibility>;
using Mlm = MaskedLanguageModel;
using Asked = Pass<View<Query>, ClsBottleneck>;
using Found = Pass<View<Candidates>, ClsBottleneck>;

/// Makes the compiler look into a type.
template <class... T>
constexpr std::size_t looked_into = (sizeof(T) + ...);

// ---- queries and candidates

// case: candidates_without_a_query
// expect: Contrast: the first pass reads the queries
constexpr std::size_t candidates_without_a_query = looked_into<Model<PoorEncoder, Pick<Asked, Found>, Found, Contrast>>;

// case: a_teacher_of_no_group
// expect: Distillation, GroupSoftmax, RDrop: no pass reads a group of texts
constexpr std::size_t a_teacher_of_no_group =
    looked_into<Model<PoorEncoder, Asked, Pick<Found, Asked>, Distillation<KlDivergence>>>;

// case: two_kinds_of_dataset
// expect: Model: its views read two kinds of dataset
constexpr std::size_t two_kinds_of_dataset =
    looked_into<Model<PoorEncoder, Asked, Pass<View<Pick<Candidates, Passage>>, ClsBottleneck>, Contrast>>;

// case: a_score_is_no_sentence_for_a_decoder
// expect: Pass: a decoder reads sentence vectors as wide as hidden states
constexpr std::size_t a_score_is_no_sentence_for_a_decoder =
    looked_into<Model<PoorEncoder, Pass<Words, Pick<ClsBottleneck, Scored<ClsBottleneck>>, Mlm, Branch<Words, BasicDecoder>>>>;

// case: tokens_are_compared_that_no_pass_keeps
// expect: MaxSimContrast: it compares the vectors of tokens, which a pass here does not keep
template <class B>
using Late = Model<PoorEncoder, Pass<View<Query>, B>, Pass<View<Candidates>, B>, MaxSimContrast>;
constexpr std::size_t tokens_are_compared_that_no_pass_keeps = looked_into<Late<Pick<TokenVectors, ClsBottleneck>>>;

// case: one_vector_is_compared_of_many
// expect: Contrast, Distillation: they compare one vector per text
template <class B>
using Early = Model<PoorEncoder, Pass<View<Query>, B>, Pass<View<Candidates>, B>, Contrast>;
constexpr std::size_t one_vector_is_compared_of_many = looked_into<Early<Pick<ClsBottleneck, TokenVectors>>>;

// case: three_representations_are_no_vectors_of_tokens
// expect: HybridContrast, SelfDistillation: they compare the rows of HybridVectors
constexpr std::size_t three_representations_are_no_vectors_of_tokens = looked_into<Late<Pick<TokenVectors, HybridVectors>>>;

// case: a_hybrid_contrast_of_vectors_of_tokens
// expect: HybridContrast, SelfDistillation: they compare the rows of HybridVectors
template <class B>
using Hybrid = Model<PoorEncoder, Pass<View<Query>, B>, Pass<View<Candidates>, B>, HybridContrast, SelfDistillation>;
constexpr std::size_t a_hybrid_contrast_of_vectors_of_tokens = looked_into<Hybrid<Pick<HybridVectors, TokenVectors>>>;

// case: a_second_encoder_without_a_pass
// expect: TwoEncoders: the composition has no second pass by the model's own encoder
constexpr std::size_t a_second_encoder_without_a_pass = looked_into<TwoEncoders<Pick<Retriever, Reranker>>>;

// case: no_pass_gives_scores
// expect: GroupSoftmax, RDrop: they compare one number per text, which a pass here does not give
constexpr std::size_t no_pass_gives_scores =
    looked_into<Model<PoorEncoder, Pass<View<QueryWithCandidate>, Pick<Scored<ClsBottleneck>, ClsBottleneck>>, GroupSoftmax>>;

// ---- what only the encoder can tell

// case: tokens_are_predicted_without_a_head
// expect: Pass: this term predicts tokens with the encoder's head, which the encoder lacks
constexpr std::size_t tokens_are_predicted_without_a_head =
    looked_into<Model<Pick<PoorEncoder, HeadlessEncoder>, Pass<Words, ClsBottleneck, Mlm>>>;

// case: a_branch_uses_a_head_that_is_not_there
// expect: Pass: this term predicts tokens with the encoder's head, which the encoder lacks
constexpr std::size_t a_branch_uses_a_head_that_is_not_there =
    looked_into<Model<HeadlessEncoder,
                      Pass<Words, ClsBottleneck, Branch<Words, BasicDecoder, TokenCrossEntropy, Pick<OwnHead, EncoderHead>>>>>;

// case: a_bottleneck_of_logits_without_a_head
// expect: Pass: this bottleneck reads the logits of the encoder's token head, which the encoder lacks
constexpr std::size_t a_bottleneck_of_logits_without_a_head =
    looked_into<Early<LexicalBottleneck>,
                Model<Pick<PoorEncoder, HeadlessEncoder>, Pass<View<Query>, LexicalBottleneck>, Found, Contrast>>;

// case: positions_that_the_encoder_lacks
// expect: Branch: an enhanced decoder adds positions to the sentence vector; this encoder has no table of them
constexpr std::size_t positions_that_the_encoder_lacks =
    looked_into<Model<Pick<PoorEncoder, HeadlessEncoder>,
                      Pass<Words, ClsBottleneck, Branch<Rows, EnhancedDecoder, TokenCrossEntropy, OwnHead>>>>;

// case: a_copy_of_an_encoder_that_runs_on_no_rows
// expect: Branch: this decoder does not fit the encoder
constexpr std::size_t a_copy_of_an_encoder_that_runs_on_no_rows =
    looked_into<Model<Pick<PoorEncoder, HeadlessEncoder>,
                      Pass<Words, ClsBottleneck, Branch<Words, FullDepthDecoder, TokenCrossEntropy, OwnHead>>>>;

// case: one_name_for_two_decoders
// expect: Shared: one name is used for decoders of two types
constexpr std::size_t one_name_for_two_decoders =
    looked_into<Model<PoorEncoder, Pass<Words, ClsBottleneck, Mlm, Branch<Words, Shared<"one", BasicDecoder>>,
                                        Branch<Words, Shared<"one", Pick<BasicDecoder, FullDepthDecoder>>>>>>;

// case: a_shared_decoder_asks_for_what_its_decoder_asks_for
// expect: Branch: an enhanced decoder adds positions to the sentence vector; this encoder has no table of them
constexpr std::size_t a_shared_decoder_asks_for_what_its_decoder_asks_for =
    looked_into<Model<Pick<PoorEncoder, HeadlessEncoder>,
                      Pass<Words, ClsBottleneck, Branch<Rows, Shared<"one", EnhancedDecoder>, TokenCrossEntropy, OwnHead>>>>;
