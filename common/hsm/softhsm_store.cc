#include "common/hsm/softhsm_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/file_descriptor.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kSystemConfiguration = "/etc/softhsm/softhsm2.conf";
constexpr absl::string_view kUserConfiguration = ".config/softhsm2/softhsm2.conf";

constexpr absl::string_view kTokenFile = "token.object";
constexpr absl::string_view kObjectSuffix = ".object";
// How the attribute that holds the SO PIN (CKA_VENDOR_DEFINED + 0x534C) begins in a file of SoftHSM 2.
constexpr absl::string_view kSoPinAttribute("\0\0\0\0\x80\0SL", 8);

std::string ConfigurationPath() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this process changes its environment.
    if (const char* path = std::getenv("SOFTHSM2_CONF")) {
        return path;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* home = std::getenv("HOME")) {
        std::string path = absl::StrCat(home, "/", kUserConfiguration);
        if (access(path.c_str(), R_OK) == 0) {
            return path;
        }
    }
    return std::string(kSystemConfiguration);
}

bool IsSoftHsm(const std::string& library) {
    std::error_code error;
    const fs::path real = fs::canonical(library, error);
    return absl::StrContains((error ? fs::path(library) : real).filename().string(), "softhsm");
}

absl::Status SyncPath(const std::string& path, int flags) {
    const runtime::FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
    if (!file.valid()) {
        // An object that another call has destroyed meanwhile.
        return errno == ENOENT ? absl::OkStatus() : absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
    }
    return fsync(file.get()) == 0 ? absl::OkStatus() : absl::ErrnoToStatus(errno, absl::StrCat("cannot sync ", path));
}

absl::Status SyncDirectory(const std::string& directory) {
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code gone;
        if (entry->is_regular_file(gone)) {
            RETURN_IF_ERROR(SyncPath(entry->path().string(), O_NOFOLLOW));
        }
    }
    if (error) {
        return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list ", directory));
    }
    return SyncPath(directory, O_DIRECTORY);
}

}  // namespace

std::optional<SoftHsmStore> SoftHsmStore::Locate(const std::string& library) {
    if (!IsSoftHsm(library)) {
        return std::nullopt;
    }
    std::ifstream configuration(ConfigurationPath());
    std::string directory;
    std::string line;
    while (std::getline(configuration, line)) {
        const std::string text(absl::StripAsciiWhitespace(line.substr(0, line.find('#'))));
        const std::pair<std::string, std::string> setting = absl::StrSplit(text, absl::MaxSplits('=', 1));
        const absl::string_view key = absl::StripAsciiWhitespace(setting.first);
        const absl::string_view value = absl::StripAsciiWhitespace(setting.second);
        if (key == "directories.tokendir") {
            directory = std::string(value);
        } else if (key == "objectstore.backend" && value != "file") {
            return std::nullopt;
        }
    }
    while (directory.size() > 1 && directory.back() == '/') {
        directory.pop_back();
    }
    return directory.empty() ? std::nullopt : std::optional(SoftHsmStore(directory));
}

std::optional<std::string> SoftHsmStore::TokenDirectory(absl::string_view serial) const {
    if (serial.empty()) {
        return std::nullopt;
    }
    // The serial number is the end of the UUID that the directory is named by.
    std::error_code error;
    for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
        const std::string uuid = absl::StrReplaceAll(entry->path().filename().string(), {{"-", ""}});
        std::error_code gone;
        if (absl::EndsWith(uuid, serial) && entry->is_directory(gone)) {
            return entry->path().string();
        }
    }
    return std::nullopt;
}

bool SoftHsmStore::IsHalfMade(absl::string_view serial) const {
    const auto directory = TokenDirectory(serial);
    if (!directory) {
        return false;
    }
    const auto content = runtime::ReadSmallFile(TokenFile(*directory), kMaxTokenFileSize);
    return content.ok() && !absl::StrContains(*content, kSoPinAttribute);
}

void SoftHsmStore::RemoveHalfMade(absl::string_view serial) const {
    const auto directory = TokenDirectory(serial);
    if (directory && IsHalfMade(serial) && !HoldsObjects(*directory)) {
        std::error_code ignored;
        fs::remove_all(*directory, ignored);
    }
}

std::string TokenFile(absl::string_view token_directory) {
    return absl::StrCat(token_directory, "/", kTokenFile);
}

bool HoldsObjects(const std::string& directory) {
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        std::error_code gone;
        if (absl::EndsWith(name, kObjectSuffix) && name != kTokenFile && entry->file_size(gone) > 0 && !gone) {
            return true;
        }
    }
    return false;
}

absl::Status SoftHsmStore::Sync(absl::string_view serial) const {
    const auto directory = TokenDirectory(serial);
    if (!directory) {
        return absl::UnavailableError(
            absl::StrCat("SoftHSM's directory of the token with the serial number ", serial, " has gone from ", path_));
    }
    RETURN_IF_ERROR(SyncDirectory(*directory));
    return SyncPath(path_, O_DIRECTORY);
}

}  // namespace provhub::hsm
