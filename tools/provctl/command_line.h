// provctl's command line.
#ifndef PROVHUB_TOOLS_PROVCTL_COMMAND_LINE_H_
#define PROVHUB_TOOLS_PROVCTL_COMMAND_LINE_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/crypto/key_algorithm.h"
#include "tools/cli/command_line.h"

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
    // A PEM file or the pkcs11: URI of a key in a token.
    std::string key;
    // The name in the server's certificate; empty: the host of `server`.
    std::string server_name;
    // Of each call.
    absl::Duration timeout;
};

struct NodesCommand {
    bool watch = false;
};

// Who signs: one of the two.
struct AuthorityOptions {
    std::string ca_directory;
    std::string ca_command;
};

struct ProvisionCommand {
    // Empty with `all`.
    std::vector<std::string> nodes;
    bool all = false;
    // "-" is standard input; empty: ask on the terminal.
    std::string password_file;
    AuthorityOptions authority;
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
    // Without these two: the node that serves.
    std::vector<std::string> nodes;
    bool all = false;
    // Only what is in use and expires within this time.
    std::optional<absl::Duration> expiring;
    int parallel = 1;
};

struct RenewCommand {
    // Empty with `all`.
    std::vector<std::string> nodes;
    bool all = false;
    // Empty: all.
    std::vector<std::string> types;
    // What expires within this time is renewed.
    absl::Duration within;
    std::string password_file;
    AuthorityOptions authority;
    // Common name; empty: that of the certificate that is renewed.
    std::string subject;
    int parallel = 1;
};

struct CsrCommand {
    // Where a key is to be made: a file, or the pkcs11: URI of one; empty: the key of the connection's options.
    std::string new_key;
    crypto::KeyAlgorithm algorithm = crypto::KeyAlgorithm::kEcP384;
    std::string subject;
    // Asks for the role of an operator.
    bool operator_role = false;
    std::vector<std::string> alternative_names;
};

struct PauseCommand {
    std::vector<std::string> nodes;
};

struct ResumeCommand {
    std::vector<std::string> nodes;
};

struct TokenCreateCommand {
    // Empty: any.
    std::string node;
    absl::Duration ttl;
};

struct TokenListCommand {};

struct TokenRevokeCommand {
    std::string id;
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

using Command = std::variant<NodesCommand, ProvisionCommand, DeprovisionCommand, CertsCommand, RenewCommand,
                             PauseCommand, ResumeCommand, CsrCommand, TokenCreateCommand, TokenListCommand,
                             TokenRevokeCommand, CaInitCommand, CaSignCommand, AuditVerifyCommand, VersionCommand>;

struct CommandLine {
    ConnectionOptions connection;
    OutputFormat output = OutputFormat::kTable;
    Command command;
};

// Options that are not given take their value from the environment (PROVHUB_SERVER for --server, and so on) where it
// has one.
std::variant<CommandLine, cli::NothingToRun> ParseCommandLine(int argc, const char* const* argv);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_COMMAND_LINE_H_
