// Who a session's client is: given by the listener, or proven by AUTH or HELLO.

#include "policy/credentials.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

bool session::authenticated() const { return !whose().is_nobody(); }

session::identity session::authenticate(std::string_view user, std::string_view password) {
    // As with a Redis whose default user needs no password: there is nothing to prove.
    if (tenant_is_given_) return user == "default" ? identity::proven : identity::refused;
    if (extras_ && extras_->checked) return *std::exchange(extras_->checked, std::nullopt);
    const auto table = worker_.process().tenants.credentials();
    auto check = table->begin(user, password, worker_.loop().now());
    if (!check.slow) {
        take_identity(check.tenant);
        return *std::exchange(extras_->checked, std::nullopt);
    }
    // The session may be gone by the time the answer is there, its worker is not: workers end last.
    const bool posted = worker_.process().slow.try_post(
        [&home = worker_, id = id_, table, slow = std::shared_ptr<slow_check>(std::move(check.slow))] {
            const auto found = slow->run();
            home.loop().post([&home, id, table, found] {
                if (session* const client = home.find_session(id)) client->take_slow_identity(*table, found);
            });
        });
    if (!posted) return identity::busy;
    activity_ = activity::authenticating;
    return identity::unknown;
}

/// By passwords that are no longer the configured ones nothing is proven: the command is offered again.
void session::take_slow_identity(const credential_table& by, const std::optional<std::string>& tenant_name) {
    if (worker_.process().tenants.credentials().get() == &by) return take_identity(tenant_name);
    if (activity_ == activity::authenticating) proceed();
}

void session::take_identity(const std::optional<std::string>& tenant_name) {
    // The configuration may have changed since the password was looked at.
    const auto account = tenant_name ? worker_.process().tenants.find(*tenant_name) : nullptr;
    if (account == nullptr) {
        more().checked = identity::refused;
    } else {
        more().checked = become(account) ? identity::proven : identity::crowded;
    }
    if (activity_ == activity::authenticating) proceed();
}

void session::forget_tenant() {
    if (!tenant_is_given_) static_cast<void>(become(worker_.process().tenants.nobody()));
}

/// False, with nothing changed, when the tenant may have no more clients.
bool session::become(const std::shared_ptr<tenant_account>& account) {
    if (account == this->account()) return true;
    if (!account->admit_client()) {
        account->counters(worker_.number()).refused_connections.add();
        return false;
    }
    forget_state();
    const int database = worker_.settings().upstream.database;
    client().name.clear();
    counters()->connections.sub();
    tenant_->account().leave_client();
    tenant_->answer(0);  // there was room for it, perhaps, which another one can have
    tenant_->leave();
    tenant_ = &worker_.tenant_of(account);
    tenant_->join();
    assign(&tenant_->counters(), account->prefix(), account->scripts());
    counters()->connections.add();
    counters()->connections_total.add();
    use_lane({client().version, database});
    return true;
}

}  // namespace weir
