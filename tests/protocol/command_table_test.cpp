#include "protocol/command_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace weir {
namespace {

using ::testing::HasSubstr;

const command_table& table() {
    return *command_table::built_in();
}

const command_spec& row(std::string_view name) {
    const std::size_t bar = name.find('|');
    const command_spec* found = table().find(name.substr(0, bar));
    if (found != nullptr && bar != std::string_view::npos) {
        found = table().find_subcommand(*found, name.substr(bar + 1));
    }
    static const command_spec nothing;
    EXPECT_NE(found, nullptr) << name;
    return found != nullptr ? *found : nothing;
}

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return result;
}

bool is_refusal(const command_spec& spec) {
    return spec.route == command_route::refuse;
}

// ---- the rows

TEST(command_table_test, has_every_command_of_both_servers_by_route) {
    std::map<command_route, int> routes;
    int containers = 0;
    for (const command_spec* spec : table().rows()) {
        ++routes[spec->route];
        containers += spec->container ? 1 : 0;
    }
    EXPECT_EQ(table().rows().size(), 379u);  // 6 of them weir's own
    EXPECT_EQ(containers, 16);
    EXPECT_EQ(routes[command_route::forward], 223);
    EXPECT_EQ(routes[command_route::local], 75);
    EXPECT_EQ(routes[command_route::emulate], 7);
    EXPECT_EQ(routes[command_route::refuse], 74);  // 15 of them containers, which are nothing by themselves
}

TEST(command_table_test, gives_a_reason_for_all_it_does_not_serve_and_for_nothing_else) {
    for (const command_spec* spec : table().rows()) {
        EXPECT_EQ(is_refusal(*spec), !spec->reason.empty()) << spec->name;
    }
}

TEST(command_table_test, finds_a_row_by_its_whole_name) {
    for (const command_spec* spec : table().rows()) {
        EXPECT_EQ(table().find_row(spec->name), spec) << spec->name;
        EXPECT_EQ(table().find_row(upper(spec->name)), spec) << spec->name;
    }
    for (const auto* name : {"", "|", "nosuch", "config|", "config|nosuch", "|get", "get|get", "config|get|get"}) {
        EXPECT_EQ(table().find_row(name), nullptr) << name;
    }
}

TEST(command_table_test, has_no_name_twice_and_all_in_lower_case) {
    std::set<std::string_view> names;
    for (const command_spec* spec : table().rows()) {
        EXPECT_TRUE(names.insert(spec->name).second) << spec->name;
        EXPECT_TRUE(std::ranges::none_of(spec->name, [](char c) { return c >= 'A' && c <= 'Z'; }))
            << spec->name;
    }
}

TEST(command_table_test, has_a_container_for_every_subcommand_and_subcommands_for_every_container) {
    std::set<std::string_view> containers;
    for (const command_spec* spec : table().rows()) {
        const std::size_t bar = spec->name.find('|');
        if (bar == std::string_view::npos) continue;
        containers.insert(spec->name.substr(0, bar));
        EXPECT_FALSE(spec->container) << spec->name;
    }
    for (const command_spec* spec : table().rows())
        EXPECT_EQ(spec->container, containers.contains(spec->name)) << spec->name;
    for (const std::string_view name : containers) EXPECT_TRUE(row(name).container) << name;
}

TEST(command_table_test, forwards_nothing_that_administers) {
    for (const command_spec* spec : table().rows()) {
        if (spec->route != command_route::forward) continue;
        EXPECT_FALSE(spec->has(command_flag::admin)) << spec->name;
        const bool for_channels = spec->request == request_rule::channel ||
                                  spec->request == request_rule::channel_list ||
                                  spec->request == request_rule::channel_pattern;
        EXPECT_EQ(spec->has(command_flag::pubsub), for_channels) << spec->name;
        EXPECT_TRUE(!for_channels || spec->reply == reply_rule::interpreted) << spec->name;
    }
}

TEST(command_table_test, forwards_only_what_has_all_its_keys_located_or_a_rule_of_its_own) {
    for (const command_spec* spec : table().rows()) {
        if (spec->route != command_route::forward || spec->request != request_rule::keys) continue;
        for (const key_spec& keys : spec->keys()) {
            EXPECT_TRUE(keys.locatable()) << spec->name;
            EXPECT_FALSE(keys.flags & key_spec::not_key) << spec->name;
        }
        EXPECT_FALSE(spec->has(command_flag::movablekeys) && spec->keys().empty()) << spec->name;
    }
}

TEST(command_table_test, forwards_without_keys_only_what_is_known_to_be_harmless) {
    const std::set<std::string_view> harmless = {"command",
                                                 "command|docs",
                                                 "command|info",
                                                 "command|list",
                                                 "command|getkeys",
                                                 "command|getkeysandflags",
                                                 "command|help",
                                                 "acl|cat",
                                                 "acl|genpass",
                                                 "acl|help",
                                                 "client|help",
                                                 "time",
                                                 "lolwut",
                                                 "config|help",
                                                 "function|help",
                                                 "latency|help",
                                                 "memory|help",
                                                 "module|help",
                                                 "object|help",
                                                 "pubsub|help",
                                                 "script|help",
                                                 "slowlog|help",
                                                 "xgroup|help",
                                                 "xinfo|help",
                                                 "function|list",
                                                 "wait",
                                                 "waitaof"};
    std::set<std::string_view> keyless;
    for (const command_spec* spec : table().rows()) {
        const bool plain = spec->request == request_rule::keys && spec->keys().empty();
        if (spec->route == command_route::forward && plain) keyless.insert(spec->name);
    }
    EXPECT_EQ(keyless, harmless);
}

TEST(command_table_test, agrees_with_itself_on_reading_and_writing) {
    const auto writes = [](const key_spec& keys) {
        return (keys.flags & (key_spec::overwrite | key_spec::remove | key_spec::update | key_spec::insert |
                              key_spec::delete_)) != 0;
    };
    for (const command_spec* spec : table().rows()) {
        const bool write = spec->has(command_flag::write);
        const bool readonly = spec->has(command_flag::readonly);
        EXPECT_FALSE(write && readonly) << spec->name;
        EXPECT_EQ(write, spec->is(command_category::write)) << spec->name;
        EXPECT_EQ(readonly && !spec->is(command_category::scripting), spec->is(command_category::read))
            << spec->name;
        EXPECT_NE(spec->is(command_category::fast), spec->is(command_category::slow)) << spec->name;
        EXPECT_FALSE(readonly && std::ranges::any_of(spec->keys(), writes)) << spec->name;
        EXPECT_FALSE(spec->has(command_flag::denyoom) && !write) << spec->name;
        const bool has_keys = !spec->keys().empty() && !(spec->keys()[0].flags & key_spec::not_key);
        const bool undecided = spec->route == command_route::forward && has_keys && !write && !readonly;
        EXPECT_EQ(undecided, spec->runs_script() && !readonly) << spec->name;
    }
}

TEST(command_table_test, has_rules_for_what_names_more_than_its_keys) {
    std::map<request_rule, std::set<std::string_view>> requests;
    std::map<reply_rule, std::set<std::string_view>> replies;
    for (const command_spec* spec : table().rows()) {
        requests[spec->request].insert(spec->name);
        replies[spec->reply].insert(spec->name);
    }
    using names = std::set<std::string_view>;
    EXPECT_EQ(requests[request_rule::sort], (names{"sort", "sort_ro"}));
    EXPECT_EQ(requests[request_rule::georadius], (names{"georadius", "georadiusbymember"}));
    EXPECT_EQ(requests[request_rule::scan], (names{"scan"}));
    EXPECT_EQ(requests[request_rule::keys_pattern], (names{"keys"}));
    EXPECT_EQ(requests[request_rule::channel], (names{"publish", "spublish"}));
    EXPECT_EQ(requests[request_rule::channel_list], (names{"pubsub|numsub", "pubsub|shardnumsub"}));
    EXPECT_EQ(requests[request_rule::channel_pattern], (names{"pubsub|channels", "pubsub|shardchannels"}));
    EXPECT_EQ(replies[reply_rule::keys], (names{"keys"}));
    EXPECT_EQ(replies[reply_rule::scan], (names{"scan"}));
    EXPECT_EQ(replies[reply_rule::popped],
              (names{"lmpop", "zmpop", "blpop", "brpop", "blmpop", "bzmpop", "bzpopmin", "bzpopmax"}));
    EXPECT_EQ(replies[reply_rule::streams], (names{"xread", "xreadgroup"}));
}

TEST(command_table_test, places_keys_as_the_server_does) {
    const key_spec& mset = row("mset").keys()[0];
    EXPECT_EQ(mset.index, 1);
    EXPECT_EQ(mset.last_key, -1);
    EXPECT_EQ(mset.key_step, 2);
    const key_spec& zunionstore = row("zunionstore").keys()[1];
    EXPECT_EQ(zunionstore.find, key_spec::find_kind::keynum);
    EXPECT_EQ(zunionstore.index, 2);
    EXPECT_EQ(zunionstore.keynum_index, 0);
    EXPECT_EQ(zunionstore.first_key, 1);
    const key_spec& xreadgroup = row("xreadgroup").keys()[0];
    EXPECT_EQ(xreadgroup.begin, key_spec::begin_kind::keyword);
    EXPECT_EQ(xreadgroup.keyword, "STREAMS");
    EXPECT_EQ(xreadgroup.index, 4);
    EXPECT_EQ(xreadgroup.last_key, -1);
    EXPECT_EQ(xreadgroup.limit, 2);
    EXPECT_EQ(row("object|encoding").keys()[0].index, 2);
    EXPECT_EQ(row("sort").key_spec_count, 3);
    EXPECT_FALSE(row("sort").keys()[2].locatable());
    EXPECT_FALSE(row("migrate").keys()[1].locatable());
}

TEST(command_table_test, counts_arguments_as_the_server_does) {
    EXPECT_TRUE(row("get").accepts_argument_count(2));
    EXPECT_FALSE(row("get").accepts_argument_count(3));
    EXPECT_TRUE(row("mset").accepts_argument_count(3));
    EXPECT_FALSE(row("mset").accepts_argument_count(2));
    EXPECT_TRUE(row("command").accepts_argument_count(1));
    EXPECT_FALSE(row("config").accepts_argument_count(1));
}

// ---- looking up

TEST(command_table_test, finds_every_row_in_any_case) {
    for (const command_spec* spec : table().rows()) {
        for (const std::string& name : {std::string(spec->name), upper(spec->name)}) {
            const std::size_t bar = name.find('|');
            const command_spec* found = table().find(name.substr(0, bar));
            ASSERT_NE(found, nullptr) << name;
            if (bar != std::string::npos) found = table().find_subcommand(*found, name.substr(bar + 1));
            EXPECT_EQ(found, spec) << name;
        }
    }
    EXPECT_EQ(table().find("gEoRaDiUsByMeMbEr_rO"), &row("georadiusbymember_ro"));
}

TEST(command_table_test, does_not_find_what_only_looks_like_a_command) {
    for (const std::string_view name :
         {"", "g", "ge", "gett", "get ", " get", "GET\r\n", "se\x14", "config|get", "acl|whoami", "|",
          "object|", "georadiusbymember-ro", "\x07\x05\x14", "georadiXsbymember_ro"}) {
        EXPECT_EQ(table().find(name), nullptr) << name;
    }
    EXPECT_EQ(table().find(std::string_view("get\0", 4)), nullptr);
    EXPECT_EQ(table().find(std::string(1 << 20, 'a')), nullptr);
    // Each byte of a name, changed in one bit, is another name: folding the case must take letters alone.
    for (const std::string_view name :
         {"get", "mget", "sort_ro", "xautoclaim", "restore-asking", "georadiusbymember_ro"}) {
        for (std::size_t i = 0; i < 8 * name.size(); ++i) {
            std::string other(name);
            other[i / 8] = static_cast<char>(other[i / 8] ^ 1 << i % 8);
            const command_spec* found = table().find(other);
            const bool same = upper(other) == upper(name);
            EXPECT_EQ(found == &row(name), same) << other;
        }
    }
}

TEST(command_table_test, finds_subcommands_of_the_given_container_alone) {
    const command_spec& object = row("object");
    EXPECT_EQ(table().find_subcommand(object, "FREQ"), &row("object|freq"));
    EXPECT_EQ(table().find_subcommand(object, "WHOAMI"), nullptr);
    EXPECT_EQ(table().find_subcommand(object, ""), nullptr);
    EXPECT_EQ(table().find_subcommand(object, "|freq"), nullptr);
    EXPECT_EQ(table().find_subcommand(object, "object|freq"), nullptr);
    EXPECT_EQ(table().find_subcommand(row("get"), "freq"), nullptr);
}

// ---- learning

command_facts::spec key_at(std::int16_t index, std::vector<std::string> flags = {"RW", "access", "update"}) {
    command_facts::spec spec;
    spec.value.begin = key_spec::begin_kind::index;
    spec.value.find = key_spec::find_kind::range;
    spec.value.index = index;
    spec.flags = std::move(flags);
    return spec;
}

command_facts::spec key_behind(std::string keyword, std::int16_t last_key) {
    command_facts::spec spec = key_at(1);
    spec.value.begin = key_spec::begin_kind::keyword;
    spec.value.last_key = last_key;
    spec.keyword = std::move(keyword);
    return spec;
}

command_facts command(std::string name, std::vector<std::string> flags,
                      std::vector<command_facts::spec> specs) {
    command_facts facts;
    facts.name = std::move(name);
    facts.arity = -2;
    facts.flags = std::move(flags);
    facts.categories = {"slow"};
    facts.specs = std::move(specs);
    return facts;
}

/// The table that a server with these commands teaches; what taught it is gone by then.
std::shared_ptr<const command_table> learn(std::vector<command_facts> reported) {
    return command_table::learned(reported);
}

/// Why a server's `facts` are not forwarded; empty when they are.
std::string refusal(const command_facts& facts) {
    const auto learned = learn({facts});
    const command_spec* spec = learned->find(facts.name);
    if (spec == nullptr) return "unknown";
    EXPECT_EQ(spec->route == command_route::forward, spec->reason.empty());
    EXPECT_TRUE(spec->route == command_route::forward || spec->route == command_route::refuse);
    return std::string(spec->reason);
}

TEST(command_table_learned_test, forwards_a_module_command_with_complete_specifications) {
    const auto learned = learn({command("json.set", {"write", "denyoom", "module"}, {key_at(1)}),
                                command("vlinks", {"readonly"}, {key_at(1, {"RO"}), key_at(2, {"OW"})})});
    const command_spec* spec = learned->find("JSON.SET");
    ASSERT_NE(spec, nullptr);
    EXPECT_EQ(spec->name, "json.set");
    EXPECT_EQ(spec->route, command_route::forward);
    EXPECT_EQ(spec->request, request_rule::keys);
    EXPECT_EQ(spec->reply, reply_rule::plain);
    EXPECT_EQ(spec->arity, -2);
    EXPECT_TRUE(spec->has(command_flag::write));
    EXPECT_TRUE(spec->has(command_flag::module));
    EXPECT_TRUE(spec->is(command_category::slow));
    ASSERT_EQ(spec->key_spec_count, 1);
    EXPECT_EQ(spec->keys()[0].index, 1);
    EXPECT_EQ(spec->keys()[0].flags, key_spec::read_write | key_spec::access | key_spec::update);
    ASSERT_NE(learned->find("vlinks"), nullptr);
    EXPECT_EQ(learned->find("vlinks")->key_spec_count, 2);
    EXPECT_EQ(learned->rows().size(), table().rows().size() + 2);
    EXPECT_EQ(table().find("json.set"), nullptr);
}

TEST(command_table_learned_test, keeps_a_keyword_alive) {
    const auto learned =
        learn({command("x.any", {"write", "movablekeys"}, {key_behind("A-KEYWORD-OF-SOME-LENGTH", -1)})});
    ASSERT_NE(learned->find("x.any"), nullptr);
    EXPECT_EQ(learned->find("x.any")->route, command_route::forward);
    EXPECT_EQ(learned->find("x.any")->keys()[0].keyword, "A-KEYWORD-OF-SOME-LENGTH");
}

TEST(command_table_learned_test, refuses_what_it_cannot_locate) {
    command_facts::spec unknown = key_at(1);
    unknown.value.find = key_spec::find_kind::unknown;
    command_facts::spec from_nowhere = key_at(0);
    for (const auto& spec :
         {unknown, from_nowhere, key_at(1, {"RW", "incomplete"}), key_at(1, {"RW", "a_flag_of_tomorrow"}),
          key_at(1, {"not_key"}), key_behind("STORE", 0)}) {
        EXPECT_THAT(refusal(command("x.some", {"write"}, {key_at(1), spec})),
                    HasSubstr("cannot all be located"));
    }
    EXPECT_THAT(refusal(command("x.moves", {"write", "module", "movablekeys"}, {key_at(1)})),
                HasSubstr("cannot all be located"));
    EXPECT_THAT(refusal(command("x.many", {"write"}, {key_at(1), key_at(2), key_at(3), key_at(4)})),
                HasSubstr("more parts"));
    EXPECT_THAT(refusal(command("x.none", {"readonly"}, {})), HasSubstr("no keys"));
}

TEST(command_table_learned_test, refuses_what_reaches_beyond_its_keys) {
    EXPECT_THAT(refusal(command("x.admin", {"admin"}, {key_at(1)})), HasSubstr("administers"));
    EXPECT_THAT(refusal(command("x.blocks", {"write", "blocking"}, {key_at(1)})), HasSubstr("hold up"));
    EXPECT_THAT(refusal(command("x.subscribe", {"pubsub"}, {key_at(1)})), HasSubstr("channels"));
    const std::map<std::string, std::string> categories = {
        {"scripting", "scripts"}, {"dangerous", "dangerous"}, {"connection", "state"},
        {"transaction", "state"}, {"blocking", "hold up"},    {"admin", "administers"}};
    for (const auto& [category, reason] : categories) {
        command_facts facts = command("x.sort", {"write"}, {key_at(1)});
        facts.categories.push_back(category);
        EXPECT_THAT(refusal(facts), HasSubstr(reason)) << category;
    }
}

TEST(command_table_learned_test, refuses_modules_known_to_tell_too_little) {
    EXPECT_THAT(refusal(command("json.mget", {"readonly", "module"}, {key_at(1)})),
                HasSubstr("does not tell"));
    EXPECT_THAT(refusal(command("ft.search", {"readonly", "module"}, {key_at(1)})), HasSubstr("index"));
    EXPECT_EQ(refusal(command("json.get", {"readonly", "module"}, {key_at(1)})), "");
    EXPECT_EQ(refusal(command("ft", {"readonly", "module"}, {key_at(1)})), "");
}

TEST(command_table_learned_test, learns_containers_by_their_subcommands) {
    command_facts graph = command("Graph", {}, {});
    graph.subcommands = {command("graph|Node", {"readonly"}, {key_at(2)}),
                         command("graph|flush", {"write"}, {}),
                         command("object|node", {"readonly"}, {key_at(2)}), command("graph", {}, {}),
                         command("graph|", {}, {})};
    const auto learned = learn({graph});
    const command_spec* container = learned->find("graph");
    ASSERT_NE(container, nullptr);
    EXPECT_TRUE(container->container);
    EXPECT_EQ(container->route, command_route::refuse);
    const command_spec* node = learned->find_subcommand(*container, "NODE");
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(node->name, "graph|node");
    EXPECT_EQ(node->route, command_route::forward);
    const command_spec* flush = learned->find_subcommand(*container, "flush");
    ASSERT_NE(flush, nullptr);
    EXPECT_EQ(flush->route, command_route::refuse);
    EXPECT_EQ(learned->rows().size(), table().rows().size() + 3);
    EXPECT_EQ(learned->find_subcommand(*learned->find("object"), "node"), nullptr);
}

TEST(command_table_learned_test, takes_from_subcommands_what_their_container_may_not_do) {
    command_facts keeper = command("keeper", {"admin"}, {});
    keeper.subcommands = {command("keeper|get", {"readonly"}, {key_at(2)})};
    const auto learned = learn({keeper});
    const command_spec* get = learned->find_subcommand(*learned->find("keeper"), "get");
    ASSERT_NE(get, nullptr);
    EXPECT_EQ(get->route, command_route::refuse);
}

TEST(command_table_learned_test, adds_to_built_in_containers_but_overrides_nothing) {
    command_facts object = command("object", {}, {});
    object.subcommands = {command("object|freq", {"admin"}, {}),
                          command("object|weight", {"readonly"}, {key_at(2)}),
                          command("object|all", {"readonly"}, {})};
    const auto learned =
        learn({object, command("swapdb", {"write"}, {key_at(1)}), command("get", {"admin"}, {})});
    EXPECT_EQ(learned->find("swapdb"), &row("swapdb"));
    EXPECT_EQ(learned->find("get"), &row("get"));
    const command_spec& container = *learned->find("object");
    EXPECT_EQ(&container, &row("object"));
    EXPECT_EQ(learned->find_subcommand(container, "freq"), &row("object|freq"));
    ASSERT_NE(learned->find_subcommand(container, "weight"), nullptr);
    EXPECT_EQ(learned->find_subcommand(container, "weight")->route, command_route::forward);
    ASSERT_NE(learned->find_subcommand(container, "all"), nullptr);
    EXPECT_EQ(learned->find_subcommand(container, "all")->route, command_route::refuse);
}

TEST(command_table_learned_test, is_not_confused_by_odd_names_and_numbers) {
    command_facts odd = command("x.odd", {"readonly"}, {key_at(1)});
    odd.arity = 1 << 20;
    command_facts zero = command("x.zero", {"readonly"}, {key_at(1)});
    zero.arity = 0;
    const auto learned = learn({odd, zero, odd, command("", {"readonly"}, {key_at(1)}),
                                command("config|set2", {"readonly"}, {key_at(1)}),
                                command(std::string(100, 'n'), {"readonly"}, {key_at(1)})});
    EXPECT_EQ(learned->find("x.odd")->arity, 32767);
    EXPECT_EQ(learned->find("x.zero")->arity, -1);
    EXPECT_EQ(learned->find(""), nullptr);
    EXPECT_EQ(learned->find_subcommand(*learned->find("config"), "set2"), nullptr);
    EXPECT_NE(learned->find(std::string(100, 'N')), nullptr);
    EXPECT_EQ(learned->rows().size(), table().rows().size() + 3);
}

TEST(command_table_learned_test, finds_all_of_thousands) {
    std::vector<command_facts> reported;
    for (int i = 0; i < 3000; ++i)
        reported.push_back(command("module.command." + std::to_string(i), {"readonly"}, {key_at(1)}));
    const auto learned = learn(reported);
    for (const command_facts& facts : reported) {
        const command_spec* spec = learned->find(facts.name);
        ASSERT_NE(spec, nullptr) << facts.name;
        EXPECT_EQ(spec->name, facts.name);
    }
    EXPECT_EQ(learned->find("get"), &row("get"));
}

}  // namespace
}  // namespace weir
