// A record of who did what, that tells when somebody changes it.
#ifndef PROVHUB_COMMON_AUDIT_AUDIT_LOG_H_
#define PROVHUB_COMMON_AUDIT_AUDIT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/audit/log_files.h"
#include "common/audit/record.h"
#include "common/runtime/scheduler.h"

namespace provhub::audit {

struct AuditLogOptions {
    std::string path;
    // A file that has grown to this size is rotated.
    std::uint64_t max_bytes = 10 * 1024 * 1024;
    // How many files are kept, the one that is written to included.
    int max_files = 10;
};

// Appends records, chained by their hashes, to a file, and waits for the disk: once for all that came meanwhile. The
// chain goes on from one file to the next.
//
// Each opening leaves a record: "opened"; "recovered", saying how much of an interrupted write was cut off; or
// "restarted", when nothing whole was found at the end to go on from, which stays visible as a break. Damage that the
// log finds is never touched.
//
// Thread-safe.
class AuditLog {
 public:
    using Done = absl::AnyInvocable<void(absl::Status)>;

    enum class Room {
        // Refused while kMaxWaiting records wait.
        kBounded,
        // For the second record of what a first, bounded one has announced.
        kReserved,
    };

    static constexpr std::size_t kMaxWaiting = 4096;

    // Errors: those of LogFiles::Open and of the first append. `clock` MUST outlive the log.
    static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const AuditLogOptions& options,
                                                          const runtime::Scheduler& clock);
    // Writes what waits.
    ~AuditLog();
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;

    // Never blocks. `done` runs once, on the log's own thread: with OK when the record is on the disk, otherwise it is
    // not in the log. Then, or inside this call, with ResourceExhausted. MUST NOT block.
    void Append(Event event, Room room, Done done);

    // A record that changes nothing when it can't be written: that is counted, and said in this process's log. Then, or
    // when it is on the disk, `done` runs as that of Append does.
    void AppendEvent(
        Event event, absl::AnyInvocable<void()> done = [] {});

 private:
    struct Waiting {
        Event event;
        absl::Time time;
        Done done;
    };

    AuditLog(const AuditLogOptions& options, std::unique_ptr<LogFiles> files, const runtime::Scheduler& clock);

    absl::Status WriteOpening();
    void Run();
    // Takes from `waiting` what goes into one write.
    void Write(std::deque<Waiting>& waiting);
    void Report(const absl::Status& status, std::size_t records);

    const AuditLogOptions options_;
    const runtime::Scheduler& clock_;

    // The writing thread's alone.
    const std::unique_ptr<LogFiles> files_;
    Link link_;
    bool rotation_failed_ = false;
    // Since the last record that could be written.
    std::uint64_t lost_ = 0;

    absl::Mutex mutex_;
    std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace provhub::audit

#endif  // PROVHUB_COMMON_AUDIT_AUDIT_LOG_H_
