# Compiler settings, found packages, and the two functions that declare a layer and its tests.

find_program(POSTHORN_CCACHE ccache)
if(POSTHORN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers need these of ccache (its manual, "Precompiled headers").
    set(sloppiness pch_defines,time_macros,include_file_mtime,include_file_ctime)
    set(settings)
    if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
        # Another copy of the tree (the image's build stage, a package's) finds the objects that the tests made: paths count from the source, and
        # the language of warnings does not count.
        string(APPEND sloppiness ",locale")
        list(APPEND settings CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_COMPILERCHECK=content)
    endif()
    list(APPEND settings CCACHE_SLOPPINESS=${sloppiness})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env ${settings} ${POSTHORN_CCACHE})
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    # What is shipped does not tell where it was built, and is the same wherever that was.
    add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
endif()
# Asked by a link: Debian's cross compilers look for a mold of their own name, which is not there.
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=mold POSTHORN_HAS_MOLD)
if(POSTHORN_HAS_MOLD)
    add_link_options(-fuse-ld=mold)
endif()

find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(IDN REQUIRED IMPORTED_TARGET libidn)
pkg_check_modules(PSL REQUIRED IMPORTED_TARGET libpsl)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(CRYPT REQUIRED IMPORTED_TARGET libcrypt)
# Not by pkg-config, whose -pthread does not fit the precompiled header.
find_library(RE2_LIBRARY re2 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)

add_library(posthorn_settings INTERFACE)
target_include_directories(posthorn_settings INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(posthorn_settings INTERFACE -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Woverloaded-virtual
    -Wimplicit-fallthrough $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers>
    $<$<BOOL:${POSTHORN_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # g++ 12 sees copies past the end of strings that it made itself of literals, once it inlines enough, or ThreadSanitizer's calls
    # stand between (GCC bug 105651).
    set(where $<CONFIG:Release,RelWithDebInfo>)
    if(POSTHORN_SANITIZE STREQUAL "thread")
        set(where 1)
    endif()
    target_compile_options(posthorn_settings INTERFACE "$<${where}:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overread>")
endif()
# Boost.System and friends header-only; Asio compiled once (src/net/asio_impl.cpp); recycled frames: docs/COROUTINES.md.
target_compile_definitions(posthorn_settings INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_DISABLE_BOOST_DATE_TIME
    BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=16 BOOST_ASIO_NO_DEPRECATED
    POSTHORN_VERSION="${PROJECT_VERSION}")
target_link_libraries(posthorn_settings INTERFACE Boost::headers)
if(POSTHORN_SANITIZE)
    # vptr: it looks at objects through a pipe, and calls them all broken once the process has no descriptors left
    # (tests/interop/test_slow_clients.py, test_guard.py). Freed ones are found by AddressSanitizer, and so are null pointers that are
    # followed and what lies beyond an object, whose own checks take a tenth of the time to compile.
    set(unwanted vptr)
    if(POSTHORN_SANITIZE MATCHES "address")
        set(unwanted vptr,null,object-size)
    endif()
    target_compile_options(posthorn_settings INTERFACE -fsanitize=${POSTHORN_SANITIZE} -fno-omit-frame-pointer
        -fno-sanitize-recover=all -fno-sanitize=${unwanted} $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
    add_link_options(-fsanitize=${POSTHORN_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # What the sanitizers weave in makes g++ 12 see uninitialised members in std::regex and others.
        target_compile_options(posthorn_settings INTERFACE -Wno-maybe-uninitialized)
    endif()
    if(POSTHORN_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Asio's fences, which ThreadSanitizer cannot see; what that causes is in tests/tsan.supp.
        target_compile_options(posthorn_settings INTERFACE -Wno-tsan)
    endif()
endif()

# The Asio header is precompiled once, for posthorn_net, and shared by all that are compiled alike.
function(posthorn_asio_pch target)
    set_property(GLOBAL APPEND PROPERTY POSTHORN_HELPED_FOLDERS ${CMAKE_CURRENT_SOURCE_DIR})
    if(target STREQUAL posthorn_net)
        if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
            target_precompile_headers(${target} PRIVATE <net/asio_pch.hpp>)   # so that the file CMake makes holds no path of this machine
        else()
            target_precompile_headers(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src/net/asio_pch.hpp)
        endif()
    else()
        target_precompile_headers(${target} REUSE_FROM posthorn_net)
    endif()
endfunction()

# The other layers' precompiled header, made for posthorn_base, where the sanitizers need all of it once more: half the time of a small file.
# What is built as it is shipped has none, and so shows that each file includes what it uses.
function(posthorn_plain_pch target)
    if(NOT POSTHORN_SANITIZE OR NOT POSTHORN_UNITY)
        return()
    endif()
    if(target STREQUAL posthorn_base)
        target_precompile_headers(${target} PRIVATE <base/pch.hpp>)
    else()
        target_precompile_headers(${target} REUSE_FROM posthorn_base)
    endif()
endfunction()

# POSTHORN_UNITY: several files of the layers that say UNITY are compiled as one, which takes a fraction of the time when all is to be built.
# Two files of such a layer then cannot use one name in their unnamed namespaces; with all layers: too many names for too little time saved.
function(posthorn_unity target)
    if(POSTHORN_UNITY)
        set_property(GLOBAL APPEND PROPERTY POSTHORN_HELPED_FOLDERS ${CMAKE_CURRENT_SOURCE_DIR})
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
        # The file that includes others looks like one whose headers have unnamed namespaces.
        target_compile_options(${target} PRIVATE "$<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>")
    endif()
endfunction()

# posthorn_layer(NAME dir DEPENDS lower layers... LIBRARIES external targets... [ASIO])
# A static library posthorn_NAME of all *.cpp in the calling folder. ASIO: uses the precompiled Asio header. UNITY: see posthorn_unity.
function(posthorn_layer name)
    cmake_parse_arguments(L "ASIO;UNITY" "" "DEPENDS;LIBRARIES" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    set(kind STATIC)
    set(scope PUBLIC)
    if(NOT sources)
        set(kind INTERFACE)
        set(scope INTERFACE)
    endif()
    add_library(posthorn_${name} ${kind} ${sources})
    target_link_libraries(posthorn_${name} ${scope} posthorn_settings ${L_LIBRARIES})
    foreach(lower ${L_DEPENDS})
        target_link_libraries(posthorn_${name} ${scope} posthorn_${lower})
    endforeach()
    if(L_UNITY AND sources)
        posthorn_unity(posthorn_${name})
    endif()
    if(L_ASIO AND sources)
        posthorn_asio_pch(posthorn_${name})
        # False alarms on `auto [ec, n] = co_await` and on the frames of inlined coroutines (docs/COROUTINES.md).
        target_compile_options(posthorn_${name} PRIVATE
            "$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-mismatched-new-delete>")
    elseif(sources)
        posthorn_plain_pch(posthorn_${name})
    endif()
endfunction()
