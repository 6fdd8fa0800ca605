# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
from conan import ConanFile

FOLDERS = {"eigen": ["/usr/include/eigen3"]}
LIBRARIES = {"utf8proc": ["utf8proc"], "zlib": ["z"]}
TARGETS = {"eigen": "Eigen3::Eigen", "nlohmann_json": "nlohmann_json::nlohmann_json", "utf8proc": "utf8proc::utf8proc", "zlib": "ZLIB::ZLIB"}


class SystemConan(ConanFile):
    """Stands in for a Conan Center package with what the distribution has installed, so that the test needs no network."""
    def package_info(self):
        self.cpp_info.includedirs = FOLDERS.get(self.name, [])
        self.cpp_info.libdirs = self.cpp_info.bindirs = []
        self.cpp_info.system_libs = LIBRARIES.get(self.name, [])
        self.cpp_info.set_property("cmake_target_name", TARGETS[self.name])
