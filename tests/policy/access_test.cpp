#include "policy/access.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policy/permission_words.hpp"
#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using test::allowing;
using test::denying;
using test::permitted;
using test::reading_only;
using test::with_keys;

using test::request_text;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::string_literals;
using words = std::vector<std::string>;

decision decided_for(const tenant& owner, const words& request, std::size_t count = 0) {
    const request_text text(request);
    return decide(*command_table::built_in(), text.view(), count == 0 ? request.size() : count, owner);
}

decision decided(const words& request, const tenant_options& options = {}) {
    return decided_for(tenant("acme", options), request);
}

std::string error_of(const words& request, const tenant_options& options = {}) {
    return decided(request, options).error;
}

tenant_options only_databases(std::vector<int> databases) {
    tenant_options options;
    options.databases = std::move(databases);
    return options;
}

TEST(access_test, forwards_a_known_command_in_any_case) {
    for (const std::string& name : {"get"s, "GET"s, "gEt"s}) {
        const decision result = decided({name, "k"});
        EXPECT_EQ(result.route, command_route::forward);
        ASSERT_NE(result.command, nullptr);
        EXPECT_EQ(result.command->name, "get");
        EXPECT_EQ(result.error, "");
    }
}

TEST(access_test, answers_locally_and_from_several_commands_what_the_table_says) {
    EXPECT_EQ(decided({"PING"}).route, command_route::local);
    EXPECT_EQ(decided({"FLUSHALL"}).route, command_route::emulate);
    EXPECT_EQ(decided({"DBSIZE"}).route, command_route::emulate);
}

TEST(access_test, refuses_an_unknown_command_in_the_servers_words) {
    const decision result = decided({"FOO", "a"});
    EXPECT_EQ(result.route, command_route::refuse);
    EXPECT_EQ(result.command, nullptr);
    EXPECT_EQ(result.error, "ERR unknown command 'FOO', with args beginning with: 'a' ");
    EXPECT_FALSE(result.hang_up);
}

TEST(access_test, a_name_with_a_byte_more_than_a_commands_is_unknown) {
    for (const std::string& name : {"get\0"s, " get"s, "get "s, "config|get"s, ""s}) {
        EXPECT_THAT(error_of({name, "k"}), StartsWith("ERR unknown command")) << name;
    }
}

TEST(access_test, hangs_up_on_a_client_that_speaks_http) {
    EXPECT_TRUE(decided({"POST", "/", "HTTP/1.1"}).hang_up);
    EXPECT_TRUE(decided({"Host:", "localhost"}).hang_up);
    EXPECT_FALSE(decided({"GET", "/", "HTTP/1.1"}).hang_up) << "for Redis that is its own command";
}

TEST(access_test, refuses_a_wrong_number_of_arguments_before_anything_else_is_asked) {
    EXPECT_EQ(error_of({"GET"}), "ERR wrong number of arguments for 'get' command");
    EXPECT_EQ(error_of({"GET", "a", "b"}), "ERR wrong number of arguments for 'get' command");
    EXPECT_EQ(error_of({"MSET", "a"}), "ERR wrong number of arguments for 'mset' command");
    EXPECT_EQ(error_of({"SHUTDOWN", "a", "b", "c", "d", "e"}).substr(0, 6), "NOPERM")
        << "any number is right here";
    EXPECT_EQ(error_of({"SWAPDB", "1"}), "ERR wrong number of arguments for 'swapdb' command");
}

TEST(access_test, finds_a_subcommand_in_any_case) {
    const decision result = decided({"oBject", "eNcoding", "k"});
    EXPECT_EQ(result.route, command_route::forward);
    EXPECT_EQ(result.command->name, "object|encoding");
    EXPECT_EQ(error_of({"OBJECT", "ENCODING"}),
              "ERR wrong number of arguments for 'object|encoding' command");
}

TEST(access_test, refuses_an_unknown_subcommand_and_none_at_all) {
    EXPECT_EQ(error_of({"Config", "frob"}), "ERR unknown subcommand 'frob'. Try CONFIG HELP.");
    EXPECT_EQ(error_of({"CONFIG"}), "ERR wrong number of arguments for 'config' command");
    EXPECT_EQ(error_of({"OBJECT", "encoding\0"s, "k"}),
              "ERR unknown subcommand 'encoding'. Try OBJECT HELP.");
}

TEST(access_test, decides_by_the_whole_count_when_only_the_first_arguments_are_here) {
    const tenant owner("acme", {});
    const command_table& table = *command_table::built_in();
    EXPECT_EQ(decide(table, request_text({"SET"}).view(), 3, owner).route, command_route::forward);
    EXPECT_EQ(decide(table, request_text({"SET"}).view(), 2, owner).error,
              "ERR wrong number of arguments for 'set' command");
    EXPECT_EQ(decide(table, request_text({"OBJECT"}).view(), 3, owner).route, command_route::refuse)
        << "a subcommand that is too long to be here is none";
}

TEST(access_test, says_why_a_command_is_refused) {
    for (const words& request :
         {words{"CONFIG", "SET", "a", "b"}, words{"SHUTDOWN"}, words{"SWAPDB", "0", "1"}, words{"MONITOR"},
          words{"DEBUG", "SLEEP", "0"}, words{"MIGRATE", "h", "1", "k", "0", "1"}}) {
        const decision result = decided(request);
        EXPECT_EQ(result.route, command_route::refuse);
        ASSERT_NE(result.command, nullptr) << request[0];
        EXPECT_THAT(result.error, StartsWith("NOPERM ")) << request[0];
        EXPECT_THAT(result.error, HasSubstr(std::string(result.command->reason)));
    }
}

TEST(access_test, what_may_wait_needs_a_connection_of_its_own) {
    EXPECT_TRUE(decided({"BLPOP", "k", "0"}).waits);
    EXPECT_TRUE(decided({"WAIT", "1", "0"}).waits);
    EXPECT_TRUE(decided({"XREAD", "COUNT", "1", "block", "0", "STREAMS", "k", "$"}).waits);
    EXPECT_TRUE(decided({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "k", ">"}).waits);
    EXPECT_FALSE(decided({"XREAD", "COUNT", "1", "STREAMS", "k", "0"}).waits);
    EXPECT_FALSE(decided({"XREAD", "STREAMS", "BLOCK", "0"}).waits) << "a key of that name";
    EXPECT_FALSE(decided({"LPOP", "k"}).waits);
    EXPECT_TRUE(decided({"XREAD", "BLOCK\0"s, "0", "STREAMS", "k", "$"}).waits)
        << "the server's strcasecmp ends at the NUL, and would hold up everybody on the connection";
}

TEST(access_test, scripts_run_as_the_confined_user) {
    EXPECT_EQ(decided({"EVAL", "return 1", "0"}).user, command_user::confined);
    EXPECT_EQ(decided({"fcall_ro", "f", "1", "k"}).user, command_user::confined);
    EXPECT_EQ(decided({"GET", "k"}).user, command_user::any);
}

TEST(access_test, what_sees_more_than_its_keys_cannot_run_as_the_confined_user) {
    const tenant acme("acme", {});
    const auto may = [&](const words& request) { return may_run_confined(*decided(request).command, acme, 7); };
    EXPECT_TRUE(may({"GET", "k"}));
    EXPECT_TRUE(may({"PUBLISH", "c", "m"}));
    EXPECT_TRUE(may({"EVALSHA", "x", "0"}));
    EXPECT_TRUE(may({"SELECT", "1"}));
    EXPECT_FALSE(may({"SCAN", "0"}));
    EXPECT_FALSE(may({"KEYS", "*"}));
    EXPECT_FALSE(may({"GEORADIUS", "k", "0", "0", "1", "m"}));
    EXPECT_TRUE(may({"SCRIPT", "LOAD", "return 1"}));
    tenant_options with_user;
    with_user.scripts.username = "operators";
    EXPECT_FALSE(may_run_confined(*decided({"SCRIPT", "LOAD", "return 1"}).command, tenant("acme", with_user), 7));
}

TEST(access_test, scripts_follow_the_tenants_setting) {
    tenant_options options;
    options.scripts.mode = script_mode::deny;
    for (const auto& name : {"EVAL"s, "EVALSHA"s, "EVAL_RO"s, "EVALSHA_RO"s, "FCALL"s, "FCALL_RO"s}) {
        EXPECT_THAT(error_of({name, "x", "0"}, options), StartsWith("NOPERM ")) << name;
    }
    for (const auto& name : {"LOAD"s, "EXISTS"s, "FLUSH"s}) {
        const words request = name == "FLUSH" ? words{"SCRIPT", name} : words{"SCRIPT", name, "x"};
        EXPECT_THAT(error_of(request, options), StartsWith("NOPERM ")) << name;
    }
    options.scripts.mode = script_mode::trust;
    EXPECT_EQ(decided({"EVAL", "return 1", "0"}, options).user, command_user::any);
    EXPECT_THAT(error_of({"SCRIPT", "FLUSH"}, options), StartsWith("NOPERM ")) << "they are everybody's";
    options.scripts.mode = script_mode::acl;
    EXPECT_EQ(decided({"SCRIPT", "FLUSH"}, options).route, command_route::local);
}

TEST(access_test, the_code_of_functions_is_not_shown) {
    EXPECT_EQ(decided({"FUNCTION", "LIST"}).route, command_route::forward);
    EXPECT_EQ(decided({"FUNCTION", "LIST", "LIBRARYNAME", "l*"}).route, command_route::forward);
    EXPECT_EQ(decided({"FUNCTION", "LIST", "withcode"}).route, command_route::refuse);
    EXPECT_EQ(decided({"FUNCTION", "LIST", "LIBRARYNAME", "*", "WITHCODE\0"s}).route, command_route::refuse);
}

TEST(access_test, a_tenant_without_a_list_of_databases_may_copy_and_move_anywhere) {
    EXPECT_EQ(decided({"COPY", "a", "b", "DB", "7"}).route, command_route::forward);
    EXPECT_EQ(decided({"MOVE", "a", "7"}).route, command_route::forward);
}

TEST(access_test, copies_and_moves_only_to_the_tenants_databases) {
    const tenant_options options = only_databases({0, 2});
    EXPECT_EQ(decided({"MOVE", "a", "2"}, options).route, command_route::forward);
    EXPECT_THAT(error_of({"MOVE", "a", "1"}, options), StartsWith("NOPERM "));
    EXPECT_EQ(decided({"COPY", "a", "b"}, options).route, command_route::forward);
    EXPECT_EQ(decided({"COPY", "a", "b", "REPLACE", "DB", "2"}, options).route, command_route::forward);
    EXPECT_THAT(error_of({"COPY", "a", "b", "db", "1"}, options), StartsWith("NOPERM "));
    EXPECT_THAT(error_of({"COPY", "a", "b", "REPLACE", "dB", "-1"}, options), StartsWith("NOPERM "));
    EXPECT_THAT(error_of({"COPY", "a", "b", "DB", "0", "DB", "1"}, options), StartsWith("NOPERM "))
        << "the server takes the last";
    EXPECT_EQ(decided({"COPY", "DB", "1"}, options).route, command_route::forward) << "these two are keys";
}

TEST(access_test, what_is_no_number_of_a_database_is_left_to_the_servers_own_error) {
    const tenant_options options = only_databases({0});
    EXPECT_EQ(decided({"MOVE", "a", "01"}, options).route, command_route::forward);
    EXPECT_EQ(decided({"MOVE", "a", "x"}, options).route, command_route::forward);
    EXPECT_EQ(decided({"COPY", "a", "b", "DB"}, options).route, command_route::forward);
}

TEST(access_test, sees_db_with_a_nul_behind_it_as_the_server_does) {
    EXPECT_EQ(decided({"COPY", "a", "b", "DB\0"s, "1"}, only_databases({0})).route, command_route::refuse);
}

TEST(access_test, an_option_ends_at_a_nul_as_it_does_for_the_server) {
    EXPECT_THAT(error_of({"COPY", "a", "b", "DB\0"s, "5"}, only_databases({0})), StartsWith("NOPERM"));
    EXPECT_TRUE(decided({"XREAD", "COUNT\0"s, "1", "BLOCK\0"s, "0", "STREAMS", "k", "$"}).waits);
}

bool needs_all(const tenant& owner, const words& known, std::size_t count) {
    const request_text text(known);
    return needs_all_arguments(*command_table::built_in()->find(known[0]), text.view(), count, owner);
}

TEST(access_test, where_a_later_argument_decides_all_must_be_seen) {
    const tenant acme("acme", {});
    EXPECT_TRUE(needs_all(acme, {"move", "k"}, 3));
    EXPECT_TRUE(needs_all(acme, {"copy", "k"}, 4));
    EXPECT_FALSE(needs_all(acme, {"set", "k"}, 3));
    EXPECT_FALSE(needs_all(acme, {"mset", "k"}, 5));
}

TEST(access_test, key_patterns_need_all_arguments_until_every_key_is_there) {
    const tenant acme = permitted(with_keys({"cart:*"}));
    EXPECT_FALSE(needs_all(acme, {"set", "cart:1"}, 3));
    EXPECT_TRUE(needs_all(acme, {"set"}, 3));
    EXPECT_TRUE(needs_all(acme, {"mset", "cart:1"}, 5));
    EXPECT_FALSE(needs_all(acme, {"mset", "cart:1", "v", "cart:2", "v"}, 5));
    EXPECT_FALSE(needs_all(acme, {"publish", "c"}, 3));
    EXPECT_EQ(decided_for(acme, {"set", "other"}, 3).route, command_route::refuse);
    EXPECT_EQ(decided_for(acme, {"set", "cart:1"}, 3).route, command_route::forward);
    EXPECT_EQ(decided_for(acme, {"mset", "other"}, 5).route, command_route::forward) << "what is not final";
    EXPECT_EQ(decided_for(acme, {"mset", "other", "v", "cart:2", "v"}).route, command_route::refuse);
}

TEST(access_test, a_command_that_is_not_permitted_is_refused_in_redis_words) {
    const tenant acme = permitted(denying({"get", "config|set", "@transaction", "flushdb", "ping"}));
    const auto error = [&](const words& request) { return decided_for(acme, request).error; };
    EXPECT_EQ(error({"GET", "k"}), "NOPERM this user has no permissions to run the 'get' command");
    EXPECT_EQ(error({"CONFIG", "SET", "a", "b"}), "NOPERM this user has no permissions to run the 'config|set' command");
    EXPECT_EQ(error({"FLUSHDB"}), "NOPERM this user has no permissions to run the 'flushdb' command");
    EXPECT_EQ(error({"PING"}), "NOPERM this user has no permissions to run the 'ping' command");
    EXPECT_EQ(error({"EXEC"}), "EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the "
                               "'exec' command");
    EXPECT_EQ(error({"GET"}), "ERR wrong number of arguments for 'get' command") << "first";
    EXPECT_EQ(error({"SET", "k", "v"}), "");
    EXPECT_EQ(error({"HELLO", "3"}), "");
}

TEST(access_test, a_key_that_is_not_permitted_is_refused_in_redis_words) {
    permission_options both = with_keys({"cart:*"});
    both.deny = {"incr"};
    const tenant acme = permitted(both);
    const auto error = [&](const words& request) { return decided_for(acme, request).error; };
    constexpr auto no_key = "NOPERM this user has no permissions to access one of the keys used as arguments";
    EXPECT_EQ(error({"GET", "k"}), no_key);
    EXPECT_EQ(error({"WATCH", "k"}), no_key);
    EXPECT_EQ(error({"MIGRATE", "h", "1", "k", "0", "1"}), no_key);
    EXPECT_EQ(error({"EVAL", "x", "1", "k"}), no_key);
    EXPECT_EQ(error({"SORT", "cart:1", "BY", "w*"}), "ERR BY option of SORT denied due to insufficient ACL permissions.");
    EXPECT_EQ(error({"SORT", "cart:1", "GET", "w*"}), "ERR GET option of SORT denied due to insufficient ACL permissions.");
    EXPECT_THAT(error({"INCR", "k"}), HasSubstr("'incr'")) << "the command comes first";
    EXPECT_EQ(error({"GET", "cart:1"}), "");
    EXPECT_EQ(error({"SCAN", "0"}), "");
}

TEST(access_test, scripts_that_nothing_would_hold_to_the_permissions_are_refused) {
    tenant_options trusting;
    trusting.scripts.mode = script_mode::trust;
    const tenant acme = permitted(reading_only(), trusting);
    EXPECT_THAT(decided_for(acme, {"EVAL", "x", "0"}).error, StartsWith("NOPERM "));
    EXPECT_EQ(decided_for(permitted(reading_only()), {"EVAL", "x", "0"}).user, command_user::confined);
}

TEST(access_test, runs_as_the_confined_user_only_what_that_user_may) {
    const auto may = [](const tenant& whose, const words& request, int major) {
        return may_run_confined(*decided(request).command, whose, major);
    };
    const tenant both = permitted(with_keys({"cart:*"}));
    EXPECT_TRUE(may(both, {"GET", "cart:1"}, 6));
    const tenant reads = permitted(with_keys({"cart:*", "%R~catalog:*"}));
    EXPECT_TRUE(may(reads, {"GET", "catalog:1"}, 7));
    EXPECT_FALSE(may(reads, {"GET", "catalog:1"}, 6)) << "it has no such pattern";
    EXPECT_FALSE(may(reads, {"GET", "catalog:1"}, 0));
    EXPECT_TRUE(may(reads, {"PUBLISH", "c", "m"}, 6));
    tenant_options hashing;
    hashing.long_keys.action = long_key_action::sha256;
    EXPECT_FALSE(may(permitted(with_keys({"cart:*"}), hashing), {"GET", "cart:1"}, 7)) << "no pattern matches a hash";
    EXPECT_TRUE(may(permitted({}, hashing), {"GET", "cart:1"}, 7));
    EXPECT_FALSE(may(permitted(denying({"get"})), {"GET", "cart:1"}, 7));
}

}  // namespace
}  // namespace weir
