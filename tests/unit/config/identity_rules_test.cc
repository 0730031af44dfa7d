#include "common/config/identity_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/config/rules.h"

namespace provhub::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Messages(const Faults& faults) {
    std::vector<std::string> messages;
    for (const Fault& fault : faults) {
        EXPECT_EQ(fault.message.rfind(fault.path + ": ", 0), 0U);
        messages.push_back(fault.message);
    }
    return messages;
}

class AuthorizationRules : public ::testing::Test {
 protected:
    AuthorizationRules() {
        rule().set_name("operators");
        rule().add_methods("/iamanager.v6.*");
        rule().add_callers()->set_common_name("operator-*");
    }

    v1::AuthorizationRule& rule() {
        return *(authorization_.rules().empty() ? authorization_.add_rules() : authorization_.mutable_rules(0));
    }

    std::vector<std::string> Check() {
        Faults faults;
        CheckAuthorization(authorization_, faults);
        return Messages(faults);
    }

    v1::Authorization authorization_;
};

TEST_F(AuthorizationRules, TakeMethodsAndCallers) {
    rule().add_methods("*");
    rule().mutable_callers(0)->set_spki_sha256("ab12*");
    EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(AuthorizationRules, NeedANameOfTheirOwn) {
    *authorization_.add_rules() = rule();
    authorization_.add_rules()->CopyFrom(rule());
    authorization_.mutable_rules(2)->clear_name();
    EXPECT_THAT(Check(), ElementsAre("authorization.rules[1].name: expected another name than that of an earlier rule, "
                                     "got \"operators\"",
                                     "authorization.rules[2].name: expected a name, got nothing"));
}

TEST_F(AuthorizationRules, NeedMethodsAndCallers) {
    rule().clear_methods();
    rule().clear_callers();
    EXPECT_THAT(Check(), ElementsAre(HasSubstr("rules[0].methods: expected patterns"),
                                     HasSubstr("rules[0].callers: expected patterns")));
}

TEST_F(AuthorizationRules, RefuseAMethodThatCanNotMatch) {
    rule().set_methods(0, "iamanager.v6.IAMNodesService/PauseNode");
    EXPECT_THAT(Check(), ElementsAre(HasSubstr("rules[0].methods[0]: expected a pattern of")));
}

TEST_F(AuthorizationRules, RefuseACallerWithoutAPattern) {
    rule().mutable_callers(0)->clear_common_name();
    EXPECT_THAT(Check(), ElementsAre(HasSubstr("rules[0].callers[0]: expected a pattern for san, commonName")));
}

TEST_F(AuthorizationRules, RefuseADigestThatCanNotMatch) {
    rule().mutable_callers(0)->set_spki_sha256("AB:12");
    EXPECT_THAT(Check(), ElementsAre(HasSubstr("rules[0].callers[0].spkiSha256: expected lower-case")));
}

class NodeIdentityRules : public ::testing::Test {
 protected:
    NodeIdentityRules() {
        v1::Config config;
        FillDefaults(config);
        identity_ = config.node_identity();
    }

    v1::NodeCertificate& Allow(const std::string& node_id) {
        v1::NodeCertificate& allowed = *identity_.add_allow();
        allowed.set_node_id(node_id);
        return allowed;
    }

    std::vector<std::string> Check() {
        Faults faults;
        CheckNodeIdentity(identity_, faults);
        return Messages(faults);
    }

    v1::NodeIdentity identity_;
};

TEST_F(NodeIdentityRules, HaveDefaults) {
    EXPECT_EQ(identity_.uri_prefix(), "urn:provhub:node:");
    EXPECT_TRUE(identity_.in_csr());
    EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(NodeIdentityRules, LeaveTheUriOutOfRequestsWhereToldTo) {
    v1::Config config;
    config.mutable_node_identity()->set_in_csr(false);
    FillDefaults(config);
    EXPECT_FALSE(config.node_identity().in_csr());
}

TEST_F(NodeIdentityRules, RefuseAPrefixThatIsNoUri) {
    identity_.set_uri_prefix("node-");
    EXPECT_THAT(Check(), ElementsAre(HasSubstr("nodeIdentity.uriPrefix: expected the beginning of a URI")));
}

TEST_F(NodeIdentityRules, TakeASerialOrAFingerprint) {
    Allow("n1").set_serial("0aB1");
    Allow("n2").set_fingerprint(std::string(64, 'a'));
    EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(NodeIdentityRules, RefuseANodeWithNeitherOrBoth) {
    Allow("n1");
    Allow("n2").set_fingerprint(std::string(64, 'a'));
    identity_.mutable_allow(1)->set_serial("01");
    EXPECT_THAT(Check(), ElementsAre(HasSubstr("allow[0]: expected one of serial and fingerprint, got nothing"),
                                     HasSubstr("allow[1]: expected one of serial and fingerprint")));
}

TEST_F(NodeIdentityRules, RefuseWhatIsNoSerialFingerprintOrNodeId) {
    Allow("").set_serial("0x01");
    Allow("n2").set_fingerprint("abc");
    EXPECT_THAT(Check(), ElementsAre(HasSubstr("allow[0].nodeId"), HasSubstr("allow[0].serial"),
                                     HasSubstr("allow[1].fingerprint")));
}

}  // namespace
}  // namespace provhub::config
