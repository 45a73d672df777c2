#include "policy/verified_passwords.hpp"

namespace weir {

void verified_passwords::remember(std::string_view user, std::string_view password, std::size_t tenant,
                                  time_point now) {
    const sha256_digest key = key_of(user, password);
    const std::scoped_lock lock(mutex_);
    make_room(now);
    if (entries_.emplace(key, entry{tenant, now + lifetime_}).second) by_age_.push_back(key);
}

std::optional<std::size_t> verified_passwords::find(std::string_view user, std::string_view password,
                                                    time_point now) const {
    const sha256_digest key = key_of(user, password);
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.expires <= now) return std::nullopt;
    return found->second.tenant;
}

std::size_t verified_passwords::size() const {
    const std::scoped_lock lock(mutex_);
    return entries_.size();
}

void verified_passwords::make_room(time_point now) {
    while (!by_age_.empty()) {
        const auto oldest = entries_.find(by_age_.front());
        if (oldest->second.expires > now && entries_.size() < capacity_) return;
        entries_.erase(oldest);
        by_age_.pop_front();
    }
}

}  // namespace weir
