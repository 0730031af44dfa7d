#include "common/runtime/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace provhub::runtime {
namespace {

std::string Holder(const FileDescriptor& file) {
    std::array<char, 16> text{};
    const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
    int pid = 0;
    if (size > 0 && absl::SimpleAtoi(absl::string_view(text.data(), static_cast<std::size_t>(size)), &pid)) {
        return absl::StrCat("process ", pid);
    }
    return "another process";
}

}  // namespace

absl::StatusOr<LockFile> LockFile::Acquire(const std::string& path) {
    FileDescriptor file(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, S_IRUSR | S_IWUSR));
    struct stat found {};
    if (!file.valid() || ::fstat(file.get(), &found) != 0) {
        return absl::ErrnoToStatus(errno, absl::StrCat("cannot open the lock file ", path));
    }
    if (!S_ISREG(found.st_mode)) {
        return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return absl::FailedPreconditionError(absl::StrCat(path, " is locked by ", Holder(file)));
        }
        return absl::ErrnoToStatus(errno, absl::StrCat("cannot lock ", path));
    }
    const std::string pid = absl::StrCat(::getpid(), "\n");
    if (::ftruncate(file.get(), 0) != 0 ||
        ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
    }
    return LockFile(std::move(file));
}

}  // namespace provhub::runtime
