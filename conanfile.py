# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class BmaeConan(ConanFile):
    name = "bmae"
    description = "Bottlenecked masked auto-encoders: header-only pre-training, retrieval and evaluation over LibTorch"
    license = "Apache-2.0"
    topics = ("information-retrieval", "pre-training", "libtorch", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    # Conan Center's libtorch (2.9) is older than bmae needs, so the LibTorch of the consumer is taken by default: its project
    # calls find_package(Torch) and links `torch` beside bmae::core.
    options = {"with_libtorch": [True, False]}
    default_options = {"with_libtorch": False}
    exports_sources = "LICENSE", "include/*"
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "include", "bmae", "version.hpp"))
        self.version = re.search(r'version = "([0-9.]+)"', text).group(1)

    def layout(self):
        basic_layout(self, src_folder=".")

    def requirements(self):
        self.requires("eigen/[>=3.4 <6]", transitive_headers=True)
        self.requires("nlohmann_json/[>=3.11 <4]", transitive_headers=True)
        self.requires("utf8proc/[>=2.8 <3]", transitive_headers=True, transitive_libs=True)
        self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True, transitive_libs=True)
        if self.options.with_libtorch:
            self.requires("libtorch/[>=2.11 <3]", transitive_headers=True, transitive_libs=True)

    def package_id(self):
        self.info.clear()

    def validate(self):
        check_min_cppstd(self, 20)

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "bmae")
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        core = self.cpp_info.components["core"]
        core.set_property("cmake_target_name", "bmae::core")
        core.bindirs = core.libdirs = []
        core.requires = ["eigen::eigen", "nlohmann_json::nlohmann_json", "utf8proc::utf8proc", "zlib::zlib"]
        if self.settings.os in ("Linux", "FreeBSD"):
            core.system_libs = ["pthread"]
        if self.options.with_libtorch:
            whole = self.cpp_info.components["bmae"]
            whole.set_property("cmake_target_name", "bmae::bmae")
            whole.requires = ["core", "libtorch::libtorch"]
            whole.defines = ["AT_PER_OPERATOR_HEADERS"]
