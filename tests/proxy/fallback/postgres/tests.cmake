set(here ${CMAKE_CURRENT_LIST_DIR})
# All of them in one process: starting a Postgres takes longer than most of them.
file(GLOB sources CONFIGURE_DEPENDS ${here}/*_test.cpp)
list(APPEND sources ${here}/../engine/differential/command_generator.cpp ${here}/../engine/differential/reply_tree.cpp)
add_executable(postgres_test ${sources})
target_link_libraries(postgres_test PRIVATE weir_postgres GTest::gtest_main GTest::gmock)
add_test(NAME fallback.postgres COMMAND postgres_test)
set_tests_properties(fallback.postgres PROPERTIES TIMEOUT 300)
