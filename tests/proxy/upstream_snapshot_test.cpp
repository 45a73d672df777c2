#include "proxy/upstream/upstream_snapshot.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <initializer_list>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// As Redis 7.0.15 says it, with what tenants may not see marked.
constexpr std::string_view server_says =
    "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nos:Linux\r\nprocess_id:4711\r\n"
    "run_id:SECRET\r\ntcp_port:6379\r\nuptime_in_seconds:12\r\nconfig_file:/etc/SECRET\r\n\r\n"
    "# "
    "Clients\r\nconnected_clients:99\r\nmaxclients:10000\r\nblocked_clients:7\r\ntracking_clients:"
    "SECRET\r\n\r\n"
    "# Memory\r\nused_memory:SECRET\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\r\n"
    "# Persistence\r\nloading:0\r\nasync_loading:0\r\nrdb_saves:SECRET\r\n\r\n"
    "# Stats\r\ntotal_commands_processed:SECRET\r\n\r\n"
    "# Replication\r\nrole:slave\r\nmaster_host:SECRET\r\nconnected_slaves:2\r\nslave0:ip=SECRET\r\n\r\n"
    "# CPU\r\nused_cpu_sys:SECRET\r\n\r\n"
    "# Modules\r\nmodule:name=SECRET\r\n\r\n"
    "# Errorstats\r\nerrorstat_ERR:count=SECRET\r\n\r\n"
    "# Cluster\r\ncluster_enabled:0\r\n\r\n"
    "# Keyspace\r\ndb0:keys=SECRET\r\n"
    "# Future\r\nnew_field:SECRET\r\n";

std::string info(std::initializer_list<std::string_view> sections, std::string_view says = server_says,
                 tenant_view view = {.connected_clients = 3}) {
    upstream_snapshot snapshot;
    snapshot.info = parse_info(says);
    return tenant_info(snapshot, {sections.begin(), sections.size()}, view);
}

TEST(tenant_info, is_what_redis_prints_by_default_less_what_others_do) {
    EXPECT_EQ(
        info({}),
        "# "
        "Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nos:Linux\r\nuptime_in_seconds:12\r\n\r\n"
        "# "
        "Clients\r\nconnected_clients:3\r\ncluster_connections:0\r\nmaxclients:10000\r\nblocked_clients:0\r\n"
        "tracking_clients:0\r\npubsub_clients:0\r\n\r\n"
        "# "
        "Memory\r\nused_memory:0\r\nused_memory_human:0B\r\nmaxmemory:0\r\nmaxmemory_policy:"
        "noeviction\r\n\r\n"
        "# "
        "Persistence\r\nloading:0\r\nasync_loading:0\r\nrdb_bgsave_in_progress:0\r\naof_rewrite_in_progress:"
        "0\r\n\r\n"
        "# Stats\r\ntotal_connections_received:0\r\ntotal_commands_processed:0\r\ntotal_net_input_bytes:0\r\n"
        "total_net_output_bytes:0\r\npubsub_channels:0\r\npubsub_patterns:0\r\n\r\n"
        "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n\r\n"
        "# CPU\r\n\r\n# Modules\r\n\r\n# Errorstats\r\n\r\n"
        "# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n");
    EXPECT_EQ(info({}), info({"default"}));
}

TEST(tenant_info, shows_no_field_that_is_not_listed_in_any_section) {
    for (const std::string_view section :
         {"default", "all", "everything", "server", "stats", "modules", "future", "keyspace", "commandstats",
          "replication", "errorstats", "clients", "memory", "cpu"}) {
        EXPECT_THAT(info({section}), Not(HasSubstr("SECRET"))) << section;
    }
}

TEST(tenant_info, chooses_sections_as_redis_does) {
    EXPECT_EQ(info({"cluster"}), "# Cluster\r\ncluster_enabled:0\r\n");
    EXPECT_EQ(info({"CLUSTER"}), info({"cluster"}));
    EXPECT_EQ(info({"keyspace", "cpu", "nosuch", "cpu"}), "# CPU\r\n\r\n# Keyspace\r\n");
    EXPECT_EQ(info({"nosuch"}), "");
    EXPECT_EQ(info({"module_list"}), "# Modules\r\n");
    EXPECT_THAT(info({"all"}),
                HasSubstr("# Commandstats\r\n\r\n# Errorstats\r\n\r\n# Latencystats\r\n\r\n# Cluster"));
    EXPECT_EQ(info({"everything"}), info({"all"}));
    EXPECT_EQ(info({"default", "commandstats"}).find("# Latencystats"), std::string::npos);
}

TEST(tenant_info, keeps_what_clients_wait_for_when_the_server_did_not_say_it) {
    EXPECT_THAT(info({"persistence"}, ""), StartsWith("# Persistence\r\nloading:0\r\n"));
    EXPECT_EQ(info({"cluster"}, ""), "# Cluster\r\ncluster_enabled:0\r\n");
    EXPECT_THAT(info({"persistence"}, "# Persistence\r\nloading:1\r\n"),
                StartsWith("# Persistence\r\nloading:1\r\n"));
}

TEST(tenant_info, shows_the_limit_of_weir_when_there_is_one) {
    EXPECT_THAT(info({"clients"}, server_says, {.connected_clients = 3, .max_clients = 50}),
                HasSubstr("maxclients:50\r\n"));
}

TEST(tenant_info, counts_what_the_tenant_does) {
    tenant_view view;
    view.blocked_clients = 11;
    view.tracking_clients = 12;
    view.pubsub_clients = 13;
    view.channels = 14;
    view.patterns = 15;
    view.connections_total = 16;
    view.commands_total = 17;
    view.received_bytes = 18;
    view.sent_bytes = 19;
    const std::string all = info({}, server_says, view);
    for (const auto* line :
         {"blocked_clients:11", "tracking_clients:12", "pubsub_clients:13", "pubsub_channels:14",
          "pubsub_patterns:15", "total_connections_received:16", "total_commands_processed:17",
          "total_net_input_bytes:18", "total_net_output_bytes:19"}) {
        EXPECT_THAT(all, HasSubstr("\n" + std::string(line) + "\r\n"));
    }
}

TEST(tenant_info, has_every_field_that_client_libraries_own_tests_look_for) {
    const std::string all =
        info({}, std::string(server_says) + "# Server\r\narch_bits:64\r\nuptime_in_days:0\r\n");
    for (const auto* name :
         {"redis_version", "arch_bits", "uptime_in_seconds", "uptime_in_days", "connected_clients",
          "connected_slaves", "used_memory", "total_connections_received", "total_commands_processed", "role",
          "loading", "cluster_enabled", "blocked_clients", "maxmemory_policy", "redis_mode"}) {
        EXPECT_THAT(all, HasSubstr("\n" + std::string(name) + ":"));
    }
}

TEST(shown_settings, hold_no_secret_and_no_place) {
    for (const auto name : shown_settings()) {
        for (const auto* part :
             {"pass", "auth", "acl", "tls", "dir", "file", "bind", "port", "socket", "replica", "master"}) {
            EXPECT_EQ(name.find(part), std::string_view::npos) << name;
        }
    }
    EXPECT_GT(shown_settings().size(), 30u);
}

TEST(parse_info, takes_anything) {
    EXPECT_TRUE(parse_info("").empty());
    EXPECT_TRUE(parse_info("a:b\r\nno header").empty());
    const auto parsed = parse_info("# A\nx:1:2\nnonsense\r\n\r\n# ");
    ASSERT_EQ(parsed.count("a"), 1u);
    EXPECT_EQ(parsed.at("a"), (std::vector<info_field>{{"x", "1:2"}}));
}

TEST(upstream_snapshot, begins_disconnected_with_the_built_in_commands) {
    const upstream_snapshot snapshot;
    EXPECT_FALSE(snapshot.connected);
    EXPECT_FALSE(snapshot.reason.empty());
    EXPECT_EQ(snapshot.commands, command_table::built_in());
    EXPECT_EQ(snapshot.server_version(), "");
}

TEST(socket_address, spells_each_family_as_the_configuration_does) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(6379);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(socket_address::from(reinterpret_cast<const sockaddr*>(&v4), sizeof v4)->to_string(),
              "127.0.0.1:6379");
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(1);
    v6.sin6_addr = in6addr_loopback;
    EXPECT_EQ(socket_address::from(reinterpret_cast<const sockaddr*>(&v6), sizeof v6)->to_string(),
              "[::1]:1");
    EXPECT_EQ(socket_address::unix_path("/run/redis.sock")->to_string(), "unix:/run/redis.sock");
    EXPECT_FALSE(socket_address::unix_path(std::string(200, 'x')));
    EXPECT_FALSE(socket_address::from(nullptr, 16));
}

}  // namespace
}  // namespace weir
