// A SQLite file of the main node's.
#ifndef PROVHUB_MAINNODE_REGISTRY_SQLITE_FILE_H_
#define PROVHUB_MAINNODE_REGISTRY_SQLITE_FILE_H_

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace Poco::Data {
class Session;
}

namespace provhub::registry {

struct SqliteFormat {
    // What the file is, for messages.
    const char* name;
    // PRAGMA user_version of the file.
    int version;
    // The statements that make an empty file one of this format.
    std::span<const char* const> schema;
    // What to do with a damaged file.
    const char* advice;
};

// One call at a time, all of them block on the disk. What is committed survives a power cut.
class SqliteFile {
 public:
    // Makes the file when there is none. A file that is damaged, or of another format, is left as it is: DataLoss.
    // FailedPrecondition when it can't be opened or was written by a newer version.
    static absl::StatusOr<std::unique_ptr<SqliteFile>> Open(const std::string& path, const SqliteFormat& format);
    ~SqliteFile();

    // Runs `work`, which may throw.
    absl::Status Run(const std::function<absl::Status(Poco::Data::Session&)>& work);

    // DataLoss, with the advice.
    absl::Status Damaged(absl::string_view what) const;

 private:
    SqliteFile(std::string path, const SqliteFormat& format);

    absl::Status Guarded(const std::function<absl::Status()>& work) const;
    absl::Status Prepare();

    const std::string path_;
    const SqliteFormat format_;
    std::unique_ptr<Poco::Data::Session> session_;
};

}  // namespace provhub::registry

#endif  // PROVHUB_MAINNODE_REGISTRY_SQLITE_FILE_H_
