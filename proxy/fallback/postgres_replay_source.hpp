#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/tenant.hpp"
#include "proxy/fallback/postgres/shared_journal.hpp"
#include "proxy/fallback/replay_source.hpp"

namespace weir {

/// nullptr: nobody has that name. Any thread.
using tenant_finder = std::function<std::shared_ptr<const tenant>(std::string_view name)>;

/// The journal in Postgres, which all weirs on its schema write and one at a time replays.
///
///     claim: a number is noted with the rows -> Redis does them, and holds the number -> leave: the rows are deleted
///
/// Whoever replays next reads the number in Redis: rows with it are done, whatever became of the process that sent them.
class postgres_replay_source final : public replay_source {
public:
    postgres_replay_source(boost::asio::any_io_executor executor, std::shared_ptr<pg::shared_journal> journal,
                           tenant_finder find);

    /// Around each write of this process.
    void begin_write() {
        ++under_way_;
        drained_ = false;
    }
    void end_write() {
        --under_way_;
        ++rows_;
        written_ = true;
    }
    /// What is in the table, as somebody has seen it.
    void note_rows(std::size_t rows) {
        rows_ = rows;
        drained_ = drained_ && rows == 0;
    }

    [[nodiscard]] write_journal& front() override { return front_; }
    [[nodiscard]] bool is_drained() const override { return drained_ && under_way_ == 0; }
    [[nodiscard]] std::size_t size() const override { return is_drained() ? 0 : rows_; }
    [[nodiscard]] const replay_marker& marker() const override { return marker_; }
    [[nodiscard]] const std::string& trouble() const override { return trouble_; }
    [[nodiscard]] boost::asio::awaitable<readiness> open() override;
    [[nodiscard]] boost::asio::awaitable<bool> recover(std::uint64_t number) override;
    [[nodiscard]] boost::asio::awaitable<bool> fetch(bool in_quiet) override;
    [[nodiscard]] boost::asio::awaitable<std::optional<std::uint64_t>> claim(std::size_t count) override;
    void refuse(std::size_t place, const std::string& code) override;
    [[nodiscard]] boost::asio::awaitable<bool> leave(std::size_t count) override;
    void close() override;

private:
    struct batch {
        std::int64_t number = 0;
        std::vector<std::int64_t> ids;
        std::vector<std::pair<std::int64_t, std::string>> refused;
    };

    [[nodiscard]] bool fail(const pg::error& why);
    [[nodiscard]] boost::asio::awaitable<bool> look_for_end(bool in_quiet);
    void take(std::vector<pg::journal_row> rows);
    void forget_front();
    [[nodiscard]] std::shared_ptr<const tenant> tenant_of(const pg::journal_row& row);
    [[nodiscard]] std::vector<std::int64_t> first_ids(std::size_t count) const;

    boost::asio::any_io_executor executor_;
    std::shared_ptr<pg::shared_journal> journal_;
    const tenant_finder find_;
    std::map<std::string, std::shared_ptr<const tenant>> tenants_;  ///< by prefix
    replay_marker marker_;
    std::string trouble_;
    write_journal front_{static_cast<std::size_t>(-1)};
    std::deque<std::vector<std::int64_t>> ids_;  ///< the rows of each operation at the front
    std::vector<std::pair<std::int64_t, std::string>> refused_;  ///< of them, with Redis' reason
    std::int64_t claimed_ = 0;
    std::optional<batch> unsettled_;  ///< Redis has answered it, Postgres may not know
    std::optional<std::int64_t> last_id_;  ///< in quiet: what others write behind it does not keep us waiting
    std::size_t rows_ = 0;
    std::size_t under_way_ = 0;
    bool written_ = false;  ///< since the last look
    bool drained_ = true;
};

}  // namespace weir
