# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# Read (`source`) by examples/quickstart.sh and tests/run.sh: gets a bare Debian or Ubuntu machine ready and names the LibTorch.
#
#   bmae_setup WORDS...    makes sure of the compiler, the small libraries and LibTorch; extra words: tests, docs
#   sets  BMAE_TORCH_DIR   folder of TorchConfig.cmake            BMAE_PYTHON   a Python for peers and scripts
#
# LibTorch, the first that serves: Torch_DIR or CMAKE_PREFIX_PATH; BMAE_LIBTORCH=<unpacked zip, or the .zip>;
# BMAE_TORCH_WHEEL=<local .whl>; the torch that python3 already imports; else `pip install torch==2.13.0` into build/venv.
# Nothing outside the repository changes except by apt, and that only as root. Safe to run again: finished stages cost nothing.

BMAE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BMAE_TORCH_VERSION=2.13.0
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
    bmae_needs_venv && ! python3 -c 'import ensurepip, venv' 2>/dev/null && want+=(python3-venv)
    for word in "$@"; do
        case $word in
            tests) bmae_has_header boost/test/unit_test.hpp || want+=(libboost-test-dev) ;;
            docs) command -v doxygen >/dev/null || want+=(doxygen) ;;
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

# Nobody has named a LibTorch and python3 imports none that serves.
bmae_needs_venv() {
    local found
    [ -z "$(bmae_torch_given)${BMAE_LIBTORCH:-}" ] || return 1
    [ -z "${BMAE_TORCH_WHEEL:-}" ] || return 0
    ! { found=$(bmae_torch_of_python "${BMAE_PYTHON:-python3}") && bmae_torch_usable "$found"; }
}

bmae_libtorch() {
    local given venv=$BMAE_ROOT/build/venv
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
    if [ -z "${BMAE_TORCH_WHEEL:-}" ] && BMAE_TORCH_DIR=$(bmae_torch_of_python "${BMAE_PYTHON:-python3}") &&
        bmae_torch_usable "$BMAE_TORCH_DIR"; then
        BMAE_PYTHON=${BMAE_PYTHON:-python3}
        return 0
    fi
    BMAE_PYTHON=$venv/bin/python
    "$BMAE_PYTHON" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$venv" || return 1   # also one that was begun only
    if BMAE_TORCH_DIR=$(bmae_torch_of_python "$BMAE_PYTHON") && bmae_torch_usable "$BMAE_TORCH_DIR"; then return 0; fi
    bmae_say "downloading LibTorch ${BMAE_TORCH_VERSION} (about 200 MB) into build/venv"
    "$BMAE_PYTHON" -m pip uninstall -qy torch >/dev/null 2>&1   # an unusable one would pass for installed
    local pip=("$BMAE_PYTHON" -m pip install --quiet --disable-pip-version-check)
    if [ -n "${BMAE_TORCH_WHEEL:-}" ]; then
        "${pip[@]}" "$BMAE_TORCH_WHEEL" numpy || return 1
    else
        # The default index serves a CUDA build of several GB on x86; PyTorch's own CPU index is asked first, any other index after it.
        "${pip[@]}" --index-url "$BMAE_CPU_WHEELS" "torch==$BMAE_TORCH_VERSION" 2>/dev/null ||
            "${pip[@]}" "torch==$BMAE_TORCH_VERSION" || return 1
        "${pip[@]}" numpy || true
    fi
    BMAE_TORCH_DIR=$(bmae_torch_of_python "$BMAE_PYTHON") && bmae_torch_usable "$BMAE_TORCH_DIR" ||
        bmae_fail "pip installed a CUDA build of torch but there is no nvcc: pass a CPU wheel by BMAE_TORCH_WHEEL=<file.whl>."
}

bmae_setup() {
    mkdir -p "$BMAE_ROOT/build"
    bmae_stage "system packages" bmae_system_packages "$@" || return 1
    local cmake
    cmake=$(cmake --version | sed -n '1s/[^0-9]*//p')
    bmae_at_least 3.25 "$cmake" || { bmae_fail "CMake 3.25 or newer is needed, found $cmake: pip install cmake, and put it before the other in PATH."; return 1; }
    bmae_stage "LibTorch" bmae_libtorch || return 1
    BMAE_PYTHON=$(command -v "${BMAE_PYTHON:-python3}" || true)
    export BMAE_TORCH_DIR BMAE_PYTHON
    bmae_say "LibTorch at $BMAE_TORCH_DIR"
}
