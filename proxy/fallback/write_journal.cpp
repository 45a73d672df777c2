#include "proxy/fallback/write_journal.hpp"

#include <algorithm>
#include <utility>

#include "protocol/ascii.hpp"

namespace weir {

std::size_t write_journal::room(const tenant& whose) const {
    const std::size_t free = max_bytes_ - std::min(max_bytes_, bytes_);
    const auto known = parts_.find(whose.prefix());
    const std::size_t own = known == parts_.end() ? 0 : known->second.bytes;
    return std::min(free, 2 * free - std::min(2 * free, own));
}

void write_journal::take_away(const tenant& whose, std::size_t bytes) {
    bytes_ -= bytes;
    const auto known = parts_.find(whose.prefix());
    known->second.bytes -= bytes;
    if (known->second.bytes == 0) parts_.erase(known);
}

bool write_journal::append(operation made) {
    part& whose = parts_[std::string(made.whose->prefix())];
    const bool flushes = equals_ignoring_case(made.words[0], "flushdb") || equals_ignoring_case(made.words[0], "flushall");
    std::string flush = flushes ? made.words[0] + std::to_string(made.database) : std::string();
    if (flushes && flush == whose.last_flush) return false;
    whose.last_flush = std::move(flush);
    std::size_t bytes = 0;
    for (const std::string& word : made.words) bytes += word.size();
    made.bytes = cost(bytes, made.words.size());
    bytes_ += made.bytes;
    whose.bytes += made.bytes;
    operations_.push_back(std::move(made));
    return true;
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
    take_away(*forgotten.whose, forgotten.bytes - cost(0, 0));
    forgotten.bytes = cost(0, 0);
}

std::size_t write_journal::bytes_of_front(std::size_t count) const {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) bytes += operations_[i].bytes;
    return bytes;
}

void write_journal::drop_front(std::size_t count) {
    for (; count > 0; --count) {
        take_away(*operations_.front().whose, operations_.front().bytes);
        operations_.pop_front();
    }
}

}  // namespace weir
