# The second form of the library, next to the header-only one: what needs no template parameter, compiled once.
#   bmae::compiled_core   in place of bmae::core: no LibTorch
#   bmae::compiled        in place of bmae::bmae: also the presets by name, and the training of the most used ones
# Each header of include/bmae/impl is one translation unit.
function(bmae_add_compiled target form headers)   # form: the header-only target; headers: names in include/bmae/impl
    set(sources "")
    foreach(name IN LISTS headers)
        set(source ${PROJECT_BINARY_DIR}/compiled/${name}.cpp)
        file(CONFIGURE OUTPUT ${source} CONTENT "#include <bmae/impl/${name}.hpp>\n")
        list(APPEND sources ${source})
    endforeach()
    add_library(bmae_${target} STATIC ${sources})
    add_library(bmae::${target} ALIAS bmae_${target})
    target_link_libraries(bmae_${target} PUBLIC ${form})
    target_compile_definitions(bmae_${target} PUBLIC BMAE_SEPARATE_COMPILATION)
    set_target_properties(bmae_${target} PROPERTIES EXPORT_NAME ${target} CXX_EXTENSIONS OFF)
endfunction()

bmae_add_compiled(compiled_core bmae_core "core")
if(BMAE_WITH_TORCH)
    file(GLOB bmae_impl RELATIVE ${BMAE_INCLUDE_DIR}/bmae/impl CONFIGURE_DEPENDS ${BMAE_INCLUDE_DIR}/bmae/impl/*.hpp)
    list(TRANSFORM bmae_impl REPLACE "\\.hpp$" "")
    list(REMOVE_ITEM bmae_impl core)
    bmae_add_compiled(compiled bmae_bmae "${bmae_impl}")
    target_link_libraries(bmae_compiled PUBLIC bmae_compiled_core)
    # One of its translation units takes up to 2 GB, so only two compile at a time (Ninja).
    set_property(GLOBAL APPEND PROPERTY JOB_POOLS bmae_library=2)
    set_target_properties(bmae_compiled PROPERTIES JOB_POOL_COMPILE bmae_library)
endif()
