// SoftHSM with a store of its own.
#ifndef PROVHUB_TESTS_SUPPORT_SOFTHSM_H_
#define PROVHUB_TESTS_SUPPORT_SOFTHSM_H_

#include <memory>
#include <string>
#include <vector>

#include "common/hsm/hsm.h"
#include "tests/support/temp_dir.h"

namespace provhub::test {

// What a program printed, both streams, and its exit status (-1: ended by a signal).
struct CommandResult {
    int exit_status;
    std::string output;
};

// Runs a shell command.
CommandResult RunCommand(const std::string& command);

// A configuration and a token directory of SoftHSM, which this process and its children use as long as this object
// lives: one at a time. Every Hsm over it MUST be destroyed before.
class SoftHsm {
 public:
    SoftHsm();
    ~SoftHsm();
    SoftHsm(const SoftHsm&) = delete;
    SoftHsm& operator=(const SoftHsm&) = delete;

    // The module, where Debian, Fedora or Alpine install it.
    static std::string Library();

    const std::string& directory() const { return directory_.path(); }
    // Where SoftHSM keeps its tokens.
    std::string tokens() const { return directory_.File("tokens"); }
    // For CreatePkcs11Hsm.
    std::string state_dir() const { return directory_.File("state"); }
    // The directories of the tokens.
    std::vector<std::string> TokenDirectories() const;

    static hsm::TokenSelector Selector(const std::string& label);
    // Ends the test program when it fails.
    std::unique_ptr<hsm::Hsm> Create(const std::string& label) const;
    // What pkcs11-tool prints for a token.
    static CommandResult Pkcs11Tool(const std::string& label, const std::string& arguments);

 private:
    const TempDir directory_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_SOFTHSM_H_
