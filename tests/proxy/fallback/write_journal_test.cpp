#include "proxy/fallback/write_journal.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

class write_journal_test : public testing::Test {
protected:
    using words = std::vector<std::string>;

    static std::shared_ptr<const tenant> named(const std::string& name) {
        return std::make_shared<const tenant>(name, tenant_options{});
    }
    void append(const std::shared_ptr<const tenant>& whose, words said, int database = 0) {
        journal_.append({.whose = whose, .database = database, .words = std::move(said)});
    }
    /// Until it is full for them: what they have.
    std::size_t fill(const std::shared_ptr<const tenant>& whose) {
        const words each{"SET", "k", std::string(1'000, 'x')};
        const std::size_t before = journal_.bytes();
        while (journal_.room(*whose) >= write_journal::cost(1'004, 3)) append(whose, each);
        return journal_.bytes() - before;
    }

    static constexpr std::size_t most = 900'000;
    write_journal journal_{most};
    const std::shared_ptr<const tenant> acme_ = named("acme");
    const std::shared_ptr<const tenant> other_ = named("other");
};

TEST_F(write_journal_test, one_tenant_alone_gets_two_thirds_and_the_next_ones_their_part) {
    const std::size_t first = fill(acme_);
    EXPECT_NEAR(static_cast<double>(first), most * 2.0 / 3, 3'000);
    const std::size_t second = fill(other_);
    EXPECT_NEAR(static_cast<double>(second), most * 2.0 / 9, 3'000) << "two thirds of what was left";
    EXPECT_GE(journal_.room(*named("third")), 10'000u);
    EXPECT_EQ(fill(acme_), 0u);
    EXPECT_LE(journal_.bytes(), most);
}

TEST_F(write_journal_test, what_has_left_makes_room_for_whom_it_belonged_to) {
    fill(acme_);
    fill(other_);
    const std::size_t size = journal_.size();
    journal_.drop_front(size / 2);
    EXPECT_GT(fill(acme_), 0u);
    journal_.forget(0);
    while (!journal_.empty()) journal_.drop_front(1);
    EXPECT_EQ(journal_.bytes(), 0u);
    EXPECT_NEAR(static_cast<double>(fill(acme_)), most * 2.0 / 3, 3'000) << "as if nothing had been";
}

TEST_F(write_journal_test, a_tenant_configured_anew_has_no_second_part) {
    fill(acme_);
    EXPECT_EQ(fill(named("acme")), 0u);
}

TEST_F(write_journal_test, a_flush_right_behind_the_same_is_left_out) {
    for (int i = 0; i < 1'000; ++i) {
        append(acme_, {"FLUSHALL"});
        append(other_, {"FLUSHALL"});
    }
    EXPECT_EQ(journal_.size(), 2u);
    append(acme_, {"FLUSHDB"}, 1);
    append(acme_, {"FLUSHDB"}, 2);
    append(acme_, {"FLUSHDB"}, 2);
    EXPECT_EQ(journal_.size(), 4u) << "each database its own";
}

TEST_F(write_journal_test, a_flush_behind_a_write_stays) {
    append(acme_, {"FLUSHALL"});
    append(acme_, {"SET", "k", "v"});
    append(acme_, {"FLUSHALL"});
    append(other_, {"SET", "k", "v"});
    append(acme_, {"FLUSHALL"});
    ASSERT_EQ(journal_.size(), 4u) << "what others wrote makes no difference";
    EXPECT_EQ(journal_[2].words, words{"FLUSHALL"});
    journal_.drop_front(4);
    append(acme_, {"FLUSHALL"});
    EXPECT_EQ(journal_.size(), 1u) << "the one before has been done";
}

}  // namespace
}  // namespace weir
