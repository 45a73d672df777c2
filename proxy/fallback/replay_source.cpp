#include "proxy/fallback/replay_source.hpp"

#include <random>

namespace weir {
namespace asio = boost::asio;
namespace {

/// As long as a weir that has lost its connection may need to come back.
constexpr auto one_day = "86400000";

std::string make_name() {
    std::random_device random;
    std::string name = "\x01weir:replay:";
    for (int i = 0; i < 4; ++i) name += std::to_string(random());
    return name;
}

}  // namespace

memory_replay_source::memory_replay_source(write_journal& journal) : journal_(journal), marker_{make_name(), one_day} {}

asio::awaitable<replay_source::readiness> memory_replay_source::open() { co_return readiness::ready; }

asio::awaitable<bool> memory_replay_source::recover(std::uint64_t) { co_return true; }

asio::awaitable<bool> memory_replay_source::fetch(bool) { co_return true; }

asio::awaitable<std::optional<std::uint64_t>> memory_replay_source::claim(std::size_t) { co_return ++number_; }

void memory_replay_source::refuse(std::size_t place, const std::string&) { journal_.forget(place); }

asio::awaitable<bool> memory_replay_source::leave(std::size_t count) {
    journal_.drop_front(count);
    co_return true;
}

}  // namespace weir
