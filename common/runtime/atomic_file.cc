#include "common/runtime/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/file_descriptor.h"
#include "common/status/macros.h"

namespace provhub::runtime {
namespace {

absl::Status Failure(absl::string_view step, const std::string& path) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", step, " ", path));
}

constexpr int kNoOwnerChange = -1;

std::string DirectoryOf(const std::string& path) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

absl::Status SyncDirectory(const std::string& path) {
    const FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
        return Failure("open the directory", path);
    }
    // EINVAL: a file system without such a thing.
    if (::fsync(directory.get()) != 0 && errno != EINVAL) {
        return Failure("sync the directory", path);
    }
    return absl::OkStatus();
}

absl::Status MakeDirectories(const std::string& path, mode_t mode) {
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0) {
        return absl::OkStatus();
    }
    const std::string parent = DirectoryOf(path);
    if (parent != path) {
        RETURN_IF_ERROR(MakeDirectories(parent, mode));
    }
    if (::mkdir(path.c_str(), mode) != 0) {
        return errno == EEXIST ? absl::OkStatus() : Failure("make the directory", path);
    }
    if (::chmod(path.c_str(), mode) != 0) {
        return Failure("set the mode of", path);
    }
    return SyncDirectory(parent);
}

mode_t DirectoryMode(mode_t file_mode) {
    constexpr mode_t kReaders = S_IRUSR | S_IRGRP | S_IROTH;
    const mode_t readers = file_mode & kReaders;
    return S_IRWXU | readers | readers >> 2;
}

absl::Status WriteAll(const FileDescriptor& file, absl::string_view content, const std::string& path) {
    while (!content.empty()) {
        const ssize_t written = ::write(file.get(), content.data(), content.size());
        if (written < 0 && errno != EINTR) {
            return Failure("write", path);
        }
        content.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
}

absl::Status WriteNewFile(const std::string& path, absl::string_view content, mode_t mode, const FileOwner& owner) {
    FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file.valid()) {
        return Failure("make", path);
    }
    RETURN_IF_ERROR(WriteAll(file, content, path));
    const bool owned = owner.uid.has_value() || owner.gid.has_value();
    if (owned && ::fchown(file.get(), owner.uid.value_or(kNoOwnerChange), owner.gid.value_or(kNoOwnerChange)) != 0) {
        return Failure("set the owner of", path);
    }
    if (::fchmod(file.get(), mode) != 0) {
        return Failure("set the mode of", path);
    }
    if (::fsync(file.get()) != 0) {
        return Failure("sync", path);
    }
    return file.Close() == 0 ? absl::OkStatus() : Failure("close", path);
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode,
                                 const FileOwner& owner) {
    const std::filesystem::path target(path);
    if (!target.has_filename()) {
        return absl::InvalidArgumentError(absl::StrCat("'", path, "' names no file"));
    }
    const std::string directory = DirectoryOf(path);
    RETURN_IF_ERROR(MakeDirectories(directory, DirectoryMode(mode)));

    // Always the same name, so that what a killed writer left behind does not pile up.
    const std::string fresh = absl::StrCat(directory, "/.", target.filename().string(), ".new");
    if (::unlink(fresh.c_str()) != 0 && errno != ENOENT) {
        return Failure("remove", fresh);
    }
    absl::Status status = WriteNewFile(fresh, content, mode, owner);
    if (status.ok() && std::rename(fresh.c_str(), path.c_str()) != 0) {
        status = Failure("replace", path);
    }
    if (!status.ok()) {
        ::unlink(fresh.c_str());
        return status;
    }
    return SyncDirectory(directory);
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes) {
    // A pipe without a writer would hold open(2) up.
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat found {};
    if (!file.valid() || ::fstat(file.get(), &found) != 0) {
        return Failure("open", path);
    }
    if (!S_ISREG(found.st_mode)) {
        return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    }
    // One more than allowed, to see that there is more. The files of /proc have no size.
    constexpr std::size_t kUnknownSize = 64 << 10;
    const std::size_t limit = max_bytes + 1;
    std::size_t step = found.st_size > 0 ? static_cast<std::size_t>(found.st_size) + 1 : kUnknownSize;
    std::string content;
    std::size_t size = 0;
    while (size < limit) {
        if (size == content.size()) {
            content.resize(std::min(limit, size + step));
            step = kUnknownSize;
        }
        const ssize_t got = ::read(file.get(), content.data() + size, content.size() - size);
        if (got < 0 && errno != EINTR) {
            return Failure("read", path);
        }
        if (got == 0) {
            content.resize(size);
            return content;
        }
        size += got < 0 ? 0 : static_cast<std::size_t>(got);
    }
    return absl::FailedPreconditionError(absl::StrCat(path, " is larger than ", max_bytes, " bytes"));
}

}  // namespace provhub::runtime
