#include "common/hsm/pin_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

constexpr std::size_t kMaxPinSize = 255;
constexpr std::size_t kMaxFileSize = 4096;
constexpr mode_t kEverybody = S_IROTH | S_IWOTH;
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

absl::Status Unusable(const std::string& path, absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat("the PIN file ", path, " ", why));
}

}  // namespace

absl::StatusOr<crypto::Secret> ReadPinFile(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
        return absl::ErrnoToStatus(errno, absl::StrCat("the PIN file ", path));
    }
    if ((info.st_mode & kEverybody) != 0 && S_ISREG(info.st_mode)) {
        return Unusable(path, "can be read or written by everybody: take the permissions away (chmod 600)");
    }
    ASSIGN_OR_RETURN(std::string text, runtime::ReadSmallFile(path, kMaxFileSize));
    const crypto::Secret contents = crypto::Secret::TakeFrom(text);
    absl::string_view line = contents.Reveal().substr(0, contents.Reveal().find('\n'));
    if (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    if (line.empty()) {
        return Unusable(path, "has no PIN in its first line");
    }
    if (line.size() > kMaxPinSize) {
        return Unusable(path, absl::StrCat("has a first line of more than ", kMaxPinSize, " bytes"));
    }
    return crypto::Secret(line);
}

absl::Status WritePinFile(const std::string& path, const crypto::Secret& pin, std::optional<uid_t> uid,
                          std::optional<gid_t> gid) {
    return runtime::WriteFileAtomically(path, pin.Reveal(), kOwnerOnly, {uid, gid});
}

}  // namespace provhub::hsm
