#include "proxy/fallback/postgres/pg_target.hpp"

#include <libpq-fe.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <sstream>
#include <utility>

#include "config/dsn.hpp"

namespace weir::pg {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using option_map = std::map<std::string, std::string>;

struct free_options {
    void operator()(PQconninfoOption* owned) const { PQconninfoFree(owned); }
};
using option_list = std::unique_ptr<PQconninfoOption, free_options>;

void take(const option_list& from, option_map& into) {
    for (const PQconninfoOption* each = from.get(); each != nullptr && each->keyword != nullptr; ++each) {
        if (each->val != nullptr && *each->val != '\0') into[each->keyword] = each->val;
    }
}

/// Empty elements count, as libpq has it.
std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> all;
    std::istringstream from(list);
    for (std::string each; std::getline(from, each, ',');) all.push_back(each);
    if (list.empty() || list.back() == ',') all.emplace_back();
    return all;
}

bool is_name(const std::string& host) { return !host.empty() && host[0] != '/' && host[0] != '@'; }

std::string at_or_last(const std::vector<std::string>& list, std::size_t i) {
    return i < list.size() ? list[i] : list.back();
}

/// One look-up after the other. Hosts that have no address are left out, as the others may do.
class lookup : public std::enable_shared_from_this<lookup> {
public:
    lookup(const asio::any_io_executor& executor, option_map options, target::resolved done)
        : resolver_(executor),
          options_(std::move(options)),
          done_(std::move(done)),
          hosts_(split(options_["host"])),
          ports_(split(options_["port"])) {}

    void next() {
        if (at_ == hosts_.size()) return finish();
        const std::string host = hosts_[at_];
        const std::string port = at_or_last(ports_, at_);
        ++at_;
        if (!is_name(host)) {
            add(host, "", port);
            return next();
        }
        resolver_.async_resolve(host, "", [self = shared_from_this(), host, port](const auto& fault, const auto& found) {
            if (fault) self->fault_ = "cannot look up '" + host + "': " + fault.message();
            for (const auto& each : found) self->add(host, each.endpoint().address().to_string(), port);
            self->next();
        });
    }

private:
    void add(const std::string& host, const std::string& address, const std::string& port) {
        const std::string comma = count_++ == 0 ? "" : ",";
        found_hosts_ += comma + host;
        addresses_ += comma + address;
        found_ports_ += comma + port;
    }

    void finish() {
        if (count_ == 0) return done_(error{error::kind::connect, {}, fault_}, {});
        options_["host"] = found_hosts_;
        options_["hostaddr"] = addresses_;
        options_["port"] = found_ports_;
        done_(std::nullopt, std::move(options_));
    }

    tcp::resolver resolver_;
    option_map options_;
    target::resolved done_;
    std::vector<std::string> hosts_;
    std::vector<std::string> ports_;
    std::size_t at_ = 0;
    std::size_t count_ = 0;
    std::string found_hosts_, addresses_, found_ports_;
    std::string fault_;
};

}  // namespace

std::optional<target> target::parse(const std::string& dsn, std::string& fault) {
    fault = dsn_fault(dsn);
    if (!fault.empty()) return std::nullopt;
    const option_list given(PQconninfoParse(dsn.c_str(), nullptr));
    target made;
    option_map told;
    take(given, told);
    if (!told.contains("service")) take(option_list(PQconndefaults()), made.options_);
    // To ask for a ticket may block, and hardly anybody here has one.
    made.options_["gssencmode"] = "disable";
    made.options_["fallback_application_name"] = "weir";
    for (auto& [name, value] : told) made.options_[name] = value;
    made.options_["client_encoding"] = "UTF8";
    return made;
}

void target::resolve(const asio::any_io_executor& executor, resolved done) const {
    const auto host = options_.find("host");
    if (host == options_.end() || options_.contains("hostaddr") || options_.contains("service")) {
        asio::post(executor, [done = std::move(done), options = options_] { done(std::nullopt, options); });
        return;
    }
    asio::post(executor, [search = std::make_shared<lookup>(executor, options_, std::move(done))] { search->next(); });
}

std::string target::shown() const {
    const auto value = [this](const char* name, const char* otherwise) {
        const auto found = options_.find(name);
        return found == options_.end() ? std::string(otherwise) : found->second;
    };
    return value("dbname", "its default") + " at " + value("host", "the local socket");
}

}  // namespace weir::pg
