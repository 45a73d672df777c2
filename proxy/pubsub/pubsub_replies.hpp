#pragma once

#include <memory>

#include "policy/reply_interpreter.hpp"
#include "policy/tenant.hpp"
#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"
#include "proxy/pubsub/subscriber_counts.hpp"

namespace weir {

/// For PUBLISH, SPUBLISH and PUBSUB's lists: makes the server's answer into what a Redis of the tenant's own would say.
/// nullptr: it passes as it is.
[[nodiscard]] std::unique_ptr<reply_interpreter> pubsub_interpreter(const arguments& request,
                                                                    const command_spec& command, const tenant& whose,
                                                                    const subscriber_counts& counts);

}  // namespace weir
