#include "proxy/worker.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "protocol/ascii.hpp"
#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"

namespace weir {

namespace {

/// The thread's read buffer. A read that fills it is followed by another; 10,000 idle clients need but this one.
constexpr std::size_t read_buffer_bytes = 256 << 10;
constexpr int max_accepts_per_event = 64;
constexpr std::chrono::milliseconds max_tick{100};
constexpr std::chrono::milliseconds session_tick{1'000};

/// Fine enough for the shortest time-out, coarse enough that an idle process sleeps.
std::chrono::milliseconds tick_interval(const upstream_options& upstream, std::chrono::milliseconds command_timeout) {
    const auto shortest = std::min({command_timeout, upstream.pool.acquire_timeout, upstream.pool.connect_timeout});
    return std::clamp(shortest / 10, std::chrono::milliseconds(1), max_tick);
}

/// `redis_version` as numbers; zero when the upstream has not told.
server_version known_version(const upstream_snapshot& snapshot) {
    std::array<int, 3> numbers{};
    std::string_view text = snapshot.server_version();
    for (int& number : numbers) {
        const std::size_t end = std::min(text.find('.'), text.size());
        number = static_cast<int>(parse_integer(text.substr(0, end)).value_or(0));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {numbers[0], numbers[1], numbers[2]};
}

}  // namespace

/// Hands the event of one listening socket to the worker.
class worker::acceptor final : public event_loop::handler {
public:
    acceptor(worker& owner, listening from) : owner_(owner), from_(std::move(from)) {
        owner_.loop_.add(from_.socket.get(), EPOLLIN, *this);
    }
    ~acceptor() { owner_.loop_.remove(from_.socket.get()); }
    void on_ready(std::uint32_t) override { owner_.accept_from(from_.socket.get(), from_.tenant); }

private:
    worker& owner_;
    listening from_;
};

worker::worker(process_state& process, std::size_t number, worker_counters& counters, std::vector<listening> sockets,
               std::shared_ptr<const upstream_snapshot> snapshot)
    : process_(process),
      number_(number),
      counters_(counters),
      read_buffer_(read_buffer_bytes),
      snapshot_(std::move(snapshot)),
      outcomes_(process.circuit),
      fallback_(process.fallback, number, std::max<std::size_t>(process.settings.workers, 1), process.settings.fallback),
      upstream_{loop_, process.settings.upstream, process.timeouts, outcomes_, fallback_, counters, read_buffer_, std::nullopt, "its name is not resolved yet",
                known_version(*snapshot_), {}, std::minstd_rand(std::random_device{}())},
      pool_(upstream_, process.dedicated_connections, process.dedicated_shares) {
    limits_.max_bulk_bytes = process.settings.clients.max_bulk_bytes;
    limits_.max_request_bytes = process.settings.clients.max_request_bytes;
    strangers_limits_ = limits_;
    strangers_limits_.authenticated = false;
    upstream_.address = literal_address(process.settings.upstream.address);
    for (auto& socket : sockets) acceptors_.push_back(std::make_unique<acceptor>(*this, std::move(socket)));
}

worker::~worker() = default;

void worker::run() {
    // Connected before the first command, so that it need not wait.
    static_cast<void>(shared_connection({resp_version::resp2, settings().upstream.database}));
    loop_.run([this] { turn_end(); }, [this] { tick(); }, tick_interval(settings().upstream, timeouts().shortest()));
    for (auto& one : sessions_) one->close();
}

void worker::post_snapshot(std::shared_ptr<const upstream_snapshot> snapshot) {
    loop_.post([this, published = std::move(snapshot)] {
        // Sessions remember their last command by its row.
        if (published->commands != snapshot_->commands) {
            for (auto& one : sessions_) one->change_table(*published->commands);
        }
        snapshot_ = published;
        upstream_.version = known_version(*published);
        if (!published->addresses.empty()) upstream_.address = published->addresses.front();
    });
}

upstream_connection& worker::shared_connection(lane wanted) {
    auto& connections = lanes_[wanted];
    if (connections.size() < settings().upstream.shared_connections) {
        connections.push_back(std::make_unique<upstream_connection>(upstream_, wanted, true));
        connections.back()->connect();
        return *connections.back();
    }
    return *connections[next_shared_++ % connections.size()];
}

session* worker::find_session(std::uint64_t id) {
    const auto found = std::ranges::find_if(sessions_, [id](const auto& one) { return one->id() == id && !one->closed(); });
    return found == sessions_.end() ? nullptr : found->get();
}

worker_tenant& worker::tenant_of(const std::shared_ptr<tenant_account>& account) {
    auto& here = tenants_[account.get()];
    if (here == nullptr) here = std::make_unique<worker_tenant>(*this, account);
    return *here;
}

/// The client has been told when it is not.
bool worker::admit(const file_descriptor& socket, tenant_account* account) {
    counter* refused = &counters_.rejected_connections;
    if (process_.clients.fetch_add(1) < settings().clients.max_connections && account != nullptr) {
        if (account->admit_client()) return true;
        refused = &account->counters(number_).refused_connections;
    }
    --process_.clients;
    refused->add();
    static_cast<void>(send_some(socket.get(), "-" + std::string(errors::max_clients) + "\r\n"));
    return false;
}

void worker::accept_from(int listening_socket, const std::string& tenant_name) {
    for (int accepted = 0; accepted < max_accepts_per_event; ++accepted) {
        file_descriptor socket(::accept4(listening_socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket) return;
        tune_connection(socket.get(), settings().clients.tcp_keepalive);
        const auto account = tenant_name.empty() ? process_.tenants.nobody() : process_.tenants.find(tenant_name);
        if (!admit(socket, account.get())) continue;
        sessions_.push_back(std::make_unique<session>(*this, std::move(socket), tenant_of(account), process_.next_client_id++));
        sessions_.back()->slot = sessions_.size() - 1;
    }
}

void worker::post_reconnect() {
    loop_.post([this] {
        for (auto& [set_to, connections] : lanes_) {
            for (auto& connection : connections) connection->reconnect();
        }
    });
}

void worker::post_tenants_changed() {
    loop_.post([this] { change_tenants(); });
}

void worker::change_tenants() {
    for (const auto& [account, here] : tenants_) here->refresh();
    for (std::size_t i = 0; i < sessions_.size(); ++i) sessions_[i]->on_tenant_changed();
    // What had to wait may pass now.
    for (const auto& [time, who] : std::exchange(resting_, {})) who->on_rested();
}

void worker::wake_rested() {
    while (!resting_.empty() && resting_.begin()->first <= loop_.now()) {
        session* const who = resting_.begin()->second;
        resting_.erase(resting_.begin());
        who->on_rested();
    }
    if (!resting_.empty()) loop_.wake_by(resting_.begin()->first);
}

namespace {

/// Calls `member` of all in `list`; what joins it meanwhile stays for the next time. Both vectors keep their memory.
template <typename Object, typename Member>
void call_all(std::vector<Object*>& list, std::vector<Object*>& scratch, Member member) {
    std::swap(list, scratch);
    for (Object* const one : scratch) (one->*member)();
    scratch.clear();
}

}  // namespace

void worker::turn_end() {
    if (!resting_.empty()) wake_rested();
    call_all(to_resume_, called_sessions_, &session::resume);
    pool_.serve();
    call_all(to_flush_, called_sessions_, &session::flush);
    call_all(upstream_.with_output, called_connections_, &upstream_connection::flush);
    outcomes_.flush(loop_.now());
    fallback_.flush();
    if (!to_finish_.empty()) call_all(to_finish_, called_tenants_, &worker_tenant::finish_turn);
    if (drained_ && !acceptors_.empty()) stop_accepting();
    if (!closed_.empty() || drained_) bury_closed();
    // Whoever joined a list during this waits for no event of its own.
    if (!to_resume_.empty() || !to_flush_.empty() || !upstream_.with_output.empty()) loop_.post([] {});
}

/// At the turn's end: before, an event of the turn may still be on its way to an acceptor.
void worker::stop_accepting() {
    acceptors_.clear();
    for (std::size_t i = 0; i < sessions_.size(); ++i) sessions_[i]->drain();
}

void worker::bury_closed() {
    std::erase_if(closed_, [this](session* closed) {
        if (!closed->finished()) return false;
        std::erase(to_resume_, closed);
        std::erase(to_flush_, closed);
        const std::size_t slot = closed->slot;
        std::swap(sessions_[slot], sessions_.back());
        sessions_[slot]->slot = slot;
        sessions_.pop_back();
        return true;
    });
    if (drained_ && sessions_.empty()) std::exchange(drained_, nullptr)();
}

void worker::tick() {
    tick_lanes();
    pool_.tick();
    for (const auto& [account, here] : tenants_) here->tick();
    std::erase_if(tenants_, [](const auto& entry) { return entry.second->is_unused(); });
    inquiries_.tick(loop_.now());
    fallback_.tick();
    if (loop_.now() < next_session_tick_) return;
    next_session_tick_ = loop_.now() + session_tick;
    for (std::size_t i = 0; i < sessions_.size(); ++i) sessions_[i]->tick(loop_.now());
}

/// Of lanes that nobody is on, those that are down go, so that SELECT cannot fill the memory with connections that will
/// never be made; and those that nobody was on for long, as nobody may come again (a tenant's scripts, its database).
void worker::close_unused_lanes() {
    const lane first{resp_version::resp2, settings().upstream.database};
    const auto idle_timeout = settings().upstream.pool.idle_timeout;
    std::erase_if(lanes_, [&](const auto& entry) {
        return entry.first != first && std::ranges::all_of(entry.second, [&](const auto& connection) {
                   const bool rested = idle_timeout.count() > 0 && connection->has_rested(loop_.now(), idle_timeout);
                   return (rested || connection->is_useless()) && std::ranges::none_of(sessions_, [&](const auto& one) {
                              return one->is_on(*connection);
                          });
               });
    });
}

void worker::tick_lanes() {
    close_unused_lanes();
    for (auto& [set_to, connections] : lanes_) {
        for (auto& connection : connections) connection->tick();
    }
}

void worker::begin_drain(std::function<void()> drained) {
    loop_.post([this, done = std::move(drained)] { drained_ = done; });
}

}  // namespace weir
