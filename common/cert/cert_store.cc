#include "common/cert/cert_store.h"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Transaction.h>
#include <Poco/Tuple.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/runtime/file_descriptor.h"
#include "common/status/macros.h"

namespace provhub::cert {
namespace {

using Poco::Data::Session;
using Poco::Data::Keywords::bind;
using Poco::Data::Keywords::into;
using Poco::Data::Keywords::limit;
using Poco::Data::Keywords::now;

constexpr int kSchemaVersion = 1;

// Binary values are stored as hexadecimal text.
constexpr std::array kSchema = {
    "CREATE TABLE tokens (name TEXT PRIMARY KEY, serial TEXT NOT NULL)",
    "CREATE TABLE keys (seq INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, object_id TEXT NOT NULL, "
    "type TEXT NOT NULL, state TEXT NOT NULL, created INTEGER NOT NULL, public_key TEXT NOT NULL, "
    "UNIQUE (token, object_id))",
    "CREATE TABLE certificates (seq INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, object_id TEXT NOT NULL, "
    "type TEXT NOT NULL, issuer_der TEXT NOT NULL, serial TEXT NOT NULL, cert_url TEXT NOT NULL, "
    "key_url TEXT NOT NULL, subject TEXT NOT NULL, issuer TEXT NOT NULL, not_before INTEGER NOT NULL, "
    "not_after INTEGER NOT NULL, self_signed INTEGER NOT NULL, UNIQUE (token, object_id))",
    "CREATE TABLE chains (token TEXT NOT NULL, leaf TEXT NOT NULL, authority TEXT NOT NULL, "
    "PRIMARY KEY (token, leaf, authority))",
};

constexpr std::array kStateWords = {
    std::pair{KeyState::kPending, "pending"},
    std::pair{KeyState::kActive, "active"},
    std::pair{KeyState::kAuthority, "authority"},
};

std::string ToWord(KeyState state) {
    for (const auto& [value, word] : kStateWords) {
        if (value == state) {
            return word;
        }
    }
    return {};
}

absl::StatusOr<KeyState> FromWord(const std::string& text) {
    for (const auto& [value, word] : kStateWords) {
        if (text == word) {
            return value;
        }
    }
    return absl::DataLossError(absl::StrCat("a key is in the unknown state '", text, "'"));
}

std::string Hex(absl::string_view bytes) {
    return absl::BytesToHexString(bytes);
}

std::string Unhex(const std::string& text) {
    return absl::HexStringToBytes(text);
}

// Runs `work` and turns what Poco throws into a status.
absl::Status Guarded(const std::string& path, absl::string_view doing, absl::FunctionRef<absl::Status()> work) {
    const auto message = [&](absl::string_view what) {
        return absl::StrCat("database '", path, "': ", doing, ": ", what);
    };
    try {
        const absl::Status status = work();
        return status.ok() ? status : absl::Status(status.code(), message(status.message()));
    } catch (const Poco::Data::SQLite::CorruptImageException& e) {
        return absl::DataLossError(
            message(absl::StrCat(e.displayText(),
                                 "; bring back a copy of it, or move it away and provision the node "
                                 "again")));
    } catch (const Poco::Data::SQLite::DatabaseFullException& e) {
        return absl::ResourceExhaustedError(message(e.displayText()));
    } catch (const Poco::Exception& e) {
        return absl::InternalError(message(e.displayText()));
    } catch (const std::exception& e) {
        return absl::InternalError(message(e.what()));
    }
}

// SQLite gives its journal the mode of the database.
absl::Status MakePrivateFile(const std::string& path) {
    const runtime::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid()) {
        return absl::ErrnoToStatus(errno, absl::StrCat("database '", path, "': open"));
    }
    if (::fchmod(file.get(), 0600) != 0) {
        return absl::ErrnoToStatus(errno, absl::StrCat("database '", path, "': chmod"));
    }
    return absl::OkStatus();
}

absl::Status PrepareSchema(Session& session) {
    std::string verdict;
    session << "PRAGMA quick_check(1)", into(verdict), now;
    if (verdict != "ok") {
        return absl::DataLossError(absl::StrCat(
            "it is damaged (", verdict, "); bring back a copy of it, or move it away and provision the node again"));
    }
    std::string journal;
    session << "PRAGMA journal_mode=WAL", into(journal), now;
    session << "PRAGMA synchronous=FULL", now;
    int version = 0;
    session << "PRAGMA user_version", into(version), now;
    if (version == kSchemaVersion) {
        return absl::OkStatus();
    }
    if (version != 0) {
        return absl::FailedPreconditionError(absl::StrCat("it has schema version ", version,
                                                          ", and this program knows ", kSchemaVersion,
                                                          " only: run the program that wrote it, or a newer one"));
    }
    Poco::Data::Transaction transaction(session);
    for (const char* statement : kSchema) {
        session << statement, now;
    }
    session << absl::StrCat("PRAGMA user_version=", kSchemaVersion), now;
    transaction.commit();
    return absl::OkStatus();
}

class SqliteCertStore final : public CertStore {
 public:
    SqliteCertStore(std::string path, Session session) : path_(std::move(path)), session_(std::move(session)) {}

    absl::Status Add(const ManifestEntry& entry) override;
    absl::Status SetPublicKey(const std::string& token, const hsm::ObjectId& id, absl::string_view public_key) override;
    absl::Status Remove(const std::string& token, const hsm::ObjectId& id) override;
    absl::StatusOr<std::vector<ManifestEntry>> Entries() override;
    absl::StatusOr<std::vector<hsm::ObjectId>> UnusedAuthorities(const std::string& token) override;
    absl::Status Activate(const std::string& token, const CertRecord& record,
                          const std::vector<hsm::ObjectId>& authorities) override;
    absl::StatusOr<std::vector<StoredCertificate>> Certificates() override;
    absl::Status AddToken(const std::string& token, const std::string& serial) override;
    absl::StatusOr<std::map<std::string, std::string>> Tokens() override;
    absl::Status Clear() override;

 private:
    // Runs `work` in a transaction, committed when it returns OK.
    absl::Status Change(absl::string_view doing, absl::FunctionRef<absl::Status(Session&)> work);
    absl::Status Read(absl::string_view doing, absl::FunctionRef<absl::Status(Session&)> work);

    const std::string path_;
    // Held while SQLite works: the session is nobody else's, and nothing else is called under it.
    absl::Mutex mutex_;
    Session session_ ABSL_GUARDED_BY(mutex_);
};

absl::Status SqliteCertStore::Change(absl::string_view doing, absl::FunctionRef<absl::Status(Session&)> work) {
    absl::MutexLock lock(&mutex_);
    return Guarded(path_, doing, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
        Poco::Data::Transaction transaction(session_);
        RETURN_IF_ERROR(work(session_));
        transaction.commit();
        return absl::OkStatus();
    });
}

absl::Status SqliteCertStore::Read(absl::string_view doing, absl::FunctionRef<absl::Status(Session&)> work) {
    absl::MutexLock lock(&mutex_);
    return Guarded(path_, doing, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return work(session_); });
}

absl::Status SqliteCertStore::Add(const ManifestEntry& entry) {
    return Change("adding a key", [&](Session& session) -> absl::Status {
        std::string existing;
        session << "SELECT state FROM keys WHERE token = ? AND object_id = ?", into(existing), bind(entry.token),
            bind(Hex(entry.id)), now;
        if (!existing.empty()) {
            return existing == ToWord(KeyState::kAuthority) && entry.state == KeyState::kAuthority
                       ? absl::OkStatus()
                       : absl::AlreadyExistsError("its ID is taken");
        }
        session << "INSERT INTO keys (token, object_id, type, state, created, public_key) VALUES (?, ?, ?, ?, ?, ?)",
            bind(entry.token), bind(Hex(entry.id)), bind(entry.type), bind(ToWord(entry.state)),
            bind(absl::ToUnixSeconds(entry.created)), bind(Hex(entry.public_key)), now;
        return absl::OkStatus();
    });
}

absl::Status SqliteCertStore::SetPublicKey(const std::string& token, const hsm::ObjectId& id,
                                           absl::string_view public_key) {
    return Change("recording a public key", [&](Session& session) -> absl::Status {
        session << "UPDATE keys SET public_key = ? WHERE token = ? AND object_id = ?", bind(Hex(public_key)),
            bind(token), bind(Hex(id)), now;
        return absl::OkStatus();
    });
}

absl::Status SqliteCertStore::Remove(const std::string& token, const hsm::ObjectId& id) {
    return Change("removing a key", [&](Session& session) -> absl::Status {
        session << "DELETE FROM certificates WHERE token = ? AND object_id = ?", bind(token), bind(Hex(id)), now;
        session << "DELETE FROM chains WHERE token = ? AND leaf = ?", bind(token), bind(Hex(id)), now;
        session << "DELETE FROM keys WHERE token = ? AND object_id = ?", bind(token), bind(Hex(id)), now;
        return absl::OkStatus();
    });
}

absl::StatusOr<std::vector<ManifestEntry>> SqliteCertStore::Entries() {
    using Row = Poco::Tuple<std::string, std::string, std::string, std::string, Poco::Int64, std::string>;
    std::vector<ManifestEntry> entries;
    RETURN_IF_ERROR(Read("reading the keys", [&](Session& session) -> absl::Status {
        std::vector<Row> rows;
        session << "SELECT object_id, token, type, state, created, public_key FROM keys ORDER BY seq", into(rows), now;
        for (const Row& row : rows) {
            ASSIGN_OR_RETURN(const KeyState state, FromWord(row.get<3>()));
            entries.push_back({.id = Unhex(row.get<0>()),
                               .token = row.get<1>(),
                               .type = row.get<2>(),
                               .state = state,
                               .created = absl::FromUnixSeconds(row.get<4>()),
                               .public_key = Unhex(row.get<5>())});
        }
        return absl::OkStatus();
    }));
    return entries;
}

absl::StatusOr<std::vector<hsm::ObjectId>> SqliteCertStore::UnusedAuthorities(const std::string& token) {
    std::vector<hsm::ObjectId> ids;
    RETURN_IF_ERROR(Read("reading the authorities", [&](Session& session) -> absl::Status {
        std::vector<std::string> rows;
        session << "SELECT object_id FROM keys WHERE token = ? AND state = 'authority' AND NOT EXISTS (SELECT 1 FROM "
                   "chains WHERE chains.token = keys.token AND chains.authority = keys.object_id) ORDER BY seq",
            into(rows), bind(token), now;
        for (const std::string& row : rows) {
            ids.push_back(Unhex(row));
        }
        return absl::OkStatus();
    }));
    return ids;
}

absl::Status SqliteCertStore::Activate(const std::string& token, const CertRecord& record,
                                       const std::vector<hsm::ObjectId>& authorities) {
    return Change("putting a certificate into use", [&](Session& session) -> absl::Status {
        const std::string id = Hex(record.object_id);
        std::size_t changed = 0;
        Poco::Data::Statement update = (session << "UPDATE keys SET state = 'active' WHERE token = ? AND object_id = ? "
                                                   "AND state = 'pending'",
                                        bind(token), bind(id));
        changed = update.execute();
        if (changed != 1) {
            return absl::FailedPreconditionError("its key is not pending any more");
        }
        session << "INSERT INTO certificates (token, object_id, type, issuer_der, serial, cert_url, key_url, subject, "
                   "issuer, not_before, not_after, self_signed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            bind(token), bind(id), bind(record.type), bind(Hex(record.issuer_der)), bind(record.serial),
            bind(record.cert_url), bind(record.key_url), bind(record.subject), bind(record.issuer),
            bind(absl::ToUnixSeconds(record.not_before)), bind(absl::ToUnixSeconds(record.not_after)),
            bind(record.self_signed ? 1 : 0), now;
        for (const hsm::ObjectId& authority : authorities) {
            session << "INSERT OR IGNORE INTO chains (token, leaf, authority) VALUES (?, ?, ?)", bind(token), bind(id),
                bind(Hex(authority)), now;
        }
        return absl::OkStatus();
    });
}

absl::StatusOr<std::vector<StoredCertificate>> SqliteCertStore::Certificates() {
    using Row = Poco::Tuple<std::string, std::string, std::string, std::string, std::string, std::string, std::string,
                            std::string, std::string, Poco::Int64, Poco::Int64, int>;
    std::vector<StoredCertificate> certificates;
    RETURN_IF_ERROR(Read("reading the certificates", [&](Session& session) -> absl::Status {
        std::vector<Row> rows;
        session << "SELECT token, object_id, type, issuer_der, serial, cert_url, key_url, subject, issuer, not_before, "
                   "not_after, self_signed FROM certificates ORDER BY seq",
            into(rows), now;
        for (const Row& row : rows) {
            certificates.push_back({.token = row.get<0>(),
                                    .record = {.type = row.get<2>(),
                                               .issuer_der = Unhex(row.get<3>()),
                                               .serial = row.get<4>(),
                                               .cert_url = row.get<5>(),
                                               .key_url = row.get<6>(),
                                               .subject = row.get<7>(),
                                               .issuer = row.get<8>(),
                                               .not_before = absl::FromUnixSeconds(row.get<9>()),
                                               .not_after = absl::FromUnixSeconds(row.get<10>()),
                                               .self_signed = row.get<11>() != 0,
                                               .object_id = Unhex(row.get<1>())}});
        }
        return absl::OkStatus();
    }));
    return certificates;
}

absl::Status SqliteCertStore::AddToken(const std::string& token, const std::string& serial) {
    return Change("recording a token", [&](Session& session) -> absl::Status {
        session << "INSERT OR REPLACE INTO tokens (name, serial) VALUES (?, ?)", bind(token), bind(serial), now;
        return absl::OkStatus();
    });
}

absl::StatusOr<std::map<std::string, std::string>> SqliteCertStore::Tokens() {
    std::map<std::string, std::string> tokens;
    RETURN_IF_ERROR(Read("reading the tokens", [&](Session& session) -> absl::Status {
        std::vector<Poco::Tuple<std::string, std::string>> rows;
        session << "SELECT name, serial FROM tokens", into(rows), now;
        for (const auto& row : rows) {
            tokens.emplace(row.get<0>(), row.get<1>());
        }
        return absl::OkStatus();
    }));
    return tokens;
}

absl::Status SqliteCertStore::Clear() {
    return Change("forgetting all keys", [](Session& session) -> absl::Status {
        for (const char* table : {"chains", "certificates", "keys", "tokens"}) {
            session << absl::StrCat("DELETE FROM ", table), now;
        }
        return absl::OkStatus();
    });
}

}  // namespace

absl::StatusOr<std::unique_ptr<CertStore>> CertStore::Open(const std::string& path) {
    RETURN_IF_ERROR(MakePrivateFile(path));
    std::unique_ptr<CertStore> store;
    RETURN_IF_ERROR(Guarded(path, "opening it", [&]() -> absl::Status {
        Poco::Data::SQLite::Connector::registerConnector();
        Session session(Poco::Data::SQLite::Connector::KEY, path);
        RETURN_IF_ERROR(PrepareSchema(session));
        store = std::make_unique<SqliteCertStore>(path, std::move(session));
        return absl::OkStatus();
    }));
    return store;
}

}  // namespace provhub::cert
