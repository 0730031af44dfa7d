// Who the unit is: the identifier of the configuration.
#ifndef PROVHUB_COMMON_NODE_IDENTITY_H_
#define PROVHUB_COMMON_NODE_IDENTITY_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/runtime/listeners.h"

namespace provhub::node {

struct SystemIdentity {
    std::string system_id;
    std::string unit_model;
    // The part of the unit model file after the first ';', when there is one.
    std::string version;
};

// Thread-safe. May read files.
class Identity {
 public:
    virtual ~Identity() = default;

    // Errors: FailedPrecondition (no identifier configured, or its file can't be read or is empty).
    virtual absl::StatusOr<SystemIdentity> System() const = 0;
    virtual absl::StatusOr<std::vector<std::string>> Subjects() const = 0;
    [[nodiscard]] virtual runtime::Subscription SubscribeSubjects(
        std::function<void(const std::vector<std::string>&)> listener) = 0;
};

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_IDENTITY_H_
