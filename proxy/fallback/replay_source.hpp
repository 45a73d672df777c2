#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "proxy/fallback/write_journal.hpp"

namespace weir {

/// A key of the upstream's that holds the number of the last batch that it got.
struct replay_marker {
    std::string name;
    std::string milliseconds;  ///< it lives on for so long
};

/// Operations that wait for the upstream, as the replayer takes them: from the front of what has been fetched.
///
///     open -> (anew: the marker is read, and recover) -> { fetch -> claim -> the upstream does them -> leave } … close
///
/// Belongs to the fallback's thread. What fails says so by false or nullopt: trouble() tells why, and it is opened again.
class replay_source {
public:
    enum class readiness : std::uint8_t {
        ready,
        anew,     ///< as well, but for what was fetched or under way before, which is void
        waiting,  ///< not now
    };

    virtual ~replay_source() = default;

    [[nodiscard]] virtual write_journal& front() = 0;
    /// Nothing waits, nor is on its way here.
    [[nodiscard]] virtual bool is_drained() const = 0;
    /// About how many operations wait, those at the front included.
    [[nodiscard]] virtual std::size_t size() const = 0;
    /// Once it is open.
    [[nodiscard]] virtual const replay_marker& marker() const = 0;
    [[nodiscard]] virtual const std::string& trouble() const = 0;

    [[nodiscard]] virtual boost::asio::awaitable<readiness> open() = 0;
    /// The upstream has the batch of this number, and none behind it; 0: none.
    [[nodiscard]] virtual boost::asio::awaitable<bool> recover(std::uint64_t number) = 0;
    /// Puts something at an empty front, if there is anything. `in_quiet`: no more is written here for the moment.
    [[nodiscard]] virtual boost::asio::awaitable<bool> fetch(bool in_quiet) = 0;
    /// The first `count` are about to be sent, as the batch of that number, which no other has.
    [[nodiscard]] virtual boost::asio::awaitable<std::optional<std::uint64_t>> claim(std::size_t count) = 0;
    /// The upstream does not do this one; its words are gone then.
    virtual void refuse(std::size_t place, const std::string& code) = 0;
    /// The first `count` are done, or refused.
    [[nodiscard]] virtual boost::asio::awaitable<bool> leave(std::size_t count) = 0;
    /// Others may replay.
    virtual void close() = 0;
};

/// A journal that is all there is: it is in memory, and this process alone replays it.
class memory_replay_source final : public replay_source {
public:
    explicit memory_replay_source(write_journal& journal);

    [[nodiscard]] write_journal& front() override { return journal_; }
    [[nodiscard]] bool is_drained() const override { return journal_.empty(); }
    [[nodiscard]] std::size_t size() const override { return journal_.size(); }
    [[nodiscard]] const replay_marker& marker() const override { return marker_; }
    [[nodiscard]] const std::string& trouble() const override { return trouble_; }
    [[nodiscard]] boost::asio::awaitable<readiness> open() override;
    [[nodiscard]] boost::asio::awaitable<bool> recover(std::uint64_t number) override;
    [[nodiscard]] boost::asio::awaitable<bool> fetch(bool in_quiet) override;
    [[nodiscard]] boost::asio::awaitable<std::optional<std::uint64_t>> claim(std::size_t count) override;
    void refuse(std::size_t place, const std::string& code) override;
    [[nodiscard]] boost::asio::awaitable<bool> leave(std::size_t count) override;
    void close() override {}

private:
    write_journal& journal_;
    const replay_marker marker_;
    const std::string trouble_;
    std::uint64_t number_ = 0;
};

}  // namespace weir
