// The script of policy/limit_script on a real server, beside the model that the simulations use.

#include "policy/limit_script.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <random>

#include "proxy/upstream/control_client.hpp"
#include "tests/support/limit_script_model.hpp"
#include "tests/support/redis_server.hpp"

namespace weir {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
constexpr std::int64_t second = 1'000'000;

class limit_script_test : public testing::Test {
protected:
    limit_script_test() : redis_(folder_), client_(context_.get_executor()) {
        const std::vector<socket_address> addresses{*socket_address::unix_path(folder_ / "redis.sock")};
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!run(client_.connect(addresses, upstream_, deadline)) && std::chrono::steady_clock::now() < deadline) {
        }
    }

    template <class Result>
    Result run(asio::awaitable<Result> work) {
        auto result = asio::co_spawn(context_, std::move(work), asio::use_future);
        context_.restart();
        context_.run();
        return result.get();
    }

    control_reply command(std::vector<std::string> words) {
        auto reply = run(client_.command(std::move(words), std::chrono::steady_clock::now() + 20s));
        EXPECT_TRUE(reply) << client_.failure();
        return reply.value_or(control_reply{});
    }

    /// With a clock of ours in the place of the server's.
    static std::string script_at(std::int64_t now) {
        std::string text(limit_script());
        const std::string_view ask = "redis.call('TIME')";
        const auto place = text.find(ask);
        EXPECT_NE(place, std::string::npos);
        return text.replace(place, ask.size(),
                            "{'" + std::to_string(now / second) + "', '" + std::to_string(now % second) + "'}");
    }

    share_answer call(const share_request& request, std::int64_t now) {
        std::vector<std::string> words{"EVAL", script_at(now), "1", key_};
        append_arguments(request, words);
        const auto reply = command(std::move(words));
        std::vector<long long> numbers;
        for (const auto& element : reply.elements) numbers.push_back(element.integer);
        const auto answer = read_share_answer(numbers);
        EXPECT_TRUE(answer) << reply.text;
        return answer.value_or(share_answer{});
    }

    long long life_milliseconds() { return command({"PTTL", key_}).integer; }

    temporary_folder folder_;
    redis_server redis_;
    upstream_options upstream_;
    asio::io_context context_{1};
    control_client client_;
    std::string key_ = limit_key("acme", "writes");
    std::int64_t now_ = 1'700'000'000 * second;
};

limit_rule rule_of(limit_algorithm algorithm, std::uint64_t count, std::chrono::nanoseconds period, std::uint64_t burst = 0) {
    return {.algorithm = algorithm, .scope = limit_scope::global, .count = count, .period = period,
            .burst = burst != 0 ? burst : count};
}

std::string text_of(const share_answer& answer) {
    const auto wait = [](auto time) { return time ? std::to_string(time->count()) : "never"; };
    return "granted " + std::to_string(answer.granted) + (answer.kept ? " kept" : " not kept") + " batch " +
           std::to_string(answer.batch) + " remaining " + std::to_string(answer.remaining) + " reset " +
           std::to_string(answer.reset_after.count()) + " retry " + wait(answer.retry_after) + " debt " + wait(answer.debt_after);
}

/// But for a microsecond, as sums of fractions differ by the order in which they are made.
bool are_alike(share_answer one, const share_answer& other) {
    const auto near = [](auto a, auto b) { return a == b || (a && b && std::chrono::abs(*a - *b) <= 1us); };
    const bool times = near(std::optional(one.reset_after), std::optional(other.reset_after)) &&
                       near(one.retry_after, other.retry_after) && near(one.debt_after, other.debt_after);
    one.reset_after = other.reset_after;
    one.retry_after = other.retry_after;
    one.debt_after = other.debt_after;
    return times && one == other;
}

TEST_F(limit_script_test, answers_as_the_model_does_whatever_it_is_asked) {
    std::mt19937 random(11);
    const auto up_to = [&](std::uint64_t most) { return random() % (most + 1); };
    for (const limit_rule& rule :
         {rule_of(limit_algorithm::gcra, 100, 1s), rule_of(limit_algorithm::gcra, 3, 60s), rule_of(limit_algorithm::gcra, 7, 3s, 40),
          rule_of(limit_algorithm::gcra, 1'000'000, 1s, 50), rule_of(limit_algorithm::sliding_window, 100, 1s),
          rule_of(limit_algorithm::sliding_window, 5, 60s), rule_of(limit_algorithm::fixed_window, 100, 1s)}) {
        limit_script_model model;
        key_ = limit_key("acme", std::to_string(rule.count) + std::to_string(static_cast<int>(rule.algorithm)));
        std::vector<std::uint64_t> batches{0};
        const auto period = static_cast<std::uint64_t>(rule.period.count() / 1'000);
        for (int turn = 0; turn < 300; ++turn) {
            now_ += static_cast<std::int64_t>(up_to(std::array{0ul, period / 50, period / 3, 3 * period}[random() % 4]));
            share_request request{.rule = rule};
            request.charge = static_cast<std::int64_t>(up_to(6)) - 2;
            request.batch = batches[batches.size() - 1 - up_to(std::min<std::size_t>(batches.size() - 1, 3))];
            request.used = up_to(4);
            request.kept = up_to(4);
            request.back = up_to(4);
            request.least = up_to(random() % 2 == 0 ? 1 : rule.count / 4 + 1);
            request.most = request.least + up_to(rule.count / 2);
            request.debt = 1 + up_to(rule.count / 10);
            const auto expected = model.call(request, now_);
            const auto got = call(request, now_);
            batches.push_back(got.batch);
            ASSERT_TRUE(are_alike(got, expected)) << "rule " << rule.count << ", turn " << turn << "\n"
                                                  << text_of(got) << "\n" << text_of(expected);
            ASSERT_GT(life_milliseconds(), 0);
        }
    }
}

TEST_F(limit_script_test, whoever_comes_at_the_retry_time_is_served_and_not_a_moment_before) {
    for (const auto algorithm : {limit_algorithm::gcra, limit_algorithm::sliding_window, limit_algorithm::fixed_window}) {
        key_ = limit_key("acme", std::to_string(static_cast<int>(algorithm)));
        const auto rule = rule_of(algorithm, 30, 7s);
        std::mt19937 random(5);
        for (int turn = 0; turn < 100; ++turn) {
            now_ += static_cast<std::int64_t>(random() % (9 * second));
            const auto cost = 1 + random() % 12;
            const share_request request{.rule = rule, .least = cost, .most = cost};
            auto answer = call(request, now_);
            if (answer.granted != 0) continue;
            ASSERT_TRUE(answer.retry_after);
            const auto wait = answer.retry_after->count();
            ASSERT_GT(wait, 0);
            EXPECT_EQ(call(request, now_ + wait - 1).granted, 0u) << wait;
            now_ += wait;
            EXPECT_EQ(call(request, now_).granted, cost) << wait;
        }
    }
}

TEST_F(limit_script_test, more_than_there_can_be_is_never_there) {
    const auto answer = call({.rule = rule_of(limit_algorithm::gcra, 100, 1s, 10), .least = 11, .most = 11, .debt = 5}, now_);
    EXPECT_EQ(answer.granted, 0u);
    EXPECT_EQ(answer.retry_after, std::nullopt);
    EXPECT_EQ(answer.debt_after, 0us);
}

TEST_F(limit_script_test, another_rule_goes_on_with_what_was_counted) {
    const auto used = [&](const limit_rule& rule) { return rule.count - call({.rule = rule}, now_).remaining; };
    const auto hour = rule_of(limit_algorithm::gcra, 100, 1h);
    call({.rule = hour, .charge = 20}, now_);
    EXPECT_EQ(used(rule_of(limit_algorithm::gcra, 50, 2h)), 20u);
    EXPECT_EQ(used(rule_of(limit_algorithm::fixed_window, 40, 1h)), 20u);
    EXPECT_EQ(used(rule_of(limit_algorithm::fixed_window, 40, 3h)), 20u);
    EXPECT_EQ(used(rule_of(limit_algorithm::sliding_window, 30, 3h)), 20u);
    EXPECT_EQ(used(hour), 20u);
    now_ += 36 * second;
    EXPECT_EQ(used(hour), 19u);
    EXPECT_EQ(call({.rule = rule_of(limit_algorithm::gcra, 10, 1h), .least = 1, .most = 1}, now_).granted, 0u);
}

TEST_F(limit_script_test, two_rules_in_turn_corrupt_nothing) {
    const limit_rule rules[] = {rule_of(limit_algorithm::gcra, 100, 1s), rule_of(limit_algorithm::gcra, 5, 1min),
                                rule_of(limit_algorithm::fixed_window, 10, 2s), rule_of(limit_algorithm::sliding_window, 10, 5s)};
    std::mt19937 random(3);
    for (int turn = 0; turn < 400; ++turn) {
        now_ += static_cast<std::int64_t>(random() % (second / 5));
        const auto& rule = rules[random() % std::size(rules)];
        const auto answer = call({.rule = rule, .charge = 1, .batch = random() % 2 == 0 ? 0ul : 1'700'000'000ul, .back = random() % 3,
                                  .least = 1, .most = 3},
                                 now_);
        ASSERT_LE(answer.granted, 3u);
        ASSERT_LE(answer.remaining, rule.count);
    }
    now_ += 120 * second;
    EXPECT_EQ(call({.rule = rules[0]}, now_).remaining, 100u);
}

TEST_F(limit_script_test, a_clock_that_was_set_back_makes_time_stand_still) {
    for (const auto algorithm : {limit_algorithm::gcra, limit_algorithm::sliding_window, limit_algorithm::fixed_window}) {
        key_ = limit_key("acme", std::to_string(static_cast<int>(algorithm)));
        const auto rule = rule_of(algorithm, 10, 10s);
        call({.rule = rule, .charge = 6}, now_);
        EXPECT_EQ(call({.rule = rule}, now_ - 3600 * second).remaining, 4u);
        EXPECT_EQ(call({.rule = rule}, now_ - 3580 * second).remaining, 10u) << "and then it goes on from there";
    }
}

TEST_F(limit_script_test, its_key_ends_when_nothing_is_counted_any_more) {
    call({.rule = rule_of(limit_algorithm::gcra, 100, 1h), .charge = 50}, now_);
    EXPECT_NEAR(static_cast<double>(life_milliseconds()), 1'802'000, 15'000);
    call({.rule = rule_of(limit_algorithm::fixed_window, 100, 1min)}, now_);
    EXPECT_NEAR(static_cast<double>(life_milliseconds()), 121'000, 15'000);
}

TEST_F(limit_script_test, what_is_no_argument_of_its_changes_nothing) {
    std::vector<std::string> good{"EVAL", std::string(limit_script()), "1", key_};
    append_arguments({.rule = rule_of(limit_algorithm::gcra, 100, 1h), .debt = 1}, good);
    for (const std::string bad : {"", "x", "-1", "1.5", "nan", "inf", "1e300", "3"}) {
        for (std::size_t at = 4; at < good.size(); ++at) {
            auto words = good;
            words[at] = bad;
            const bool is_algorithm = at == 4, is_charge = at == 8, is_period = at == 6;
            if (bad == "3" && !is_algorithm && !is_period) continue;
            if (bad == "-1" && is_charge) continue;
            EXPECT_TRUE(command(words).is_error()) << at << " " << bad;
        }
    }
    auto words = good;
    words.pop_back();
    EXPECT_TRUE(command(words).is_error());
    EXPECT_EQ(command({"EXISTS", key_}).integer, 0);
}

TEST_F(limit_script_test, what_somebody_else_wrote_under_its_key_is_written_over) {
    const auto rule = rule_of(limit_algorithm::gcra, 100, 1h);
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"SET", key_, "hello"}, {"SET", key_, "0 nan 1 1 1 1"}, {"SET", key_, "1 2"}, {"RPUSH", key_, "x"}}) {
        command({"DEL", key_});
        command(words);
        EXPECT_EQ(call({.rule = rule, .least = 1, .most = 1}, now_).granted, 1u) << words[2];
    }
}

TEST_F(limit_script_test, many_limits_go_in_one_call_by_the_servers_own_clock) {
    std::vector<std::string> words{"EVAL", std::string(limit_script()), "3", "a", "b", "c"};
    for (const std::uint64_t count : {10, 20, 30}) {
        append_arguments({.rule = rule_of(limit_algorithm::gcra, count, 1h), .least = 5, .most = 5}, words);
    }
    const auto reply = command(std::move(words));
    ASSERT_EQ(reply.elements.size(), 3 * share_answer_numbers);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(reply.elements[i * share_answer_numbers].integer, 5);
        EXPECT_EQ(reply.elements[i * share_answer_numbers + 3].integer, 10 * static_cast<long long>(i) + 5);
    }
    EXPECT_EQ(limit_script_name(), command({"SCRIPT", "LOAD", std::string(limit_script())}).text);
}

}  // namespace
}  // namespace weir
