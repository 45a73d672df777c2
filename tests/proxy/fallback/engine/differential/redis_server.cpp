#include "tests/proxy/fallback/engine/differential/redis_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "protocol/reply_scanner.hpp"

namespace weir::engine {

namespace {

std::vector<char*> words_for_exec(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (auto& each : texts) all.push_back(each.data());
    all.push_back(nullptr);
    return all;
}

}  // namespace

redis_server::redis_server() {
    std::string pattern = std::filesystem::temp_directory_path() / "weir-engine-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
    const int file = ::open(path("clock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ::ftruncate(file, sizeof *clock_) != 0) throw std::runtime_error("no clock");
    void* const mapped = ::mmap(nullptr, sizeof *clock_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (mapped == MAP_FAILED) throw std::runtime_error("no clock");
    clock_ = static_cast<std::int64_t*>(mapped);
    start();
    wait_until_it_listens();
}

void redis_server::start() {
    std::vector<std::string> words{"redis-server", "--port", "0", "--unixsocket", path("redis.sock"), "--save", "",
                                   "--appendonly", "no", "--dir", folder_, "--logfile", path("log"),
                                   "--enable-debug-command", "yes", "--client-query-buffer-limit", "1gb"};
    std::vector<std::string> settings{"LD_PRELOAD=" WEIR_FAKE_CLOCK_LIBRARY, "WEIR_FAKE_CLOCK=" + path("clock"),
                                      "LC_ALL=C"};
    const auto program = words_for_exec(words);
    const auto environment = words_for_exec(settings);
    process_ = ::fork();
    if (process_ < 0) throw std::runtime_error("no process for redis-server");
    if (process_ > 0) return;
    // It must not outlive a test that breaks down, nor hold its output open.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (int descriptor = 0; descriptor < 3; ++descriptor) ::dup2(nowhere, descriptor);
    ::execvpe(program[0], program.data(), environment.data());
    ::_exit(127);
}

/// The log is the only event there is before the socket.
void redis_server::wait_until_it_listens() const {
    for (int attempt = 0; attempt < 500; ++attempt) {
        if (std::filesystem::exists(path("redis.sock"))) {
            const int probe = connect();
            if (probe >= 0) {
                ::close(probe);
                return;
            }
        }
        ::poll(nullptr, 0, 20);
    }
    throw std::runtime_error("redis-server does not listen");
}

int redis_server::connect() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string where = path("redis.sock");
    std::memcpy(address.sun_path, where.data(), where.size());
    const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return made;
    ::close(made);
    return -1;
}

redis_server::~redis_server() {
    if (process_ > 0) {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    ::munmap(clock_, sizeof *clock_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

redis_connection::~redis_connection() { ::close(socket_); }

void redis_connection::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) throw std::runtime_error("redis-server is gone");
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::string_view redis_connection::receive() {
    reply_scanner scanner;
    std::size_t scanned = consumed_;
    for (;;) {
        const auto status = scanner.scan(std::string_view(received_).substr(scanned));
        scanned += scanner.consumed();
        if (status == scan_status::error) throw std::runtime_error("redis-server sent no RESP");
        if (status == scan_status::complete) {
            const auto reply = std::string_view(received_).substr(consumed_, scanned - consumed_);
            consumed_ = scanned;
            return reply;
        }
        if (consumed_ > 0) {
            received_.erase(0, consumed_);
            scanned -= consumed_;
            consumed_ = 0;
        }
        std::array<char, 1 << 16> piece;
        const ssize_t count = ::recv(socket_, piece.data(), piece.size(), 0);
        if (count <= 0) throw std::runtime_error("redis-server closed the connection");
        received_.append(piece.data(), static_cast<std::size_t>(count));
    }
}

}  // namespace weir::engine
