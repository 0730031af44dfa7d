// Where SoftHSM keeps its tokens on the disk.
#ifndef PROVHUB_COMMON_HSM_SOFTHSM_STORE_H_
#define PROVHUB_COMMON_HSM_SOFTHSM_STORE_H_

#include <cstddef>
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

    // Whether the token's file lacks the SO PIN: its first initialisation was cut off. C_InitToken then goes on to make
    // it empty and leaves it without, so that nobody can ever log in to it. False where the file can't be read.
    bool IsHalfMade(absl::string_view serial) const;

    // Removes the directory of a half-made token, unless there are objects in it.
    void RemoveHalfMade(absl::string_view serial) const;

    // Everything of the token is on the disk when this returns OK.
    absl::Status Sync(absl::string_view serial) const;

 private:
    explicit SoftHsmStore(std::string path) : path_(std::move(path)) {}

    std::string path_;
};

// Whether there are objects in a token's directory, besides the token's own file.
bool HoldsObjects(const std::string& token_directory);

// The token's own file.
std::string TokenFile(absl::string_view token_directory);

constexpr std::size_t kMaxTokenFileSize = 1 << 20;

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_SOFTHSM_STORE_H_
