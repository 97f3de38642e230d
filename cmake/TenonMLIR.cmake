# LLVM, MLIR and lld from the distribution; precompiled headers for everything that includes MLIR.

find_package(MLIR REQUIRED CONFIG PATHS ${TENON_LLVM_PREFIX}/lib/cmake/mlir NO_DEFAULT_PATH)
find_package(LLD REQUIRED CONFIG PATHS ${TENON_LLVM_PREFIX}/lib/cmake/lld NO_DEFAULT_PATH)
# MLIR's version file accepts only an exact major.minor, so the major is checked here.
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "Tenon needs LLVM 22; ${TENON_LLVM_PREFIX} holds ${LLVM_PACKAGE_VERSION}")
endif()
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# What every MLIR source of the project compiles with. LLVM is built without RTTI and exceptions.
add_library(tenon_mlir_headers INTERFACE)
target_include_directories(tenon_mlir_headers SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_include_directories(tenon_mlir_headers INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR})
target_compile_options(tenon_mlir_headers INTERFACE -fno-rtti -fno-exceptions -fvisibility=default)
target_compile_definitions(tenon_mlir_headers INTERFACE ${LLVM_DEFINITIONS_LIST})

# Two precompiled headers: MLIR's, for the dialects themselves, and MLIR's with the dialects', for all that works on them.
# A folder chooses with TENON_PCH.
foreach(name pch dialects_pch)
  add_library(tenon_${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
  target_link_libraries(tenon_${name} PUBLIC tenon_mlir_headers)
  target_precompile_headers(tenon_${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/${name}.h)
endforeach()
add_dependencies(tenon_dialects_pch tenon_nn_gen tenon_kernel_gen tenon_plan_gen)
set(TENON_PCH tenon_dialects_pch)

# tenon_mlir_library(NAME sources... [DEPENDS generated...] [LINK libs...])
function(tenon_mlir_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC tenon_mlir_headers ${ARG_LINK} MLIR LLVM)
  target_precompile_headers(${name} REUSE_FROM ${TENON_PCH})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# tenon_mlir_executable(NAME sources... [LINK libs...]): a tool or test that includes MLIR.
function(tenon_mlir_executable name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE tenon_mlir_headers ${ARG_LINK} MLIR LLVM)
  # The precompiled header is shared with libraries, so it asks for -fPIC where CMake gives an executable -fPIE.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_precompile_headers(${name} REUSE_FROM ${TENON_PCH})
endfunction()

# tenon_tablegen(target td-file out1 "-gen-flag1 ..." out2 "..." ...): runs mlir-tblgen, makes the target `target`.
function(tenon_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(TABLEGEN_OUTPUT)
  list(TRANSFORM MLIR_INCLUDE_DIRS PREPEND -I OUTPUT_VARIABLE system_includes)
  set(args ${ARGN})
  while(args)
    list(POP_FRONT args out flags)
    separate_arguments(flags UNIX_COMMAND "${flags}")
    mlir_tablegen(${out} ${flags} -I${PROJECT_SOURCE_DIR} ${system_includes})
  endwhile()
  add_custom_target(${target} DEPENDS ${TABLEGEN_OUTPUT})
  set_property(GLOBAL APPEND PROPERTY TENON_TABLEGEN_TARGETS ${target})
endfunction()
