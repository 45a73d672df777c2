#include "proxy/upstream/health_probe.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <limits>
#include <random>
#include <utility>

#include "policy/breaker.hpp"
#include "policy/command_listing.hpp"
#include "policy/reconnect_delay.hpp"
#include "protocol/ascii.hpp"
#include "proxy/logging.hpp"
#include "proxy/upstream/control_client.hpp"

namespace weir {
namespace asio = boost::asio;
namespace {

using clock = std::chrono::steady_clock;
using kind = control_reply::kind;

// Places in an element of COMMAND's reply.
constexpr std::size_t arity_at = 1;
constexpr std::size_t flags_at = 2;
constexpr std::size_t first_key_at = 3;
constexpr std::size_t categories_at = 6;
constexpr std::size_t key_specs_at = 8;
constexpr std::size_t subcommands_at = 9;

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), to_lower);
    return out;
}

/// nullptr when there is no such element.
const control_reply* at(const control_reply& array, std::size_t index) {
    return array.is_array() && index < array.elements.size() ? &array.elements[index] : nullptr;
}

/// The value after `name` in a flat list of names and values; nullptr when it is not there.
const control_reply* named(const control_reply* list, std::string_view name) {
    if (list == nullptr || !list->is_array()) return nullptr;
    for (std::size_t i = 0; i + 1 < list->elements.size(); i += 2) {
        if (list->elements[i].is_text() && list->elements[i].text == name) return &list->elements[i + 1];
    }
    return nullptr;
}

std::string_view text_of(const control_reply* value) {
    return value != nullptr && value->is_text() ? std::string_view(value->text) : std::string_view{};
}

/// False when it is not an integer that fits.
bool read_small(const control_reply* value, std::int16_t& out) {
    using limits = std::numeric_limits<std::int16_t>;
    if (value == nullptr || value->type != kind::integer) return false;
    if (value->integer < limits::min() || value->integer > limits::max()) return false;
    out = static_cast<std::int16_t>(value->integer);
    return true;
}

std::vector<std::string> texts(const control_reply* list, bool without_at = false) {
    std::vector<std::string> out;
    if (list == nullptr || !list->is_array()) return out;
    for (const control_reply& element : list->elements) {
        if (!element.is_text()) continue;
        const bool cut = without_at && element.text.starts_with('@');
        out.push_back(cut ? element.text.substr(1) : element.text);
    }
    return out;
}

bool parse_begin(const control_reply* begin, command_facts::spec& out) {
    const std::string_view type = text_of(named(begin, "type"));
    const control_reply* spec = named(begin, "spec");
    if (type == "index") {
        out.value.begin = key_spec::begin_kind::index;
        return read_small(named(spec, "index"), out.value.index);
    }
    if (type != "keyword") return false;
    out.value.begin = key_spec::begin_kind::keyword;
    out.keyword = text_of(named(spec, "keyword"));
    return !out.keyword.empty() && read_small(named(spec, "startfrom"), out.value.index);
}

bool parse_find(const control_reply* find, key_spec& out) {
    const std::string_view type = text_of(named(find, "type"));
    const control_reply* spec = named(find, "spec");
    if (type == "range") {
        out.find = key_spec::find_kind::range;
        return read_small(named(spec, "lastkey"), out.last_key) &&
               read_small(named(spec, "keystep"), out.key_step) && out.key_step > 0 &&
               read_small(named(spec, "limit"), out.limit) && out.limit >= 0;
    }
    if (type != "keynum") return false;
    out.find = key_spec::find_kind::keynum;
    return read_small(named(spec, "keynumidx"), out.keynum_index) && out.keynum_index >= 0 &&
           read_small(named(spec, "firstkey"), out.first_key) && out.first_key >= 0 &&
           read_small(named(spec, "keystep"), out.key_step) && out.key_step > 0;
}

command_facts::spec parse_key_spec(const control_reply& reply) {
    command_facts::spec out;
    const control_reply* flags = named(&reply, "flags");
    out.flags = texts(flags);
    const bool has_flags = flags != nullptr && flags->is_array();
    if (!parse_begin(named(&reply, "begin_search"), out) || !has_flags) {
        out.value.begin = key_spec::begin_kind::unknown;
    }
    if (!parse_find(named(&reply, "find_keys"), out.value)) out.value.find = key_spec::find_kind::unknown;
    return out;
}

std::vector<command_facts::spec> parse_key_specs(const control_reply& command) {
    std::vector<command_facts::spec> out;
    const control_reply* specs = at(command, key_specs_at);
    const bool told = specs != nullptr && specs->is_array();
    if (told) {
        for (const control_reply& spec : specs->elements) out.push_back(parse_key_spec(spec));
    }
    // A server before 7.0 does not tell, and one that names a first key but no specification contradicts
    // itself: neither may pass for a command without keys.
    std::int16_t first_key = 0;
    const bool no_keys = read_small(at(command, first_key_at), first_key) && first_key == 0;
    if (!told || (out.empty() && !no_keys)) out.emplace_back().flags = {"incomplete"};
    return out;
}

std::vector<command_facts> parse_commands(const control_reply& list) {
    std::vector<command_facts> out;
    for (const control_reply& command : list.elements) {
        const std::string_view name = text_of(at(command, 0));
        std::int16_t arity = 0;
        if (name.empty() || !read_small(at(command, arity_at), arity)) continue;
        command_facts& facts = out.emplace_back();
        facts.name = lower(name);
        facts.arity = arity;
        facts.flags = texts(at(command, flags_at));
        facts.categories = texts(at(command, categories_at), true);
        facts.specs = parse_key_specs(command);
        // As deep as hiredis lets a reply nest.
        const control_reply* subcommands = at(command, subcommands_at);
        if (subcommands != nullptr && subcommands->is_array()) {
            facts.subcommands = parse_commands(*subcommands);
        }
    }
    return out;
}

std::optional<int> parse_databases(const control_reply& reply) {
    const std::string_view text = text_of(named(&reply, "databases"));
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 1) return {};
    return value;
}

/// Of names and values, those that tenants may see.
std::map<std::string, std::string> parse_settings(const control_reply& reply) {
    std::map<std::string, std::string> settings;
    for (const auto name : shown_settings()) {
        const control_reply* value = named(&reply, name);
        if (value != nullptr && value->is_text()) settings.emplace(name, value->text);
    }
    return settings;
}

/// Empty when a server that answers this to PING serves commands. One that only forbids us PING does.
std::string ping_fault(const control_reply& reply) {
    if (!reply.is_error())
        return reply.is_text() && reply.text == "PONG" ? "" : "PING: not a Redis server's reply";
    return reply.text.starts_with("NOPERM") ? std::string{} : reply.text;
}

std::string random_id() {
    std::random_device random;
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%08x%08x", static_cast<unsigned>(random()), static_cast<unsigned>(random()));
    return text.data();
}

bool same_set(std::vector<socket_address> a, std::vector<socket_address> b) {
    std::ranges::sort(a, std::less<>{});
    std::ranges::sort(b, std::less<>{});
    return a == b;
}

}  // namespace

std::string probe_key(std::string_view id) {
    std::string key("\x01weir:probe:");
    return key.append(id);
}

std::vector<command_facts> parse_command_reply(const control_reply& reply) {
    return parse_commands(reply);
}

/// The probe's state; its coroutine holds it, so it outlives `stop` until that has ended.
class health_probe::watch : public std::enable_shared_from_this<watch> {
public:
    watch(asio::io_context& context, const upstream_options& upstream, publish callback, probe_timing timing)
        : upstream_(upstream),
          callback_(std::move(callback)),
          timing_(timing),
          context_(context),
          client_(context.get_executor()),
          timer_(context) {}

    void report_to(breaker& circuit) { circuit_ = &circuit; }

    void start() {
        asio::co_spawn(context_, run(shared_from_this()), [](const std::exception_ptr& error) {
            if (error) std::rethrow_exception(error);
        });
    }

    void stop() {
        stopped_ = true;
        callback_ = nullptr;
        client_.close();
        timer_.cancel();
    }

private:
    static asio::awaitable<void> run(std::shared_ptr<watch> self) {
        for (unsigned failures = 0; !self->stopped_;) {
            const bool was_up = co_await self->connect() && co_await self->learn() && co_await self->beat();
            if (was_up) {
                failures = 0;
                while (co_await self->wait(self->interval()) && co_await self->beat()) {
                }
            }
            if (self->stopped_) break;
            self->lost();
            ++failures;
            co_await self->wait(self->delay(failures));
        }
    }

    [[nodiscard]] std::chrono::milliseconds interval() const {
        return circuit_ != nullptr ? circuit_->probe_interval() : timing_.ping_interval;
    }

    [[nodiscard]] std::chrono::milliseconds delay(unsigned failures) {
        const auto usual = reconnect_delay(failures, random_(generator_));
        const bool is_waited_for = circuit_ != nullptr && !circuit_->passes();
        return is_waited_for ? std::min(usual, interval()) : usual;
    }

    asio::awaitable<bool> connect() {
        co_await resolve_again(upstream_.pool.connect_timeout);
        if (stopped_ || next_.addresses.empty()) co_return false;
        const auto deadline = clock::now() + upstream_.pool.connect_timeout;
        co_return co_await client_.connect(next_.addresses, upstream_, deadline) && !stopped_;
    }

    /// A failure keeps the addresses that were known: the server may well still be there.
    asio::awaitable<void> resolve_again(std::chrono::milliseconds timeout) {
        resolved_at_ = clock::now();
        auto result = co_await resolve(upstream_.address, resolved_at_ + timeout);
        resolve_failure_ = result.failure;
        if (!result.addresses.empty() && !same_set(result.addresses, next_.addresses)) {
            next_.addresses = std::move(result.addresses);
        }
    }

    // No coroutine, and no initializer list at the callers: g++ 12 cannot keep one over a co_await.
    template <class... Words>
    asio::awaitable<std::optional<control_reply>> ask(const Words&... words) {
        return client_.command(std::vector<std::string>{words...}, clock::now() + upstream_.command_timeout);
    }

    /// What does not change while the connection lasts. What the server forbids us to ask stays unknown.
    asio::awaitable<bool> learn() {
        if (!co_await refresh_info()) co_return false;
        const auto commands = co_await ask("COMMAND");
        if (!commands) co_return false;
        const auto facts = parse_command_reply(*commands);
        if (facts.empty()) {
            log_warning("upstream does not list its commands", {{"reply", std::string_view(commands->text)}});
        }
        next_.commands = facts.empty() ? command_table::built_in() : command_table::learned(facts);
        next_.listed_commands.reset();
        if (!facts.empty()) {
            next_.listed_commands = static_cast<std::size_t>(std::ranges::count_if(
                facts, [&](const command_facts& one) { return is_listed(*next_.commands, one.name); }));
        }
        next_.settings.clear();
        next_.databases.reset();
        may_see_settings_ = true;
        may_set_ = true;
        may_get_ = true;
        co_return co_await refresh_settings();
    }

    asio::awaitable<bool> refresh_info() {
        info_at_ = clock::now();
        const auto info = co_await ask("INFO");
        if (!info) co_return false;
        if (info->is_text()) next_.info = parse_info(info->text);
        co_return true;
    }

    /// One CONFIG GET. A server before 7.0 takes only one name: it tells the number of databases.
    asio::awaitable<bool> refresh_settings() {
        if (!may_see_settings_) co_return true;
        std::vector<std::string> request{"CONFIG", "GET"};
        for (const auto name : shown_settings()) request.emplace_back(name);
        auto settings =
            co_await client_.command(std::move(request), clock::now() + upstream_.command_timeout);
        if (settings && settings->is_error()) {
            may_see_settings_ = false;
            settings = co_await ask("CONFIG", "GET", "databases");
        }
        if (!settings) co_return false;
        next_.databases = parse_databases(*settings);
        next_.settings = parse_settings(*settings);
        co_return true;
    }

    /// One look at the server, and the news of it. False when the connection is of no use any more.
    asio::awaitable<bool> beat() {
        const auto sent = clock::now();
        const auto pong = co_await ask("PING");
        if (!pong) co_return false;
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - sent);
        if (!co_await use_key()) co_return false;
        // While the server loads its data the next INFO is the one that everybody waits for.
        const bool hurry = !next_.connected || next_.info_value("persistence", "loading") == "1";
        const auto due = [&](auto since, auto interval) { return clock::now() - since >= interval; };
        if (hurry || due(info_at_, timing_.info_interval)) {
            if (!co_await refresh_info() || !co_await refresh_settings()) co_return false;
        }
        // A slow name server must not hold up the next PING for long.
        if (due(resolved_at_, timing_.resolve_interval)) co_await resolve_again(interval());
        if (stopped_) co_return false;
        report(ping_fault(*pong), took);
        co_return std::ranges::find(next_.addresses, *client_.peer()) != next_.addresses.end();
    }

    /// Whether it also does what clients want of it.
    asio::awaitable<bool> use_key() {
        next_.fault.clear();
        if (circuit_ == nullptr) co_return true;
        const auto lifetime = 2 * interval() + upstream_.command_timeout;
        std::vector<std::string> set{"SET", key_, "1", "PX", std::to_string(lifetime.count())};
        if (!co_await measure(std::move(set), true, may_set_, next_.set)) co_return false;
        std::vector<std::string> get{"GET", key_};
        co_return co_await measure(std::move(get), false, may_get_, next_.get);
    }

    asio::awaitable<bool> measure(std::vector<std::string> command, bool writes, bool& may,
                                  std::optional<std::chrono::microseconds>& took) {
        took.reset();
        if (!may) co_return true;
        const auto sent = clock::now();
        const auto reply = co_await client_.command(std::move(command), sent + upstream_.command_timeout);
        if (!reply) co_return false;
        if (!reply->is_error()) {
            took = std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - sent);
            co_return true;
        }
        may = !reply->text.starts_with("NOPERM");
        // A replica that is only read from is no failure, as long as no client has tried to write.
        const bool counts = !writes || circuit_->replies_failed();
        if (counts && circuit_->is_failure(reply->text, writes) && next_.fault.empty()) next_.fault = reply->text;
        co_return true;
    }

    /// While it passes, a look counts as a call: a server that is restarted must not look like a hundred failed calls
    /// because the probe tries again so soon.
    void tell_breaker(bool succeeded) {
        if (circuit_ == nullptr) return;
        const auto now = clock::now();
        const bool soon = told_at_ && now - *told_at_ < interval();
        if (!succeeded && soon && circuit_->passes()) return;
        told_at_ = now;
        circuit_->probe(succeeded, now);
    }

    void report(std::string fault, std::chrono::microseconds ping) {
        const bool serves = fault.empty() && next_.fault.empty();
        const bool came = fault.empty() && !next_.connected;
        next_.ping = ping;
        tell(std::move(fault));
        if (came) {
            log_info("upstream connected",
                     {{"address", client_.peer()->to_string()}, {"version", next_.server_version()}});
        }
        tell_breaker(serves);
    }

    void lost() {
        // The name leads elsewhere now: a move, not an outage.
        if (client_.is_open()) return client_.close();
        next_.ping.reset();
        next_.set.reset();
        next_.get.reset();
        next_.fault.clear();
        tell(next_.addresses.empty() ? resolve_failure_ : client_.failure());
        if (!stopped_) tell_breaker(false);
    }

    /// Publishes, if there is anything new.
    void tell(std::string reason) {
        const bool connected = reason.empty();
        if (!connected && reason != next_.reason) {
            log_warning(next_.connected ? "upstream lost" : "upstream not available",
                        {{"address", upstream_.address.to_string()}, {"reason", reason}});
        }
        if (!next_.fault.empty() && (!published_ || published_->fault != next_.fault)) {
            log_warning("upstream answers but cannot serve",
                        {{"address", upstream_.address.to_string()}, {"reason", next_.fault}});
        }
        next_.connected = connected;
        next_.reason = std::move(reason);
        if (published_ && same(*published_, next_)) return;
        published_ = std::make_shared<const upstream_snapshot>(next_);
        const publish call = callback_;  // which may stop us
        if (call) call(published_);
    }

    static bool same(const upstream_snapshot& a, const upstream_snapshot& b) {
        return a.connected == b.connected && a.reason == b.reason && a.info == b.info && a.ping == b.ping &&
               a.set == b.set && a.get == b.get && a.fault == b.fault && a.commands == b.commands && a.databases == b.databases && a.settings == b.settings &&
               a.addresses == b.addresses;
    }

    /// False when stopped meanwhile.
    asio::awaitable<bool> wait(std::chrono::milliseconds duration) {
        if (stopped_) co_return false;
        timer_.expires_after(duration);
        co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
        co_return !stopped_;
    }

    upstream_options upstream_;
    publish callback_;
    probe_timing timing_;
    asio::io_context& context_;
    control_client client_;
    asio::steady_timer timer_;
    upstream_snapshot next_;
    std::shared_ptr<const upstream_snapshot> published_;
    std::string resolve_failure_;
    clock::time_point info_at_;
    clock::time_point resolved_at_;
    std::minstd_rand generator_{std::random_device{}()};
    std::uniform_real_distribution<double> random_{0.0, 1.0};
    bool may_see_settings_ =
        false;  ///< CONFIG GET is not refused: asking again and again would fill the server's ACL log
    bool may_set_ = false;  ///< the same of SET and GET
    bool may_get_ = false;
    breaker* circuit_ = nullptr;
    std::string key_ = probe_key(random_id());
    std::optional<clock::time_point> told_at_;
    bool stopped_ = false;
};

health_probe::health_probe(asio::io_context& context, const upstream_options& upstream, publish callback,
                           probe_timing timing)
    : watch_(std::make_shared<watch>(context, upstream, std::move(callback), timing)) {}

health_probe::~health_probe() {
    stop();
}

void health_probe::report_to(breaker& circuit) {
    watch_->report_to(circuit);
}

void health_probe::start() {
    watch_->start();
}

void health_probe::stop() {
    watch_->stop();
}

}  // namespace weir
