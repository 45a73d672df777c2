#include <CLI/CLI.hpp>
#include <iostream>

#include "config/loader.hpp"
#include "proxy/app.hpp"

namespace {

int fail(weir::exit_code code) { return static_cast<int>(code); }

}  // namespace

int main(int argc, char** argv) {
    CLI::App command_line{"weir: a Redis sidecar that gives every tenant a private keyspace"};
    std::string file;
    bool check = false;
    command_line.set_version_flag("--version", "weir " WEIR_VERSION);
    command_line.add_option("-c,--config,config", file, "the configuration, a YAML file")->required();
    command_line.add_flag("--check-config", check, "say what is wrong with the configuration and exit");
    command_line.footer(
        "Exit codes: 0 ended as asked (SIGTERM drains), 1 could not start, 2 bad configuration or command line.");
    try {
        command_line.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int shown = command_line.exit(error);  // prints help, version or what is wrong
        return shown == 0 ? 0 : fail(weir::exit_code::bad_configuration);
    }
    const weir::load_result configuration = weir::load_config(file);
    if (!configuration) {
        for (const auto& error : configuration.errors) std::cerr << error.to_string() << '\n';
        return fail(weir::exit_code::bad_configuration);
    }
    if (check) {
        std::cout << file << ": ok\n";
        return 0;
    }
    return static_cast<int>(weir::run_app(*configuration.loaded));
}
