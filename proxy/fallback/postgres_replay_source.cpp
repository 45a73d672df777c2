#include "proxy/fallback/postgres_replay_source.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <limits>

namespace weir {
namespace asio = boost::asio;
namespace {

constexpr std::size_t most_rows = 500;
constexpr std::size_t most_bytes = 1 << 20;
constexpr std::size_t most_tenants = 10'000;
/// Whoever replays next may come much later, and the number says what is done.
constexpr auto one_year = "31536000000";

asio::awaitable<void> unlock(std::shared_ptr<pg::shared_journal> journal) { static_cast<void>(co_await journal->unlock()); }

}  // namespace

postgres_replay_source::postgres_replay_source(asio::any_io_executor executor, std::shared_ptr<pg::shared_journal> journal,
                                               tenant_finder find)
    : executor_(std::move(executor)), journal_(std::move(journal)), find_(std::move(find)) {}

/// What is under way is not known to have been done, so it all begins anew.
bool postgres_replay_source::fail(const pg::error& why) {
    trouble_ = why.text;
    journal_->close();
    forget_front();
    return false;
}

void postgres_replay_source::forget_front() {
    front_.drop_front(front_.size());
    ids_.clear();
    refused_.clear();
    last_id_.reset();
}

asio::awaitable<replay_source::readiness> postgres_replay_source::open() {
    if (const auto failed = co_await journal_->open()) {
        static_cast<void>(fail(*failed));
        co_return readiness::waiting;
    }
    if (journal_->is_locked()) co_return readiness::ready;
    forget_front();
    bool got = false;
    if (const auto failed = co_await journal_->lock(got)) {
        static_cast<void>(fail(*failed));
        co_return readiness::waiting;
    }
    if (got) {
        marker_ = {journal_->marker_name(), one_year};
        co_return readiness::anew;
    }
    // The other one replays ours as well.
    trouble_ = "another weir replays the journal";
    static_cast<void>(co_await look_for_end(true));
    co_return readiness::waiting;
}

asio::awaitable<bool> postgres_replay_source::recover(std::uint64_t number) {
    if (number == 0) {
        unsettled_.reset();
        co_return true;
    }
    std::int64_t rows = 0;
    const auto known = std::exchange(unsettled_, std::nullopt);
    const bool is_known = known && known->number == static_cast<std::int64_t>(number);
    std::optional<pg::error> failed;
    if (is_known) {
        failed = co_await journal_->done(known->ids, known->refused);
    } else {
        failed = co_await journal_->recover(static_cast<std::int64_t>(number), rows);
    }
    if (!failed) co_return true;
    if (is_known) unsettled_ = known;
    co_return fail(*failed);
}

/// Whether there are rows that this process waits for; when there are none, nor any of its writes is under way, it is drained.
asio::awaitable<bool> postgres_replay_source::look_for_end(bool in_quiet) {
    const bool is_quiet = in_quiet && under_way_ == 0;
    if (!is_quiet) last_id_.reset();
    if (is_quiet && last_id_) co_return true;
    written_ = false;
    pg::journal_state state;
    if (const auto failed = co_await journal_->state(state)) co_return fail(*failed);
    rows_ = static_cast<std::size_t>(state.rows);
    if (is_quiet && under_way_ == 0 && !written_) last_id_ = state.last_id;
    drained_ = last_id_ == 0;
    co_return true;
}

asio::awaitable<bool> postgres_replay_source::fetch(bool in_quiet) {
    if (in_quiet && !co_await look_for_end(in_quiet)) co_return false;
    if (!in_quiet) last_id_.reset();
    written_ = false;
    const std::size_t before = under_way_;
    std::vector<pg::journal_row> rows;
    const auto up_to = last_id_.value_or(std::numeric_limits<std::int64_t>::max());
    if (const auto failed = co_await journal_->fetch(up_to, most_rows, most_bytes, rows)) co_return fail(*failed);
    if (rows.empty()) {
        drained_ = before == 0 && under_way_ == 0 && !written_;
        last_id_.reset();
        if (drained_) rows_ = 0;
    }
    take(std::move(rows));
    co_return true;
}

void postgres_replay_source::take(std::vector<pg::journal_row> rows) {
    for (pg::journal_row& row : rows) {
        const bool is_new = front_.append({.whose = tenant_of(row), .database = row.database, .words = std::move(row.words), .joined = row.joined});
        if (is_new) ids_.emplace_back();
        ids_.back().push_back(row.id);
    }
}

std::shared_ptr<const tenant> postgres_replay_source::tenant_of(const pg::journal_row& row) {
    if (tenants_.size() > most_tenants) tenants_.clear();
    auto& known = tenants_[row.prefix];
    if (known && known->name() == row.tenant) return known;
    known = find_ ? find_(row.tenant) : nullptr;
    // Somebody else's, or it had another prefix when it wrote this.
    if (!known || known->prefix() != row.prefix) {
        tenant_options options;
        options.prefix = row.prefix;
        known = std::make_shared<const tenant>(row.tenant, options);
    }
    return known;
}

std::vector<std::int64_t> postgres_replay_source::first_ids(std::size_t count) const {
    std::vector<std::int64_t> all;
    for (std::size_t i = 0; i < count; ++i) all.insert(all.end(), ids_[i].begin(), ids_[i].end());
    return all;
}

asio::awaitable<std::optional<std::uint64_t>> postgres_replay_source::claim(std::size_t count) {
    if (const auto failed = co_await journal_->claim(first_ids(count), claimed_)) {
        static_cast<void>(fail(*failed));
        co_return std::nullopt;
    }
    co_return static_cast<std::uint64_t>(claimed_);
}

void postgres_replay_source::refuse(std::size_t place, const std::string& code) {
    refused_.emplace_back(ids_[place].front(), code);
    front_.forget(place);
}

asio::awaitable<bool> postgres_replay_source::leave(std::size_t count) {
    batch done{claimed_, first_ids(count), {}};
    const auto is_done = [&](const auto& each) { return std::ranges::find(done.ids, each.first) != done.ids.end(); };
    std::ranges::copy_if(refused_, std::back_inserter(done.refused), is_done);
    if (const auto failed = co_await journal_->done(done.ids, done.refused)) {
        unsettled_ = std::move(done);
        co_return fail(*failed);
    }
    std::erase_if(refused_, is_done);
    front_.drop_front(count);
    ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(count));
    rows_ -= std::min(rows_, done.ids.size());
    co_return true;
}

void postgres_replay_source::close() {
    forget_front();
    if (journal_->is_locked()) asio::co_spawn(executor_, unlock(journal_), asio::detached);
}

}  // namespace weir
