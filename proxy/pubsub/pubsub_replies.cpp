#include "proxy/pubsub/pubsub_replies.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policy/reply_rewriter.hpp"
#include "protocol/ascii.hpp"
#include "protocol/reply_writer.hpp"

namespace weir {

namespace {

using correction = subscriber_counts::correction;

/// An element's header line, without what stands around the number.
std::optional<std::int64_t> number_in(std::string_view line) { return parse_integer(line.substr(1, line.size() - 3)); }

/// PUBLISH's count.
class audience_count final : public reply_interpreter {
public:
    explicit audience_count(const correction& right) : right_(right) {}
    [[nodiscard]] bool feed(std::string_view piece, bool /*complete*/, buffer& out) override {
        if (const auto counted = piece.starts_with(':') ? number_in(piece) : std::nullopt) {
            reply_writer(out, resp_version::resp2).integer(right_.of(*counted));
        } else {
            out.append(piece);
        }
        return true;
    }

private:
    correction right_;
};

/// PUBSUB NUMSUB: name, count, name, count, … in the order of the request, whose names are put back.
class subscriber_list final : public reply_interpreter {
public:
    explicit subscriber_list(std::vector<std::pair<std::string, correction>> names) : names_(std::move(names)) {}

    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) override {
        reply_.append(piece);
        return !complete || write(reply_.view(), out);
    }

private:
    [[nodiscard]] bool write(std::string_view reply, buffer& out) const {
        if (reply.starts_with('-')) {
            out.append(reply);
            return true;
        }
        out.append(take_line(reply));
        reply_writer writer(out, resp_version::resp2);
        for (const auto& [name, right] : names_) {
            const auto length = number_in(take_line(reply));
            if (!length || *length < 0 || static_cast<std::size_t>(*length) + 2 > reply.size()) return false;
            reply.remove_prefix(static_cast<std::size_t>(*length) + 2);
            const auto counted = number_in(take_line(reply));
            if (!counted) return false;
            writer.bulk(name);
            writer.integer(right.of(*counted));
        }
        return reply.empty();
    }

    static std::string_view take_line(std::string_view& bytes) {
        const std::string_view line = bytes.substr(0, bytes.find('\n') + 1);
        bytes.remove_prefix(line.size());
        return line.size() < 3 ? ":x\r\n" : line;
    }

    std::vector<std::pair<std::string, correction>> names_;
    buffer reply_;
};

/// PUBSUB CHANNELS, and what is added to it.
class channel_list final : public reply_interpreter {
public:
    channel_list(std::string_view prefix, std::vector<std::string> more)
        : stripped_(reply_rule::keys, prefix), more_(std::move(more)) {}

    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) override {
        if (piece.starts_with('*') && !std::exchange(header_taken_, true)) {
            const std::string_view header = piece.substr(0, piece.find('\n') + 1);
            const auto count = number_in(header);
            if (!count || *count < 0) return false;
            reply_writer(out, resp_version::resp2).array(static_cast<std::size_t>(*count) + more_.size());
            buffer dropped;
            if (!stripped_.feed(header, dropped)) return false;
            piece.remove_prefix(header.size());
        }
        if (!piece.empty() && !stripped_.feed(piece, out)) return false;
        if (!complete || !header_taken_) return true;
        for (const auto& name : more_) reply_writer(out, resp_version::resp2).bulk(name);
        return true;
    }

private:
    reply_rewriter stripped_;
    std::vector<std::string> more_;
    bool header_taken_ = false;
};

std::unique_ptr<reply_interpreter> published(const correction& right) {
    if (!right.instead && right.clients == 0 && right.connections == 0) return nullptr;
    return std::make_unique<audience_count>(right);
}

}  // namespace

std::unique_ptr<reply_interpreter> pubsub_interpreter(const arguments& request, const command_spec& command,
                                                      const tenant& whose, const subscriber_counts& counts) {
    if (command.name == "publish") {
        return published(counts.audience(whose, subscription_kind::channel, request[1]));
    }
    if (command.name == "spublish") {
        return published(counts.audience(whose, subscription_kind::shard, request[1]));
    }
    const bool shard = command.name.starts_with("pubsub|shard");
    const auto kind = shard ? subscription_kind::shard : subscription_kind::channel;
    if (command.request == request_rule::channel_list) {
        std::vector<std::pair<std::string, correction>> names;
        for (std::size_t i = 2; i < request.size(); ++i) {
            names.emplace_back(request[i], counts.subscribers(whose, kind, request[i]));
        }
        return std::make_unique<subscriber_list>(std::move(names));
    }
    const auto pattern = request.size() > 2 ? std::optional(request[2]) : std::nullopt;
    return std::make_unique<channel_list>(whose.prefix(), counts.special_channels(whose, kind, pattern));
}

}  // namespace weir
