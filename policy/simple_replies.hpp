#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "policy/reply_interpreter.hpp"

namespace weir {

/// Says something else than the upstream did.
class replaced_reply final : public reply_interpreter {
public:
    explicit replaced_reply(std::string_view bytes) : bytes_(bytes) {}
    [[nodiscard]] bool feed(std::string_view, bool complete, buffer& out) override {
        if (complete) out.append(bytes_);
        return true;
    }

private:
    std::string bytes_;
};

/// Says something else than the upstream did, which is made when that has come. The maker must outlive the command.
class late_reply final : public reply_interpreter {
public:
    using maker = std::function<buffer()>;
    explicit late_reply(maker make) : make_(std::move(make)) {}
    [[nodiscard]] bool feed(std::string_view, bool complete, buffer& out) override {
        if (complete) out.append(make_().view());
        return true;
    }

private:
    maker make_;
};

/// Says something else than the upstream did, unless that was an error.
class replaced_success final : public reply_interpreter {
public:
    /// `prefix` must outlive this.
    replaced_success(std::string_view prefix, std::string_view bytes) : prefix_(prefix), bytes_(bytes) {}
    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) override;

private:
    std::string_view prefix_;
    std::string bytes_;
    bool refused_ = false;
};

/// Passes a reply on without names in it and tells whether it was an error. The listener must outlive the command.
class observed_reply final : public reply_interpreter {
public:
    using listener = std::function<void(bool succeeded)>;
    observed_reply(std::string_view prefix, listener tell) : prefix_(prefix), tell_(std::move(tell)) {}
    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) override;

private:
    std::string_view prefix_;
    listener tell_;
    char type_ = 0;
};

}  // namespace weir
