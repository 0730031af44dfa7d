// The file that keeps a node's state over restarts. Its first line is the state word; the lines after it are
// "key: value".
#ifndef PROVHUB_COMMON_NODE_STATE_FILE_H_
#define PROVHUB_COMMON_NODE_STATE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/node/node_state.h"

namespace provhub::node {

struct StateRecord {
    NodeState state = NodeState::kUnprovisioned;
    Phase phase = Phase::kNone;

    bool operator==(const StateRecord&) const = default;
};

// No file is a node that was never provisioned. Of the further lines only "phase" is read, the others are for people.
//
// Errors: FailedPrecondition (unknown word, phase said twice, no regular file, over 64 KiB), or what keeps it from
// being read.
absl::StatusOr<StateRecord> ReadStateFile(const std::string& path);

// Atomic and durable, mode 0644; on an error the old file is in place.
absl::Status WriteStateFile(const std::string& path, const StateRecord& record, absl::Time updated);

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_STATE_FILE_H_
