#include "proxy/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <system_error>
#include <thread>

namespace weir {
namespace {

using namespace std::chrono_literals;

/// Two connected sockets.
struct socket_pair {
    socket_pair() {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) != 0) {
            throw std::system_error(errno, std::generic_category());
        }
        ours.reset(ends[0]);
        theirs.reset(ends[1]);
    }
    void send(std::string_view bytes) const {
        ASSERT_EQ(::write(theirs.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    file_descriptor ours;
    file_descriptor theirs;
};

struct callback_handler final : event_loop::handler {
    explicit callback_handler(std::function<void(std::uint32_t)> called) : callback(std::move(called)) {}
    void on_ready(std::uint32_t epoll_events) override { callback(epoll_events); }
    std::function<void(std::uint32_t)> callback;
};

void nothing() {}

/// Runs until stop(); a test that waits for what never comes fails after ten seconds.
void run(event_loop& loop, const std::function<void()>& turn_end = nothing) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    const auto tick = [&] {
        if (std::chrono::steady_clock::now() < deadline) return;
        ADD_FAILURE() << "nobody stopped the loop";
        loop.stop();
    };
    loop.run(turn_end, tick, 100ms);
}

std::string read_all(int descriptor) {
    std::array<char, 100> bytes{};
    const auto count = ::read(descriptor, bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

// ---- sockets
// -------------------------------------------------------------------------------------------------------

TEST(event_loop_test, tells_a_handler_that_its_socket_can_be_read) {
    event_loop loop;
    const socket_pair pair;
    std::string read;
    callback_handler handler([&](std::uint32_t events) {
        EXPECT_TRUE(events & EPOLLIN);
        read += read_all(pair.ours.get());
        loop.stop();
    });
    loop.add(pair.ours.get(), EPOLLIN, handler);
    pair.send("hello");
    run(loop);
    EXPECT_EQ(read, "hello");
}

TEST(event_loop_test, a_socket_that_is_not_read_stays_ready) {
    event_loop loop;
    const socket_pair pair;
    int calls = 0;
    callback_handler handler([&](std::uint32_t) {
        if (++calls == 3) loop.stop();
    });
    loop.add(pair.ours.get(), EPOLLIN, handler);
    pair.send("x");
    run(loop);
    EXPECT_GE(calls, 3);
}

TEST(event_loop_test, modify_changes_what_a_handler_is_told) {
    event_loop loop;
    const socket_pair pair;
    std::uint32_t seen = 0;
    callback_handler handler([&](std::uint32_t events) {
        seen |= events;
        loop.stop();
    });
    loop.add(pair.ours.get(), EPOLLIN, handler);
    loop.modify(pair.ours.get(), EPOLLOUT, handler);
    pair.send("x");
    run(loop);
    EXPECT_EQ(seen, static_cast<std::uint32_t>(EPOLLOUT));
}

TEST(event_loop_test, a_removed_socket_is_heard_of_no_more) {
    event_loop loop;
    const socket_pair removed;
    const socket_pair other;
    callback_handler never([](std::uint32_t) { ADD_FAILURE(); });
    callback_handler stop([&](std::uint32_t) { loop.stop(); });
    loop.add(removed.ours.get(), EPOLLIN, never);
    loop.add(other.ours.get(), EPOLLIN, stop);
    loop.remove(removed.ours.get());
    removed.send("x");
    other.send("x");
    run(loop);
}

TEST(event_loop_test, a_socket_whose_other_end_is_gone_becomes_ready) {
    event_loop loop;
    socket_pair pair;
    std::uint32_t seen = 0;
    callback_handler handler([&](std::uint32_t events) {
        seen |= events;
        loop.stop();
    });
    loop.add(pair.ours.get(), 0, handler);
    pair.theirs.reset();
    run(loop);
    EXPECT_TRUE(seen & EPOLLHUP) << "also with interest in nothing";
}

TEST(event_loop_test, adding_what_is_no_descriptor_throws) {
    event_loop loop;
    callback_handler handler([](std::uint32_t) {});
    EXPECT_THROW(loop.add(-1, EPOLLIN, handler), std::system_error);
}

// ---- turns
// ---------------------------------------------------------------------------------------------------------

TEST(event_loop_test, all_that_is_ready_is_handled_before_the_turn_ends) {
    event_loop loop;
    const socket_pair first;
    const socket_pair second;
    std::string order;
    callback_handler one([&](std::uint32_t) { order += read_all(first.ours.get()); });
    callback_handler two([&](std::uint32_t) { order += read_all(second.ours.get()); });
    loop.add(first.ours.get(), EPOLLIN, one);
    loop.add(second.ours.get(), EPOLLIN, two);
    first.send("x");
    second.send("x");
    run(loop, [&] {
        order += '|';
        if (order.size() >= 3) loop.stop();
    });
    EXPECT_EQ(order.substr(0, 3), "xx|");
}

TEST(event_loop_test, what_arrives_while_several_are_handled_belongs_to_the_same_turn) {
    event_loop loop;
    const socket_pair first;
    const socket_pair second;
    const socket_pair late;
    std::string order;
    callback_handler one([&](std::uint32_t) {
        order += read_all(first.ours.get());
        late.send("c");
    });
    callback_handler two([&](std::uint32_t) { order += read_all(second.ours.get()); });
    callback_handler three([&](std::uint32_t) { order += read_all(late.ours.get()); });
    loop.add(first.ours.get(), EPOLLIN, one);
    loop.add(second.ours.get(), EPOLLIN, two);
    loop.add(late.ours.get(), EPOLLIN, three);
    first.send("a");
    second.send("b");
    run(loop, [&] {
        order += '|';
        if (order.size() >= 4) loop.stop();
    });
    EXPECT_EQ(order.substr(2, 2), "c|") << order;
}

TEST(event_loop_test, ticks_when_nothing_happens_and_ends_a_turn_then_too) {
    event_loop loop;
    int turns = 0;
    int ticks = 0;
    const auto began = std::chrono::steady_clock::now();
    loop.run([&] { ++turns; },
             [&] {
                 if (++ticks == 3) loop.stop();
             },
             5ms);
    EXPECT_EQ(ticks, 3);
    EXPECT_GE(turns, 3);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 15ms);
}

TEST(event_loop_test, ticks_although_sockets_keep_it_busy) {
    event_loop loop;
    const socket_pair pair;
    callback_handler handler([](std::uint32_t) {});  // never reads, so it is ready in every turn
    loop.add(pair.ours.get(), EPOLLIN, handler);
    pair.send("x");
    int ticks = 0;
    loop.run(
        nothing,
        [&] {
            if (++ticks == 3) loop.stop();
        },
        5ms);
    EXPECT_EQ(ticks, 3);
}

TEST(event_loop_test, the_clock_stands_still_within_a_turn_and_goes_on_between_turns) {
    event_loop loop;
    const auto before = loop.now();
    loop.run(
        nothing, [&] { loop.stop(); }, 2ms);
    EXPECT_GE(loop.now() - before, 2ms);
    const auto microseconds =
        std::chrono::duration_cast<std::chrono::microseconds>(loop.now().time_since_epoch());
    EXPECT_EQ(loop.now_microseconds(), static_cast<std::uint32_t>(microseconds.count()));
}

// ---- tasks
// ---------------------------------------------------------------------------------------------------------

TEST(event_loop_test, runs_posted_tasks_in_order_on_its_own_thread) {
    event_loop loop;
    std::string order;
    std::thread::id ran_on;
    std::thread poster([&] {
        loop.post([&] { order += 'a'; });
        loop.post([&] {
            order += 'b';
            ran_on = std::this_thread::get_id();
        });
        loop.stop();
    });
    run(loop);
    poster.join();
    EXPECT_EQ(order, "ab");
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(event_loop_test, a_task_posted_before_the_loop_runs_is_not_lost) {
    event_loop loop;
    bool ran = false;
    loop.post([&] { ran = true; });
    loop.stop();
    run(loop);
    EXPECT_TRUE(ran);
}

TEST(event_loop_test, a_task_may_post_another) {
    event_loop loop;
    int depth = 0;
    std::function<void()> again = [&] {
        if (++depth == 5) return loop.stop();
        loop.post(again);
    };
    loop.post(again);
    run(loop);
    EXPECT_EQ(depth, 5);
}

TEST(event_loop_test, no_task_is_lost_when_many_threads_post) {
    event_loop loop;
    constexpr int per_thread = 2'000;
    int ran = 0;
    const auto post_many = [&] {
        for (int i = 0; i < per_thread; ++i) {
            loop.post([&] {
                if (++ran == 3 * per_thread) loop.stop();
            });
        }
    };
    std::array<std::thread, 3> threads{std::thread(post_many), std::thread(post_many),
                                       std::thread(post_many)};
    run(loop);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(ran, 3 * per_thread);
}

}  // namespace
}  // namespace weir
