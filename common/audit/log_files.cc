#include "common/audit/log_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/status/macros.h"

namespace provhub::audit {
namespace {

absl::Status Failure(absl::string_view step, const std::string& path) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", step, " ", path));
}

std::string DirectoryOf(const std::string& path) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

// A regular file that nobody else can write and no other process has, with its size.
absl::StatusOr<std::uint64_t> Claim(const runtime::FileDescriptor& file, const std::string& path) {
    struct stat found {};
    if (::fstat(file.get(), &found) != 0) {
        return Failure("look at", path);
    }
    if (!S_ISREG(found.st_mode)) {
        return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    }
    if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return absl::FailedPreconditionError(absl::StrCat(path, " can be written by others: chmod it to 0600"));
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? absl::FailedPreconditionError(absl::StrCat(path, " is in use by another process"))
                                    : Failure("lock", path);
    }
    return static_cast<std::uint64_t>(found.st_size);
}

constexpr int kOpenFlags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

}  // namespace

absl::StatusOr<std::unique_ptr<LogFiles>> LogFiles::Open(const std::string& path, int max_files) {
    auto files = absl::WrapUnique(new LogFiles(path, std::max(max_files, 1)));
    files->directory_ = runtime::FileDescriptor(::open(DirectoryOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!files->directory_.valid()) {
        return Failure("open the directory", DirectoryOf(path));
    }
    files->file_ = runtime::FileDescriptor(::open(path.c_str(), kOpenFlags | O_CREAT, S_IRUSR | S_IWUSR));
    if (!files->file_.valid()) {
        return errno == ELOOP ? absl::FailedPreconditionError(absl::StrCat(path, " is a symbolic link"))
                              : Failure("open", path);
    }
    RETURN_IF_ERROR(Claim(files->file_, path).status());
    RETURN_IF_ERROR(files->FindTail());
    RETURN_IF_ERROR(files->SyncDirectory());
    return files;
}

absl::Status LogFiles::FindTail() {
    ASSIGN_OR_RETURN(ChainScan scan, Repair(file_, path_));
    bytes_ = scan.file_bytes();
    if (bytes_ == 0) {
        ASSIGN_OR_RETURN(const std::vector<std::uint64_t> rotated, RotatedFiles(path_));
        if (rotated.empty()) {
            return absl::OkStatus();
        }
        const std::string name = RotatedName(path_, rotated.front());
        const runtime::FileDescriptor before(::open(name.c_str(), kOpenFlags));
        if (!before.valid()) {
            return Failure("open", name);
        }
        RETURN_IF_ERROR(Claim(before, name).status());
        ASSIGN_OR_RETURN(scan, Repair(before, name));
    }
    found_.damage = scan.first_break();
    if (scan.link().has_value() && scan.ends_well() && scan.incomplete_bytes() == 0) {
        found_.link = *scan.link();
    } else if (scan.file_bytes() > 0) {
        found_.link.seq = scan.link().value_or(Link()).seq;
        found_.no_tail = scan.last_break().has_value() ? scan.last_break()->reason : "it does not end with a line";
    }
    // So that the next record has a line of its own.
    if (bytes_ > 0 && scan.incomplete_bytes() > 0) {
        return Append("\n");
    }
    return absl::OkStatus();
}

absl::StatusOr<ChainScan> LogFiles::Repair(const runtime::FileDescriptor& file, const std::string& name) {
    ChainScan scan;
    RETURN_IF_ERROR(scan.Read(file, name));
    std::uint64_t end = scan.file_bytes();
    // Blocks of an append that never reached the disk read as nulls, even before others of the same one that did.
    if (const auto nulls = scan.FirstNulls(kMaxBatchBytes); nulls.has_value()) {
        end = *nulls;
    } else if (scan.incomplete_bytes() <= kMaxBatchBytes) {
        end -= scan.incomplete_bytes();
    }
    if (end == scan.file_bytes()) {
        return scan;
    }
    if (::ftruncate(file.get(), static_cast<off_t>(end)) != 0 || ::fdatasync(file.get()) != 0) {
        return Failure("cut off the end of", name);
    }
    found_.cut_bytes += scan.file_bytes() - end;
    ChainScan again;
    RETURN_IF_ERROR(again.Read(file, name));
    return again;
}

absl::Status LogFiles::Append(absl::string_view lines) {
    if (unclean_ && ::ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0) {
        return Failure("cut off the end of", path_);
    }
    unclean_ = true;
    absl::string_view rest = lines;
    while (!rest.empty()) {
        const ssize_t written = ::write(file_.get(), rest.data(), rest.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            const absl::Status failure = Failure("write", path_);
            unclean_ = ::ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0;
            return failure;
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fdatasync(file_.get()) != 0) {
        return Failure("sync", path_);
    }
    unclean_ = false;
    bytes_ += lines.size();
    return absl::OkStatus();
}

absl::Status LogFiles::Rotate() {
    if (unclean_ && ::ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0) {
        return Failure("cut off the end of", path_);
    }
    RETURN_IF_ERROR(MakeRoom());
    runtime::FileDescriptor fresh(::open(path_.c_str(), kOpenFlags | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR));
    if (!fresh.valid()) {
        return Failure("make", path_);
    }
    RETURN_IF_ERROR(Claim(fresh, path_).status());
    file_ = std::move(fresh);
    bytes_ = 0;
    unclean_ = false;
    return SyncDirectory();
}

absl::Status LogFiles::MakeRoom() {
    ASSIGN_OR_RETURN(const std::vector<std::uint64_t> rotated, RotatedFiles(path_));
    const auto last = static_cast<std::uint64_t>(max_files_ - 1);
    for (const std::uint64_t number : rotated) {
        if (number >= last && ::unlink(RotatedName(path_, number).c_str()) != 0 && errno != ENOENT) {
            return Failure("remove", RotatedName(path_, number));
        }
    }
    if (last == 0) {
        return ::unlink(path_.c_str()) == 0 || errno == ENOENT ? absl::OkStatus() : Failure("remove", path_);
    }
    std::uint64_t free = 1;
    while (free < last && std::ranges::find(rotated, free) != rotated.end()) {
        ++free;
    }
    for (std::uint64_t to = free; to > 0; --to) {
        // PATH is missing when an earlier attempt could not make it anew: then it is PATH.1 that is written.
        if (std::rename(RotatedName(path_, to - 1).c_str(), RotatedName(path_, to).c_str()) != 0 && errno != ENOENT) {
            return Failure("rename", RotatedName(path_, to - 1));
        }
    }
    return absl::OkStatus();
}

absl::Status LogFiles::SyncDirectory() const {
    // EINVAL: a file system without such a thing.
    if (::fsync(directory_.get()) != 0 && errno != EINVAL) {
        return Failure("sync the directory of", path_);
    }
    return absl::OkStatus();
}

}  // namespace provhub::audit
