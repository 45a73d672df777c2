#include "proxy/upstream/greeting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/tenant.hpp"

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using verdict = greeting::verdict;

const server_version redis7{7, 0};

TEST(greeting_test, is_short_when_there_is_nothing_to_say) {
    greeting hello({}, {}, redis7);
    EXPECT_EQ(hello.output().view(), "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$4\r\nweir\r\n*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n");
    EXPECT_EQ(hello.take("-NOPERM\r\n", true), verdict::more) << "an upstream that refuses the name is still of use";
    EXPECT_EQ(hello.take(":17\r\n", false), verdict::done);
    EXPECT_EQ(hello.client_id(), 17u);
}

TEST(greeting_test, logs_in_switches_the_protocol_and_selects) {
    upstream_options options;
    options.username = "weir";
    options.password = "secret";
    greeting hello(options, {resp_version::resp3, 4}, redis7);
    EXPECT_THAT(std::string(hello.output().view()), HasSubstr("HELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$4\r\nweir\r\n$6\r\nsecret"));
    EXPECT_EQ(hello.take("%0\r\n", false), verdict::more);
    EXPECT_EQ(hello.take("-ERR DB index is out of range\r\n", true), verdict::failed);
    EXPECT_TRUE(hello.database_refused());
    EXPECT_EQ(hello.fault(), "ERR DB index is out of range");
}

TEST(greeting_test, a_wrong_password_ends_it) {
    upstream_options options;
    options.password = "secret";
    greeting hello(options, {}, redis7);
    EXPECT_EQ(hello.take("-WRONGPASS no\r\n", true), verdict::failed);
    EXPECT_FALSE(hello.database_refused());
}

TEST(greeting_test, a_server_that_does_not_speak_the_protocol_is_no_stranger) {
    for (const std::string password : {"", "secret"}) {
        upstream_options options;
        if (!password.empty()) options.password = password;
        for (const auto& [error, of_protocol] : {std::pair{"-ERR unknown command 'HELLO', with args beginning with: '3' \r\n", true},
                                                 {"-NOPROTO unsupported protocol version\r\n", true},
                                                 {"-WRONGPASS no\r\n", false},
                                                 {"-NOAUTH HELLO must be called with the client already authenticated\r\n", false}}) {
            greeting hello(options, {resp_version::resp3, 0}, redis7);
            EXPECT_EQ(hello.take(error, true), verdict::failed);
            EXPECT_EQ(hello.protocol_refused(), of_protocol) << error;
        }
    }
}

TEST(greeting_test, the_user_for_scripts_must_prove_that_it_is_confined) {
    const auto acme = std::make_shared<const tenant>("acme", tenant_options{});
    const lane wanted{resp_version::resp2, 0, acme};
    for (int permitted = -1; permitted < 4; ++permitted) {
        greeting hello({}, wanted, redis7);
        EXPECT_EQ(hello.take("+OK\r\n", false), verdict::more) << "ACL SETUSER";
        EXPECT_EQ(hello.take("+OK\r\n", false), verdict::more) << "AUTH";
        for (int probe = 0; probe < 4; ++probe) {
            const bool refused = probe != permitted;
            EXPECT_EQ(hello.take(refused ? "-NOPERM\r\n" : ":0\r\n", refused), refused ? verdict::more : verdict::failed);
            if (!refused) break;
        }
        if (permitted == -1) {
            EXPECT_EQ(hello.take(":1\r\n", false), verdict::more) << "scripts cannot meddle with each other";
            EXPECT_EQ(hello.take("+OK\r\n", false), verdict::more);
            EXPECT_EQ(hello.take(":1\r\n", false), verdict::done);
        } else {
            EXPECT_THAT(hello.fault(), HasSubstr("not confined"));
        }
    }
}

TEST(greeting_test, scripts_that_can_meddle_with_each_other_are_not_run_unless_that_is_accepted) {
    for (const bool accepted : {false, true}) {
        tenant_options options;
        options.scripts.accepts_shared_interpreter = accepted;
        const auto acme = std::make_shared<const tenant>("acme", options);
        greeting hello({}, {resp_version::resp2, 0, acme}, redis7);
        for (int i = 0; i < 2; ++i) EXPECT_EQ(hello.take("+OK\r\n", false), verdict::more);
        for (int i = 0; i < 4; ++i) EXPECT_EQ(hello.take("-NOPERM\r\n", true), verdict::more);
        EXPECT_EQ(hello.take(":0\r\n", false), accepted ? verdict::more : verdict::failed);
    }
}

TEST(greeting_test, a_user_that_could_not_log_in_is_never_used) {
    const auto acme = std::make_shared<const tenant>("acme", tenant_options{});
    greeting hello({}, {resp_version::resp2, 0, acme}, redis7);
    EXPECT_EQ(hello.take("-NOPERM\r\n", true), verdict::more) << "weir may not make users, but it may be there";
    EXPECT_EQ(hello.take("-WRONGPASS\r\n", true), verdict::failed);
}

TEST(greeting_test, a_configured_user_is_not_made) {
    tenant_options options;
    options.scripts.username = "scripts-of-acme";
    options.scripts.password = "p";
    const auto acme = std::make_shared<const tenant>("acme", options);
    greeting hello({}, {resp_version::resp2, 0, acme}, redis7);
    EXPECT_THAT(std::string(hello.output().view()), Not(HasSubstr("SETUSER")));
    EXPECT_THAT(std::string(hello.output().view()), HasSubstr("AUTH\r\n$15\r\nscripts-of-acme"));
}

TEST(greeting_test, a_connection_that_changes_its_user_keeps_everything_else) {
    const auto acme = std::make_shared<const tenant>("acme", tenant_options{});
    greeting change = greeting::change_user({}, {resp_version::resp3, 5, acme}, redis7);
    EXPECT_THAT(std::string(change.output().view()), Not(HasSubstr("HELLO")));
    EXPECT_THAT(std::string(change.output().view()), Not(HasSubstr("SELECT\r\n$1\r\n5")));
    EXPECT_THAT(std::string(change.output().view()), HasSubstr("SETUSER"));
}

}  // namespace
}  // namespace weir
