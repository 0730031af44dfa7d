#include "mainnode/registry/node_store.h"

#include <Poco/Data/LOB.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Transaction.h>
#include <google/protobuf/util/time_util.h>

#include <array>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/macros.h"

namespace provhub::registry {
namespace {

using google::protobuf::util::TimeUtil;
using Poco::Data::BLOB;
using Poco::Data::Session;
using Poco::Data::Transaction;
using Poco::Data::Keywords::into;
using Poco::Data::Keywords::now;
using Poco::Data::Keywords::use;

constexpr std::array kSchema = {
    "CREATE TABLE IF NOT EXISTS nodes ("
    "node_id TEXT PRIMARY KEY NOT NULL, "
    "info BLOB NOT NULL, "          // iamanager.v6.NodeInfo
    "connected INTEGER NOT NULL, "  // 0 or 1
    "changed INTEGER NOT NULL"      // microseconds since 1970: when the connection last began or ended
    ") WITHOUT ROWID",
};

constexpr SqliteFormat kFormat = {.name = "node registry",
                                  .version = 1,
                                  .schema = kSchema,
                                  .advice = "restore it, or move it away and let the nodes register again"};

}  // namespace

absl::StatusOr<std::unique_ptr<NodeStore>> NodeStore::Open(const std::string& path) {
    ASSIGN_OR_RETURN(auto file, SqliteFile::Open(path, kFormat));
    return std::unique_ptr<NodeStore>(new NodeStore(std::move(file)));
}

NodeStore::~NodeStore() = default;

absl::StatusOr<std::vector<v1::NodeStatus>> NodeStore::Load() {
    std::vector<v1::NodeStatus> nodes;
    RETURN_IF_ERROR(file_->Run([&](Session& session) -> absl::Status {
        std::vector<std::string> ids;
        std::vector<BLOB> infos;
        std::vector<bool> connected;
        std::vector<std::int64_t> changed;
        session << "SELECT node_id, info, connected, changed FROM nodes ORDER BY node_id", into(ids), into(infos),
            into(connected), into(changed), now;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            v1::NodeStatus& node = nodes.emplace_back();
            if (!node.mutable_info()->ParseFromArray(infos[i].rawContent(), static_cast<int>(infos[i].size())) ||
                node.info().node_id() != ids[i]) {
                return file_->Damaged(absl::StrCat("row of node '", ids[i], "'"));
            }
            node.set_connected(connected[i]);
            *node.mutable_changed() = TimeUtil::MicrosecondsToTimestamp(changed[i]);
        }
        return absl::OkStatus();
    }));
    return nodes;
}

absl::Status NodeStore::Save(const std::vector<NodeStatusPtr>& nodes) {
    return file_->Run([&](Session& session) {
        Transaction transaction(session);
        for (const auto& node : nodes) {
            std::string id = node->info().node_id();
            const std::string bytes = node->info().SerializeAsString();
            BLOB info(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
            int connected = node->connected() ? 1 : 0;
            std::int64_t changed = TimeUtil::TimestampToMicroseconds(node->changed());
            session << "INSERT INTO nodes (node_id, info, connected, changed) VALUES (?, ?, ?, ?) ON CONFLICT "
                       "(node_id) DO UPDATE SET info = excluded.info, connected = excluded.connected, changed = "
                       "excluded.changed",
                use(id), use(info), use(connected), use(changed), now;
        }
        transaction.commit();
        return absl::OkStatus();
    });
}

}  // namespace provhub::registry
