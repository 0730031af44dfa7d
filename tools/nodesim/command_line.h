// What provhub-nodesim was asked to simulate.
#ifndef PROVHUB_TOOLS_NODESIM_COMMAND_LINE_H_
#define PROVHUB_TOOLS_NODESIM_COMMAND_LINE_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/node/node_state.h"
#include "tools/cli/command_line.h"

namespace provhub::nodesim {

// How the nodes reach the main node. Paths may contain {id}, which stands for the node's ID.
struct Connection {
    // The listener for nodes.
    std::string server;
    bool plaintext = false;
    // As crypto::Fingerprint.
    std::string server_fingerprint;
    std::string ca_cert;
    std::string cert;
    std::string key;
    // A development CA that certifies each node.
    std::string ca_directory;
    // Verified in place of the host of `server` where it isn't empty.
    std::string server_name;
};

// Shares of the requests, each in [0, 1] and together at most 1, that do not get an orderly answer.
struct Faults {
    // No answer at all.
    double never = 0;
    // An answer after `late_by`.
    double late = 0;
    double twice = 0;
    // An answer to a request of another kind.
    double wrong_type = 0;
    // An answer that says that the operation failed.
    double error = 0;
    // The stream ends in place of the answer.
    double drop = 0;
    absl::Duration late_by;
};

// How one node behaves.
struct Behaviour {
    node::NodeState state = node::NodeState::kUnprovisioned;
    std::vector<std::string> cert_types;
    // Between request and answer, drawn for each.
    absl::Duration latency_min;
    absl::Duration latency_max;
    Faults faults;
    // Share of the nodes that read one message a second.
    double slow_readers = 0;
    // As nodes that do not know request_id.
    bool legacy = false;
};

struct CommandLine {
    Connection connection;
    Behaviour behaviour;
    int nodes = 0;
    std::string id_prefix;
    int first = 1;
    // Connections begun in a second; 0: all at once.
    double rate = 0;
    // The longest wait between two attempts of a node.
    absl::Duration reconnect_interval;
    // Infinite: until a signal.
    absl::Duration duration = absl::InfiniteDuration();
    bool json = false;
};

std::variant<CommandLine, cli::NothingToRun> ParseCommandLine(int argc, const char* const* argv);

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_COMMAND_LINE_H_
