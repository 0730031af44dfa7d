// The files of the audit log.
#ifndef PROVHUB_COMMON_AUDIT_LOG_FILES_H_
#define PROVHUB_COMMON_AUDIT_LOG_FILES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/audit/chain_scan.h"
#include "common/audit/record.h"
#include "common/runtime/file_descriptor.h"

namespace provhub::audit {

// PATH, which is appended to, and the files that it became when it was full: PATH.1, PATH.2 and so on, the newest
// first. A power cut at any moment leaves what Open makes a whole log of, without losing what Append has taken. One
// thread at a time. Blocks on the disk.
class LogFiles {
 public:
    // What one Append may write, and so what a power cut may leave half written.
    static constexpr std::size_t kMaxBatchBytes = kMaxNullsBytes;

    // How the log was found.
    struct Found {
        // Where the next record belongs.
        Link link;
        // How much of an append that a power cut or a kill interrupted was cut off.
        std::uint64_t cut_bytes = 0;
        // Set when no record could be found to go on from though there was something; the chain begins anew.
        std::string no_tail;
        // The first break in the file that is appended to, or in the one before where that is empty. What is there is
        // left alone.
        std::optional<Break> damage;
    };

    // Makes PATH, mode 0600, where it isn't there, in a directory that MUST be. `max_files` counts PATH as well.
    //
    // Errors: FailedPrecondition (not a regular file, others may write it, another process has it, a link), NotFound
    // (no such directory), or the errno's.
    static absl::StatusOr<std::unique_ptr<LogFiles>> Open(const std::string& path, int max_files);

    const Found& found() const { return found_; }
    // Of PATH.
    std::uint64_t bytes() const { return bytes_; }

    // `lines` are on the disk when this returns OK; after an error nothing of them is there, or is cut off before the
    // next ones are written.
    absl::Status Append(absl::string_view lines);

    // Goes on in an empty PATH, making room for what was in it, and removes what is over `max_files`. After an error
    // Append goes on where it was.
    absl::Status Rotate();

 private:
    LogFiles(std::string path, int max_files) : path_(std::move(path)), max_files_(max_files) {}

    absl::Status FindTail();
    // Reads a file and cuts off what an interrupted append left.
    absl::StatusOr<ChainScan> Repair(const runtime::FileDescriptor& file, const std::string& name);
    // Moves PATH to PATH.1, PATH.1 to PATH.2 and so on up to the first number that is free.
    absl::Status MakeRoom();
    absl::Status SyncDirectory() const;

    const std::string path_;
    const int max_files_;
    runtime::FileDescriptor directory_;
    runtime::FileDescriptor file_;
    std::uint64_t bytes_ = 0;
    // Whether something may come after `bytes_`.
    bool unclean_ = false;
    Found found_;
};

}  // namespace provhub::audit

#endif  // PROVHUB_COMMON_AUDIT_LOG_FILES_H_
