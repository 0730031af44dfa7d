#include "common/hsm/softhsm_guard.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

namespace fs = std::filesystem;

constexpr runtime::Log kLog("hsm");
constexpr absl::string_view kCopySuffix = ".token";
constexpr absl::string_view kFirstLine = "provhub copy of token.object, version 1";
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

bool IsVisible(absl::string_view serial, const std::vector<TokenInSlot>& visible) {
    return std::ranges::any_of(
        visible, [serial](const TokenInSlot& token) { return token.initialised() && token.serial() == serial; });
}

// The owner of the directory: the file may have gone.
runtime::FileOwner OwnerOf(const std::string& directory) {
    struct stat info {};
    if (stat(directory.c_str(), &info) != 0) {
        return {};
    }
    return {info.st_uid, info.st_gid};
}

}  // namespace

SoftHsmGuard::SoftHsmGuard(SoftHsmStore store, const std::string& state_dir)
    : store_(std::move(store)), copies_(absl::StrCat(state_dir, "/softhsm")) {}

std::string SoftHsmGuard::CopyPath(absl::string_view serial) const {
    return absl::StrCat(copies_, "/", absl::BytesToHexString(serial), kCopySuffix);
}

absl::Status SoftHsmGuard::Save(absl::string_view serial, absl::string_view label) const {
    const auto directory = store_.TokenDirectory(serial);
    if (!directory) {
        return absl::UnavailableError(
            absl::StrCat("token '", label, "': SoftHSM's directory of it is not in ", store_.path()));
    }
    ASSIGN_OR_RETURN(const std::string content, runtime::ReadSmallFile(TokenFile(*directory), kMaxTokenFileSize));
    const std::string path = CopyPath(serial);
    const std::string text = absl::StrCat(kFirstLine, "\n", absl::CEscape(*directory), "\n", absl::CEscape(serial),
                                          "\n", absl::CEscape(label), "\n", content);
    const auto old = runtime::ReadSmallFile(path, 2 * kMaxTokenFileSize);
    if (!old.ok() || *old != text) {
        RETURN_IF_ERROR(runtime::WriteFileAtomically(path, text, kOwnerOnly));
    }
    for (const Copy& copy : ReadCopies()) {
        if (copy.label == label && copy.serial != serial && !HasObjects(copy) &&
            absl::StartsWith(copy.directory, absl::StrCat(store_.path(), "/"))) {
            unlink(copy.path.c_str());
        }
    }
    return absl::OkStatus();
}

absl::StatusOr<bool> SoftHsmGuard::Restore(const std::vector<TokenInSlot>& visible) const {
    bool restored = false;
    for (const Copy& copy : ReadCopies()) {
        if (!IsDamaged(copy, visible)) {
            continue;
        }
        RETURN_IF_ERROR(
            runtime::WriteFileAtomically(TokenFile(copy.directory), copy.content, kOwnerOnly, OwnerOf(copy.directory)));
        kLog.Warning(absl::StrCat("token '", copy.label,
                                  "' was damaged, as SoftHSM leaves it when it is killed during ",
                                  "a login: ", TokenFile(copy.directory), " was restored from ", copy.path));
        restored = true;
    }
    return restored;
}

absl::Status SoftHsmGuard::CheckNotHidden(absl::string_view label, const std::vector<TokenInSlot>& visible) const {
    for (const Copy& copy : ReadCopies()) {
        if (copy.label == label && IsDamaged(copy, visible)) {
            return absl::UnavailableError(
                absl::StrCat("token '", label, "': its keys are in ", copy.directory,
                             ", but SoftHSM can't see it: start again, and the token will be restored"));
        }
    }
    return absl::OkStatus();
}

absl::StatusOr<SoftHsmGuard::Copy> SoftHsmGuard::ReadCopy(const std::string& path) const {
    ASSIGN_OR_RETURN(const std::string text, runtime::ReadSmallFile(path, 2 * kMaxTokenFileSize));
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('\n', 4));
    Copy copy;
    copy.path = path;
    if (parts.size() != 5 || parts[0] != kFirstLine || parts[4].empty() ||
        !absl::CUnescape(parts[1], &copy.directory) || !absl::CUnescape(parts[2], &copy.serial) ||
        !absl::CUnescape(parts[3], &copy.label)) {
        return absl::DataLossError(absl::StrCat(path, " is not a copy of token.object"));
    }
    copy.content = parts[4];
    return copy;
}

std::vector<SoftHsmGuard::Copy> SoftHsmGuard::ReadCopies() const {
    std::vector<Copy> copies;
    std::error_code error;
    for (fs::directory_iterator entry(copies_, error), end; !error && entry != end; entry.increment(error)) {
        if (!absl::EndsWith(entry->path().string(), kCopySuffix)) {
            continue;
        }
        auto copy = ReadCopy(entry->path().string());
        if (!copy.ok()) {
            kLog.Warning(copy.status().message());
            continue;
        }
        copies.push_back(*std::move(copy));
    }
    return copies;
}

bool SoftHsmGuard::HasObjects(const Copy& copy) const {
    return store_.TokenDirectory(copy.serial) == copy.directory && HoldsObjects(copy.directory);
}

bool SoftHsmGuard::IsDamaged(const Copy& copy, const std::vector<TokenInSlot>& visible) const {
    if (!HasObjects(copy)) {
        return false;
    }
    const auto content = runtime::ReadSmallFile(TokenFile(copy.directory), kMaxTokenFileSize);
    if (content.ok() && *content == copy.content) {
        return false;
    }
    // A file cut off between two attributes still shows a token, which nobody can log in to.
    const bool cut_off = !content.ok() || content->size() < copy.content.size();
    return cut_off || !IsVisible(copy.serial, visible);
}

}  // namespace provhub::hsm
