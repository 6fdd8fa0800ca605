// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Inspects a file or folder: `inspect`.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/io/torch_file.hpp>
#include <bmae/io/weight_files.hpp>
#include <bmae/retrieval/index_folder.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/training/checkpoint_store.hpp>

#include "common.hpp"
#include "json_member.hpp"

namespace bmae::program {

namespace {

/// One finding: a readable line, and a member of the JSON object.
class Contents {
public:
    void add(std::string const& name, Json const& value) {
        json_[name] = value;
        text_ += name + ": " + (value.is_string() ? value.get<std::string>() : value.dump()) + '\n';
    }
    void line(std::string const& text) { text_ += text + '\n'; }
    [[nodiscard]] Json& json() noexcept { return json_; }
    [[nodiscard]] std::string const& text() const noexcept { return text_; }

private:
    Json json_ = Json::object();
    std::string text_;
};

Json read_json(Path const& path) { return detail::parse_json(detail::read_file(path, std::uint64_t{1} << 28), path.string()); }

void look_at_tensors(Path const& path, bool all, Contents& contents) {
    auto const file = SafetensorsFile::open(path);
    std::uint64_t numbers = 0;
    std::uint64_t bytes = 0;
    Json list = Json::array();
    for (TensorEntry const& entry : file.entries()) {
        std::uint64_t count = 1;
        for (auto const size : entry.shape) { count *= static_cast<std::uint64_t>(size); }
        numbers += count;
        bytes += entry.bytes.size();
        if (all) {
            list.push_back({{"name", entry.name}, {"type", to_string(entry.type)}, {"shape", entry.shape}});
            contents.line("  " + entry.name + ' ' + std::string(to_string(entry.type)) + ' ' + shape_text(entry.shape));
        }
    }
    contents.add("tensors", file.entries().size());
    contents.add("numbers", numbers);
    contents.add("bytes", bytes);
    if (all) { contents.json()["list"] = std::move(list); }
    for (auto const& [key, value] : file.metadata()) {
        Json const parsed = detail::parse_json_or_nothing<Json>(value);
        if (key == "report" && parsed.is_object()) {   // a dumped step
            detail::JsonObject const report(parsed, path.string(), " of the report");
            contents.add("preset", report.get<std::string>("preset", ""));
            contents.add("composition", report.get<std::string>("composition", ""));
            contents.add("total", parsed.contains("total") ? parsed["total"] : Json());
            for (auto const& given : parsed.contains("terms") ? parsed["terms"] : Json::array()) {
                detail::JsonObject const term(given, path.string(), " of a term");
                contents.line("  " + term.get<std::string>("name", "") + ' ' + term.get<std::string>("kind", "") + ": loss " +
                              std::to_string(term.get("loss", 0.0)) + " over " +
                              std::to_string(term.get("labels", std::int64_t{0})) + " labels");
            }
        } else {
            contents.add("metadata " + key, value.size() > 200 ? value.substr(0, 200) + "..." : value);
        }
    }
}

/// A file of torch.save: the numbers of shared storages count once.
void look_at_pickled(Path const& path, bool all, Contents& contents) {
    auto const file = TorchFile::open(path);
    std::uint64_t numbers = 0;
    std::uint64_t bytes = 0;
    Json list = Json::array();
    for (TensorStorage const& storage : file.storages()) {
        bytes += storage.bytes.size();
        numbers += storage.bytes.size() * 8 / bits_of(storage.type);
    }
    for (StridedEntry const& entry : file.entries()) {
        if (!all) { break; }
        list.push_back({{"name", entry.name}, {"type", to_string(entry.type)}, {"shape", entry.shape}});
        contents.line("  " + entry.name + ' ' + std::string(to_string(entry.type)) + ' ' + shape_text(entry.shape));
    }
    contents.add("tensors", file.entries().size());
    contents.add("numbers", numbers);
    contents.add("bytes", bytes);
    if (all) { contents.json()["list"] = std::move(list); }
    if (!file.left_aside().empty()) { contents.add("left_aside", file.left_aside()); }
}

/// The weights of a folder of a model, if it has any.
void look_at_weights(Path const& folder, bool all, Contents& contents) {
    WeightFiles const files = find_weights(folder);
    contents.add("weights", files.file.filename().string());
    if (!files.shards.empty()) { return contents.add("shards", files.shards.size()); }
    files.pickled ? look_at_pickled(files.file, all, contents) : look_at_tensors(files.file, all, contents);
}

bool is_pickled(Path const& path) {
    auto const ending = path.extension();
    return ending == ".bin" || ending == ".pt" || ending == ".pth";
}

void look_at_store(Path const& path, Contents& contents) {
    TokenStore const store = TokenStore::open(path, Verify::full);
    TokenStoreStatistics const& counts = store.statistics();
    contents.add("kind", "token store, all checksums valid");
    contents.add("documents", counts.documents);
    contents.add("passages", counts.passages);
    contents.add("tokens", counts.tokens);
    contents.add("unknown_tokens", counts.unknown_tokens);
    contents.add("max_length", store.max_length());
    contents.add("blocks", store.blocks());
    contents.add("queries", counts.queries);
    if (!store.query_kind().empty()) { contents.add("query_kind", store.query_kind()); }
    contents.add("longest_passage", counts.longest_passage);
    contents.add("tokenizer", store.tokenizer_kind().empty() ? "unknown" : store.tokenizer_kind());
    contents.add("vocabulary", store.traits().size());
    contents.add("fingerprint", detail::to_hex(store.fingerprint()));
    if (!holds_tokenizer(path) || store.size() == 0) { return; }
    AnyTokenizer const tokenizer = AnyTokenizer::from_file(path);
    store.require_tokenizer(tokenizer);
    contents.add("first_passage", tokenizer.decode(store.example(0, 24).passage));
}

bool is_pair_store(Path const& path) {
    auto const manifest = detail::parse_json_or_nothing<Json>(detail::read_file(path / "manifest.json", std::uint64_t{16} << 20));
    return manifest.is_object() && manifest.contains("format") && manifest["format"] == detail::pair_format::kind.magic;
}

void look_at_pairs(Path const& path, Contents& contents) {
    PairStore const store = PairStore::open(path, Verify::full);
    contents.add("kind", "pair store, all checksums valid");
    contents.add("source", store.source());
    detail::pair_format::for_each_count(store.statistics(), [&](std::string const& name, std::uint64_t count) {
        if (count != 0) { contents.add(name, count); }
    });
    if (!store.query_prompt().empty()) { contents.add("query_prompt", store.query_prompt()); }
    if (!store.document_prompt().empty()) { contents.add("document_prompt", store.document_prompt()); }
    contents.add("tokenizer", store.tokenizer_kind().empty() ? "unknown" : store.tokenizer_kind());
    contents.add("vocabulary", store.traits().size());
    contents.add("fingerprint", detail::to_hex(store.fingerprint()));
    contents.add("content_hash", detail::to_hex(store.content_hash()));
    if (!holds_tokenizer(path)) { return; }
    AnyTokenizer const tokenizer = AnyTokenizer::from_file(path);
    store.require_tokenizer(tokenizer);
    PairExample const first = store.example(0);
    auto const start = [&](std::span<TokenId const> text) {
        return tokenizer.decode(text.first(std::min<std::size_t>(text.size(), 24)));
    };
    contents.add("first_query", start(first.query));
    contents.add("first_positive", start(first.texts[first.positives.front()]));
}

/// What made an index, and that all of it is as it was made.
void look_at_index(Path const& path, Contents& contents) {
    IndexFolder const folder(path, Verify::full);
    contents.add("kind", "index of " + folder.kind() + ", all checksums valid");
    for (auto const& [key, value] : folder.manifest().json().items()) {
        if (key != "kind" && key != "files" && key != "checksum") { contents.add(key, value); }
    }
    contents.add("bytes", folder.bytes());
}

void look_at_config(Path const& folder, Contents& contents) {
    if (!std::filesystem::exists(folder / "config.json")) { return; }
    Json const config = read_json(folder / "config.json");
    for (char const* const key : {"model_type", "hidden_size", "embedding_size", "num_hidden_layers", "num_attention_heads",
                                  "dim", "n_layers", "n_heads", "vocab_size", "max_position_embeddings", "type_vocab_size",
                                  "pad_token_id"}) {   // dim, n_layers, n_heads: DistilBERT's keys
        if (config.contains(key)) { contents.add(key, config[key]); }
    }
}

void look_at_checkpoint(Path const& path, bool all, Contents& contents) {
    contents.add("kind", "checkpoint");
    std::string const damage = explain_damage(std::filesystem::weakly_canonical(path));
    contents.add("damage", damage.empty() ? "none" : damage);
    detail::JsonObject const file(read_json(path / "trainer.json"), (path / "trainer.json").string());
    Json const& trainer = file.json();
    for (char const* const key : {"library", "libtorch", "examples", "steps", "epochs"}) {
        if (trainer.contains(key)) { contents.add(key, trainer[key]); }
    }
    if (auto const state = file.find<detail::JsonObject>("state")) { contents.add("step", state->get<std::int64_t>("step", 0)); }
    if (trainer.contains("options")) { contents.add("options", trainer["options"]); }
    Json const objective = objective_from(file.get<std::string>("objective", ""));
    for (char const* const key : {"preset", "stage", "composition", "pooling", "max_length", "lora"}) {
        if (objective.contains(key)) { contents.add(key, objective[key]); }
    }
    look_at_config(path, contents);
    look_at_tensors(path / "model.safetensors", all, contents);
}

void look_at_folder(Path const& path, bool all, Contents& contents) {
    if (std::filesystem::exists(path / "trainer.json")) { return look_at_checkpoint(path, all, contents); }
    if (auto const checkpoints = list_checkpoints(path); !checkpoints.empty()) {
        contents.add("kind", "output folder of a run with " + std::to_string(checkpoints.size()) + " checkpoints");
        Path const newest = newest_checkpoint(path, warn).path;
        contents.add("newest", newest.string());
        return look_at_checkpoint(newest, all, contents);
    }
    if (std::filesystem::exists(path / "modules.json")) {
        contents.add("kind", "sentence-transformers folder");
        std::string modules;
        for (auto const& value : read_json(path / "modules.json")) {
            detail::JsonObject const module(value, (path / "modules.json").string(), " of a module");
            modules += (modules.empty() ? "" : ", ") + module.get<std::string>("type", "");
        }
        contents.add("modules", modules);
        if (std::filesystem::exists(path / "1_Pooling" / "config.json")) {
            contents.add("pooling", read_json(path / "1_Pooling" / "config.json"));
        }
    } else if (std::filesystem::exists(path / "config.json")) {
        contents.add("kind", "folder of a transformer");
    } else if (std::filesystem::exists(path / "manifest.json")) {
        if (IndexFolder::is_index(path)) { return look_at_index(path, contents); }
        return is_pair_store(path) ? look_at_pairs(path, contents) : look_at_store(path, contents);
    } else {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a token store, a pair store, an index, a checkpoint or a model folder",
                                    .found = "a folder of another kind",
                                    .hint = "Name one of the files in it."});
    }
    look_at_config(path, contents);
    if (holds_weights(path)) { look_at_weights(path, all, contents); }
}

/// A text file: a run has six columns, judgments have two to four.
void look_at_text(Path const& path, Contents& contents) {
    detail::LineReader lines(path);
    std::string_view line;
    if (!lines.next(line)) {
        throw InputError(Diagnostic{.file = path.string(), .expected = "a file with content", .found = "an empty one"});
    }
    std::size_t const columns = detail::split_blanks(line).count;
    if (columns >= 6) {
        Run const run = read_run(path);
        contents.add("kind", "run");
        contents.add("queries", run.size());
        contents.add("hits", run.hit_count());
        contents.add("documents", run.documents()->size());
        return;
    }
    if (columns < 2 || columns > 4 || line.starts_with('{')) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "safetensors, a file of torch.save, a run or judgments",
                                    .found = "a file of another kind",
                                    .hint = "JSON Lines are read by prepare, encode and search."});
    }
    Qrels const qrels = read_qrels(path);
    contents.add("kind", "judgments");
    contents.add("queries", qrels.size());
    contents.add("judgments", qrels.judgment_count());
}

}  // namespace

int inspect(Common const& common, InspectOptions const& options) {
    Contents contents;
    if (std::filesystem::is_directory(options.path)) {
        look_at_folder(options.path, options.tensors, contents);
    } else if (options.path.extension() == ".safetensors") {
        contents.add("kind", "safetensors file");
        look_at_tensors(options.path, options.tensors, contents);
    } else if (is_pickled(options.path)) {
        contents.add("kind", "file of torch.save");
        look_at_pickled(options.path, options.tensors, contents);
    } else {
        look_at_text(options.path, contents);
    }
    if (options.tensors && !contents.json().contains("tensors")) {
        throw InputError(Diagnostic{.file = options.path.string(),
                                    .expected = "a file or folder of tensors with --tensors",
                                    .found = contents.json().value("kind", "another kind"),
                                    .hint = "Leave --tensors out."});
    }
    Json result{{"command", "inspect"}, {"path", options.path.string()}};
    result.update(contents.json());
    print_result(common, result, contents.text());
    return done;
}

}  // namespace bmae::program
