#include "common/service/refusal_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/strip.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "tests/support/json_lines.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/temp_dir.h"

namespace provhub::service {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class RefusalRecordsTest : public ::testing::Test {
 protected:
    std::vector<nlohmann::json> Records() {
        auto records = test::JsonLines(dir_.Read("log"));
        std::erase_if(records, [](const auto& record) { return record["event"] != "refused"; });
        return records;
    }

    const test::TempDir dir_;
    test::ManualScheduler clock_;
    const std::unique_ptr<audit::AuditLog> log_ = *audit::AuditLog::Open({.path = dir_.File("log")}, clock_);
    const Refusal refusal_{.caller = {.authenticated = true, .name = "CN=n1", .node_ids = {"n1"}, .listener = ""},
                           .method = "/service/Method",
                           .node = "n2\n",
                           .reason = absl::PermissionDeniedError("no rule")};
};

TEST_F(RefusalRecordsTest, TheRecordIsThereWhenTheCallerIsAnswered) {
    RefusalRecords records(log_.get(), clock_, "main");
    absl::Notification done;
    records.Add(refusal_, [&] { done.Notify(); });
    done.WaitForNotification();
    ASSERT_THAT(Records(), SizeIs(1));
    EXPECT_EQ(Records()[0]["caller"], "CN=n1");
    EXPECT_EQ(Records()[0]["method"], "/service/Method");
    EXPECT_EQ(Records()[0]["node"], "n2\\n");
    EXPECT_EQ(Records()[0]["result"], "PERMISSION_DENIED");
}

TEST_F(RefusalRecordsTest, WithoutANodeItIsThisOne) {
    RefusalRecords records(log_.get(), clock_, "main");
    absl::Notification done;
    Refusal refusal = refusal_;
    refusal.node.clear();
    records.Listener()(refusal, [&] { done.Notify(); });
    done.WaitForNotification();
    ASSERT_THAT(Records(), SizeIs(1));
    EXPECT_EQ(Records()[0]["node"], "main");
}

TEST_F(RefusalRecordsTest, WithoutAnAuditLogTheCallerIsAnsweredAtOnce) {
    RefusalRecords records(nullptr, clock_, "main");
    bool done = false;
    records.Add(refusal_, [&] { done = true; });
    EXPECT_TRUE(done);
}

TEST_F(RefusalRecordsTest, TellsAtABoundedRateAndHowManyItLeftOut) {
    constexpr int kRefusals = 1000;
    RefusalRecords records(log_.get(), clock_, "main");
    absl::BlockingCounter done(kRefusals + 1);
    for (int i = 0; i < kRefusals; ++i) {
        records.Add(refusal_, [&] { done.DecrementCount(); });
    }
    clock_.Advance(absl::Seconds(10));
    records.Add(refusal_, [&] { done.DecrementCount(); });
    done.Wait();
    ASSERT_THAT(Records(), SizeIs(101));
    EXPECT_THAT(Records().back()["message"].get<std::string>(), EndsWith("no rule (and 900 more refused before it)"));
}

}  // namespace
}  // namespace provhub::service
