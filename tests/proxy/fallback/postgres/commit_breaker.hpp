#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <string>

#include "tests/support/redis_server.hpp"

namespace weir::pg::test {

/// Stands between a store and Postgres, and breaks a connection at the moment of a commit.
class commit_breaker {
public:
    enum class at {
        never,
        before,  ///< the server does not get it
        after,   ///< the server has done it, and its answer gets lost
    };

    commit_breaker(boost::asio::io_context& context, const std::string& server_folder)
        : context_(context), server_(server_folder + "/.s.PGSQL.5432"), acceptor_(context, folder_ / ".s.PGSQL.5432") {
        accept();
    }

    [[nodiscard]] std::string dsn() const { return "host=" + folder_ / "" + " user=weir dbname=postgres"; }
    /// The next commit; then no other.
    void break_next(at when, std::function<void()> broken = [] {}) {
        when_ = when;
        broken_ = std::move(broken);
    }

private:
    using protocol = boost::asio::local::stream_protocol;
    struct pair : std::enable_shared_from_this<pair> {
        explicit pair(boost::asio::io_context& context) : client(context), server(context) {}
        void close() {
            boost::system::error_code ignored;
            client.close(ignored);
            server.close(ignored);
        }
        protocol::socket client, server;
        std::array<char, 65'536> up{}, down{};
        bool doomed = false;
    };

    void accept() {
        acceptor_.async_accept([this](const boost::system::error_code& fault, protocol::socket client) {
            if (fault) return;
            auto made = std::make_shared<pair>(context_);
            made->client = std::move(client);
            boost::system::error_code refused;
            made->server.connect(server_, refused);
            if (!refused) {
                pump_up(made);
                pump_down(made);
            }
            accept();
        });
    }
    void pump_up(const std::shared_ptr<pair>& on) {
        on->client.async_read_some(boost::asio::buffer(on->up), [this, on](const auto& fault, std::size_t size) {
            if (fault) return on->close();
            // Bind of the prepared statement: portal "", then its name.
            const bool commits = std::string_view(on->up.data(), size).find(std::string_view("\0commit\0", 8)) != std::string_view::npos;
            if (commits && when_ != at::never) {
                on->doomed = true;
                if (std::exchange(when_, at::never) == at::before) {
                    on->close();
                    return broken_();
                }
            }
            boost::asio::write(on->server, boost::asio::buffer(on->up, size));
            pump_up(on);
        });
    }
    void pump_down(const std::shared_ptr<pair>& on) {
        on->server.async_read_some(boost::asio::buffer(on->down), [this, on](const auto& fault, std::size_t size) {
            if (!fault && on->doomed) broken_();
            if (fault || on->doomed) return on->close();
            boost::asio::write(on->client, boost::asio::buffer(on->down, size));
            pump_down(on);
        });
    }

    boost::asio::io_context& context_;
    weir::temporary_folder folder_;
    protocol::endpoint server_;
    protocol::acceptor acceptor_;
    at when_ = at::never;
    std::function<void()> broken_ = [] {};
};

}  // namespace weir::pg::test
