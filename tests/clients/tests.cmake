# One entry for each program, so that a failure is seen by the library's name: ctest -L clients
file(GLOB programs CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/clients
    clients/*.py clients/*.rb clients/*.php clients/*.pl clients/*.c clients/npm/*.mjs)
foreach(program ${programs})
    get_filename_component(name ${program} NAME_WE)
    if(NOT name MATCHES "^(run|check)$")
        add_test(NAME clients.${name} COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/clients/run.py ${name})
        set_tests_properties(clients.${name} PROPERTIES
            TIMEOUT 300 LABELS clients
            ENVIRONMENT "WEIR_BINARY=$<TARGET_FILE:weir>;PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/support")
    endif()
endforeach()
