#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir {

/// What a tenant may do and how much of it, as it is configured. Plain values; tenant_rules is what they become.

/// How the calls of a limit are counted. W is rate.period, L is rate.count.
/// - `gcra`: `burst` at once, and then L evenly over W (the generic cell rate algorithm, ITU-T I.371). At most
///   burst + L in any W.
/// - `sliding_window`: the present window's calls and the previous one's, weighted by the share of it that is
///   not over a W ago. At most L in a W as far as the previous window's calls came evenly (one more, as shares are rounded
///   down); at worst, when they came all at its end, 2 L.
/// - `fixed_window`: windows of W one after the other, L in each; up to 2 L in a W over a boundary.
enum class limit_algorithm : std::uint8_t { gcra, sliding_window, fixed_window };

enum class limit_scope : std::uint8_t {
    local,   ///< each weir counts for itself
    global,  ///< all weirs of the same Redis have one budget
};

/// What a global limit is while Redis is away.
enum class limit_on_store_down : std::uint8_t {
    open,    ///< each weir goes on with the whole rate for itself
    closed,  ///< its commands are refused
};

enum class limit_action : std::uint8_t {
    refuse,
    delay,  ///< the client waits, max_delay at most; what would take longer is refused
};

struct limit_rate {
    std::uint64_t count = 0;
    std::chrono::milliseconds period{0};
    bool operator==(const limit_rate&) const = default;
};

struct limit_options {
    std::string name;                          ///< of one limit of the tenant only; for errors, metrics and WEIR LIMITS
    std::vector<std::string> commands{"*"};    ///< words of command_set
    std::map<std::string, std::uint32_t> cost; ///< by a word of command_set without sign: what such a call counts; else 1
    limit_rate rate;
    std::optional<std::uint64_t> burst;        ///< gcra alone; none: rate.count
    limit_algorithm algorithm = limit_algorithm::gcra;
    limit_scope scope = limit_scope::local;
    limit_on_store_down on_store_down = limit_on_store_down::open;
    limit_action action = limit_action::refuse;
    std::chrono::milliseconds max_delay{1'000};
    bool operator==(const limit_options&) const = default;
};

/// What all clients of a tenant may have together. None: no bound but those of `clients`.
struct quota_options {
    std::optional<std::size_t> max_connections;
    std::optional<std::size_t> max_in_flight;      ///< commands without a reply; then its clients are not read
    std::optional<std::size_t> max_request_bytes;  ///< one command
    std::optional<std::size_t> max_arguments;      ///< of one command, its name included
    /// Bytes a second from and to clients; count is bytes. Then its clients are not read for a while.
    std::optional<limit_rate> received;
    std::optional<limit_rate> sent;
    bool operator==(const quota_options&) const = default;
};

/// ACL words are those of Redis' ACL SETUSER: see command_set and key_patterns.
struct permission_options {
    std::vector<std::string> allow;      ///< empty: all commands that tenants may use at all
    std::vector<std::string> deny;       ///< counts for more than `allow`
    std::vector<std::string> keys;       ///< empty: all of the tenant's keys
    std::vector<std::string> protect;    ///< commands that only an `allow` by their very name allows
    bool read_only = false;              ///< nothing that writes
    bool operator==(const permission_options&) const = default;
};

/// What may be answered without Redis, and where. The first rule counts of which one of `keys` matches; of a command with
/// several keys all must be allowed, and in the same place. Without a matching rule both are.
enum class fallback_writes : std::uint8_t {
    journal,  ///< to the first store that works; Redis gets them later, where that store keeps a journal
    refuse,
    memory,   ///< to the memory of this weir, from where the keys are read as well
};

struct fallback_rule_options {
    std::vector<std::string> keys;  ///< glob patterns
    bool reads = true;
    fallback_writes writes = fallback_writes::journal;
    bool operator==(const fallback_rule_options&) const = default;
};

struct tenant_terms {
    permission_options permissions;
    std::vector<fallback_rule_options> fallback;
    std::vector<limit_options> limits;
    quota_options quotas;
    bool operator==(const tenant_terms&) const = default;
};

/// Terms that many tenants share, compared by what they say. Never null.
class shared_terms {
public:
    shared_terms() : terms_(nothing()) {}
    explicit shared_terms(tenant_terms terms) : terms_(std::make_shared<const tenant_terms>(std::move(terms))) {}
    [[nodiscard]] const tenant_terms& operator*() const { return *terms_; }
    [[nodiscard]] const tenant_terms* operator->() const { return terms_.get(); }
    [[nodiscard]] const std::shared_ptr<const tenant_terms>& pointer() const { return terms_; }
    bool operator==(const shared_terms& other) const { return terms_ == other.terms_ || *terms_ == *other.terms_; }

private:
    static std::shared_ptr<const tenant_terms> nothing() {
        static const auto none = std::make_shared<const tenant_terms>();
        return none;
    }
    std::shared_ptr<const tenant_terms> terms_;
};

}  // namespace weir
