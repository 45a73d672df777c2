#include "proxy/pubsub/subscription_hub.hpp"

#include <algorithm>
#include <utility>

#include "protocol/errors.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

const lane hub_lane{resp_version::resp3, 0, nullptr};
/// A server that has nothing to say is asked for a sign of life that often, or every command_timeout if that is longer.
constexpr std::chrono::milliseconds min_ping_interval{1'000};

}  // namespace

subscription_hub::subscription_hub(worker& owner, worker_tenant& whose)
    : reply_target(nullptr, {}),
      worker_(owner),
      share_(&whose.account().dedicated),
      table_(whose.shared(), whose.account().subscribers, whose.counters(), owner.counters()) {}

subscription_hub::~subscription_hub() {
    if (acquiring_) worker_.pool().cancel(*this);
    if (connection_ != nullptr) worker_.pool().release(*connection_);
}

void subscription_hub::subscribe(subscription_kind kind, std::string_view name, subscriber& who) {
    table_.subscribe(kind, name, who);
    pass_on();
}

void subscription_hub::unsubscribe(subscription_kind kind, std::string_view name, subscriber& who) {
    table_.unsubscribe(kind, name, who);
    pass_on();
}

void subscription_hub::acknowledge(subscriber& who) {
    table_.acknowledge(who);
    pass_on();
}

void subscription_hub::forget(subscription_kind kind, std::string_view name, subscriber& who) {
    table_.forget(kind, name, who);
    pass_on();
}

void subscription_hub::forget_leaving(subscription_kind kind, std::string_view name, subscriber& who) {
    table_.forget_leaving(kind, name, who);
    pass_on();
}

void subscription_hub::pass_on() {
    if (table_.output().empty()) return;
    if (connection_ == nullptr && !acquiring_) {
        if (upstream_connection* const idle = worker_.pool().try_take(hub_lane, share_)) return use(*idle);
        acquiring_ = true;
        worker_.pool().acquire(hub_lane, *this, share_);
    }
    if (connection_ == nullptr) return;
    connection_->output().append(table_.output().view());
    connection_->submit_unanswered();
    table_.output().clear();
    table_.output().release();
    if (!std::exchange(awaiting_, true)) since_ = worker_.loop().now();
}

void subscription_hub::use(upstream_connection& connection) {
    connection_ = &connection;
    connection.set_owner(this);
    awaiting_ = false;
    pass_on();
}

void subscription_hub::take_push(std::string_view push) {
    if (connection_ == nullptr) return;
    if (!table_.take(push)) {
        // What it will send cannot be told apart any more.
        connection_->spoil();
        return lose(errors::upstream_protocol);
    }
    awaiting_ = table_.awaits_answer();
    since_ = worker_.loop().now();
    pass_on();
    give_back_if_unused();
}

bool subscription_hub::take_unasked(std::string_view reply) {
    take_push(reply);
    return true;
}

void subscription_hub::give_back_if_unused() {
    if (connection_ == nullptr || !table_.empty()) return;
    worker_.pool().release(*std::exchange(connection_, nullptr));
}

void subscription_hub::on_connection_lost() { lose(errors::upstream_lost_subscriptions); }

void subscription_hub::lose(std::string_view error) {
    if (connection_ != nullptr) worker_.pool().release(*std::exchange(connection_, nullptr));
    table_.lose(error);
}

void subscription_hub::on_connected(upstream_connection& connection) {
    acquiring_ = false;
    use(connection);
    give_back_if_unused();
}

void subscription_hub::on_connect_failed(upstream_connection& connection, std::string_view error) {
    acquiring_ = false;
    connection_ = &connection;
    lose(error);
}

void subscription_hub::on_acquire_timeout() {
    acquiring_ = false;
    lose(errors::pool_exhausted);
}

void subscription_hub::tick() {
    if (connection_ == nullptr) return;
    table_.retry();
    const auto timeout = worker_.settings().upstream.command_timeout;
    const auto silence = worker_.loop().now() - std::max(since_, connection_->last_heard());
    if (awaiting_ && silence > 2 * timeout) {
        worker_.counters().upstream_timeouts.add();
        connection_->spoil();
        return lose(errors::upstream_timeout);
    }
    if (!awaiting_ && silence >= std::max(timeout, min_ping_interval)) table_.ping();
    pass_on();
}

}  // namespace weir
