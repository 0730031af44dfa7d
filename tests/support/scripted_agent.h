// A secondary node whose side of RegisterNode the test plays.
#ifndef PROVHUB_TESTS_SUPPORT_SCRIPTED_AGENT_H_
#define PROVHUB_TESTS_SUPPORT_SCRIPTED_AGENT_H_

#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::test {

// A NodeInfo that a hub takes.
iamanager::v6::NodeInfo AgentInfo(absl::string_view node_id, absl::string_view state = "unprovisioned");

// A reply to `request` of the type that belongs to it, without an error, with its request_id.
node::Reply SuccessReply(const node::Request& request);

struct AgentOptions {
    // Announces `provhub-protocol: 1`.
    bool correlated = true;
    // Reads what the hub sends.
    bool reading = true;
    // Further initial metadata.
    std::vector<std::pair<std::string, std::string>> metadata = {};
};

// Thread-safe.
class ScriptedAgent {
 public:
    // Opens a stream to the hub at `address` and says nothing.
    explicit ScriptedAgent(const std::string& address, AgentOptions options = {});
    // Opens a stream, says `info` and waits until it is admitted.
    ScriptedAgent(const std::string& address, const iamanager::v6::NodeInfo& info, AgentOptions options = {});
    // Cuts the stream.
    ~ScriptedAgent();

    // Answers each request from now on, on gRPC's thread; nothing is sent for an answer without content.
    void AnswerWith(std::function<node::Reply(const node::Request&)> answer);

    void Send(const node::Reply& message);
    void SendInfo(const iamanager::v6::NodeInfo& info);
    // The next message of the hub that was not answered by AnswerWith; nothing when the stream has ended or `limit` has
    // passed.
    std::optional<node::Request> Receive(absl::Duration limit = absl::Seconds(10));

    // The hub has sent initial metadata. False when the stream ended without, or after `limit`.
    bool WaitUntilAdmitted(absl::Duration limit = absl::Seconds(10));
    // What the hub said of a key in its initial metadata.
    std::string Metadata(const std::string& key);

    // Says that no more messages come.
    void HalfClose();
    // Cuts the stream, as the end of the process does.
    void Cut();
    // How the hub ended the stream; nothing when it has not within `limit`.
    std::optional<grpc::Status> WaitForEnd(absl::Duration limit = absl::Seconds(10));

 private:
    class Stream;

    const std::unique_ptr<Stream> stream_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_SCRIPTED_AGENT_H_
