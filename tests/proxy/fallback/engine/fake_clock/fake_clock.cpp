// Loaded into redis-server (LD_PRELOAD): its wall clock is what stands in the file that WEIR_FAKE_CLOCK names,
// microseconds since 1970 in eight bytes. The monotonic clock stays real. Needs nothing but libc.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

const volatile std::int64_t* map_clock() {
    const int file = ::open(std::getenv("WEIR_FAKE_CLOCK"), O_RDONLY);
    if (file < 0) std::abort();
    void* const mapped = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) std::abort();
    ::close(file);
    return static_cast<const volatile std::int64_t*>(mapped);
}

const volatile std::int64_t* microseconds = nullptr;

}  // namespace

extern "C" int gettimeofday(timeval* time, void*) noexcept {
    if (microseconds == nullptr) microseconds = map_clock();
    const std::int64_t now = *microseconds;
    time->tv_sec = now / 1'000'000;
    time->tv_usec = now % 1'000'000;
    return 0;
}
