// provctl's command line.
#ifndef PROVHUB_TOOLS_PROVCTL_COMMAND_LINE_H_
#define PROVHUB_TOOLS_PROVCTL_COMMAND_LINE_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace provhub::provctl {

enum class OutputFormat { kTable, kJson };

// How to reach the node that is asked.
struct ConnectionOptions {
    std::string server;
    bool plaintext = false;
    // As crypto::Fingerprint, or empty.
    std::string server_fingerprint;
    // PEM files, empty where not given.
    std::string ca_cert;
    std::string cert;
    std::string key;
    // Of each call.
    absl::Duration timeout;
};

struct NodesCommand {
    bool watch = false;
};

struct ProvisionCommand {
    // Empty with `all`.
    std::vector<std::string> nodes;
    bool all = false;
    // "-" is standard input; empty: ask on the terminal.
    std::string password_file;
    // One of the two.
    std::string ca_directory;
    std::string ca_command;
    // Common name of the certificates; empty: the server fills in the unit's system ID.
    std::string subject;
    // Deprovision first what has been begun or done before.
    bool restart = false;
    // Nodes that must be connected before the work begins, the main node included; 0: don't wait.
    int wait_for = 0;
    absl::Duration wait;
    int parallel = 1;
};

struct DeprovisionCommand {
    std::vector<std::string> nodes;
    std::string password_file;
    int parallel = 1;
};

struct CertsCommand {
    // Empty: all.
    std::vector<std::string> types;
};

struct PauseCommand {
    std::vector<std::string> nodes;
};

struct ResumeCommand {
    std::vector<std::string> nodes;
};

struct CaInitCommand {
    std::string directory;
};

struct CaSignCommand {
    std::string directory;
};

struct AuditVerifyCommand {
    std::string path;
};

struct VersionCommand {};

using Command = std::variant<NodesCommand, ProvisionCommand, DeprovisionCommand, CertsCommand, PauseCommand,
                             ResumeCommand, CaInitCommand, CaSignCommand, AuditVerifyCommand, VersionCommand>;

struct CommandLine {
    ConnectionOptions connection;
    OutputFormat output = OutputFormat::kTable;
    Command command;
};

// Why there is nothing to run: help or version was asked for (exit_status 0), or the arguments are wrong (2).
struct NothingToRun {
    int exit_status = 0;
    // For standard output with status 0, otherwise for standard error.
    std::string message;
};

// Options that are not given take their value from the environment (PROVHUB_SERVER for --server, and so on) where it
// has one.
std::variant<CommandLine, NothingToRun> ParseCommandLine(int argc, const char* const* argv);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_COMMAND_LINE_H_
