#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "policy/access.hpp"
#include "policy/transaction_reply.hpp"
#include "protocol/buffer.hpp"
#include "proxy/fallback/fallback_port.hpp"

namespace weir {

/// A client's transaction between MULTI and EXEC. weir queues the commands itself and sends them, with EXEC behind them,
/// as one piece: so it holds nothing of the server while the client makes up its mind, and needs no connection of its
/// own. What can be known of a command beforehand (name, arguments, rights) is said when it is queued, as by Redis; what
/// only the server knows (it is out of memory, say) is said by EXEC.
struct transaction {
    buffer commands;                    ///< as the server gets them, MULTI in front
    std::vector<queued_reply> replies;  ///< one for each command behind MULTI
    std::size_t local_bytes = 0;        ///< what weir itself answers, and performs when the server has come to its place
    bool poisoned = false;  ///< a command could not be queued: EXEC does nothing
    bool selects = false;   ///< SELECT is among the commands
    command_user user = command_user::any;
    fallback_job without_upstream;  ///< the same, as the client sent it
    fallback_port::slots written;   ///< what is remembered of these keys is void then
    bool writes_elsewhere = false;  ///< than the slots say: fallback_port::forget_after()
    std::optional<fallback_place> place;  ///< where all of it can be answered without the upstream
    std::string obstacle;           ///< why it cannot be answered without the upstream; empty: it can
};

}  // namespace weir
