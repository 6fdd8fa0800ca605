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

void look_at_tensors(Path const& path, bool all, Contents& findings) {
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
            findings.line("  " + entry.name + ' ' + std::string(to_string(entry.type)) + ' ' + shape_text(entry.shape));
        }
    }
    findings.add("tensors", file.entries().size());
    findings.add("numbers", numbers);
    findings.add("bytes", bytes);
    if (all) { findings.json()["list"] = std::move(list); }
    for (auto const& [key, value] : file.metadata()) {
        Json const parsed = detail::parse_json_or_nothing<Json>(value);
        if (key == "report" && parsed.is_object()) {   // a dumped step
            detail::JsonObject const report(parsed, path.string(), " of the report");
            findings.add("preset", report.get<std::string>("preset", ""));
            findings.add("composition", report.get<std::string>("composition", ""));
            findings.add("total", parsed.contains("total") ? parsed["total"] : Json());
            for (auto const& given : parsed.contains("terms") ? parsed["terms"] : Json::array()) {
                detail::JsonObject const term(given, path.string(), " of a term");
                findings.line("  " + term.get<std::string>("name", "") + ' ' + term.get<std::string>("kind", "") + ": loss " +
                              std::to_string(term.get("loss", 0.0)) + " over " +
                              std::to_string(term.get("labels", std::int64_t{0})) + " labels");
            }
        } else {
            findings.add("metadata " + key, value.size() > 200 ? value.substr(0, 200) + "..." : value);
        }
    }
}

/// A file of torch.save: the numbers of shared storages count once.
void look_at_pickled(Path const& path, bool all, Contents& findings) {
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
        findings.line("  " + entry.name + ' ' + std::string(to_string(entry.type)) + ' ' + shape_text(entry.shape));
    }
    findings.add("tensors", file.entries().size());
    findings.add("numbers", numbers);
    findings.add("bytes", bytes);
    if (all) { findings.json()["list"] = std::move(list); }
    if (!file.left_aside().empty()) { findings.add("left_aside", file.left_aside()); }
}

/// The weights of a folder of a model, if it has any.
void look_at_weights(Path const& folder, bool all, Contents& findings) {
    WeightFiles const files = find_weights(folder);
    findings.add("weights", files.file.filename().string());
    if (!files.shards.empty()) { return findings.add("shards", files.shards.size()); }
    files.pickled ? look_at_pickled(files.file, all, findings) : look_at_tensors(files.file, all, findings);
}

bool is_pickled(Path const& path) {
    auto const ending = path.extension();
    return ending == ".bin" || ending == ".pt" || ending == ".pth";
}

void look_at_store(Path const& path, Contents& findings) {
    TokenStore const store = TokenStore::open(path, Verify::full);
    TokenStoreStatistics const& counts = store.statistics();
    findings.add("kind", "token store, all checksums valid");
    findings.add("documents", counts.documents);
    findings.add("passages", counts.passages);
    findings.add("tokens", counts.tokens);
    findings.add("unknown_tokens", counts.unknown_tokens);
    findings.add("max_length", store.max_length());
    findings.add("blocks", store.blocks());
    findings.add("queries", counts.queries);
    if (!store.query_kind().empty()) { findings.add("query_kind", store.query_kind()); }
    findings.add("longest_passage", counts.longest_passage);
    findings.add("tokenizer", store.tokenizer_kind().empty() ? "unknown" : store.tokenizer_kind());
    findings.add("vocabulary", store.traits().size());
    findings.add("fingerprint", detail::to_hex(store.fingerprint()));
    if (!holds_tokenizer(path) || store.size() == 0) { return; }
    AnyTokenizer const tokenizer = AnyTokenizer::from_file(path);
    store.require_tokenizer(tokenizer);
    findings.add("first_passage", tokenizer.decode(store.example(0, 24).passage));
}

bool is_pair_store(Path const& path) {
    auto const manifest = detail::parse_json_or_nothing<Json>(detail::read_file(path / "manifest.json", std::uint64_t{16} << 20));
    return manifest.is_object() && manifest.contains("format") && manifest["format"] == detail::pair_format::kind.magic;
}

void look_at_pairs(Path const& path, Contents& findings) {
    PairStore const store = PairStore::open(path, Verify::full);
    findings.add("kind", "pair store, all checksums valid");
    findings.add("source", store.source());
    detail::pair_format::for_each_count(store.statistics(), [&](std::string const& name, std::uint64_t count) {
        if (count != 0) { findings.add(name, count); }
    });
    if (!store.query_prompt().empty()) { findings.add("query_prompt", store.query_prompt()); }
    if (!store.document_prompt().empty()) { findings.add("document_prompt", store.document_prompt()); }
    findings.add("tokenizer", store.tokenizer_kind().empty() ? "unknown" : store.tokenizer_kind());
    findings.add("vocabulary", store.traits().size());
    findings.add("fingerprint", detail::to_hex(store.fingerprint()));
    findings.add("content_hash", detail::to_hex(store.content_hash()));
    if (!holds_tokenizer(path)) { return; }
    AnyTokenizer const tokenizer = AnyTokenizer::from_file(path);
    store.require_tokenizer(tokenizer);
    PairExample const first = store.example(0);
    auto const start = [&](std::span<TokenId const> text) {
        return tokenizer.decode(text.first(std::min<std::size_t>(text.size(), 24)));
    };
    findings.add("first_query", start(first.query));
    findings.add("first_positive", start(first.texts[first.positives.front()]));
}

/// What made an index, and that all of it is as it was made.
void look_at_index(Path const& path, Contents& findings) {
    IndexFolder const folder(path, Verify::full);
    findings.add("kind", "index of " + folder.kind() + ", all checksums valid");
    for (auto const& [key, value] : folder.manifest().json().items()) {
        if (key != "kind" && key != "files" && key != "checksum") { findings.add(key, value); }
    }
    findings.add("bytes", folder.bytes());
}

void look_at_config(Path const& folder, Contents& findings) {
    if (!std::filesystem::exists(folder / "config.json")) { return; }
    Json const config = read_json(folder / "config.json");
    for (char const* const key : {"model_type", "hidden_size", "embedding_size", "num_hidden_layers", "num_attention_heads",
                                  "dim", "n_layers", "n_heads", "vocab_size", "max_position_embeddings", "type_vocab_size",
                                  "pad_token_id"}) {   // dim, n_layers, n_heads: DistilBERT's keys
        if (config.contains(key)) { findings.add(key, config[key]); }
    }
}

void look_at_checkpoint(Path const& path, bool all, Contents& findings) {
    findings.add("kind", "checkpoint");
    std::string const damage = explain_damage(std::filesystem::weakly_canonical(path));
    findings.add("damage", damage.empty() ? "none" : damage);
    detail::JsonObject const file(read_json(path / "trainer.json"), (path / "trainer.json").string());
    Json const& trainer = file.json();
    for (char const* const key : {"library", "libtorch", "examples", "steps", "epochs"}) {
        if (trainer.contains(key)) { findings.add(key, trainer[key]); }
    }
    if (auto const state = file.find<detail::JsonObject>("state")) { findings.add("step", state->get<std::int64_t>("step", 0)); }
    if (trainer.contains("options")) { findings.add("options", trainer["options"]); }
    Json const objective = objective_from(file.get<std::string>("objective", ""));
    for (char const* const key : {"preset", "stage", "composition", "pooling", "max_length", "lora"}) {
        if (objective.contains(key)) { findings.add(key, objective[key]); }
    }
    look_at_config(path, findings);
    look_at_tensors(path / "model.safetensors", all, findings);
}

void look_at_folder(Path const& path, bool all, Contents& findings) {
    if (std::filesystem::exists(path / "trainer.json")) { return look_at_checkpoint(path, all, findings); }
    if (auto const checkpoints = list_checkpoints(path); !checkpoints.empty()) {
        findings.add("kind", "output folder of a run with " + std::to_string(checkpoints.size()) + " checkpoints");
        Path const newest = newest_checkpoint(path, warn).path;
        findings.add("newest", newest.string());
        return look_at_checkpoint(newest, all, findings);
    }
    if (std::filesystem::exists(path / "modules.json")) {
        findings.add("kind", "sentence-transformers folder");
        std::string modules;
        for (auto const& value : read_json(path / "modules.json")) {
            detail::JsonObject const module(value, (path / "modules.json").string(), " of a module");
            modules += (modules.empty() ? "" : ", ") + module.get<std::string>("type", "");
        }
        findings.add("modules", modules);
        if (std::filesystem::exists(path / "1_Pooling" / "config.json")) {
            findings.add("pooling", read_json(path / "1_Pooling" / "config.json"));
        }
    } else if (std::filesystem::exists(path / "config.json")) {
        findings.add("kind", "folder of a transformer");
    } else if (std::filesystem::exists(path / "manifest.json")) {
        if (IndexFolder::is_index(path)) { return look_at_index(path, findings); }
        return is_pair_store(path) ? look_at_pairs(path, findings) : look_at_store(path, findings);
    } else {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a token store, a pair store, an index, a checkpoint or a model folder",
                                    .found = "a folder of another kind",
                                    .hint = "Name one of the files in it."});
    }
    look_at_config(path, findings);
    if (holds_weights(path)) { look_at_weights(path, all, findings); }
}

/// A text file: a run has six columns, judgments have two to four.
void look_at_text(Path const& path, Contents& findings) {
    detail::LineReader lines(path);
    std::string_view line;
    if (!lines.next(line)) {
        throw InputError(Diagnostic{.file = path.string(), .expected = "a file with content", .found = "an empty one"});
    }
    std::size_t const columns = detail::split_blanks(line).count;
    if (columns >= 6) {
        Run const run = read_run(path);
        findings.add("kind", "run");
        findings.add("queries", run.size());
        findings.add("hits", run.hit_count());
        findings.add("documents", run.documents()->size());
        return;
    }
    if (columns < 2 || columns > 4 || line.starts_with('{')) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "safetensors, a file of torch.save, a run or judgments",
                                    .found = "a file of another kind",
                                    .hint = "JSON Lines are read by prepare, encode and search."});
    }
    Qrels const qrels = read_qrels(path);
    findings.add("kind", "judgments");
    findings.add("queries", qrels.size());
    findings.add("judgments", qrels.judgment_count());
}

}  // namespace

int inspect(Common const& common, InspectOptions const& options) {
    Contents findings;
    if (std::filesystem::is_directory(options.path)) {
        look_at_folder(options.path, options.tensors, findings);
    } else if (options.path.extension() == ".safetensors") {
        findings.add("kind", "safetensors file");
        look_at_tensors(options.path, options.tensors, findings);
    } else if (is_pickled(options.path)) {
        findings.add("kind", "file of torch.save");
        look_at_pickled(options.path, options.tensors, findings);
    } else {
        look_at_text(options.path, findings);
    }
    if (options.tensors && !findings.json().contains("tensors")) {
        throw InputError(Diagnostic{.file = options.path.string(),
                                    .expected = "a file or folder of tensors with --tensors",
                                    .found = findings.json().value("kind", "another kind"),
                                    .hint = "Leave --tensors out."});
    }
    Json result{{"command", "inspect"}, {"path", options.path.string()}};
    result.update(findings.json());
    print_result(common, result, findings.text());
    return done;
}

}  // namespace bmae::program
