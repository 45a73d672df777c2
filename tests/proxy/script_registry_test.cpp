#include "proxy/script_registry.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weir::test {
namespace {

const std::string nobody(40, '0');

std::string name_of(std::string_view body) {
    return to_hex(sha1(body));
}

std::string taken(script_registry& scripts, std::string body) {
    const script_insertion what = scripts.take_script(body);
    return body.insert(what.offset, what.text);
}

TEST(script_registry, knows_a_script_by_the_clients_name) {
    script_registry scripts("p:");
    EXPECT_EQ(scripts.upstream_name(name_of("return 1")), nobody);
    const std::string sent = taken(scripts, "return 1");
    EXPECT_TRUE(sent.ends_with("return 1"));
    EXPECT_EQ(scripts.upstream_name(name_of("return 1")), name_of(sent));
    EXPECT_EQ(scripts.upstream_name(name_of(sent)), nobody) << "the server's name is not the client's";
    EXPECT_EQ(scripts.client_name(name_of(sent)), name_of("return 1"));
    EXPECT_EQ(scripts.client_name(name_of("return 1")), name_of("return 1"))
        << "no name of a server's script";
    EXPECT_EQ(scripts.client_name("any text"), "any text");
}

TEST(script_registry, takes_names_in_any_case_and_nothing_else) {
    script_registry scripts("p:");
    const std::string sent = taken(scripts, "return 1");
    std::string name = name_of("return 1");
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(scripts.upstream_name(name), name_of(sent));
    for (const std::string& other : {std::string{}, name.substr(1), name + "0"}) {
        EXPECT_EQ(scripts.upstream_name(other), "-") << "a length that the server refuses first";
    }
    for (const std::string& other : {std::string(40, 'g'), std::string(40, '\0')}) {
        EXPECT_EQ(scripts.upstream_name(other), nobody);
    }
}

TEST(script_registry, tenants_scripts_have_names_of_their_own) {
    script_registry a("a:");
    script_registry b("b:");
    EXPECT_NE(taken(a, "return 1"), taken(b, "return 1"));
    EXPECT_NE(a.upstream_name(name_of("return 1")), b.upstream_name(name_of("return 1")));
}

TEST(script_registry, forgets_all) {
    script_registry scripts("p:", 4);
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 3; ++i) static_cast<void>(scripts.take_script(std::to_string(i)));
        for (int i = 0; i < 3; ++i) EXPECT_NE(scripts.upstream_name(name_of(std::to_string(i))), nobody);
        scripts.forget_all();
        for (int i = 0; i < 3; ++i) EXPECT_EQ(scripts.upstream_name(name_of(std::to_string(i))), nobody);
    }
}

TEST(script_registry, full_it_drops_what_was_not_used) {
    script_registry scripts("p:", 4);
    for (int i = 0; i < 100; ++i) {
        static_cast<void>(scripts.take_script(std::to_string(i)));
        EXPECT_NE(scripts.upstream_name(name_of("0")), nobody) << "used all the time, after " << i;
    }
    int known = 0;
    for (int i = 0; i < 100; ++i)
        known += scripts.upstream_name(name_of(std::to_string(i))) != nobody ? 1 : 0;
    EXPECT_EQ(known, 4);
    script_registry other("p:");
    EXPECT_EQ(scripts.client_name(name_of(taken(other, "5"))), name_of(taken(other, "5")))
        << "forgotten from both sides";
    EXPECT_NE(scripts.upstream_name(name_of("99")), nobody);
}

TEST(script_registry, full_of_used_scripts_it_takes_another) {
    script_registry scripts("p:", 3);
    for (int i = 0; i < 3; ++i) static_cast<void>(scripts.take_script(std::to_string(i)));
    for (int i = 0; i < 3; ++i) EXPECT_NE(scripts.upstream_name(name_of(std::to_string(i))), nobody);
    static_cast<void>(scripts.take_script("3"));
    EXPECT_NE(scripts.upstream_name(name_of("3")), nobody);
}

TEST(script_registry, serves_many_threads) {
    script_registry scripts("p:", 16);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&scripts] {
            for (int i = 0; i < 2'000; ++i) {
                const std::string body = std::to_string(i % 40);
                static_cast<void>(scripts.take_script(body));
                static_cast<void>(scripts.upstream_name(name_of(body)));
                if (i % 500 == 0) scripts.forget_all();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    static_cast<void>(scripts.take_script("last"));
    EXPECT_NE(scripts.upstream_name(name_of("last")), nobody);
}

}  // namespace
}  // namespace weir::test
