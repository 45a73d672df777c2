#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "policy/key_rewriter.hpp"
#include "protocol/command_table.hpp"
#include "proxy/fallback/replay_source.hpp"
#include "proxy/fallback/write_journal.hpp"
#include "proxy/upstream/control_client.hpp"

namespace weir {

/// Operations of a journal as one transaction for the upstream, and what came of it. No I/O.
///
///     out   MULTI  [SELECT d]  op … op  SELECT 0  SET marker number PX …  EXEC  WATCH marker
///     in    OK     QUEUED …                                          [reply …]   OK
///
/// The marker says afterwards, to whoever lost the connection, whether the batch was done. It is watched by each batch: who
/// asks for it writes it too, so that a batch that is still on its way on an older connection is not done any more.
class replay_batch {
public:
    enum class outcome : unsigned char {
        done,       ///< what was refused() is the only part that was not
        aborted,    ///< nothing was done; without what was refused() it may be
        unable,     ///< nothing was done: the server cannot serve, error() says why
        disturbed,  ///< nothing was done: somebody else wrote the marker
    };
    struct refusal {
        std::size_t place;  ///< from the journal's front
        std::string code;
    };

    /// The first `count` operations, without those that have no words. What cannot be sent at all is refused().
    void build(const write_journal& journal, std::size_t count, const replay_marker& marker, std::uint64_t number);
    /// The first operation alone, for a server that takes no writes, and so no marker: what it does not do is refused().
    void build_last_try(const write_journal& journal, const replay_marker& marker);
    [[nodiscard]] const std::string& requests() const { return requests_; }
    [[nodiscard]] std::size_t replies() const { return commands_.size() + 3; }
    [[nodiscard]] outcome judge(const std::vector<control_reply>& replies);
    /// Cleared by build(): take them before.
    [[nodiscard]] const std::vector<refusal>& refused() const { return refused_; }
    [[nodiscard]] const std::string& error() const { return error_; }
    /// Whether the error says that the server serves, but takes no writes; or not of the marker.
    [[nodiscard]] static bool forbids_writes(std::string_view error);

private:
    static constexpr std::size_t not_an_operation = static_cast<std::size_t>(-1);

    void begin(bool is_last_try);
    void add(std::initializer_list<std::string_view> words);
    void add_operation(const write_journal::operation& operation, std::size_t place);
    void select(int database);
    [[nodiscard]] outcome judge_abortion(const std::vector<control_reply>& replies);

    const std::shared_ptr<const command_table> table_ = command_table::built_in();
    key_rewriter rewriter_;
    std::string requests_;
    std::vector<std::size_t> commands_;  ///< between MULTI and EXEC: the operation's place, or not_an_operation
    std::vector<refusal> refused_;
    std::string error_;
    int database_ = 0;
    bool is_last_try_ = false;
};

/// Appends a command in RESP.
void append_request(std::string& out, std::span<const std::string_view> words);

}  // namespace weir
