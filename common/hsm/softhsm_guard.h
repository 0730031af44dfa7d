// Copies of SoftHSM's token.object, against kills.
#ifndef PROVHUB_COMMON_HSM_SOFTHSM_GUARD_H_
#define PROVHUB_COMMON_HSM_SOFTHSM_GUARD_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/hsm/pkcs11_module.h"
#include "common/hsm/softhsm_store.h"

namespace provhub::hsm {

// SoftHSM rewrites token.object in place at every login. A process killed in that moment leaves an empty file: the
// token has gone, though its keys are all there, encrypted under what the file held. A copy brings it back.
//
// Not thread-safe with itself in other processes: call it with the store's lock held.
class SoftHsmGuard {
 public:
    // `state_dir` is made with the first copy.
    SoftHsmGuard(SoftHsmStore store, const std::string& state_dir);

    const SoftHsmStore& store() const { return store_; }

    // Keeps a copy of the token's file, durably. To be called whenever the token has proved to be usable and its file
    // may have changed. Copies of tokens of that label that have gone from the store are dropped.
    absl::Status Save(absl::string_view serial, absl::string_view label) const;

    // Puts the copy of every token back that is damaged and still has keys on the disk, `visible` being what SoftHSM
    // can see. True: something was put back, SoftHSM has to read its store again.
    absl::StatusOr<bool> Restore(const std::vector<TokenInSlot>& visible) const;

    // Unavailable where Restore would put the token with this label back.
    absl::Status CheckNotHidden(absl::string_view label, const std::vector<TokenInSlot>& visible) const;

 private:
    struct Copy {
        std::string path;
        // Of the token, and what its file held.
        std::string directory;
        std::string serial;
        std::string label;
        std::string content;
    };

    std::string CopyPath(absl::string_view serial) const;
    absl::StatusOr<Copy> ReadCopy(const std::string& path) const;
    std::vector<Copy> ReadCopies() const;
    // Whether the token is still where it was saved from, with objects beside its file.
    bool HasObjects(const Copy& copy) const;
    bool IsDamaged(const Copy& copy, const std::vector<TokenInSlot>& visible) const;

    SoftHsmStore store_;
    std::string copies_;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_SOFTHSM_GUARD_H_
