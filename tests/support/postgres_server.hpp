#pragma once

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/redis_server.hpp"

namespace weir::test {

/// A Postgres of the test's own on a unix socket in a temporary folder. As Postgres does not run as root, it is another user's
/// where the test is root's.
class postgres_server {
public:
    explicit postgres_server(std::vector<std::string> more = {}) : more_(std::move(more)) {
        if (::geteuid() == 0) {
            const passwd* const other = ::getpwnam("postgres") != nullptr ? ::getpwnam("postgres") : ::getpwnam("nobody");
            if (other == nullptr || ::chown((folder_ / "").c_str(), other->pw_uid, other->pw_gid) != 0) {
                throw std::runtime_error("no user for Postgres");
            }
            user_ = other->pw_uid;
            group_ = other->pw_gid;
        }
        int status = 0;
        ::waitpid(spawn({program("initdb"), "-D", folder_ / "data", "-A", "trust", "-U", "weir", "-E", "UTF8", "--no-locale", "-N"}),
                  &status, 0);
        if (status != 0) throw std::runtime_error("initdb failed: " + log());
        start();
    }
    ~postgres_server() { kill(); }
    postgres_server(const postgres_server&) = delete;
    postgres_server& operator=(const postgres_server&) = delete;

    [[nodiscard]] std::string dsn(const std::string& user = "weir") const {
        return "host=" + folder_ / "" + " user=" + user + " dbname=postgres";
    }

    static std::string program(const std::string& name) {
        for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql")) {
            const auto found = version.path() / "bin" / name;
            if (std::filesystem::exists(found)) return found;
        }
        throw std::runtime_error("no " + name);
    }
    /// Of its socket.
    [[nodiscard]] std::string folder() const { return folder_ / ""; }

    void start() {
        std::vector<std::string> words{program("postgres"), "-D", folder_ / "data", "-k", folder_ / "", "-h", "",
                                       "-c", "fsync=off", "-c", "max_connections=60", "-c", "autovacuum=off"};
        words.insert(words.end(), more_.begin(), more_.end());
        pid_ = spawn(words);
        for (int attempt = 0; attempt < 1'500; ++attempt) {
            if (PQping(dsn().c_str()) == PQPING_OK) return;
            if (::waitpid(pid_, nullptr, WNOHANG) == pid_) break;
            ::poll(nullptr, 0, 20);
        }
        throw std::runtime_error("postgres does not answer: " + log());
    }
    /// With all its processes, as when the machine loses its power.
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGSTOP);  // or it would start others in their place
        const auto children = children_of(pid_);
        ::kill(pid_, SIGKILL);
        for (const pid_t child : children) ::kill(child, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
        for (int attempt = 0; attempt < 1'500; ++attempt) {
            bool gone = true;
            for (const pid_t child : children) gone = gone && is_gone(child);
            if (gone) return;
            ::poll(nullptr, 0, 10);
        }
    }
    void freeze() const { signal_all(SIGSTOP); }
    void thaw() const { signal_all(SIGCONT); }

    /// One statement, or several; the first value of the last one's first row.
    std::string sql(const std::string& text, const std::string& user = "weir") const {
        PGconn* const connection = PQconnectdb(dsn(user).c_str());
        PGresult* const got = PQexec(connection, text.c_str());
        const auto status = PQresultStatus(got);
        std::string value;
        if (status == PGRES_TUPLES_OK && PQntuples(got) > 0) value = PQgetvalue(got, 0, 0);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) value = PQerrorMessage(connection);
        PQclear(got);
        PQfinish(connection);
        return value;
    }

private:
    static std::vector<pid_t> children_of(pid_t parent) {
        std::vector<pid_t> all;
        const std::string number = std::to_string(parent);
        std::ifstream from("/proc/" + number + "/task/" + number + "/children");
        for (pid_t each = 0; from >> each;) all.push_back(each);
        return all;
    }
    static bool is_gone(pid_t process) {
        std::ifstream from("/proc/" + std::to_string(process) + "/stat");
        std::string number, name, state;
        from >> number >> name >> state;
        return !from || state == "Z";
    }
    void signal_all(int which) const {
        ::kill(pid_, which);
        for (const pid_t child : children_of(pid_)) ::kill(child, which);
    }
    [[nodiscard]] std::string log() const {
        std::ifstream from(folder_ / "log");
        return {std::istreambuf_iterator<char>(from), {}};
    }
    pid_t spawn(std::vector<std::string> words) const {
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        const std::string log_name = folder_ / "log";
        const pid_t made = ::fork();
        if (made != 0) return made;
        if (user_ != 0 && (::setgroups(0, nullptr) != 0 || ::setgid(group_) != 0 || ::setuid(user_) != 0)) ::_exit(126);
        ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // it must not outlive a test that breaks down
        const int nowhere = ::open("/dev/null", O_RDONLY);
        const int log = ::open(log_name.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(nowhere, 0);
        ::dup2(log, 1);
        ::dup2(log, 2);
        if (::chdir("/") != 0) ::_exit(125);
        ::setenv("LC_ALL", "C", 1);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }

    temporary_folder folder_;
    std::vector<std::string> more_;
    uid_t user_ = 0;
    gid_t group_ = 0;
    pid_t pid_ = 0;
};

/// One for all tests of a program, each with a schema of its own.
inline postgres_server& shared_postgres() {
    static postgres_server server;
    return server;
}

}  // namespace weir::test
