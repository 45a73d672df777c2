#include "proxy/fallback/engine/score_index.hpp"

#include <iterator>

namespace weir::engine {

namespace {

bool stands_before(const scored_member& one, double score, std::string_view member) {
    return one.score < score || (one.score == score && std::string_view(one.member) < member);
}

}  // namespace

score_index::position score_index::at_rank(std::size_t rank) const {
    position at;
    while (at.chunk < chunks_.size() && rank >= chunks_[at.chunk].size()) rank -= chunks_[at.chunk++].size();
    at.place = rank;
    return at;
}

std::size_t score_index::rank(position at) const {
    std::size_t before = at.place;
    for (std::size_t i = 0; i < at.chunk; ++i) before += chunks_[i].size();
    return before;
}

score_index::position score_index::next(position at) const {
    return at.place + 1 < chunks_[at.chunk].size() ? position{at.chunk, at.place + 1} : position{at.chunk + 1, 0};
}

score_index::position score_index::previous(position at) const {
    return at.place > 0 ? position{at.chunk, at.place - 1} : position{at.chunk - 1, chunks_[at.chunk - 1].size() - 1};
}

score_index::position score_index::lower_bound(double score, std::string_view member) const {
    return partition_point([&](const scored_member& each) { return stands_before(each, score, member); });
}

void score_index::insert(double score, std::string_view member) {
    if (size_++ == 0) {
        chunks_.push_back({{score, std::string(member)}});
        return;
    }
    position at = lower_bound(score, member);
    if (at.chunk == chunks_.size()) at = {chunks_.size() - 1, chunks_.back().size()};
    chunk& into = chunks_[at.chunk];
    into.insert(into.begin() + static_cast<std::ptrdiff_t>(at.place), {score, std::string(member)});
    if (into.size() <= chunk_members) return;
    const auto half = into.begin() + static_cast<std::ptrdiff_t>(into.size() / 2);
    chunk upper(std::make_move_iterator(half), std::make_move_iterator(into.end()));
    into.erase(half, into.end());
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk + 1), std::move(upper));
}

void score_index::erase(double score, std::string_view member) {
    const position at = lower_bound(score, member);
    chunk& from = chunks_[at.chunk];
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(at.place));
    if (from.empty()) chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk));
    --size_;
}

}  // namespace weir::engine
