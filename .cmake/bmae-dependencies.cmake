# What bmae stands on. Read by the build and, installed beside bmae-config.cmake, by find_package(bmae): one list, one wording.
# Each missing thing adds a sentence to `bmae_missing`; the caller decides how to say it.
#   bmae_find_core_dependencies()    threads, zlib, Eigen, nlohmann_json, utf8proc: enough for bmae::core
#   bmae_find_torch()                LibTorch, for bmae::bmae
#   bmae_find_language_tools()       optional: bmae::icu and bmae::stemmer, where ICU and libstemmer are

macro(bmae_find_core_dependencies)
    find_package(Threads QUIET)
    find_package(ZLIB QUIET)
    find_package(Eigen3 CONFIG QUIET)
    find_package(nlohmann_json QUIET)
    find_package(utf8proc CONFIG QUIET)
    if(NOT TARGET utf8proc::utf8proc AND TARGET utf8proc)
        add_library(utf8proc::utf8proc ALIAS utf8proc)
    elseif(NOT TARGET utf8proc::utf8proc)   # Debian and Ubuntu ship no CMake package
        find_path(BMAE_UTF8PROC_INCLUDE_DIR utf8proc.h)
        find_library(BMAE_UTF8PROC_LIBRARY utf8proc)
        mark_as_advanced(BMAE_UTF8PROC_INCLUDE_DIR BMAE_UTF8PROC_LIBRARY)
        if(BMAE_UTF8PROC_INCLUDE_DIR AND BMAE_UTF8PROC_LIBRARY)
            add_library(utf8proc::utf8proc UNKNOWN IMPORTED)
            set_target_properties(utf8proc::utf8proc PROPERTIES
                IMPORTED_LOCATION "${BMAE_UTF8PROC_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${BMAE_UTF8PROC_INCLUDE_DIR}")
        endif()
    endif()
    if(NOT TARGET Threads::Threads)
        list(APPEND bmae_missing "no thread library was found: install the C library's development files (apt: libc6-dev).")
    endif()
    if(NOT TARGET ZLIB::ZLIB)
        list(APPEND bmae_missing "zlib (compressed corpora) was not found: apt install zlib1g-dev, Conan zlib, vcpkg zlib.")
    endif()
    if(NOT TARGET Eigen3::Eigen OR Eigen3_VERSION VERSION_LESS 3.4)
        list(APPEND bmae_missing "Eigen 3.4 or newer was not found: apt install libeigen3-dev, Conan eigen, vcpkg eigen3.")
    endif()
    if(NOT TARGET nlohmann_json::nlohmann_json)
        list(APPEND bmae_missing "nlohmann_json was not found: apt install nlohmann-json3-dev, Conan nlohmann_json, vcpkg nlohmann-json.")
    endif()
    if(NOT TARGET utf8proc::utf8proc)
        list(APPEND bmae_missing "utf8proc (Unicode tables) was not found: apt install libutf8proc-dev, Conan utf8proc, vcpkg utf8proc.")
    endif()
endmacro()

# A program that includes bmae/retrieval/icu_word_breaks.hpp links bmae::icu, one with snowball_stemmer.hpp bmae::stemmer.
macro(bmae_find_language_tools)
    find_package(ICU QUIET COMPONENTS uc)
    if(TARGET ICU::uc AND NOT TARGET bmae::icu)
        add_library(bmae::icu INTERFACE IMPORTED)
        set_target_properties(bmae::icu PROPERTIES INTERFACE_LINK_LIBRARIES ICU::uc)
    endif()
    if(NOT TARGET bmae::stemmer)   # no distribution ships a CMake package
        find_path(BMAE_STEMMER_INCLUDE_DIR libstemmer.h)
        find_library(BMAE_STEMMER_LIBRARY stemmer)
        mark_as_advanced(BMAE_STEMMER_INCLUDE_DIR BMAE_STEMMER_LIBRARY)
        if(BMAE_STEMMER_INCLUDE_DIR AND BMAE_STEMMER_LIBRARY)
            add_library(bmae::stemmer UNKNOWN IMPORTED)
            set_target_properties(bmae::stemmer PROPERTIES
                IMPORTED_LOCATION "${BMAE_STEMMER_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${BMAE_STEMMER_INCLUDE_DIR}")
        endif()
    endif()
endmacro()

macro(bmae_find_torch)
    # Without a hint, take the wheel that the first python3 would import; the file system is asked, nothing is imported.
    if(NOT TARGET torch AND NOT Torch_DIR AND NOT DEFINED CACHE{BMAE_PYTHON_TORCH})
        execute_process(
            COMMAND python3 -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
            OUTPUT_VARIABLE bmae_python_torch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
        set(BMAE_PYTHON_TORCH "${bmae_python_torch}" CACHE INTERNAL "Folder of the torch wheel of python3")
    endif()
    # CUDA 12.9 dropped the target that Torch's own config still asks for (pytorch issues 116242 and 152756).
    find_package(CUDAToolkit QUIET)
    if(NOT TARGET CUDA::nvToolsExt AND TARGET CUDA::nvtx3)
        add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
        target_link_libraries(CUDA::nvToolsExt INTERFACE CUDA::nvtx3)
    endif()
    # The version is compared before the config is read, so that Debian's 1.13 is refused by a sentence and not by its own errors.
    if(NOT TARGET torch)
        find_package(Torch 2.11 QUIET CONFIG HINTS "${BMAE_PYTHON_TORCH}/share/cmake")
    endif()
    if(TARGET torch)
        set(bmae_torch_found TRUE)
    elseif(Torch_CONSIDERED_VERSIONS)
        list(APPEND bmae_missing "LibTorch ${Torch_CONSIDERED_VERSIONS} at ${Torch_CONSIDERED_CONFIGS} is too old, bmae needs 2.11 or newer (Debian's libtorch-dev cannot serve): pip install torch==2.13.0 into a virtual environment and pass -DTorch_DIR=<site-packages>/torch/share/cmake/Torch.")
    else()
        list(APPEND bmae_missing "LibTorch was not found: pip install torch==2.13.0 and pass -DTorch_DIR=<site-packages>/torch/share/cmake/Torch, or unpack LibTorch from pytorch.org and pass -DCMAKE_PREFIX_PATH=/absolute/path/libtorch.")
    endif()
endmacro()
