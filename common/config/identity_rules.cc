#include "common/config/identity_rules.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/fingerprint.h"

namespace provhub::config {
namespace {

// ub-serial-number: 20 octets (RFC 5280 §4.1.2.2).
constexpr std::size_t kMaxSerialDigits = 40;
// They are looked up as bits of one word.
constexpr int kMaxRules = 64;
// As nodes of other make have them.
constexpr std::size_t kMaxNodeId = 64;

void Expected(Faults& faults, const std::string& path, absl::string_view what, absl::string_view got) {
    faults.push_back({path, absl::StrCat(path, ": expected ", what, ", got ", got.empty() ? "nothing" : Quoted(got))});
}

bool IsPrintable(absl::string_view text) {
    return std::ranges::all_of(text, [](char c) { return absl::ascii_isgraph(c); });
}

void CheckCaller(const std::string& path, const v1::CallerPattern& caller, Faults& faults) {
    if (caller.san().empty() && caller.common_name().empty() && caller.organizational_unit().empty() &&
        caller.spki_sha256().empty()) {
        Expected(faults, path, "a pattern for san, commonName, organizationalUnit or spkiSha256", "");
    }
    const auto of_a_digest = [](char c) {
        return (absl::ascii_isxdigit(c) && !absl::ascii_isupper(c)) || absl::StrContains("*?[]-!", c);
    };
    if (!std::ranges::all_of(caller.spki_sha256(), of_a_digest)) {
        Expected(faults, absl::StrCat(path, ".spkiSha256"), "lower-case hexadecimal digits, or a pattern of them",
                 caller.spki_sha256());
    }
}

void CheckRule(const std::string& path, const v1::AuthorizationRule& rule, Faults& faults) {
    if (rule.methods().empty()) {
        Expected(faults, absl::StrCat(path, ".methods"), R"(patterns such as "/grpc.health.v1.Health/*")", "");
    }
    for (int i = 0; i < rule.methods_size(); ++i) {
        const std::string& method = rule.methods(i);
        if ((!absl::StartsWith(method, "/") && !absl::StartsWith(method, "*")) || !IsPrintable(method)) {
            Expected(faults, absl::StrCat(path, ".methods[", i, "]"), R"(a pattern of "/package.Service/Method")",
                     method);
        }
    }
    if (rule.callers().empty()) {
        Expected(faults, absl::StrCat(path, ".callers"), R"(patterns such as {"commonName": "operator-*"})", "");
    }
    for (int i = 0; i < rule.callers_size(); ++i) {
        CheckCaller(absl::StrCat(path, ".callers[", i, "]"), rule.callers(i), faults);
    }
}

void CheckNodeCertificate(const std::string& path, const v1::NodeCertificate& certificate, Faults& faults) {
    const std::string& node_id = certificate.node_id();
    if (node_id.empty() || node_id.size() > kMaxNodeId || !IsPrintable(node_id)) {
        Expected(faults, absl::StrCat(path, ".nodeId"), absl::StrCat("a node ID of 1 to ", kMaxNodeId, " characters"),
                 node_id);
    }
    const std::string& serial = certificate.serial();
    if (serial.empty() == certificate.fingerprint().empty()) {
        Expected(faults, path, "one of serial and fingerprint", serial.empty() ? "" : "both");
    }
    const auto is_digit = [](char c) { return absl::ascii_isxdigit(c); };
    if (serial.size() > kMaxSerialDigits || !std::ranges::all_of(serial, is_digit)) {
        Expected(faults, absl::StrCat(path, ".serial"),
                 absl::StrCat("a serial number of at most ", kMaxSerialDigits, " hexadecimal digits"), serial);
    }
    if (!certificate.fingerprint().empty() && !crypto::ParseFingerprint(certificate.fingerprint()).ok()) {
        Expected(faults, absl::StrCat(path, ".fingerprint"), "the SHA-256 of a certificate, 64 hexadecimal digits",
                 certificate.fingerprint());
    }
}

}  // namespace

void CheckAuthorization(const v1::Authorization& authorization, Faults& faults) {
    if (authorization.rules_size() > kMaxRules) {
        Expected(faults, "authorization.rules", absl::StrCat("at most ", kMaxRules, " rules"),
                 absl::StrCat(authorization.rules_size()));
    }
    std::set<std::string> names;
    for (int i = 0; i < authorization.rules_size(); ++i) {
        const v1::AuthorizationRule& rule = authorization.rules(i);
        const std::string path = absl::StrCat("authorization.rules[", i, "]");
        if (rule.name().empty()) {
            Expected(faults, absl::StrCat(path, ".name"), "a name", rule.name());
        } else if (!names.insert(rule.name()).second) {
            Expected(faults, absl::StrCat(path, ".name"), "another name than that of an earlier rule", rule.name());
        }
        CheckRule(path, rule, faults);
    }
}

void CheckNodeIdentity(const v1::NodeIdentity& identity, Faults& faults) {
    const std::string& prefix = identity.uri_prefix();
    // A scheme (RFC 3986 §3.1); without one it would not be a URI in the certificate.
    const std::size_t colon = prefix.find(':');
    const bool scheme = colon != std::string::npos && colon > 0 && absl::ascii_isalpha(prefix.front());
    if (!scheme || !IsPrintable(prefix)) {
        Expected(faults, "nodeIdentity.uriPrefix", R"(the beginning of a URI, such as "urn:provhub:node:")", prefix);
    }
    for (int i = 0; i < identity.allow_size(); ++i) {
        CheckNodeCertificate(absl::StrCat("nodeIdentity.allow[", i, "]"), identity.allow(i), faults);
    }
}

}  // namespace provhub::config
