#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <random>

#include "proxy/fallback/postgres/texts.hpp"
#include "tests/proxy/fallback/postgres/list_history.hpp"
#include "tests/proxy/fallback/postgres/store_world.hpp"

namespace weir::pg::test {
namespace {

TEST(list_history_test, knows_what_can_have_been) {
    list_history overlapping;
    overlapping.add({{"RPUSH", "l", "a"}, ":2\r\n", 1, 6});
    overlapping.add({{"RPUSH", "l", "b"}, ":1\r\n", 2, 4});
    overlapping.add({{"LRANGE", "l", "0", "-1"}, "*1\r\n" + bulk("b"), 3, 5});
    overlapping.add({{"LPOP", "l"}, bulk("b"), 7, 8});
    EXPECT_TRUE(overlapping.is_linearizable());
    list_history unknown;
    unknown.add({{"RPUSH", "l", "a"}, "", 1, list_history::never});
    unknown.add({{"LPOP", "l"}, nothing, 2, 3});
    EXPECT_TRUE(unknown.is_linearizable());
    unknown.add({{"LPOP", "l"}, bulk("a"), 4, 5});
    EXPECT_TRUE(unknown.is_linearizable());
}

TEST(list_history_test, knows_what_cannot_have_been) {
    list_history stale;
    stale.add({{"RPUSH", "l", "a"}, ":1\r\n", 1, 2});
    stale.add({{"LRANGE", "l", "0", "-1"}, "*0\r\n", 3, 4});
    EXPECT_FALSE(stale.is_linearizable());
    list_history lost;
    lost.add({{"RPUSH", "l", "a"}, ":1\r\n", 1, 3});
    lost.add({{"RPUSH", "l", "b"}, ":1\r\n", 2, 4});
    EXPECT_FALSE(lost.is_linearizable());
    list_history twice;
    twice.add({{"RPUSH", "l", "a"}, "", 1, list_history::never});
    twice.add({{"LPOP", "l"}, bulk("a"), 2, 3});
    twice.add({{"LPOP", "l"}, bulk("a"), 4, 5});
    EXPECT_FALSE(twice.is_linearizable());
    list_history back_in_time;
    back_in_time.add({{"RPUSH", "l", "a"}, ":1\r\n", 1, 10});
    back_in_time.add({{"LRANGE", "l", "0", "-1"}, "*1\r\n" + bulk("a"), 2, 3});
    back_in_time.add({{"LRANGE", "l", "0", "-1"}, "*0\r\n", 4, 5});
    EXPECT_FALSE(back_in_time.is_linearizable());
}

/// Clients of two weirs with the same few lists.
class linearizability_test : public testing::Test {
protected:
    static constexpr std::size_t clients = 9;
    static constexpr std::size_t jobs_each = 40;

    linearizability_test() {
        // More than one transaction at a time, or nothing overlaps.
        world_.add_store();
        world_.add_store();
    }

    /// One job, or several operations of a client in one: in a transaction, or one after the other.
    void next(std::size_t client) {
        if (left_[client]-- == 0) {
            ++ended_;
            return;
        }
        struct sent {
            std::vector<request> commands;
            bool transaction;
            std::size_t called;
        };
        sent out{{}, random_() % 3 == 0, ++clock_};
        for (std::size_t i = 0; i <= random_() % 3; ++i) out.commands.push_back(operation());
        auto made = world_.job(out.commands, out.transaction);
        world_.stores[client % 2]->answer(std::move(made), world_.now, [this, client, out](const fallback_job& job, verdict how) {
            if (how == verdict::answered) note(out.commands, out.transaction, out.called, std::string(job.replies.view()));
            if (how == verdict::unable) ++unable_, ++left_[client];
            if (how == verdict::answered && during_) during_();
            // Not at once: this may be called from within answer().
            boost::asio::post(world_.context, [this, client] { next(client); });
        });
    }
    void run() {
        left_.fill(jobs_each);
        for (std::size_t client = 0; client < clients; ++client) next(client);
        ASSERT_TRUE(world_.until([&] { return ended_ == clients; }));
        for (std::size_t i = 0; i < lists_.size(); ++i) {
            EXPECT_TRUE(lists_[i].is_linearizable()) << "list " << i << " with " << lists_[i].size() << " operations";
        }
    }

    request operation() {
        const std::string list = std::to_string(random_() % lists_.size());
        switch (random_() % 8) {
            case 0: return {"DEL", list};
            case 1:
            case 2: return {"LPOP", list};
            case 3:
            case 4: return {"LRANGE", list, "0", "-1"};
            default: return {"RPUSH", list, std::to_string(++values_)};
        }
    }

    void note(const std::vector<request>& commands, bool transaction, std::size_t called, const std::string& replies) {
        const bool lost = replies.find(texts::lost_write) != std::string::npos;
        unknown_ += lost;
        const std::size_t returned = lost ? list_history::never : ++clock_;
        std::size_t at = transaction && !lost ? replies.find('\n') + 1 : 0;
        for (const request& words : commands) {
            const std::string reply = lost ? "" : replies.substr(at, length(replies, at));
            at += reply.size();
            // A read that came to nothing says nothing.
            if (lost && words[0] == "LRANGE") continue;
            lists_[std::stoul(words[1])].add({words, reply, called, returned});
        }
        EXPECT_TRUE(lost || at == replies.size()) << replies;
    }
    static std::size_t length(const std::string& replies, std::size_t at) {
        const std::size_t head = replies.find("\r\n", at) + 2 - at;
        const long count = std::stol(replies.substr(at + 1));
        if (replies[at] == '$') return count < 0 ? head : head + static_cast<std::size_t>(count) + 2;
        std::size_t all = head;
        for (long i = 0; replies[at] == '*' && i < count; ++i) all += length(replies, at + all);
        return all;
    }

    store_world world_;
    std::mt19937 random_{1};
    std::array<list_history, 3> lists_;
    std::array<std::size_t, clients> left_{};
    std::size_t ended_ = 0, clock_ = 0, values_ = 0, unable_ = 0, unknown_ = 0;
    std::function<void()> during_;
};

TEST_F(linearizability_test, each_key_of_two_weirs_has_one_history) {
    run();
    EXPECT_EQ(unable_, 0u);
    EXPECT_GT(world_.stores[0]->counters().transactions_total, 20u);
    EXPECT_GT(world_.stores[1]->counters().transactions_total, 20u);
}

TEST_F(linearizability_test, and_has_it_where_connections_break_at_any_moment) {
    std::size_t answers = 0;
    during_ = [&] {
        if (++answers % 10 != 0) return;
        world_.server.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'weir'"
                          " order by random() limit 1");
    };
    run();
    std::cout << unable_ << " unable, " << unknown_ << " unknown\n";
}

}  // namespace
}  // namespace weir::pg::test
