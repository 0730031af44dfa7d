#include "common/config/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace provhub::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class ConfigRules : public ::testing::Test {
 protected:
    ConfigRules() { AddModule("iam"); }

    v1::CertModule& AddModule(const std::string& id) {
        auto& module = *config_.add_cert_modules();
        module.set_id(id);
        module.set_plugin("pkcs11module");
        module.set_algorithm("ecc");
        module.mutable_params()->set_library("/lib/hsm.so");
        module.mutable_params()->set_token_label("core");
        module.mutable_params()->set_user_pin_path("/pin");
        return module;
    }

    v1::CertModule& module() { return *config_.mutable_cert_modules(0); }

    std::vector<std::string> Faults() {
        FillDefaults(config_);
        config::Faults faults;
        CheckRules(config_, kind_, faults);
        std::vector<std::string> messages;
        for (const auto& fault : faults) {
            EXPECT_EQ(fault.message.rfind(fault.path + ": ", 0), 0U);
            messages.push_back(fault.message);
        }
        return messages;
    }

    // Where the faults are.
    std::vector<std::string> Places() {
        FillDefaults(config_);
        config::Faults faults;
        CheckRules(config_, kind_, faults);
        std::vector<std::string> paths;
        for (const auto& fault : faults) {
            paths.push_back(fault.path);
        }
        return paths;
    }

    v1::Config config_;
    NodeKind kind_ = NodeKind::kMain;
};

TEST_F(ConfigRules, TakeAPlainConfiguration) {
    config_.set_cert_storage("iam");
    EXPECT_THAT(Faults(), IsEmpty());
    EXPECT_EQ(module().max_items(), 1U);
}

TEST_F(ConfigRules, WantOneTokenSelector) {
    auto& params = *module().mutable_params();
    params.clear_token_label();
    EXPECT_THAT(Faults(),
                ElementsAre("certModules[0].params: expected one of tokenLabel, slotID and slotIndex, got none"));
    params.set_slot_id(0);
    EXPECT_THAT(Faults(), IsEmpty());
    params.set_slot_index(0);
    params.set_token_label("t");
    EXPECT_THAT(Faults(), ElementsAre("certModules[0].params: expected one of tokenLabel, slotID and slotIndex, got "
                                      "tokenLabel and slotID and slotIndex"));
}

TEST_F(ConfigRules, WantOnePinFileForEachToken) {
    AddModule("sm").mutable_params()->set_user_pin_path("/other");
    EXPECT_THAT(Faults(), ElementsAre(HasSubstr("certModules[1].params.userPinPath: expected \"/pin\"")));
    config_.mutable_cert_modules(1)->mutable_params()->set_token_label("cloud");
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, TellTokensBySlotAndByIndexApart) {
    module().mutable_params()->clear_token_label();
    module().mutable_params()->set_slot_id(1);
    auto& other = *AddModule("sm").mutable_params();
    other.clear_token_label();
    other.set_slot_index(1);
    other.set_user_pin_path("/other");
    EXPECT_THAT(Faults(), IsEmpty());
    other.clear_slot_index();
    other.set_slot_id(1);
    EXPECT_THAT(Places(), ElementsAre("certModules[1].params.userPinPath"));
}

TEST_F(ConfigRules, LetTokensShareAPinFile) {
    AddModule("online").mutable_params()->set_token_label("cloud");
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, WantTypesThatCanBeNamed) {
    for (const std::string& id : {std::string(), std::string(33, 'a'), std::string("a b"), std::string("a/b"),
                                  std::string("caf\xc3\xa9"), std::string("a.b")}) {
        module().set_id(id);
        EXPECT_THAT(Places(), ElementsAre("certModules[0].id")) << id;
    }
    module().set_id(std::string(32, 'Z'));
    EXPECT_THAT(Faults(), IsEmpty());
    module().set_id("disk_encryption-2");
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, WantEachTypeOnce) {
    AddModule("iam");
    EXPECT_THAT(Faults(),
                ElementsAre("certModules[1].id: expected another id than that of an earlier module, got \"iam\""));
    config_.mutable_cert_modules(1)->set_disabled(true);
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, WantKnownPluginAlgorithmAndUsage) {
    module().set_plugin("swmodule");
    module().set_algorithm("");
    module().add_extended_key_usage("clientAuth");
    module().add_extended_key_usage("codeSigning");
    module().add_extended_key_usage("clientAuth");
    EXPECT_THAT(
        Faults(),
        ElementsAre(R"(certModules[0].plugin: expected "pkcs11module", got "swmodule")",
                    R"(certModules[0].algorithm: expected "ecc" or "rsa", got nothing)",
                    R"(certModules[0].extendedKeyUsage[1]: expected "clientAuth" or "serverAuth", got "codeSigning")",
                    R"(certModules[0].extendedKeyUsage[2]: expected each usage once, got "clientAuth")"));
}

TEST_F(ConfigRules, WantDnsNamesAsAlternativeNames) {
    module().add_alternative_names("main.unit.local");
    module().add_alternative_names("*.unit");
    EXPECT_THAT(Faults(), IsEmpty());
    module().add_alternative_names("");
    module().add_alternative_names("a b");
    module().add_alternative_names(std::string(254, 'a'));
    EXPECT_THAT(Places(), ElementsAre("certModules[0].alternativeNames[2]", "certModules[0].alternativeNames[3]",
                                      "certModules[0].alternativeNames[4]"));
}

TEST_F(ConfigRules, WantLibraryPinFileAndALabelThatATokenCanHave) {
    module().mutable_params()->clear_library();
    module().mutable_params()->clear_user_pin_path();
    module().mutable_params()->set_token_label(std::string(33, 'l'));
    EXPECT_THAT(Places(), ElementsAre("certModules[0].params.library", "certModules[0].params.userPinPath",
                                      "certModules[0].params.tokenLabel"));
}

TEST_F(ConfigRules, LetADisabledModuleBeAnything) {
    auto& module = *config_.add_cert_modules();
    module.set_disabled(true);
    module.set_id("no such thing");
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, WantCertStorageToNameAModuleInUse) {
    config_.set_cert_storage("online");
    EXPECT_THAT(Places(), ElementsAre("certStorage"));
    AddModule("online").set_disabled(true);
    EXPECT_THAT(Places(), ElementsAre("certStorage"));
    config_.mutable_cert_modules(1)->set_disabled(false);
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, WantListenAddresses) {
    for (const char* good : {":8090", "0.0.0.0:1", "[::]:65535", "localhost:0", "[fe80::1%eth0]:80", "main-1.x_y:80"}) {
        config_.set_iam_public_server_url(good);
        EXPECT_THAT(Faults(), IsEmpty()) << good;
    }
    for (const char* bad : {"8090", "host", "host:", "host:x", ":-1", ":65536", ":+80", ": 80", "[::1:80", "[]:80",
                            "::1:80", "http://x:80", "a b:80", ":99999999999999999999"}) {
        config_.set_iam_public_server_url(bad);
        EXPECT_THAT(Places(), ElementsAre("iamPublicServerUrl")) << bad;
    }
}

TEST_F(ConfigRules, WantTwoPortsWhereTheListenersCouldMeet) {
    config_.set_iam_public_server_url("127.0.0.1:8089");
    EXPECT_THAT(Places(), ElementsAre("iamProtectedServerUrl"));
    config_.set_iam_protected_server_url("10.0.0.1:8089");
    EXPECT_THAT(Faults(), IsEmpty());
    config_.set_iam_public_server_url("[::]:8089");
    EXPECT_THAT(Places(), ElementsAre("iamProtectedServerUrl"));
    config_.set_iam_public_server_url("127.0.0.1:0");
    config_.set_iam_protected_server_url("127.0.0.1:0");
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, WantTheMainNodesAddressOnASecondaryNodeAlone) {
    EXPECT_THAT(Faults(), IsEmpty());
    kind_ = NodeKind::kSecondary;
    EXPECT_THAT(Faults(),
                ElementsAre(R"(mainIamPublicServerUrl: expected the main node's "HOST:PORT", got nothing)",
                            R"(mainIamProtectedServerUrl: expected the main node's "HOST:PORT", got nothing)"));
    config_.set_main_iam_public_server_url("main:8090");
    config_.set_main_iam_protected_server_url("[::1]:8089");
    EXPECT_THAT(Faults(), IsEmpty());
    for (const char* bad : {":8090", "main:0", "main"}) {
        config_.set_main_iam_public_server_url(bad);
        EXPECT_THAT(Places(), ElementsAre("mainIamPublicServerUrl")) << bad;
    }
}

TEST_F(ConfigRules, KeepTheMainNodeAttributeForTheMainNode) {
    (*config_.mutable_node_info()->mutable_attrs())["mainNode"] = "";
    EXPECT_THAT(Faults(), IsEmpty());
    kind_ = NodeKind::kSecondary;
    config_.set_main_iam_public_server_url("main:1");
    config_.set_main_iam_protected_server_url("main:2");
    EXPECT_THAT(Faults(), ElementsAre("nodeInfo.attrs.mainNode: only the main node has this attribute; remove it"));
}

TEST_F(ConfigRules, WantAKnownIdentifierWithAFile) {
    config_.mutable_identifier();
    EXPECT_THAT(Places(), ElementsAre("identifier.plugin", "identifier.params.systemIDPath"));
    config_.mutable_identifier()->set_plugin("visidentifier");
    config_.mutable_identifier()->mutable_params()->set_system_id_path("/id");
    EXPECT_THAT(Faults(), ElementsAre(R"(identifier.plugin: expected "fileidentifier", got "visidentifier")"));
    config_.mutable_identifier()->set_plugin("fileidentifier");
    EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ConfigRules, WantPositiveTimes) {
    config_.mutable_timeouts()->mutable_local();
    config_.mutable_timeouts()->mutable_forward();
    config_.mutable_timeouts()->mutable_forward_node_state();
    config_.mutable_timeouts()->mutable_node_wait();
    config_.mutable_node_reconnect_interval();
    EXPECT_THAT(Places(), UnorderedElementsAre("nodeReconnectInterval", "timeouts.local", "timeouts.forward",
                                               "timeouts.forwardNodeState"));
}

TEST_F(ConfigRules, WantAProgramInEachHookAndNamesAndPathsOfPartitions) {
    config_.add_start_provisioning_cmd_args("");
    config_.add_disk_encryption_cmd_args("");
    config_.add_finish_provisioning_cmd_args("");
    config_.add_deprovision_cmd_args("relative/program");
    config_.add_deprovision_cmd_args("");
    config_.mutable_node_info()->add_partitions();
    EXPECT_THAT(Places(),
                ElementsAre("nodeInfo.partitions[0].name", "nodeInfo.partitions[0].path", "startProvisioningCmdArgs[0]",
                            "diskEncryptionCmdArgs[0]", "finishProvisioningCmdArgs[0]"));
}

TEST_F(ConfigRules, WantTheWholeFingerprintOfTheMainNode) {
    config_.set_server_fingerprint(std::string(64, 'a'));
    EXPECT_THAT(Faults(), IsEmpty());
    config_.set_server_fingerprint("aabbcc");
    EXPECT_THAT(Places(), ElementsAre("serverFingerprint"));
}

TEST_F(ConfigRules, KnowTwoTransports) {
    config_.set_provisioning_transport("plaintext");
    EXPECT_THAT(Faults(), IsEmpty());
    config_.set_provisioning_transport("TLS");
    EXPECT_THAT(Faults(), ElementsAre(R"(provisioningTransport: expected "tls" or "plaintext", got "TLS")"));
}

}  // namespace
}  // namespace provhub::config
