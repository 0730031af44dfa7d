#include "tools/nodesim/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "tests/support/command_lines.h"

namespace provhub::nodesim {
namespace {

using cli::NothingToRun;
using testing::ElementsAre;
using testing::HasSubstr;

std::variant<CommandLine, NothingToRun> Parse(const std::vector<const char*>& arguments) {
    return test::ParseArguments(ParseCommandLine, arguments);
}

CommandLine MustParse(const std::vector<const char*>& arguments) {
    return test::MustRun(Parse(arguments));
}

void ExpectMistake(const std::vector<const char*>& arguments, const std::string& message) {
    const auto parsed = Parse(arguments);
    const auto* nothing = std::get_if<NothingToRun>(&parsed);
    ASSERT_NE(nothing, nullptr);
    EXPECT_EQ(nothing->exit_status, 2);
    EXPECT_THAT(nothing->message, HasSubstr(message));
}

TEST(CommandLine, HasDefaults) {
    const auto line = MustParse({"--plaintext"});
    EXPECT_EQ(line.nodes, 100);
    EXPECT_EQ(line.id_prefix, "sim-");
    EXPECT_EQ(line.connection.server, "127.0.0.1:8090");
    EXPECT_EQ(line.behaviour.state, node::NodeState::kUnprovisioned);
    EXPECT_THAT(line.behaviour.cert_types, ElementsAre("online", "offline"));
    EXPECT_EQ(line.behaviour.latency_max, absl::ZeroDuration());
    EXPECT_EQ(line.reconnect_interval, absl::Seconds(10));
    EXPECT_EQ(line.duration, absl::InfiniteDuration());
    EXPECT_FALSE(line.json);
}

TEST(CommandLine, TakesHowTheNodesBehave) {
    const auto line = MustParse({"--plaintext", "--state", "paused", "--cert-types", "a,b,c", "--latency", "5ms-20ms",
                                 "--fault", "never=0.25", "--fault", "wrong-type=0.5", "--late-by", "3s",
                                 "--slow-readers", "0.1", "--legacy", "-o", "json"});
    EXPECT_EQ(line.behaviour.state, node::NodeState::kPaused);
    EXPECT_THAT(line.behaviour.cert_types, ElementsAre("a", "b", "c"));
    EXPECT_EQ(line.behaviour.latency_min, absl::Milliseconds(5));
    EXPECT_EQ(line.behaviour.latency_max, absl::Milliseconds(20));
    EXPECT_EQ(line.behaviour.faults.never, 0.25);
    EXPECT_EQ(line.behaviour.faults.wrong_type, 0.5);
    EXPECT_EQ(line.behaviour.faults.late_by, absl::Seconds(3));
    EXPECT_EQ(line.behaviour.slow_readers, 0.1);
    EXPECT_TRUE(line.behaviour.legacy);
    EXPECT_TRUE(line.json);
}

TEST(CommandLine, ANumberAloneIsAFixedLatency) {
    const auto line = MustParse({"--plaintext", "--latency", "7ms"});
    EXPECT_EQ(line.behaviour.latency_min, absl::Milliseconds(7));
    EXPECT_EQ(line.behaviour.latency_max, absl::Milliseconds(7));
}

TEST(CommandLine, WantsExactlyOneWayToTheMainNode) {
    ExpectMistake({}, "one of --plaintext");
    ExpectMistake({"--plaintext", "--ca", "dir"}, "one of --plaintext");
    MustParse({"--ca", "dir", "--ca-cert", "root.pem"});
}

TEST(CommandLine, SaysWhatIsWrong) {
    ExpectMistake({"--plaintext", "--state", "asleep"}, "'asleep' is not a state");
    ExpectMistake({"--plaintext", "--latency", "20ms-5ms"}, "ends before it begins");
    ExpectMistake({"--plaintext", "--latency", "fast"}, "'fast' is not a duration");
    ExpectMistake({"--plaintext", "--fault", "sulk=0.1"}, "'sulk' is none of");
    ExpectMistake({"--plaintext", "--fault", "never=2"}, "'2' is not a share");
    ExpectMistake({"--plaintext", "--fault", "never=0.6", "--fault", "late=0.6"}, "more than 1 together");
    ExpectMistake({"--plaintext", "--nodes", "0"}, "--nodes");
    ExpectMistake({"--ca-cert", "root.pem", "--cert", "leaf.pem"}, "--cert and --key go together");
    ExpectMistake({"--plaintext", "--cert", "leaf.pem", "--key", "key.pem"}, "need --ca-cert");
}

}  // namespace
}  // namespace provhub::nodesim
