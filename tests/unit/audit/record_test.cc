#include "common/audit/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/status_matchers.h"

namespace provhub::audit {
namespace {

using test::IsError;
using test::IsOk;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kTime = absl::FromUnixMicros(1'750'000'000'123'456);

std::string WithoutEnd(const std::string& line) {
    return line.substr(0, line.size() - 1);
}

TEST(Record, IsOneJsonObjectWithEverything) {
    Link link{.seq = 6, .hash = std::string(64, 'a')};
    const std::string line = FormatRecord({.event = "done",
                                           .operation_id = "0123",
                                           .caller = "CN=operator-1",
                                           .method = "ApplyCert",
                                           .node = "n1",
                                           .result = "OK",
                                           .message = "type iam",
                                           .duration = absl::Milliseconds(1234)},
                                          kTime, link);
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json["seq"], 7);
    EXPECT_EQ(json["time"], "2025-06-15T15:06:40.123456Z");
    EXPECT_EQ(json["event"], "done");
    EXPECT_EQ(json["operation_id"], "0123");
    EXPECT_EQ(json["caller"], "CN=operator-1");
    EXPECT_EQ(json["method"], "ApplyCert");
    EXPECT_EQ(json["node"], "n1");
    EXPECT_EQ(json["result"], "OK");
    EXPECT_EQ(json["message"], "type iam");
    EXPECT_EQ(json["duration_ms"], 1234);
    EXPECT_EQ(json["prev"], std::string(64, 'a'));
    EXPECT_EQ(json["hash"], link.hash);
    EXPECT_EQ(link.seq, 7u);
}

TEST(Record, IsWhatItsHashSays) {
    Link link;
    const std::string line = FormatRecord({.event = "opened"}, kTime, link);
    const auto parsed = ParseRecord(WithoutEnd(line));
    ASSERT_THAT(parsed, IsOk());
    EXPECT_EQ(parsed->prev, Link().hash);
    EXPECT_EQ(parsed->link.seq, 1u);
    EXPECT_EQ(parsed->link.hash, link.hash);
}

TEST(Record, ShowsEveryChangedByte) {
    Link link;
    const std::string line = WithoutEnd(FormatRecord({.event = "done", .message = "x"}, kTime, link));
    for (std::size_t i = 0; i < line.size(); ++i) {
        std::string changed = line;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_THAT(ParseRecord(changed), Not(IsOk())) << i;
    }
    for (std::size_t size = 0; size < line.size(); ++size) {
        EXPECT_THAT(ParseRecord(line.substr(0, size)), Not(IsOk())) << size;
    }
}

TEST(Record, StaysOneLineOfAsciiWhateverACallerIsCalled) {
    Link link;
    const std::string hostile = "\",\"hash\":\"\n\x01\x7f\x1b[2J\xff\xfe \xe2\x80\xae \\ \xc2\x9b";
    const std::string line =
        FormatRecord({.event = "done", .caller = hostile, .node = std::string(1, '\0')}, kTime, link);
    for (const char c : WithoutEnd(line)) {
        EXPECT_GE(c, ' ');
    }
    EXPECT_THAT(line, EndsWith("\"}\n"));
    const auto json = nlohmann::json::parse(line);
    EXPECT_THAT(json["caller"].get<std::string>(), HasSubstr("\xef\xbf\xbd\xef\xbf\xbd \xe2\x80\xae"));
    EXPECT_EQ(json["node"].get<std::string>(), std::string(1, '\0'));
    EXPECT_EQ(json["hash"], link.hash);
    EXPECT_THAT(ParseRecord(WithoutEnd(line)), IsOk());
}

TEST(Record, IsBoundedWhateverIsPutIntoIt) {
    Link link;
    const std::string endless(1 << 20, '\xff');
    const std::string line =
        FormatRecord({endless, endless, endless, endless, endless, endless, endless, {}}, kTime, link);
    EXPECT_LE(line.size(), kMaxRecordBytes);
    EXPECT_THAT(ParseRecord(WithoutEnd(line)), IsOk());
}

TEST(Record, IsNotEverythingThatLooksLikeIt) {
    for (const char* text : {"", "{}", "{\"seq\":1}", "\n"}) {
        EXPECT_THAT(ParseRecord(text), IsError(absl::StatusCode::kInvalidArgument, "no record"));
    }
    EXPECT_THAT(ParseRecord(std::string(kMaxRecordBytes + 1, 'x')),
                IsError(absl::StatusCode::kInvalidArgument, "no record"));
}

}  // namespace
}  // namespace provhub::audit
