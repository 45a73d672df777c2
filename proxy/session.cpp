#include "proxy/session.hpp"

#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/socket.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// A client that has gone while it was blocked is cut loose after this at the latest.
constexpr std::chrono::milliseconds patience_with_unblock{500};

}  // namespace

session::session(worker& owner, file_descriptor socket, worker_tenant& whose, std::uint64_t id)
    : reply_target(&whose.counters(), whose.account().prefix(), whose.account().scripts()),
      worker_(owner),
      socket_(std::move(socket)),
      tenant_(&whose),
      id_(id),
      upstream_(&owner.shared_connection({resp_version::resp2, owner.settings().upstream.database})),
      window_(owner.settings().clients.max_in_flight, owner.settings().clients.pause_reading_over_bytes),
      interest_(readable),
      connected_at_(owner.loop().now()),
      last_active_(connected_at_),
      tenant_is_given_(!whose.whose().is_nobody()) {
    tenant_->join();
    worker_.loop().add(socket_.get(), interest_, *this);
    counters()->connections.add();
    counters()->connections_total.add();
}

session::~session() { tenant_->leave(); }

const tenant& session::whose() const { return tenant_->whose(); }

const std::shared_ptr<tenant_account>& session::account() const { return tenant_->shared_account(); }

session::extras& session::more() {
    if (!extras_) {
        extras_ = std::make_unique<extras>();
        extras_->client.database = worker_.settings().upstream.database;
    }
    return *extras_;
}

client_state& session::client() { return more().client; }

void session::on_ready(std::uint32_t epoll_events) {
    if (!closed_ && (epoll_events & writable)) flush();
    if (closed_) return;
    if (epoll_events & readable) {
        read_requests();
    } else if (epoll_events & (EPOLLERR | EPOLLHUP)) {
        close();
    } else if (epoll_events & hangup) {
        unblock_if_blocked();
    }
}

void session::set_interest(std::uint32_t events) {
    if (events == interest_ || closed_) return;
    interest_ = events;
    worker_.loop().modify(socket_.get(), events, *this);
}

void session::request_flush() {
    if (std::exchange(flush_requested_, true)) return;
    worker_.want_flush(*this);
}

void session::request_resume() {
    if (std::exchange(resume_requested_, true)) return;
    worker_.want_resume(*this);
}

void session::flush() {
    flush_requested_ = false;
    if (closed_) return;
    if (!output_.empty()) {
        const auto result = send_some(socket_.get(), output_.view());
        if (result.status == io_status::closed) return close();
        count_sent(result.bytes);
        output_.consume(result.bytes);
        output_.release();
    }
    if (is_over_unsent_limit()) return cut_off();
    set_interest(output_.empty() ? interest_ & ~writable : interest_ | writable);
    if (output_.size() <= worker_.settings().clients.pause_reading_over_bytes / 2) {
        if (extras_ && extras_->dedicated) extras_->dedicated->pause_reading(false);
        if (!input_.empty() || !(interest_ & readable)) request_resume();
    }
    close_if_done();
}

void session::resume() {
    resume_requested_ = false;
    if (gathers() && !closed_) post_job();
    if (extras_ && extras_->emulated && extras_->emulated->finished()) extras_->emulated.reset();
    // It may be here as there is room for its tenant, and not need that: then the next one who waits is to be woken.
    if (held_up()) return tenant_->answer(0);
    if (!input_.empty()) {
        input_.consume(process(input_.view()));
        input_.release();
    }
    if (!held_up() && !input_ended_) set_interest((interest_ | readable) & ~hangup);
    tenant_->answer(0);
    close_if_done();
}

void session::close_if_done() {
    if (closed_ || in_flight_ > 0 || !output_.empty() || !direct_.empty() || wants_single_replies_) return;
    if (gathers() || job_posted_) return;
    const bool nothing_to_come =
        (activity_ == activity::none || activity_ == activity::streaming) && !resting_ && !wants_room_;
    if (closing_ || (input_ended_ && nothing_to_come && !resume_requested_)) close();
}

void session::drain() {
    if (closed_) return;
    if (activity_ == activity::blocked) return close();
    if (activity_ == activity::none || activity_ == activity::awaiting_replies) closing_ = true;
    input_ended_ = true;
    set_interest(interest_ & ~readable);
    close_if_done();
}

void session::tick(event_loop::clock::time_point now) {
    if (closed_) return;
    const auto patience = worker_.settings().clients.unauthenticated_timeout;
    if (!authenticated() && patience.count() > 0 && now - connected_at_ >= patience) return close();
    if (is_over_unsent_limit()) return cut_off();
    // The word that should have ended its wait came too early, or was lost with its connection.
    if (activity_ == activity::blocked && extras_->hung_up && now - last_active_ >= patience_with_unblock) return close();
    const auto allowed = worker_.settings().clients.idle_timeout;
    if (is_subscriber() || allowed.count() == 0 || in_flight_ > 0 || now - last_active_ < allowed) return;
    if ((activity_ != activity::none && activity_ != activity::streaming) || resting_ || wants_room_) return;
    worker_.counters().idle_disconnects.add();
    close();
}

void session::close() {
    if (closed_) return;
    closed_ = true;
    worker_.loop().remove(socket_.get());
    socket_.reset();
    counters()->connections.sub();
    tenant_->account().leave_client();
    if (resting_) worker_.forget_rest(rest_);
    resting_ = false;
    if (wants_room_) tenant_->stop_waiting(*this);
    end_trial();
    tenant_->answer(0);  // there was room for it, perhaps, which another one can have
    --worker_.process().clients;
    direct_ = {};
    if (extras_) {
        if (extras_->selecting) extras_->selecting->forget(*this);
        worker_.pool().cancel(*this);
        extras_->relay.reset();
        extras_->stream.reset();
        extras_->counted_as_blocked.reset();
        extras_->subscriptions.reset();
        give_back_dedicated();
    }
    worker_.retire(*this);
}

bool session::finished() const {
    return closed_ && in_flight_ == 0 && !job_posted_ && !(extras_ && extras_->emulated && !extras_->emulated->finished());
}

}  // namespace weir
