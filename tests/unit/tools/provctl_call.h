// provctl's commands in this process.
#ifndef PROVHUB_TESTS_UNIT_TOOLS_PROVCTL_CALL_H_
#define PROVHUB_TESTS_UNIT_TOOLS_PROVCTL_CALL_H_

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tools/fake_unit.h"

namespace provhub::provctl {

struct Result {
    int exit_status = 0;
    std::string out;
    std::string err;

    nlohmann::json Json() const { return nlohmann::json::parse(out); }
};

// Over plaintext, within seconds.
Result CallProvctl(const std::string& server, const std::vector<std::string>& arguments, const std::string& input = "");

// A unit, a CA and a password.
class CommandsTest : public ::testing::Test {
 protected:
    explicit CommandsTest(Make make = Make::kOurs);

    // JSON result.
    Result Call(std::vector<std::string> arguments);
    // With the CA and the password.
    Result Provision(const std::vector<std::string>& arguments) { return CallSigned("provision", arguments); }
    Result Renew(const std::vector<std::string>& arguments) { return CallSigned("renew", arguments); }

    test::TempDir temp_;
    FakeUnit unit_;
    std::string server_ = unit_.address();
    std::string ca_;
    std::string password_file_;
    // On standard input.
    std::string input_;
    const absl::Time soon_;
    const absl::Time late_;

 private:
    Result CallSigned(const std::string& command, std::vector<std::string> arguments);
};

}  // namespace provhub::provctl

#endif  // PROVHUB_TESTS_UNIT_TOOLS_PROVCTL_CALL_H_
