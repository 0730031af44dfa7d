// One line of the audit log.
#ifndef PROVHUB_COMMON_AUDIT_RECORD_H_
#define PROVHUB_COMMON_AUDIT_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace provhub::audit {

// What happened. The texts may come from anybody: what is too long is cut off, what isn't UTF-8 is replaced. They MUST
// hold no secret.
struct Event {
    // "begun" and "done" of an operation, "refused", and those of the log itself: "opened", "recovered", "restarted".
    std::string event;
    std::string operation_id = {};
    std::string caller = {};
    std::string method = {};
    std::string node = {};
    // Name of a status code, such as "PERMISSION_DENIED".
    std::string result = {};
    std::string message = {};
    std::optional<absl::Duration> duration = {};
};

// A place between two lines: number and hash of the line before. The default is that before the first line of all.
struct Link {
    std::uint64_t seq = 0;
    // Of SHA-256, lower-case hexadecimal.
    std::string hash = std::string(64, '0');
};

// Longer ones are not ours.
inline constexpr std::size_t kMaxRecordBytes = 16 * 1024;

// One JSON object in ASCII and a line feed:
//   {"seq":…,"time":…,"event":…,"operation_id":…,"caller":…,"method":…,"node":…,"result":…,"message":…,"duration_ms":…,
//   "prev":…,"hash":…}
// `hash` is the SHA-256 of the line's bytes before `,"hash"`, `prev` that of the line before. Moves `link` behind the
// line.
std::string FormatRecord(const Event& event, absl::Time time, Link& link);

// What chains a line to others.
struct ChainedLine {
    // Of the line before, as the line says.
    std::string prev;
    Link link;
};

// `line` without its line feed. InvalidArgument when it has not the form of a record, DataLoss when it isn't what its
// hash was made of.
absl::StatusOr<ChainedLine> ParseRecord(absl::string_view line);

}  // namespace provhub::audit

#endif  // PROVHUB_COMMON_AUDIT_RECORD_H_
