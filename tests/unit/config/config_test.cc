#include "common/config/config.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace provhub::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

absl::StatusOr<v1::Config> LoadText(absl::string_view json) {
    const test::TempDir dir;
    return Load(dir.Write("config.json", json), NodeKind::kMain);
}

v1::Config Loaded(absl::string_view json) {
    const auto config = LoadText(json);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : v1::Config();
}

// Without the file's name.
std::vector<std::string> FaultsOf(absl::string_view json) {
    const test::TempDir dir;
    const std::string path = dir.Write("config.json", json);
    std::vector<std::string> faults;
    for (const auto& fault : LoadWithEveryFault(path, NodeKind::kMain).faults) {
        EXPECT_EQ(fault.code(), absl::StatusCode::kInvalidArgument);
        const std::string message(fault.message());
        EXPECT_THAT(message, AllOf(StartsWith(path + ": "), Not(HasSubstr("\n"))));
        faults.push_back(message.substr(path.size() + 2));
    }
    return faults;
}

std::string FaultOf(absl::string_view json) {
    const auto faults = FaultsOf(json);
    EXPECT_EQ(faults.size(), 1U) << ::testing::PrintToString(faults);
    return faults.empty() ? "" : faults.front();
}

TEST(ConfigFile, GivesTheDefaultsForAnEmptyObject) {
    const auto config = Loaded("{}");
    EXPECT_EQ(config.iam_public_server_url(), ":8090");
    EXPECT_EQ(config.iam_protected_server_url(), ":8089");
    EXPECT_EQ(config.working_dir(), "/var/lib/provhub");
    EXPECT_EQ(config.provisioning_transport(), "tls");
    EXPECT_EQ(ToDuration(config.node_reconnect_interval()), absl::Seconds(10));
    EXPECT_EQ(ToDuration(config.timeouts().local()), absl::Seconds(60));
    EXPECT_EQ(ToDuration(config.timeouts().forward()), absl::Seconds(300));
    EXPECT_EQ(ToDuration(config.timeouts().forward_node_state()), absl::Seconds(60));
    EXPECT_EQ(ToDuration(config.timeouts().node_wait()), absl::Seconds(10));
    EXPECT_EQ(config.node_info().node_id_path(), "/etc/machine-id");
    EXPECT_EQ(config.node_info().provisioning_state_path(), "/var/aos/.provisionstate");
    EXPECT_EQ(config.node_info().cpu_info_path(), "/proc/cpuinfo");
    EXPECT_EQ(config.node_info().mem_info_path(), "/proc/meminfo");
    EXPECT_EQ(config.cert_modules_size(), 0);
}

TEST(ConfigFile, PrefersWhatIsGiven) {
    const auto config = Loaded(R"({
        "iamPublicServerUrl": "[::1]:1", "iamProtectedServerUrl": "10.0.0.1:0", "workingDir": "/w",
        "provisioningTransport": "plaintext", "nodeReconnectInterval": "1m30s",
        "timeouts": {"local": "250ms", "nodeWait": "0"},
        "nodeInfo": {"nodeIdPath": "/id", "maxDmips": 9007199254740992}})");
    EXPECT_EQ(config.iam_public_server_url(), "[::1]:1");
    EXPECT_EQ(config.iam_protected_server_url(), "10.0.0.1:0");
    EXPECT_EQ(config.working_dir(), "/w");
    EXPECT_EQ(config.provisioning_transport(), "plaintext");
    EXPECT_EQ(ToDuration(config.node_reconnect_interval()), absl::Seconds(90));
    EXPECT_EQ(ToDuration(config.timeouts().local()), absl::Milliseconds(250));
    EXPECT_EQ(ToDuration(config.timeouts().forward()), absl::Seconds(300));
    EXPECT_EQ(ToDuration(config.timeouts().node_wait()), absl::ZeroDuration());
    EXPECT_EQ(config.node_info().node_id_path(), "/id");
    EXPECT_EQ(config.node_info().max_dmips(), 9007199254740992U);
}

TEST(ConfigFile, MatchesKeysWithoutRegardToCase) {
    for (const char* key : {"systemIDPath", "systemIdPath", "SYSTEMIDPATH"}) {
        const auto config =
            Loaded(absl::StrCat(R"({"Identifier": {"plugin": "fileidentifier", "params": {")", key, R"(": "/id"}}})"));
        EXPECT_EQ(config.identifier().params().system_id_path(), "/id") << key;
    }
}

TEST(ConfigFile, LeavesTheKeysOfFreeMapsAlone) {
    const auto config = Loaded(R"({"nodeInfo": {"attrs": {"MainNode": "", "some Thing": "x"}},
                                   "migration": {"anything": [1, {"goes": null}]}})");
    EXPECT_EQ(config.node_info().attrs().size(), 2U);
    EXPECT_EQ(config.node_info().attrs().at("some Thing"), "x");
    EXPECT_EQ(config.migration().fields().at("anything").list_value().values_size(), 2);
}

TEST(ConfigFile, RefusesAKeyThatIsGivenInTwoSpellings) {
    EXPECT_EQ(FaultOf(R"({"caCert": "a", "CACert": "b"})"),
              "key 'caCert' is given twice, also as 'CACert': keys are the same whatever their case");
    EXPECT_THAT(FaultOf(R"({"nodeInfo": {"os": "a", "OS": "b"}})"), HasSubstr("at nodeInfo is given twice"));
}

TEST(ConfigFile, RefusesAKeyThatIsThereTwice) {
    EXPECT_EQ(FaultOf(R"({"caCert": "a", "caCert": "b"})"), "key 'caCert' is given twice");
}

TEST(ConfigFile, NamesTheNearestKeyForAnUnknownOne) {
    EXPECT_EQ(FaultOf(R"({"certModules": [{"disabled": true, "maxItem": 1}]})"),
              "unknown key 'maxItem' at certModules[0], did you mean 'maxItems'?");
    EXPECT_EQ(FaultOf(R"({"caCerts": "x"})"), "unknown key 'caCerts', did you mean 'caCert'?");
    EXPECT_EQ(FaultOf(R"({"timeouts": {"fowrard": "1s"}})"),
              "unknown key 'fowrard' at timeouts, did you mean 'forward'?");
    EXPECT_EQ(FaultOf(R"({"nodeInfo": {"partitions": [{"name": "a", "path": "/", "xyzzy": 1}]}})"),
              "unknown key 'xyzzy' at nodeInfo.partitions[0]");
}

TEST(ConfigFile, QuotesAStrangeKeyOnOneShortLine) {
    const std::string fault = FaultOf(absl::StrCat(R"({")", std::string(5000, 'k'), R"(\n": 1})"));
    EXPECT_THAT(fault, StartsWith("unknown key 'kkk"));
    EXPECT_LT(fault.size(), 120U);
    EXPECT_THAT(FaultOf("{\"a\\nb\": 1}"), HasSubstr("unknown key 'a\\nb'"));
}

TEST(ConfigFile, ConvertsNothing) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"caCert": 5})", "caCert: expected a string, got 5"},
        {R"({"caCert": true})", "caCert: expected a string, got true"},
        {R"({"caCert": null})", "caCert: expected a string, got null"},
        {R"({"caCert": "a\u0000b"})", "caCert: expected a string without NUL characters, got \"a\\000b\""},
        {R"({"enablePermissionsHandler": "true"})", "enablePermissionsHandler: expected true or false, got \"true\""},
        {R"({"enablePermissionsHandler": 1})", "enablePermissionsHandler: expected true or false, got 1"},
        {R"({"nodeInfo": []})", "nodeInfo: expected an object, got a list"},
        {R"({"nodeInfo": {"maxDmips": "10"}})",
         "nodeInfo.maxDmips: expected a whole number from 0 to 9007199254740992, got \"10\""},
        {R"({"nodeInfo": {"maxDmips": 1.5}})",
         "nodeInfo.maxDmips: expected a whole number from 0 to 9007199254740992, got 1.5"},
        {R"({"nodeInfo": {"maxDmips": true}})",
         "nodeInfo.maxDmips: expected a whole number from 0 to 9007199254740992, got true"},
        {R"({"nodeInfo": {"attrs": {"a": 1}}})", "nodeInfo.attrs.a: expected a string, got 1"},
        {R"({"nodeInfo": {"attrs": ["a"]}})", "nodeInfo.attrs: expected an object, got a list"},
        {R"({"certModules": {}})", "certModules: expected a list, got an object"},
        {R"({"certModules": ["iam"]})", "certModules[0]: expected an object, got \"iam\""},
        {R"({"deprovisionCmdArgs": "/bin/true"})", "deprovisionCmdArgs: expected a list, got \"/bin/true\""},
        {R"({"deprovisionCmdArgs": ["/bin/true", 5]})", "deprovisionCmdArgs[1]: expected a string, got 5"},
        {R"({"migration": "x"})", "migration: expected an object, got \"x\""},
    };
    for (const auto& [json, fault] : cases) {
        EXPECT_EQ(FaultOf(json), fault);
    }
}

TEST(ConfigFile, TakesDurationsAsTextWithAUnit) {
    for (const char* bad : {"5", "true", "null", R"("5")", R"("10 s")", R"("soon")", R"("-1s")", R"("inf")", R"("25h")",
                            R"("")", R"({"seconds": 1})"}) {
        EXPECT_THAT(FaultOf(absl::StrCat(R"({"nodeReconnectInterval": )", bad, "}")),
                    StartsWith("nodeReconnectInterval: expected a duration of at most a day, such as \"30s\""))
            << bad;
    }
    EXPECT_EQ(ToDuration(Loaded(R"({"nodeReconnectInterval": "24h"})").node_reconnect_interval()), absl::Hours(24));
    EXPECT_EQ(ToDuration(Loaded(R"({"nodeReconnectInterval": "1.5s"})").node_reconnect_interval()),
              absl::Milliseconds(1500));
}

TEST(ConfigFile, RefusesANumberThatIsOutOfRange) {
    const auto with_items = [](absl::string_view items) {
        return absl::StrCat(
            R"({"certModules": [{"id": "a", "plugin": "pkcs11module", "algorithm": "ecc", "maxItems": )", items,
            R"(, "params": {"library": "l", "tokenLabel": "t", "userPinPath": "p"}}]})");
    };
    EXPECT_EQ(Loaded(with_items("64")).cert_modules(0).max_items(), 64U);
    for (const char* bad : {"-1", "0", "65", "1e300", "4294967297"}) {
        EXPECT_THAT(FaultOf(with_items(bad)),
                    StartsWith("certModules[0].maxItems: expected a whole number from 1 to 64, got "));
    }
    EXPECT_EQ(FaultOf(with_items("-1")), "certModules[0].maxItems: expected a whole number from 1 to 64, got -1");
}

TEST(ConfigFile, SaysOnWhichLineTheJsonIsBroken) {
    EXPECT_EQ(FaultOf("{\n  \"caCert\": \"x\"\n  \"certStorage\": \"y\"\n}"),
              "line 3: not valid JSON: Expected , or } after key:value pair.");
    EXPECT_THAT(FaultOf("{\"caCert\": tru}"), StartsWith("line 1: not valid JSON"));
    EXPECT_THAT(FaultOf("{\"caCert\": \"x\"} more"), StartsWith("line 1: not valid JSON"));
    EXPECT_THAT(FaultOf("{\"caCert\": \"x"), HasSubstr("not valid JSON"));
    EXPECT_THAT(FaultOf(""), HasSubstr("not valid JSON"));
    EXPECT_THAT(FaultOf("{\"caCert\": \"\xff\xfe\"}"), HasSubstr("not valid JSON"));
}

TEST(ConfigFile, RefusesWhatIsNoObject) {
    for (const char* json : {"[]", "5", "null", "\"x\"", "true"}) {
        EXPECT_EQ(FaultOf(json), "expected a JSON object") << json;
    }
}

TEST(ConfigFile, RefusesHostileFilesBriefly) {
    EXPECT_EQ(FaultOf(absl::string_view("\x7f"
                                        "ELF\x00\x01\x02",
                                        7)),
              "expected JSON, got binary data");
    std::string nested;
    for (int i = 0; i < 50'000; ++i) {
        nested += R"({"migration":)";
    }
    EXPECT_THAT(FaultOf(nested), HasSubstr("not valid JSON"));
    const test::TempDir dir;
    const auto huge = Load(dir.Write("huge.json", std::string(10 << 20, '{')), NodeKind::kMain);
    EXPECT_EQ(huge.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(huge.status().message()), EndsWith("huge.json is larger than 1048576 bytes"));
}

TEST(ConfigFile, TellsAMissingFileAndADirectory) {
    const test::TempDir dir;
    const auto missing = Load(dir.File("absent.json"), NodeKind::kMain);
    EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(missing.status().message()), HasSubstr("absent.json"));
    EXPECT_EQ(Load(dir.path(), NodeKind::kMain).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConfigFile, ReportsEveryFaultOnceInAFixedOrder) {
    const char* json = R"({
        "zzz": 1, "caCrt": "x", "certStorage": "nowhere",
        "timeouts": {"local": 5, "forward": "0"},
        "certModules": [{"id": "a", "plugin": "swmodule", "algorithm": 5,
                         "params": {"library": "l", "tokenLable": "t", "userPinPath": "p"}}]})";
    const auto faults = FaultsOf(json);
    EXPECT_THAT(faults,
                ElementsAre("unknown key 'caCrt', did you mean 'caCert'?", "unknown key 'zzz'",
                            "certModules[0].algorithm: expected a string, got 5",
                            "unknown key 'tokenLable' at certModules[0].params, did you mean 'tokenLabel'?",
                            R"(timeouts.local: expected a duration of at most a day, such as "30s" or "1m30s", got 5)",
                            R"(certStorage: expected the id of one of certModules that is not disabled, got "nowhere")",
                            R"(certModules[0].plugin: expected "pkcs11module", got "swmodule")",
                            R"(timeouts.forward: expected a duration over zero, such as "10s")"));
    const auto first = LoadText(json);
    EXPECT_THAT(std::string(first.status().message()), EndsWith(faults.front()));
}

TEST(ConfigFile, HasNoFaultsWhereLoadSucceeds) {
    EXPECT_THAT(FaultsOf("{}"), IsEmpty());
}

}  // namespace
}  // namespace provhub::config
