#include "mainnode/registry/sqlite_file.h"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Transaction.h>
#include <Poco/Exception.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/macros.h"

namespace provhub::registry {
namespace {

using Poco::Data::Session;
using Poco::Data::Transaction;
using Poco::Data::Keywords::into;
using Poco::Data::Keywords::now;

// Poco tries again for as long, whatever the reason.
constexpr std::size_t kOpenTimeoutSeconds = 1;

}  // namespace

SqliteFile::SqliteFile(std::string path, const SqliteFormat& format) : path_(std::move(path)), format_(format) {}

SqliteFile::~SqliteFile() = default;

absl::StatusOr<std::unique_ptr<SqliteFile>> SqliteFile::Open(const std::string& path, const SqliteFormat& format) {
    auto file = std::unique_ptr<SqliteFile>(new SqliteFile(path, format));
    RETURN_IF_ERROR(file->Guarded([&] {
        Poco::Data::SQLite::Connector::registerConnector();
        file->session_ = std::make_unique<Session>(Poco::Data::SQLite::Connector::KEY, path, kOpenTimeoutSeconds);
        return file->Prepare();
    }));
    return file;
}

absl::Status SqliteFile::Run(const std::function<absl::Status(Session&)>& work) {
    return Guarded([&] { return work(*session_); });
}

absl::Status SqliteFile::Damaged(absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(format_.name, " ", path_, " is damaged (", what, "): ", format_.advice));
}

absl::Status SqliteFile::Guarded(const std::function<absl::Status()>& work) const {
    try {
        return work();
    } catch (const Poco::Exception& e) {
        const std::string text = e.displayText();
        if (dynamic_cast<const Poco::Data::SQLite::CorruptImageException*>(&e) != nullptr ||
            text.find("not a database") != std::string::npos || text.find("malformed") != std::string::npos) {
            return Damaged(text);
        }
        return absl::FailedPreconditionError(absl::StrCat(format_.name, " ", path_, ": ", text));
    } catch (const std::exception& e) {
        return absl::InternalError(absl::StrCat(format_.name, " ", path_, ": ", e.what()));
    }
}

absl::Status SqliteFile::Prepare() {
    std::string check;
    *session_ << "PRAGMA quick_check(1)", into(check), now;
    if (check != "ok") {
        return Damaged(check);
    }
    int version = 0;
    *session_ << "PRAGMA user_version", into(version), now;
    if (version > format_.version) {
        return absl::FailedPreconditionError(absl::StrCat(format_.name, " ", path_, " has format ", version,
                                                          ", written by a newer version; this one knows ",
                                                          format_.version));
    }
    std::string mode;
    *session_ << "PRAGMA journal_mode=WAL", into(mode), now;
    *session_ << "PRAGMA synchronous=FULL", now;
    if (version == 0) {
        Transaction transaction(*session_);
        for (const char* statement : format_.schema) {
            *session_ << statement, now;
        }
        *session_ << absl::StrCat("PRAGMA user_version=", format_.version), now;
        transaction.commit();
    }
    return absl::OkStatus();
}

}  // namespace provhub::registry
