// The file that the node registry lives in.
#ifndef PROVHUB_MAINNODE_REGISTRY_NODE_STORE_H_
#define PROVHUB_MAINNODE_REGISTRY_NODE_STORE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mainnode/registry/sqlite_file.h"
#include "provhub/v1/provhub.pb.h"

namespace provhub::registry {

using NodeStatusPtr = std::shared_ptr<const v1::NodeStatus>;

// One call at a time, all of them block on the disk.
class NodeStore {
 public:
    // Makes the file when there is none. Errors: those of SqliteFile::Open.
    static absl::StatusOr<std::unique_ptr<NodeStore>> Open(const std::string& path);
    ~NodeStore();

    // DataLoss when a row can't be understood.
    absl::StatusOr<std::vector<v1::NodeStatus>> Load();

    // Stores all of `nodes`, or none of them; durable when this returns OK.
    absl::Status Save(const std::vector<NodeStatusPtr>& nodes);

 private:
    explicit NodeStore(std::unique_ptr<SqliteFile> file) : file_(std::move(file)) {}

    const std::unique_ptr<SqliteFile> file_;
};

}  // namespace provhub::registry

#endif  // PROVHUB_MAINNODE_REGISTRY_NODE_STORE_H_
