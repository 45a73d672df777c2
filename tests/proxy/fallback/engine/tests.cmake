set(here ${CMAKE_CURRENT_LIST_DIR})
file(GLOB sources CONFIGURE_DEPENDS ${here}/*_test.cpp ${here}/../memory_store_test.cpp)
weir_unit_test(engine_test weir_engine ${sources})

# Runs in a redis-server that knows no sanitizers.
add_library(weir_fake_clock SHARED ${here}/fake_clock/fake_clock.cpp ${here}/fake_clock/clean_strtod.cpp)
target_compile_options(weir_fake_clock PRIVATE -fno-sanitize=all)
target_link_options(weir_fake_clock PRIVATE -fno-sanitize=all)

file(GLOB sources CONFIGURE_DEPENDS ${here}/differential/*.cpp)
add_executable(engine_differential_test ${sources})
target_link_libraries(engine_differential_test PRIVATE weir_engine GTest::gtest_main)
target_compile_definitions(engine_differential_test PRIVATE WEIR_FAKE_CLOCK_LIBRARY="$<TARGET_FILE:weir_fake_clock>")
add_dependencies(engine_differential_test weir_fake_clock)
add_test(NAME engine.differential COMMAND engine_differential_test)
set_tests_properties(engine.differential PROPERTIES TIMEOUT 300)
