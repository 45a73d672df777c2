#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <utility>
#include <variant>

#include "proxy/fallback/postgres/pg_await.hpp"

namespace weir::pg {

/// Lets coroutines of one thread pass one at a time, in the order in which they came. Outlives them.
class one_at_a_time {
public:
    explicit one_at_a_time(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    /// As long as this lives, the others wait.
    class [[nodiscard]] turn {
    public:
        explicit turn(one_at_a_time& of) : of_(&of) {}
        turn(turn&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        turn& operator=(turn&&) = delete;
        ~turn() {
            if (of_ != nullptr) of_->pass_on();
        }

    private:
        one_at_a_time* of_;
    };

    [[nodiscard]] boost::asio::awaitable<turn> take() {
        if (std::exchange(taken_, true)) {
            co_await detail::await<std::monostate>([this](auto end) { waiting_.push_back([end] { end({}); }); });
        }
        co_return turn(*this);
    }

private:
    void pass_on() {
        taken_ = !waiting_.empty();
        if (!taken_) return;
        boost::asio::post(executor_, std::move(waiting_.front()));
        waiting_.pop_front();
    }

    boost::asio::any_io_executor executor_;
    std::deque<std::function<void()>> waiting_;
    bool taken_ = false;
};

}  // namespace weir::pg
