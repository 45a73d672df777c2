#include "proxy/fallback/copy_taker.hpp"

#include <algorithm>

#include "protocol/glob.hpp"
#include "proxy/fallback/learning.hpp"

namespace weir {

bool copy_taker::wants(std::string_view key) const {
    return std::ranges::any_of(what_.keys,
                               [&](const std::string& pattern) { return pattern == "*" || glob_match(pattern, key); });
}

void copy_taker::take(const observation& seen) {
    engine::keyspace& keys = memory_.keys_of(seen.whose, seen.database);
    memory_store& values = memory_.values();
    if (seen.name == "flushdb") return values.forget_database(keys, stale_at(seen.at));
    // FLUSHALL, and what writes to databases that nobody has looked at.
    if (seen.reply.empty()) return values.forget_tenant(keys, stale_at(seen.at));
    if (writes_what_it_teaches(seen.name) ? !what_.writes : !what_.reads) return;
    for (lesson& told : learn(seen)) {
        if (told.place >= seen.stamps.size() || !wants(told.key)) continue;
        if (!told.value || engine::memory_bytes(*told.value) > what_.max_value_bytes) {
            values.forget(keys, told.key);
            continue;
        }
        const auto slot = write_stamps::slot_of(seen.whose->prefix(), seen.database, told.key);
        const auto& stamps = seen.stamps[told.place];
        values.remember(keys, told.key, {std::move(*told.value), told.expires_at}, told.expiry,
                        {stale_at(seen.at), static_cast<std::uint32_t>(slot), stamps.after}, stamps.before);
        ++taken_total_;
    }
    memory_.trim();
}

}  // namespace weir
