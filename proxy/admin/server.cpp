#include "proxy/admin/server.hpp"

#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <set>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include "proxy/admin/breaker_pages.hpp"
#include "proxy/admin/health.hpp"
#include "proxy/admin/metrics.hpp"
#include "proxy/logging.hpp"

namespace weir {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace {

using error_code = boost::system::error_code;
using stream_protocol = asio::generic::stream_protocol;
using acceptor_type = asio::basic_socket_acceptor<stream_protocol>;
using stream_type = beast::basic_stream<stream_protocol>;
constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

struct route_row {
    std::string_view path;
    admin_page (*page)(const admin_state&);
};

constexpr std::array routes{
    route_row{"/livez", livez_page},
    route_row{"/readyz", readyz_page},
    route_row{"/health", health_page},
    route_row{"/metrics", metrics_page},
    route_row{"/breaker", breaker_page},
};

constexpr const char* text_type = "text/plain; charset=utf-8";

admin_page plain(unsigned status, std::string body) {
    return {status, text_type, std::move(body)};
}

/// What changes something. A page of some web site could make a browser on this host send such a request, which then says
/// where it comes from; no operator's tool does.
admin_page operate(const http::request<http::empty_body>& request, const breaker_action& action, const admin_state& state) {
    if (request.method() != http::verb::post) return {405, text_type, "only POST\n", "POST"};
    if (request.count(http::field::origin) != 0) return plain(403, "not for web pages\n");
    return operate_page(state, action);
}

admin_page answer(const http::request<http::empty_body>& request, const admin_state& state) {
    constexpr std::string_view actions = "/breaker/";
    const http::verb method = request.method();
    const std::string_view target(request.target().data(), request.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    if (path.starts_with(actions)) {
        const breaker_action* const action = find_breaker_action(path.substr(actions.size()));
        if (action != nullptr) return operate(request, *action, state);
    }
    for (const route_row& route : routes) {
        if (route.path != path) continue;
        if (method == http::verb::get || method == http::verb::head) return route.page(state);
        return plain(405, "only GET and HEAD\n");
    }
    std::string known = "not found; there are:";
    for (const route_row& route : routes) known.append(" ").append(route.path);
    known.append("; and with POST:");
    for (const std::string_view name : breaker_action_names) known.append(" ").append(actions).append(name);
    return plain(404, known + '\n');
}

/// What a request that could not be read gets; status 0: nothing but the end.
admin_page refusal(const error_code& error) {
    if (error == http::error::header_limit) return plain(431, "the request's header is too large\n");
    if (error == http::error::body_limit || error == http::error::unexpected_body) {
        return plain(413, "a request has no body here\n");
    }
    const bool malformed = error.category() == make_error_code(http::error::bad_method).category() &&
                           error != http::error::end_of_stream && error != http::error::partial_message;
    return malformed ? plain(400, "bad request\n") : plain(0, {});
}

http::response<http::string_body> to_response(admin_page page, unsigned version, bool keep_alive) {
    http::response<http::string_body> response{http::int_to_status(page.status), version};
    response.set(http::field::content_type, page.content_type);
    response.set(http::field::cache_control, "no-store");
    if (page.status == 405) response.set(http::field::allow, page.allow);
    response.keep_alive(keep_alive);
    response.body() = std::move(page.body);
    response.prepare_payload();
    return response;
}

/// A socket file that nobody listens on any more is in the way; one that somebody does is theirs.
void remove_stale_socket(asio::io_context& context, const std::string& path) {
    asio::local::stream_protocol::socket socket(context);
    error_code error;
    socket.connect(asio::local::stream_protocol::endpoint(path), error);
    if (error == asio::error::connection_refused) ::unlink(path.c_str());
}

stream_protocol::endpoint to_bind_to(asio::io_context& context, const endpoint& bind) {
    if (bind.is_unix()) {
        remove_stale_socket(context, bind.unix_path);
        return asio::local::stream_protocol::endpoint(bind.unix_path);
    }
    asio::ip::tcp::resolver resolver(context);
    const auto found =
        resolver.resolve(bind.host, std::to_string(bind.port), asio::ip::resolver_base::passive);
    return found.begin()->endpoint();
}

acceptor_type listen(asio::io_context& context, const endpoint& bind) try {
    const auto where = to_bind_to(context, bind);
    acceptor_type acceptor(context, where.protocol());
    if (!bind.is_unix()) acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(where);
    acceptor.listen();
    return acceptor;
} catch (const boost::system::system_error& error) {
    throw std::runtime_error("the admin listener cannot listen on " + bind.to_string() + ": " +
                             error.code().message());
}

}  // namespace

/// Shared with its coroutines, which end after `stop`.
class admin_server::listener : public std::enable_shared_from_this<listener> {
public:
    listener(asio::io_context& context, const endpoint& bind, const admin_state& state, admin_limits limits)
        : context_(context),
          state_(state),
          limits_(limits),
          acceptor_(listen(context, bind)),
          pause_(context) {
        if (bind.is_unix()) unix_path_ = bind.unix_path;
    }

    void start() {
        asio::co_spawn(context_, accept(shared_from_this()), rethrow);
        log_info("admin listening", {{"address", address()}});
    }

    void stop() {
        if (std::exchange(stopped_, true)) return;
        error_code ignored;
        acceptor_.close(ignored);
        pause_.cancel();
        for (stream_type* stream : streams_) stream->close();
        if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
    }

    [[nodiscard]] std::string address() const {
        if (!unix_path_.empty()) return "unix:" + unix_path_;
        error_code error;
        const auto local = acceptor_.local_endpoint(error);
        const auto address = socket_address::from(local.data(), local.size());
        return error || !address ? std::string{} : address->to_string();
    }

private:
    static void rethrow(const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
    }

    static asio::awaitable<void> accept(std::shared_ptr<listener> self) {
        while (!self->stopped_) {
            auto [error, socket] = co_await self->acceptor_.async_accept(as_values);
            if (self->stopped_) break;
            if (error) {
                // Out of descriptors, most likely: it would fail again at once.
                self->pause_.expires_after(std::chrono::milliseconds{100});
                co_await self->pause_.async_wait(as_values);
            } else if (self->streams_.size() < self->limits_.max_connections) {
                asio::co_spawn(self->context_, serve(self, stream_type(std::move(socket))), rethrow);
            }
        }
    }

    static asio::awaitable<void> serve(std::shared_ptr<listener> self, stream_type stream) {
        self->streams_.insert(&stream);
        beast::flat_buffer buffer(2 * self->limits_.max_header_bytes);
        while (!self->stopped_ && co_await self->exchange(stream, buffer)) {
        }
        self->streams_.erase(&stream);
        error_code ignored;
        stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    }

    /// One request and its answer. False when the connection ends with it.
    asio::awaitable<bool> exchange(stream_type& stream, beast::flat_buffer& buffer) {
        http::request_parser<http::empty_body> parser;
        parser.header_limit(static_cast<std::uint32_t>(limits_.max_header_bytes));
        parser.body_limit(0);
        stream.expires_after(limits_.timeout);
        auto [error, size] = co_await http::async_read(stream, buffer, parser, as_values);
        const auto& request = parser.get();
        const bool keep_alive = !error && request.keep_alive();
        admin_page page = error ? refusal(error) : answer(request, state_);
        if (page.status == 0) co_return false;
        auto response = to_response(std::move(page), error ? 11 : request.version(), keep_alive);
        if (request.method() == http::verb::head) response.body().clear();  // its length stays
        stream.expires_after(limits_.timeout);
        std::tie(error, size) = co_await http::async_write(stream, response, as_values);
        co_return !error && keep_alive;
    }

    asio::io_context& context_;
    const admin_state& state_;
    admin_limits limits_;
    acceptor_type acceptor_;
    asio::steady_timer pause_;
    std::string unix_path_;
    std::set<stream_type*> streams_;  ///< of the connections being served; each removes itself
    bool stopped_ = false;
};

admin_server::admin_server(asio::io_context& context, const endpoint& bind, const admin_state& state,
                           admin_limits limits)
    : listener_(std::make_shared<listener>(context, bind, state, limits)) {}

admin_server::~admin_server() {
    stop();
}

void admin_server::start() {
    listener_->start();
}

void admin_server::stop() {
    listener_->stop();
}

std::string admin_server::address() const {
    return listener_->address();
}

}  // namespace weir
