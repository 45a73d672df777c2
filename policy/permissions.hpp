#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/command_set.hpp"
#include "policy/tenant_terms.hpp"
#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// Whether the keys of a request may be touched.
enum class key_verdict : std::uint8_t {
    allowed,
    refused,
    undecided,        ///< arguments that are still to come decide
    refused_sort_by,  ///< SORT's BY and GET read keys that nobody names, so they need all of them
    refused_sort_get,
};

/// A pattern of keys by their clients' names, and what may be done with those it matches.
struct key_pattern {
    std::string glob;
    bool read = true;
    bool write = true;
    bool operator==(const key_pattern&) const = default;
};

/// What a tenant may do beyond being a tenant: commands, and keys by patterns. Immutable; all threads share
/// it.
///
/// It is what a Redis 7 ACL user is (https://redis.io/docs/management/security/acl/): as there AUTH, HELLO,
/// QUIT and RESET are free, and weir's own commands are. What a command does to a key is what its key
/// specification says, by the flags access, insert, update and delete (acl.c, ACLSelectorCheckKey): EXISTS
/// needs neither reading nor writing, any pattern that matches will do. Commands that name no keys (KEYS,
/// SCAN, FLUSHDB) are a matter of `allow` and `deny`. In two points it is stricter: of several STORE options
/// every key is asked for, not the last alone, and so is whatever stands behind a number of keys that is
/// none.
class permissions {
public:
    /// Everything.
    permissions() = default;
    /// `read_only` takes away what has the server's flag `write`. As on a replica, PUBLISH stays; so does
    /// EVAL, whose writes the user for scripts is not allowed.
    explicit permissions(const permission_options& options);

    [[nodiscard]] bool may_run(const command_spec& command) const {
        return all_commands_ || is_permitted(command);
    }

    /// Whether `allow` has the command by its very own name, and `deny` has not: "*" does not do. For what is dangerous also
    /// where nothing is protected.
    [[nodiscard]] bool names(const command_spec& command) const;

    [[nodiscard]] bool restricts() const { return !all_commands_ || restricts_keys(); }
    [[nodiscard]] bool restricts_keys() const { return !patterns_.empty(); }
    /// Whether all keys that the request names, as its clients know them, may be touched in the way the
    /// command does. `request` may hold only the first of `count` arguments.
    [[nodiscard]] key_verdict judge_keys(const arguments& request, const command_spec& command,
                                         std::size_t count) const;

    /// Empty: all keys.
    [[nodiscard]] const std::vector<key_pattern>& patterns() const { return patterns_; }
    /// Differs between any two permissions that are different things to a script; empty for everything.
    [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

private:
    /// Room for all built-in rows; those beyond it would be judged by words, as learned ones are.
    static constexpr std::size_t compiled_rows = 512;

    struct key_need {
        bool read;
        bool write;
    };

    void add_pattern(key_pattern added);
    void compile();
    [[nodiscard]] bool is_permitted(const command_spec& command) const {
        return command.number < compiled_rows ? by_number_[command.number] : follows_words(command);
    }
    [[nodiscard]] bool follows_words(const command_spec& command) const;
    [[nodiscard]] bool is_asked_for(const command_spec& command) const;
    [[nodiscard]] bool may_touch(std::string_view key, key_need need) const;
    [[nodiscard]] bool may_read_everything() const;
    [[nodiscard]] key_verdict judge_sort(const arguments& request) const;
    [[nodiscard]] static key_need need_of(const key_spec& spec, const arguments& request,
                                          const command_spec& command, bool knows_options);

    bool all_commands_ = true;
    bool read_only_ = false;
    command_set allow_;
    command_set deny_;
    command_set protect_;
    std::vector<std::string> asked_for_;        ///< names that `allow` adds, without sign, in lower case
    std::vector<std::string> protected_words_;  ///< the words of `protect` in lower case
    std::bitset<compiled_rows> by_number_;      ///< what the words say of each built-in command
    std::vector<key_pattern> patterns_;
    std::string fingerprint_;
};

/// Why a word of `keys` is no key pattern (`cart:*`, `~cart:*`, `%R~…`, `%W~…`, `%RW~…`, `allkeys`); empty
/// when it is one.
[[nodiscard]] std::string key_pattern_fault(std::string_view word);

}  // namespace weir
