#include "proxy/fallback/fallback_service.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "proxy/fallback/copy_taker.hpp"
#include "proxy/fallback/empty_answers.hpp"
#include "proxy/fallback/memory_answers.hpp"
#include "proxy/fallback/replayer.hpp"
#include "proxy/logging.hpp"

namespace weir {
namespace asio = boost::asio;
namespace {

using namespace std::chrono_literals;

/// How often expired keys are looked for, and at how many keys at least.
constexpr auto expiry_interval = 100ms;
constexpr std::size_t expiry_keys = 200;
/// How late copies are taken at most; a job that comes earlier has them taken at once.
constexpr auto observation_delay = 5ms;
/// That wait to be looked at.
constexpr std::size_t most_observed_bytes = 32 << 20;

std::size_t bytes_of(const observation& seen) {
    std::size_t bytes = sizeof seen + seen.reply.size();
    for (const auto& word : seen.words) bytes += sizeof word + word.size();
    return bytes;
}

std::int64_t wall_clock() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// All that the memory holds, once; and some more for lists of what is not there.
std::size_t longest_reply(const options& settings) {
    return std::min(settings.clients.max_unsent_bytes, settings.fallback.memory.max_bytes + (std::size_t{16} << 20));
}

bool writes(const fallback_job& job) { return std::ranges::any_of(job.commands, &fallback_job::command::writes); }

}  // namespace

/// Everything but what stands under the locks, and `closings_`, belongs to the fallback's thread.
///
///     workers --post()--> posted_ --run_posted()--> stores, last resort --> done_ --deliver--> workers
///
/// The thread is woken once for all that is posted until it looks.
struct fallback_service::impl {
    using clock = std::chrono::steady_clock;

    impl(const options& settings, breaker& circuit, std::size_t workers, deliver back, tenant_finder find)
        : settings_(settings.fallback),
          upstream_(settings.upstream),
          circuit_(circuit),
          deliver_(std::move(back)),
          runner_(circuit, longest_reply(settings)),
          done_(workers) {
        if (settings_.has(fallback_store::memory)) {
            if (settings_.remember.reads || settings_.remember.writes) stamps_.emplace();
            memory_.emplace(runner_, settings_.memory.max_bytes, stamps_ ? &*stamps_ : nullptr);
            if (stamps_) copies_.emplace(settings_.remember, *memory_);
            stores_.push_back(&*memory_);
            if (settings_.memory.replay) keep_journal();
        }
        if (settings_.has(fallback_store::postgres)) share_store(std::move(find));
        make_replayer();
        last_resort_.emplace(runner_, settings_.last_resort == fallback_last_resort::empty);
        stores_.push_back(&*last_resort_);
        thread_ = std::thread([this] { context_.run(); });
    }

    ~impl() { stop(); }

    void stop() {
        if (!thread_.joinable()) return;
        runner_.stop();
        context_.stop();
        thread_.join();
        if (journal_ && !journal_->empty()) log_warning("fallback dropped", {{"operations", journal_->size()}});
    }

    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;

    // Any thread.

    void post(std::vector<fallback_job> jobs) {
        {
            const std::scoped_lock lock(mutex_);
            posted_.push_back(std::move(jobs));
            if (std::exchange(woken_, true)) return;
        }
        asio::post(context_, [this] { run_posted(); });
    }

    [[nodiscard]] bool await_journal() {
        if (!shared_) return true;
        const auto known = std::make_shared<std::promise<void>>();
        auto is_known = known->get_future();
        asio::post(context_, [this, known, until = clock::now() + settings_.postgres.start_timeout] {
            shared_->start([this, known, until](std::size_t rows) {
                // Later, clients' commands have gone to Redis, and waiting would bring no order into it.
                if (rows > 0 && clock::now() < until) hold_->take_at_start();
                known->set_value();
            });
        });
        return is_known.wait_for(settings_.postgres.start_timeout) == std::future_status::ready;
    }

    /// Nobody waits for these, so the thread is not woken for each turn of a worker.
    void observe(std::vector<observation> seen) {
        if (!copies_ || seen.empty()) return;
        {
            const std::scoped_lock lock(mutex_);
            for (const observation& one : seen) observations_ += bytes_of(one);
            // Without the rest copies are missing, but none is wrong unless a FLUSHDB is among it.
            if (observations_ > most_observed_bytes) {
                missed_some_ = true;
                return;
            }
            observed_.push_back(std::move(seen));
            if (std::exchange(awaits_observations_, true)) return;
        }
        asio::post(context_, [this] {
            observation_timer_.expires_after(observation_delay);
            observation_timer_.async_wait([this](const boost::system::error_code& error) {
                if (error) return;
                learn();
                publish();
                await_expiry();
            });
        });
    }

    [[nodiscard]] write_stamps* stamps() { return stamps_ ? &*stamps_ : nullptr; }

    void on_transition(const breaker_transition& change) {
        if (change.dry_run) return;
        if (change.to == breaker_state::closed || change.to == breaker_state::disabled) ++closings_;
        asio::post(context_, [this] {
            settle();
            if (shared_) shared_->follow_breaker();
            if (replayer_) replayer_->start();
            publish();
        });
    }

    [[nodiscard]] fallback_numbers numbers() const {
        const std::scoped_lock lock(numbers_mutex_);
        return published_;
    }

private:
    void keep_journal() {
        journal_.emplace(settings_.memory.max_journal_bytes);
        hold_.emplace(circuit_);
        memory_->keep_journal(*journal_, *hold_,
                              [this](std::string_view key) { return copies_ && copies_->wants(key); });
        memory_source_.emplace(*journal_);
    }

    void share_store(tenant_finder find) {
        if (!hold_) hold_.emplace(circuit_);
        shared_.emplace(context_, settings_.postgres, circuit_, *hold_, runner_, std::move(find),
                        shared_store::events{[this] {
                            if (shared_->numbers().journal_rows > 0) replayer_->start_for_others();
                            publish();
                        }});
    }

    void make_replayer() {
        std::vector<replay_source*> journals;
        // Once the memory has taken writes nothing goes to Postgres any more, so this is the order in which they were accepted.
        if (shared_) journals.push_back(&shared_->journal());
        if (memory_source_) journals.push_back(&*memory_source_);
        if (journals.empty()) return;
        replayer_.emplace(context_, upstream_, circuit_, *hold_, std::move(journals),
                          replayer::events{[this](const auto& operation) { distrust(operation); }, [this] {
                                                                           publish();
                                                                           end_quiet();
                                                                       }});
    }

    // The fallback's thread.

    void run_posted() {
        // What is posted meanwhile is for the upstream, or is run when the replay has failed: so the journal gets empty, however
        // fast clients write.
        quiet_ = replayer_ && replayer_->wants_quiet();
        if (quiet_) return;
        {
            const std::scoped_lock lock(mutex_);
            batch_.swap(posted_);
            woken_ = false;
        }
        learn();
        now_ = wall_clock();
        for (auto& jobs : batch_) {
            auto kept = jobs.begin();
            for (auto& job : jobs) {
                if (runner_.is_stopped()) return;
                if (!run(job)) continue;
                if (&*kept != &job) *kept = std::move(job);
                ++kept;
            }
            jobs.erase(kept, jobs.end());
        }
        publish();
        hand_back();
        await_expiry();
        if (replayer_) replayer_->start();
    }

    void end_quiet() {
        if (quiet_ && !replayer_->wants_quiet()) run_posted();
    }

    /// False: the job has been moved from, and comes back later.
    [[nodiscard]] bool run(fallback_job& job) {
        settle();
        if (circuit_.passes()) {
            job.result = fallback_job::outcome::returned;
            return true;
        }
        if (shared_ && job.place == fallback_place::stores && !memory_instead_) {
            shared_->answer(std::move(job), now_, [this](fallback_job back, answering_store::verdict how) {
                come_back(std::move(back), how);
            });
            return false;
        }
        answer_here(job);
        return true;
    }

    void answer_here(fallback_job& job) {
        if (memory_ && !journal_ && writes(job)) circuit_.leave_to_probe();
        for (answering_store* const store : stores_) {
            const auto verdict = store->answer(job, now_);
            if (verdict == answering_store::verdict::unable) continue;
            const bool answered = verdict == answering_store::verdict::answered;
            job.result = answered ? fallback_job::outcome::answered : fallback_job::outcome::returned;
            if (answered && shared_ && job.answered_by_memory > 0 && job.place == fallback_place::stores && writes(job)) {
                prefer_memory();
            }
            return;
        }
    }

    /// Or reads would not show what was written, and Redis would get it in another order.
    void prefer_memory() {
        if (std::exchange(memory_instead_, true)) return;
        log_warning("memory takes writes as postgres does not, and answers until the breaker closes");
    }

    /// From the store that answers later.
    void come_back(fallback_job job, answering_store::verdict how) {
        if (runner_.is_stopped()) return;
        now_ = wall_clock();
        switch (how) {
            case answering_store::verdict::answered: job.result = fallback_job::outcome::answered; break;
            case answering_store::verdict::returned: job.result = fallback_job::outcome::returned; break;
            case answering_store::verdict::unable:
                if (circuit_.passes()) {
                    job.result = fallback_job::outcome::returned;
                } else {
                    answer_here(job);
                }
        }
        const std::size_t worker = job.worker;
        done_[worker].push_back(std::move(job));
        if (std::exchange(hands_back_, true)) return;
        asio::post(context_, [this] {
            hands_back_ = false;
            publish();
            hand_back();
            await_expiry();
            if (replayer_) replayer_->start();
        });
    }

    void learn() {
        if (!copies_) return;
        std::vector<std::vector<observation>> observed;
        bool missed_some = false;
        {
            const std::scoped_lock lock(mutex_);
            observed.swap(observed_);
            observations_ = 0;
            awaits_observations_ = false;
            missed_some = std::exchange(missed_some_, false);
        }
        settle();
        for (const auto& turn : observed) {
            for (const observation& seen : turn) copies_->take(seen);
        }
        if (missed_some) memory_->values().forget_all();
    }

    /// One call for each worker. Mostly all jobs of a post are of one worker, so that they leave as they came.
    void hand_back() {
        for (auto& jobs : batch_) {
            if (jobs.empty()) continue;
            auto& first = done_[jobs.front().worker];
            const auto is_of_first = [worker = jobs.front().worker](const fallback_job& job) { return job.worker == worker; };
            if (first.empty() && std::ranges::all_of(jobs, is_of_first)) {
                first = std::move(jobs);
            } else {
                for (auto& job : jobs) done_[job.worker].push_back(std::move(job));
            }
        }
        batch_.clear();
        for (std::size_t worker = 0; worker < done_.size(); ++worker) {
            if (!done_[worker].empty()) deliver_(worker, std::exchange(done_[worker], {}));
        }
    }

    /// What the tenants wrote while the upstream was away is not what it holds, unless it has been replayed.
    void settle() {
        if (settled_ == closings_.load(std::memory_order_relaxed)) return;
        settled_ = closings_.load(std::memory_order_relaxed);
        memory_instead_ = false;
        if (!memory_ || (hold_ && hold_->is_held())) return;
        if (journal_) {
            return copies_ ? memory_->values().give_up_own(copies_->stale_at(wall_clock()))
                           : static_cast<void>(memory_->values().drop_own());
        }
        const std::size_t dropped = memory_->values().drop_own();
        if (dropped == 0) return;
        dropped_total_ += dropped;
        log_warning("fallback dropped", {{"keys", dropped}});
    }

    /// What the upstream makes of its keys is not known.
    void distrust(const write_journal::operation& operation) {
        if (!memory_) return;
        engine::keyspace& keys = memory_->keys_of(operation.whose, operation.database);
        for (const std::string& word : operation.words) memory_->values().distrust(keys, word);
    }

    void await_expiry() {
        if (!memory_ || memory_->values().databases() == 0 || std::exchange(awaits_expiry_, true)) return;
        expiry_timer_.expires_after(expiry_interval);
        expiry_timer_.async_wait([this](const boost::system::error_code& error) {
            awaits_expiry_ = false;
            if (error) return;
            // Where many have expired there are more.
            const auto now = wall_clock();
            for (int i = 0; i < 16 && memory_->expire_some(expiry_keys, now) > expiry_keys / 4;) ++i;
            publish();
            await_expiry();
        });
    }

    void publish() {
        fallback_numbers fresh;
        fresh.dropped_total = dropped_total_;
        if (shared_) fresh.postgres = shared_->numbers();
        if (shared_ && !memory_instead_ && fresh.postgres->available) fresh.store = "postgres";
        else if (memory_) fresh.store = "memory";
        if (memory_) {
            fresh.memory_keys = memory_->values().keys();
            fresh.memory_bytes = memory_->values().bytes();
            fresh.own_writes = memory_->values().own();
            fresh.evicted_total = memory_->evicted_total();
            fresh.observed_total = copies_ ? copies_->taken_total() : 0;
        }
        if (journal_) {
            fresh.journal_operations = journal_->size();
            fresh.journal_bytes = journal_->bytes();
        }
        if (replayer_) {
            fresh.replayed_total = replayer_->replayed_total();
            fresh.refused_by_redis_total = replayer_->refused_total();
            fresh.replaying = replayer_->is_running();
        }
        const std::scoped_lock lock(numbers_mutex_);
        published_ = fresh;
    }

    const fallback_options settings_;
    const upstream_options upstream_;
    breaker& circuit_;
    const deliver deliver_;
    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
    asio::steady_timer expiry_timer_{context_};
    bool awaits_expiry_ = false;
    asio::steady_timer observation_timer_{context_};

    std::optional<write_stamps> stamps_;
    job_runner runner_;
    std::optional<memory_answers> memory_;
    std::optional<copy_taker> copies_;
    std::optional<write_journal> journal_;  ///< this and its source: with memory.replay alone
    std::optional<memory_replay_source> memory_source_;
    std::optional<circuit_hold> hold_;      ///< this and the replayer: where any writes are to be replayed
    std::optional<shared_store> shared_;
    std::optional<replayer> replayer_;
    std::optional<empty_answers> last_resort_;
    bool memory_instead_ = false;  ///< of `shared_`, until the breaker closes
    bool hands_back_ = false;      ///< soon
    bool quiet_ = false;  ///< what is posted waits for the end of the replay
    std::vector<answering_store*> stores_;  ///< in the order in which they are asked; the last one always answers

    std::int64_t now_ = 0;                           ///< of the batch
    std::vector<std::vector<fallback_job>> batch_;
    std::vector<std::vector<fallback_job>> done_;    ///< by worker
    std::uint64_t settled_ = 0;                      ///< of `closings_`
    std::uint64_t dropped_total_ = 0;

    std::atomic<std::uint64_t> closings_{0};  ///< how often the breaker began to pass

    std::mutex mutex_;  ///< of what follows
    std::vector<std::vector<fallback_job>> posted_;
    bool woken_ = false;
    std::vector<std::vector<observation>> observed_;
    std::size_t observations_ = 0;  ///< bytes in it, and of those that found no room
    bool awaits_observations_ = false;
    bool missed_some_ = false;

    mutable std::mutex numbers_mutex_;  ///< of the next
    fallback_numbers published_;

    std::thread thread_;
};

fallback_service::fallback_service(const options& settings, breaker& circuit, std::size_t workers, deliver back,
                                   tenant_finder find)
    : impl_(std::make_unique<impl>(settings, circuit, workers, std::move(back), std::move(find))) {}

fallback_service::~fallback_service() = default;

bool fallback_service::await_journal() { return impl_->await_journal(); }

void fallback_service::stop() { impl_->stop(); }

void fallback_service::post(std::vector<fallback_job> jobs) { impl_->post(std::move(jobs)); }

void fallback_service::observe(std::vector<observation> seen) { impl_->observe(std::move(seen)); }

write_stamps* fallback_service::stamps() { return impl_->stamps(); }

void fallback_service::on_transition(const breaker_transition& change) { impl_->on_transition(change); }

fallback_numbers fallback_service::numbers() const { return impl_->numbers(); }

}  // namespace weir
