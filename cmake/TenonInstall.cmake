# cmake --install: find_package(Tenon) and pkg-config's tenon-runtime. The libraries' own folders install the libraries and headers.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tenon)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/TenonConfig.cmake.in ${PROJECT_BINARY_DIR}/TenonConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TenonConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(${PROJECT_SOURCE_DIR}/cmake/tenon-runtime.pc.in ${PROJECT_BINARY_DIR}/tenon-runtime.pc @ONLY)
install(EXPORT TenonTargets NAMESPACE Tenon:: DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/TenonConfig.cmake ${PROJECT_BINARY_DIR}/TenonConfigVersion.cmake DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/tenon-runtime.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
