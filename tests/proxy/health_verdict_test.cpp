#include "proxy/health_verdict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

class health_verdict_test : public testing::Test {
protected:
    health_verdict_test() { is(true); }

    void is(bool connected) {
        upstream_.connected = connected;
        upstream_.reason = connected ? "" : "Connection refused";
    }
    [[nodiscard]] health_verdict judge(std::string_view unsettled = {}) const {
        return judge_health({.upstream = upstream_, .circuit = circuit_, .has_fallback = has_fallback_, .store_trouble = store_trouble_, .unsettled = unsettled});
    }
    void expect(health_status status, const testing::Matcher<std::string>& reason) const {
        EXPECT_EQ(to_string(judge().status), to_string(status));
        EXPECT_THAT(judge().reason, reason);
    }

    upstream_snapshot upstream_;
    breaker held_{breaker_options{}};
    breaker* circuit_ = nullptr;
    bool has_fallback_ = false;
    std::string_view store_trouble_;
    breaker_time now_ = std::chrono::steady_clock::now();
};

TEST_F(health_verdict_test, without_a_breaker_it_is_the_upstreams) {
    expect(health_status::healthy, "");
    upstream_.fault = "READONLY no writes";
    expect(health_status::degraded, "READONLY no writes");
    is(false);
    expect(health_status::down, "Connection refused");
}

TEST_F(health_verdict_test, one_who_comes_or_goes_is_not_healthy) {
    EXPECT_EQ(judge("draining").status, health_status::degraded);
    EXPECT_EQ(judge("draining").reason, "draining");
    is(false);
    EXPECT_EQ(judge("starting").status, health_status::down);
}

TEST_F(health_verdict_test, a_closed_breaker_is_no_answer_to_an_upstream_that_is_away) {
    circuit_ = &held_;
    has_fallback_ = true;
    expect(health_status::healthy, "");
    is(false);
    expect(health_status::down, "Connection refused");
}

TEST_F(health_verdict_test, an_open_one_is_degraded_where_something_answers) {
    circuit_ = &held_;
    is(false);
    for (int i = 0; i < 5; ++i) held_.fail(breaker_failure::connect, now_);
    expect(health_status::down, "breaker open: 5 of 5 calls failed in 10s");
    has_fallback_ = true;
    expect(health_status::degraded, StartsWith("breaker open: "));
}

TEST_F(health_verdict_test, half_open_some_commands_get_through) {
    circuit_ = &held_;
    for (int i = 0; i < 5; ++i) held_.fail(breaker_failure::connect, now_);
    held_.probe(true, now_ + 30s);
    expect(health_status::degraded, "breaker half_open: the probe succeeded");
    is(false);
    expect(health_status::down, StartsWith("breaker half_open"));
}

TEST_F(health_verdict_test, forced_open_is_down_without_a_fallback_though_the_upstream_is_there) {
    circuit_ = &held_;
    held_.force_open(now_, "me");
    expect(health_status::down, "breaker forced_open: forced open by me");
    has_fallback_ = true;
    expect(health_status::degraded, HasSubstr("forced open by me"));
    held_.disable(now_, "me");
    expect(health_status::healthy, "");
}

TEST_F(health_verdict_test, a_store_that_could_not_answer_is_said_while_the_upstream_does) {
    store_trouble_ = "connection refused";
    expect(health_status::degraded, "postgres: connection refused");
    is(false);
    expect(health_status::down, "Connection refused");
}

}  // namespace
}  // namespace weir
