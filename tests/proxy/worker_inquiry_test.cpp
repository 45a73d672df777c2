#include "proxy/worker_inquiry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <set>
#include <thread>

#include "proxy/worker.hpp"

namespace weir {
namespace {

using testing::SizeIs;
using testing::UnorderedElementsAre;
using namespace std::chrono_literals;

/// Workers without listeners, whose upstream is not there. Each runs on a thread of its own once it is
/// started.
class worker_inquiry_test : public testing::Test {
protected:
    worker_inquiry_test() {
        settings_.upstream.address.unix_path = "/nonexistent/redis.sock";
        for (int i = 0; i < 3; ++i) {
            counters_.push_back(std::make_unique<worker_counters>());
            workers_.push_back(std::make_unique<worker>(process_, static_cast<std::size_t>(i), *counters_.back(),
                                                        std::vector<worker::listening>{},
                                                        std::make_shared<const upstream_snapshot>()));
            process_.workers.push_back(workers_.back().get());
        }
    }
    ~worker_inquiry_test() override {
        for (auto& one : workers_) one->stop();
        for (auto& thread : threads_) thread.join();
    }

    void start(std::size_t which) {
        threads_.emplace_back([this, which] { workers_[which]->run(); });
    }

    /// What `task` gives on the thread of worker `which`.
    template <class Task>
    auto on(std::size_t which, Task task) {
        auto promise = std::make_shared<std::promise<decltype(task(*workers_[which]))>>();
        workers_[which]->loop().post(
            [promise, task, which, this] { promise->set_value(task(*workers_[which])); });
        return get(promise->get_future());
    }

    template <class Value>
    static Value get(std::future<Value> future) {
        if (future.wait_for(30s) != std::future_status::ready) throw std::runtime_error("no answer");
        return future.get();
    }

    using answers = std::vector<std::thread::id>;
    /// How an inquiry ended: with answers, or given up.
    using outcome = std::optional<answers>;

    /// Asks every worker for its thread.
    std::pair<worker_inquiries::ticket, std::future<outcome>> ask_for_threads(worker& asker) {
        auto promise = std::make_shared<std::promise<outcome>>();
        const auto ticket = asker.inquiries().ask<std::thread::id>(
            [](worker&) { return std::this_thread::get_id(); },
            [promise](answers all) { promise->set_value(std::move(all)); },
            [promise] { promise->set_value(std::nullopt); });
        return {ticket, promise->get_future()};
    }

    options settings_;
    std::vector<std::unique_ptr<worker_counters>> counters_;
    tenant_registry tenants_{std::make_shared<const options>(), 3, std::string(32, 'k'),
                             [](const std::string&, const tenant_limit& limit) { return make_local_counter(limit.rule()); }};
    slow_work slow_;
    process_state process_{settings_, tenants_, slow_};
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<std::thread> threads_;
};

TEST_F(worker_inquiry_test, is_answered_by_every_worker_on_its_own_thread) {
    for (std::size_t i = 0; i < 3; ++i) start(i);
    for (std::size_t asker = 0; asker < 3; ++asker) {
        std::future<outcome> future;
        on(asker, [&](worker& one) {
            future = ask_for_threads(one).second;
            return true;
        });
        const outcome got = get(std::move(future));
        ASSERT_TRUE(got);
        EXPECT_THAT(*got,
                    UnorderedElementsAre(threads_[0].get_id(), threads_[1].get_id(), threads_[2].get_id()));
    }
}

TEST_F(worker_inquiry_test, comes_back_on_the_asker_and_never_from_within_the_question) {
    for (std::size_t i = 0; i < 3; ++i) start(i);
    auto promise = std::make_shared<std::promise<std::pair<bool, std::thread::id>>>();
    on(1, [&](worker& asker) {
        auto returned = std::make_shared<bool>(false);
        static_cast<void>(
            asker.inquiries().ask<int>([](worker&) { return 1; },
                                       [=](std::vector<int>) {
                                           promise->set_value({*returned, std::this_thread::get_id()});
                                       },
                                       [] {}));
        *returned = true;
        return true;
    });
    const auto [returned, thread] = get(promise->get_future());
    EXPECT_TRUE(returned);
    EXPECT_EQ(thread, threads_[1].get_id());
}

TEST_F(worker_inquiry_test, is_given_up_when_a_worker_says_nothing) {
    start(0);
    start(1);  // the third never runs, as one that has stopped
    std::future<outcome> future;
    on(0, [&](worker& asker) {
        future = ask_for_threads(asker).second;
        return true;
    });
    on(1, [](worker&) { return true; });
    on(0, [](worker& asker) {
        asker.inquiries().tick(asker.loop().now() + worker_inquiries::patience - 1s);
        return true;
    });
    EXPECT_EQ(future.wait_for(0s), std::future_status::timeout) << "it is still time";
    on(0, [](worker& asker) {
        asker.inquiries().tick(asker.loop().now() + worker_inquiries::patience + 1s);
        return true;
    });
    EXPECT_EQ(get(std::move(future)), std::nullopt);
    start(2);  // its late answer meets nobody
    on(2, [](worker&) { return true; });
    on(0, [](worker&) { return true; });
}

TEST_F(worker_inquiry_test, is_given_up_by_the_workers_own_tick) {
    start(0);
    std::future<outcome> future;
    on(0, [&](worker& asker) {
        future = ask_for_threads(asker).second;
        return true;
    });
    EXPECT_EQ(get(std::move(future)), std::nullopt);
}

TEST_F(worker_inquiry_test, that_is_forgotten_calls_nobody) {
    start(0);
    std::future<outcome> future;
    on(0, [&](worker& asker) {
        auto [ticket, pending] = ask_for_threads(asker);
        future = std::move(pending);
        asker.inquiries().forget(ticket);
        return true;
    });
    EXPECT_THROW(future.get(), std::future_error) << "what was to be called is gone";
    start(1);
    start(2);
    for (const std::size_t which : {1, 2, 0}) on(which, [](worker&) { return true; });
}

TEST_F(worker_inquiry_test, may_be_asked_by_all_at_once) {
    for (std::size_t i = 0; i < 3; ++i) start(i);
    std::vector<std::future<outcome>> futures;
    for (int round = 0; round < 200; ++round) {
        for (std::size_t asker = 0; asker < 3; ++asker) {
            auto promise = std::make_shared<std::promise<outcome>>();
            futures.push_back(promise->get_future());
            workers_[asker]->loop().post([this, asker, promise] {
                static_cast<void>(workers_[asker]->inquiries().ask<std::thread::id>(
                    [](worker&) { return std::this_thread::get_id(); },
                    [promise](answers all) { promise->set_value(std::move(all)); },
                    [promise] { promise->set_value(std::nullopt); }));
            });
        }
    }
    for (auto& future : futures) {
        const outcome got = get(std::move(future));
        ASSERT_TRUE(got);
        EXPECT_THAT(std::set(got->begin(), got->end()), SizeIs(3));
    }
}

}  // namespace
}  // namespace weir
