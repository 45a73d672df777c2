#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policy/breaker.hpp"
#include "proxy/fallback/fallback_service.hpp"
#include "tests/policy/rewritten.hpp"

namespace weir::test {

/// A fallback_service with its breaker, and the workers that its answers come to. The service starts when it is first asked
/// for, with `settings` as they are then.
class fallback_world {
public:
    static constexpr std::size_t workers = 3;
    static constexpr auto patience = std::chrono::seconds{30};

    fallback_world() { settings.fallback.order = {fallback_store::memory}; }
    ~fallback_world() { end_service(); }

    [[nodiscard]] breaker& circuit() {
        if (!circuit_) {
            circuit_.emplace(breaker_settings, [this](const breaker_transition& change) {
                if (service_) service_->on_transition(change);
            });
        }
        return *circuit_;
    }
    [[nodiscard]] fallback_service& service() {
        if (!service_) {
            service_ = std::make_unique<fallback_service>(settings, circuit(), workers,
                                                          [this](std::size_t worker, std::vector<fallback_job> done) {
                                                              take(worker, std::move(done));
                                                          });
            if (!service_->await_journal()) throw std::runtime_error("the journal is not known");
        }
        return *service_;
    }
    void end_service() { service_.reset(); }

    [[nodiscard]] static breaker_time now() { return std::chrono::steady_clock::now(); }
    void open() {
        static_cast<void>(service());
        circuit().force_open(now(), "the test");
    }
    void close() { circuit().reset(now(), "the test"); }

    [[nodiscard]] static std::shared_ptr<const tenant> tenant_named(const std::string& name) {
        return std::make_shared<const tenant>(name, tenant_options{});
    }

    using request = std::vector<std::string>;

    [[nodiscard]] fallback_job job(const std::vector<request>& commands, std::size_t worker = 0) const {
        static const auto table = command_table::built_in();
        fallback_job made;
        made.worker = worker;
        made.whose = acme_;
        for (const request& each : commands) {
            const command_spec* const row = table->find(each[0]);
            if (row == nullptr) throw std::invalid_argument(each[0]);
            made.add_command(request_text(each).view(), *row);
        }
        return made;
    }
    void post(fallback_job one) {
        std::vector<fallback_job> jobs;
        jobs.push_back(std::move(one));
        service().post(std::move(jobs));
    }
    /// The next that came back to this worker.
    [[nodiscard]] fallback_job next(std::size_t worker) {
        std::unique_lock lock(mutex_);
        if (!came_.wait_for(lock, patience, [&] { return !done_[worker].empty(); })) {
            ADD_FAILURE() << "nothing came back";
            return {};
        }
        auto first = std::move(done_[worker].front());
        done_[worker].pop_front();
        return first;
    }
    [[nodiscard]] fallback_job run(fallback_job one) {
        const auto worker = one.worker;
        post(std::move(one));
        fallback_job done = next(worker);
        // As a session does when its turn was over before its commands were. A long reply is the test's own concern.
        while (done.result == fallback_job::outcome::answered && !done.transaction && !done.overflowed &&
               done.performed < done.commands.size() && done.replies.size() <= (std::size_t{1} << 20)) {
            done.commands.erase(done.commands.begin(), done.commands.begin() + static_cast<std::ptrdiff_t>(done.performed));
            done.performed = 0;
            post(std::move(done));
            done = next(worker);
        }
        return done;
    }
    [[nodiscard]] std::string answer(fallback_job one) {
        const auto done = run(std::move(one));
        EXPECT_EQ(done.result, fallback_job::outcome::answered);
        return std::string(done.replies.view());
    }
    std::string ask(const request& one) { return answer(job({one})); }

    /// Looks until it is so; false when it never is.
    template <class Wanted>
    bool until(Wanted wanted) {
        const auto deadline = now() + patience;
        std::mutex nothing;
        std::condition_variable never;
        while (!wanted()) {
            if (now() > deadline) return false;
            std::unique_lock lock(nothing);
            never.wait_for(lock, std::chrono::milliseconds{1});
        }
        return true;
    }

    options settings;
    breaker_options breaker_settings;

private:
    void take(std::size_t worker, std::vector<fallback_job> done) {
        const std::scoped_lock lock(mutex_);
        for (auto& one : done) done_[worker].push_back(std::move(one));
        came_.notify_all();
    }

    std::shared_ptr<const tenant> acme_ = tenant_named("acme");
    std::optional<breaker> circuit_;
    std::mutex mutex_;
    std::condition_variable came_;
    std::deque<fallback_job> done_[workers];
    std::unique_ptr<fallback_service> service_;
};

}  // namespace weir::test
