#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "policy/digest.hpp"
#include "policy/script_names.hpp"
#include "policy/script_prelude.hpp"

namespace weir {

/// The scripts that a tenant's clients gave this process, by the SHA1 that the clients know them by. All
/// workers share it; reading is for many at once. What was not used for longest goes first when it is full:
/// the client then hears NOSCRIPT and sends the script again.
///
/// Which one that is, a hand on a ring of entries finds: it passes by those used since it came last (CLOCK).
class script_registry final : public script_names {
public:
    static constexpr std::size_t default_capacity = 4'096;

    explicit script_registry(std::string_view prefix, std::size_t capacity = default_capacity);

    [[nodiscard]] script_insertion take_script(std::string_view body) override;
    [[nodiscard]] std::string upstream_name(std::string_view name) override;
    [[nodiscard]] std::string client_name(std::string_view name) override;
    void forget_all();

private:
    struct entry {
        sha1_digest client{};
        sha1_digest server{};
        std::atomic<bool> used{false};
    };
    /// Clients choose the digests, so they must not know which of them meet in the table.
    struct digest_hash {
        std::size_t seed;
        std::size_t operator()(const sha1_digest& digest) const {
            std::size_t first = 0;
            std::memcpy(&first, digest.data(), sizeof first);
            return (first ^ seed) * 0x9e3779b97f4a7c15;
        }
    };

    [[nodiscard]] bool touch(const sha1_digest& client) const;
    void add(const sha1_digest& client, const sha1_digest& server);
    [[nodiscard]] entry& free_entry();

    const script_prelude prelude_;
    const std::size_t capacity_;
    mutable std::shared_mutex mutex_;
    std::unordered_map<sha1_digest, entry*, digest_hash> by_client_;
    std::unordered_map<sha1_digest, entry*, digest_hash> by_server_;
    std::unique_ptr<entry[]> ring_;  ///< made when the first script comes
    std::size_t hand_ = 0;
};

}  // namespace weir
