#include "proxy/fallback/postgres/pg_connection.hpp"

#include <algorithm>
#include <climits>
#include <utility>
#include <vector>

#include "proxy/logging.hpp"

namespace weir::pg {

namespace asio = boost::asio;

namespace {

/// The text of a notice may hold values.
void log_notice(void*, const PGresult* notice) noexcept {
    const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char* const code = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    log_debug("postgres notice", {{"severity", severity == nullptr ? "" : severity}, {"code", code == nullptr ? "" : code}});
}

error error_of(const PGresult* failed) {
    const auto field = [failed](int which) {
        const char* const text = PQresultErrorField(failed, which);
        return std::string(text == nullptr ? "" : text);
    };
    // Details may hold values, the first line of what our own statements can cause does not.
    return {error::kind::statement, field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY)};
}

std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    std::ranges::replace(text, '\n', ' ');
    return text;
}

/// What we rely on, whatever role and database have for defaults. Those that this server does not know are left out.
/// - Plans must not depend on statistics that a table which was just filled does not have yet: all of ours go by an index, row
///   by row.
/// - What is acknowledged is durable, so a commit waits for its log.
/// - A statement that waited for a lock sees what its last holder has committed.
/// - A backend that waits for a lock is to notice that its client has gone; so is one that holds one, when its client's machine
///   has.
std::string session_settings(const connection_options& options) {
    const std::string limit = std::to_string(options.statement_timeout.count());
    return "select set_config(wanted.name, wanted.value, false) from (values"
           " ('search_path', 'pg_catalog'), ('client_min_messages', 'warning'),"
           " ('statement_timeout', '" + limit + "'), ('idle_in_transaction_session_timeout', '" + limit + "'),"
           " ('client_connection_check_interval', '1s'), ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'),"
           " ('tcp_keepalives_count', '3'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan'),"
           " ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),"
           " ('default_transaction_isolation', 'read committed'), ('default_transaction_read_only', 'off'),"
           " ('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on'"
           " else current_setting('synchronous_commit') end)"
           ") as wanted (name, value) join pg_catalog.pg_settings known on known.name = wanted.name";
}

}  // namespace

connection::connection(const asio::any_io_executor& executor, const connection_options& options)
    : options_(options), socket_(executor), deadline_(executor) {}

connection::~connection() {
    if (socket_.is_open()) socket_.release();
}

// ---- opening -------------------------------------------------------------------------------------------------------

void connection::open(const target& where, opened done) {
    opened_ = std::move(done);
    deadline_.expires_after(options_.connect_timeout);
    deadline_.async_wait([weak = weak_from_this()](const boost::system::error_code& fault) {
        const auto self = weak.lock();
        if (!fault && self && self->opened_) self->fail_to_open("no connection within the time-out");
    });
    where.resolve(socket_.get_executor(), [weak = weak_from_this()](std::optional<error> fault, const auto& options) {
        const auto self = weak.lock();
        if (!self || !self->opened_) return;
        if (fault) return self->fail_to_open(fault->text);
        self->start(options);
    });
}

void connection::start(const std::map<std::string, std::string>& options) {
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (const auto& [name, value] : options) {
        names.push_back(name.c_str());
        values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    libpq_.reset(PQconnectStartParams(names.data(), values.data(), 0));
    if (!libpq_ || PQstatus(libpq_.get()) == CONNECTION_BAD) return fail_to_open(libpq_says());
    PQsetNoticeReceiver(libpq_.get(), log_notice, nullptr);
    // As libpq has it: before the first poll, wait until there is room for writing.
    socket_.assign(PQsocket(libpq_.get()));
    socket_.async_wait(asio::posix::stream_descriptor::wait_write, [self = shared_from_this()](const auto& fault) {
        if (!fault) self->poll();
    });
}

void connection::poll() {
    if (!opened_) return;
    socket_.release();  // libpq may go on with another one
    const auto wants = PQconnectPoll(libpq_.get());
    if (wants == PGRES_POLLING_FAILED) return fail_to_open(libpq_says());
    socket_.assign(PQsocket(libpq_.get()));
    if (wants == PGRES_POLLING_OK) return prepare_session();
    const auto readiness = wants == PGRES_POLLING_READING ? asio::posix::stream_descriptor::wait_read
                                                          : asio::posix::stream_descriptor::wait_write;
    socket_.async_wait(readiness, [self = shared_from_this()](const auto& fault) {
        if (!fault) self->poll();
    });
}

void connection::prepare_session() {
    if (PQsetnonblocking(libpq_.get(), 1) != 0 || PQenterPipelineMode(libpq_.get()) != 1) {
        return fail_to_open(libpq_says());
    }
    deadline_.cancel();
    open_ = true;
    await_input();
    batch settings;
    settings.add_sql(session_settings(options_));
    run(settings, [this](outcome got) {
        if (!opened_) return;
        if (got.failed) return fail_to_open(got.failed->text, got.failed->sqlstate);
        std::exchange(opened_, nullptr)(std::nullopt);
    });
}

void connection::fail_to_open(std::string text, std::string sqlstate) {
    const auto self = shared_from_this();
    const auto told = std::exchange(opened_, nullptr);
    closed_ = nullptr;
    end({error::kind::lost, {}, "never opened"});
    told(error{error::kind::connect, std::move(sqlstate), std::move(text)});
}

std::string connection::libpq_says() const {
    if (!libpq_) return "out of memory";
    const auto text = one_line(PQerrorMessage(libpq_.get()));
    return text.empty() ? "the server has closed the connection" : text;
}

// ---- sending -------------------------------------------------------------------------------------------------------

void connection::run(const batch& steps, answered done) {
    if (!open_) return done({{}, error{error::kind::lost, {}, "the connection is closed"}});
    bool sent = true;
    for (const batch::step& each : steps.steps()) sent = sent && send(each);
    sent = sent && PQpipelineSync(libpq_.get()) == 1;
    const auto deadline = std::chrono::steady_clock::now() + options_.statement_timeout;
    waiting_.push_back({steps.steps().size(), deadline, std::move(done), {}});
    if (!sent) return end({error::kind::lost, {}, libpq_says()});
    guard_deadline();
    flush();
}

bool connection::send(const batch::step& each) {
    if (each.to_prepare != nullptr) {
        return PQsendPrepare(libpq_.get(), each.to_prepare->name.c_str(), each.to_prepare->sql.c_str(), 0, nullptr) == 1;
    }
    const auto& given = each.with.values();
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (const auto& one : given) {
        values.push_back(one ? one->data() : nullptr);
        // Postgres takes no more than a GiB, and says so itself.
        lengths.push_back(one ? static_cast<int>(std::min<std::size_t>(one->size(), INT_MAX)) : 0);
    }
    const std::vector<int> formats(given.size(), 1);
    const int count = static_cast<int>(given.size());
    if (each.prepared == nullptr) {
        return PQsendQueryParams(libpq_.get(), each.sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1) == 1;
    }
    return PQsendQueryPrepared(libpq_.get(), each.prepared->name.c_str(), count, values.data(), lengths.data(), formats.data(),
                               1) == 1;
}

void connection::flush() {
    if (writing_ || !open_) return;
    const int left = PQflush(libpq_.get());
    if (left < 0) return end({error::kind::lost, {}, libpq_says()});
    if (left == 0) return;
    writing_ = true;
    socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& fault) {
                           self->writing_ = false;
                           if (!fault) self->flush();
                       });
}

// ---- receiving -----------------------------------------------------------------------------------------------------

void connection::await_input() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read, [weak = weak_from_this()](const auto& fault) {
        const auto self = weak.lock();
        if (fault || !self || !self->open_) return;
        self->receive();
        if (self->open_) self->await_input();
    });
}

void connection::receive() {
    const bool is_there = PQconsumeInput(libpq_.get()) == 1;
    while (open_ && !waiting_.empty() && !PQisBusy(libpq_.get())) {
        PGresult* const got = PQgetResult(libpq_.get());
        if (got != nullptr) {
            take(result(got));
        } else if (PQstatus(libpq_.get()) == CONNECTION_BAD) {
            break;
        }
    }
    if (!open_) return;
    // Between batches the server speaks only to say that it ends the connection.
    if (waiting_.empty()) {
        while (PGresult* const unasked = PQgetResult(libpq_.get())) PQclear(unasked);
    }
    if (!is_there || PQstatus(libpq_.get()) == CONNECTION_BAD) return end({error::kind::lost, {}, libpq_says()});
    flush();
}

void connection::take(result got) {
    expected& front = waiting_.front();
    switch (PQresultStatus(got.get())) {
        case PGRES_PIPELINE_SYNC: {
            expected done = std::move(front);
            waiting_.pop_front();
            return done.done(std::move(done.got));
        }
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            if (!front.got.failed) front.got.results.push_back(std::move(got));
            return;
        case PGRES_PIPELINE_ABORTED: return;
        default:
            if (!front.got.failed) front.got.failed = error_of(got.get());
            return;
    }
}

// ---- ending --------------------------------------------------------------------------------------------------------

void connection::guard_deadline() {
    if (guarded_ || waiting_.empty()) return;
    guarded_ = true;
    deadline_.expires_at(waiting_.front().deadline);
    deadline_.async_wait([weak = weak_from_this()](const boost::system::error_code&) {
        const auto self = weak.lock();
        if (!self || !self->open_) return;
        self->guarded_ = false;
        const bool late = !self->waiting_.empty() && self->waiting_.front().deadline <= std::chrono::steady_clock::now();
        if (late) return self->end({error::kind::timeout, {}, "no answer within the time-out"});
        self->guard_deadline();
    });
}

void connection::close() {
    const auto self = shared_from_this();
    opened_ = nullptr;
    end({error::kind::lost, {}, "closed"});
}

/// PQcancel would block, so a statement that is too slow is left to the server's own time-out, and the connection is closed.
void connection::end(error why) {
    const auto self = shared_from_this();
    const bool was_open = std::exchange(open_, false);
    if (socket_.is_open()) socket_.release();
    deadline_.cancel();
    libpq_.reset();
    for (auto failed = std::exchange(waiting_, {}); expected& each : failed) {
        // What the server said last tells more than that it then closed the connection.
        error told = why;
        if (each.got.failed) told.sqlstate = each.got.failed->sqlstate, told.text = each.got.failed->text;
        each.done({{}, std::move(told)});
    }
    const auto told = std::exchange(closed_, nullptr);
    if (was_open && told) told(why);
}

}  // namespace weir::pg
