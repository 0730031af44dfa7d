// Loads and validates the configuration file.
#ifndef PROVHUB_COMMON_CONFIG_CONFIG_H_
#define PROVHUB_COMMON_CONFIG_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::config {

enum class NodeKind { kMain, kSecondary };

// Reads `path`, matches keys without regard to case, refuses unknown ones naming the nearest known one, fills in the
// defaults, and checks every value that can be checked by itself (one token selector, known algorithm, unique types,
// listen addresses, positive durations, ...). A key that only the other kind of node uses is accepted.
//
// Errors: NotFound or PermissionDenied (the file), InvalidArgument: "FILE: certModules[2].maxItems: expected a whole
// number from 1 to 64, got -1", one line.
absl::StatusOr<v1::Config> Load(const std::string& path, NodeKind kind);

struct LoadResult {
    // Complete where there are no faults.
    v1::Config config;
    // As the errors of Load: first those of keys and types, then those of values, in the order of the schema.
    std::vector<absl::Status> faults;
};

// As Load, for a person who corrects the file: does not stop at the first fault.
LoadResult LoadWithEveryFault(const std::string& path, NodeKind kind);

// Whether anybody on the way can read what is said while nodes are provisioned.
bool ProvisionsInPlaintext(const v1::Config& config);

absl::Duration ToDuration(const google::protobuf::Duration& duration);

}  // namespace provhub::config

#endif  // PROVHUB_COMMON_CONFIG_CONFIG_H_
