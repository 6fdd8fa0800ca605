# For tests, examples and benchmarks only: warnings, ccache, job pool, precompiled LibTorch headers.
#   bmae_add_program(name [TORCH] SOURCES ...)    an executable with the project's flags
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
set_property(GLOBAL APPEND PROPERTY JOB_POOLS torch=2)

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

function(bmae_use_torch target)   # links LibTorch; shares the precompiled headers and the job pool
    target_link_libraries(${target} PRIVATE bmae::bmae)
    set_target_properties(${target} PROPERTIES JOB_POOL_COMPILE torch)
    if(BMAE_PRECOMPILE)
        if(NOT TARGET bmae_pch)
            file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/bmae_pch.cpp CONTENT "")
            add_library(bmae_pch OBJECT ${PROJECT_BINARY_DIR}/bmae_pch.cpp)
            target_link_libraries(bmae_pch PRIVATE bmae::bmae bmae_warnings)
            set_target_properties(bmae_pch PROPERTIES JOB_POOL_COMPILE torch)
            target_precompile_headers(bmae_pch PRIVATE ${PROJECT_SOURCE_DIR}/.cmake/precompiled.hpp)
            target_compile_options(bmae_pch PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
        endif()
        target_precompile_headers(${target} REUSE_FROM bmae_pch)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
    endif()
endfunction()

function(bmae_add_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH" "" "SOURCES")
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE bmae_warnings)
    if(arg_TORCH)
        bmae_use_torch(${name})
    else()
        target_link_libraries(${name} PRIVATE bmae::core)
    endif()
endfunction()
