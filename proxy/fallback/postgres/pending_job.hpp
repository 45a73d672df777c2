#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/fallback/answering_store.hpp"
#include "proxy/fallback/job_runner.hpp"
#include "proxy/fallback/postgres/job_plan.hpp"
#include "proxy/fallback/postgres/row_keyspace.hpp"

namespace weir::pg {

/// What a write did, for the journal.
struct noted_operation {
    std::int64_t database = 0;
    std::vector<std::string> words;
    std::size_t job = 0;  ///< which one of those that share a transaction
    bool joined = false;  ///< with the others of this job
    std::size_t bytes = 0;
};

/// What one transaction notes in the journal, which has some room.
class transaction_notes {
public:
    explicit transaction_notes(std::size_t room) : room_(room) {}

    /// About what a row with so many bytes in so many words takes.
    [[nodiscard]] static std::size_t cost(std::size_t bytes, std::size_t words) { return bytes + 4 * words + 128; }
    [[nodiscard]] std::size_t room() const { return room_; }
    /// It may exceed the room: what a command does may be longer than itself.
    void add(noted_operation made);

    [[nodiscard]] const std::vector<noted_operation>& operations() const { return operations_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    std::vector<noted_operation> operations_;
    std::size_t room_;
    std::size_t bytes_ = 0;
};

/// A job on its way through the store. Its commands may run any number of times: rewind() makes it what it was.
class pending_job {
public:
    using done = std::function<void(fallback_job, answering_store::verdict)>;

    pending_job(fallback_job asked, std::int64_t now, done told, job_runner& runner)
        : job_(std::move(asked)),
          now_(now),
          done_(std::move(told)),
          plan_(plan_of(job_, runner)),
          replies_(job_.replies.size()),
          performed_(job_.performed),
          answered_(job_.answered_by_postgres),
          refused_(job_.refused) {}
    pending_job(const pending_job&) = delete;
    pending_job& operator=(const pending_job&) = delete;

    [[nodiscard]] const fallback_job& job() const { return job_; }
    [[nodiscard]] const job_plan& plan() const { return plan_; }
    [[nodiscard]] std::int64_t now() const { return now_; }
    /// The upstream may have more; whether the tenant may use this one has been decided before.
    [[nodiscard]] std::int64_t databases() const { return std::max<std::int64_t>(16, job_.database + std::int64_t{1}); }

    void want(tenant_rows& rows) const {
        for (const auto key : plan_.keys) rows.want(job_.database, key);
    }
    /// From the first command on. `notes`: what its writes do goes there, as that of job number `number`; those that there is no
    /// room for are refused.
    void run(tenant_rows& rows, job_runner& runner, transaction_notes* notes = nullptr, std::size_t number = 0);
    void rewind();

    /// One of these ends it.
    void answer() { done_(std::move(job_), answering_store::verdict::answered); }
    void give_up() {
        rewind();
        done_(std::move(job_), answering_store::verdict::unable);
    }
    void refuse(job_runner& runner, std::string_view reason);
    /// Its commands have run, and nobody knows whether that counts.
    void answer_unknown();

    int attempts = 0;
    bool alone = false;  ///< it, or one that it shared statements with, was refused by the server

private:
    fallback_job job_;
    std::int64_t now_;
    done done_;
    job_plan plan_;
    std::size_t replies_, performed_, answered_, refused_;
};

using pending_jobs = std::vector<std::unique_ptr<pending_job>>;

}  // namespace weir::pg
