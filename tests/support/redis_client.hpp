#pragma once

#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {

/// A client of a real Redis on a unix socket. Comes back when its connection has broken, and waits for a server that only
/// starts.
class redis_client {
public:
    explicit redis_client(std::string path) : path_(std::move(path)) {
        // hiredis writes to a server that has gone without MSG_NOSIGNAL.
        std::signal(SIGPIPE, SIG_IGN);
    }

    /// Texts and numbers as they are, `nil`, what an array has one after the other with a space in between.
    std::string ask(const std::vector<std::string>& request) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        do {
            if (const auto reply = try_once(request)) return text_of(*reply);
            std::this_thread::yield();
        } while (std::chrono::steady_clock::now() < deadline);
        ADD_FAILURE() << "no Redis at " << path_;
        return {};
    }
    /// The next reply that was not asked for (MONITOR).
    std::string next() {
        void* reply = nullptr;
        if (::redisGetReply(connection_.get(), &reply) != REDIS_OK) return "gone";
        return text_of(*owned(reply));
    }

private:
    using reply_pointer = std::unique_ptr<redisReply, void (*)(void*)>;
    static reply_pointer owned(void* reply) { return {static_cast<redisReply*>(reply), ::freeReplyObject}; }

    reply_pointer try_once(const std::vector<std::string>& request) {
        if (!connection_ || connection_->err != 0) connection_.reset(::redisConnectUnix(path_.c_str()));
        if (!connection_ || connection_->err != 0) return owned(nullptr);
        std::vector<const char*> texts;
        std::vector<std::size_t> sizes;
        for (const auto& word : request) {
            texts.push_back(word.data());
            sizes.push_back(word.size());
        }
        auto reply = owned(
            ::redisCommandArgv(connection_.get(), static_cast<int>(request.size()), texts.data(), sizes.data()));
        const bool loads = reply && reply->type == REDIS_REPLY_ERROR && text_of(*reply).starts_with("LOADING");
        return loads ? owned(nullptr) : std::move(reply);
    }
    static std::string text_of(const redisReply& reply) {
        if (reply.type == REDIS_REPLY_NIL) return "nil";
        if (reply.type == REDIS_REPLY_INTEGER) return std::to_string(reply.integer);
        if (reply.type != REDIS_REPLY_ARRAY) return {reply.str, reply.len};
        std::string all;
        for (std::size_t i = 0; i < reply.elements; ++i) all += (i == 0 ? "" : " ") + text_of(*reply.element[i]);
        return all;
    }

    std::string path_;
    std::unique_ptr<redisContext, void (*)(redisContext*)> connection_{nullptr, ::redisFree};
};

}  // namespace weir::test
