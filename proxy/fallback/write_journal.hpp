#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policy/tenant.hpp"
#include "proxy/fallback/engine/effects.hpp"

namespace weir {

/// Writes that were accepted while the upstream was away, as exact operations (engine::effects), in their order.
///
///     front [ op ][ op + op + op ][ op ] … back       joined ones are those of one transaction
///
/// Bounded: ask for the room() before a command is run. What one command or transaction does may be longer than it is itself, so
/// the bound may be passed by that much (a SPOP of all that was there, say). A tenant may have twice what is free (dynamic thresholds, Choudhury and Hahne 1998):
/// one alone gets two thirds, and there is always room for the next one.
class write_journal {
public:
    struct operation {
        std::shared_ptr<const tenant> whose;
        int database = 0;
        std::vector<std::string> words;
        bool joined = false;  ///< with the one before
        std::size_t bytes = 0;  ///< set by append()
    };

    explicit write_journal(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    /// What an operation of this tenant may cost.
    [[nodiscard]] std::size_t room(const tenant& whose) const;
    /// False: it is left out, as it is a FLUSHDB or FLUSHALL right behind the tenant's same one.
    bool append(operation made);

    [[nodiscard]] bool empty() const { return operations_.empty(); }
    [[nodiscard]] std::size_t size() const { return operations_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// From the front.
    [[nodiscard]] const operation& operator[](std::size_t i) const { return operations_[i]; }
    /// How many at the front belong into one batch of about so many operations and bytes: one at least, and none of those
    /// joined apart from the others.
    [[nodiscard]] std::size_t batch(std::size_t most_operations, std::size_t most_bytes) const;
    [[nodiscard]] std::size_t bytes_of_front(std::size_t count) const;
    void drop_front(std::size_t count);
    /// Takes the words of one away; the operation stays where it is.
    void forget(std::size_t i);

    /// What an operation with so many bytes in so many words counts.
    [[nodiscard]] static std::size_t cost(std::size_t bytes, std::size_t words) {
        return sizeof(operation) + engine::effects::cost(bytes, words);
    }

private:
    void take_away(const tenant& whose, std::size_t bytes);

    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    struct part {
        std::size_t bytes = 0;
        std::string last_flush;  ///< the tenant's last operation, if it is one, and its database
    };
    std::map<std::string, part, std::less<>> parts_;  ///< by tenant's prefix; none has 0 bytes
    std::deque<operation> operations_;
};

}  // namespace weir
