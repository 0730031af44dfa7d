// Works on a token for ever, to be killed: token_worker MODE LABEL STATE_DIR. Prints one line for each step.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/hsm/pkcs11_hsm.h"
#include "tests/support/softhsm.h"

namespace provhub {
namespace {

using crypto::KeyAlgorithm;
using crypto::Secret;

constexpr char kSoPin[] = "security officer";
constexpr char kUserPin[] = "0123456789abcdef01234567";

absl::Status Step(hsm::Hsm& hsm, const std::string& mode, int number) {
    if (mode == "login") {
        const absl::Status status = hsm.Open(Secret(kUserPin));
        return status.ok() ? hsm.Close() : status;
    }
    if (mode == "generate") {
        const absl::Status status = hsm.Open(Secret(kUserPin));
        return status.ok() ? hsm.GenerateKeyPair(absl::StrCat(getpid(), "-", number), "new", KeyAlgorithm::kEcP384)
                           : status;
    }
    return hsm.Initialise(Secret(kSoPin), Secret(kUserPin));
}

int Work(const std::string& mode, const std::string& label, const std::string& state_dir) {
    auto hsm = hsm::CreatePkcs11Hsm(test::SoftHsm::Selector(label), state_dir);
    absl::Status status = hsm.status();
    for (int number = 0; status.ok(); ++number) {
        std::puts("step");
        std::fflush(stdout);
        status = Step(**hsm, mode, number);
    }
    std::puts(std::string(status.message()).c_str());
    return 1;
}

}  // namespace
}  // namespace provhub

int main(int argc, char** argv) {
    return argc == 4 ? provhub::Work(argv[1], argv[2], argv[3]) : 2;
}
