#include "proxy/slow_work.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace weir {

struct slow_work::impl {
    boost::asio::thread_pool threads{1};
};

slow_work::slow_work() : impl_(std::make_unique<impl>()) {}

slow_work::~slow_work() {
    impl_->threads.stop();
    impl_->threads.join();
}

bool slow_work::try_post(std::function<void()> task) {
    if (waiting_.fetch_add(1) >= max_waiting) {
        --waiting_;
        return false;
    }
    boost::asio::post(impl_->threads, [this, run = std::move(task)] {
        run();
        --waiting_;
    });
    return true;
}

}  // namespace weir
