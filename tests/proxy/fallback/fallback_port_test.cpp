#include "proxy/fallback/fallback_port.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/support/fallback_world.hpp"

namespace weir {
namespace {

using test::fallback_world;

const std::string nothing = "$-1\r\n";

/// A command on its way. It ends with its reply, or, as one whose connection was lost, without.
class command_in_flight {
public:
    command_in_flight(fallback_port& port, std::unique_ptr<reply_interpreter> watching, fallback_port::slots written)
        : port_(port), watching_(std::move(watching)), written_(std::move(written)) {}
    command_in_flight(const command_in_flight&) = delete;
    command_in_flight& operator=(const command_in_flight&) = delete;
    ~command_in_flight() { port_.end(written_); }

    void reply(std::string_view bytes) {
        buffer out;
        if (watching_) {
            EXPECT_TRUE(watching_->feed(bytes, true, out));
        }
        end();
    }
    void end() {
        watching_.reset();
        port_.end(std::exchange(written_, {}));
    }

private:
    fallback_port& port_;
    std::unique_ptr<reply_interpreter> watching_;
    fallback_port::slots written_;
};

struct remembering_world : fallback_world {
    remembering_world() { settings.fallback.remember.reads = settings.fallback.remember.writes = true; }
};

/// What the commands of two workers leave behind of a tenant's keys; the test answers them in the server's place.
class fallback_port_test : public testing::Test, protected remembering_world {
protected:
    [[nodiscard]] std::unique_ptr<command_in_flight> send(const request& words, fallback_port& by) {
        static const auto table = command_table::built_in();
        fallback_port::slots written;
        const test::request_text text(words);
        auto watching = by.watch(text.view(), *table->find(words[0]), acme, 0, resp_version::resp2, now(), nullptr, written);
        return std::make_unique<command_in_flight>(by, std::move(watching), std::move(written));
    }
    void done(const request& words, std::string_view reply) { send(words, first)->reply(reply); }

    /// What the fallback answers, with all that was seen.
    std::string remembered(const request& words) {
        first.tick();
        second.tick();
        open();
        auto answer = ask(words);
        close();
        return answer;
    }

    std::shared_ptr<const tenant> acme = tenant_named("acme");
    fallback_port first{&service(), 0, 2, settings.fallback};
    fallback_port second{&service(), 1, 2, settings.fallback};
};

TEST_F(fallback_port_test, what_was_read_and_written_is_remembered) {
    done({"GET", "read"}, "$1\r\n1\r\n");
    done({"SET", "written", "2"}, "+OK\r\n");
    EXPECT_EQ(remembered({"MGET", "read", "written"}), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
}

TEST_F(fallback_port_test, a_write_makes_void_what_was_read_before_it) {
    done({"GET", "k"}, "$1\r\n1\r\n");
    done({"APPEND", "k", "2"}, ":2\r\n");
    EXPECT_EQ(remembered({"GET", "k"}), nothing);
}

TEST_F(fallback_port_test, and_what_was_read_while_it_was_under_way) {
    for (auto* const reader : {&first, &second}) {
        const auto writing = send({"APPEND", "k", "2"}, first);
        const auto reading = send({"GET", "k"}, *reader);
        reading->reply("$1\r\n1\r\n");
        writing->reply(":2\r\n");
        EXPECT_EQ(remembered({"GET", "k"}), nothing);
    }
}

TEST_F(fallback_port_test, and_so_does_one_of_which_nobody_knows_whether_it_was_done) {
    done({"GET", "k"}, "$1\r\n1\r\n");
    send({"APPEND", "k", "2"}, second)->end();
    EXPECT_EQ(remembered({"GET", "k"}), nothing);
    done({"GET", "l"}, "$1\r\n1\r\n");
    send({"SET", "l", "2"}, second)->end();
    EXPECT_EQ(remembered({"GET", "l"}), nothing) << "also when its reply would have told something";
}

TEST_F(fallback_port_test, of_two_writes_at_once_neither_is_remembered) {
    const auto one = send({"SET", "k", "1"}, first);
    const auto other = send({"SET", "k", "2"}, second);
    one->reply("+OK\r\n");
    other->reply("+OK\r\n");
    EXPECT_EQ(remembered({"GET", "k"}), nothing);
}

TEST_F(fallback_port_test, one_write_of_a_key_several_times_is_its_last) {
    done({"MSET", "k", "1", "k", "2", "l", "3"}, "+OK\r\n");
    EXPECT_EQ(remembered({"MGET", "k", "l"}), "*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
}

TEST_F(fallback_port_test, a_write_to_another_database_makes_void_what_was_read_until_it_ended) {
    for (const request& words : {request{"COPY", "k", "l", "DB", "1"}, request{"MOVE", "k", "1"}}) {
        const auto writing = send(words, first);
        done({"GET", "x"}, "$1\r\n1\r\n");
        writing->reply(":1\r\n");
        EXPECT_EQ(remembered({"GET", "x"}), nothing) << words[0];
    }
    // Not what was read in the same millisecond.
    EXPECT_TRUE(until([&] {
        done({"GET", "x"}, "$1\r\n1\r\n");
        return remembered({"GET", "x"}) == "$1\r\n1\r\n";
    }));
}

}  // namespace
}  // namespace weir
