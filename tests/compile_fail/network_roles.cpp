// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
// Encoders, bottlenecks and decoders, each wrong in one way.
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/concepts/decoder.hpp>
#include <bmae/concepts/encoder.hpp>

#include "pick.hpp"

using namespace bmae;

struct Tables {
    at::Tensor word;
    at::Tensor operator()(at::Tensor const&, at::Tensor const&, ForwardContext&) const { return word; }
};
struct Numbers {};
struct WithTables {
    Tables embeddings;
};
struct Named {
    static constexpr std::string_view name = "net";
};
template <int>
struct Nothing {};

template <bool seeded, bool encodes, bool shared, bool sized, bool named = true, bool visited = true>
struct Net : std::conditional_t<shared, WithTables, Nothing<0>>, std::conditional_t<named, Named, Nothing<1>> {
    using Options = Numbers;
    Net(Options, std::uint64_t)
        requires seeded
    {}
    Encoded encode(PackedInput const&, ForwardContext&, bool) const
        requires encodes
    {
        return {};
    }
    Shape shape() const
        requires sized
    {
        return {};
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&)
        requires visited
    {}
};
using RightNet = Net<true, true, true, true>;
// case: an_encoder_without_a_seed
// expect: Encoder: a nested `Options` and a constructor \(Options, seed\) are missing
static_assert(explain_encoder<Net<right, true, true, true>>());
// case: an_encoder_that_does_not_encode
// expect: Encoder: a member `Encoded encode\(PackedInput const&, ForwardContext&, bool keep_layers\) const` is missing
static_assert(explain_encoder<Net<true, right, true, true>>());
// case: an_encoder_without_tables
// expect: Encoder: `embeddings`, with the table `word` and `embeddings\(ids, positions, context\)`, is missing
static_assert(explain_encoder<Net<true, true, right, true>>());
// case: an_encoder_of_unknown_shape
// expect: Encoder: `Shape shape\(\) const` is missing
static_assert(explain_encoder<Net<true, true, true, right>>());
// case: an_encoder_without_a_name
// expect: Encoder: `static constexpr std::string_view name` is missing
static_assert(explain_encoder<Net<true, true, true, true, right>>());
// case: an_encoder_whose_parameters_have_no_name
// expect: Encoder: `for_each_parameter\(prefix, visit\)` is missing
static_assert(explain_encoder<Net<true, true, true, true, true, right>>());

// case: a_bottleneck_without_a_name
// expect: Bottleneck: `static constexpr std::string_view name` is missing
struct FirstRow {
#ifdef PASSING
    static constexpr std::string_view name = "first_row";
#endif
    at::Tensor pool(Encoded const& encoded, PackedInput const&) const { return encoded.hidden; }
};
static_assert(explain_bottleneck<FirstRow>());

template <bool has_options>
struct MaybeOptions {};
template <>
struct MaybeOptions<true> {
    using Options = Numbers;
};

template <bool has_options, bool named_in_full>
struct Squeezed : MaybeOptions<has_options> {
    static constexpr std::string_view name = "squeezed";
    Squeezed(Numbers, RightNet const&, std::uint64_t)
        requires(!named_in_full)
    {}
    Squeezed(Numbers, RightNet const&, std::uint64_t, std::string const&)
        requires named_in_full
    {}
    at::Tensor pool(Encoded const& encoded, PackedInput const&, RightNet const&) const { return encoded.hidden; }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
};
// case: a_bottleneck_without_options
// expect: Bottleneck: a nested aggregate `Options` is missing
static_assert(explain_built_bottleneck<Squeezed<right, true>, RightNet>());
// case: a_bottleneck_whose_parameters_have_no_name
// expect: Bottleneck: a constructor \(Options, Encoder const&, seed, name\) is missing
static_assert(explain_built_bottleneck<Squeezed<true, right>, RightNet>());

struct Kind {
    static constexpr std::string_view kind = "copy";
};

template <bool has_options, bool has_kind, bool reads_the_pass>
struct Copy : MaybeOptions<has_options>, std::conditional_t<has_kind, Kind, Nothing<0>> {
    static constexpr bool reads_visibility = false;
    Copy(Numbers, RightNet const&, std::uint64_t, std::string const&) {}
    at::Tensor decode(at::Tensor const& sentence, PackedInput const&, RightNet const&, ForwardContext&) const
        requires(!reads_the_pass)
    {
        return sentence;
    }
    at::Tensor decode(at::Tensor const& sentence, PackedInput const&, RightNet const&, Encoded const&, ForwardContext&) const
        requires reads_the_pass
    {
        return sentence;
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
};
// case: a_decoder_without_options
// expect: Decoder: a nested aggregate `Options` is missing
static_assert(explain_decoder<Copy<right, true, true>, RightNet>());
// case: a_decoder_without_a_kind
// expect: Decoder: `static constexpr std::string_view kind` and `static constexpr bool reads_visibility` are missing
static_assert(explain_decoder<Copy<true, right, true>, RightNet>());
// case: a_decoder_that_does_not_read_the_pass
// expect: Decoder: `at::Tensor decode\(sentence, view, encoder, pass, context\) const`, which returns \[T, H\], is missing
static_assert(explain_decoder<Copy<true, true, right>, RightNet>());

// case: a_bottleneck_that_pools_without_const
// expect: Bottleneck: `at::Tensor pool\(encoded, input, encoder\) const`, which returns \[B, D\], is missing
template <bool pools_const>
struct Pooled {
    using Options = Numbers;
    static constexpr std::string_view name = "pooled";
    Pooled(Numbers, RightNet const&, std::uint64_t, std::string const&) {}
    at::Tensor pool(Encoded const& encoded, PackedInput const&, RightNet const&)
        requires(!pools_const)
    {
        return encoded.hidden;
    }
    at::Tensor pool(Encoded const& encoded, PackedInput const&, RightNet const&) const
        requires pools_const
    {
        return encoded.hidden;
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
};
static_assert(explain_built_bottleneck<Pooled<right>, RightNet>());

// case: a_decoder_without_a_seed
// expect: Decoder: a constructor \(Options, Encoder const&, seed, name\) is missing
struct Unseeded : Copy<true, true, true> {
#ifdef PASSING
    using Copy::Copy;
#else
    Unseeded(Numbers, RightNet const&) : Copy({}, RightNet({}, 0), 0, "") {}
#endif
};
static_assert(explain_decoder<Unseeded, RightNet>());

// case: an_encoder_whose_table_is_no_tensor
// expect: Encoder: `embeddings`, with the table `word` and `embeddings\(ids, positions, context\)`, is missing
struct WideTables {
    Pick<at::Tensor, std::vector<at::Tensor>> word;
    at::Tensor operator()(at::Tensor const& ids, at::Tensor const&, ForwardContext&) const { return ids; }
};
struct WideNet : RightNet {
    using RightNet::RightNet;
    WideTables embeddings;
};
static_assert(explain_encoder<WideNet>());

// case: a_bottleneck_that_pools_no_tensor
// expect: Bottleneck: `at::Tensor pool\(Encoded const&, PackedInput const&\) const`, which returns \[B, D\], is missing
struct Values {
    static constexpr std::string_view name = "values";
    Pick<at::Tensor, std::vector<float>> pool(Encoded const&, PackedInput const&) const { return {}; }
};
static_assert(explain_bottleneck<Values>());

// case: a_bottleneck_without_a_default
// expect: Bottleneck: a default constructor is missing
struct Started : FirstRow {
#ifdef PASSING
#else
    explicit Started(int) {}
#endif
    static constexpr std::string_view name = "started";
};
static_assert(explain_bottleneck<Started>());

// case: a_decoder_whose_options_have_no_default
// expect: Decoder: a nested aggregate `Options` is missing, or it has no default constructor
struct Deep : Copy<true, true, true> {
    struct Options {
#ifdef PASSING
#else
        explicit Options(int) {}
#endif
    };
    Deep(Options, RightNet const& net, std::uint64_t seed, std::string const& own) : Copy({}, net, seed, own) {}
};
static_assert(explain_decoder<Deep, RightNet>());
