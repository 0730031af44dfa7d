// The calls of provctl, with deadline, careful repetition and the one kind of error.
#ifndef PROVHUB_TOOLS_PROVCTL_UNIT_CLIENT_H_
#define PROVHUB_TOOLS_PROVCTL_UNIT_CLIENT_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/secret.h"
#include "iamanager/v6/iamanager.pb.h"
#include "provhub/v1/join_tokens.pb.h"
#include "provhub/v1/provhub.pb.h"

namespace grpc {
class ClientContext;
}

namespace provhub::provctl {

struct UnitNode {
    iamanager::v6::NodeInfo info;
    // Unset where the server doesn't say.
    std::optional<bool> connected;
    std::optional<absl::Time> changed;
};

struct ServerVersion {
    std::uint64_t api_version = 0;
    // Of the certificate of a server without an identity (provisioning mode); otherwise empty.
    std::string fingerprint;
    // Unset where the server is of other make.
    std::optional<provhub::v1::ServerInfo> info;
};

// Thread-safe; every call blocks. An operation that ran and failed, and a call that could not be carried, are both
// errors here, with the server's message.
//
// A call that the server says it has not sent to the node (Unavailable) is repeated for some seconds. One whose outcome
// is unknown is repeated only where it changes nothing.
class UnitClient {
 public:
    // `server` is for messages.
    UnitClient(std::shared_ptr<grpc::Channel> channel, std::string server, absl::Duration timeout);

    // In the order of their node IDs.
    absl::StatusOr<std::vector<UnitNode>> ListNodes();

    // Tells of every change from the moment on at which `on_open` runs, until `stop` is requested (OK), `on_open` fails
    // or the stream ends.
    absl::Status WatchNodes(const std::stop_token& stop, const std::function<absl::Status()>& on_open,
                            const std::function<void(const UnitNode&)>& on_change);

    // Of the node that serves, where `node_id` is empty. An empty list of types: all. From servers of other make only
    // the newest certificate of named types can be had, and of themselves.
    absl::StatusOr<std::vector<provhub::v1::Certificate>> ListCertificates(const std::vector<std::string>& types,
                                                                           const std::string& node_id = {});

    absl::StatusOr<ServerVersion> GetVersion();

    absl::Status StartProvisioning(const std::string& node_id, const crypto::Secret& password);
    absl::StatusOr<std::vector<std::string>> GetCertTypes(const std::string& node_id);
    // The CSR, PEM.
    absl::StatusOr<std::string> CreateKey(const std::string& node_id, const std::string& type,
                                          const std::string& subject, const crypto::Secret& password);
    absl::StatusOr<iamanager::v6::CertInfo> ApplyCert(const std::string& node_id, const std::string& type,
                                                      const std::string& chain_pem);
    absl::Status FinishProvisioning(const std::string& node_id, const crypto::Secret& password);
    absl::Status Deprovision(const std::string& node_id, const crypto::Secret& password);
    absl::Status PauseNode(const std::string& node_id);
    absl::Status ResumeNode(const std::string& node_id);

    // An empty `node_id`: for any node.
    absl::StatusOr<provhub::v1::CreateJoinTokenResponse> CreateJoinToken(const std::string& node_id,
                                                                         absl::Duration ttl);
    absl::StatusOr<std::vector<provhub::v1::JoinToken>> ListJoinTokens();
    absl::Status RevokeJoinToken(const std::string& id);

 private:
    enum class Effect { kNone, kChangesNode };

    template <typename Stub, typename Request, typename Response>
    absl::Status Call(Effect effect, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, Response* response);

    // Between two attempts.
    void Pause();

    absl::StatusOr<std::vector<UnitNode>> ListNodesByContract();

    const std::shared_ptr<grpc::Channel> channel_;
    const std::string server_;
    const absl::Duration timeout_;
};

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_UNIT_CLIENT_H_
