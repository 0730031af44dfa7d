// The tokens of this node.
#ifndef PROVHUB_COMMON_CERT_TOKEN_H_
#define PROVHUB_COMMON_CERT_TOKEN_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/hsm/hsm.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::cert {

struct Token {
    // Unique among the tokens of this node.
    std::string name;
    std::unique_ptr<hsm::Hsm> hsm;
    // Where its user PIN is kept, and to whom that file belongs. Several tokens may share one file.
    std::string user_pin_path;
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    // Certificate types on this token, in the configuration's order.
    std::vector<std::string> types;
};

using HsmFactory = std::function<absl::StatusOr<std::unique_ptr<hsm::Hsm>>(const hsm::TokenSelector& selector)>;

// One token for each distinct selector among the enabled certificate types, in the configuration's order.
//
// Errors: those of `factory`, naming the type; InvalidArgument (two types want different PIN files for one token, or
// two tokens have one name).
absl::StatusOr<std::vector<std::unique_ptr<Token>>> FindTokens(const config::v1::Config& config,
                                                               const HsmFactory& factory);

// Logs the user in with the PIN of the token's file.
//
// Errors: FailedPrecondition (not initialised), NotFound (no PIN file), as Hsm::Open otherwise.
absl::Status OpenToken(Token& token);

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_TOKEN_H_
