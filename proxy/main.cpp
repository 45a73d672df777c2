#include <CLI/CLI.hpp>
#include <iostream>
#include <utility>

#include "config/loader.hpp"
#include "proxy/app.hpp"
#include "proxy/tools.hpp"

namespace {

struct wishes {
    std::string file;
    bool check = false;
    bool hash_password = false;
    bool sha256 = false;
    std::string script_user;  ///< the tenant
    std::string server_version;
};

void describe(CLI::App& command_line, wishes& into) {
    command_line.set_version_flag("--version", "weir " WEIR_VERSION);
    command_line.add_option("-c,--config,config", into.file, "the configuration, a YAML file");
    command_line.add_flag("--check-config", into.check, "say what is wrong with the configuration and exit");
    auto* const hash = command_line.add_flag("--hash-password", into.hash_password,
                                             "print a line for a passwords_file (scrypt) from standard input");
    command_line.add_flag("--sha256", into.sha256, "with --hash-password: SHA-256, for long random passwords")
        ->needs(hash);
    auto* const user = command_line.add_option(
        "--script-user", into.script_user, "print the ACL SETUSER command for the user of this tenant's scripts");
    command_line
        .add_option("--server-version", into.server_version, "with --script-user: redis_version of INFO")
        ->needs(user);
    command_line.footer(
        "Exit codes: 0 ended as asked (SIGTERM drains), 1 could not start, 2 bad configuration or command line.");
}

int fulfil(const wishes& wanted) {
    if (wanted.hash_password) return weir::print_password_hash(wanted.sha256, std::cout, std::cerr);
    weir::load_result configuration = weir::load_config(wanted.file);
    if (!configuration) {
        for (const auto& error : configuration.errors) std::cerr << error.to_string() << '\n';
        return static_cast<int>(weir::exit_code::bad_configuration);
    }
    const weir::options& settings = *configuration.loaded;
    if (!wanted.script_user.empty()) {
        return weir::print_script_user(settings, wanted.script_user, wanted.server_version, std::cout, std::cerr);
    }
    if (wanted.check) {
        std::cout << wanted.file << ": ok\n";
        return 0;
    }
    return static_cast<int>(weir::run_app(std::move(*configuration.loaded), wanted.file));
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App command_line{"weir: a Redis sidecar that gives every tenant a private keyspace"};
    wishes wanted;
    describe(command_line, wanted);
    try {
        command_line.parse(argc, argv);
        if (!wanted.hash_password && wanted.file.empty()) throw CLI::RequiredError("--config");
    } catch (const CLI::ParseError& error) {
        const int shown = command_line.exit(error);  // prints help, version or what is wrong
        return shown == 0 ? 0 : static_cast<int>(weir::exit_code::bad_configuration);
    }
    return fulfil(wanted);
}
