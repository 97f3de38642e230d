# The files of a wheel, taken from the finished build folder TENON_PREBUILT: the libraries there find each other in this layout too.
file(GLOB extension ${TENON_PREBUILT}/python/tenon/_tenon.*.so)
if(NOT extension)
  message(FATAL_ERROR "${TENON_PREBUILT}/python/tenon holds no extension: build the target tenon_python there")
endif()
install(FILES ${extension} DESTINATION tenon COMPONENT python)
foreach(library libtenon_runtime.so.0 libtenon_compiler.so.0)
  file(REAL_PATH ${TENON_PREBUILT}/lib/${library} file)
  install(FILES ${file} RENAME ${library} DESTINATION tenon/lib COMPONENT python)
endforeach()
install(FILES ${TENON_PREBUILT}/lib/tenon-compiler-module.so DESTINATION tenon/lib COMPONENT python)
install(PROGRAMS ${TENON_PREBUILT}/bin/tenon DESTINATION tenon/bin COMPONENT python)
# The target that a wheel is built from.
add_custom_target(tenon_python)
