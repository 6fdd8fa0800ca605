# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain
from conan.tools.files import copy, load, rmdir
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class BmaeConan(ConanFile):
    name = "bmae"
    description = "Bottlenecked masked auto-encoders: header-only pre-training, retrieval and evaluation over LibTorch"
    license = "Apache-2.0"
    topics = ("information-retrieval", "pre-training", "libtorch", "header-only")
    package_type = "header-library"   # static-library where `compiled` is set
    settings = "os", "arch", "compiler", "build_type"
    # Conan Center's libtorch (2.9) is older than bmae needs, so the LibTorch of the consumer is taken by default: its project
    # calls find_package(Torch) and links `torch` beside bmae::core.
    # compiled: also bmae::compiled_core and, with LibTorch, bmae::compiled, in which what needs no template parameter is a library.
    # with_icu: bmae::icu, which <bmae/retrieval/icu_word_breaks.hpp> needs. Conan Center has no recipe of libstemmer.
    options = {"with_libtorch": [True, False], "compiled": [True, False], "with_icu": [True, False]}
    default_options = {"with_libtorch": False, "compiled": False, "with_icu": False}
    exports_sources = "LICENSE", "CMakeLists.txt", ".cmake/*", "include/*"
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "include", "bmae", "version.hpp"))
        self.version = re.search(r'version = "([0-9.]+)"', text).group(1)

    def configure(self):
        if self.options.compiled:
            self.package_type = "static-library"

    def layout(self):
        basic_layout(self, src_folder=".")

    def requirements(self):
        self.requires("eigen/[>=3.4 <6]", transitive_headers=True)
        self.requires("nlohmann_json/[>=3.11 <4]", transitive_headers=True)
        self.requires("utf8proc/[>=2.8 <3]", transitive_headers=True, transitive_libs=True)
        self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True, transitive_libs=True)
        if self.options.with_icu:
            self.requires("icu/[>=72]", transitive_headers=True, transitive_libs=True)
        if self.options.with_libtorch:
            self.requires("libtorch/[>=2.11 <3]", transitive_headers=True, transitive_libs=True)

    def package_id(self):
        if not self.info.options.compiled:
            self.info.clear()

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        if self.options.compiled:
            toolchain = CMakeToolchain(self)
            for part in ("TESTS", "EXAMPLES", "DOCS"):
                toolchain.cache_variables[f"BMAE_BUILD_{part}"] = False
            toolchain.cache_variables["BMAE_COMPILED"] = True
            toolchain.cache_variables["BMAE_WITH_TORCH"] = bool(self.options.with_libtorch)
            toolchain.generate()
            CMakeDeps(self).generate()

    def build(self):
        if self.options.compiled:
            cmake = CMake(self)
            cmake.configure()
            cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        if self.options.compiled:
            CMake(self).install()
            rmdir(self, os.path.join(self.package_folder, "share"))   # Conan makes the CMake package
        copy(self, "*", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "bmae")
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        core = self.cpp_info.components["core"]
        core.set_property("cmake_target_name", "bmae::core")
        core.bindirs = core.libdirs = []
        if self.options.compiled:
            self.add_compiled("compiled_core", ["core"])
            if self.options.with_libtorch:
                self.add_compiled("compiled", ["bmae", "compiled_core"])
        core.requires = ["eigen::eigen", "nlohmann_json::nlohmann_json", "utf8proc::utf8proc", "zlib::zlib"]
        if self.settings.os in ("Linux", "FreeBSD"):
            core.system_libs = ["pthread"]
        if self.options.with_icu:
            icu = self.cpp_info.components["icu"]
            icu.set_property("cmake_target_name", "bmae::icu")
            icu.bindirs = icu.libdirs = []
            icu.requires = ["core", "icu::icu-uc"]
        if self.options.with_libtorch:
            whole = self.cpp_info.components["bmae"]
            whole.set_property("cmake_target_name", "bmae::bmae")
            whole.requires = ["core", "libtorch::libtorch"]
            whole.defines = ["AT_PER_OPERATOR_HEADERS"]

    def add_compiled(self, name, requires):
        part = self.cpp_info.components[name]
        part.set_property("cmake_target_name", f"bmae::{name}")
        part.libs = [f"bmae_{name}"]
        part.libdirs = ["lib"]
        part.defines = ["BMAE_SEPARATE_COMPILATION"]
        part.requires = requires
