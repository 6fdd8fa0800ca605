# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# Read (`source`) by examples/quickstart.sh and tests/run.sh: gets a bare Debian or Ubuntu machine ready and names the LibTorch.
#
#   bmae_setup WORDS...    makes sure of the compiler, the small libraries and LibTorch; extra words: tests, docs, peers
#   sets  BMAE_TORCH_DIR   folder of TorchConfig.cmake            BMAE_PYTHON   a Python for peers and scripts
#
# LibTorch, the first that serves: Torch_DIR or CMAKE_PREFIX_PATH; BMAE_LIBTORCH=<unpacked zip, or the .zip>;
# BMAE_TORCH_WHEEL=<local .whl>; the torch of BMAE_PYTHON, else of build/venv where there is one, else of python3;
# else `pip install torch==2.13.0` into build/venv. Peers (tests/peers.txt): BMAE_PYTHON if it has them all, else build/venv.
# Nothing outside the repository changes except by apt, and that only as root. Safe to run again: finished stages cost nothing.

BMAE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BMAE_TORCH_VERSION=$(sed -n 's/^torch==//p' "$BMAE_ROOT/tests/peers.txt")   # the one that is tested
BMAE_TORCH_LEAST=2.11
for bmae_name in BMAE_LIBTORCH BMAE_TORCH_WHEEL; do   # relative to where the caller stands
    [ -z "${!bmae_name:-}" ] || printf -v "$bmae_name" %s "$(realpath -m "${!bmae_name}")"
done
BMAE_CPU_WHEELS=https://download.pytorch.org/whl/cpu

bmae_say() { printf '== %s\n' "$*" >&2; }
bmae_fail() { printf 'setup: %s\n' "$*" >&2; return 1; }

# bmae_stage NAME COMMAND...: runs it and prints the minutes that it took
bmae_stage() {
    local name=$1 begin=$SECONDS status=0
    shift
    bmae_say "$name"
    "$@" || status=$?
    local took=$((SECONDS - begin))
    bmae_say "$name: $(printf '%d min %02d s' $((took / 60)) $((took % 60)))$([ $status = 0 ] || echo ', failed')"
    return $status
}

bmae_has_header() { [ -n "$(find /usr/include /usr/local/include -maxdepth 3 -path "*/$1" -print -quit 2>/dev/null)" ]; }

bmae_system_packages() {
    local want=() word
    command -v g++ >/dev/null || want+=(g++)
    command -v cmake >/dev/null || want+=(cmake)
    command -v ninja >/dev/null || want+=(ninja-build)
    command -v python3 >/dev/null || want+=(python3)
    bmae_has_header utf8proc.h || want+=(libutf8proc-dev)
    bmae_has_header zlib.h || want+=(zlib1g-dev)
    bmae_has_header nlohmann/json.hpp || want+=(nlohmann-json3-dev)
    bmae_has_header eigen3/Eigen/Core || want+=(libeigen3-dev)
    bmae_has_header CLI/CLI.hpp || want+=(libcli11-dev)
    bmae_needs_venv "$@" && ! python3 -c 'import ensurepip, venv' 2>/dev/null && want+=(python3-venv)
    for word in "$@"; do
        case $word in
            tests)
                bmae_has_header boost/test/unit_test.hpp || want+=(libboost-test-dev)
                bmae_has_header unicode/ubrk.h || want+=(libicu-dev)   # optional: words and stems of further languages
                bmae_has_header libstemmer.h || want+=(libstemmer-dev)
                bmae_has_header hnswlib/hnswlib.h || want+=(libhnswlib-dev)   # optional: the adapter is tested over it
                ;;
            docs) command -v doxygen >/dev/null || want+=(doxygen) ;;
            peers) command -v clang++-19 >/dev/null || want+=(clang-19) ;;   # a second compiler reads the headers
        esac
    done
    [ ${#want[@]} = 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        bmae_fail "missing: ${want[*]} (names of Debian packages); install their like, this machine has no apt-get."
    elif [ "$(id -u)" != 0 ]; then
        bmae_fail "missing packages; run: sudo apt-get install -y --no-install-recommends ${want[*]}"
    else
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${want[@]}" >/dev/null
    fi
}

# Prints the folder of TorchConfig.cmake under one of the given prefixes.
bmae_torch_under() {
    local prefix
    for prefix in "$@"; do
        for prefix in "$prefix" "$prefix/Torch" "$prefix/share/cmake/Torch"; do
            if [ -f "$prefix/TorchConfig.cmake" ]; then (cd "$prefix" && pwd) && return 0; fi
        done
    done
    return 1
}

bmae_torch_given() {
    local prefixes
    IFS=';:' read -ra prefixes <<<"${Torch_DIR:-};${CMAKE_PREFIX_PATH:-}"
    local kept=() prefix
    for prefix in "${prefixes[@]}"; do if [ -n "$prefix" ]; then kept+=("$prefix"); fi; done
    [ ${#kept[@]} = 0 ] || bmae_torch_under "${kept[@]}" || true
}

bmae_torch_of_python() {   # the file system is asked, nothing is imported
    local folder
    folder=$("$1" -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')" 2>/dev/null)
    [ -n "$folder" ] && bmae_torch_under "$folder"
}

# bmae_at_least WANTED FOUND, both versions
bmae_at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# A CUDA build of LibTorch can be used only with the CUDA toolkit; without nvcc it stops every configure run.
bmae_torch_usable() {
    local lib=$1/../../../lib
    bmae_at_least "$BMAE_TORCH_LEAST" "$(sed -nE 's/.*PACKAGE_VERSION "([0-9.]+).*/\1/p' "$1/TorchConfigVersion.cmake" | head -n 1)" || return 1
    [ -e "$lib/libtorch_cpu.so" ] || return 1
    [ ! -e "$lib/libtorch_cuda.so" ] || command -v nvcc >/dev/null
}

# Peers are asked for, or nobody has named a LibTorch and no Python at hand imports one that serves.
bmae_needs_venv() {
    case " $* " in *" peers "*) ! bmae_has_peers "${BMAE_PYTHON:-python3}" && return 0 ;; esac
    [ -z "$(bmae_torch_given)${BMAE_LIBTORCH:-}" ] || return 1
    [ -z "${BMAE_TORCH_WHEEL:-}" ] || return 0
    ! (bmae_torch_serves "${BMAE_PYTHON:-python3}")
}

bmae_has_peers() { "$1" "$BMAE_ROOT/tests/peers.py" check "$BMAE_ROOT/tests/peers.txt" >/dev/null 2>&1; }

# An environment that holds nothing broken: one that was begun only is made anew, packages that were cut short are forgotten.
bmae_venv() {
    BMAE_PYTHON=$BMAE_ROOT/build/venv/bin/python
    "$BMAE_PYTHON" -m pip --version >/dev/null 2>&1 && "$BMAE_PYTHON" "$BMAE_ROOT/tests/peers.py" mend && return 0
    python3 -m venv --clear "$BMAE_ROOT/build/venv" && "$BMAE_PYTHON" -m pip --version >/dev/null
}

bmae_pip_install() { "$BMAE_PYTHON" -m pip install --quiet --disable-pip-version-check --no-input "$@"; }

# Sets BMAE_TORCH_DIR to that of a Python; in build/venv an installation may have been interrupted.
bmae_torch_serves() {
    case $1 in "$BMAE_ROOT"/build/venv/*) "$1" "$BMAE_ROOT/tests/peers.py" whole torch 2>/dev/null || return 1 ;; esac
    BMAE_TORCH_DIR=$(bmae_torch_of_python "$1") && bmae_torch_usable "$BMAE_TORCH_DIR"
}

# The LibTorch of build/venv; one that is there and serves is left alone.
bmae_torch_into_venv() {
    if bmae_torch_serves "$BMAE_PYTHON"; then return 0; fi
    bmae_say "downloading LibTorch ${BMAE_TORCH_VERSION} (about 200 MB) into build/venv"
    "$BMAE_PYTHON" -m pip uninstall -qy torch >/dev/null 2>&1   # an unusable one would pass for installed
    if [ -n "${BMAE_TORCH_WHEEL:-}" ]; then
        bmae_pip_install "$BMAE_TORCH_WHEEL" numpy || return 1
    else
        # The default index serves a CUDA build of several GB on x86; PyTorch's own CPU index is asked first, for torch alone, then
        # any other index. numpy comes with what torch needs; C++ needs neither.
        bmae_pip_install --no-deps --retries 1 --index-url "$BMAE_CPU_WHEELS" "torch==$BMAE_TORCH_VERSION" 2>/dev/null ||
            bmae_pip_install "torch==$BMAE_TORCH_VERSION" || return 1
        bmae_pip_install "torch==$BMAE_TORCH_VERSION" numpy || true
    fi
    bmae_torch_serves "$BMAE_PYTHON" ||
        bmae_fail "pip installed a CUDA build of torch but there is no nvcc: pass a CPU wheel by BMAE_TORCH_WHEEL=<file.whl>."
}

# Sets BMAE_PYTHON to one that has every peer at its pinned version.
bmae_peers() {
    local pins=$BMAE_ROOT/tests/peers.txt
    if [ -n "${BMAE_PYTHON:-}" ] && bmae_has_peers "$BMAE_PYTHON"; then return 0; fi   # nobody else's environment is changed
    bmae_venv || return 1
    if bmae_has_peers "$BMAE_PYTHON"; then return 0; fi
    "$BMAE_PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        { bmae_fail "tests/peers.txt needs Python 3.11 or newer, python3 is $("$BMAE_PYTHON" -V)"; return 1; }
    bmae_torch_into_venv || return 1
    bmae_say "installing tests/peers.txt into build/venv"
    bmae_pip_install ${BMAE_TORCH_WHEEL:+"$BMAE_TORCH_WHEEL"} --requirement "$pins" || return 1
    "$BMAE_PYTHON" "$BMAE_ROOT/tests/peers.py" check "$pins"
}

bmae_libtorch() {
    local given
    given=$(bmae_torch_given)
    if [ -n "$given" ]; then BMAE_TORCH_DIR=$given; return 0; fi
    if [ -n "${BMAE_LIBTORCH:-}" ]; then
        local folder=$BMAE_LIBTORCH
        if [ -f "$folder" ]; then   # the zip itself
            folder=$BMAE_ROOT/build/libtorch
            [ -d "$folder" ] || (mkdir -p "$folder.part" && cd "$folder.part" &&
                python3 -m zipfile -e "$BMAE_LIBTORCH" . && mv libtorch "$folder" && rmdir "$folder.part") || return 1
        fi
        BMAE_TORCH_DIR=$(bmae_torch_under "$folder") || bmae_fail "BMAE_LIBTORCH=$BMAE_LIBTORCH holds no share/cmake/Torch/TorchConfig.cmake."
        return
    fi
    if [ -z "${BMAE_TORCH_WHEEL:-}" ]; then
        local python pythons=("$BMAE_ROOT/build/venv/bin/python" python3)
        [ -z "${BMAE_PYTHON:-}" ] || pythons=("$BMAE_PYTHON")
        for python in "${pythons[@]}"; do
            if bmae_torch_serves "$python"; then BMAE_PYTHON=$python && return 0; fi
        done
    fi
    bmae_venv && bmae_torch_into_venv
}

bmae_setup() {
    mkdir -p "$BMAE_ROOT/build"
    bmae_stage "system packages" bmae_system_packages "$@" || return 1
    local cmake
    cmake=$(cmake --version | sed -n '1s/[^0-9]*//p')
    bmae_at_least 3.25 "$cmake" || { bmae_fail "CMake 3.25 or newer is needed, found $cmake: pip install cmake, and put it before the other in PATH."; return 1; }
    case " $* " in *" peers "*) bmae_stage "peers" bmae_peers || return 1 ;; esac
    bmae_stage "LibTorch" bmae_libtorch || return 1
    BMAE_PYTHON=$(command -v "${BMAE_PYTHON:-python3}" || true)
    export BMAE_TORCH_DIR BMAE_PYTHON
    bmae_say "LibTorch at $BMAE_TORCH_DIR"
}
