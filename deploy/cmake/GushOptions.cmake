# Compiler flags of everything we wrote: interface target gush_options. Generated code and libraries
# link gush_generated_options instead.

set(GUSH_SANITIZE "" CACHE STRING "address | thread | empty")
option(GUSH_FUZZ "libFuzzer targets (clang)" OFF)
option(GUSH_LTO "link-time optimisation" OFF)
option(GUSH_HARDEN "fortify, stack protector, full RELRO" OFF)

add_library(gush_generated_options INTERFACE)
add_library(gush_options INTERFACE)
target_link_libraries(gush_options INTERFACE gush_generated_options)
target_include_directories(gush_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(gush_options INTERFACE _GNU_SOURCE GUSH_VERSION="${PROJECT_VERSION}")

target_compile_options(gush_options INTERFACE
    -Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wundef -Wvla -Wformat=2 -Wwrite-strings -Wcast-qual -Wswitch-enum
    -Wimplicit-fallthrough -Wnull-dereference)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(gush_options INTERFACE
        -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init)
else()
    target_compile_options(gush_options INTERFACE -Wthread-safety)
endif()

if(GUSH_SANITIZE STREQUAL "address")
    set(gush_san -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(GUSH_SANITIZE STREQUAL "thread")
    set(gush_san -fsanitize=thread)
endif()
if(gush_san)
    target_compile_options(gush_generated_options INTERFACE ${gush_san} -fno-omit-frame-pointer)
    target_link_options(gush_generated_options INTERFACE ${gush_san})
endif()
if(GUSH_FUZZ)
    target_compile_options(gush_generated_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(GUSH_HARDEN)
    target_compile_options(gush_generated_options INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE)
    target_link_options(gush_generated_options INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(GUSH_LTO)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
