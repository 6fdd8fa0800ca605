# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Reads each file cpp_* of the folder with the Python package safetensors, writes it anew and demands the same bytes;
writes py_0 for the other side. Exit status 77: the packages are missing."""
import pathlib
import sys

try:
    import numpy
    import safetensors
    import safetensors.numpy
except ModuleNotFoundError:
    sys.exit(77)

folder = pathlib.Path(sys.argv[1])
files = sorted(folder.glob("cpp_*"))
assert len(files) == 3, files
for path in files:
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    again = safetensors.numpy.save(tensors, metadata=metadata)
    assert again == path.read_bytes(), f"{path.name}: other bytes"

tensors = {"ramp": numpy.arange(5, dtype=numpy.float64)}
header = b'{"bf16":{"dtype":"BF16","shape":[2],"data_offsets":[40,44]},"ramp":{"dtype":"F64","shape":[5],"data_offsets":[0,40]}}'
header += b" " * (-len(header) % 8)
written = len(header).to_bytes(8, "little") + header + tensors["ramp"].tobytes() + bytes(4)
(folder / "py_0").write_bytes(written)
with safetensors.safe_open(folder / "py_0", "np") as file:   # names in another order than the data
    assert sorted(file.keys()) == ["bf16", "ramp"]
