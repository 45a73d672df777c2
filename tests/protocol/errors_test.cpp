#include "protocol/errors.hpp"

#include <gtest/gtest.h>

#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using test::request_text;
using namespace std::string_literals;

// The expected texts are what redis-server 7.0.15 answers to the same bytes.

TEST(errors_test, quotes_an_unknown_command_and_its_arguments_as_the_server_does) {
    EXPECT_EQ(errors::unknown_command(request_text({"foo"}).view()),
              "ERR unknown command 'foo', with args beginning with: ");
    EXPECT_EQ(errors::unknown_command(request_text({"FoO", "a", "b c"}).view()),
              "ERR unknown command 'FoO', with args beginning with: 'a' 'b c' ");
}

TEST(errors_test, cuts_what_it_quotes_of_an_unknown_command_to_128_bytes) {
    EXPECT_EQ(errors::unknown_command(
                  request_text({std::string(200, 'c'), "a", std::string(200, 'b'), "d"}).view()),
              "ERR unknown command '" + std::string(128, 'c') + "', with args beginning with: 'a' '" +
                  std::string(124, 'b') + "' ");
    const std::string sixty(60, 'x');
    EXPECT_EQ(errors::unknown_command(request_text({"foo", sixty, sixty, sixty, sixty}).view()),
              "ERR unknown command 'foo', with args beginning with: '" + sixty + "' '" + sixty + "' 'xx' ");
}

TEST(errors_test, quotes_up_to_a_nul_as_the_server_does) {
    EXPECT_EQ(errors::unknown_command(request_text({"foo\0bar"s, "a\0b"s}).view()),
              "ERR unknown command 'foo', with args beginning with: 'a' ");
    EXPECT_EQ(errors::unknown_subcommand(request_text({"config", "fo\0o"s}).view()),
              "ERR unknown subcommand 'fo'. Try CONFIG HELP.");
}

TEST(errors_test, names_the_container_of_an_unknown_subcommand_in_capitals) {
    EXPECT_EQ(errors::unknown_subcommand(request_text({"coNfig", "foo"}).view()),
              "ERR unknown subcommand 'foo'. Try CONFIG HELP.");
    EXPECT_EQ(errors::unknown_subcommand(request_text({"config", std::string(200, 's')}).view()),
              "ERR unknown subcommand '" + std::string(128, 's') + "'. Try CONFIG HELP.");
}

TEST(errors_test, quotes_what_client_commands_do_not_know_as_the_server_does) {
    EXPECT_EQ(errors::subcommand_syntax(request_text({"client", "unBlock"}).view()),
              "ERR unknown subcommand or wrong number of arguments for 'unBlock'. Try CLIENT HELP.");
    EXPECT_EQ(errors::unknown_client_type("fo\0o"s), "ERR Unknown client type 'fo'");
    EXPECT_EQ(errors::no_such_user("fo\0o"s), "ERR No such user 'fo'");
}

TEST(errors_test, names_a_command_with_too_few_arguments_by_its_full_name) {
    command_spec command;
    command.name = "config|get";
    EXPECT_EQ(errors::wrong_arity(command), "ERR wrong number of arguments for 'config|get' command");
}

TEST(errors_test, says_why_a_command_is_refused) {
    command_spec command;
    command.name = "shutdown";
    command.reason = "it would stop the server for everybody";
    EXPECT_EQ(errors::not_permitted(command),
              "NOPERM this user has no permissions to run the 'shutdown' command: it would stop the server "
              "for everybody");
    EXPECT_EQ(errors::upstream_down("connection refused"), "UPSTREAM down: connection refused");
}

}  // namespace
}  // namespace weir
