#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "config/options.hpp"
#include "policy/breaker.hpp"
#include "proxy/fallback/fallback_job.hpp"
#include "proxy/fallback/observation.hpp"
#include "proxy/fallback/shared_store.hpp"

namespace weir {

/// What there is to show of the fallback. Totals since start.
struct fallback_numbers {
    std::string_view store = "none";     ///< that answers while the breaker does not pass: postgres, memory
    std::size_t memory_keys = 0;
    std::size_t memory_bytes = 0;
    std::size_t own_writes = 0;          ///< keys that differ from Redis', as they were written while it was away
    std::uint64_t evicted_total = 0;     ///< keys pushed out for room
    std::uint64_t observed_total = 0;    ///< copies taken
    std::size_t journal_operations = 0;  ///< that wait to be replayed
    std::size_t journal_bytes = 0;
    std::uint64_t replayed_total = 0;
    std::uint64_t refused_by_redis_total = 0;  ///< operations that it answered with an error when they were replayed
    std::uint64_t dropped_total = 0;     ///< keys written while Redis was away and given up when it came back
    bool replaying = false;
    std::optional<shared_store_numbers> postgres;
};

/// Answers commands while the upstream is away, on a thread of its own: the stores in their order, then the last resort.
/// Where one answers later, the thread goes on with others' jobs meanwhile.
///
/// The breaker says when. A job that comes while it passes is returned: whoever posted it saw an earlier state. As this
/// thread alone ends a hold on the breaker, no write is accepted behind the last one that was replayed.
class fallback_service {
public:
    /// On the fallback's thread: jobs of one worker that are done.
    using deliver = std::function<void(std::size_t worker, std::vector<fallback_job> done)>;

    /// `find`: tenants whose writes an earlier process has left.
    fallback_service(const options& settings, breaker& circuit, std::size_t workers, deliver back, tenant_finder find = {});
    ~fallback_service();
    fallback_service(const fallback_service&) = delete;
    fallback_service& operator=(const fallback_service&) = delete;

    /// Before the first client: waits until it is known whether writes of an earlier process wait for the upstream, for
    /// start_timeout at most. If they do, the breaker is half-open and held until they are replayed. False: not known.
    [[nodiscard]] bool await_journal();

    /// Ends the thread; jobs not run yet are dropped, and nothing is delivered any more. The rest may be called still.
    void stop();

    // Any thread.
    void post(std::vector<fallback_job> jobs);
    void observe(std::vector<observation> seen);
    /// nullptr: nothing is remembered. Valid as long as the service.
    [[nodiscard]] write_stamps* stamps();
    /// What breaker's listener is told goes here as well.
    void on_transition(const breaker_transition& change);
    [[nodiscard]] fallback_numbers numbers() const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace weir
