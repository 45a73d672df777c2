#include "proxy/client_facts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;

TEST(client_line, has_the_fields_of_redis_in_its_order) {
    client_facts client;
    client.id = 7;
    client.address = "127.0.0.1:4711";
    client.local_address = "127.0.0.1:6379";
    client.descriptor = 12;
    client.name = "worker";
    client.age = std::chrono::seconds(100);
    client.idle = std::chrono::seconds(3);
    client.database = 9;
    client.command = "client|list";
    client.library_name = "redis-py";
    client.library_version = "5.0.1";
    client.version = resp_version::resp3;
    EXPECT_EQ(
        client_line(client),
        "id=7 addr=127.0.0.1:4711 laddr=127.0.0.1:6379 fd=12 name=worker age=100 idle=3 flags=N db=9 sub=0 "
        "psub=0 "
        "ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 "
        "events=r cmd=client|list user=default redir=-1 resp=3 lib-name=redis-py lib-ver=5.0.1\n");
}

TEST(client_line, shows_the_state_of_the_connection) {
    client_facts client;
    client.subscriber = client.blocked = client.tracking = client.broken_redirection = client.broadcast =
        true;
    client.watch_failed = client.closing = client.by_unix_socket = client.no_evict = client.no_touch = true;
    client.queued_commands = 2;
    client.channels = 3;
    client.patterns = 4;
    client.shard_channels = 5;
    client.unread_bytes = 6;
    client.unread_room_bytes = 7;
    client.queued_bytes = 8;
    client.unsent_bytes = 9;
    client.total_bytes = 10;
    client.redirection = 11;
    client.wants_to_write = true;
    client.user = "app";
    const std::string line = client_line(client);
    for (const auto* part :
         {" flags=PxbtRBdcUeT ", " sub=3 psub=4 ssub=5 multi=2 qbuf=6 qbuf-free=7 ", " multi-mem=8 ",
          " omem=9 tot-mem=10 ", " events=rw cmd=NULL user=app redir=11 resp=2 lib-name= lib-ver=\n"}) {
        EXPECT_THAT(line, HasSubstr(part));
    }
}

}  // namespace
}  // namespace weir
