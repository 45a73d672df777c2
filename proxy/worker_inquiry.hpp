#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "proxy/event_loop.hpp"

namespace weir {

class worker;

/// Questions that one worker puts to all of them, itself included. Each answers on its own thread, between
/// two of its turns' events; the answers come back on the asker's thread.
///
///     the asker                        every worker
///     ask() ——— post(question) ——————→ question(worker)
///     answered(all answers) ←————————— post(answer)
///
/// Whoever asks waits no longer than `patience`: a worker that has ended says nothing. Belongs to the asker's
/// thread. Workers outlive all threads, so a question or an answer that nobody runs any more is only dropped.
class worker_inquiries {
public:
    using clock = event_loop::clock;
    using ticket = std::uint64_t;
    /// Much more than a worker's turn takes.
    static constexpr std::chrono::seconds patience{5};

    explicit worker_inquiries(worker& asker) : asker_(asker) {}
    worker_inquiries(const worker_inquiries&) = delete;
    worker_inquiries& operator=(const worker_inquiries&) = delete;

    /// `question` is copied to, and called on, every worker's thread: what it holds must be constant or its
    /// own. Later, and never from within this call, comes one of the other two, unless forget() comes first.
    template <class Answer>
    [[nodiscard]] ticket ask(std::function<Answer(worker&)> question,
                             std::function<void(std::vector<Answer>)> answered,
                             std::function<void()> given_up) {
        // Touched on the asker's thread alone.
        auto answers = std::make_shared<std::vector<Answer>>();
        return put(
            [question = std::move(question), answers](worker& asked) -> std::function<void()> {
                return
                    [answers, answer = question(asked)]() mutable { answers->push_back(std::move(answer)); };
            },
            [answers, answered = std::move(answered)] { answered(std::move(*answers)); },
            std::move(given_up));
    }

    /// Nobody waits any more.
    void forget(ticket asked) { waiting_.erase(asked); }
    /// Gives up on what has waited too long.
    void tick(clock::time_point now);

private:
    struct inquiry {
        std::size_t missing;
        clock::time_point deadline;
        std::function<void()> answered;
        std::function<void()> given_up;
    };

    /// `question` gives what to do with its answer on the asker's thread.
    [[nodiscard]] ticket put(const std::function<std::function<void()>(worker&)>& question,
                             std::function<void()> answered, std::function<void()> given_up);
    void take(ticket asked, const std::function<void()>& answer);

    worker& asker_;
    ticket last_ticket_ = 0;
    std::map<ticket, inquiry> waiting_;
};

}  // namespace weir
