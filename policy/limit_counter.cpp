#include "policy/limit_counter.hpp"

#include "policy/gcra_counter.hpp"
#include "policy/window_counter.hpp"

namespace weir {

limit_rule make_limit_rule(const limit_options& options) {
    limit_rule rule;
    rule.algorithm = options.algorithm;
    rule.scope = options.scope;
    rule.on_store_down = options.on_store_down;
    rule.count = options.rate.count;
    rule.period = options.rate.period;
    rule.burst = options.algorithm == limit_algorithm::gcra ? options.burst.value_or(rule.count) : rule.count;
    return rule;
}

std::unique_ptr<limit_counter> make_local_counter(const limit_rule& rule) {
    if (rule.algorithm == limit_algorithm::gcra) return std::make_unique<gcra_counter>(rule);
    return std::make_unique<window_counter>(rule);
}

}  // namespace weir
