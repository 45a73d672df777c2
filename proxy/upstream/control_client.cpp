#include "proxy/upstream/control_client.hpp"

#include <hiredis/hiredis.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <climits>
#include <cstring>
#include <new>
#include <utility>

namespace weir {
namespace asio = boost::asio;
namespace {

using error_code = boost::system::error_code;
constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

/// One reply's share of memory, whatever the server sends: COMMAND of a server with many modules stays far
/// below.
constexpr std::size_t max_reply_bytes = std::size_t{32} << 20;
constexpr std::size_t max_reply_elements = 500'000;

/// hiredis' reader, building control_reply values. The tree is built in place: hiredis hands back the
/// parent's pointer for every element, and a parent's vector does not grow while its last element is still
/// being read, so the pointers of the arrays on the current path stay valid.
class reply_decoder {
public:
    enum class state : std::uint8_t { need_more, done, failed };

    reply_decoder() : reader_(::redisReaderCreateWithFunctions(&functions())) {
        if (!reader_) throw std::bad_alloc();
        reader_->privdata = this;
    }

    [[nodiscard]] bool feed(const char* bytes, std::size_t size) {
        fed_bytes_ += size;
        return fed_bytes_ <= max_reply_bytes && ::redisReaderFeed(reader_.get(), bytes, size) == REDIS_OK;
    }

    [[nodiscard]] state next(control_reply& out) {
        void* root = nullptr;
        if (::redisReaderGetReply(reader_.get(), &root) != REDIS_OK) return state::failed;
        if (root == nullptr) return state::need_more;
        const std::unique_ptr<control_reply> owned(static_cast<control_reply*>(root));
        out = std::move(*owned);
        fed_bytes_ = 0;
        elements_ = 0;
        return state::done;
    }
    /// Nothing stands behind what was decoded.
    [[nodiscard]] bool is_drained() const { return reader_->pos == reader_->len; }

private:
    struct reader_deleter {
        void operator()(redisReader* reader) const noexcept { ::redisReaderFree(reader); }
    };

    /// nullptr makes hiredis report that it is out of memory, and free the root.
    static void* create(const redisReadTask* task, control_reply::kind type, std::string_view text,
                        long long integer) noexcept try {
        auto& self = *static_cast<reply_decoder*>(task->privdata);
        if (++self.elements_ > max_reply_elements) return nullptr;
        control_reply made{type, std::string(text), integer, {}};
        if (task->parent == nullptr) return new control_reply(std::move(made));
        auto& siblings = static_cast<control_reply*>(task->parent->obj)->elements;
        siblings.push_back(std::move(made));
        return &siblings.back();
    } catch (const std::bad_alloc&) {
        return nullptr;
    }

    static void* create_string(const redisReadTask* task, char* text, std::size_t size) noexcept {
        const auto type = task->type == REDIS_REPLY_ERROR    ? control_reply::kind::error
                          : task->type == REDIS_REPLY_STATUS ? control_reply::kind::status
                                                             : control_reply::kind::string;
        return create(task, type, {text, size}, 0);
    }
    // The announced number of elements allocates nothing: elements are appended as they come.
    static void* create_array(const redisReadTask* task, int) noexcept {
        return create(task, control_reply::kind::array, {}, 0);
    }
    static void* create_integer(const redisReadTask* task, long long value) noexcept {
        return create(task, control_reply::kind::integer, {}, value);
    }
    static void* create_nil(const redisReadTask* task) noexcept {
        return create(task, control_reply::kind::nil, {}, 0);
    }
    /// hiredis only ever frees the root.
    static void free_root(void* root) noexcept { delete static_cast<control_reply*>(root); }

    static redisReplyObjectFunctions& functions() {
        static redisReplyObjectFunctions table{create_string, create_array, create_integer, create_nil,
                                               free_root};
        return table;
    }

    std::unique_ptr<redisReader, reader_deleter> reader_;
    std::size_t fed_bytes_ = 0;
    std::size_t elements_ = 0;
};

/// The request as RESP; empty when hiredis cannot format it.
std::string encode(std::span<const std::string> arguments) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& argument : arguments) {
        texts.push_back(argument.data());
        sizes.push_back(argument.size());
    }
    if (texts.empty() || texts.size() > INT_MAX) return {};
    char* formatted = nullptr;
    const int size =
        ::redisFormatCommandArgv(&formatted, static_cast<int>(texts.size()), texts.data(), sizes.data());
    if (size < 0) return {};
    const std::unique_ptr<char, void (*)(char*)> owned(formatted, ::redisFreeCommand);
    return {formatted, static_cast<std::size_t>(size)};
}

std::optional<socket_address> literal(const endpoint& address) {
    if (address.is_unix()) return socket_address::unix_path(address.unix_path);
    error_code error;
    const auto parsed = asio::ip::make_address(address.host, error);
    if (error) return {};
    const asio::ip::tcp::endpoint where(parsed, address.port);
    return socket_address::from(where.data(), where.size());
}

/// What the waiting coroutine and the resolver's handler share, as either may be gone first.
struct resolution {
    explicit resolution(const asio::any_io_executor& executor) : resolver(executor), done(executor) {}

    asio::ip::tcp::resolver resolver;
    asio::steady_timer done;  ///< cancelled by the answer; expires at the deadline
    bool answered = false;
    error_code error;
    std::vector<socket_address> addresses;
};

void start_resolving(const std::shared_ptr<resolution>& shared, const endpoint& address) {
    shared->resolver.async_resolve(
        address.host, std::to_string(address.port), asio::ip::resolver_base::numeric_service,
        [shared](const error_code& error, const asio::ip::tcp::resolver::results_type& results) {
            shared->answered = true;
            shared->error = error;
            for (const auto& result : results) {
                const auto where = result.endpoint();
                if (const auto one = socket_address::from(where.data(), where.size())) {
                    shared->addresses.push_back(*one);
                }
            }
            shared->done.cancel();
        });
}

}  // namespace

asio::awaitable<resolved_addresses> resolve(endpoint address,
                                            std::chrono::steady_clock::time_point deadline) {
    if (const auto known = literal(address)) co_return resolved_addresses{{*known}, {}};
    if (address.is_unix()) co_return resolved_addresses{{}, "the path is too long for a unix socket"};
    const auto shared = std::make_shared<resolution>(co_await asio::this_coro::executor);
    shared->done.expires_at(deadline);
    start_resolving(shared, address);
    co_await shared->done.async_wait(as_values);
    const std::string what = "cannot resolve " + address.host + ": ";
    if (!shared->answered) {
        shared->resolver.cancel();
        co_return resolved_addresses{{}, what + "timed out"};
    }
    if (shared->error) co_return resolved_addresses{{}, what + shared->error.message()};
    if (shared->addresses.empty()) co_return resolved_addresses{{}, what + "no addresses"};
    co_return resolved_addresses{std::move(shared->addresses), {}};
}

/// The stream, its codec and the deadline of the operation under way.
class control_client::connection : public std::enable_shared_from_this<connection> {
public:
    explicit connection(const asio::any_io_executor& executor) : socket(executor), timer_(executor) {}

    /// Closes the socket when the deadline passes: what waits on it ends.
    void arm(clock::time_point deadline) {
        timer_.expires_at(deadline);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            // The handler of an earlier deadline may already have been on its way.
            if (error || self->timer_.expiry() > clock::now()) return;
            self->timed_out_ = true;
            self->close();
        });
    }
    void disarm() { timer_.expires_at(clock::time_point::max()); }
    [[nodiscard]] bool has_timed_out() const { return timed_out_; }

    void close() {
        error_code ignored;
        socket.close(ignored);
        timer_.cancel();
    }

    [[nodiscard]] std::string explain(const error_code& error) const {
        if (timed_out_) return "timed out";
        if (error == asio::error::eof) return "the server closed the connection";
        return error.message();
    }

    asio::generic::stream_protocol::socket socket;
    reply_decoder decoder;
    std::array<char, 16'384> input{};

private:
    asio::steady_timer timer_;
    bool timed_out_ = false;
};

control_client::control_client(asio::any_io_executor executor) : executor_(std::move(executor)) {}

control_client::~control_client() {
    close();
}

void control_client::close() {
    if (connection_) connection_->close();
}

bool control_client::has_timed_out() const {
    return connection_ && connection_->has_timed_out();
}

bool control_client::is_open() const {
    return connection_ && connection_->socket.is_open();
}

void control_client::fail(std::string reason) {
    failure_ = std::move(reason);
    close();
}

asio::awaitable<bool> control_client::connect(std::span<const socket_address> addresses,
                                              const upstream_options& upstream, clock::time_point deadline) {
    fail("no address to connect to");
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        // An address that does not answer at all leaves time for the others.
        const auto now = clock::now();
        const auto share = (deadline - now) / static_cast<int>(addresses.size() - i);
        if (co_await open(addresses[i], now + share)) co_return co_await authenticate(upstream, deadline);
    }
    co_return false;
}

asio::awaitable<bool> control_client::open(socket_address address, clock::time_point deadline) {
    close();
    connection_ = std::make_shared<connection>(executor_);
    peer_ = address;
    const auto here = connection_;
    const asio::generic::stream_protocol::endpoint where(address.data(), address.size());
    error_code error;
    here->socket.open(where.protocol(), error);
    if (!error) {
        here->arm(deadline);
        std::tie(error) = co_await here->socket.async_connect(where, as_values);
        here->disarm();
    }
    // The deadline may have closed a socket that had just connected.
    if (!error && here->socket.is_open()) co_return true;
    fail("cannot connect to " + address.to_string() + ": " + here->explain(error));
    co_return false;
}

asio::awaitable<bool> control_client::authenticate(const upstream_options& upstream,
                                                   clock::time_point deadline) {
    if (!upstream.password) co_return true;
    std::vector<std::string> auth{"AUTH"};
    if (!upstream.username.empty()) auth.push_back(upstream.username);
    auth.push_back(*upstream.password);
    const auto answer = co_await command(std::move(auth), deadline);
    if (!answer) co_return false;
    if (!answer->is_error()) co_return true;
    fail("the server refused our credentials: " + answer->text);
    co_return false;
}

asio::awaitable<std::optional<control_reply>> control_client::command(std::vector<std::string> arguments,
                                                                      clock::time_point deadline) {
    auto replies = co_await pipeline(encode(arguments), 1, arguments.front(), deadline);
    if (!replies) co_return std::nullopt;
    co_return std::move(replies->front());
}

asio::awaitable<std::optional<std::vector<control_reply>>> control_client::pipeline(std::string requests,
                                                                                    std::size_t count, std::string what,
                                                                                    clock::time_point deadline) {
    if (!is_open()) co_return std::nullopt;
    const auto here = connection_;
    here->arm(deadline);
    auto [error, written] = co_await asio::async_write(here->socket, asio::buffer(requests), as_values);
    std::vector<control_reply> replies;
    auto state = reply_decoder::state::need_more;
    while (!error && replies.size() < count && state != reply_decoder::state::failed) {
        std::size_t size = 0;
        std::tie(error, size) = co_await here->socket.async_read_some(asio::buffer(here->input), as_values);
        if (error) break;
        state = here->decoder.feed(here->input.data(), size) ? reply_decoder::state::done : reply_decoder::state::failed;
        while (replies.size() < count && state == reply_decoder::state::done) {
            control_reply answer;
            state = here->decoder.next(answer);
            if (state == reply_decoder::state::done) replies.push_back(std::move(answer));
        }
    }
    here->disarm();
    // We wait for all replies before we send anything: more than these belongs to nothing.
    if (!error && replies.size() == count && here->decoder.is_drained()) co_return replies;
    fail(error ? what + ": " + here->explain(error) : what + ": the server's reply is malformed or too large");
    co_return std::nullopt;
}

}  // namespace weir
