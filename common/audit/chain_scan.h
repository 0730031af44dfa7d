// Reading the audit log back.
#ifndef PROVHUB_COMMON_AUDIT_CHAIN_SCAN_H_
#define PROVHUB_COMMON_AUDIT_CHAIN_SCAN_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/audit/record.h"
#include "common/runtime/file_descriptor.h"

namespace provhub::audit {

// How far from the end of a file FirstNulls may look.
inline constexpr std::uint64_t kMaxNullsBytes = 64 * 1024;

// Where the chain does not hold.
struct Break {
    std::string file;
    // From 1.
    std::uint64_t line = 0;
    // In bytes from the start of the file.
    std::uint64_t offset = 0;
    // The chain as it was up to there.
    Link before;
    std::string reason;
};

// Follows the chain through files, oldest first. After a break it goes on from the next line that is whole in itself.
class ChainScan {
 public:
    // Reads `file` from its start to its end; `name` is for Break.
    absl::Status Read(const runtime::FileDescriptor& file, const std::string& name);

    // Lines that are whole in themselves, in all files.
    std::uint64_t records() const { return records_; }
    // The number of the first of them.
    std::uint64_t first_seq() const { return first_seq_; }
    // Behind the last line that is whole in itself; nothing when there was none.
    const std::optional<Link>& link() const { return link_; }
    // Whether the last complete line is whole in itself.
    bool ends_well() const { return ends_well_; }

    const std::optional<Break>& first_break() const { return first_break_; }
    const std::optional<Break>& last_break() const { return last_break_; }
    // Of the file read last: its bytes, and how many of them come after the last line feed.
    std::uint64_t file_bytes() const { return file_bytes_; }
    std::uint64_t incomplete_bytes() const { return incomplete_bytes_; }
    // Where the first line with a null byte begins that is within the last `bytes` of the file.
    std::optional<std::uint64_t> FirstNulls(std::uint64_t bytes) const;

 private:
    void TakeLine(absl::string_view line, const std::string& file, std::uint64_t number, std::uint64_t offset);
    absl::Status Check(absl::string_view line);

    std::uint64_t records_ = 0;
    std::uint64_t first_seq_ = 0;
    std::optional<Link> link_;
    bool ends_well_ = true;
    std::optional<Break> first_break_;
    std::optional<Break> last_break_;
    std::uint64_t file_bytes_ = 0;
    std::uint64_t incomplete_bytes_ = 0;
    // Lines of the file with null bytes, by their offsets, as far as they may be asked for.
    std::deque<std::uint64_t> nulls_;
};

struct Verification {
    // Files that there were, and what ChainScan says of them.
    std::uint64_t files = 0;
    std::uint64_t records = 0;
    std::uint64_t first_seq = 0;
    Link last;
    // A line that was being written, or that a power cut left.
    std::uint64_t incomplete_bytes = 0;
    // Nothing when the chain holds.
    std::optional<Break> broken;
};

// The log at `path` with the files that it was rotated to (`path`.1 …), also while a daemon writes it.
//
// The errors are those of reading; NotFound when there is no file.
absl::StatusOr<Verification> Verify(const std::string& path);

// The name of a rotated file: "PATH.3". 0 is the file that is written to.
std::string RotatedName(const std::string& path, std::uint64_t number);

// The numbers of the rotated files that there are, in ascending order.
absl::StatusOr<std::vector<std::uint64_t>> RotatedFiles(const std::string& path);

}  // namespace provhub::audit

#endif  // PROVHUB_COMMON_AUDIT_CHAIN_SCAN_H_
