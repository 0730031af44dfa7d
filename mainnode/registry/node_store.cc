#include "mainnode/registry/node_store.h"

#include <Poco/Data/LOB.h>
#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Transaction.h>
#include <Poco/Exception.h>

#include <cstdint>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status/macros.h"

namespace provhub::registry {
namespace {

using Poco::Data::BLOB;
using Poco::Data::Session;
using Poco::Data::Transaction;
using Poco::Data::Keywords::into;
using Poco::Data::Keywords::now;
using Poco::Data::Keywords::use;

// Poco tries again for as long, whatever the reason.
constexpr std::size_t kOpenTimeoutSeconds = 1;

// PRAGMA user_version of the file.
constexpr int kFormat = 1;

constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS nodes ("
    "node_id TEXT PRIMARY KEY NOT NULL, "
    "info BLOB NOT NULL, "          // iamanager.v6.NodeInfo
    "connected INTEGER NOT NULL, "  // 0 or 1
    "changed INTEGER NOT NULL"      // microseconds since 1970: when the connection last began or ended
    ") WITHOUT ROWID";

absl::Status Damaged(absl::string_view path, absl::string_view what) {
    return absl::DataLossError(absl::StrCat("node registry ", path, " is damaged (", what,
                                            "): restore it, or move it away and let the nodes register again"));
}

// Runs `work`, which may throw.
template <typename Work>
absl::Status Guarded(absl::string_view path, const Work& work) {
    try {
        return work();
    } catch (const Poco::Exception& e) {
        const std::string text = e.displayText();
        if (dynamic_cast<const Poco::Data::SQLite::CorruptImageException*>(&e) != nullptr ||
            text.find("not a database") != std::string::npos || text.find("malformed") != std::string::npos) {
            return Damaged(path, text);
        }
        return absl::FailedPreconditionError(absl::StrCat("node registry ", path, ": ", text));
    } catch (const std::exception& e) {
        return absl::InternalError(absl::StrCat("node registry ", path, ": ", e.what()));
    }
}

absl::Status Prepare(Session& session, const std::string& path) {
    std::string check;
    session << "PRAGMA quick_check(1)", into(check), now;
    if (check != "ok") {
        return Damaged(path, check);
    }
    int format = 0;
    session << "PRAGMA user_version", into(format), now;
    if (format > kFormat) {
        return absl::FailedPreconditionError(absl::StrCat("node registry ", path, " has format ", format,
                                                          ", written by a newer version; this one knows ", kFormat));
    }
    std::string mode;
    session << "PRAGMA journal_mode=WAL", into(mode), now;
    session << "PRAGMA synchronous=FULL", now;
    if (format == 0) {
        Transaction transaction(session);
        session << kSchema, now;
        session << absl::StrCat("PRAGMA user_version=", kFormat), now;
        transaction.commit();
    }
    return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeStore>> NodeStore::Open(const std::string& path) {
    std::unique_ptr<Session> session;
    RETURN_IF_ERROR(Guarded(path, [&] {
        Poco::Data::SQLite::Connector::registerConnector();
        session = std::make_unique<Session>(Poco::Data::SQLite::Connector::KEY, path, kOpenTimeoutSeconds);
        return Prepare(*session, path);
    }));
    return std::unique_ptr<NodeStore>(new NodeStore(path, std::move(session)));
}

NodeStore::NodeStore(std::string path, std::unique_ptr<Session> session)
    : path_(std::move(path)), session_(std::move(session)) {}

NodeStore::~NodeStore() = default;

absl::StatusOr<std::vector<v1::NodeStatus>> NodeStore::Load() {
    std::vector<v1::NodeStatus> nodes;
    RETURN_IF_ERROR(Guarded(path_, [&]() -> absl::Status {
        std::vector<std::string> ids;
        std::vector<BLOB> infos;
        std::vector<bool> connected;
        std::vector<std::int64_t> changed;
        *session_ << "SELECT node_id, info, connected, changed FROM nodes ORDER BY node_id", into(ids), into(infos),
            into(connected), into(changed), now;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            v1::NodeStatus& node = nodes.emplace_back();
            if (!node.mutable_info()->ParseFromArray(infos[i].rawContent(), static_cast<int>(infos[i].size())) ||
                node.info().node_id() != ids[i]) {
                return Damaged(path_, absl::StrCat("row of node '", ids[i], "'"));
            }
            node.set_connected(connected[i]);
            node.mutable_changed()->set_seconds(changed[i] / 1'000'000);
            node.mutable_changed()->set_nanos(static_cast<int>(changed[i] % 1'000'000) * 1000);
        }
        return absl::OkStatus();
    }));
    return nodes;
}

absl::Status NodeStore::Save(const std::vector<NodeStatusPtr>& nodes) {
    return Guarded(path_, [&] {
        Transaction transaction(*session_);
        for (const auto& node : nodes) {
            std::string id = node->info().node_id();
            const std::string bytes = node->info().SerializeAsString();
            BLOB info(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
            int connected = node->connected() ? 1 : 0;
            std::int64_t changed = node->changed().seconds() * 1'000'000 + node->changed().nanos() / 1000;
            *session_ << "INSERT INTO nodes (node_id, info, connected, changed) VALUES (?, ?, ?, ?) ON CONFLICT "
                         "(node_id) DO UPDATE SET info = excluded.info, connected = excluded.connected, changed = "
                         "excluded.changed",
                use(id), use(info), use(connected), use(changed), now;
        }
        transaction.commit();
        return absl::OkStatus();
    });
}

}  // namespace provhub::registry
