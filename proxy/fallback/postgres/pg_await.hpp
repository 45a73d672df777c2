#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "proxy/fallback/postgres/pg_pool.hpp"

namespace weir::pg {

struct acquisition {
    lease held;
    std::optional<error> failed;
};

namespace detail {

/// Ends a coroutine's wait. A coroutine must not go on while it is still being suspended, so what comes at once comes later.
template <class Handler, class Value>
struct resumption {
    Handler handler;
    bool starting = true;

    void operator()(Value value) {
        if (!starting) return std::move(handler)(std::move(value));
        const auto executor = boost::asio::get_associated_executor(handler);
        boost::asio::post(executor, [handler = std::move(handler), value = std::move(value)]() mutable {
            std::move(handler)(std::move(value));
        });
    }
};

/// `begin` starts something, and is given what to call when it has ended.
template <class Value, class Begin>
[[nodiscard]] boost::asio::awaitable<Value> await(Begin begin) {
    namespace asio = boost::asio;
    return asio::async_initiate<const asio::use_awaitable_t<>&, void(Value)>(
        [](auto handler, Begin start) {
            // std::function wants something that can be copied.
            auto end = std::make_shared<resumption<decltype(handler), Value>>(std::move(handler));
            start([end](Value value) { (*end)(std::move(value)); });
            end->starting = false;
        },
        asio::use_awaitable, std::move(begin));
}

}  // namespace detail

/// connection::open() for coroutines; the connection lives, and is not closed, until then.
[[nodiscard]] inline boost::asio::awaitable<std::optional<error>> open(connection& made, const target& where) {
    return detail::await<std::optional<error>>([&made, &where](auto end) { made.open(where, end); });
}

/// connection::run() for coroutines; connection and batch live until it is answered.
[[nodiscard]] inline boost::asio::awaitable<outcome> run(connection& on, const batch& steps) {
    return detail::await<outcome>([&on, &steps](auto end) { on.run(steps, end); });
}

/// pool::acquire() for coroutines.
[[nodiscard]] inline boost::asio::awaitable<acquisition> acquire(pool& from) {
    return detail::await<acquisition>([&from](auto end) {
        from.acquire([end](lease held, std::optional<error> failed) { end({std::move(held), std::move(failed)}); });
    });
}

}  // namespace weir::pg
