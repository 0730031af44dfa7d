#include "tools/provctl/commands.h"

#include <algorithm>
#include <istream>
#include <iterator>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/audit/chain_scan.h"
#include "common/status/macros.h"
#include "tools/provctl/audit_report.h"
#include "tools/provctl/certificate_authority.h"
#include "tools/provctl/channel.h"
#include "tools/provctl/console.h"
#include "tools/provctl/csr_command.h"
#include "tools/provctl/dev_ca.h"
#include "tools/provctl/expiry.h"
#include "tools/provctl/join_token_report.h"
#include "tools/provctl/node_selection.h"
#include "tools/provctl/node_work.h"
#include "tools/provctl/password.h"
#include "tools/provctl/report.h"
#include "tools/provctl/watch.h"

namespace provhub::provctl {
namespace {

constexpr std::size_t kMaxCsrBytes = std::size_t{64} * 1024;
constexpr const char* kVersion = PROVHUB_VERSION;

// Runs one command. A status that is not OK is an error of the command as a whole, said by the caller.
class Commands {
 public:
    Commands(const CommandLine& command_line, const Streams& streams)
        : command_line_(command_line), streams_(streams), console_(streams.err) {}

    absl::StatusOr<int> operator()(const NodesCommand& command) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        if (command.watch) {
            // The watch closes its document itself, whatever happens.
            result_written_ = true;
            RETURN_IF_ERROR(WatchNodes(client, command_line_.output, streams_.out));
            return kAllWell;
        }
        ASSIGN_OR_RETURN(const auto nodes, client.ListNodes());
        return Print(NodesTable, NodesJson, nodes);
    }

    absl::StatusOr<int> operator()(const ProvisionCommand& command) {
        ASSIGN_OR_RETURN(const auto ca, OpenAuthority(command.authority));
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        ASSIGN_OR_RETURN(const auto nodes, SelectNodes(client, command, console_));
        ASSIGN_OR_RETURN(const crypto::Secret password, GetPassword(command.password_file, true));
        const EnrolmentOptions options{.subject = command.subject, .restart = command.restart};
        const auto results = ForEachNode(nodes.size(), command.parallel, [&](std::size_t i) {
            return nodes[i].verdict.has_value() ? *nodes[i].verdict
                                                : Provision(client, *ca, password, options, nodes[i].node, console_);
        });
        return Conclude(results, "provisioned");
    }

    absl::StatusOr<int> operator()(const DeprovisionCommand& command) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        ASSIGN_OR_RETURN(const crypto::Secret password, GetPassword(command.password_file, false));
        const auto nodes = Distinct(command.nodes);
        const auto results = ForEachNode(nodes.size(), command.parallel, [&](std::size_t i) {
            return Deprovision(client, password, nodes[i], console_);
        });
        return Conclude(results, "unprovisioned");
    }

    absl::StatusOr<int> operator()(const PauseCommand& command) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        const auto nodes = Distinct(command.nodes);
        return Conclude(
            ForEachNode(nodes.size(), kParallel, [&](std::size_t i) { return Pause(client, nodes[i], console_); }),
            "paused");
    }

    absl::StatusOr<int> operator()(const ResumeCommand& command) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        const auto nodes = Distinct(command.nodes);
        return Conclude(
            ForEachNode(nodes.size(), kParallel, [&](std::size_t i) { return Resume(client, nodes[i], console_); }),
            "provisioned");
    }

    absl::StatusOr<int> operator()(const CertsCommand& command) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        if (command.all || !command.nodes.empty()) {
            return CertsOfNodes(client, command);
        }
        ASSIGN_OR_RETURN(auto certificates, client.ListCertificates(command.types));
        if (command.expiring.has_value()) {
            certificates = ExpiringWithin(certificates, absl::Now() + *command.expiring);
        }
        return Print(CertificatesTable, CertificatesJson, certificates);
    }

    absl::StatusOr<int> operator()(const RenewCommand& command) {
        ASSIGN_OR_RETURN(const auto ca, OpenAuthority(command.authority));
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        ASSIGN_OR_RETURN(const auto nodes, SelectProvisionedNodes(client, command.nodes, command.all, console_));
        ASSIGN_OR_RETURN(const crypto::Secret password, GetPassword(command.password_file, false));
        const RenewalOptions options{.types = command.types, .within = command.within, .subject = command.subject};
        const auto results = ForEachNode(nodes.size(), command.parallel, [&](std::size_t i) {
            return nodes[i].verdict.has_value()
                       ? *nodes[i].verdict
                       : Renew(client, *ca, password, options, nodes[i].node.info.node_id(), console_);
        });
        return Conclude(results, "renewed");
    }

    absl::StatusOr<int> operator()(const CsrCommand& command) {
        ASSIGN_OR_RETURN(const std::string csr, MakeCsr(command, command_line_.connection.key, console_));
        Write(Json() ? ValueJson("csr", csr) : csr);
        return kAllWell;
    }

    absl::StatusOr<int> operator()(const TokenCreateCommand& command) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        ASSIGN_OR_RETURN(const auto created, client.CreateJoinToken(command.node, command.ttl));
        if (!Json()) {
            console_.Say(JoinTokenLine(created.info()));
        }
        Write(Json() ? CreatedJoinTokenJson(created) : created.token());
        return kAllWell;
    }

    absl::StatusOr<int> operator()(const TokenListCommand&) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        ASSIGN_OR_RETURN(const auto tokens, client.ListJoinTokens());
        return Print(JoinTokensTable, JoinTokensJson, tokens);
    }

    absl::StatusOr<int> operator()(const TokenRevokeCommand& command) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        RETURN_IF_ERROR(client.RevokeJoinToken(command.id));
        if (Json()) {
            Write(ValueJson("revoked", command.id));
        } else {
            console_.Say(absl::StrCat("revoked join token ", command.id));
        }
        return kAllWell;
    }

    absl::StatusOr<int> operator()(const CaInitCommand& command) {
        RETURN_IF_ERROR(DevCa::Create(command.directory, absl::Now()));
        const std::string anchor = absl::StrCat(command.directory, "/root.pem");
        console_.Say(absl::StrCat("made a development CA; its trust anchor, the nodes' caCert, is ", anchor));
        Write(Json() ? ValueJson("trustAnchor", anchor) : anchor);
        return kAllWell;
    }

    absl::StatusOr<int> operator()(const CaSignCommand& command) {
        ASSIGN_OR_RETURN(const DevCa ca, DevCa::Open(command.directory, absl::Now()));
        std::string csr(kMaxCsrBytes + 1, '\0');
        streams_.in.read(csr.data(), static_cast<std::streamsize>(csr.size()));
        csr.resize(static_cast<std::size_t>(streams_.in.gcount()));
        ASSIGN_OR_RETURN(const std::string chain, ca.Sign(csr, absl::Now()));
        Write(Json() ? ValueJson("chain", chain) : chain);
        return kAllWell;
    }

    absl::StatusOr<int> operator()(const AuditVerifyCommand& command) {
        ASSIGN_OR_RETURN(const audit::Verification verification, audit::Verify(command.path));
        Print(AuditTable, AuditJson, verification);
        return verification.broken.has_value() ? kFailed : kAllWell;
    }

    absl::StatusOr<int> operator()(const VersionCommand&) {
        ASSIGN_OR_RETURN(UnitClient client, Connect());
        auto server = client.GetVersion();
        if (!server.ok() && !Json()) {
            Write(absl::StrCat("provctl  ", kVersion));
        }
        RETURN_IF_ERROR(server.status());
        server->fingerprint = connection_.seen->fingerprint();
        Write(Json() ? VersionJson(kVersion, *server) : VersionTable(kVersion, *server));
        return kAllWell;
    }

    // Says why the command as a whole could not be carried out.
    int Fail(const absl::Status& error) {
        console_.Say(absl::StrCat("provctl: ", error.message()));
        if (Json() && !result_written_) {
            Write(ErrorJson(error));
        }
        return usage_error_ ? kUsage : kFailed;
    }

 private:
    static constexpr int kParallel = 16;

    bool Json() const { return command_line_.output == OutputFormat::kJson; }

    void Write(const std::string& text) {
        streams_.out << text << (!text.empty() && text.back() == '\n' ? "" : "\n") << std::flush;
    }

    template <typename Items>
    int Print(std::string (*table)(const Items&), std::string (*json)(const Items&), const Items& items) {
        Write(Json() ? json(items) : table(items));
        return kAllWell;
    }

    int Conclude(const std::vector<NodeResult>& results, const std::string& done) {
        Write(Json() ? ResultsJson(results, done) : ResultsTable(results, done));
        const bool failed =
            std::ranges::any_of(results, [](const NodeResult& result) { return result.outcome == Outcome::kFailed; });
        return failed ? kFailed : kAllWell;
    }

    absl::StatusOr<int> CertsOfNodes(UnitClient& client, const CertsCommand& command) {
        std::vector<std::string> ids = Distinct(command.nodes);
        if (command.all) {
            ASSIGN_OR_RETURN(const auto nodes, client.ListNodes());
            std::ranges::transform(nodes, std::back_inserter(ids),
                                   [](const auto& node) { return node.info.node_id(); });
        }
        std::vector<NodeCertificates> results(ids.size());
        ForEachIndex(ids.size(), command.parallel, [&](std::size_t i) {
            results[i].node_id = ids[i];
            auto certificates = client.ListCertificates(command.types, ids[i]);
            if (!certificates.ok()) {
                results[i].error = certificates.status();
                console_.Say(absl::StrCat(ids[i], ": ", certificates.status().message()));
                return;
            }
            results[i].certificates = command.expiring.has_value()
                                          ? ExpiringWithin(*certificates, absl::Now() + *command.expiring)
                                          : *std::move(certificates);
        });
        Print(NodeCertificatesTable, NodeCertificatesJson, results);
        const bool failed = std::ranges::any_of(results, [](const NodeCertificates& node) { return !node.error.ok(); });
        return failed ? kFailed : kAllWell;
    }

    absl::StatusOr<UnitClient> Connect() {
        const ConnectionOptions& options = command_line_.connection;
        ASSIGN_OR_RETURN(connection_, provctl::Connect(options));
        return UnitClient(connection_.channel, options.server, options.timeout);
    }

    absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenAuthority(const AuthorityOptions& options) {
        if (options.ca_directory.empty()) {
            return CreateCommandAuthority(options.ca_command, command_line_.connection.timeout);
        }
        ASSIGN_OR_RETURN(DevCa ca, DevCa::Open(options.ca_directory, absl::Now()));
        return CreateDevAuthority(std::move(ca));
    }

    absl::StatusOr<crypto::Secret> GetPassword(const std::string& file, bool confirm) {
        auto password = ReadPassword(file, confirm);
        usage_error_ = !password.ok();
        return password;
    }

    const CommandLine& command_line_;
    const Streams streams_;
    Console console_;
    // Of the command; outlives the client that uses it.
    Connection connection_;
    // Whether it is the way in which the program was called that is wrong.
    bool usage_error_ = false;
    bool result_written_ = false;
};

}  // namespace

int Run(const CommandLine& command_line, const Streams& streams) {
    Commands commands(command_line, streams);
    const absl::StatusOr<int> status = std::visit(commands, command_line.command);
    const int exit_status = status.ok() ? *status : commands.Fail(status.status());
    if (!streams.out) {
        streams.err << "provctl: can't write the result to standard output\n";
        return kFailed;
    }
    return exit_status;
}

}  // namespace provhub::provctl
