#include "proxy/admin/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "proxy/admin/breaker_pages.hpp"
#include "proxy/admin/server.hpp"

namespace weir {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

std::shared_ptr<upstream_snapshot> answering_upstream() {
    auto upstream = std::make_shared<upstream_snapshot>();
    upstream->connected = true;
    upstream->reason.clear();
    upstream->info = parse_info("# Server\r\nredis_version:7.0.15\r\n");
    upstream->ping = 1'500us;
    return upstream;
}

TEST(readyz, says_why_not) {
    admin_state state;
    EXPECT_EQ(readyz_page(state).status, 503u);
    EXPECT_EQ(readyz_page(state).body, "starting\n");
    state.ready = true;
    EXPECT_EQ(readyz_page(state).status, 200u);
    state.draining = true;
    EXPECT_EQ(readyz_page(state).status, 503u);
    EXPECT_EQ(readyz_page(state).body, "draining\n");
    EXPECT_EQ(livez_page(state).status, 200u);
}

TEST(health, is_healthy_with_an_upstream_that_answers) {
    worker_counters worker;
    const auto acme = std::make_shared<tenant_account>(std::make_shared<const tenant>("acme", tenant_options{}), 1, nullptr);
    acme->counters(0).connections.add(2);
    worker.shared_connections.add();
    admin_state state;
    state.version = "0.1.0";
    state.accounts = [&acme] { return std::vector{acme}; };
    state.workers = {&worker};
    state.ready = true;
    state.snapshot = answering_upstream;
    const admin_page page = health_page(state);
    const json::object body = json::parse(page.body).as_object();
    EXPECT_EQ(page.status, 200u);
    EXPECT_EQ(body.at("status").as_string(), "healthy");
    EXPECT_EQ(body.at("version").as_string(), "0.1.0");
    EXPECT_TRUE(body.at("uptime").is_int64());
    EXPECT_EQ(body.at("connections").as_int64(), 2);
    EXPECT_EQ(body.at("pool").at("shared").as_int64(), 1);
    EXPECT_EQ(body.at("redis").at("version").as_string(), "7.0.15");
    EXPECT_EQ(body.at("redis").at("latency_ms").as_double(), 1.5);
    EXPECT_TRUE(body.at("redis").at("reason").is_null());
    EXPECT_FALSE(body.at("draining").as_bool());
    state.draining = true;
    EXPECT_EQ(json::parse(health_page(state).body).at("status").as_string(), "degraded");
}

TEST(health, is_down_without_an_upstream_and_says_why_in_valid_json) {
    admin_state state;
    state.ready = true;
    state.snapshot = [] {
        auto upstream = std::make_shared<upstream_snapshot>();
        upstream->reason = "ERR \xff\n\"";
        return upstream;
    };
    const admin_page page = health_page(state);
    EXPECT_EQ(page.status, 503u);
    EXPECT_EQ(json::parse(page.body).at("status").as_string(), "down");
    EXPECT_EQ(json::parse(page.body).at("redis").at("reason").as_string(), "ERR ?\n\"");
}

TEST(health, shows_latencies_where_they_are_known) {
    admin_state state;
    state.ready = true;
    auto upstream = answering_upstream();
    upstream->set = 250us;
    upstream->fault = "READONLY no";
    state.snapshot = [&] { return upstream; };
    const json::object body = json::parse(health_page(state).body).as_object();
    EXPECT_EQ(body.at("redis").at("latency").at("ping").as_double(), 1.5);
    EXPECT_EQ(body.at("redis").at("latency").at("set").as_double(), 0.25);
    EXPECT_TRUE(body.at("redis").at("latency").at("get").is_null());
    EXPECT_EQ(body.at("redis").at("reason").as_string(), "READONLY no");
    EXPECT_EQ(body.at("status").as_string(), "degraded");
    EXPECT_EQ(body.at("reason").as_string(), "READONLY no");
}

TEST(health, shows_neither_breaker_nor_fallback_where_there_is_none) {
    admin_state state;
    const json::object body = json::parse(health_page(state).body).as_object();
    EXPECT_TRUE(body.at("circuitBreaker").is_null());
    EXPECT_TRUE(body.at("fallback").is_null());
    EXPECT_EQ(breaker_page(state).status, 404u);
    EXPECT_EQ(json::parse(breaker_page(state).body).at("error").as_string(), "no breaker is configured");
    EXPECT_EQ(operate_page(state, *find_breaker_action("reset")).status, 404u);
}

TEST(health, shows_breaker_and_fallback) {
    breaker circuit{breaker_options{}};
    admin_state state;
    state.ready = true;
    state.circuit = &circuit;
    std::string_view store = "memory";
    state.fallback = [&] {
        fallback_numbers numbers;
        numbers.memory_keys = 7;
        numbers.store = store;
        numbers.journal_operations = 3;
        numbers.replaying = true;
        return numbers;
    };
    const auto now = std::chrono::steady_clock::now();
    circuit.succeed(1, 0, now);
    EXPECT_TRUE(json::parse(breaker_page(state).body).at("openedAt").is_null());
    for (int i = 0; i < 4; ++i) circuit.fail(breaker_failure::timeout, now);
    const admin_page page = health_page(state);
    EXPECT_EQ(page.status, 200u);
    const json::object body = json::parse(page.body).as_object();
    EXPECT_EQ(body.at("status").as_string(), "degraded");
    const json::object shown = body.at("circuitBreaker").as_object();
    EXPECT_EQ(shown.at("state").as_string(), "open");
    EXPECT_EQ(shown.at("mode").as_string(), "enforce");
    EXPECT_EQ(shown.at("reason").as_string(), "4 of 5 calls failed in 10s");
    EXPECT_EQ(shown.at("calls").to_number<int>(), 5);
    EXPECT_EQ(shown.at("failures").to_number<int>(), 4);
    EXPECT_EQ(shown.at("slow").to_number<int>(), 0);
    EXPECT_EQ(shown.at("consecutiveFailures").to_number<int>(), 4);
    EXPECT_EQ(shown.at("successes").to_number<int>(), 0);
    EXPECT_EQ(shown.at("openedAt").as_string().size(), std::string_view("2026-11-21T17:42:00Z").size());
    EXPECT_GT(shown.at("retryInMs").to_number<int>(), 20'000);
    const json::object fallback = body.at("fallback").as_object();
    EXPECT_EQ(fallback.at("store").as_string(), "memory");
    EXPECT_EQ(fallback.at("memory").at("keys").to_number<int>(), 7);
    EXPECT_EQ(fallback.at("journal").at("operations").to_number<int>(), 3);
    EXPECT_TRUE(fallback.at("journal").at("replaying").as_bool());
    store = "none";
    EXPECT_EQ(json::parse(health_page(state).body).at("fallback").at("store").as_string(), "none");
    circuit.reset(now, "me");
    EXPECT_EQ(json::parse(health_page(state).body).at("fallback").at("store").as_string(), "redis");
}

/// A server on a port of its own, run by a thread that stands in for the control thread.
class admin_server_test : public testing::Test {
protected:
    admin_server_test() { state_.ready = true; }
    ~admin_server_test() override {
        context_.stop();
        if (thread_.joinable()) thread_.join();
    }

    void serve(admin_limits limits = {}, endpoint bind = {"127.0.0.1", 0, ""}) {
        server_ = std::make_unique<admin_server>(context_, bind, state_, limits);
        server_->start();
        thread_ = std::thread([this] { context_.run(); });
    }

    asio::ip::tcp::socket connect() {
        const std::string address = server_->address();
        const auto port = std::stoi(address.substr(address.rfind(':') + 1));
        asio::ip::tcp::socket socket(client_context_);
        socket.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
        return socket;
    }

    /// Everything that comes back until the server closes.
    template <class Socket>
    static std::string exchange(Socket socket, const std::string& request) {
        boost::system::error_code ignored;
        asio::write(socket, asio::buffer(request), ignored);
        std::string reply;
        asio::read(socket, asio::dynamic_buffer(reply), ignored);
        return reply;
    }
    std::string get(const std::string& line) {
        return exchange(connect(), line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }

    admin_state state_;
    asio::io_context context_{1};
    asio::io_context client_context_{1};
    std::unique_ptr<admin_server> server_;
    std::thread thread_;
};

TEST_F(admin_server_test, answers_each_path) {
    serve();
    EXPECT_THAT(get("GET /livez"), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(get("GET /readyz?verbose"), HasSubstr("\r\n\r\nok\n"));
    EXPECT_THAT(get("GET /health"), HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_THAT(get("GET /metrics"), HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    state_.draining = true;
    EXPECT_THAT(get("GET /readyz"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(admin_server_test, refuses_other_paths_methods_and_bodies) {
    serve();
    EXPECT_THAT(get("GET /"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(get("GET /metricsx"), HasSubstr("not found; there are: /livez"));
    EXPECT_THAT(get("POST /health"), StartsWith("HTTP/1.1 405 "));
    EXPECT_THAT(get("DELETE /health"), HasSubstr("Allow: GET, HEAD\r\n"));
    EXPECT_THAT(exchange(connect(), "GET /livez HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
                StartsWith("HTTP/1.1 413 "));
}

TEST_F(admin_server_test, operates_the_breaker) {
    breaker circuit{breaker_options{}};
    state_.circuit = &circuit;
    serve();
    EXPECT_THAT(get("GET /breaker"), HasSubstr("{\"state\":\"closed\","));
    EXPECT_THAT(get("POST /breaker/force-open"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\"state\":\"forced_open\"")));
    EXPECT_EQ(circuit.state(), breaker_state::forced_open);
    EXPECT_THAT(get("POST /breaker/disable?x"), HasSubstr("\"state\":\"disabled\""));
    EXPECT_THAT(get("POST /breaker/dry-run"), HasSubstr("\"mode\":\"dry_run\""));
    EXPECT_THAT(get("POST /breaker/reset"), HasSubstr("\"reason\":\"reset by the admin listener\""));
    EXPECT_EQ(circuit.numbers(std::chrono::steady_clock::now()).mode, breaker_mode::enforce);
}

TEST_F(admin_server_test, does_nothing_to_the_breaker_for_who_only_looks_or_is_a_web_page) {
    breaker circuit{breaker_options{}};
    state_.circuit = &circuit;
    serve();
    EXPECT_THAT(get("GET /breaker/force-open"), AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST\r\n")));
    EXPECT_THAT(get("HEAD /breaker/force-open"), StartsWith("HTTP/1.1 405 "));
    EXPECT_THAT(get("POST /breaker"), AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
    EXPECT_THAT(get("POST /breaker/"), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("POST: /breaker/force-open")));
    EXPECT_THAT(get("POST /breaker/open"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(exchange(connect(), "POST /breaker/force-open HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nConnection: close\r\n\r\n"),
                StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(circuit.state(), breaker_state::closed);
}

TEST_F(admin_server_test, answers_head_with_the_length_alone) {
    serve();
    const std::string reply = get("HEAD /livez");
    EXPECT_THAT(reply, HasSubstr("Content-Length: 3\r\n"));
    EXPECT_TRUE(reply.ends_with("\r\n\r\n"));
}

TEST_F(admin_server_test, keeps_a_connection_for_more_requests) {
    serve();
    const std::string one = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string last = "HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const std::string reply = exchange(connect(), one + one + last);
    std::size_t replies = 0;
    for (std::size_t at = 0; (at = reply.find("HTTP/1.1 200", at)) != std::string::npos; ++at) ++replies;
    EXPECT_EQ(replies, 3u);
}

TEST_F(admin_server_test, survives_what_is_no_request) {
    serve();
    EXPECT_THAT(exchange(connect(), std::string("\x16\x03\x01\x02\0\x01\xff", 7) + "\r\n\r\n"),
                StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(exchange(connect(), "GET /livez HTTP/1.1\r\nX: " + std::string(100'000, 'x')),
                testing::AnyOf(StartsWith("HTTP/1.1 431 "), testing::IsEmpty()));
    EXPECT_THAT(get("GET /livez"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(admin_server_test, cuts_off_who_says_nothing) {
    serve({.max_connections = 4, .timeout = 20ms});
    auto silent = connect();
    char byte = 0;
    boost::system::error_code error;
    asio::read(silent, asio::buffer(&byte, 1), error);  // returns because the server closes
    EXPECT_TRUE(error);
}

TEST_F(admin_server_test, closes_connections_over_its_limit) {
    serve({.max_connections = 1});
    auto first = connect();
    asio::write(first, asio::buffer(std::string("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")));
    std::string reply;
    asio::read_until(first, asio::dynamic_buffer(reply), "ok\n");
    EXPECT_EQ(get("GET /livez"), "");
}

TEST_F(admin_server_test, listens_on_a_unix_socket_and_takes_it_over_when_stale) {
    std::string folder = (std::filesystem::temp_directory_path() / "weir-admin-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/admin.sock";
    {  // leaves its file behind
        asio::local::stream_protocol::acceptor gone(client_context_,
                                                    asio::local::stream_protocol::endpoint(path));
    }
    serve({}, {"", 0, path});
    EXPECT_EQ(server_->address(), "unix:" + path);
    asio::local::stream_protocol::socket socket(client_context_);
    socket.connect(asio::local::stream_protocol::endpoint(path));
    EXPECT_THAT(exchange(std::move(socket), "GET /livez HTTP/1.0\r\n\r\n"), HasSubstr("200 OK"));
    std::filesystem::remove_all(folder);
}

TEST_F(admin_server_test, says_what_it_could_not_listen_on) {
    serve();
    const std::string address = server_->address();
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    try {
        admin_server second(context_, {"127.0.0.1", port, ""}, state_);
        FAIL() << "two servers on one port";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr(address));
    }
}

}  // namespace
}  // namespace weir
