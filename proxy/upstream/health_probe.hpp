#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"

namespace boost::asio {
class io_context;
}

namespace weir {

class breaker;
struct control_reply;

/// How often the probe looks.
struct probe_timing {
    std::chrono::milliseconds ping_interval{1'000};
    std::chrono::milliseconds info_interval{5'000};
    std::chrono::milliseconds resolve_interval{30'000};
};

/// Watches the upstream over a connection of its own: is it there, what is it, which commands has it. Logs
/// when it comes and goes.
///
///     resolve → connect → AUTH → INFO → COMMAND → CONFIG GET → PING SET GET → (a second) → PING SET GET → …
///        ↑                                                       |
///        +——— a growing delay ←——— any of them failed ←———————————+
///
/// SET and GET only where there is a breaker to be told whether the server serves: of a key of this probe alone, which
/// goes away by itself. What the server forbids is not asked again on the same connection, and says nothing.
///
/// Lives on the control thread: constructor, `start`, `stop` and the callback all run there. The callback
/// gets every snapshot that differs from the one before, and none after `stop`.
class health_probe {
public:
    using publish = std::function<void(std::shared_ptr<const upstream_snapshot>)>;

    /// `upstream` is copied; `context` outlives the probe.
    health_probe(boost::asio::io_context& context, const upstream_options& upstream, publish callback,
                 probe_timing timing = {});
    ~health_probe();
    health_probe(const health_probe&) = delete;
    health_probe& operator=(const health_probe&) = delete;

    /// From now on `circuit` is told how each look ended, says what a failure is, and its probe_interval() counts instead of
    /// ping_interval. While it passes it is told of a failure at most once in that time; while it does not, the delay before
    /// connecting again is no longer than that. It outlives what runs; before start().
    void report_to(breaker& circuit);

    /// Once.
    void start();
    /// Nothing is called back any more; what is under way ends by itself.
    void stop();

private:
    class watch;
    std::shared_ptr<watch> watch_;
};

/// Where a probe writes, in database 0: `\x01weir:probe:{id}`, which no tenant reaches (see limit_key()).
[[nodiscard]] std::string probe_key(std::string_view id);

/// COMMAND's reply in our vocabulary. Whatever is missing or malformed makes a specification that cannot be
/// located, never one that finds fewer keys; an element that is no command at all is left out.
[[nodiscard]] std::vector<command_facts> parse_command_reply(const control_reply& reply);

}  // namespace weir
