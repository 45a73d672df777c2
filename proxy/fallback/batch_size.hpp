#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

/// A batch that was sent, and whose outcome is not known yet.
struct replay_attempt {
    std::uint64_t sequence = 0;
    std::size_t operations = 0;
    std::string server;    ///< the process that it was sent to, by a name that no other has; empty: not known
    bool hung_up = false;  ///< the server, before it answered; else it did not answer in time

    /// Not the server, which was not killed: the same process answers now.
    [[nodiscard]] bool is_to_blame(std::string_view server_now) const {
        return hung_up && !server.empty() && server == server_now;
    }
};

/// How many operations go into a batch. A server may hang up at one of them each time that it comes, for it is too large,
/// say: batches get smaller until that one is alone, and at last it is given up.
///
///     hung up, and the same process answers on the next connection: 100, 50, 25, … 1, 1, 1, … give it up
///     done: twice as many
///
/// A server that was killed meanwhile is another process, so that costs nothing.
class batch_size {
public:
    static constexpr std::size_t largest = 100;
    /// With twice the time in between each time: whatever else ends connections is to be over by then.
    static constexpr unsigned most_hang_ups = 8;

    [[nodiscard]] std::size_t most() const { return most_; }
    /// How many times longer than usual the next one is to wait.
    [[nodiscard]] unsigned patience() const { return 1u << hang_ups_; }
    void done() {
        most_ = std::min(2 * most_, largest);
        hang_ups_ = 0;
    }
    /// A batch that is to blame was not done; `least`: it cannot be cut. True: it is to be given up.
    [[nodiscard]] bool lost(std::size_t operations, bool least) {
        most_ = std::max<std::size_t>(operations / 2, 1);
        if (!least || ++hang_ups_ < most_hang_ups) return false;
        hang_ups_ = 0;
        return true;
    }

private:
    std::size_t most_ = largest;
    unsigned hang_ups_ = 0;  ///< in a row, at a batch that cannot be cut
};

}  // namespace weir
