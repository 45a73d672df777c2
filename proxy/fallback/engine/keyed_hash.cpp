#include "proxy/fallback/engine/keyed_hash.hpp"

#include <bit>
#include <cstddef>
#include <cstring>
#include <random>

namespace weir::engine {

namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

struct sip_state {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void take(std::uint64_t word) {
        v3 ^= word;
        round();
        v0 ^= word;
    }
};

hash_key random_key() {
    std::random_device device;
    hash_key made{};
    for (auto& word : made) word = std::uint64_t{device()} << 32 | device();
    return made;
}

}  // namespace

std::uint64_t sip_hash(std::string_view text, const hash_key& key) {
    sip_state state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                    key[1] ^ 0x7465646279746573};
    std::uint64_t last = std::uint64_t{text.size()} << 56;
    for (; text.size() >= sizeof last; text.remove_prefix(sizeof last)) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), sizeof word);
        state.take(word);
    }
    for (std::size_t i = 0; i < text.size(); ++i)
        last |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    state.take(last);
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; ++i) state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::uint64_t keyed_hash(std::string_view text) {
    static const hash_key key = random_key();
    return sip_hash(text, key);
}

}  // namespace weir::engine
