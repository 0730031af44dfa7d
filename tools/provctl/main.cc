#include <csignal>
#include <iostream>
#include <variant>

#include "common/tls/tls_version.h"
#include "tools/provctl/command_line.h"
#include "tools/provctl/commands.h"

int main(int argc, char** argv) {
    using namespace provhub::provctl;
    // A reader that has gone, of ours or of a CA command, is an error of writing and no reason to die.
    std::signal(SIGPIPE, SIG_IGN);
    provhub::tls::RequireTls13();
    const auto parsed = ParseCommandLine(argc, argv);
    if (const auto* nothing = std::get_if<provhub::cli::NothingToRun>(&parsed)) {
        (nothing->exit_status == 0 ? std::cout : std::cerr) << nothing->message;
        return nothing->exit_status;
    }
    return Run(std::get<CommandLine>(parsed), {.in = std::cin, .out = std::cout, .err = std::cerr});
}
