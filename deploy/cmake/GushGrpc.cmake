# Which gRPC C core: target gush_grpc_core.
#   GUSH_GRPC_CORE empty    the one that Debian packages
#   GUSH_GRPC_CORE DIR      what deploy/grpc-core.sh left in DIR, linked statically

set(GUSH_GRPC_CORE "" CACHE PATH "folder made by deploy/grpc-core.sh; empty: the packaged library")

add_library(gush_grpc_core INTERFACE)
if(NOT GUSH_GRPC_CORE)
    pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc gpr)
    target_link_libraries(gush_grpc_core INTERFACE PkgConfig::GRPC)
    return()
endif()

get_filename_component(gush_grpc_core_folder ${GUSH_GRPC_CORE} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
if(NOT EXISTS ${gush_grpc_core_folder}/lib/libgrpc_core.a)
    message(FATAL_ERROR "GUSH_GRPC_CORE: ${gush_grpc_core_folder} was not made by deploy/grpc-core.sh")
endif()
file(STRINGS ${gush_grpc_core_folder}/VERSION gush_grpc_core_version LIMIT_COUNT 1)
message(STATUS "gRPC C core ${gush_grpc_core_version} from ${gush_grpc_core_folder}")
pkg_check_modules(GRPC_NEEDS REQUIRED IMPORTED_TARGET openssl zlib)
target_include_directories(gush_grpc_core SYSTEM INTERFACE ${gush_grpc_core_folder}/include)
# Sections: a server uses half of the library.
target_link_options(gush_grpc_core INTERFACE -Wl,--gc-sections)
target_link_libraries(gush_grpc_core INTERFACE ${gush_grpc_core_folder}/lib/libgrpc_core.a
    PkgConfig::GRPC_NEEDS Threads::Threads stdc++ m dl rt)
