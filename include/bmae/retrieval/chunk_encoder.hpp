// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Several vectors per document: one for each chunk of its tokens.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How the vector of a chunk is made.
enum class ChunkPooling : std::uint8_t {
    max,   ///< each chunk is a text of its own; MaxP then scores a document by its best chunk (Dai, Callan, arXiv 1905.09217)
    late,   ///< the document is encoded once, and the mean is taken over the tokens of each chunk: a chunk has read the whole document
            ///< (Gunther et al.: late chunking, arXiv 2409.04701)
};

/// Names in command lines.
constexpr std::array<std::string_view, 2> names_of(ChunkPooling) noexcept { return {"max", "late"}; }

struct ChunkOptions {
    std::size_t tokens = 256;   ///< of a chunk, without [CLS] and [SEP]; the last one of a document may be shorter
    ChunkPooling pooling = ChunkPooling::max;
};

/// The vectors of documents, chunk by chunk.
struct ChunkVectors {
    at::Tensor rows = {};                      ///< [C, D] fp32 on the CPU, in the order of the documents and of their text
    std::vector<std::int64_t> offsets = {0};   ///< [N+1] document n has the rows offsets[n] .. offsets[n+1], at least one
};

namespace detail {

/// \param prompt  tokens of the prompt before documents
inline void require_chunks(SentenceEncoder const& encoder, ChunkOptions const& options, std::size_t prompt) {
    auto const refuse = [](std::string expected, std::string found, std::string hint) {
        return InputError(
            Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    std::size_t const most = encoder.options().max_length - 2 - std::min(prompt, encoder.options().max_length - 2);
    if (options.tokens < 1 || options.tokens > most) {
        throw refuse("chunks of 1 to " + std::to_string(most) + " tokens, the length of the model without [CLS] and [SEP]" +
                         (prompt == 0 ? "" : " and the prompt"),
                     std::to_string(options.tokens), "Lower the number of tokens of a chunk, or raise the maximum length.");
    }
    bool const late = options.pooling == ChunkPooling::late;
    if (late && prompt != 0 && !encoder.options().pools_prompt) {
        throw refuse("a model that pools its prompts, or none: late chunking takes the mean over all tokens of a part",
                     '"' + encoder.prompt() + '"', "Use max, or encode with an empty document prompt.");
    }
    std::string const& pooling = encoder.options().pooling.description().name;
    if (late && pooling != "mean") {
        throw refuse("a model that pools by the mean: late chunking takes the mean over the tokens of a chunk",
                     "a model that pools by " + pooling, "Use max, which encodes each chunk as a text.");
    }
}

/// The parts of `count` tokens, at most `size` each; one empty part of none.
inline std::vector<std::pair<std::size_t, std::size_t>> parts_of(std::size_t count, std::size_t size) {
    std::vector<std::pair<std::size_t, std::size_t>> parts;
    for (std::size_t begin = 0; begin < count || parts.empty(); begin += size) {
        parts.emplace_back(begin, std::min(count, begin + size));
    }
    return parts;
}

/// Parts of documents that are encoded as texts: [CLS], the prompt, content, [SEP].
struct DocumentParts {
    std::vector<std::vector<TokenId>> ids = {};
    std::vector<std::size_t> prompts = {};         ///< tokens of the prompt in each part
    std::vector<std::int64_t> first_chunks = {};   ///< of each part
    std::vector<std::int64_t> offsets = {0};       ///< [N+1] chunks of the documents
};

/// The ids of a document behind the prompt, with which it is tokenized as one.
struct PromptedIds {
    std::vector<TokenId> ids = {};
    std::size_t prompt = 0;   ///< of them, at the start: as many as are those of the prompt alone
};

/// \param prompt  ids of the encoder's prompt alone
inline PromptedIds tokenize_behind(SentenceEncoder const& encoder, std::span<TokenId const> prompt, std::string const& text) {
    PromptedIds found{.ids = encoder.tokenizer().encode(encoder.prompt() + text)};
    auto const differs = std::ranges::mismatch(found.ids, prompt);
    found.prompt = static_cast<std::size_t>(differs.in1 - found.ids.begin());
    return found;
}

/// \param prompt  ids of the encoder's prompt alone
/// \param size    content tokens of a part, at most: a multiple of `chunk`
/// \param chunk   content tokens of a chunk
inline DocumentParts split_documents(SentenceEncoder const& encoder, std::span<std::string const> documents,
                                     std::span<TokenId const> prompt, std::size_t size, std::size_t chunk, EncodeRun const& run) {
    auto const tokens = tokenize_all<PromptedIds>(documents.size(), run,
                                                  [&](std::size_t i) { return tokenize_behind(encoder, prompt, documents[i]); });
    DocumentParts parts;
    for (PromptedIds const& document : tokens) {
        std::int64_t next = parts.offsets.back();
        auto const content = document.ids.begin() + static_cast<std::ptrdiff_t>(document.prompt);
        for (auto const& [begin, end] : parts_of(document.ids.size() - document.prompt, size)) {
            std::vector<TokenId> ids(document.ids.begin(), content);
            ids.insert(ids.end(), content + static_cast<std::ptrdiff_t>(begin), content + static_cast<std::ptrdiff_t>(end));
            std::size_t const length = ids.size() + 2;
            parts.ids.push_back(with_specials(std::move(ids), encoder.tokenizer().traits().special(), length));
            parts.prompts.push_back(document.prompt);
            parts.first_chunks.push_back(next);
            next += static_cast<std::int64_t>(parts_of(end - begin, chunk).size());
        }
        parts.offsets.push_back(next);
    }
    return parts;
}

/// Content tokens of a part.
inline std::size_t content_of(DocumentParts const& parts, std::size_t part) {
    return parts.ids[part].size() - 2 - parts.prompts[part];
}

/// Rows of the chunks of a packed view of parts: the first chunk of a part has its [CLS] and its prompt, the last one its [SEP].
/// \param places  of the parts of the view
inline std::vector<std::int64_t> chunk_offsets(DocumentParts const& parts, std::vector<std::int64_t> const& offsets,
                                               std::vector<std::int64_t> const& places, std::size_t chunk) {
    std::vector<std::int64_t> rows{0};
    for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
        auto const part = static_cast<std::size_t>(places[b]);
        auto const chunks = parts_of(content_of(parts, part), chunk);
        for (std::size_t c = 0; c + 1 < chunks.size(); ++c) {
            rows.push_back(offsets[b] + 1 + static_cast<std::int64_t>(parts.prompts[part] + chunks[c].second));
        }
        rows.push_back(offsets[b + 1]);
    }
    return rows;
}

/// The rows of late chunks: parts are encoded whole and pooled chunk by chunk.
inline at::Tensor late_rows(SentenceEncoder const& encoder, DocumentParts const& parts, std::size_t chunk, EncodeRun const& run) {
    at::Tensor rows = at::empty({parts.offsets.back(), encoder.model().width()}, at::kFloat);
    for_each_batch(parts.ids, run, [&](PackedView const& view, std::vector<std::int64_t> const& places) {
        PackedInput input = to_tensors(view, encoder.model().device());
        input.mean_offsets = chunk_offsets(parts, view.offsets, places, chunk);
        at::Tensor vectors = encoder.model()(input).to(at::kFloat);   // [chunks of the view, D]
        if (encoder.options().normalize) { vectors = normalize_rows(vectors); }
        vectors = vectors.cpu();
        std::vector<std::int64_t> targets;
        std::vector<std::int64_t> texts;   // for the message
        for (std::int64_t const place : places) {
            auto const part = static_cast<std::size_t>(place);
            auto const count = static_cast<std::int64_t>(parts_of(content_of(parts, part), chunk).size());
            for (std::int64_t c = 0; c < count; ++c) {
                targets.push_back(parts.first_chunks[part] + c);
                texts.push_back(place);
            }
        }
        require_finite(vectors, texts, parts.ids.size());
        rows.index_copy_(0, int64_tensor(targets, at::kCPU), vectors);
    });
    return rows;
}

}  // namespace detail

/// The vectors of the chunks of documents. Each document is read to its end: what exceeds the model's length is encoded in
/// further parts of whole chunks. A prompt of the encoder stands before each part: before each chunk with `max`. With one chunk per
/// document that is the vector of `encode`.
/// \throws InputError  for chunks that do not fit the model's length, for `late` where the model does not pool by the mean, and
///                     for vectors that are not finite
[[nodiscard]] inline ChunkVectors encode_chunks(SentenceEncoder const& encoder, std::span<std::string const> documents,
                                                ChunkOptions const& options, EncodeRun const& run = {}) {
    std::vector<TokenId> const prompt = encoder.tokenizer().encode(encoder.prompt());
    detail::require_chunks(encoder, options, prompt.size());
    bool const late = options.pooling == ChunkPooling::late;
    std::size_t const most = (encoder.options().max_length - 2 - prompt.size()) / options.tokens * options.tokens;
    auto parts = detail::split_documents(encoder, documents, prompt, late ? most : options.tokens, options.tokens, run);
    try {
        at::Tensor rows = late ? detail::late_rows(encoder, parts, options.tokens, run) : encoder.encode_ids(parts.ids, run);
        return {.rows = std::move(rows), .offsets = std::move(parts.offsets)};
    } catch (NonFiniteVector const& error) {   // of a part: name the document
        auto const after = std::ranges::upper_bound(parts.offsets, parts.first_chunks[error.text()]);
        throw NonFiniteVector(static_cast<std::size_t>(after - parts.offsets.begin()) - 1, documents.size());
    }
}

}  // namespace bmae
