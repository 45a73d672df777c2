#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::engine {

struct scored_member {
    double score;
    std::string member;
};

/// Members in the order of their score, and of their bytes where scores are equal; ranks count from 0.
///
///     chunks_  [ a b c … ] [ m n o … ] [ x y … ]      each of 1 to 128 members, none empty
///
/// Finding and changing take a binary search; a rank is found by adding up the chunks before it.
/// References and positions are valid until the next change.
class score_index {
public:
    struct position {
        std::size_t chunk = 0;
        std::size_t place = 0;
        bool operator==(const position&) const = default;
    };

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] const scored_member& operator[](position at) const { return chunks_[at.chunk][at.place]; }

    /// Where the member with that rank stands; rank <= size(), and size() is behind the last.
    [[nodiscard]] position at_rank(std::size_t rank) const;
    [[nodiscard]] std::size_t rank(position at) const;
    [[nodiscard]] position next(position at) const;
    [[nodiscard]] position previous(position at) const;  ///< `at` must not be the first
    /// The first member that stands not before (score, member), or behind the last.
    [[nodiscard]] position lower_bound(double score, std::string_view member) const;

    /// The first member for which `is_before` does not hold, or behind the last; it must hold for none behind such a
    /// one.
    template <typename Predicate>
    [[nodiscard]] position partition_point(Predicate is_before) const {
        const auto in =
            std::ranges::partition_point(chunks_, [&](const chunk& each) { return is_before(each.back()); });
        const auto number = static_cast<std::size_t>(in - chunks_.begin());
        if (in == chunks_.end()) return {number, 0};
        const auto found = std::ranges::partition_point(*in, is_before);
        return {number, static_cast<std::size_t>(found - in->begin())};
    }

    void insert(double score, std::string_view member);
    void erase(double score, std::string_view member);  ///< must be there

private:
    static constexpr std::size_t chunk_members = 128;
    using chunk = std::vector<scored_member>;

    std::vector<chunk> chunks_;
    std::size_t size_ = 0;
};

}  // namespace weir::engine
