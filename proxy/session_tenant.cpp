// Who a session's client is: given by the listener, or proven by AUTH or HELLO.

#include "policy/credentials.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

bool session::authenticated() const { return tenant_ != &worker_.process().nobody; }

session::identity session::authenticate(std::string_view user, std::string_view password) {
    // As with a Redis whose default user needs no password: there is nothing to prove.
    if (tenant_is_given_) return user == "default" ? identity::proven : identity::refused;
    if (extras_ && extras_->checked) return *std::exchange(extras_->checked, std::nullopt);
    auto check = worker_.process().credentials.begin(user, password, worker_.loop().now());
    if (!check.slow) {
        take_identity(check.tenant);
        return *std::exchange(extras_->checked, std::nullopt);
    }
    // The session may be gone by the time the answer is there, its worker is not: workers end last.
    const bool posted = worker_.process().slow.try_post(
        [&home = worker_, id = id_, slow = std::shared_ptr<slow_check>(std::move(check.slow))] {
            const auto found = slow->run();
            home.loop().post([&home, id, found] {
                if (session* const client = home.find_session(id)) client->take_identity(found);
            });
        });
    if (!posted) return identity::busy;
    activity_ = activity::authenticating;
    return identity::unknown;
}

void session::take_identity(std::optional<std::size_t> tenant_index) {
    if (tenant_index) become(*worker_.process().tenants[*tenant_index]);
    more().checked = tenant_index ? identity::proven : identity::refused;
    if (activity_ == activity::authenticating) proceed();
}

void session::forget_tenant() {
    if (!tenant_is_given_) become(worker_.process().nobody);
}

void session::become(const tenant& whose) {
    if (&whose == tenant_) return;
    forget_state();
    const int database = worker_.settings().upstream.database;
    client().name.clear();
    counters()->connections.sub();
    tenant_ = &whose;
    assign(&worker_.counters_of(whose), whose.prefix(), worker_.scripts_of(whose));
    counters()->connections.add();
    counters()->connections_total.add();
    use_lane({client().version, database});
}

}  // namespace weir
