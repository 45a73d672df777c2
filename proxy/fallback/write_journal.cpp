#include "proxy/fallback/write_journal.hpp"

#include <utility>

namespace weir {

void write_journal::append(operation made) {
    std::size_t bytes = 0;
    for (const std::string& word : made.words) bytes += word.size();
    made.bytes = cost(bytes, made.words.size());
    bytes_ += made.bytes;
    operations_.push_back(std::move(made));
}

std::size_t write_journal::batch(std::size_t most_operations, std::size_t most_bytes) const {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (count < operations_.size()) {
        std::size_t end = count + 1;
        std::size_t more = operations_[count].bytes;
        for (; end < operations_.size() && operations_[end].joined; ++end) more += operations_[end].bytes;
        if (count > 0 && (end > most_operations || bytes + more > most_bytes)) break;
        count = end;
        bytes += more;
    }
    return count;
}

void write_journal::forget(std::size_t i) {
    operation& forgotten = operations_[i];
    forgotten.words.clear();
    bytes_ -= forgotten.bytes - cost(0, 0);
    forgotten.bytes = cost(0, 0);
}

void write_journal::drop_front(std::size_t count) {
    for (; count > 0; --count) {
        bytes_ -= operations_.front().bytes;
        operations_.pop_front();
    }
}

}  // namespace weir
