// While the breaker keeps commands from the upstream: what can be answered without it gathers in a job, as a pipeline
// brings it, and the job's answers come back as one piece. Nothing else of the client is performed meanwhile, so replies
// stay in their order.

#include <algorithm>

#include "protocol/command_keys.hpp"
#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// A job is sent on its way at the latest with so much in it.
constexpr std::size_t max_job_commands = 1'024;
constexpr std::size_t max_job_bytes = 256 << 10;

/// Of a subcommand its container's.
std::string quoted(const command_spec& command) {
    return "'" + std::string(command.name.substr(0, command.name.find('|'))) + "'";
}

void write_request(buffer& out, const fallback_job& job, const fallback_job::command& command) {
    reply_writer writer(out, resp_version::resp2);
    writer.array(command.words);
    for (std::size_t i = 0; i < command.words; ++i) writer.bulk(job.text_of(command.first_word + i));
}

/// The row of a request that was let through before.
const command_spec* row_of(const command_table& table, const arguments& request) {
    const command_spec* row = table.find(request[0]);
    return row != nullptr && row->container && request.size() > 1 ? table.find_subcommand(*row, request[1]) : row;
}

/// The request with the tenant's prefix taken from its keys; false when it holds names that cannot be found so.
bool take_prefix_away(const arguments& request, const command_spec& command, const tenant& owner, buffer& out) {
    if (command.request != request_rule::keys || owner.long_keys().action == long_key_action::sha256) return false;
    std::vector<std::uint32_t> keys;
    for (const key_spec& spec : command.keys()) locate_keys(request, spec, keys);
    reply_writer writer(out, resp_version::resp2);
    writer.array(request.size());
    for (std::uint32_t i = 0; i < request.size(); ++i) {
        std::string_view word = request[i];
        if (std::ranges::find(keys, i) != keys.end()) {
            if (!word.starts_with(owner.prefix())) return false;
            word.remove_prefix(owner.prefix().size());
        }
        writer.bulk(word);
    }
    return true;
}

}  // namespace

/// What is emulated asks the upstream about keys, or the workers about clients.
bool session::needs_upstream(const decision& decided) {
    if (decided.route == command_route::emulate) return decided.command->is(command_category::keyspace);
    return decided.route == command_route::forward;
}

bool session::upstream_passes() const { return worker_.outcomes().passes(); }

// ---- to the fallback -----------------------------------------------------------------------------------------------

std::optional<session::progress> session::divert(const arguments& request, const decision& decided) {
    if (trial_) return std::nullopt;
    const command_spec& command = *decided.command;
    // Where a store answers the rest, a write that went to the upstream would not be seen there.
    const bool alone = !worker_.fallback().exists() || command.has(command_flag::readonly);
    const bool shares = decided.route == command_route::forward && !decided.waits && !(extras_ && extras_->dedicated);
    if (shares && alone && !gathers() && upstream_->unavailable().empty() && worker_.outcomes().circuit()->admit(worker_.loop().now())) {
        trial_ = true;
        return std::nullopt;
    }
    const fallback_way way = decided.waits ? fallback_way{.obstacle = "it waits for what others do"} : way_to_fallback(request, command);
    const bool is_refused = !way.obstacle.empty() || has_too_long_key(request, command);
    if (gathers() && (is_refused || extras_->job->place != way.place)) {
        post_job();
        return progress::wait;
    }
    if (!way.obstacle.empty()) {
        counters()->fallback_refused.add();
        refuse_without_upstream(quoted(command), way.obstacle);
        return progress::next;
    }
    if (is_refused) {
        refuse(errors::key_too_long);
        return progress::next;
    }
    gather(request, command, way.place);
    if (extras_->job->commands.size() >= max_job_commands || extras_->job->text.size() >= max_job_bytes) post_job();
    return progress::next;
}

session::fallback_way session::way_to_fallback(const arguments& request, const command_spec& command) const {
    if (!worker_.fallback().exists()) return {.obstacle = "no fallback is configured"};
    if (command.name == "select") return {.obstacle = "a transaction that changes the database needs Redis"};
    if (!fallback_port::knows(command)) return {.obstacle = "no store can do it"};
    if (has_state_upstream()) return {.obstacle = "the client watches keys or caches them"};
    const fallback_place place = whose().rules().fallback().place_of(request, command);
    if (place == fallback_place::nowhere) return {.obstacle = "the tenant's fallback rules do not allow it for this key"};
    return {.place = place};
}

/// Where the tenant's long keys are refused, they are so without the upstream too.
bool session::has_too_long_key(const arguments& request, const command_spec& command) const {
    if (whose().long_keys().action != long_key_action::refuse) return false;
    buffer& unused = worker_.scratch();
    unused.clear();
    return worker_.rewriter().rewrite(request, command, whose(), unused) == rewrite_status::key_too_long;
}

std::string session::without_upstream(std::string_view what, std::string_view why) const {
    const breaker_state state = worker_.outcomes().circuit()->state();
    // It may have closed since it was asked.
    const bool is_past = state == breaker_state::closed || state == breaker_state::disabled;
    return errors::not_without_upstream(to_string(is_past ? breaker_state::half_open : state), what, why);
}

void session::refuse_without_upstream(std::string_view what, std::string_view why) {
    counters()->result(command_result::failed).add();
    reply_error(without_upstream(what, why));
}

void session::gather(const arguments& request, const command_spec& command, fallback_place place) {
    auto& job = more().job;
    if (!job) {
        job = std::make_unique<fallback_job>();
        job->place = place;
        extras_->job_was_taken_back = false;
    }
    job->add_command(request, command);
}

void session::post_job() {
    const std::unique_ptr<fallback_job> job = std::move(extras_->job);
    job->from = this;
    job->whose = tenant_->shared();
    job->database = client().database;
    job->version = client().version;
    tenant_->send(job->commands.size());
    job_posted_ = true;
    activity_ = activity::falling_back;
    worker_.fallback().post(std::move(*job));
}

session::progress session::exec_without_upstream() {
    const fallback_job& queued = extras_->multi->without_upstream;
    std::string obstacle = extras_->multi->obstacle;
    if (!worker_.fallback().exists()) obstacle = "no fallback is configured";
    if (has_state_upstream()) obstacle = "the client watches keys or caches them";
    if (!obstacle.empty()) {
        counters()->fallback_refused.add();
        counters()->result(command_result::failed).add();
        return abort_transaction("EXECABORT Transaction discarded because of: " +
                                 without_upstream("the transaction", obstacle));
    }
    auto job = std::make_unique<fallback_job>();
    job->transaction = true;
    job->place = extras_->multi->place.value_or(fallback_place::stores);
    for (const auto& command : queued.commands) {
        if (command.literal) {
            job->add_literal(answer_queued(queued.text_of(command.first_word)).view());
            continue;
        }
        job->commands.push_back({command.name, job->words.size(), command.words, command.writes});
        for (std::size_t i = 0; i < command.words; ++i) job->add_word(queued.text_of(command.first_word + i));
    }
    extras_->job_transaction = std::move(extras_->multi);
    extras_->job_was_taken_back = false;
    extras_->job = std::move(job);
    post_job();
    return progress::next;
}

// ---- and back ------------------------------------------------------------------------------------------------------

void session::take_fallback(fallback_job& job) {
    job_posted_ = false;
    tenant_->answer(job.commands.size());
    if (closed_) return;
    auto queued = std::move(extras_->job_transaction);
    // Of a client that is closed after its replies nothing is performed any more.
    const bool is_last = extras_->job_was_taken_back || closing_;
    if (job.result == fallback_job::outcome::returned && !is_last) {
        extras_->multi = std::move(queued);
        return perform_again(job);
    }
    if (job.result == fallback_job::outcome::returned) {
        reply_writer writer(job.replies, resp_version::resp2);
        job.performed = job.commands.size();
        for (const auto& command : job.commands) {
            command.literal ? job.replies.append(job.text_of(command.first_word)) : writer.error(errors::upstream_lost_unsent);
        }
    }
    tenant_counters& counted = *counters();
    counted.fallback_postgres.add(job.answered_by_postgres);
    counted.fallback_memory.add(job.answered_by_memory);
    counted.fallback_empty.add(job.answered_empty);
    counted.fallback_refused.add(job.refused);
    counted.result(command_result::fallback).add(job.answered_by_postgres + job.answered_by_memory + job.answered_empty);
    counted.result(command_result::failed).add(job.refused);
    window_.observe(std::max<std::size_t>(job.performed, 1), job.replies.size());
    if (job.overflowed) return cut_off();
    reply(job.replies);
    if (job.transaction || job.performed == job.commands.size()) return in_flight_ == 0 ? settle() : proceed();
    job.commands.erase(job.commands.begin(), job.commands.begin() + static_cast<std::ptrdiff_t>(job.performed));
    is_last ? post_again(job) : perform_again(job);
}

/// What is said of others stands among the commands, so that the client is not asked for them again.
void session::post_again(fallback_job& rest) {
    auto job = std::make_unique<fallback_job>(std::move(rest));
    job->replies.clear();
    job->performed = job->answered_by_postgres = job->answered_by_memory = job->answered_empty = job->refused = 0;
    extras_->job = std::move(job);
    post_job();
}

/// The breaker has closed meanwhile, or the replies have become long: the commands are the first of what is still to be done.
void session::perform_again(fallback_job& job) {
    buffer requests;
    if (job.transaction) {
        requests.append("*1\r\n$4\r\nEXEC\r\n");
        ++paid_;
    } else {
        for (const auto& command : job.commands) write_request(requests, job, command);
        paid_ += static_cast<std::uint32_t>(job.commands.size());
    }
    requests.append(input_.view());
    input_ = std::move(requests);
    // It is the only one in its job.
    if (extras_->replies == client_replies::skipping) extras_->replies = client_replies::skip_next;
    extras_->parser.reset();  // of a request that now begins elsewhere
    in_flight_ == 0 ? settle() : proceed();
}

bool session::take_back(std::string_view bytes) {
    const bool plain = activity_ == activity::none || activity_ == activity::awaiting_replies ||
                       (activity_ == activity::falling_back && gathers());
    if (closed_ || !plain || job_posted_ || !worker_.fallback().exists()) return false;
    request_parser parser;
    if (parser.parse(bytes, worker_.limits()) != parse_status::complete) return false;
    const arguments sent = parser.request(bytes);
    const command_spec* const command = row_of(worker_.commands(), sent);
    buffer own;
    request_parser again;
    if (command == nullptr || !take_prefix_away(sent, *command, whose(), own)) return false;
    if (again.parse(own.view(), worker_.limits()) != parse_status::complete) return false;
    const arguments request = again.request(own.view());
    const fallback_way way = way_to_fallback(request, *command);
    if (!way.obstacle.empty() || (gathers() && extras_->job->place != way.place)) return false;
    gather(request, *command, way.place);
    extras_->job_was_taken_back = true;
    answered(1);
    activity_ = activity::falling_back;
    request_resume();
    return true;
}

// ---- while the upstream is there -----------------------------------------------------------------------------------

/// When nothing is in flight any more: what was remembered of its keys is void then.
void session::note_late_write(const arguments& request, const command_spec& command) {
    if (worker_.fallback().remembers()) worker_.fallback().add_slots(request, command, whose(), client().database, more().written);
}

void session::end_late_writes() {
    worker_.fallback().end(extras_->written);
    extras_->written.clear();
}

void session::end_trial() {
    if (std::exchange(trial_, false)) worker_.outcomes().untried();
}

}  // namespace weir
