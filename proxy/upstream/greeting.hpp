#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "config/options.hpp"
#include "protocol/buffer.hpp"
#include "proxy/upstream/lane.hpp"

namespace weir {

/// What a connection says to the server before it carries commands, and what the answers mean: who it is, the protocol
/// version, the database. A connection for a tenant's scripts also proves that its user is confined: what such a user
/// must not be able to do is tried, and has to be refused.
class greeting {
public:
    /// Of a new connection.
    greeting(const upstream_options& options, const lane& wanted, server_version version);
    /// Of a connection that changes between weir's own user and that of a tenant's scripts; what was watched stays so.
    [[nodiscard]] static greeting change_user(const upstream_options& options, const lane& wanted, server_version version);

    /// What is to be sent, all at once.
    [[nodiscard]] buffer& output() { return output_; }

    enum class verdict : std::uint8_t { more, done, failed };
    /// Takes the next reply, which is an error when `refused`. `line` is its whole, or of a longer one the rest: none of
    /// those is looked at.
    [[nodiscard]] verdict take(std::string_view line, bool refused);
    /// After failed: why, the server's error or our own words.
    [[nodiscard]] const std::string& fault() const { return fault_; }
    /// After failed: it was the database that the server refused.
    [[nodiscard]] bool database_refused() const { return database_refused_; }
    /// After failed: the server does not speak the protocol.
    [[nodiscard]] bool protocol_refused() const { return protocol_refused_; }
    /// The server's CLIENT ID of this connection, when it told.
    [[nodiscard]] std::optional<std::uint64_t> client_id() const { return client_id_; }

private:
    enum class expect : std::uint8_t {
        anything,
        success,
        database,   ///< success; a refusal is the client's fault
        protocol,   ///< success; a server may not know HELLO, or not this version
        client_id,
        refusal,    ///< only an error will do
        isolation,  ///< script_isolation_probe()'s 1
    };
    greeting() = default;
    void say(expect answer, std::initializer_list<std::string_view> words);
    void log_in(const upstream_options& options, const lane& wanted);
    void become_script_user(const lane& wanted, server_version version);
    void prove_confined();

    buffer output_;
    std::deque<expect> expected_;
    std::string fault_;
    bool database_refused_ = false;
    bool protocol_refused_ = false;
    std::optional<std::uint64_t> client_id_;
};

}  // namespace weir
