// Who may call what: `authorization` of the configuration.
#ifndef PROVHUB_COMMON_SERVICE_AUTHORIZATION_RULES_H_
#define PROVHUB_COMMON_SERVICE_AUTHORIZATION_RULES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/crypto/certificate.h"

namespace provhub::config::v1 {
class Config;
class CallerPattern;
class NodeIdentity;
}  // namespace provhub::config::v1

namespace provhub::service {

// What rules look at in a certificate.
struct CallerAttributes {
    explicit CallerAttributes(const crypto::Certificate& certificate);

    std::vector<std::string> alternative_names;
    std::vector<std::string> common_names;
    std::vector<std::string> organizational_units;
    std::string public_key_digest;
};

// The nodes that a certificate vouches for: by URI names of the prefix, by the list of serials and fingerprints.
std::vector<std::string> NodeIdsOf(const crypto::Certificate& certificate, const config::v1::NodeIdentity& identity);

// A set of rules, one bit each.
using RuleSet = std::uint64_t;

// The rules of the configuration, or, where it has none: every verified caller reads, nodes register, and the role
// urn:provhub:role:operator works with nodes, their provisioning and their certificates. Immutable, thread-safe.
class AuthorizationRules {
 public:
    // Of the configuration's rules those beyond this number are refused by CheckAuthorization.
    static constexpr int kMaxRules = 64;

    explicit AuthorizationRules(const config::v1::Config& config);

    // A call is allowed where these two have a rule in common. `node_ids` are those of NodeIdsOf.
    RuleSet RulesFor(const CallerAttributes& caller, const std::vector<std::string>& node_ids) const;
    RuleSet RulesOn(absl::string_view method) const;

 private:
    using CallerMatch = std::function<bool(const CallerAttributes&, const std::vector<std::string>& node_ids)>;

    struct Rule {
        std::vector<std::string> methods;
        std::vector<CallerMatch> callers;
    };

    static CallerMatch Matching(const config::v1::CallerPattern& pattern);
    static std::vector<Rule> BuiltIn();

    std::vector<Rule> rules_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_AUTHORIZATION_RULES_H_
