// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Texts to vectors: `encode`, into one file or into a folder of shards.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ops/cosine_similarity.h>

#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/recognize.hpp>
#include <bmae/corpus/tsv.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/vector_folder.hpp>

#include "collections.hpp"
#include "common.hpp"
#include "models.hpp"
#include "stored_vectors.hpp"
#include "vector_encoders.hpp"

namespace bmae::program {

std::string checksum_of(std::string const& ids) { return detail::to_hex(detail::xxh64(ids)); }

at::Tensor encode_texts(SentenceEncoder const& encoder, std::vector<std::string> const& texts, Common const& common,
                        ModelOptions const& options, std::function<void()> const& check, std::string const& title) {
    Progress progress(title, "texts", texts.size());
    return encoder.encode(texts, {.batch_tokens = options.batch_tokens,
                                  .batch_texts = options.batch_examples,
                                  .threads = common.threads,
                                  .on_progress = [&](std::size_t count, std::size_t) {
                                      check();
                                      progress.update(count);
                                  }});
}

ChunkVectors encode_documents(SentenceEncoder const& encoder, std::vector<std::string> const& texts, Common const& common,
                              ModelOptions const& options, std::function<void()> const& check, std::string const& title) {
    if (options.chunk_tokens == 0) {
        return {.rows = encode_texts(encoder, texts, common, options, check, title), .offsets = {}};
    }
    if (options.chunk_pooling != "max" && options.chunk_pooling != "late") {
        throw InputError(
            Diagnostic{.file = {}, .expected = "--chunk-pooling max or late", .found = '"' + options.chunk_pooling + '"'});
    }
    ChunkOptions const chunks{.tokens = options.chunk_tokens,
                              .pooling = options.chunk_pooling == "late" ? ChunkPooling::late : ChunkPooling::max};
    Progress progress(title, "parts of texts", 0);
    return encode_chunks(encoder, texts, chunks,
                         {.batch_tokens = options.batch_tokens,
                          .batch_texts = options.batch_examples,
                          .threads = common.threads,
                          .on_progress = [&](std::size_t count, std::size_t parts) {
                              check();
                              progress.total(parts);
                              progress.update(count);
                          }});
}

/// Key in the file of vectors of where the chunks of each text begin.
constexpr char const* offsets_key = "chunk_offsets";

StoredVectors read_vectors(Path const& path) {
    if (std::filesystem::is_directory(path)) { return read_vector_folder(path); }
    auto const file = SafetensorsFile::open(path);
    StoredVectors vectors{.rows = to_tensor(file, file.at("embeddings"), Loading::mapped)};
    if (TensorEntry const* const entry = file.find(offsets_key)) {
        at::Tensor const offsets = to_tensor(file, *entry, Loading::copy);
        if (offsets.scalar_type() != at::kLong || offsets.dim() != 1) {
            throw InputError(Diagnostic{.file = path.string(),
                                        .expected = std::string(offsets_key) + " as int64 [texts + 1]",
                                        .found = "another tensor"});
        }
        vectors.offsets.assign(offsets.const_data_ptr<std::int64_t>(), offsets.const_data_ptr<std::int64_t>() + offsets.numel());
    }
    auto const expected = file.metadata().find(ids_checksum);
    if (expected != file.metadata().end() && expected->second != checksum_of(detail::read_file(ids_path(path)))) {
        throw InputError(Diagnostic{.file = ids_path(path).string(),
                                    .expected = "the ids that were written with " + path.string(),
                                    .found = "others",
                                    .hint = "Keep both files of one `bmae encode` together."});
    }
    if (auto const made_by = file.metadata().find(vector_model_key); made_by != file.metadata().end()) {
        vectors.model = detail::vector_model_from(
            detail::JsonObject(detail::parse_json(made_by->second, path.string()), path.string(), " under \"model\""));
    }
    detail::LineReader lines(ids_path(path));
    for (std::string_view line; lines.next(line);) { vectors.ids.emplace_back(line); }
    std::size_t const texts = vectors.offsets.empty()
                                  ? static_cast<std::size_t>(vectors.rows.dim() == 2 ? vectors.rows.size(0) : 0)
                                  : vectors.offsets.size() - 1;
    if (vectors.rows.dim() != 2 || texts != vectors.ids.size()) {
        throw InputError(Diagnostic{.file = ids_path(path).string(),
                                    .expected = "as many ids as texts in " + path.string(),
                                    .found = std::to_string(vectors.ids.size()),
                                    .hint = "Keep both files of one `bmae encode` together."});
    }
    return vectors;
}

SentenceEncoder make_inference_encoder(Common const& common, ModelOptions const& options) {
    auto const type = [&]() -> PackedType {
        for (PackedType const known : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
            if (to_string(known) == options.precision) { return known; }
        }
        throw InputError(
            Diagnostic{.file = {}, .expected = "--precision fp32, bf16 or int8", .found = '"' + options.precision + '"'});
    }();
    ModelOptions exact = options;
    exact.precision = "fp32";
    bool const on_cpu = device_from(common.device).is_cpu();
    if (on_cpu && (type == PackedType::int8 || packing_pays(type))) {
        SentenceEncoder const encoder = make_sentence_encoder(common, exact);
        if (type == PackedType::int8 || encoder.model().packs(type)) { return encoder.packed(type); }
    }
    if (type == PackedType::int8) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--device cpu with --precision int8",
                                    .found = common.device,
                                    .hint = "On a GPU encode in bf16."});
    }
    return make_sentence_encoder(common, options);
}

PrecisionLoss measure_loss(SentenceEncoder const& encoder, std::vector<std::string> const& texts) {
    at::Tensor const cosines =
        at::cosine_similarity(encoder.encode(texts), encoder.packed(PackedType::fp32).encode(texts)).to(at::kDouble);
    PrecisionLoss const loss{.texts = texts.size(), .mean = cosines.mean().item<double>(), .least = cosines.min().item<double>()};
    char text[160];
    std::snprintf(text, sizeof text, "int8: cosine to the vectors of fp32 %.5f in the mean, %.5f at least, of %zu texts",
                  loss.mean, loss.least, loss.texts);
    say(text);
    if (loss.least < .98) {
        warn("int8 changes the vectors of this model by more than a cosine of .98: it has outliers; encode in bf16");
    }
    return loss;
}

namespace {

/// A reader of records with ids, of the format that the first input has by its content.
struct TextReader {
    std::function<bool(Record&)> next;
    std::function<ReadReport()> report;
};

template <class R>
TextReader text_reader(std::shared_ptr<R> reader) {
    return {.next = [reader](Record& record) { return reader->next(record); }, .report = [reader] { return reader->report(); }};
}

/// The format of an input. What cannot be read twice is JSON Lines, and so is what cannot be read: the reader reports or skips it.
CorpusFormat format_of(Path const& input) {
    std::error_code code;
    if (std::filesystem::is_regular_file(input, code) || std::filesystem::is_directory(input, code)) {
        try {
            return recognize_format(input);
        } catch (InputError const&) {}
    }
    return {.format = "jsonl"};
}

TextReader open_texts(EncodeOptions const& options) {
    ReadOptions const reading = reading_by(options.skip_malformed);
    std::vector<Path> inputs = options.inputs;
    std::error_code code;
    CorpusFormat const found = format_of(inputs.front());
    require_corpus(found, inputs.front(), "");
    if (found.format == "msmarco") {
        TsvColumns const columns = found.layout == "id-text"         ? TsvColumns::id_text
                                   : found.layout == "id-title-text" ? TsvColumns::id_title_text
                                                                     : TsvColumns::id_url_title_text;
        return text_reader(std::make_shared<TsvReader>(inputs, columns, reading));
    }
    for (Path& input : inputs) {   // a BEIR folder means its corpus
        bool const beir =
            std::filesystem::exists(input / "corpus.jsonl", code) || std::filesystem::exists(input / "corpus.jsonl.gz", code);
        if (beir) { input = BeirFolder(input).corpus(); }
    }
    return text_reader(std::make_shared<JsonlReader>(inputs, reading));
}

/// Line `number` of some lines, from 0.
std::string nth_line(std::string const& lines, std::size_t number) {
    std::size_t begin = 0;
    for (; number != 0; --number) { begin = lines.find('\n', begin) + 1; }
    return lines.substr(begin, lines.find('\n', begin) - begin);
}

InputError no_text(EncodeOptions const& options) {
    return InputError(Diagnostic{
        .file = options.inputs.front().string(), .expected = "at least one text", .found = "none", .hint = "Check the input."});
}

Json loss_json(std::optional<PrecisionLoss> const& loss) {
    return loss ? Json{{"texts", loss->texts}, {"mean", loss->mean}, {"least", loss->least}} : Json();
}

/// The keys of a result, of which a folder and a file fill their own.
Json encode_result(EncodeOptions const& options, VectorModel const& made_by, bool normalizes, std::uint64_t texts) {
    return {{"command", "encode"},
            {"vectors", to_string(made_by.kind)},
            {"output", options.output.string()},
            {"ids", nullptr},
            {"texts", texts},
            {"dimension", made_by.dimension},
            {"pooling", made_by.pooling},
            {"normalize", normalizes},
            {"role", made_by.role},
            {"prompt", made_by.prompt},
            {"max_length", made_by.max_length},
            {"precision", made_by.precision},
            {"chunks", nullptr},
            {"values", nullptr},
            {"int8_cosine", nullptr},
            {"end", "finished"},
            {"shards", nullptr},
            {"tokens", nullptr},
            {"resumed_texts", 0},
            {"seconds", nullptr},
            {"malformed", Json::object()}};
}

std::vector<std::string> first_of(std::vector<std::string> const& texts) {
    return {texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(texts.size(), 32))};
}

int encode_into_file(Common const& common, EncodeOptions const& options) {
    if (options.resume || options.shard_texts != 0) {
        throw InputError(Diagnostic{
            .file = options.output.string(),
            .expected = std::string(options.resume ? "--resume" : "--shard-texts") + " with an output that is a folder",
            .found = "a file",
            .hint = "A file appears as a whole; name a folder for a run that can be resumed."});
    }
    if (VectorKind const kind = vector_kind(options); kind != VectorKind::dense || options.impact_scale != 0) {
        throw InputError(Diagnostic{.file = options.output.string(),
                                    .expected = "an output folder with " + std::string(to_string(kind)) + " vectors",
                                    .found = "a file",
                                    .hint = "Name a folder, which has no ending."});
    }
    check_new_file(options.output);
    Cancellation const cancellation;
    TextReader const reader = open_texts(options);
    std::vector<std::string> texts;
    std::string ids;
    for (Record record; reader.next(record); record = {}) {
        cancellation.check();
        ids += record.id + '\n';   // readers refuse one with a line end
        texts.push_back(joined_text(record));
    }
    ReadReport const read = reader.report();
    say_report(read, "encode");
    if (texts.empty()) { throw no_text(options); }
    // A killed run may have left its ids: they are kept where equal.
    Path const beside = ids_path(options.output);
    bool const has_ids = std::filesystem::exists(beside);
    if (has_ids && detail::read_file(beside) != ids) { throw detail::exists_failure(beside, "a file of other ids"); }
    SentenceEncoder const encoder = make_role_encoder(common, options);
    std::optional<PrecisionLoss> loss;
    if (options.model.precision == "int8") { loss = measure_loss(encoder, first_of(texts)); }
    ChunkVectors const vectors = naming_texts(
        [&](std::size_t i) { return NamedText{nth_line(ids, i), texts[i]}; },
        [&] { return encode_documents(encoder, texts, common, options.model, [&] { cancellation.check(); }, "encode"); });
    cancellation.check();   // from here on both files are written, the ids first, so that vectors always have ids
    if (!has_ids) { detail::write_file(beside, ids); }
    NamedTensors tensors{{"embeddings", vectors.rows}};
    VectorModel const made_by = describe_vectors(encoder, options.model.precision, options.role);
    FileMetadata metadata{
        {"format", "pt"}, {ids_checksum, checksum_of(ids)}, {vector_model_key, detail::json_of(made_by).dump()}};
    if (!vectors.offsets.empty()) {
        tensors[offsets_key] = detail::int64_tensor(vectors.offsets, at::kCPU);
        metadata["chunk_tokens"] = std::to_string(options.model.chunk_tokens);
        metadata["chunk_pooling"] = options.model.chunk_pooling;
    }
    save_tensors(options.output, tensors, metadata);
    Json result = encode_result(options, made_by, encoder.options().normalize, texts.size());
    result.update({{"ids", beside.string()},
                   {"chunks", vectors.rows.size(0)},
                   {"int8_cosine", loss_json(loss)},
                   {"malformed", malformed_json(read)}});
    std::string const of_chunks = vectors.offsets.empty() ? "" : " of the chunks of " + count_text(texts.size()) + " texts";
    print_result(common, result,
                 options.output.string() + ": " + count_text(static_cast<std::uint64_t>(vectors.rows.size(0))) + " vectors" +
                     of_chunks + ", width " + std::to_string(vectors.rows.size(1)) + '\n');
    return done;
}

/// The texts of one shard, read and tokenized.
struct ShardTexts {
    std::string ids = {};
    std::size_t texts = 0;
    std::vector<std::vector<TokenId>> tokens = {};   ///< none of a shard that is done already
    std::vector<std::string> first = {};             ///< the first texts, to measure the loss of int8
    std::vector<std::string> starts = {};            ///< of each text, its first words for messages
    std::uint64_t token_count = 0;
};

/// Thrown where a run into a folder was asked to stop.
struct Stopped {};

/// Reads shard after shard.
class ShardReader {
public:
    ShardReader(EncodeOptions const& options, std::size_t shard_texts, VectorEncoder const& encoder,
                std::atomic<bool> const& stop)
        : shard_texts_(shard_texts), encoder_(encoder), stop_(stop), reader_(open_texts(options)) {}

    /// \param tokenize  false: only the ids are needed
    ShardTexts next(bool tokenize, unsigned threads) {
        ShardTexts shard;
        std::vector<std::string> texts;
        for (Record record; shard.texts < shard_texts_ && reader_.next(record); record = {}) {
            if (stop_) { throw Stopped{}; }
            shard.ids += record.id + '\n';
            ++shard.texts;
            if (!tokenize) { continue; }
            texts.push_back(joined_text(record));
            shard.starts.push_back(texts.back().substr(0, 80));
        }
        shard.first = first_of(texts);
        shard.tokens = detail::tokenize_all<std::vector<TokenId>>(texts.size(), {.threads = threads},
                                                                  [&](std::size_t i) { return encoder_.tokenize(texts[i]); });
        for (auto const& text : shard.tokens) { shard.token_count += text.size(); }
        return shard;
    }
    [[nodiscard]] ReadReport report() const { return reader_.report(); }

private:
    std::size_t shard_texts_;
    VectorEncoder const& encoder_;
    std::atomic<bool> const& stop_;
    TextReader reader_;
};

/// Lines of the inputs, which are about the texts; 0 where they are not plain files.
std::uint64_t count_lines(std::vector<Path> const& inputs) {
    std::uint64_t lines = 0;
    for (Path const& input : inputs) {
        std::error_code code;
        if (input.extension() == ".gz" || !std::filesystem::is_regular_file(input, code)) { return 0; }
        detail::FileMap const map(input);
        lines += static_cast<std::uint64_t>(std::count(map.text().begin(), map.text().end(), '\n'));
    }
    return lines;
}

/// Texts of a shard, whose vectors are in memory together.
std::size_t usual_shard_texts(VectorKind kind) {
    if (kind == VectorKind::tokens) { return default_token_shard_texts; }
    return kind == VectorKind::sparse ? default_sparse_shard_texts : default_shard_texts;
}

/// A run of `encode` into a folder.
class FolderRun {
public:
    FolderRun(Common const& common, EncodeOptions const& options)
        : common_(common),
          options_(options),
          encoder_(make_vector_encoder(common, options)),
          shard_texts_(options.shard_texts != 0 ? options.shard_texts : usual_shard_texts(encoder_->made_by().kind)),
          reader_(options, shard_texts_, *encoder_, stop_),
          folder_(options.output, encoder_->made_by(), shard_texts_, options.resume, encoder_->parts()),
          progress_("encode", "texts", count_lines(options.inputs)) {}

    int run() {
        Interrupt const interrupt([this] { stop_ = true; }, "stopping; the shards that are done are kept");
        bool finished = true;
        try {
            confirm_done();
            encode_rest();
            folder_.finish();
        } catch (Stopped const&) { finished = false; }
        progress_.finish();
        say_report(reader_.report(), "encode");
        VectorModel const& made_by = encoder_->made_by();
        Json result = encode_result(options_, made_by, encoder_->normalizes(), folder_.manifest().texts());
        result.update({{"int8_cosine", loss_json(loss_)},
                       {"values", made_by.kind == VectorKind::dense ? Json() : Json(values_)},
                       {"end", finished ? "finished" : "interrupted"},
                       {"shards", folder_.manifest().shards.size()},
                       {"tokens", folder_.manifest().tokens()},
                       {"resumed_texts", resumed_},
                       {"malformed", malformed_json(reader_.report())},
                       {"seconds", progress_.seconds()}});
        std::string const what = made_by.kind == VectorKind::dense    ? " vectors of "
                                 : made_by.kind == VectorKind::sparse ? " sparse vectors over a vocabulary of "
                                                                      : " texts with token vectors of ";
        print_result(common_, result,
                     options_.output.string() + ": " + count_text(folder_.manifest().texts()) + what +
                         std::to_string(made_by.dimension) + " in " + std::to_string(folder_.manifest().shards.size()) +
                         " shards" + (finished ? "\n" : "; resume by --resume\n"));
        return finished ? done : interrupted;
    }

private:
    /// Reads over the texts that an earlier run has encoded.
    void confirm_done() {
        while (folder_.has_unconfirmed()) {
            ShardTexts const shard = reader_.next(/*tokenize=*/false, 1);
            folder_.confirm(shard.ids);
            resumed_ += shard.texts;
        }
        progress_.restart(resumed_);
        if (resumed_ != 0) { say("encode: " + count_text(resumed_) + " texts were encoded before"); }
    }

    /// While the network runs, the next shard is read and tokenized.
    void encode_rest() {
        if (folder_.manifest().complete) { return; }
        ShardTexts shard = reader_.next(/*tokenize=*/true, common_.threads);
        if (shard.texts == 0 && resumed_ == 0) { throw no_text(options_); }
        loss_ = encoder_->measure(shard.first);
        while (shard.texts != 0) {
            auto following = std::async(std::launch::async, [this] { return reader_.next(/*tokenize=*/true, 1); });
            try {
                EncodedTexts const encoded =
                    naming_texts([&](std::size_t i) { return NamedText{nth_line(shard.ids, i), shard.starts[i]}; },
                                 [&] { return encode_shard(shard); });
                folder_.append(encoded.tensors, shard.texts, shard.ids, shard.token_count, encoded.impacts);
                values_ += encoded.values;
            } catch (...) {
                stop_ = true;   // the reading thread ends soon
                throw;
            }
            shard = following.get();
        }
    }

    EncodedTexts encode_shard(ShardTexts const& shard) {
        std::vector<std::uint64_t> lengths;
        for (auto const& text : shard.tokens) { lengths.push_back(text.size()); }
        std::ranges::sort(lengths, std::ranges::greater{});   // as they are encoded
        std::size_t counted = 0;
        std::uint64_t tokens = 0;
        std::uint64_t const before = folder_.manifest().texts();
        EncodedTexts encoded = encoder_->encode(
            shard.tokens, shard.ids,
            {.batch_tokens = options_.model.batch_tokens,
             .batch_texts = options_.model.batch_examples,
             .threads = common_.threads,
             .on_progress = [&](std::size_t texts, std::size_t) {
                 if (stop_) { throw Stopped{}; }
                 for (; counted < texts; ++counted) { tokens += lengths[counted]; }
                 double const share = static_cast<double>(tokens) / static_cast<double>(shard.token_count);
                 auto const rate = static_cast<std::uint64_t>(static_cast<double>(tokens_ + tokens) / progress_.seconds());
                 progress_.update(before + static_cast<std::uint64_t>(share * static_cast<double>(shard.texts)),
                                  count_text(rate) + " tokens/s");
             }});
        tokens_ += shard.token_count;
        return encoded;
    }

    Common const& common_;
    EncodeOptions const& options_;
    std::atomic<bool> stop_ = false;
    std::unique_ptr<VectorEncoder> encoder_;
    std::size_t shard_texts_;
    ShardReader reader_;   // before the folder: a missing input leaves none
    VectorFolderWriter folder_;
    Progress progress_;
    std::optional<PrecisionLoss> loss_ = {};
    std::uint64_t resumed_ = 0;
    std::uint64_t tokens_ = 0;   ///< encoded by this run
    std::uint64_t values_ = 0;   ///< vectors of tokens or weights that this run has encoded
};

}  // namespace

int encode(Common const& common, EncodeOptions const& given) {
    EncodeOptions options = given;
    options.by_role = !given.role.empty();
    if (!options.by_role) { options.role = "document"; }
    use_threads(common);
    if (options.output.extension() == ".safetensors") { return encode_into_file(common, options); }
    if (options.output.has_extension()) {
        throw InputError(Diagnostic{.file = options.output.string(),
                                    .expected = "an output named *.safetensors, or a folder, whose name has no ending",
                                    .found = "another ending",
                                    .hint = "Ids go beside a file into *.ids, into a folder with the vectors."});
    }
    if (options.model.chunk_tokens != 0) {
        throw InputError(Diagnostic{.file = options.output.string(),
                                    .expected = "an output named *.safetensors with --chunks",
                                    .found = "a folder",
                                    .hint = "Folders of shards have one vector per text."});
    }
    return FolderRun(common, options).run();
}

}  // namespace bmae::program
