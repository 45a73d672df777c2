#include "proxy/socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace weir {
namespace {

using namespace std::chrono_literals;

class temporary_folder {
public:
    temporary_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "weir-socket-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category());
        path_ = name;
    }
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

socket_address tcp(const std::string& host, std::uint16_t port = 0) {
    return literal_address({host, port, ""}).value();
}

socket_address unix_socket(const std::string& path) {
    return literal_address({"", 0, path}).value();
}

/// Waits at most ten seconds.
bool wait_for(int descriptor, short events) {
    pollfd waiting{descriptor, events, 0};
    return ::poll(&waiting, 1, 10'000) == 1;
}

int option(int descriptor, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(descriptor, level, name, &value, &size), 0);
    return value;
}

/// A connection over `address`; both ends are non-blocking.
struct connection {
    explicit connection(const socket_address& address) : listening(listen_on(address)) {
        client = start_connecting(local_address(listening.get()).value());
        EXPECT_TRUE(client);
        EXPECT_TRUE(wait_for(listening.get(), POLLIN));
        server.reset(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK));
        EXPECT_TRUE(server);
        EXPECT_TRUE(wait_for(client.get(), POLLOUT));
        EXPECT_EQ(connect_outcome(client.get()), 0);
    }
    file_descriptor listening;
    file_descriptor client;
    file_descriptor server;
};

// ---- addresses
// -----------------------------------------------------------------------------------------------------

TEST(socket_test, understands_literal_addresses_and_localhost_and_no_other_name) {
    EXPECT_EQ(tcp("127.0.0.1", 6379).to_string(), "127.0.0.1:6379");
    EXPECT_EQ(tcp("localhost", 6379).to_string(), "127.0.0.1:6379");
    EXPECT_EQ(tcp("::1", 6379).to_string(), "[::1]:6379");
    EXPECT_EQ(unix_socket("/run/redis.sock").to_string(), "unix:/run/redis.sock");
    for (const std::string name : {"localhost.", "redis", "127.0.0", "127.0.0.256", "[::1]", "", "::1%lo0"}) {
        EXPECT_EQ(literal_address({name, 1, ""}), std::nullopt) << name;
    }
    EXPECT_EQ(literal_address({"", 0, "/" + std::string(200, 'x')}), std::nullopt)
        << "too long for the kernel";
}

// ---- listening
// -----------------------------------------------------------------------------------------------------

TEST(socket_test, listens_on_a_port_of_the_kernels_choice) {
    const file_descriptor listening = listen_on(tcp("127.0.0.1"));
    const auto bound = local_address(listening.get());
    ASSERT_TRUE(bound);
    EXPECT_NE(bound->to_string(), "127.0.0.1:0");
    EXPECT_TRUE(::fcntl(listening.get(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl(listening.get(), F_GETFD) & FD_CLOEXEC);
}

TEST(socket_test, a_second_worker_may_listen_on_the_same_port) {
    const file_descriptor first = listen_on(tcp("127.0.0.1"));
    const socket_address bound = local_address(first.get()).value();
    EXPECT_EQ(local_address(listen_on(bound).get()), bound);
}

TEST(socket_test, a_port_that_somebody_else_holds_throws_with_the_address) {
    const file_descriptor other(::socket(AF_INET, SOCK_STREAM, 0));
    const socket_address any = tcp("127.0.0.1");
    ASSERT_EQ(::bind(other.get(), any.data(), any.size()), 0);
    const socket_address taken = local_address(other.get()).value();
    try {
        (void)listen_on(taken);
        ADD_FAILURE() << "it was taken";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EADDRINUSE);
        EXPECT_NE(std::string(error.what()).find(taken.to_string()), std::string::npos) << error.what();
    }
}

TEST(socket_test, replaces_a_socket_file_that_nobody_answers_on) {
    const temporary_folder folder;
    const socket_address address = unix_socket(folder.file("s"));
    listen_on(address).reset();
    ASSERT_TRUE(std::filesystem::is_socket(folder.file("s"))) << "left behind";
    const connection again(address);
    EXPECT_TRUE(again.server);
}

TEST(socket_test, keeps_a_socket_file_that_somebody_answers_on) {
    const temporary_folder folder;
    const socket_address address = unix_socket(folder.file("s"));
    const file_descriptor alive = listen_on(address);
    EXPECT_THROW((void)listen_on(address), std::system_error);
    const file_descriptor client = start_connecting(address);
    ASSERT_TRUE(client);
    EXPECT_TRUE(wait_for(alive.get(), POLLIN)) << "the first one still gets its clients";
}

TEST(socket_test, keeps_a_socket_file_whose_owner_is_too_busy_to_answer) {
    const temporary_folder folder;
    const socket_address address = unix_socket(folder.file("s"));
    const file_descriptor busy(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(busy.get(), address.data(), address.size()), 0);
    ASSERT_EQ(::listen(busy.get(), 0), 0);
    std::vector<file_descriptor> waiting;
    while (file_descriptor client = start_connecting(address)) waiting.push_back(std::move(client));
    ASSERT_EQ(errno, EAGAIN) << "its queue is full";
    EXPECT_THROW((void)listen_on(address), std::system_error);
    EXPECT_TRUE(std::filesystem::is_socket(folder.file("s")));
}

TEST(socket_test, keeps_a_file_that_is_no_socket) {
    const temporary_folder folder;
    std::ofstream(folder.file("s")) << "precious";
    EXPECT_THROW((void)listen_on(unix_socket(folder.file("s"))), std::system_error);
    std::string text;
    std::ifstream(folder.file("s")) >> text;
    EXPECT_EQ(text, "precious");
}

// ---- connecting
// ----------------------------------------------------------------------------------------------------

TEST(socket_test, connects_over_ipv4_and_unix_sockets) {
    const temporary_folder folder;
    for (const socket_address& address : {tcp("127.0.0.1"), unix_socket(folder.file("s"))}) {
        const connection over(address);
        EXPECT_TRUE(::fcntl(over.client.get(), F_GETFL) & O_NONBLOCK);
        EXPECT_EQ(peer_address(over.client.get()), local_address(over.listening.get()));
    }
}

TEST(socket_test, a_refused_tcp_connection_is_told_by_its_outcome) {
    socket_address gone = tcp("127.0.0.1");
    {
        // Bound but not listening: nobody else can get the port before we try it.
        const file_descriptor silent(::socket(AF_INET, SOCK_STREAM, 0));
        ASSERT_EQ(::bind(silent.get(), gone.data(), gone.size()), 0);
        gone = local_address(silent.get()).value();
        const file_descriptor client = start_connecting(gone);
        if (!client) {
            EXPECT_EQ(errno, ECONNREFUSED);
            return;
        }
        ASSERT_TRUE(wait_for(client.get(), POLLOUT));
        EXPECT_EQ(connect_outcome(client.get()), ECONNREFUSED);
    }
}

TEST(socket_test, connecting_to_a_unix_socket_that_is_not_there_says_why) {
    const temporary_folder folder;
    const file_descriptor client = start_connecting(unix_socket(folder.file("none")));
    const int error = errno;
    EXPECT_FALSE(client);
    EXPECT_EQ(error, ENOENT);
}

TEST(socket_test, tunes_tcp_connections_and_leaves_unix_sockets_alone) {
    const connection over(tcp("127.0.0.1"));
    tune_connection(over.server.get(), 300s);
    EXPECT_TRUE(option(over.server.get(), IPPROTO_TCP, TCP_NODELAY));
    EXPECT_TRUE(option(over.server.get(), SOL_SOCKET, SO_KEEPALIVE));
    EXPECT_EQ(option(over.server.get(), IPPROTO_TCP, TCP_KEEPIDLE), 300);
    EXPECT_EQ(option(over.server.get(), IPPROTO_TCP, TCP_KEEPINTVL), 100);
    EXPECT_EQ(option(over.server.get(), IPPROTO_TCP, TCP_KEEPCNT), 3);
    tune_connection(over.client.get(), 0s);
    EXPECT_TRUE(option(over.client.get(), IPPROTO_TCP, TCP_NODELAY));
    EXPECT_FALSE(option(over.client.get(), SOL_SOCKET, SO_KEEPALIVE));
    const temporary_folder folder;
    const connection local(unix_socket(folder.file("s")));
    tune_connection(local.server.get(), 300s);
    EXPECT_EQ(send_some(local.server.get(), "x").status, io_status::ok);
}

// ---- bytes
// ---------------------------------------------------------------------------------------------------------

TEST(socket_test, receives_what_was_sent_then_would_block_then_sees_the_end) {
    connection over(tcp("127.0.0.1"));
    std::array<char, 10> room{};
    EXPECT_EQ(receive(over.server.get(), room.data(), room.size()).status, io_status::would_block);
    ASSERT_EQ(send_some(over.client.get(), "hello").bytes, 5u);
    ASSERT_TRUE(wait_for(over.server.get(), POLLIN));
    const io_result received = receive(over.server.get(), room.data(), room.size());
    EXPECT_EQ(received.status, io_status::ok);
    EXPECT_EQ(std::string_view(room.data(), received.bytes), "hello");
    over.client.reset();
    ASSERT_TRUE(wait_for(over.server.get(), POLLIN));
    const io_result end = receive(over.server.get(), room.data(), room.size());
    EXPECT_EQ(end.status, io_status::ok);
    EXPECT_EQ(end.bytes, 0u);
}

TEST(socket_test, sends_part_of_what_the_other_end_does_not_take_and_then_would_block) {
    const temporary_folder folder;
    const connection over(unix_socket(folder.file("s")));
    const std::string much(64 << 20, 'x');
    const io_result first = send_some(over.client.get(), much);
    EXPECT_EQ(first.status, io_status::ok);
    EXPECT_LT(first.bytes, much.size());
    io_result last = first;
    while (last.status == io_status::ok) last = send_some(over.client.get(), much);
    EXPECT_EQ(last.status, io_status::would_block);
    EXPECT_EQ(last.bytes, 0u);
}

TEST(socket_test, sending_to_who_is_gone_is_an_error_and_no_signal) {
    const temporary_folder folder;
    connection over(unix_socket(folder.file("s")));
    over.server.reset();
    const io_result result = send_some(over.client.get(), "x");
    EXPECT_EQ(result.status, io_status::closed);
    EXPECT_EQ(result.error, EPIPE);
}

TEST(socket_test, raises_the_limit_of_open_files_to_the_hard_one) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit low = before;
    low.rlim_cur = std::min<rlim_t>(256, before.rlim_max);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace weir
