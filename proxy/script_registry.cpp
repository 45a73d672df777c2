#include "proxy/script_registry.hpp"

#include <mutex>
#include <optional>
#include <random>

namespace weir {

namespace {

/// A name that no script has.
constexpr std::string_view nobody = "0000000000000000000000000000000000000000";

int digit_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

std::optional<sha1_digest> parse_name(std::string_view name) {
    sha1_digest digest{};
    if (name.size() != 2 * digest.size()) return std::nullopt;
    for (std::size_t i = 0; i < digest.size(); ++i) {
        const int high = digit_value(name[2 * i]);
        const int low = digit_value(name[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        digest[i] = static_cast<unsigned char>(high * 16 + low);
    }
    return digest;
}

}  // namespace

script_registry::script_registry(std::string_view prefix, std::size_t capacity)
    : prelude_(prefix),
      capacity_(capacity),
      by_client_(0, digest_hash{std::random_device{}()}),
      by_server_(0, by_client_.hash_function()) {}

script_insertion script_registry::take_script(std::string_view body) {
    const script_insertion prelude = prelude_.insertion(body);
    const sha1_digest client = sha1(body);
    if (touch(client)) return prelude;
    std::string whole(body);
    whole.insert(prelude.offset, prelude.text);
    add(client, sha1(whole));
    return prelude;
}

std::string script_registry::upstream_name(std::string_view name) {
    // The server looks at a name's length before anything else of the command.
    if (name.size() != nobody.size()) return "-";
    const auto client = parse_name(name);
    if (!client) return std::string(nobody);
    const std::shared_lock lock(mutex_);
    const auto found = by_client_.find(*client);
    if (found == by_client_.end()) return std::string(nobody);
    found->second->used.store(true, std::memory_order_relaxed);
    return to_hex(found->second->server);
}

std::string script_registry::client_name(std::string_view name) {
    const auto server = parse_name(name);
    if (!server) return std::string(name);
    const std::shared_lock lock(mutex_);
    const auto found = by_server_.find(*server);
    return found == by_server_.end() ? std::string(name) : to_hex(found->second->client);
}

bool script_registry::touch(const sha1_digest& client) const {
    const std::shared_lock lock(mutex_);
    const auto found = by_client_.find(client);
    if (found == by_client_.end()) return false;
    found->second->used.store(true, std::memory_order_relaxed);
    return true;
}

void script_registry::add(const sha1_digest& client, const sha1_digest& server) {
    const std::unique_lock lock(mutex_);
    if (!ring_) ring_ = std::make_unique<entry[]>(capacity_);
    if (by_client_.contains(client)) return;  // another worker was faster
    entry& place = free_entry();
    place.client = client;
    place.server = server;
    place.used = false;
    by_client_.emplace(client, &place);
    by_server_.emplace(server, &place);
}

script_registry::entry& script_registry::free_entry() {
    const bool full = by_client_.size() == capacity_;
    while (full && ring_[hand_].used.exchange(false)) hand_ = (hand_ + 1) % capacity_;
    entry& place = ring_[hand_];
    hand_ = (hand_ + 1) % capacity_;
    if (full) {
        by_client_.erase(place.client);
        by_server_.erase(place.server);
    }
    return place;
}

void script_registry::forget_all() {
    const std::unique_lock lock(mutex_);
    by_client_.clear();
    by_server_.clear();
    hand_ = 0;
}

}  // namespace weir
