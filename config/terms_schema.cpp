#include "config/terms_schema.hpp"

#include "config/declared.hpp"
#include "config/fallback_schema.hpp"
#include "config/limit_schema.hpp"
#include "config/word_rows.hpp"
#include "policy/permissions.hpp"

namespace weir {
namespace {

constexpr std::size_t kib = 1 << 10;
constexpr std::size_t tib = std::size_t{1} << 40;
constexpr std::size_t many = 10'000'000;

section<quota_options> quota_rows() {
    using o = quota_options;
    return {
        leaf("max_connections", &o::max_connections, or_none(count(1, many)),
             "client connections of one tenant at most"),
        leaf("max_in_flight", &o::max_in_flight, or_none(count(1, many)),
             "commands of all its clients without a reply; then they are not read"),
        leaf("max_request", &o::max_request_bytes, or_none(size(kib, tib)), "one whole command"),
        leaf("max_arguments", &o::max_arguments, or_none(count(1, many)),
             "arguments of one command, its name included"),
        leaf("received", &o::received, or_none(byte_rate()),
             "bytes that come from all its clients; then they are not read for a while"),
        leaf("sent", &o::sent, or_none(byte_rate()),
             "bytes that go to all its clients; then they are not read for a while"),
    };
}

option_row<permission_options> allow_row() {
    static constexpr word_list kind{
        &command_word_fault, "an ACL word such as \"+@read\", \"-keys\" or \"config|get\"", false, "all"};
    auto row = words("allow", &permission_options::allow, kind,
                     "the commands that a tenant may run, of those that tenants may");
    row.read = [read = row.read](const field& from, permission_options& into) {
        read(from, into);
        auto words = into.allow;
        words.insert(words.begin(), "*");  // what the first word takes away it takes from everything
        if (!into.allow.empty())
            require_a_command(from, into.allow.front().starts_with('-') ? words : into.allow);
    };
    return row;
}

std::string denied_fault(std::string_view word) {
    if (word.starts_with('+'))
        return "would allow; valid here: " + std::string(word.substr(1)) + " to deny it";
    return unsigned_command_word_fault(word.substr(word.starts_with('-') ? 1 : 0));
}

section<permission_options> permission_rows() {
    using o = permission_options;
    constexpr word_list denied{&denied_fault, "an ACL word such as \"@write\", \"-keys\" or \"config|set\"",
                               true};
    constexpr word_list patterns{&key_pattern_fault, "a key pattern such as \"cart:*\" or \"%R~catalog:*\"",
                                 false, "all"};
    constexpr word_list names{&unsigned_command_word_fault,
                              "an ACL word without sign, such as flushdb or \"@dangerous\"", true};
    return {
        allow_row(),
        words("deny", &o::deny, denied, "the commands that it may not run, whatever allow says"),
        words("keys", &o::keys, patterns, "the keys that it may touch, of its own"),
        words("protected", &o::protect, names, "the commands that only an allow with their very name allows"),
        leaf("read_only", &o::read_only, one_of<bool>({{"false", false}, {"true", true}}),
             "whether commands that write are refused"),
    };
}

/// The options of a member, standing where those of the struct stand.
template <typename Struct, typename Member>
option_row<Struct> inlined(Member Struct::*member, const option_row<Member>& row) {
    const auto read = [member, read = row.read](const field& from, Struct& into) {
        read(from, into.*member);
    };
    return {row.name, read, row.describe, row.required};
}

section<tenant_terms> terms_rows() {
    section<tenant_terms> rows{limits_row(), group("quotas", &tenant_terms::quotas, quota_rows())};
    for (const auto& row : permission_rows()) rows.push_back(inlined(&tenant_terms::permissions, row));
    rows.push_back(fallback_rules_row());
    return rows;
}

/// Makes `terms` others if what is read differs from them.
template <typename Read>
void replace(shared_terms& terms, const Read& read) {
    tenant_terms own = *terms;
    read(own);
    if (own != *terms) terms = shared_terms(std::move(own));
}

option_row<tenant_options> plan_row(const std::map<std::string, shared_terms>& plans) {
    const auto kind = plan_name();
    const auto read = [&plans, kind](const field& from, tenant_options& into) {
        read_value(from, kind, [&](const std::string& name) {
            const auto found = plans.find(name);
            if (found == plans.end()) return from.fail(undeclared(name, "plan", plans));
            into.plan = name;
            into.terms = found->second;
        });
    };
    const auto describe = [kind](const std::string& path, std::vector<option_summary>& into) {
        into.push_back(
            {path, kind.valid, "", "the plan whose terms hold where this tenant sets none itself"});
    };
    return {"plan", read, describe};
}

option_row<tenant_options> tenant_terms_row(const option_row<tenant_terms>& row) {
    const auto read = [read = row.read](const field& from, tenant_options& into) {
        replace(into.terms, [&](tenant_terms& own) { read(from, own); });
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, "as in tenant_defaults", "", "of this tenant alone, in place of its plan's"});
    };
    return {row.name, read, describe};
}

}  // namespace

option_row<options> tenant_defaults_row() {
    const auto read = [rows = terms_rows()](const field& from, options& into) {
        replace(into.tenant_defaults, [&](tenant_terms& own) { read_section(from, rows, own); });
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        describe_section(path, terms_rows(), into);
    };
    return {"tenant_defaults", read, describe};
}

option_row<options> plans_row() {
    const auto read = [rows = terms_rows(), name_kind = plan_name()](const field& from, options& into) {
        const auto entries = from.entries("a section with a plan's name before each ':'");
        if (!entries) return;
        for (const auto& [name, entry] : *entries) {
            if (const auto valid = name_kind.parse(name); !valid) {
                entry.fail(valid.why() + "; valid: " + name_kind.valid);
                continue;
            }
            auto& plan = into.plans.emplace(name, into.tenant_defaults).first->second;
            replace(plan, [&](tenant_terms& own) { read_section(entry, rows, own); });
        }
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path + ".NAME", plan_name().valid + ", and below it what tenant_defaults has", "",
                        "the terms of tenants with this plan, in place of the defaults"});
    };
    return {"plans", read, describe};
}

section<tenant_options> tenant_terms_rows(const std::map<std::string, shared_terms>& plans) {
    section<tenant_options> rows{plan_row(plans)};
    for (const auto& row : terms_rows()) rows.push_back(tenant_terms_row(row));
    return rows;
}

}  // namespace weir
