#include "policy/transaction_reply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "policy/simple_replies.hpp"

namespace weir {
namespace {

using namespace std::string_literals;

constexpr std::string_view prefix = "t:";

/// What becomes of EXEC's `reply` to a queue with these rules, cut into pieces at `cut` as reply_scanner may cut.
struct outcome {
    bool shown;
    std::string text;
};

std::vector<queued_reply> queue_of(std::initializer_list<reply_rule> rules) {
    std::vector<queued_reply> queued;
    for (const auto rule : rules) queued.push_back({rule, nullptr});
    return queued;
}

outcome feed_to(transaction_reply& reply, std::string_view bytes) {
    // Pieces as reply_scanner cuts them: one byte more each time, what it leaves is offered again.
    reply_scanner scanner;
    buffer out;
    std::string kept;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        kept += bytes[i];
        const auto status = scanner.scan(kept);
        const std::string piece = kept.substr(0, scanner.consumed());
        kept.erase(0, piece.size());
        if (!piece.empty() && !reply.feed(piece, status == scan_status::complete, out)) return {false, ""};
    }
    return {true, std::string(out.view())};
}

outcome read(std::vector<queued_reply> queued, std::string_view bytes) {
    transaction_reply reply(std::move(queued), prefix);
    return feed_to(reply, bytes);
}

TEST(transaction_reply_test, each_element_is_read_by_its_own_rule) {
    const outcome seen = read(queue_of({reply_rule::plain, reply_rule::keys, reply_rule::popped}),
                              "*3\r\n$4\r\nt:vv\r\n*2\r\n$3\r\nt:a\r\n$3\r\nt:b\r\n*2\r\n$3\r\nt:k\r\n$3\r\nt:v\r\n");
    EXPECT_TRUE(seen.shown);
    EXPECT_EQ(seen.text, "*3\r\n$4\r\nt:vv\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$1\r\nk\r\n$3\r\nt:v\r\n");
}

TEST(transaction_reply_test, resp3_maps_of_streams_lose_the_prefix_of_their_keys) {
    const outcome seen = read(queue_of({reply_rule::streams}), "*1\r\n%1\r\n$3\r\nt:s\r\n*0\r\n");
    EXPECT_EQ(seen.text, "*1\r\n%1\r\n$1\r\ns\r\n*0\r\n");
}

TEST(transaction_reply_test, a_watched_key_that_changed_gives_null) {
    EXPECT_EQ(read(queue_of({reply_rule::keys}), "*-1\r\n").text, "*-1\r\n");
    EXPECT_EQ(read(queue_of({reply_rule::keys}), "_\r\n").text, "_\r\n");
}

TEST(transaction_reply_test, an_empty_transaction_gives_an_empty_array) {
    EXPECT_EQ(read({}, "*0\r\n").text, "*0\r\n");
}

TEST(transaction_reply_test, an_element_that_is_an_error_loses_the_prefix_wherever_it_stands) {
    EXPECT_EQ(read(queue_of({reply_rule::plain}), "*1\r\n-ERR no such key t:k\r\n").text,
              "*1\r\n-ERR no such key k\r\n");
}

TEST(transaction_reply_test, a_name_without_the_prefix_is_withheld) {
    EXPECT_FALSE(read(queue_of({reply_rule::keys}), "*1\r\n*1\r\n$3\r\nu:a\r\n").shown);
}

TEST(transaction_reply_test, more_or_fewer_elements_than_were_queued_are_withheld) {
    EXPECT_FALSE(read(queue_of({reply_rule::plain}), "*2\r\n:1\r\n:2\r\n").shown);
    EXPECT_FALSE(read(queue_of({reply_rule::plain, reply_rule::plain}), "*1\r\n:1\r\n").shown);
    EXPECT_FALSE(read(queue_of({reply_rule::plain}), ":1\r\n").shown);
}

TEST(transaction_reply_test, what_weir_answers_stands_in_its_place) {
    auto queued = queue_of({reply_rule::plain, reply_rule::plain});
    queued[0].interpreter = std::make_unique<replaced_reply>("$2\r\nid\r\n");
    EXPECT_EQ(read(std::move(queued), "*2\r\n+PONG\r\n:2\r\n").text, "*2\r\n$2\r\nid\r\n:2\r\n");
}

TEST(transaction_reply_test, late_answer_is_made_only_if_the_transaction_was_done) {
    int made = 0;
    const auto queued = [&made] {
        auto queue = queue_of({reply_rule::plain});
        queue[0].interpreter = std::make_unique<late_reply>([&made] {
            buffer answer;
            answer.append("$2\r\nid\r\n");
            ++made;
            return answer;
        });
        return queue;
    };
    EXPECT_EQ(read(queued(), "*-1\r\n").text, "*-1\r\n");
    EXPECT_EQ(read(queued(), "-EXECABORT of something\r\n").text, "-EXECABORT of something\r\n");
    EXPECT_EQ(made, 0);
    EXPECT_EQ(read(queued(), "*1\r\n+PONG\r\n").text, "*1\r\n$2\r\nid\r\n");
    EXPECT_EQ(made, 1);
}

TEST(transaction_reply_test, execabort_says_why_the_server_would_not_queue) {
    transaction_reply reply(queue_of({reply_rule::plain}), prefix);
    reply.take_leading_error("-OOM command not allowed\r\n");
    reply.take_leading_error("-ERR another\r\n");
    EXPECT_EQ(feed_to(reply, "-EXECABORT Transaction discarded because of previous errors.\r\n").text,
              "-EXECABORT Transaction discarded because of: OOM command not allowed\r\n");
}

TEST(observed_reply_test, tells_success_and_failure_and_passes_both_on) {
    std::vector<bool> told;
    for (const std::string_view bytes : {"+OK\r\n", "-ERR DB index is out of range t:k\r\n"}) {
        observed_reply reply(prefix, [&](bool succeeded) { told.push_back(succeeded); });
        buffer out;
        EXPECT_TRUE(reply.feed(bytes, true, out));
        EXPECT_EQ(out.view(), bytes == "+OK\r\n" ? "+OK\r\n" : "-ERR DB index is out of range k\r\n");
    }
    EXPECT_EQ(told, (std::vector{true, false}));
}

}  // namespace
}  // namespace weir
