# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Uses bmae as a stranger's project would, by one route, and runs what was built.

usage: check.py install|compiled|subdirectory|fetchcontent|conan|vcpkg_manifest WORK_DIR [TORCH_DIR]
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "examples/consume"


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def generator():
    return ["-G", "Ninja"] if shutil.which("ninja") else []


def build(work, *options, programs):
    run("cmake", "-S", CONSUMER, "-B", work / "consume", *generator(), *options)
    run("cmake", "--build", work / "consume", "--target", *programs)
    for program in programs:
        print(run(work / "consume" / program), end="")


def install(work, torch):
    """The installed tree, once with LibTorch and once without, from a folder that knows nothing of the source."""
    stage = work / "stage"
    off = [f"-DBMAE_BUILD_{part}=OFF" for part in ("TESTS", "EXAMPLES", "DOCS")]
    run("cmake", "-S", ROOT, "-B", work / "library", *generator(), *off, f"-DCMAKE_INSTALL_PREFIX={stage}",
        *([f"-DTorch_DIR={torch}"] if torch else ["-DBMAE_WITH_TORCH=OFF"]))
    run("cmake", "--install", work / "library")
    installed = {p.relative_to(stage / "include") for p in (stage / "include").rglob("*.hpp")}
    missing = {p.relative_to(ROOT / "include") for p in (ROOT / "include").rglob("*.hpp")} - installed
    if torch and missing:
        sys.exit(f"headers that are not installed: {sorted(map(str, missing))}")
    hint = f"-Dbmae_DIR={stage}/share/cmake/bmae"
    build(work, hint, "-DWITH_TORCH=OFF", programs=["mask_words"])
    if torch:
        shutil.rmtree(work / "consume")
        build(work, hint, f"-DTorch_DIR={torch}", programs=["mask_words", "pack_tokens"])


def compiled(work, torch):
    """The whole build that the tests belong to, installed: the libraries, and the program with its LibTorch half. A consumer of both
    forms gets the same losses."""
    binaries = pathlib.Path(os.environ["BMAE_BIN"])
    if not torch or not (binaries / "bmae").exists():
        skip("the program is not built here")
    stage = work / "stage"
    run("cmake", "--install", binaries.parent, "--prefix", stage)
    print(run(stage / "bin/bmae", "--version"), end="")
    if "retromae" not in run(stage / "bin/bmae", "presets"):
        sys.exit("bin/bmae presets does not list retromae")
    losses = {}
    for form in ("OFF", "ON"):
        run("cmake", "-S", CONSUMER, "-B", work / "consume", *generator(), f"-Dbmae_DIR={stage}/share/cmake/bmae", f"-DTorch_DIR={torch}",
            f"-DCOMPILED={form}", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1")
        run("cmake", "--build", work / "consume", "--target", "mask_words", "train_retromae")
        print(run(work / "consume/mask_words"), end="")
        losses[form] = run(work / "consume/train_retromae", work / f"trained-{form}")
    if losses["ON"] != losses["OFF"]:
        sys.exit(f"the two forms differ:\n{losses}")


def subdirectory(work, torch):
    build(work, "-DROUTE=subdirectory", "-DWITH_TORCH=OFF", programs=["mask_words"])


def fetchcontent(work, torch):
    build(work, "-DROUTE=fetchcontent", "-DWITH_TORCH=OFF", programs=["mask_words"])


def conan(work, torch):
    """`conan create` in a private Conan home; the machine's own is not touched. The program is that of the peers' Python, or of PATH."""
    peers = pathlib.Path(os.environ.get("BMAE_PYTHON") or sys.executable).parent
    env = {**os.environ, "CONAN_HOME": str(work / "home"), "PATH": f"{peers}{os.pathsep}{os.environ['PATH']}"}
    if not shutil.which("conan", path=env["PATH"]):
        skip("conan is not installed (pip install conan)")
    run("conan", "profile", "detect", "--force", env=env)
    seen = run("conan", "inspect", ROOT, env=env)
    if "header-library" not in seen or f"version: {version()}" not in seen:
        sys.exit(f"conan inspect shows the wrong recipe:\n{seen}")
    stand_ins = {"eigen": "3.4.0", "nlohmann_json": "3.11.2", "utf8proc": "2.8.0", "zlib": "1.2.13"}
    for name, number in stand_ins.items():   # Conan Center's names over the distribution's libraries: no network
        run("conan", "create", ROOT / "tests/package/conan/system", "--name", name, "--version", number, env=env)
    strict = subprocess.run(["conan", "create", str(ROOT), "-s", "compiler.cppstd=gnu17", "-nr"], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if strict.returncode == 0 or "cppstd" not in strict.stdout:
        sys.exit(f"conan accepted C++17:\n{strict.stdout}")
    test = shutil.copytree(ROOT / "tests/package/conan", work / "test", ignore=shutil.ignore_patterns("system"))
    shutil.copy(CONSUMER / "mask_words.cpp", test)
    said = run("conan", "create", ROOT, "-s", "compiler.cppstd=20", "-nr", "-tf", test, env=env)
    print(re.search(r"bmae .* hides .*", said)[0])
    said = run("conan", "create", ROOT, "-s", "compiler.cppstd=20", "-nr", "-o", "bmae/*:compiled=True", "-tf", test, env=env)
    print("compiled:", re.search(r"bmae .* hides .*", said)[0])


def version():
    return re.search(r'version = "([0-9.]+)"', (ROOT / "include/bmae/version.hpp").read_text())[1]


def vcpkg_manifest(work, torch):
    """vcpkg.json is well formed, agrees with the version and names what CMake looks for and says. The tool itself is not asked."""
    manifest = json.loads((ROOT / "vcpkg.json").read_text())
    if manifest["version"] != version():
        sys.exit(f"vcpkg.json says {manifest['version']}, version.hpp {version()}")
    if manifest["license"] != "Apache-2.0":
        sys.exit(f"vcpkg.json: license {manifest['license']}")
    features = manifest["features"]
    if unknown := set(manifest["default-features"]) - set(features):
        sys.exit(f"vcpkg.json: the default features {unknown} are none of {sorted(features)}")
    wanted = {"": manifest["dependencies"], **{name: feature["dependencies"] for name, feature in features.items()}}
    names = {part: {item if isinstance(item, str) else item["name"] for item in items} for part, items in wanted.items()}
    for name in {manifest["name"], *features, *set().union(*names.values())}:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            sys.exit(f"vcpkg.json: {name!r} is no name of a port or feature")
    for name, feature in features.items():
        if set(feature) != {"description", "dependencies"}:
            sys.exit(f"vcpkg.json: feature {name} has {sorted(feature)}")
    said = set(re.findall(r"vcpkg ([a-z0-9-]+)", (ROOT / ".cmake/bmae-dependencies.cmake").read_text()))
    if len(said) < 4 or names[""] - {"vcpkg-cmake", "vcpkg-cmake-config"} != said:
        sys.exit(f"vcpkg.json lists {sorted(names[''])}, the sentences of .cmake/bmae-dependencies.cmake name {sorted(said)}")
    print(f"{len(names[''])} ports, features {', '.join(sorted(features))}")


route, work, torch = sys.argv[1], pathlib.Path(sys.argv[2]), (sys.argv[3] if len(sys.argv) > 3 else "")
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
{route.__name__: route for route in (install, compiled, subdirectory, fetchcontent, conan, vcpkg_manifest)}[route](work, torch)
shutil.rmtree(work, ignore_errors=True)
