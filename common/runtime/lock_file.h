// Makes sure that one process alone works in a place.
#ifndef PROVHUB_COMMON_RUNTIME_LOCK_FILE_H_
#define PROVHUB_COMMON_RUNTIME_LOCK_FILE_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/runtime/file_descriptor.h"

namespace provhub::runtime {

// Holds an exclusive lock, flock(2), until destroyed or the process ends, however it ends. The programs that this
// process starts don't inherit it. The file stays; its content is the holder's process ID.
class LockFile {
 public:
    // Makes the file where it is missing, mode 0600; its directory MUST exist. Does not wait.
    //
    // Errors: FailedPrecondition (held by another process, which the message names; not a regular file), or the
    // errno's.
    static absl::StatusOr<LockFile> Acquire(const std::string& path);

 private:
    explicit LockFile(FileDescriptor file) : file_(std::move(file)) {}

    FileDescriptor file_;
};

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_LOCK_FILE_H_
