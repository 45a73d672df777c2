#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/script_names.hpp"
#include "policy/tenant.hpp"
#include "protocol/arguments.hpp"
#include "protocol/buffer.hpp"
#include "protocol/command_table.hpp"

namespace weir {

enum class rewrite_status : std::uint8_t {
    ok,
    key_too_long,  ///< over the tenant's long_keys.over, and its action is refuse
    syntax_error,  ///< options that we cannot follow, so that a name among them could slip through
};

/// Writes a request with every name in it moved into the tenant's part of the keyspace. What stands between the
/// names is copied as one piece each. Holds scratch memory only, so one per thread serves all sessions.
class key_rewriter {
public:
    /// Appends the rewritten request to `out`; on any status but ok nothing is appended. With no `scripts`, scripts and
    /// their names pass as they are.
    [[nodiscard]] rewrite_status rewrite(const arguments& request, const command_spec& command, const tenant& owner,
                                         buffer& out, script_names* scripts = nullptr);

private:
    /// `insert` goes into argument `position`, in front of its byte `offset`; with `replacement` non-empty that stands for
    /// the argument.
    struct edit {
        std::uint32_t position;
        std::string_view insert;
        std::string replacement;
        bool is_key = true;  ///< long_keys apply; a pattern or channel is passed on at any length
        std::size_t offset = 0;
    };

    void find_edits(const arguments& request, const command_spec& command, const tenant& owner);
    void find_script_edits(const arguments& request, const command_spec& command, script_names& scripts);
    void find_sort_edits(const arguments& request, const tenant& owner);
    void find_store_edits(const arguments& request, const command_spec& command, const tenant& owner);
    void find_channel_edits(const arguments& request, const tenant& owner);
    void find_channel_pattern_edits(const arguments& request, const tenant& owner);
    void edit_channel(std::uint32_t position, std::string_view channel, const tenant& owner);
    [[nodiscard]] bool find_scan_edits(const arguments& request, const tenant& owner);
    [[nodiscard]] rewrite_status apply_long_keys(const arguments& request, const long_key_options& rule);
    void write(const arguments& request, buffer& out) const;

    std::vector<std::uint32_t> positions_;
    std::vector<edit> edits_;
    std::string_view scan_pattern_;   ///< SCAN: inserted as `MATCH pattern` behind the cursor
    std::string_view added_pattern_;  ///< PUBSUB CHANNELS: one more argument
};

/// How `sha256` names a long key, without the prefix.
[[nodiscard]] std::string hashed_key(std::string_view key);

/// A key as the server shall know it; empty when the tenant's long_keys refuse it.
[[nodiscard]] std::string rewrite_key(std::string_view key, const tenant& owner);

}  // namespace weir
