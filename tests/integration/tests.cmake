# Each starts its own servers; they share the machine, so the ones that measure run alone.
weir_integration_test(process 120)
weir_integration_test(robustness 240)
weir_integration_test(upstream 240)
weir_integration_test(isolation_hostile 120)
weir_integration_test(isolation_audit 600)
weir_integration_test(differential 900)
weir_integration_test(load 900)
set_tests_properties(integration.load integration.differential PROPERTIES RUN_SERIAL TRUE)
