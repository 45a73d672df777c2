# What judges is tested itself.
foreach(name history phases)
    add_test(NAME chaos.${name} COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/chaos/${name}_test.py)
endforeach()
add_test(NAME chaos.outage COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/chaos/outage_test.py)
set_tests_properties(chaos.outage PROPERTIES
    TIMEOUT 900 RUN_SERIAL TRUE
    ENVIRONMENT "WEIR_BINARY=$<TARGET_FILE:weir>;PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/support")
