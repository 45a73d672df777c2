#include "proxy/limits/global_limits.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policy/global_share.hpp"
#include "policy/limit_script.hpp"
#include "policy/reconnect_delay.hpp"
#include "proxy/limits/limit_clock.hpp"
#include "proxy/logging.hpp"
#include "proxy/upstream/control_client.hpp"

namespace weir {
namespace asio = boost::asio;
namespace {

using clock = std::chrono::steady_clock;

/// The script holds Redis up for some 10 µs a limit.
constexpr std::size_t most_limits_in_one_question = 64;

struct member;
using member_pointer = std::shared_ptr<member>;

/// A counter and where it stands in the queue; all but the share belongs to the control thread.
struct member {
    member(std::string under, const limit_rule& rule, std::uint64_t largest_cost,
           std::shared_ptr<const std::atomic<bool>> away, std::function<void()> wanted)
        : key(std::move(under)),
          share(rule, largest_cost, make_local_counter(rule), std::move(away), std::move(wanted)) {}

    const std::string key;
    global_share share;
    limit_time due = limit_time::max();
    bool queued = false;
    bool gone = false;
};

struct question {
    member_pointer whose;
    share_request request;
};

std::vector<std::string> words_of(const std::vector<question>& questions) {
    std::vector<std::string> words{"EVALSHA", limit_script_name(), std::to_string(questions.size())};
    words.reserve(words.size() + questions.size() * (1 + share_request_arguments));
    for (const question& one : questions) words.push_back(one.whose->key);
    for (const question& one : questions) append_arguments(one.request, words);
    return words;
}

/// Empty when these are not the answers to so many questions.
std::optional<std::vector<share_answer>> answers_of(const control_reply& reply, std::size_t questions) {
    if (!reply.is_array() || reply.elements.size() != questions * share_answer_numbers) return {};
    std::vector<long long> numbers;
    for (const control_reply& element : reply.elements) {
        if (element.type != control_reply::kind::integer) return {};
        numbers.push_back(element.integer);
    }
    std::vector<share_answer> answers;
    for (std::size_t i = 0; i < questions; ++i) {
        const auto answer = read_share_answer(std::span(numbers).subspan(i * share_answer_numbers, share_answer_numbers));
        if (!answer) return {};
        answers.push_back(*answer);
    }
    return answers;
}

}  // namespace

/// Its coroutine holds it, so it outlives global_limits until that has ended.
class global_limits::exchange : public std::enable_shared_from_this<exchange> {
public:
    exchange(asio::io_context& context, const upstream_options& upstream, global_limits_timing timing)
        : upstream_(upstream), timing_(timing), context_(context), client_(context.get_executor()), timer_(context) {
        timing_.answer = std::min(timing_.answer, upstream_.command_timeout);
    }

    // Any thread.

    std::shared_ptr<limit_counter> counter(std::string key, const limit_rule& rule, std::uint64_t largest_cost) {
        const auto place = std::make_shared<std::weak_ptr<member>>();
        const auto wanted = [here = weak_from_this(), place] {
            const auto self = here.lock();
            auto whose = place->lock();
            if (self && whose) self->call(std::move(whose), false);
        };
        auto made = std::make_shared<member>(std::move(key), rule, largest_cost, away_, wanted);
        *place = made;
        call(made, false);
        limit_counter* const shown = &made->share;
        return {shown, [here = weak_from_this(), made = std::move(made)](limit_counter*) {
                    if (const auto self = here.lock()) self->call(made, true);
                }};
    }

    [[nodiscard]] global_limits_numbers numbers() const {
        return {exchanges_.load(), failures_.load(), away_->load()};
    }

    // The control thread.

    void stop(std::function<void()> done) {
        stopping_ = clock::now() + timing_.farewell;
        done_ = std::move(done);
        if (!running_) return end();
        for (const auto& [due, whose] : dues_) leave(whose);
        timer_.cancel();
    }

    void abandon() {
        done_ = nullptr;
        stopping_ = clock::time_point::min();
        {
            const std::scoped_lock lock(mutex_);
            closed_ = true;
        }
        client_.close();
        timer_.cancel();
    }

private:
    struct caller {
        member_pointer whose;
        bool leaves = false;
    };

    /// `whose` needs units, or nobody needs it any more.
    void call(member_pointer whose, bool leaves) {
        const std::scoped_lock lock(mutex_);
        if (closed_) return;
        callers_.push_back({std::move(whose), leaves});
        if (std::exchange(posted_, true)) return;
        asio::post(context_, [self = shared_from_this()] { self->take_callers(); });
    }

    void take_callers() {
        std::vector<caller> callers;
        {
            const std::scoped_lock lock(mutex_);
            posted_ = false;
            callers.swap(callers_);
        }
        for (caller& one : callers) {
            if (one.leaves) leave(one.whose);
            else enqueue(std::move(one.whose));
        }
        if (sleeping_) timer_.cancel();
        if (running_ || stopping_) return;
        running_ = true;
        asio::co_spawn(context_, run(shared_from_this()), [](const std::exception_ptr& error) {
            if (error) std::rethrow_exception(error);
        });
    }

    void leave(const member_pointer& whose) {
        whose->gone = true;
        enqueue(whose);
    }

    void enqueue(member_pointer whose) {
        if (std::exchange(whose->queued, true)) return;
        queue_.push_back(std::move(whose));
    }

    void schedule(const member_pointer& whose) {
        dues_.erase({whose->due, whose});
        whose->due = whose->gone ? limit_time::max() : whose->share.due();
        if (whose->due != limit_time::max()) dues_.insert({whose->due, whose});
    }

    static asio::awaitable<void> run(std::shared_ptr<exchange> self) {
        unsigned failures = 0;
        while (!self->is_over()) {
            if (co_await self->step()) {
                failures = 0;
                if (self->queue_.empty() && !self->stopping_) co_await self->sleep();
            } else if (!self->stopping_) {
                ++failures;
                co_await self->wait(reconnect_delay(failures, self->random_(self->generator_)));
            }
        }
        self->running_ = false;
        self->end();
    }

    [[nodiscard]] bool is_over() const {
        if (!stopping_) return false;
        return queue_.empty() || !client_.is_open() || away_->load() || clock::now() >= *stopping_;
    }

    void end() {
        {
            const std::scoped_lock lock(mutex_);
            closed_ = true;
        }
        client_.close();
        if (const auto done = std::exchange(done_, nullptr)) asio::post(context_, done);
    }

    /// One question, if there is one. False: Redis is away.
    asio::awaitable<bool> step() {
        if (!client_.is_open() && !co_await connect()) co_return false;
        take_due();
        const auto questions = gather();
        if (questions.empty() && !away_->load()) co_return true;
        const auto asked = clock::now();
        if (co_await ask(questions)) co_return true;
        // A server closes connections that were idle for long: that alone does not mean that it is away.
        const bool was_late = clock::now() - asked >= timing_.answer;
        if (client_.is_open() || was_late || !std::exchange(proven_, false) || stopping_) {
            be_away(client_.is_open() ? refusal_ : client_.failure());
            client_.close();
            co_return false;
        }
        co_return true;
    }

    asio::awaitable<bool> connect() {
        proven_ = false;
        const auto deadline = clock::now() + std::min(upstream_.pool.connect_timeout, 2 * timing_.answer);
        auto found = co_await resolve(upstream_.address, deadline);
        if (!found.addresses.empty()) addresses_ = std::move(found.addresses);
        if (addresses_.empty()) {
            be_away(found.failure);
        } else if (co_await client_.connect(addresses_, upstream_, deadline)) {
            co_return true;
        } else {
            be_away(client_.failure());
        }
        co_return false;
    }

    void take_due() {
        const auto now = limit_now();
        while (!dues_.empty() && dues_.begin()->first <= now) {
            const auto whose = dues_.begin()->second;
            dues_.erase(dues_.begin());
            whose->due = limit_time::max();
            enqueue(whose);
        }
    }

    std::vector<question> gather() {
        std::vector<question> questions;
        const auto now = limit_now();
        while (!queue_.empty() && questions.size() < most_limits_in_one_question) {
            const auto whose = std::move(queue_.front());
            queue_.pop_front();
            whose->queued = false;
            const auto request = whose->gone ? whose->share.last_request(now) : whose->share.next_request(now);
            schedule(whose);
            if (request) questions.push_back({whose, *request});
        }
        return questions;
    }

    /// False when there was no answer of any use; refusal_ or the client's failure says why.
    asio::awaitable<bool> ask(std::vector<question> questions) {
        const auto sent = limit_now();
        const auto deadline = clock::now() + timing_.answer;
        auto reply = co_await client_.command(words_of(questions), deadline);
        if (reply && reply->is_error() && reply->text.starts_with("NOSCRIPT")) {
            std::vector<std::string> load{"SCRIPT", "LOAD", std::string(limit_script())};
            reply = co_await client_.command(std::move(load), deadline);
            if (reply && !reply->is_error()) reply = co_await client_.command(words_of(questions), deadline);
        }
        const auto answers = reply ? answers_of(*reply, questions.size()) : std::nullopt;
        ++exchanges_;
        if (!answers) {
            fail(questions, reply);
            co_return false;
        }
        proven_ = true;
        be_there();
        const auto received = limit_now();
        for (std::size_t i = 0; i < questions.size(); ++i) {
            const auto& [whose, request] = questions[i];
            whose->share.answered(request, (*answers)[i], sent, received);
            schedule(whose);
            // What was granted while it was stopped goes back as well.
            if (stopping_ && !whose->gone) leave(whose);
        }
        co_return true;
    }

    void fail(const std::vector<question>& questions, const std::optional<control_reply>& reply) {
        ++failures_;
        if (reply) refusal_ = reply->is_error() ? reply->text : "the reply is not the script's";
        for (const question& one : questions) {
            one.whose->share.failed(one.request);
            if (!one.whose->gone) enqueue(one.whose);
        }
    }

    void be_away(const std::string& reason) {
        if (!away_->exchange(true)) log_warning("global limits: the upstream does not count", {{"reason", reason}});
    }

    void be_there() {
        if (away_->exchange(false)) log_info("global limits: the upstream counts again");
    }

    /// Until a counter calls or is due.
    asio::awaitable<void> sleep() {
        sleeping_ = true;
        const auto left = dues_.empty() ? limit_time::max() : dues_.begin()->first - limit_now();
        constexpr limit_time longest = std::chrono::hours{1};
        co_await wait(std::clamp(left, limit_time{0}, longest));
        sleeping_ = false;
    }

    asio::awaitable<void> wait(clock::duration duration) {
        timer_.expires_after(duration);
        co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }

    upstream_options upstream_;
    global_limits_timing timing_;
    asio::io_context& context_;
    control_client client_;
    asio::steady_timer timer_;
    std::vector<socket_address> addresses_;
    std::deque<member_pointer> queue_;
    std::set<std::pair<limit_time, member_pointer>> dues_;
    std::function<void()> done_;
    std::optional<clock::time_point> stopping_;  ///< when it has to have ended
    std::string refusal_;
    std::minstd_rand generator_{std::random_device{}()};
    std::uniform_real_distribution<double> random_{0.0, 1.0};
    bool running_ = false;
    bool sleeping_ = false;
    bool proven_ = false;  ///< this connection has brought an answer

    const std::shared_ptr<std::atomic<bool>> away_ = std::make_shared<std::atomic<bool>>(false);
    std::atomic<std::uint64_t> exchanges_{0};
    std::atomic<std::uint64_t> failures_{0};

    std::mutex mutex_;  ///< of all below
    std::vector<caller> callers_;
    bool posted_ = false;
    bool closed_ = false;
};

global_limits::global_limits(asio::io_context& context, const upstream_options& upstream, global_limits_timing timing)
    : exchange_(std::make_shared<exchange>(context, upstream, timing)) {}

global_limits::~global_limits() {
    exchange_->abandon();
}

std::shared_ptr<limit_counter> global_limits::counter(std::string_view tenant, std::string_view limit,
                                                      const limit_rule& rule, std::uint64_t largest_cost) {
    return exchange_->counter(limit_key(tenant, limit), rule, largest_cost);
}

void global_limits::stop(std::function<void()> done) {
    exchange_->stop(std::move(done));
}

global_limits_numbers global_limits::numbers() const {
    return exchange_->numbers();
}

}  // namespace weir
