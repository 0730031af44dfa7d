#include "tools/provctl/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace provhub::provctl {
namespace {

constexpr int kMaxParallel = 256;

// Longer than the server's own limit for a forwarded call, so that its answer comes first.
constexpr const char* kDefaultTimeout = "310s";
constexpr const char* kDefaultWait = "30s";
constexpr const char* kDefaultTokenTtl = "1h";
constexpr const char* kDefaultWithin = "30d";

constexpr const char* kPasswordHelp =
    "File whose first line is the password; - is standard input. Without it the terminal is asked";

// A duration such as 90s, 5m, 1m30s or, in whole days, 30d.
absl::Duration ParseDuration(const std::string& text) {
    absl::Duration duration;
    std::uint32_t days = 0;
    if (absl::EndsWith(text, "d") && absl::SimpleAtoi(text.substr(0, text.size() - 1), &days)) {
        duration = days * absl::Hours(24);
    } else if (!absl::ParseDuration(text, &duration)) {
        duration = absl::ZeroDuration();
    }
    if (duration <= absl::ZeroDuration() || duration == absl::InfiniteDuration()) {
        throw CLI::ValidationError(absl::StrCat("'", text, "' is not a duration such as 90s, 5m or 30d"));
    }
    return duration;
}

crypto::KeyAlgorithm ParseAlgorithm(const std::string& name) {
    if (name != "ecc" && name != "rsa") {
        throw CLI::ValidationError(absl::StrCat("--algorithm is ecc or rsa, not '", name, "'"));
    }
    return name == "rsa" ? crypto::KeyAlgorithm::kRsa2048 : crypto::KeyAlgorithm::kEcP384;
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& target, const char* default_value,
                         const std::string& help) {
    target = ParseDuration(default_value);
    return app
        .add_option_function<std::string>(
            name, [&target](const std::string& text) { target = ParseDuration(text); }, help)
        ->type_name("DURATION")
        ->default_str(default_value);
}

// CLI11 calls back into the objects given here while it parses, so they stay where they are.
class Parser {
 public:
    Parser() : app_("Provisions the nodes of a vehicle through its main node.", "provctl") {
        app_.require_subcommand(1);
        app_.fallthrough();
        app_.set_version_flag("--version", "provctl " PROVHUB_VERSION);
        app_.set_help_all_flag("--help-all", "Print the help of every command and exit");
        AddGlobalOptions();
        AddNodes();
        AddProvision();
        AddDeprovision();
        AddCerts();
        AddRenew();
        AddPauseAndResume();
        AddCsr();
        AddToken();
        AddCa();
        AddAudit();
        Add(app_, "version", "Versions of this program and of the server", version_);
    }

    std::variant<CommandLine, cli::NothingToRun> Parse(int argc, const char* const* argv) {
        if (auto nothing = cli::Parse(app_, argc, argv, [this] { return Contradiction(); })) {
            return *std::move(nothing);
        }
        return result_;
    }

 private:
    // A command whose options are in `options`, a member of this parser.
    template <typename Options>
    CLI::App* Add(CLI::App& parent, const std::string& name, const std::string& help, const Options& options) {
        auto* command = parent.add_subcommand(name, help);
        command->callback([this, &options] { result_.command = options; });
        return command;
    }

    void AddGlobalOptions() {
        auto& connection = result_.connection;
        connection.server = "127.0.0.1:8089";
        app_.add_option("--server", connection.server, "Protected listener of the main node")
            ->envname("PROVHUB_SERVER")
            ->type_name("HOST:PORT")
            ->capture_default_str();
        app_.add_flag("--plaintext", connection.plaintext,
                      "Without TLS: for nodes in provisioning mode whose configuration says so")
            ->envname("PROVHUB_PLAINTEXT");
        app_.add_option_function<std::string>(
                "--server-fingerprint",
                [&connection](const std::string& text) { connection.server_fingerprint = cli::Fingerprint(text); },
                "Fingerprint of the server's certificate in provisioning mode, as in its log. Without this and "
                "--ca-cert "
                "the server is trusted on first use")
            ->envname("PROVHUB_SERVER_FINGERPRINT")
            ->type_name("SHA256");
        app_.add_option("--ca-cert", connection.ca_cert, "Trust anchors for the server's certificate, PEM")
            ->envname("PROVHUB_CA_CERT")
            ->type_name("FILE");
        app_.add_option("--cert", connection.cert, "Client certificate with its chain, PEM")
            ->envname("PROVHUB_CERT")
            ->type_name("FILE");
        app_.add_option("--key", connection.key,
                        "Private key of the client certificate: PEM, or pkcs11:token=..;object=..?pin-source=..")
            ->envname("PROVHUB_KEY")
            ->type_name("FILE|URI");
        app_.add_option("--server-name", connection.server_name,
                        "Name in the server's certificate, where that is not the host of --server")
            ->envname("PROVHUB_SERVER_NAME")
            ->type_name("NAME");
        AddDuration(app_, "--timeout", connection.timeout, kDefaultTimeout, "Limit for each call")
            ->envname("PROVHUB_TIMEOUT");
        app_.add_option_function<std::string>(
                "-o,--output",
                [this](const std::string& name) {
                    result_.output = (cli::IsJson(name) ? OutputFormat::kJson : OutputFormat::kTable);
                },
                "Form of the result on standard output")
            ->envname("PROVHUB_OUTPUT")
            ->type_name("table|json")
            ->default_str("table");
    }

    void AddNodes() {
        auto* command = Add(app_, "nodes", "Nodes of the unit: state and connection", nodes_);
        command->add_flag("--watch", nodes_.watch, "Then print every change, until interrupted");
    }

    void AddParallel(CLI::App& command, int& target) {
        target = 16;
        command.add_option("--parallel", target, "How many nodes at the same time")
            ->type_name("N")
            ->check(CLI::Range(1, kMaxParallel))
            ->capture_default_str();
    }

    void AddAuthority(CLI::App& command, AuthorityOptions& options) {
        command.add_option("--ca", options.ca_directory, "Sign with the development CA in this directory")
            ->envname("PROVHUB_CA")
            ->type_name("DIR");
        command
            .add_option("--ca-command", options.ca_command,
                        "Sign with this shell command: CSR on standard input, chain on standard output, PEM; "
                        "PROVHUB_NODE and PROVHUB_CERT_TYPE say for whom")
            ->envname("PROVHUB_CA_COMMAND")
            ->type_name("COMMAND");
    }

    void AddProvision() {
        auto& options = provision_;
        auto* command = Add(app_, "provision", "Give nodes their keys and certificates", provision_);
        command->add_option("NODE", options.nodes, "Node IDs");
        command->add_flag("--all", options.all, "Every node of the unit that is not provisioned yet");
        command->add_option("--password-file", options.password_file, kPasswordHelp)
            ->envname("PROVHUB_PASSWORD_FILE")
            ->type_name("FILE");
        AddAuthority(*command, options.authority);
        command->add_option("--subject", options.subject, "Common name of the certificates; default: the unit's ID")
            ->type_name("NAME");
        command->add_flag(
            "--restart", options.restart,
            "Deprovision a node first that is provisioned (only where it is named) or was started before");
        command->add_option("--wait-for", options.wait_for, "Wait until this many nodes are connected, main included")
            ->type_name("N")
            ->check(CLI::NonNegativeNumber);
        AddDuration(*command, "--wait", options.wait, kDefaultWait, "How long --wait-for waits");
        AddParallel(*command, options.parallel);
    }

    void AddDeprovision() {
        auto* command = Add(app_, "deprovision", "Erase keys and certificates of nodes", deprovision_);
        command->add_option("NODE", deprovision_.nodes, "Node IDs")->required();
        command->add_option("--password-file", deprovision_.password_file, kPasswordHelp)
            ->envname("PROVHUB_PASSWORD_FILE")
            ->type_name("FILE");
        AddParallel(*command, deprovision_.parallel);
    }

    void AddCerts() {
        auto* command = Add(app_, "certs", "Certificates of the node that --server reaches, or of others", certs_);
        command->add_option("TYPE", certs_.types, "Certificate types; default: all");
        command->add_option("--node", certs_.nodes, "Of these nodes, through the main node")
            ->type_name("NODE")
            ->allow_extra_args(false);
        command->add_flag("--all", certs_.all, "Of every node of the unit");
        command
            ->add_option_function<std::string>(
                "--expiring", [this](const std::string& text) { certs_.expiring = ParseDuration(text); },
                "Only what is in use and expires within this time")
            ->type_name("DURATION");
        AddParallel(*command, certs_.parallel);
    }

    void AddRenew() {
        auto* command = Add(app_, "renew", "Renew certificates that expire soon", renew_);
        command->add_option("NODE", renew_.nodes, "Node IDs");
        command->add_flag("--all", renew_.all, "Every provisioned node of the unit");
        command->add_option("--type", renew_.types, "Certificate types; default: all")
            ->type_name("TYPE")
            ->allow_extra_args(false);
        AddDuration(*command, "--within", renew_.within, kDefaultWithin, "What expires within this time is renewed");
        command->add_option("--password-file", renew_.password_file, kPasswordHelp)
            ->envname("PROVHUB_PASSWORD_FILE")
            ->type_name("FILE");
        AddAuthority(*command, renew_.authority);
        command
            ->add_option("--subject", renew_.subject, "Common name; default: that of the certificate that is renewed")
            ->type_name("NAME");
        AddParallel(*command, renew_.parallel);
    }

    void AddCsr() {
        auto* command = Add(app_, "csr", "Print a certificate signing request for a client certificate", csr_);
        command->add_option("--new-key", csr_.new_key, "Make the key first: in this file, or in a token (pkcs11: URI)")
            ->type_name("FILE|URI");
        command
            ->add_option_function<std::string>(
                "--algorithm", [this](const std::string& name) { csr_.algorithm = ParseAlgorithm(name); },
                "Of the new key")
            ->type_name("ecc|rsa")
            ->default_str("ecc");
        command->add_option("--subject", csr_.subject, "Common name")->type_name("NAME")->required();
        command->add_flag("--operator", csr_.operator_role, "Ask for the role of an operator, who may provision");
        command->add_option("--san", csr_.alternative_names, "Alternative names: DNS names, IP addresses, URIs")
            ->type_name("NAME")
            ->allow_extra_args(false);
    }

    void AddPauseAndResume() {
        auto* pause = Add(app_, "pause", "Pause provisioned nodes", pause_);
        pause->add_option("NODE", pause_.nodes, "Node IDs")->required();
        auto* resume = Add(app_, "resume", "Resume paused nodes", resume_);
        resume->add_option("NODE", resume_.nodes, "Node IDs")->required();
    }

    void AddToken() {
        auto* token = app_.add_subcommand("token", "Join tokens, by which nodes without an identity may register");
        token->require_subcommand(1);
        token->fallthrough();
        auto* create = Add(*token, "create", "Make a join token and print it, this once", token_create_);
        AddDuration(*create, "--ttl", token_create_.ttl, kDefaultTokenTtl, "How long it may be used; at most 720h");
        create->add_option("--node", token_create_.node, "The one node that may use it; default: any")
            ->type_name("NODE");
        Add(*token, "list", "Join tokens, without what they are redeemed by", token_list_);
        auto* revoke = Add(*token, "revoke", "End a join token and what was given for it", token_revoke_);
        revoke->add_option("ID", token_revoke_.id, "As in the list")->required();
    }

    void AddCa() {
        auto* ca = app_.add_subcommand("ca", "A development CA, in a directory");
        ca->require_subcommand(1);
        ca->fallthrough();
        auto* init = Add(*ca, "init", "Make a root and an intermediate CA", ca_init_);
        init->add_option("DIR", ca_init_.directory, "The CA's directory")->required();
        auto* sign = Add(*ca, "sign", "Sign the CSR on standard input; the chain goes to standard output", ca_sign_);
        sign->add_option("DIR", ca_sign_.directory, "The CA's directory")->required();
    }

    void AddAudit() {
        auto* audit = app_.add_subcommand("audit", "Audit logs, as files");
        audit->require_subcommand(1);
        audit->fallthrough();
        auto* verify = Add(*audit, "verify", "Check that nobody changed an audit log", audit_verify_);
        verify->add_option("FILE", audit_verify_.path, "The log; FILE.1 and so on, if there are any, go with it")
            ->required();
    }

    // What each option by itself can't tell. Empty: all is well.
    std::string Contradiction() const {
        const auto& connection = result_.connection;
        if (const auto* csr = std::get_if<CsrCommand>(&result_.command)) {
            return csr->new_key.empty() && connection.key.empty() ? "csr: --key names the key, or --new-key makes one"
                                                                  : "";
        }
        if (connection.plaintext &&
            !(connection.ca_cert.empty() && connection.cert.empty() && connection.key.empty())) {
            return "--plaintext goes with none of --ca-cert, --cert and --key";
        }
        if (!connection.server_fingerprint.empty() && (connection.plaintext || !connection.ca_cert.empty())) {
            return "--server-fingerprint goes with neither --plaintext nor --ca-cert";
        }
        if (!connection.cert.empty() && connection.ca_cert.empty()) {
            return "--cert and --key need --ca-cert, by which the server is verified";
        }
        if (connection.cert.empty() != connection.key.empty()) {
            return "--cert and --key go together";
        }
        if (!connection.server_name.empty() && connection.ca_cert.empty()) {
            return "--server-name needs --ca-cert: without it the name is not looked at";
        }
        if (const auto* certs = std::get_if<CertsCommand>(&result_.command)) {
            return certs->all && !certs->nodes.empty() ? "certs: --node and --all don't go together" : "";
        }
        if (const auto* provision = std::get_if<ProvisionCommand>(&result_.command)) {
            return ContradictionOf("provision", *provision);
        }
        if (const auto* renew = std::get_if<RenewCommand>(&result_.command)) {
            return ContradictionOf("renew", *renew);
        }
        return {};
    }

    template <typename Options>
    static std::string ContradictionOf(const std::string& command, const Options& options) {
        if (options.all == !options.nodes.empty()) {
            return absl::StrCat(command, ": name the nodes, or use --all");
        }
        if (options.authority.ca_directory.empty() == options.authority.ca_command.empty()) {
            return absl::StrCat(command, ": one of --ca and --ca-command says who signs");
        }
        return {};
    }

    CLI::App app_;
    CommandLine result_;
    NodesCommand nodes_;
    ProvisionCommand provision_;
    DeprovisionCommand deprovision_;
    CertsCommand certs_;
    RenewCommand renew_;
    CsrCommand csr_;
    PauseCommand pause_;
    ResumeCommand resume_;
    TokenCreateCommand token_create_;
    TokenListCommand token_list_;
    TokenRevokeCommand token_revoke_;
    CaInitCommand ca_init_;
    CaSignCommand ca_sign_;
    AuditVerifyCommand audit_verify_;
    VersionCommand version_;
};

}  // namespace

std::variant<CommandLine, cli::NothingToRun> ParseCommandLine(int argc, const char* const* argv) {
    return Parser().Parse(argc, argv);
}

}  // namespace provhub::provctl
