// Small files that survive a power cut.
#ifndef PROVHUB_COMMON_RUNTIME_ATOMIC_FILE_H_
#define PROVHUB_COMMON_RUNTIME_ATOMIC_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace provhub::runtime {

// Unset: as the process makes files.
struct FileOwner {
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
};

// Replaces the file `path` (or the symbolic link of that name) by one with exactly `content`, `mode` and `owner`,
// whatever the umask. Readers and a power cut see either the old file or the whole new one, and when this returns OK
// the new one is on the disk. Missing parent directories are made, with search permission for whoever `mode` lets read.
//
// On an error the old file is in place and nothing is left lying about; only where the disk fails in the very last step
// (the directory's own sync) may the new file be there already. What a killed writer left behind is removed by the next
// one. Writers of the same path MUST take turns. Blocks on the disk.
//
// Errors: the code of the errno; the message names the step and the path, never the content.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode,
                                 const FileOwner& owner = {});

// The whole content of a regular file (those of /proc included). Never waits for a pipe or a device. Where the file
// has a size, its content is in the returned buffer only: no other copy of a secret stays in memory.
//
// Errors: NotFound, PermissionDenied, FailedPrecondition (not a regular file, more than `max_bytes`), or the errno's.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes);

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_ATOMIC_FILE_H_
