#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "config/options.hpp"
#include "policy/limit_counter.hpp"

namespace boost::asio {
class io_context;
}

namespace weir {

struct global_limits_timing {
    /// Redis is away when it has not answered for so long (or for upstream.command_timeout, if that is less).
    std::chrono::milliseconds answer{500};
    std::chrono::milliseconds farewell{500};  ///< stop() takes no longer
};

struct global_limits_numbers {
    std::uint64_t exchanges = 0;  ///< questions to Redis, each for 64 limits at most
    std::uint64_t failures = 0;   ///< of these, without an answer of any use
    bool store_away = false;
};

/// Counters of limits that all weirs of this upstream share (policy/global_share), and what they have to say to Redis:
/// over one connection of its own, many limits in one command, one command at a time.
///
///     a worker needs units ---.                                       .--> answers to the shares
///     a share is due ---------+--> queue --> EVALSHA, 64 at most --> Redis
///     an account is gone -----'                                       '--> none: away; connect again, a growing delay
///
/// Away means that open limits count alone and closed ones refuse. A connection that was closed while nobody used it is
/// made anew first. The connection is made when there is a first counter.
///
/// Lives on the control thread: constructor, destructor and stop() run there.
class global_limits {
public:
    /// `upstream` is copied; `context` outlives this.
    global_limits(boost::asio::io_context& context, const upstream_options& upstream, global_limits_timing timing = {});
    ~global_limits();
    global_limits(const global_limits&) = delete;
    global_limits& operator=(const global_limits&) = delete;

    /// Any thread. It asks for a first share at once. When the last pointer to it goes, what it holds goes back to Redis;
    /// it may outlive this, but gets nothing any more then.
    [[nodiscard]] std::shared_ptr<limit_counter> counter(std::string_view tenant, std::string_view limit,
                                                         const limit_rule& rule, std::uint64_t largest_cost = 1);

    /// Once. Gives all that is held back to Redis, as far as it answers in time; then calls `done`.
    void stop(std::function<void()> done);

    /// Any thread.
    [[nodiscard]] global_limits_numbers numbers() const;

private:
    class exchange;
    std::shared_ptr<exchange> exchange_;
};

}  // namespace weir
