// The identifier plugin "fileidentifier": files say who the unit is.
#ifndef PROVHUB_COMMON_NODE_FILE_IDENTITY_H_
#define PROVHUB_COMMON_NODE_FILE_IDENTITY_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/node/identity.h"
#include "common/runtime/listeners.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::node {

// Reads the files anew at every call, so that a system ID which is only written after the start is found. The system ID
// and the unit model ("MODEL;VERSION") are the first lines of theirs, the subjects each a line of their own, blank ones
// skipped. Unit model and subjects are empty where no file is configured for them, the subjects also where theirs does
// not exist. Everything is printable ASCII.
class FileIdentity final : public Identity {
 public:
    // Without an identifier in the configuration every question is answered with FailedPrecondition.
    explicit FileIdentity(const config::v1::Config& config);

    absl::StatusOr<SystemIdentity> System() const override;
    absl::StatusOr<std::vector<std::string>> Subjects() const override;
    [[nodiscard]] runtime::Subscription SubscribeSubjects(
        std::function<void(const std::vector<std::string>&)> listener) override;

    // Tells the listeners when the subjects are others than at the start or at the last Refresh. Subjects that can't be
    // read count as unchanged. One thread at a time.
    void Refresh();

 private:
    absl::Status CheckConfigured() const;

    const bool configured_;
    const config::v1::IdentifierParams files_;
    // Of the start or the last Refresh.
    std::vector<std::string> known_subjects_;
    runtime::Listeners<std::vector<std::string>> listeners_;
};

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_FILE_IDENTITY_H_
