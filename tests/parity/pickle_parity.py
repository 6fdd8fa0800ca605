# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save: what PyTorch writes is read bit by bit, and hostile files are refused by name, without running anything, in
bounded time and memory. Exit status 77: PyTorch or transformers is missing.

Usage: pickle_parity.py [DRIVER]     DRIVER is the program built from pickle_driver.cpp; - is that of the build
"""
# ctest: -
import io
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib

try:
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertForMaskedLM
    from transformers.models.bert.modeling_bert import BertLayer
except ModuleNotFoundError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

BIN = pathlib.Path(os.environ.get("BMAE_BIN", "."))
DRIVER = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "-" else BIN / "pickle_driver"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


# ---- models with the names of the reference code ---------------------------------------------------------------------------------
class Retro(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.lm = BertForMaskedLM(config)
        self.decoder_embeddings = self.lm.bert.embeddings
        self.c_head = BertLayer(config)


class SimLm(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.encoder = BertForMaskedLM(config)
        self.decoder = torch.nn.ModuleList(BertLayer(config) for _ in range(2))


class Master(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.lm = BertForMaskedLM(config)
        for head in ("c_head", "query_head", "gpt_head", "next_head", "overlap_head"):
            setattr(self, head, torch.nn.ModuleList(BertLayer(config) for _ in range(2)))


def old_layout(path, to):
    """The same archive as PyTorch 1.13 wrote it: no byteorder, no serialization id, one alignment."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(to, "w", zipfile.ZIP_STORED) as old:
        for entry in archive.infolist():
            name = entry.filename.split("/", 1)[1]
            if name == "data.pkl" or name == "version" or name.startswith("data/"):
                old.writestr(f"archive/{name}", archive.read(entry))


def cases(folder):
    """(file, tensors it must give)."""
    torch.manual_seed(1)
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                        max_position_embeddings=32)
    states = {"retromae": Retro(config).state_dict(), "simlm": SimLm(config).state_dict(), "master": Master(config).state_dict()}
    states["retromae16"] = {name: tensor.to(torch.float16) for name, tensor in states["retromae"].items()}
    states["master-bf16"] = {name: tensor.bfloat16() for name, tensor in states["master"].items()}
    base = torch.arange(24.0)
    states["odd"] = {"strided": base.view(4, 6).t(), "part": base[5:11], "shared": base.view(2, 3, 4), "double": torch.rand(3).double(),
                     "int": torch.arange(-3, 3), "int32": torch.arange(5, dtype=torch.int32), "byte": torch.arange(7, dtype=torch.uint8),
                     "char": torch.arange(-2, 2, dtype=torch.int8), "short": torch.arange(4, dtype=torch.int16),
                     "flags": torch.tensor([True, False, True]), "scalar": torch.tensor(2.5), "empty": torch.empty(0, 3),
                     "parameter": torch.nn.Parameter(torch.rand(2, 2)), "half": torch.rand(3).half()}
    for name, state in states.items():
        for form in ("zip", "legacy", "old"):
            path = folder / f"{name}-{form}.bin"
            torch.save(state, path if form != "old" else folder / "new", _use_new_zipfile_serialization=form != "legacy")
            if form == "old":
                old_layout(folder / "new", path)
            yield path, state
    state = states["simlm"]
    wrapped = {"module": {"module." + name: tensor for name, tensor in state.items()}, "epoch": 3, "loss": 0.5, "note": None}
    for name, content in {"under-state-dict": {"state_dict": state, "optimizer": {"state": {}, "lr": [0.1]}}, "under-model": {"model": state},
                          "under-module": wrapped, "plain": dict(state)}.items():
        torch.save(content, folder / f"{name}.bin")
        yield folder / f"{name}.bin", state
    for protocol in (3, 4, 5):
        torch.save(state, folder / f"protocol{protocol}.bin", pickle_protocol=protocol)
        yield folder / f"protocol{protocol}.bin", state
    torch.serialization.set_crc32_options(False)
    torch.save(state, folder / "no-checksums.bin")
    torch.serialization.set_crc32_options(True)
    yield folder / "no-checksums.bin", state
    shards = folder / "shards"
    shards.mkdir()
    names = sorted(state)
    for i, part in enumerate((names[::2], names[1::2])):
        torch.save({name: state[name] for name in part}, shards / f"pytorch_model-{i}.bin")
    index = ",".join(f'"{name}":"pytorch_model-{i % 2}.bin"' for i, name in enumerate(names))
    (shards / "pytorch_model.bin.index.json").write_text('{"metadata":{},"weight_map":{' + index + "}}")
    yield shards, state


def check_sound(folder):
    made = list(cases(folder))
    arguments = [part for i, (path, _) in enumerate(made) for part in (path, folder / f"{i}.safetensors")]
    done = subprocess.run([DRIVER, *arguments], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for i, (path, state) in enumerate(made):
        read = load_file(folder / f"{i}.safetensors")
        assert sorted(read) == sorted(state), path.name
        for name, tensor in state.items():
            same = read[name].dtype == tensor.dtype and read[name].shape == tensor.shape
            bits = [t.detach().contiguous().reshape(-1).view(torch.uint8).tolist() for t in (read[name], tensor)] if same else [0, 1]
            assert bits[0] == bits[1], f"{path.name}: {name}"
    print(f"{len(made)} files of PyTorch {torch.__version__}: all tensors are equal bit by bit")


# ---- hostile files -----------------------------------------------------------------------------------------------------------------
def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def numbers(*values):
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key="0", elements=6, kind=b"FloatStorage"):
    return b"(" + text("storage") + b"ctorch\n" + kind + b"\n" + text(key) + text("cpu") + number(elements) + b"tQ"


def tensor(source=None, shape=(2, 3), strides=(3, 1), offset=0):
    source = storage() if source is None else source
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + source + number(offset) + numbers(*shape) + numbers(*strides) + b"\x89NtR"


def dictionary(*pairs):
    return b"}(" + b"".join(text(name) + value for name, value in pairs) + b"u"


def archive(entries, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return stream.getvalue()


def program(code, data=bytes(24)):
    return archive({"m/data.pkl": b"\x80\x02" + code + b".", "m/data/0": data})


class Runs:
    """What a pickle of the wild does."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class Held:
    pass


def patched(content, at, value, size):
    return content[:at] + value.to_bytes(size, "little") + content[at + size:]


def hostile(canary):
    """name -> (content, words of the message)."""
    sound = program(dictionary(("a", tensor())))
    central = sound.index(b"PK\x01\x02")
    second = sound.index(b"PK\x01\x02", central + 4)
    end = sound.index(b"PK\x05\x06")
    legacy = io.BytesIO()
    torch.save({"a": torch.rand(3)}, legacy, _use_new_zipfile_serialization=False)
    legacy = legacy.getvalue()
    held = Held()
    held.x = 1
    yield "os.system", program(pickle.dumps({"a": Runs(canary)}, protocol=2)[2:-1]), "system"
    yield "os.system-protocol-4", program(pickle.dumps({"a": Runs(canary)}, protocol=4)[2:-1]), "system"
    yield "legacy-os.system", legacy[:legacy.index(b"type_sizes")] + b"x", "pickle"
    yield "plain-pickle", pickle.dumps({"a": Runs(canary)}), "another format"
    yield "eval", program(text("builtins") + text("eval") + b"\x93" + b"(" + text("1") + b"tR"), "builtins.eval"
    yield "getattr", program(b"c__builtin__\ngetattr\n"), "__builtin__.getattr"
    yield "numpy", program(b"cnumpy.core.multiarray\nscalar\n"), "numpy.core.multiarray.scalar"
    yield "namespace", program(b"cargparse\nNamespace\n"), "argparse.Namespace"
    yield "rebuild-v3", program(b"ctorch._utils\n_rebuild_tensor_v3\n"), "_rebuild_tensor_v3"
    yield "rebuild-sparse", program(b"ctorch._utils\n_rebuild_sparse_tensor\n"), "_rebuild_sparse_tensor"
    yield "module", program(b"ctransformers.models.bert\nBertModel\n"), "transformers.models.bert.BertModel"
    yield "newobj", program(pickle.dumps(held, protocol=2)[2:-1]), "Held"
    yield "build", program(b"}}b"), "attributes"
    yield "build-tensor", program(tensor() + b"}b"), "attributes"
    yield "inst", program(b"(ios\nsystem\n"), "INST"
    yield "obj", program(b"(Nobjo"), "OBJ"
    yield "ext", program(b"\x82\x01"), "EXT1"
    yield "persid", program(b"P0\n"), "PERSID"
    yield "reduce-storage", program(b"ctorch\nFloatStorage\n)R"), "torch.FloatStorage"
    yield "reduce-tensor", program(tensor() + b")R"), "a call of a tensor"
    yield "text-protocol", program(b"I7\n"), "INT"
    yield "memo-missing", program(b"h\x05"), "remembered as 5"
    yield "memo-bomb", program(b")" + b"q\x01h\x01\x86" * 100_000), "a dictionary of tensors"
    yield "memo-many", program(b"N" + b"".join(b"r" + struct.pack("<I", i) for i in range(300_000))), "remembered values"
    yield "values", program(b")" * 3_000_000), "262144 values"
    yield "marks", program(b"(" * 3_000_000), "2097152 steps"
    yield "gets", program(b"Nq\x01" + b"h\x01" * 3_000_000), "2097152 steps"
    yield "lists", program(b"]q\x01" + b"h\x01a" * 500_000), "a dictionary of tensors"
    yield "tensors", program(b"(" + storage() + number(0) + numbers(*[1] * 8) + numbers(*[1] * 8) + b"tq\x01"
                             + b"ctorch._utils\n_rebuild_tensor_v2\nq\x02" + b"h\x02h\x01R" * 100_000), "65536 tensors"
    yield "nested", program(b"}" + (text("model") + b"}") * 1000 + b"s" * 1000), "4 levels"
    yield "holds-itself", program(b"}q\x01" + text("state_dict") + b"h\x01s"), "4 levels"
    yield "text-size", program(b"X\xff\xff\xff\xff"), "complete pickle"
    yield "text-size-8", program(b"\x8d" + b"\xff" * 8), "complete pickle"
    yield "frame-size", program(b"\x95" + b"\xff" * 8), "complete pickle"
    yield "name-without-end", program(b"c" + b"a" * 100_000), "line end"
    yield "no-tensor", program(dictionary(("a", number(3)))), "a tensor under \"a\""
    yield "twice", program(dictionary(("a", tensor()), ("a", tensor()))), "twice"
    yield "storage-short", program(dictionary(("a", tensor())), bytes(20)), "24 bytes of the storage"
    yield "storage-long", program(dictionary(("a", tensor())), bytes(28)), "24 bytes of the storage"
    yield "storage-type", program(dictionary(("a", tensor(storage(kind=b"DoubleStorage"))))), "48 bytes of the storage"
    yield "storage-type-twice", program(dictionary(("a", tensor()), ("b", tensor(storage(kind=b"IntStorage"))))), "one type and size"
    yield "storage-missing", program(dictionary(("a", tensor(storage(key="7"))))), "the storage \"7\""
    yield "storage-path", program(dictionary(("a", tensor(storage(key="../../etc/passwd"))))), "the storage"
    yield "storage-negative", program(dictionary(("a", tensor(storage(elements=-1))))), "-1 elements"
    yield "shape-negative", program(dictionary(("a", tensor(shape=(-2, 3))))), "a shape"
    yield "stride-negative", program(dictionary(("a", tensor(strides=(-3, 1))))), "strides"
    yield "stride-outside", program(dictionary(("a", tensor(strides=(4, 1))))), "inside its storage"
    yield "stride-zero", program(dictionary(("a", tensor(shape=(1 << 30,), strides=(0,))))), "no more elements"
    yield "offset", program(dictionary(("a", tensor(offset=1)))), "inside its storage"
    yield "offset-negative", program(dictionary(("a", tensor(offset=-1)))), "an offset"
    yield "overflow", program(dictionary(("a", tensor(shape=(1 << 30,) * 3, strides=(1 << 30,) * 3)))), "inside its storage"
    yield "rank", program(dictionary(("a", tensor(shape=(1,) * 9, strides=(1,) * 9)))), "at most 8"
    yield "deflated", archive({"m/data.pkl": b"\x80\x02}.", "m/data/0": bytes(50_000_000)}, zipfile.ZIP_DEFLATED), "compressed by method 8"
    yield "zip-overlap", patched(sound, second + 42, int.from_bytes(sound[central + 42:central + 46], "little"), 4), "the header of"
    yield "zip-size", patched(patched(sound, second + 20, 1 << 31, 4), second + 24, 1 << 31, 4), "before the directory"
    yield "zip-sizes-differ", patched(sound, second + 20, 3, 4), "a stored entry of one size"
    yield "zip-count", patched(patched(sound, end + 8, 60000, 2), end + 10, 60000, 2), "room for its entries"
    yield "zip-directory", patched(sound, end + 16, 1 << 31, 4), "a directory inside"
    yield "zip64-missing", patched(sound, end + 16, 0xffffffff, 4), "zip64"
    yield "zip-encrypted", patched(sound, central + 8, 1, 2), "not encrypted"
    yield "zip-disks", patched(sound, end + 4, 1, 2), "in one file"
    inside = sound.index(b"\x80\x02")
    yield "zip-checksum", sound[:inside + 5] + b"\x00" + sound[inside + 6:], "checksum"
    yield "no-pickle", archive({"hello.txt": b"x"}), "data.pkl"
    yield "two-pickles", archive({"a/data.pkl": b"\x80\x02}.", "b/data.pkl": b"\x80\x02}."}), "one data.pkl"
    yield "big-endian", archive({"m/data.pkl": b"\x80\x02}.", "m/byteorder": b"big"}), "byte order"
    yield "torchscript", archive({"m/data.pkl": b"\x80\x02}.", "m/constants.pkl": b"\x80\x02)."}), "TorchScript"
    yield "legacy-count", legacy[:-20] + b"\x04" + legacy[-19:], "3 elements"
    yield "legacy-tail", legacy + b"x", "more bytes"
    yield "git-lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 438007537\n", "git-lfs pointer"
    for size in range(0, len(sound), 7):
        yield f"truncated-{size}", sound[:size], ""
    for size in range(0, len(legacy), 23):
        yield f"legacy-truncated-{size}", legacy[:size], ""
    code = b"\x80\x02" + dictionary(("a", tensor())) + b"."
    for size in range(2, len(code), 5):
        yield f"pickle-truncated-{size}", archive({"m/data.pkl": code[:size], "m/data/0": bytes(24)}), "at byte"


def measure(path):
    """Exit status, message, seconds and peak memory in bytes of a program that looks at a file."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([BIN / "bmae", "inspect", path], stdout=subprocess.DEVNULL, stderr=log, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        message = log.read().decode(errors="replace")
    return process.returncode, message, time.monotonic() - start, usage.ru_maxrss * 1024


def check_hostile(folder):
    canary = folder / "ran"
    torch.save({"a": torch.rand(2)}, folder / "small.bin")
    status, message, _, base = measure(folder / "small.bin")
    assert status == 0, message
    count, longest, most = 0, 0, 0
    for name, content, words in hostile(canary):
        path = folder / f"{name}.bin"
        path.write_bytes(content)
        status, message, seconds, memory = measure(path)
        extra = memory - base
        assert status == 2 and message.startswith(f"bmae: {path}: expected ") and words in message, f"{name}: {status}\n{message}"
        assert seconds < 10 and extra <= 4 * len(content) + (64 << 20), f"{name}: {seconds:.1f} s, {extra >> 20} MiB"
        assert not canary.exists(), f"{name}: something ran"
        count, longest, most = count + 1, max(longest, seconds), max(most, extra)
        path.unlink()
    print(f"{count} hostile files are refused by name, in at most {longest:.2f} s and {most / 2**20:.0f} MiB beyond a sound one")


with tempfile.TemporaryDirectory(prefix="bmae-pickles-") as name:
    check_sound(pathlib.Path(name))
    check_hostile(pathlib.Path(name))
