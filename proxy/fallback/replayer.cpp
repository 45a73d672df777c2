#include "proxy/fallback/replayer.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "protocol/ascii.hpp"

namespace weir {
namespace asio = boost::asio;
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_bytes = 256 << 10;
/// A connection that breaks is made anew so often before Redis counts as away again.
constexpr unsigned most_losses = 3;
/// A network that is slower than 4 MB/s is none between a sidecar and its Redis.
constexpr std::size_t slowest_bytes_a_millisecond = 4'000;
/// So often in a row the replay stops because Redis takes no writes; then what it does not take is given up.
constexpr unsigned most_forbidden = 3;
constexpr auto delay_after_loss = 50ms;
/// How often it is looked whether the breaker would close.
constexpr auto closing_interval = 5ms;
/// How often it is looked whether the journal is to be had again.
constexpr auto waiting_interval = 50ms;

/// Of INFO's reply; empty when it does not say.
std::string run_id(const control_reply& info) {
    constexpr std::string_view field = "\nrun_id:";
    const std::size_t at = info.is_error() ? std::string::npos : info.text.find(field);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + field.size();
    return info.text.substr(begin, info.text.find('\r', begin) - begin);
}

/// Not a command for the upstream, where it would mean everybody's keys.
bool is_flush(const write_journal::operation& operation) {
    if (operation.words.empty()) return false;
    return equals_ignoring_case(operation.words[0], "flushdb") || equals_ignoring_case(operation.words[0], "flushall");
}

}  // namespace

replayer::replayer(asio::io_context& context, const upstream_options& upstream, breaker& circuit, circuit_hold& hold,
                   std::vector<replay_source*> journals, events told)
    : upstream_(upstream),
      circuit_(circuit),
      hold_(hold),
      sources_(std::move(journals)),
      told_(std::move(told)),
      context_(context),
      timer_(context),
      client_(context.get_executor()) {}

void replayer::start() {
    if (hold_.is_held() && circuit_.state() == breaker_state::half_open) launch();
}

void replayer::start_for_others() {
    for_others_ = true;
    if (is_for_others()) launch();
}

void replayer::launch() {
    if (std::exchange(running_, true)) return;
    began_with_ = size();
    left_ = 0;
    asio::co_spawn(context_, run(), [](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
    });
}

bool replayer::goes_on() const {
    if (is_for_others()) return for_others_;
    return hold_.is_held() && circuit_.state() == breaker_state::half_open;
}

std::size_t replayer::size() const {
    std::size_t all = 0;
    for (const replay_source* const each : sources_) all += each->size();
    return all;
}

/// False: nothing is left.
bool replayer::choose_source() {
    const auto next = std::ranges::find_if(sources_, [](const replay_source* each) { return !each->is_drained(); });
    if (next == sources_.end()) return false;
    // What the connection watches is the other one's marker.
    if (std::exchange(source_, *next) != *next) client_.close();
    return true;
}

asio::awaitable<void> replayer::run() {
    losses_ = 0;
    while (goes_on()) {
        if (!choose_source()) {
            if (is_for_others()) for_others_ = false;
            else if (circuit_.is_only_held()) finish();
            else co_await wait(closing_interval);
            continue;
        }
        const progress made = co_await step();
        waits_ = made == progress::waiting;
        told_.progress();
        if (made == progress::made) {
            losses_ = 0;
        } else if (is_for_others()) {
            for_others_ = false;
        } else if (made == progress::waiting) {
            co_await wait(waiting_interval);
        } else if (made == progress::unable || ++losses_ > most_losses) {
            give_up(trouble_);
        } else {
            co_await wait(losses_ * delay_after_loss * size_.patience());
        }
    }
    client_.close();
    for (replay_source* const each : sources_) each->close();
    running_ = false;
    waits_ = false;
    told_.progress();
}

/// A connection, and something at the front of the journal if there is anything.
asio::awaitable<replayer::progress> replayer::make_ready() {
    switch (co_await source_->open()) {
        case replay_source::readiness::ready: break;
        case replay_source::readiness::waiting: trouble_ = source_->trouble(); co_return progress::waiting;
        case replay_source::readiness::anew:
            client_.close();
            uncertain_.reset();
            anew_ = true;
    }
    if (!client_.is_open()) {
        const progress made = co_await connect();
        if (made != progress::made) co_return made;
    }
    if (!journal().empty() || co_await source_->fetch(wants_quiet())) co_return progress::made;
    trouble_ = source_->trouble();
    co_return progress::waiting;
}

asio::awaitable<replayer::progress> replayer::step() {
    const progress ready = co_await make_ready();
    if (ready != progress::made || journal().empty()) co_return ready;
    if (is_flush(journal()[0])) {
        flushing_ = true;
        told_.progress();
        const progress made = co_await flush();
        flushing_ = false;
        co_return made;
    }
    const int database = journal()[0].database;
    if (!proven_.contains(database)) co_return co_await prove(database);
    if (forbidden_ >= most_forbidden) co_return co_await replay_last();
    co_return co_await replay(next_batch());
}

/// Redis serves but has taken no writes time and again (it is full, say): all tenants would wait for that without end. What it
/// takes now is done; the rest is given up, one by one.
asio::awaitable<replayer::progress> replayer::replay_last() {
    batch_.build_last_try(journal(), source_->marker());
    const bool cannot_be_sent = !batch_.refused().empty();
    const auto replies = co_await client_.pipeline(batch_.requests(), batch_.replies(), "replay", deadline_of_batch());
    if (!replies) {
        // Nobody knows whether it was done; it is not done again.
        refuse(0, "LOST");
        trouble_ = client_.failure();
        const progress left = co_await leave(1);
        co_return left == progress::made ? progress::lost : left;
    }
    const auto outcome = batch_.judge(*replies);
    if (outcome == replay_batch::outcome::unable) {
        trouble_ = batch_.error();
        client_.close();
        co_return progress::unable;
    }
    if (cannot_be_sent || !batch_.refused().empty()) refuse(0, batch_.refused().front().code);
    co_return co_await leave(1);
}

/// Up to what has to be looked at apart.
std::size_t replayer::next_batch() const {
    const write_journal& waiting = journal();
    const std::size_t most = waiting.batch(size_.most(), most_bytes);
    std::size_t count = 1;
    while (count < most && !is_flush(waiting[count]) && proven_.contains(waiting[count].database)) ++count;
    return count;
}

asio::awaitable<replayer::progress> replayer::connect() {
    const auto until = clock::now() + std::min(upstream_.pool.connect_timeout, 2 * upstream_.command_timeout);
    auto found = co_await resolve(upstream_.address, until);
    if (!found.addresses.empty()) addresses_ = std::move(found.addresses);
    trouble_ = found.failure;
    if (addresses_.empty()) co_return progress::lost;
    if (!co_await client_.connect(addresses_, upstream_, until)) {
        trouble_ = client_.failure();
        co_return progress::lost;
    }
    proven_ = {0};
    co_return co_await take_over();
}

/// Makes sure that nothing sent before is done from now on, and finds out what was.
asio::awaitable<replayer::progress> replayer::take_over() {
    const replay_marker& marker = source_->marker();
    std::string requests;
    const auto add = [&](std::initializer_list<std::string_view> words) {
        append_request(requests, std::span(words.begin(), words.size()));
    };
    add({"SET", marker.name, "0", "PX", marker.milliseconds, "NX"});
    add({"MULTI"});
    add({"GET", marker.name});
    add({"PEXPIRE", marker.name, marker.milliseconds});
    add({"EXEC"});
    add({"WATCH", marker.name});
    add({"GET", marker.name});
    add({"INFO", "server"});
    auto replies = co_await client_.pipeline(std::move(requests), 8, "replay", deadline());
    if (!replies) {
        trouble_ = client_.failure();
        co_return progress::lost;
    }
    server_ = run_id(replies->back());
    // A server that takes no writes does not do what was sent before either, and can be asked without one.
    const control_reply& plain = (*replies)[6];
    if (forbidden_ >= most_forbidden && (!uncertain_ || !plain.is_error())) co_return co_await learn_outcome(plain.text);
    const control_reply& shown = (*replies)[4];
    if (!shown.is_array() || shown.elements.size() != 2 || !shown.elements[0].is_text()) {
        const auto error = std::ranges::find_if(*replies, &control_reply::is_error);
        trouble_ = error == replies->end() ? "the marker is not to be had" : error->text;
        client_.close();
        co_return progress::unable;
    }
    co_return co_await learn_outcome(shown.elements[0].text);
}

/// Of what was sent last: by this process, or by one that is no more.
asio::awaitable<replayer::progress> replayer::learn_outcome(std::string marker) {
    if (const auto sent = std::exchange(uncertain_, std::nullopt)) co_return co_await settle(*sent, std::move(marker));
    if (!anew_) co_return progress::made;
    const auto number = parse_integer(marker);
    if (co_await source_->recover(number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0)) {
        anew_ = false;
        co_return progress::made;
    }
    trouble_ = source_->trouble();
    client_.close();
    co_return progress::waiting;
}

/// What came of a batch the connection of which was lost.
asio::awaitable<replayer::progress> replayer::settle(replay_attempt sent, std::string marker) {
    if (marker == std::to_string(sent.sequence)) co_return co_await leave(sent.operations);
    if (!sent.is_to_blame(server_)) co_return progress::made;
    // The server is well, and about the batch something is learnt each time.
    losses_ = 0;
    const bool is_least = sent.operations == journal().batch(1, 0);
    if (!size_.lost(sent.operations, is_least && journal().bytes_of_front(sent.operations) >= least_to_blame)) {
        co_return progress::made;
    }
    for (std::size_t place = 0; place < sent.operations; ++place) {
        if (!journal()[place].words.empty()) refuse(place, "LOST");
    }
    co_return co_await leave(sent.operations);
}

/// One long transaction cannot be cut, so it gets the time that it takes.
replayer::clock::time_point replayer::deadline_of_batch() const {
    return deadline() + std::chrono::milliseconds(batch_.requests().size() / slowest_bytes_a_millisecond);
}

asio::awaitable<replayer::progress> replayer::replay(std::size_t count) {
    const auto number = co_await source_->claim(count);
    if (!number) {
        trouble_ = source_->trouble();
        co_return progress::waiting;
    }
    batch_.build(journal(), count, source_->marker(), *number);
    // Those that cannot be sent would be found again each time.
    for (const auto& refusal : batch_.refused()) refuse(refusal.place, refusal.code);
    const std::size_t found_before = batch_.refused().size();
    uncertain_ = replay_attempt{.sequence = *number, .operations = count, .server = server_};
    auto replies = co_await client_.pipeline(batch_.requests(), batch_.replies(), "replay", deadline_of_batch());
    if (!replies) {
        uncertain_->hung_up = !client_.has_timed_out();
        trouble_ = client_.failure();
        co_return progress::lost;
    }
    uncertain_.reset();
    const auto outcome = batch_.judge(*replies);
    for (std::size_t i = found_before; i < batch_.refused().size(); ++i) {
        refuse(batch_.refused()[i].place, batch_.refused()[i].code);
    }
    switch (outcome) {
        case replay_batch::outcome::done:
            forbidden_ = 0;
            size_.done();
            co_return co_await leave(count);
        case replay_batch::outcome::aborted: co_return progress::made;
        case replay_batch::outcome::unable:
            trouble_ = batch_.error();
            client_.close();
            co_return progress::unable;
        case replay_batch::outcome::disturbed: break;
    }
    trouble_ = "somebody else wrote the marker";
    client_.close();
    co_return progress::lost;
}

/// Inside of a transaction it would be too late: what follows would go to the database before.
asio::awaitable<replayer::progress> replayer::prove(int database) {
    std::string requests;
    const std::string number = std::to_string(database);
    append_request(requests, std::array<std::string_view, 2>{"SELECT", number});
    append_request(requests, std::array<std::string_view, 2>{"SELECT", "0"});
    const auto replies = co_await client_.pipeline(std::move(requests), 2, "replay", deadline());
    if (!replies) {
        trouble_ = client_.failure();
        co_return progress::lost;
    }
    const control_reply& selected = replies->front();
    if (!selected.is_error()) {
        proven_.insert(database);
    } else if (selected.text.starts_with("ERR") || selected.text.starts_with("NOPERM")) {
        refuse(0, selected.text.substr(0, selected.text.find(' ')));
        co_return co_await leave(1);
    } else {
        trouble_ = selected.text;
        client_.close();
        co_return progress::unable;
    }
    co_return progress::made;
}

/// May be done twice, as nothing behind it is done before.
asio::awaitable<replayer::progress> replayer::flush() {
    const auto whose = journal()[0].whose;
    const bool all = equals_ignoring_case(journal()[0].words[0], "flushall");
    std::vector<int> databases{journal()[0].database};
    if (all) {
        std::vector<std::string> words{"INFO", "keyspace"};
        const auto reply = co_await client_.command(std::move(words), deadline());
        if (!reply || reply->is_error()) {
            trouble_ = reply ? reply->text : client_.failure();
            client_.close();
            co_return reply ? progress::unable : progress::lost;
        }
        databases.clear();
        for (std::size_t at = 0; (at = reply->text.find("\ndb", at)) != std::string::npos; at += 3) {
            const auto line = std::string_view(reply->text).substr(at + 3);
            const auto number = parse_integer(line.substr(0, line.find(':')));
            if (number && whose->may_select(*number)) databases.push_back(static_cast<int>(*number));
        }
    }
    for (const int database : databases) {
        const progress made = co_await flush_database(*whose, database);
        if (made != progress::made) co_return made;
    }
    co_return co_await leave(1);
}

asio::awaitable<replayer::progress> replayer::flush_database(const tenant& whose, int database) {
    const std::string number = std::to_string(database);
    const std::string pattern = std::string(whose.prefix_pattern()) + "*";
    std::string cursor = "0";
    do {
        std::string requests;
        append_request(requests, std::array<std::string_view, 2>{"SELECT", number});
        append_request(requests, std::array<std::string_view, 6>{"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"});
        const auto page = co_await client_.pipeline(std::move(requests), 2, "replay", deadline());
        const bool is_page = page && !page->front().is_error() && (*page)[1].is_array() && (*page)[1].elements.size() == 2;
        if (!is_page) {
            trouble_ = page ? "SCAN is refused" : client_.failure();
            client_.close();
            co_return page ? progress::unable : progress::lost;
        }
        cursor = (*page)[1].elements[0].text;
        std::vector<std::string> words{"UNLINK"};
        for (const control_reply& key : (*page)[1].elements[1].elements) {
            if (key.text.starts_with(whose.prefix())) words.push_back(key.text);
        }
        if (words.size() == 1) continue;
        const auto gone = co_await client_.command(std::move(words), deadline());
        if (!gone || gone->is_error()) {
            trouble_ = gone ? gone->text : client_.failure();
            client_.close();
            co_return gone ? progress::unable : progress::lost;
        }
    } while (cursor != "0");
    std::vector<std::string> back{"SELECT", "0"};
    if (co_await client_.command(std::move(back), deadline())) co_return progress::made;
    trouble_ = client_.failure();
    co_return progress::lost;
}

asio::awaitable<void> replayer::wait(clock::duration duration) {
    timer_.expires_after(duration);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

void replayer::refuse(std::size_t place, const std::string& code) {
    const write_journal::operation& operation = journal()[place];
    ++refused_;
    ++refused_total_;
    const std::string command = operation.words.empty() ? "" : operation.words[0];
    write_log_limited(limiter_, clock::now(), log_level::warning, "fallback replay refused",
                      {{"tenant", operation.whose->name()}, {"command", command}, {"code", code}});
    told_.refused(operation);
    source_->refuse(place, code);
}

asio::awaitable<replayer::progress> replayer::leave(std::size_t operations) {
    std::size_t done = 0;
    for (std::size_t i = 0; i < operations; ++i) done += !journal()[i].words.empty();
    if (!co_await source_->leave(operations)) {
        trouble_ = source_->trouble();
        client_.close();
        co_return progress::waiting;
    }
    replayed_ += done;
    replayed_total_ += done;
    left_ += operations;
    co_return progress::made;
}

/// Until the breaker is half-open again.
void replayer::give_up(std::string_view reason) {
    log_warning("fallback replay stopped", {{"reason", reason}, {"operations", size()}});
    forbidden_ = replay_batch::forbids_writes(reason) ? forbidden_ + 1 : 0;
    circuit_.replay_failed(reason, clock::now());
}

void replayer::finish() {
    if (replayed_ + refused_ > 0) log_info("fallback replayed", {{"operations", replayed_}, {"refused", refused_}});
    replayed_ = 0;
    refused_ = 0;
    forbidden_ = 0;
    hold_.release();
}

}  // namespace weir
