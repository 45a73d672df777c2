#pragma once

#include <cstddef>
#include <string_view>

namespace weir {

struct tenant_counters;
class script_names;
class upstream_connection;

/// Whoever sends commands on an upstream connection and takes their replies, in the order they were sent.
/// Stays alive until each of its commands has been answered or failed. All calls on the worker's thread.
class reply_target {
public:
    /// Bytes of replies to its oldest commands; `completed` replies end in them, more may begin. They are
    /// already free of the tenant's prefix. The bytes stay valid until finish_replies().
    virtual void take_replies(std::string_view bytes, std::size_t completed) = 0;

    /// take_replies() was called since the last such call, and its bytes are about to go away.
    virtual void finish_replies() = 0;

    /// The same bytes go away at once, while others of this turn may still come before finish_replies().
    virtual void keep_replies() {}

    /// Its oldest command gets no reply; `error` says why, its code in front.
    virtual void take_failure(std::string_view error) = 0;

    /// Its oldest command was not executed, or does no harm when it is once more, and the upstream is away: `request` is it,
    /// as it was to be sent. True: it sees to it itself.
    [[nodiscard]] virtual bool take_back(std::string_view /*request*/) { return false; }

    /// Its oldest command's reply was cut off after a part of it had been handed out, or must not be shown:
    /// what was handed out cannot be completed.
    virtual void take_broken_reply(std::string_view error) = 0;

    /// The reply under way is longer than one read, and a shared connection waits for its end. Called after
    /// finish_replies().
    virtual void on_long_reply(upstream_connection&) {}

    /// A whole push of the connection that it owns, with the tenant's prefix still in it.
    virtual void take_push(std::string_view) {}

    /// A whole reply on the connection that it owns, where no command is in flight. False: nor does it expect one, and
    /// the connection is of no use any more.
    [[nodiscard]] virtual bool take_unasked(std::string_view) { return false; }

    /// The connection that it owns broke; all that was in flight on it has failed.
    virtual void on_connection_lost() {}

    /// It passes on a request in pieces, and what it gave so far has been sent.
    virtual void on_upstream_writable() {}

    /// Whether each reply must be handed over by itself, as something stands between it and the next.
    [[nodiscard]] bool wants_single_replies() const { return wants_single_replies_; }
    /// Where its commands are counted; nullptr: nowhere.
    [[nodiscard]] tenant_counters* counters() const { return counters_; }
    [[nodiscard]] std::string_view prefix() const { return prefix_; }
    /// By which its scripts are known; nullptr: by those that the server knows.
    [[nodiscard]] script_names* scripts() const { return scripts_; }

protected:
    reply_target(tenant_counters* counters, std::string_view prefix, script_names* scripts = nullptr)
        : counters_(counters), prefix_(prefix), scripts_(scripts) {}
    ~reply_target() = default;
    /// From here on it is somebody else's. None of its commands may be in flight.
    void assign(tenant_counters* counters, std::string_view prefix, script_names* scripts) {
        counters_ = counters;
        prefix_ = prefix;
        scripts_ = scripts;
    }

    bool wants_single_replies_ = false;

private:
    tenant_counters* counters_;
    std::string_view prefix_;
    script_names* scripts_;
};

}  // namespace weir
