#include "common/service/authorization_rules.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/crypto/fingerprint.h"
#include "common/crypto/node_uri.h"
#include "common/crypto/subject_names.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::service {
namespace {

constexpr char kOperatorRole[] = "urn:provhub:role:operator";

bool Matches(const std::string& pattern, const std::string& text) {
    return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

// A pattern that is not given matches.
bool AnyMatches(const std::string& pattern, const std::vector<std::string>& texts) {
    return pattern.empty() ||
           std::ranges::any_of(texts, [&](const std::string& text) { return Matches(pattern, text); });
}

// Serial numbers are numbers: zeros at the front do not count.
bool SameSerial(absl::string_view a, absl::string_view b) {
    while (absl::ConsumePrefix(&a, "0")) {
    }
    while (absl::ConsumePrefix(&b, "0")) {
    }
    return absl::EqualsIgnoreCase(a, b);
}

bool Names(const config::v1::NodeCertificate& allowed, const crypto::Certificate& certificate) {
    if (!allowed.serial().empty()) {
        return SameSerial(allowed.serial(), certificate.SerialHex());
    }
    const auto fingerprint = crypto::ParseFingerprint(allowed.fingerprint());
    return fingerprint.ok() && *fingerprint == crypto::Fingerprint(certificate);
}

}  // namespace

CallerAttributes::CallerAttributes(const crypto::Certificate& certificate)
    : alternative_names(crypto::AlternativeNames(certificate)),
      common_names(crypto::CommonNames(certificate)),
      organizational_units(crypto::OrganizationalUnits(certificate)),
      public_key_digest(crypto::PublicKeyDigest(certificate)) {}

std::vector<std::string> NodeIdsOf(const crypto::Certificate& certificate, const config::v1::NodeIdentity& identity) {
    std::vector<std::string> node_ids;
    const auto add = [&](absl::string_view node_id) {
        if (!node_id.empty() && std::ranges::find(node_ids, node_id) == node_ids.end()) {
            node_ids.emplace_back(node_id);
        }
    };
    for (const std::string& name : crypto::UriNames(certificate)) {
        if (const auto node_id = crypto::NodeIdOfUri(identity.uri_prefix(), name);
            node_id.has_value() && !identity.uri_prefix().empty()) {
            add(*node_id);
        }
    }
    for (const auto& allowed : identity.allow()) {
        if (Names(allowed, certificate)) {
            add(allowed.node_id());
        }
    }
    return node_ids;
}

AuthorizationRules::AuthorizationRules(const config::v1::Config& config) {
    if (config.authorization().rules().empty()) {
        rules_ = BuiltIn();
        return;
    }
    for (const auto& rule : config.authorization().rules()) {
        Rule compiled{.methods = {rule.methods().begin(), rule.methods().end()}, .callers = {}};
        std::ranges::transform(rule.callers(), std::back_inserter(compiled.callers), Matching);
        rules_.push_back(std::move(compiled));
    }
}

AuthorizationRules::CallerMatch AuthorizationRules::Matching(const config::v1::CallerPattern& pattern) {
    return [pattern](const CallerAttributes& caller, const std::vector<std::string>& /*node_ids*/) {
        return AnyMatches(pattern.san(), caller.alternative_names) &&
               AnyMatches(pattern.common_name(), caller.common_names) &&
               AnyMatches(pattern.organizational_unit(), caller.organizational_units) &&
               AnyMatches(pattern.spki_sha256(), {caller.public_key_digest});
    };
}

std::vector<AuthorizationRules::Rule> AuthorizationRules::BuiltIn() {
    using NodeIds = std::vector<std::string>;
    const CallerMatch everybody = [](const CallerAttributes&, const NodeIds&) { return true; };
    const CallerMatch nodes = [](const CallerAttributes&, const NodeIds& node_ids) { return !node_ids.empty(); };
    const CallerMatch operators = [](const CallerAttributes& caller, const NodeIds&) {
        return std::ranges::find(caller.alternative_names, kOperatorRole) != caller.alternative_names.end();
    };
    return {
        {.methods = {"/grpc.health.v1.Health/*", "/grpc.reflection.*", "/iamanager.IAMVersionService/*",
                     "/iamanager.v6.IAMPublicIdentityService/*", "/iamanager.v6.IAMPublicCurrentNodeService/*",
                     "/iamanager.v6.IAMPublicCertService/*", "/iamanager.v6.IAMPublicNodesService/Get*",
                     "/iamanager.v6.IAMPublicNodesService/Subscribe*", "/provhub.v1.InspectionService/*",
                     "/provhub.v1.NodeDirectoryService/*"},
         .callers = {everybody}},
        {.methods = {"/iamanager.v6.IAMPublicNodesService/RegisterNode"}, .callers = {nodes}},
        {.methods = {"/iamanager.v6.IAMNodesService/*", "/iamanager.v6.IAMProvisioningService/*",
                     "/iamanager.v6.IAMCertificateService/*", "/provhub.v1.*"},
         .callers = {operators}},
    };
}

RuleSet AuthorizationRules::RulesFor(const CallerAttributes& caller, const std::vector<std::string>& node_ids) const {
    RuleSet matching = 0;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        if (std::ranges::any_of(rules_[i].callers, [&](const CallerMatch& match) { return match(caller, node_ids); })) {
            matching |= RuleSet{1} << i;
        }
    }
    return matching;
}

RuleSet AuthorizationRules::RulesOn(absl::string_view method) const {
    const std::string text(method);
    RuleSet matching = 0;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        if (std::ranges::any_of(rules_[i].methods,
                                [&](const std::string& pattern) { return Matches(pattern, text); })) {
            matching |= RuleSet{1} << i;
        }
    }
    return matching;
}

}  // namespace provhub::service
