#include "config/identity_checks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/loader.hpp"
#include "policy/password_hash.hpp"
#include "tests/config/temporary_file.hpp"

namespace weir {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> errors_of(const std::string& text) {
    std::vector<std::string> errors;
    for (const auto& error : load_config_text(text, "f.yaml").errors) errors.push_back(error.to_string());
    return errors;
}

options loaded(const std::string& text) {
    EXPECT_THAT(errors_of(text), ElementsAre());
    return load_config_text(text, "f.yaml").loaded.value_or(options{});
}

auto error_at(const std::string& place, const std::string& message) {
    return AllOf(StartsWith("f.yaml:" + place + ": "), HasSubstr(message));
}

/// One line; tenants begin at line 3.
const std::string by_auth = "listeners: [{bind: h:0, tenant_from: auth}]\ntenants:\n";
const std::string by_name = "listeners: [{bind: h:0, tenant: a}]\ntenants:\n";

class identity_checks : public testing::Test {
protected:
    const temporary_file hash_a_{to_string(sha256_password_hash("a")) + "\n"};
    const temporary_file hash_b_{to_string(sha256_password_hash("b")) + "\n"};
    const temporary_file secret_{"hunter2\n"};
    const std::string passwords_a_ = "passwords_file: " + hash_a_.path();
    const std::string passwords_b_ = "passwords_file: " + hash_b_.path();
};

TEST_F(identity_checks, a_listener_has_a_tenant_or_takes_it_from_auth) {
    const auto read = loaded(by_auth + "  a: {" + passwords_a_ + "}\n");
    EXPECT_EQ(read.listeners.at(0).from, tenant_source::auth);
    EXPECT_EQ(read.listeners.at(0).tenant, "");
    EXPECT_THAT(read.tenants.at("a").passwords, ElementsAre(sha256_password_hash("a")));
}

TEST_F(identity_checks, tenant_and_tenant_from_exclude_each_other) {
    EXPECT_THAT(errors_of("tenants: {a: {" + passwords_a_ +
                          "}}\nlisteners:\n  - {bind: h:0, tenant: a, tenant_from: auth}\n"),
                ElementsAre(error_at("3:41", "listeners[0].tenant_from: 'tenant' stands here too")));
    EXPECT_THAT(
        errors_of("tenants: {a: }\nlisteners:\n  - {bind: h:0, tenant_from: name}\n"),
        ElementsAre(error_at("3:30", "listeners[0].tenant_from: 'name' is not known; valid: auth, tls")));
}

TEST_F(identity_checks, certificates_wait_for_a_listener_that_speaks_tls) {
    EXPECT_THAT(
        errors_of("tenants: {a: {certificates: [x]}}\nlisteners:\n  - {bind: h:0, tenant_from: tls}\n"),
        ElementsAre(error_at("3:30",
                             "listeners[0].tenant_from: tls needs a listener that speaks TLS, which "
                             "weir does not have yet; valid: auth, or tenant:")));
}

TEST_F(identity_checks, a_tenant_whom_nobody_could_become_is_refused) {
    EXPECT_THAT(errors_of(by_auth + "  a: {" + passwords_a_ + "}\n  b:\n"),
                ElementsAre(error_at("4:3", "tenants.b: no client could become this tenant")));
    EXPECT_THAT(
        errors_of(by_auth + "  a: {" + passwords_a_ + "}\n  b: {users: [x]}\n"),
        ElementsAre(error_at("4:14", "tenants.b.users: users cannot authenticate without passwords_file")));
}

TEST_F(identity_checks, a_tenant_with_a_listener_of_its_own_needs_no_password) {
    loaded("listeners: [{bind: h:0, tenant_from: auth}, {bind: h:0, tenant: b}]\ntenants: {a: {" +
           passwords_a_ + "}, b: }\n");
}

TEST_F(identity_checks, passwords_that_nobody_is_asked_for_are_refused) {
    EXPECT_THAT(errors_of(by_name + "  a: {" + passwords_a_ + "}\n"),
                ElementsAre(error_at("3:23", "tenants.a.passwords_file: no listener has tenant_from: auth")));
    EXPECT_THAT(errors_of(by_name + "  a: {users: [x]}\n"),
                ElementsAre(error_at("3:14", "tenants.a.users: no listener has tenant_from: auth")));
}

TEST_F(identity_checks, a_passwords_file_that_is_no_good_is_one_error_and_shows_nothing_of_it) {
    EXPECT_THAT(errors_of(by_auth + "  a: {passwords_file: " + secret_.path() + "}\n"),
                ElementsAre(AllOf(error_at("3:23", "tenants.a.passwords_file: '" + secret_.path() +
                                                       "' has a line 1 that is neither sha256:"),
                                  HasSubstr("valid: the path of a file"), Not(HasSubstr("hunter2")))));
    EXPECT_THAT(errors_of(by_auth + "  a: {passwords_file: /nonexistent/x}\n"),
                ElementsAre(error_at("3:23", "cannot be opened")));
}

TEST_F(identity_checks, a_user_is_of_one_tenant) {
    EXPECT_THAT(errors_of(by_auth + "  a: {users: [x, y], " + passwords_a_ + "}\n  b: {users: [z, y], " +
                          passwords_b_ + "}\n"),
                ElementsAre(error_at("4:14", "tenants.b.users: user 'y' is one of tenant 'a' too")));
}

TEST_F(identity_checks, a_tenants_own_name_is_a_user_too) {
    EXPECT_THAT(errors_of(by_auth + "  a: {users: [b], " + passwords_a_ + "}\n  b: {" + passwords_b_ + "}\n"),
                ElementsAre(error_at("4:6", "tenants.b.users: user 'b' is one of tenant 'a' too")));
    EXPECT_THAT(errors_of(by_auth + "  a: {users: [b], " + passwords_a_ + "}\n  b: {users: [a], " +
                          passwords_b_ + "}\n"),
                ElementsAre())
        << "names that are given away are free";
}

TEST_F(identity_checks, one_name_may_stand_twice_with_one_tenant) {
    loaded(by_auth + "  a: {users: [x, x], " + passwords_a_ + "}\n");
}

TEST_F(identity_checks, two_tenants_cannot_have_the_same_sha256) {
    EXPECT_THAT(
        errors_of(by_auth + "  a: {" + passwords_a_ + "}\n  b: {" + passwords_a_ + "}\n"),
        ElementsAre(error_at("4:23",
                             "tenants.b.passwords_file: a sha256 hash in this file is one of tenant 'a' "
                             "too; a client would be either")));
}

TEST_F(identity_checks, two_tenants_may_have_the_same_scrypt_hash) {
    const temporary_file same(to_string(scrypt_password_hash("a", "0123456789abcdef", {4, 8, 1})));
    loaded(by_auth + "  a: {passwords_file: " + same.path() + "}\n  b: {passwords_file: " + same.path() +
           "}\n");
}

TEST_F(identity_checks, a_certificate_is_of_one_tenant) {
    loaded(by_name + "  a: {certificates: [x, \"spiffe://e/a\"]}\n  b: {certificates: [y]}\n");
    EXPECT_THAT(errors_of(by_name + "  a: {certificates: [x]}\n  b: {certificates: [y, x]}\n"),
                ElementsAre(error_at("4:21", "tenants.b.certificates: 'x' is one of tenant 'a' too")));
}

TEST_F(identity_checks, lists_of_names_are_not_empty_and_hold_names) {
    EXPECT_THAT(errors_of(by_name + "  a: {certificates: []}\n"),
                ElementsAre(error_at(
                    "3:21", "tenants.a.certificates: the list is empty; valid: a list, each of it")));
    EXPECT_THAT(errors_of(by_name + "  a: {certificates: x}\n"),
                ElementsAre(error_at(
                    "3:21", "here stands a single value; valid: a list, each of it the common name")));
    EXPECT_THAT(errors_of(by_name + "  a: {certificates: [\"\", {b: c}]}\n"),
                ElementsAre(error_at("3:22", "tenants.a.certificates[0]: '' is empty"),
                            error_at("3:26", "tenants.a.certificates[1]: here stands a section")));
}

TEST_F(identity_checks, scripts_have_a_user_and_its_password_or_neither) {
    const auto with = [&](const std::string& scripts) {
        return by_name + "  a: {scripts: {" + scripts + "}}\n";
    };
    const auto read = loaded(with("username: u, password_file: " + secret_.path())).tenants.at("a").scripts;
    EXPECT_EQ(read, (script_options{script_mode::acl, "u", "hunter2"}));
    EXPECT_EQ(loaded(with("mode: trust")).tenants.at("a").scripts.mode, script_mode::trust);
    EXPECT_THAT(errors_of(with("username: u")),
                ElementsAre(error_at(
                    "3:27", "tenants.a.scripts.username: the user needs password_file or password_env")));
    EXPECT_THAT(errors_of(with("password_file: " + secret_.path())),
                ElementsAre(error_at("3:16", "tenants.a.scripts: the password needs username")));
    EXPECT_THAT(errors_of(with("password_file: /nonexistent/x, username: u")),
                ElementsAre(error_at("3:32", "cannot be opened")))
        << "and not the lack of a password as well";
    EXPECT_THAT(errors_of(with("username: u, password_env: WEIR_TEST_NONE")),
                ElementsAre(error_at("3:44", "is not set in the environment")));
}

TEST_F(identity_checks, a_user_for_scripts_that_would_not_be_used_is_refused) {
    for (const std::string mode : {"deny", "trust"})
        EXPECT_THAT(errors_of(by_name + "  a: {scripts: {mode: " + mode +
                              ", username: u, password_file: " + secret_.path() + "}}\n"),
                    ElementsAre(error_at(
                        "3:23", "tenants.a.scripts.mode: a user and password for scripts are of use")));
}

TEST_F(identity_checks, subscribers_softer_limit_is_not_above_the_hard_one) {
    EXPECT_THAT(
        errors_of(by_name + "  a:\nclients: {subscriber_soft_unsent: 33MiB}\n"),
        ElementsAre(error_at(
            "4:35", "clients.subscriber_soft_unsent (33MiB) is above clients.subscriber_max_unsent")));
    loaded(by_name + "  a:\nclients: {subscriber_soft_unsent: 32MiB, unauthenticated_timeout: 0s}\n");
    EXPECT_THAT(errors_of(by_name + "  a:\nclients: {subscriber_soft_time: 0s}\n"),
                ElementsAre(error_at("4:33", "'0s' is too small")));
}

}  // namespace
}  // namespace weir
