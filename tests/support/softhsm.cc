#include "tests/support/softhsm.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hsm/pkcs11_hsm.h"

namespace provhub::test {
namespace {

constexpr std::array kLibraries = {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
                                   "/usr/lib64/pkcs11/libsofthsm2.so"};

}  // namespace

CommandResult RunCommand(const std::string& command) {
    std::string output;
    FILE* pipe = popen(absl::StrCat("exec 2>&1; ", command).c_str(), "re");
    if (pipe == nullptr) {
        return {-1, "popen failed"};
    }
    std::array<char, 4096> buffer;
    std::size_t size = 0;
    while ((size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
        output.append(buffer.data(), size);
    }
    const int status = pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

SoftHsm::SoftHsm() {
    std::filesystem::create_directory(tokens());
    const std::string path = directory_.Write(
        "softhsm2.conf",
        absl::StrCat("directories.tokendir = ", tokens(), "/\nobjectstore.backend = file\nlog.level = ERROR\n"));
    setenv("SOFTHSM2_CONF", path.c_str(), 1);
}

SoftHsm::~SoftHsm() {
    unsetenv("SOFTHSM2_CONF");
}

std::string SoftHsm::Library() {
    const auto* found = std::ranges::find_if(kLibraries, [](const char* path) { return access(path, R_OK) == 0; });
    return found == kLibraries.end() ? kLibraries.front() : *found;
}

std::vector<std::string> SoftHsm::TokenDirectories() const {
    std::vector<std::string> directories;
    for (const auto& entry : std::filesystem::directory_iterator(tokens())) {
        if (entry.is_directory()) {
            directories.push_back(entry.path().string());
        }
    }
    return directories;
}

hsm::TokenSelector SoftHsm::Selector(const std::string& label) {
    return {.library = Library(), .label = label, .slot_id = std::nullopt, .slot_index = std::nullopt};
}

std::unique_ptr<hsm::Hsm> SoftHsm::Create(const std::string& label) const {
    auto hsm = hsm::CreatePkcs11Hsm(Selector(label), state_dir());
    if (!hsm.ok()) {
        std::fprintf(stderr, "%s\n", hsm.status().ToString().c_str());
        std::abort();
    }
    return *std::move(hsm);
}

CommandResult SoftHsm::Pkcs11Tool(const std::string& label, const std::string& arguments) {
    return RunCommand(absl::StrCat("pkcs11-tool --module ", Library(), " --token-label '", label, "' ", arguments));
}

}  // namespace provhub::test
