#include "tools/nodesim/command_line.h"

#include <CLI/CLI.hpp>
#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/runtime/version.h"

namespace provhub::nodesim {
namespace {

constexpr int kMaxNodes = 100'000;

struct FaultName {
    absl::string_view name;
    double Faults::*share;
};
constexpr std::array kFaults = {
    FaultName{"never", &Faults::never}, FaultName{"late", &Faults::late},
    FaultName{"twice", &Faults::twice}, FaultName{"wrong-type", &Faults::wrong_type},
    FaultName{"error", &Faults::error}, FaultName{"drop", &Faults::drop},
};

absl::Duration ParseDuration(absl::string_view text) {
    absl::Duration duration;
    if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration()) {
        throw CLI::ValidationError(absl::StrCat("'", text, "' is not a duration such as 5ms or 1m30s"));
    }
    return duration;
}

double ParseShare(absl::string_view text) {
    double share = 0;
    if (!absl::SimpleAtod(text, &share) || !(share >= 0 && share <= 1)) {
        throw CLI::ValidationError(absl::StrCat("'", text, "' is not a share between 0 and 1, such as 0.01"));
    }
    return share;
}

// CLI11 calls back into the object given here while it parses, so it stays where it is.
class Parser {
 public:
    Parser() : app_("Simulates the secondary nodes of a unit, thousands in one process.", "provhub-nodesim") {
        app_.set_version_flag("--version", absl::StrCat("provhub-nodesim ", runtime::Version().data()));
        AddNodes();
        AddConnection();
        AddBehaviour();
    }

    std::variant<CommandLine, cli::NothingToRun> Parse(int argc, const char* const* argv) {
        if (auto nothing = cli::Parse(app_, argc, argv, [this] { return Contradiction(); })) {
            return *std::move(nothing);
        }
        return line_;
    }

 private:
    void AddNodes() {
        line_.nodes = 100;
        app_.add_option("-n,--nodes", line_.nodes, "How many nodes")
            ->type_name("N")
            ->check(CLI::Range(1, kMaxNodes))
            ->capture_default_str();
        line_.id_prefix = "sim-";
        app_.add_option("--id-prefix", line_.id_prefix, "What the node IDs begin with; five digits follow")
            ->type_name("TEXT")
            ->capture_default_str();
        app_.add_option("--first", line_.first, "Number of the first node")
            ->type_name("N")
            ->check(CLI::NonNegativeNumber)
            ->capture_default_str();
        line_.rate = 500;
        app_.add_option("--rate", line_.rate, "Connections begun in a second, at uneven intervals; 0: all at once")
            ->type_name("N")
            ->check(CLI::NonNegativeNumber)
            ->capture_default_str();
        AddDuration("--reconnect", line_.reconnect_interval, "10s", "Longest wait of a node between two attempts");
        AddDuration("--duration", line_.duration, "", "End after this time; without it at SIGINT or SIGTERM");
        app_.add_option_function<std::string>(
                "-o,--output", [this](const std::string& name) { line_.json = cli::IsJson(name); },
                "Form of the summary on standard output")
            ->type_name("table|json")
            ->default_str("table");
    }

    void AddConnection() {
        auto& connection = line_.connection;
        connection.server = "127.0.0.1:8090";
        app_.add_option("--server", connection.server, "Listener of the main node that takes these nodes")
            ->envname("PROVHUB_SERVER")
            ->type_name("HOST:PORT")
            ->capture_default_str();
        app_.add_flag("--plaintext", connection.plaintext, "Without TLS")->envname("PROVHUB_PLAINTEXT");
        app_.add_option_function<std::string>(
                "--server-fingerprint",
                [&connection](const std::string& text) { connection.server_fingerprint = cli::Fingerprint(text); },
                "Fingerprint of the main node's certificate in provisioning mode")
            ->envname("PROVHUB_SERVER_FINGERPRINT")
            ->type_name("SHA256");
        app_.add_option("--ca-cert", connection.ca_cert, "Trust anchors for the main node's certificate, PEM")
            ->envname("PROVHUB_CA_CERT")
            ->type_name("FILE");
        app_.add_option("--server-name", connection.server_name,
                        "Name that the main node's certificate is for, where it isn't that of --server")
            ->type_name("NAME");
        app_.add_option("--cert", connection.cert,
                        "Certificate of the nodes with its chain, PEM; {id} in the name stands for the node's ID")
            ->type_name("FILE");
        app_.add_option("--key", connection.key, "Private key of the certificate, PEM; {id} as above")
            ->type_name("FILE");
        app_.add_option("--ca", connection.ca_directory,
                        "Certify each node, with a P-384 key of its own, by the development CA in this directory")
            ->type_name("DIR");
    }

    void AddBehaviour() {
        auto& behaviour = line_.behaviour;
        app_.add_option_function<std::string>(
                "--state",
                [&behaviour](const std::string& word) {
                    const auto state = node::ParseNodeState(word);
                    if (!state) {
                        throw CLI::ValidationError(absl::StrCat("'", word, "' is not a state of a node"));
                    }
                    behaviour.state = *state;
                },
                "State of the nodes at the beginning")
            ->type_name("unprovisioned|provisioned|paused|error")
            ->default_str("unprovisioned");
        behaviour.cert_types = {"online", "offline"};
        app_.add_option("--cert-types", behaviour.cert_types, "Certificate types of each node")
            ->type_name("TYPE,...")
            ->delimiter(',')
            ->capture_default_str();
        app_.add_option_function<std::string>(
                "--latency",
                [&behaviour](const std::string& text) {
                    const std::pair<std::string, std::string> bounds = absl::StrSplit(text, absl::MaxSplits('-', 1));
                    behaviour.latency_min = ParseDuration(bounds.first);
                    behaviour.latency_max =
                        bounds.second.empty() ? behaviour.latency_min : ParseDuration(bounds.second);
                    if (behaviour.latency_max < behaviour.latency_min) {
                        throw CLI::ValidationError(absl::StrCat("--latency: '", text, "' ends before it begins"));
                    }
                },
                "Time from request to answer: fixed, 5ms, or drawn for each, 5ms-20ms")
            ->type_name("DURATION[-DURATION]")
            ->default_str("0");
        app_.add_option_function<std::vector<std::string>>(
                "--fault", [this](const std::vector<std::string>& faults) { SetFaults(faults); },
                "Share of the requests that never get an answer, get it late, twice, or of the wrong type, are told "
                "that the operation failed, or end the stream; may be repeated")
            ->type_name("never|late|twice|wrong-type|error|drop=SHARE");
        AddDuration("--late-by", behaviour.faults.late_by, "10s", "How much later late answers come");
        app_.add_option_function<std::string>(
                "--slow-readers", [&behaviour](const std::string& text) { behaviour.slow_readers = ParseShare(text); },
                "Share of the nodes that read one message a second")
            ->type_name("SHARE");
        app_.add_flag("--legacy", behaviour.legacy, "As nodes of other make, which know nothing beyond the contract");
    }

    void AddDuration(const std::string& name, absl::Duration& target, const std::string& default_value,
                     const std::string& help) {
        if (!default_value.empty()) {
            target = ParseDuration(default_value);
        }
        app_.add_option_function<std::string>(
                name, [&target](const std::string& text) { target = ParseDuration(text); }, help)
            ->type_name("DURATION")
            ->default_str(default_value);
    }

    void SetFaults(const std::vector<std::string>& faults) {
        for (const std::string& fault : faults) {
            const std::pair<std::string, std::string> parts = absl::StrSplit(fault, absl::MaxSplits('=', 1));
            const auto* found = std::ranges::find(kFaults, absl::string_view(parts.first), &FaultName::name);
            if (found == kFaults.end()) {
                throw CLI::ValidationError(absl::StrCat("--fault: '", parts.first,
                                                        "' is none of never, late, twice, wrong-type, error, drop"));
            }
            line_.behaviour.faults.*(found->share) = ParseShare(parts.second);
        }
    }

    // What each option by itself can't tell. Empty: all is well.
    std::string Contradiction() const {
        const auto& connection = line_.connection;
        const bool ca = !connection.ca_cert.empty() || !connection.ca_directory.empty();
        if (int{connection.plaintext} + int{!connection.server_fingerprint.empty()} + int{ca} != 1) {
            return "one of --plaintext, --server-fingerprint and --ca-cert (or --ca) says how to reach the main node";
        }
        if (connection.cert.empty() != connection.key.empty()) {
            return "--cert and --key go together";
        }
        if (!connection.cert.empty() && (!connection.ca_directory.empty() || !ca)) {
            return "--cert and --key need --ca-cert, by which the main node is verified, and go not with --ca";
        }
        double together = 0;
        for (const FaultName& fault : kFaults) {
            together += line_.behaviour.faults.*(fault.share);
        }
        if (together > 1) {
            return "--fault: the shares are more than 1 together";
        }
        return {};
    }

    CLI::App app_;
    CommandLine line_;
};

}  // namespace

std::variant<CommandLine, cli::NothingToRun> ParseCommandLine(int argc, const char* const* argv) {
    return Parser().Parse(argc, argv);
}

}  // namespace provhub::nodesim
