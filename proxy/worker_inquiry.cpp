#include "proxy/worker_inquiry.hpp"

#include <algorithm>

#include "proxy/worker.hpp"

namespace weir {

worker_inquiries::ticket worker_inquiries::put(const std::function<std::function<void()>(worker&)>& question,
                                               std::function<void()> answered,
                                               std::function<void()> given_up) {
    const ticket asked = ++last_ticket_;
    const std::vector<worker*>& workers = asker_.process().workers;
    waiting_.emplace(asked, inquiry{workers.size(), asker_.loop().now() + patience, std::move(answered),
                                    std::move(given_up)});
    for (worker* const one : workers) {
        one->loop().post([asker = &asker_, one, asked, question] {
            asker->loop().post(
                [asker, asked, answer = question(*one)] { asker->inquiries().take(asked, answer); });
        });
    }
    return asked;
}

void worker_inquiries::take(ticket asked, const std::function<void()>& answer) {
    const auto found = waiting_.find(asked);
    if (found == waiting_.end()) return;  // forgotten, or given up
    answer();
    if (--found->second.missing > 0) return;
    const inquiry complete = std::move(found->second);
    waiting_.erase(found);
    complete.answered();
}

void worker_inquiries::tick(clock::time_point now) {
    // One at a time, as the call may ask or forget others.
    while (true) {
        const auto late =
            std::ranges::find_if(waiting_, [now](const auto& entry) { return entry.second.deadline <= now; });
        if (late == waiting_.end()) return;
        const inquiry overdue = std::move(late->second);
        waiting_.erase(late);
        overdue.given_up();
    }
}

}  // namespace weir
