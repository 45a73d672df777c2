#include "policy/credentials.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "policy/digest.hpp"
#include "policy/password_hash.hpp"
#include "policy/verified_passwords.hpp"

namespace weir {

namespace {

constexpr std::string_view password_alone = "default";
constexpr std::size_t max_password_bytes = 64 << 10;
constexpr std::size_t max_remembered = 4'096;
constexpr std::chrono::minutes remembered_for{10};

struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};

std::uint64_t work_of(const scrypt_cost& cost) {
    return (std::uint64_t{1} << cost.log2_n) * cost.r * cost.p;
}

}  // namespace

/// What tables and slow checks share. All but what is remembered is constant.
class credential_index {
public:
    using time_point = std::chrono::steady_clock::time_point;

    credential_index(const std::map<std::string, tenant_options>& tenants, std::string secret);

    // Tenants are numbered here as they come to have passwords.
    [[nodiscard]] const std::string& name_of(std::size_t tenant) const { return holders_[tenant].tenant; }
    /// By SHA-256 digests alone.
    [[nodiscard]] std::optional<std::size_t> check_fast(std::string_view user,
                                                        std::string_view password) const;
    [[nodiscard]] std::optional<std::size_t> check_slow(std::string_view user,
                                                        std::string_view password) const;
    /// Whether anything remains to be tried when check_fast() found none.
    [[nodiscard]] bool has_slow(std::string_view user) const {
        return slow_slots_ > 0 && (user != password_alone || users_.contains(user));
    }
    [[nodiscard]] verified_passwords& remembered() const { return remembered_; }

private:
    struct holder {
        std::string tenant;
        std::vector<sha256_digest> fast;
        std::vector<password_hash> slow;
    };

    void add(const std::string& name, const tenant_options& options);
    void prepare_padding();
    [[nodiscard]] std::size_t place_of(const holder& one) const {
        return static_cast<std::size_t>(&one - holders_.data());
    }
    [[nodiscard]] const holder* find_user(std::string_view user) const;
    [[nodiscard]] sha256_digest keyed(const sha256_digest& digest) const;

    std::string secret_;
    std::vector<holder> holders_;
    std::unordered_map<std::string, std::size_t, text_hash, std::equal_to<>> users_;  ///< to holders_
    std::unordered_map<sha256_digest, std::size_t, keyed_digest_hash>
        holders_by_digest_;       ///< keyed() digests
    std::size_t slow_slots_ = 0;  ///< scrypt hashes that a failed check runs
    password_hash padding_;       ///< in place of those that a user lacks; no password matches it
    mutable verified_passwords remembered_;
};

credential_index::credential_index(const std::map<std::string, tenant_options>& tenants, std::string secret)
    : secret_(secret), remembered_(std::move(secret), max_remembered, remembered_for) {
    for (const auto& [name, options] : tenants) {
        if (!options.passwords.empty()) add(name, options);
    }
    prepare_padding();
}

void credential_index::add(const std::string& name, const tenant_options& options) {
    holder made{name, {}, {}};
    for (const auto& hash : options.passwords) {
        if (hash.is_slow()) {
            made.slow.push_back(hash);
            continue;
        }
        sha256_digest digest{};
        std::ranges::copy_n(hash.digest.begin(), static_cast<std::ptrdiff_t>(digest.size()), digest.begin());
        made.fast.push_back(digest);
        holders_by_digest_.emplace(keyed(digest), holders_.size());
    }
    for (const auto& user : user_names(name, options)) users_.emplace(user, holders_.size());
    holders_.push_back(std::move(made));
}

void credential_index::prepare_padding() {
    for (const holder& one : holders_) {
        slow_slots_ = std::max(slow_slots_, one.slow.size());
        for (const auto& hash : one.slow)
            if (!padding_.cost || work_of(*hash.cost) > work_of(*padding_.cost)) padding_.cost = hash.cost;
    }
    const sha256_digest unknown = hmac_sha256(secret_, "padding");
    padding_.digest.assign(unknown.begin(), unknown.end());
    padding_.salt = padding_.digest.substr(0, 16);
}

const credential_index::holder* credential_index::find_user(std::string_view user) const {
    const auto found = users_.find(user);
    return found == users_.end() ? nullptr : &holders_[found->second];
}

sha256_digest credential_index::keyed(const sha256_digest& digest) const {
    return hmac_sha256(secret_,
                       std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

std::optional<std::size_t> credential_index::check_fast(std::string_view user,
                                                        std::string_view password) const {
    const sha256_digest digest = sha256(password);
    if (user == password_alone) {
        const auto found = holders_by_digest_.find(keyed(digest));
        if (found != holders_by_digest_.end()) return found->second;
    }
    const holder* const who = find_user(user);
    if (who == nullptr) return std::nullopt;
    bool matched = false;
    for (const auto& one : who->fast) matched |= CRYPTO_memcmp(one.data(), digest.data(), digest.size()) == 0;
    return matched ? std::optional(place_of(*who)) : std::nullopt;
}

std::optional<std::size_t> credential_index::check_slow(std::string_view user,
                                                        std::string_view password) const {
    const holder* const who = find_user(user);
    const auto own = who == nullptr ? std::span<const password_hash>() : std::span(who->slow);
    for (std::size_t i = 0; i < slow_slots_; ++i)
        if (matches(i < own.size() ? own[i] : padding_, password) && i < own.size()) return place_of(*who);
    return std::nullopt;
}

slow_check::slow_check(std::shared_ptr<const credential_index> index, std::string_view user,
                       std::string_view password, std::chrono::steady_clock::time_point began)
    : index_(std::move(index)), user_(user), password_(password), began_(began) {}

slow_check::~slow_check() {
    OPENSSL_cleanse(password_.data(), password_.size());
}

std::optional<std::string> slow_check::run() const {
    // Another that waited before this one may have done the work.
    if (const auto known = index_->remembered().find(user_, password_, began_)) return index_->name_of(*known);
    const auto tenant = index_->check_slow(user_, password_);
    if (!tenant) return std::nullopt;
    index_->remembered().remember(user_, password_, *tenant, began_);
    return index_->name_of(*tenant);
}

credential_table::credential_table(const std::map<std::string, tenant_options>& tenants, std::string secret)
    : index_(std::make_shared<const credential_index>(tenants, std::move(secret))) {}

credential_check credential_table::begin(std::string_view user, std::string_view password,
                                         std::chrono::steady_clock::time_point now) const {
    if (password.size() > max_password_bytes || user.size() > max_password_bytes) return {};
    if (const auto tenant = index_->check_fast(user, password)) return {index_->name_of(*tenant), nullptr};
    if (!index_->has_slow(user)) return {};
    if (const auto tenant = index_->remembered().find(user, password, now)) return {index_->name_of(*tenant), nullptr};
    return {std::nullopt, std::make_unique<slow_check>(index_, user, password, now)};
}

}  // namespace weir
