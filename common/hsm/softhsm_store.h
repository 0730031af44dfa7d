// Where SoftHSM keeps its tokens on the disk.
#ifndef PROVHUB_COMMON_HSM_SOFTHSM_STORE_H_
#define PROVHUB_COMMON_HSM_SOFTHSM_STORE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace provhub::hsm {

// SoftHSM's object store: one directory for each token, in it one file for each object and token.object for the token
// itself. SoftHSM writes them in place and never syncs them.
class SoftHsmStore {
 public:
    // The store that `library` uses in this process, found as SoftHSM finds it (SOFTHSM2_CONF, then the user's own
    // configuration, then the system's). None where the library isn't SoftHSM, by its name, or its store isn't files.
    static std::optional<SoftHsmStore> Locate(const std::string& library);

    // Of the whole store.
    const std::string& path() const { return path_; }

    // Of the token with this serial number; none: no such directory.
    std::optional<std::string> TokenDirectory(absl::string_view serial) const;

    // Everything of the token is on the disk when this returns OK.
    absl::Status Sync(absl::string_view serial) const;

 private:
    explicit SoftHsmStore(std::string path) : path_(std::move(path)) {}

    std::string path_;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_SOFTHSM_STORE_H_
