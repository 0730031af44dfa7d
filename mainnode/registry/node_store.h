// The file that the node registry lives in.
#ifndef PROVHUB_MAINNODE_REGISTRY_NODE_STORE_H_
#define PROVHUB_MAINNODE_REGISTRY_NODE_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "provhub/v1/provhub.pb.h"

namespace Poco::Data {
class Session;
}

namespace provhub::registry {

using NodeStatusPtr = std::shared_ptr<const v1::NodeStatus>;

// SQLite. One call at a time, all of them block on the disk.
class NodeStore {
 public:
    // Makes the file when there is none. A file that is damaged, or of another format, is left as it is: DataLoss.
    // FailedPrecondition when it can't be opened or was written by a newer version.
    static absl::StatusOr<std::unique_ptr<NodeStore>> Open(const std::string& path);
    ~NodeStore();

    // DataLoss when a row can't be understood.
    absl::StatusOr<std::vector<v1::NodeStatus>> Load();

    // Stores all of `nodes`, or none of them; durable when this returns OK.
    absl::Status Save(const std::vector<NodeStatusPtr>& nodes);

 private:
    NodeStore(std::string path, std::unique_ptr<Poco::Data::Session> session);

    const std::string path_;
    const std::unique_ptr<Poco::Data::Session> session_;
};

}  // namespace provhub::registry

#endif  // PROVHUB_MAINNODE_REGISTRY_NODE_STORE_H_
