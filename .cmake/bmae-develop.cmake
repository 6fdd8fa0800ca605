# For tests, examples and benchmarks only: warnings, ccache, job pool, precompiled LibTorch headers.
#   bmae_add_program(name [TORCH] [HEADER_ONLY] [PRECOMPILED target] SOURCES ...)    an executable with the project's flags
#   bmae_add_precompiled(name FORM target ...)                  headers precompiled once for several programs
#   bmae_unite(target)                            compiles several of its sources as one translation unit, but those with
#                                                 SKIP_UNITY_BUILD_INCLUSION or compiler options of their own
#   bmae_links_torch(result file...)              FALSE if one of the files has a line `// torch-free`
include_guard(GLOBAL)

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

find_program(BMAE_CCACHE ccache)
mark_as_advanced(BMAE_CCACHE)
if(BMAE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)   # the sloppiness is what ccache asks for with precompiled headers
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${BMAE_CCACHE})
endif()

# A LibTorch translation unit takes 4 to 16 s and up to 1.3 GB, so only two compile at a time (Ninja).
set(BMAE_TORCH_JOBS 2 CACHE STRING "LibTorch translation units that compile at a time")
set_property(GLOBAL APPEND PROPERTY JOB_POOLS torch=${BMAE_TORCH_JOBS})

add_library(bmae_warnings INTERFACE)
target_compile_options(bmae_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Werror>
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fconcepts-diagnostics-depth=2>)

find_package(Python3 3.9 QUIET COMPONENTS Interpreter)
set(BMAE_PYTHON "${Python3_EXECUTABLE}" CACHE FILEPATH "Python with the peers that tests compare with (torch, transformers ...)")
set(BMAE_DATA "${PROJECT_SOURCE_DIR}/../shared/data" CACHE PATH "Folder of real data; tests that miss it say so and pass")

function(bmae_links_torch result)
    set(${result} ${BMAE_WITH_TORCH} PARENT_SCOPE)
    foreach(file IN LISTS ARGN)
        file(STRINGS "${file}" marks REGEX "// torch-free")
        if(marks)
            set(${result} FALSE PARENT_SCOPE)
        endif()
    endforeach()
endfunction()

# Headers that several targets precompile once; those targets must have the same macros and options.
#   FORM     the header-only target whose includes they see
#   HEADERS  in the order given: LibTorch's are .cmake/precompiled.hpp
#   LINKS, DEFINES, OPTIONS  further targets, macros and compiler options
function(bmae_add_precompiled name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FORM" "HEADERS;LINKS;DEFINES;OPTIONS")
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${name}.cpp CONTENT "")
    add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/${name}.cpp)
    target_link_libraries(${name} PRIVATE ${arg_FORM} bmae_warnings ${arg_LINKS})
    target_compile_definitions(${name} PRIVATE ${arg_DEFINES})
    target_compile_options(${name} PRIVATE ${arg_OPTIONS})
    if(arg_FORM STREQUAL "bmae::bmae")
        set_target_properties(${name} PROPERTIES JOB_POOL_COMPILE torch)
    endif()
    target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endfunction()

function(bmae_use_precompiled target precompiled)
    target_precompile_headers(${target} REUSE_FROM ${precompiled})
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endfunction()

# Sources of one program instantiate the same templates of the trainer, the encoders and JSON: three quarters of their object code was
# there more than once. GCC takes types of an unnamed namespace for those of a header then, which the warning is about.
function(bmae_unite target)
    if(BMAE_UNITY)
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
    endif()
endfunction()

# The compiled form has the project's flags, and its own precompiled headers, which the programs that link it share.
function(bmae_develop_compiled)
    target_link_libraries(bmae_compiled_core PRIVATE $<BUILD_INTERFACE:bmae_warnings>)
    if(BMAE_WITH_TORCH)
        target_link_libraries(bmae_compiled PRIVATE $<BUILD_INTERFACE:bmae_warnings>)
        set_target_properties(bmae_compiled PROPERTIES JOB_POOL_COMPILE torch)
        if(TARGET bmae_cuda)   # the CUDA kernels of a build that has them
            target_link_libraries(bmae_compiled PUBLIC bmae_cuda)
            target_compile_definitions(bmae_compiled PUBLIC BMAE_COMPILED_WITH_CUDA)
        endif()
        if(BMAE_PRECOMPILE)
            bmae_add_precompiled(bmae_pch FORM bmae::bmae DEFINES BMAE_SEPARATE_COMPILATION
                HEADERS ${PROJECT_SOURCE_DIR}/.cmake/precompiled.hpp)
            bmae_use_precompiled(bmae_compiled bmae_pch)
        endif()
    endif()
endfunction()

# Links LibTorch by one form of the library, compiled or header-only; shares the job pool, and the precompiled headers of that form
# where none are given.
function(bmae_use_torch target form precompiled)
    target_link_libraries(${target} PRIVATE ${form})
    if(TARGET bmae_cuda)
        target_link_libraries(${target} PRIVATE bmae_cuda)
        set_target_properties(${target} PROPERTIES CUDA_RUNTIME_LIBRARY Shared)
    endif()
    set_target_properties(${target} PROPERTIES JOB_POOL_COMPILE torch)
    if(BMAE_PRECOMPILE)
        if(NOT precompiled AND form STREQUAL "bmae::bmae")
            set(precompiled bmae_pch_header_only)
            if(NOT TARGET ${precompiled})
                bmae_add_precompiled(${precompiled} FORM bmae::bmae HEADERS ${PROJECT_SOURCE_DIR}/.cmake/precompiled.hpp)
            endif()
        elseif(NOT precompiled)
            set(precompiled bmae_pch)
        endif()
        bmae_use_precompiled(${target} ${precompiled})
    endif()
endfunction()

function(bmae_add_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH;HEADER_ONLY" "PRECOMPILED" "SOURCES")
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE bmae_warnings)
    set(core bmae::compiled_core)
    set(torch bmae::compiled)
    if(arg_HEADER_ONLY)
        set(core bmae::core)
        set(torch bmae::bmae)
    endif()
    if(arg_TORCH)
        bmae_use_torch(${name} ${torch} "${arg_PRECOMPILED}")
    else()
        target_link_libraries(${name} PRIVATE ${core})
        if(BMAE_PRECOMPILE AND arg_PRECOMPILED)
            bmae_use_precompiled(${name} ${arg_PRECOMPILED})
        endif()
    endif()
endfunction()
