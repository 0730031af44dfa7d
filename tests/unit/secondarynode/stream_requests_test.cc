#include "secondarynode/link/stream_requests.h"

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/scripted_endpoint.h"

namespace provhub::link {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

node::Request CreateKey(std::uint64_t id, const std::string& type) {
    node::Request request;
    request.set_request_id(id);
    request.mutable_create_key_request()->set_type(type);
    return request;
}

node::Reply CreatedKey(const node::Request& request) {
    node::Reply reply;
    reply.mutable_create_key_response()->set_type(request.create_key_request().type());
    return reply;
}

class StreamRequestsTest : public testing::Test {
 protected:
    std::vector<std::string> SentTypes() {
        absl::MutexLock lock(&mutex_);
        std::vector<std::string> types;
        for (const auto& reply : sent_) {
            types.push_back(reply.create_key_response().type());
        }
        return types;
    }

    absl::Mutex mutex_;
    std::vector<node::Reply> sent_ ABSL_GUARDED_BY(mutex_);
    test::ManualScheduler clock_;
    test::ScriptedEndpoint operations_;
    const std::shared_ptr<StreamRequests> requests_ =
        std::make_shared<StreamRequests>(operations_, clock_, "main node", absl::Minutes(5), [this](node::Reply reply) {
            absl::MutexLock lock(&mutex_);
            sent_.push_back(std::move(reply));
        });
};

TEST_F(StreamRequestsTest, AreIdleAtOnceWhenNoneIsOpen) {
    bool idle = false;
    requests_->Refuse(absl::UnavailableError("shutting down"), [&] { idle = true; });
    EXPECT_TRUE(idle);
}

TEST_F(StreamRequestsTest, AreIdleWhenTheLastOpenOneIsAnswered) {
    requests_->Take(CreateKey(1, "iam"));
    requests_->Take(CreateKey(0, "sm"));
    requests_->Take(CreateKey(0, "cm"));
    std::vector<std::string> answered_before_idle;
    bool idle = false;
    requests_->Refuse(absl::UnavailableError("shutting down"), [&] {
        idle = true;
        answered_before_idle = SentTypes();
    });
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(idle);
        const auto call = operations_.Next();
        call->done(CreatedKey(call->request));
    }
    EXPECT_TRUE(idle);
    EXPECT_THAT(answered_before_idle, ElementsAre("iam", "sm", "cm"));
}

TEST_F(StreamRequestsTest, AreRefusedWhileTheNodeDrains) {
    requests_->Refuse(absl::UnavailableError("shutting down"), [] {});
    requests_->Take(CreateKey(1, "iam"));
    requests_->Take(CreateKey(0, "sm"));
    absl::MutexLock lock(&mutex_);
    ASSERT_THAT(sent_, SizeIs(2));
    EXPECT_EQ(sent_[0].request_id(), 1U);
    EXPECT_EQ(sent_[0].status_code(), static_cast<int>(absl::StatusCode::kUnavailable));
    EXPECT_EQ(sent_[1].create_key_response().error().message(), "shutting down");
}

TEST_F(StreamRequestsTest, ThatAreAbandonedSayNothingMore) {
    requests_->Take(CreateKey(1, "iam"));
    requests_->Take(CreateKey(0, "sm"));
    requests_->Take(CreateKey(0, "waits"));
    bool idle = false;
    requests_->Refuse(absl::UnavailableError("shutting down"), [&] { idle = true; });
    requests_->Abandon();
    for (int i = 0; i < 2; ++i) {
        const auto call = operations_.Next();
        EXPECT_TRUE(call->context.cancelled.stop_requested());
        call->done(CreatedKey(call->request));
    }
    requests_->Take(CreateKey(2, "late"));
    EXPECT_EQ(operations_.waiting(), 0U);
    EXPECT_THAT(SentTypes(), IsEmpty());
    EXPECT_FALSE(idle);
}

TEST_F(StreamRequestsTest, AreThoseOfTheMainNodeThatTheyCameFrom) {
    requests_->Take(CreateKey(1, "iam"));
    EXPECT_EQ(operations_.Next()->context.caller, "main node");
}

TEST_F(StreamRequestsTest, CutAnOperationIdThatIsTooLong) {
    auto request = CreateKey(1, "iam");
    request.set_operation_id(std::string(1'000'000, 'x'));
    requests_->Take(request);
    EXPECT_THAT(operations_.Next()->context.operation_id, SizeIs(64));
}

// Answers on threads of its own, some at once, some later.
class ThreadedEndpoint final : public node::NodeEndpoint {
 public:
    ~ThreadedEndpoint() override { Join(); }

    void Call(node::Request request, node::CallContext context, node::Done done) override {
        called_.fetch_add(1);
        if (called_.load() % 3 == 0) {
            done(CreatedKey(request));
            return;
        }
        absl::MutexLock lock(&mutex_);
        threads_.emplace_back(
            [request = std::move(request), context = std::move(context), done = std::move(done)]() mutable {
                if (context.cancelled.stop_requested()) {
                    done(absl::CancelledError("stopped"));
                } else {
                    done(CreatedKey(request));
                }
            });
    }

    void Join() {
        while (true) {
            std::vector<std::thread> threads;
            {
                absl::MutexLock lock(&mutex_);
                threads.swap(threads_);
            }
            if (threads.empty()) {
                return;
            }
            for (auto& thread : threads) {
                thread.join();
            }
        }
    }

    int called() const { return called_.load(); }

 private:
    std::atomic<int> called_ = 0;
    absl::Mutex mutex_;
    std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(StreamRequestsTest, AreEachAnsweredOnceFromManyThreads) {
    ThreadedEndpoint operations;
    const auto requests =
        std::make_shared<StreamRequests>(operations, clock_, "main node", absl::Minutes(5), [this](node::Reply reply) {
            absl::MutexLock lock(&mutex_);
            sent_.push_back(std::move(reply));
        });
    constexpr std::uint64_t kCount = 600;
    for (std::uint64_t i = 1; i <= kCount; ++i) {
        requests->Take(CreateKey(i % 2 == 0 ? i : 0, absl::StrCat(i)));
        if (i % 7 == 0) {
            node::Request cancel;
            cancel.set_cancel(true);
            cancel.set_request_id(i - 1);
            requests->Take(cancel);
        }
    }
    operations.Join();
    absl::MutexLock lock(&mutex_);
    std::set<std::uint64_t> numbered;
    int last_unnumbered = -1;
    for (const auto& reply : sent_) {
        if (reply.request_id() != 0) {
            EXPECT_TRUE(numbered.insert(reply.request_id()).second);
        } else if (reply.create_key_response().has_error()) {
            ADD_FAILURE() << "only a request with a number can be cancelled";
        } else {
            const int i = std::stoi(reply.create_key_response().type());
            EXPECT_GT(i, last_unnumbered);
            last_unnumbered = i;
        }
    }
    EXPECT_THAT(sent_, SizeIs(kCount));
    EXPECT_THAT(numbered, SizeIs(kCount / 2));
}

TEST_F(StreamRequestsTest, AreNotBegunAfterTheyWereAbandoned) {
    for (int round = 0; round < 50; ++round) {
        ThreadedEndpoint operations;
        const auto requests = std::make_shared<StreamRequests>(operations, clock_, "main node", absl::Minutes(5),
                                                               [](const node::Reply&) {});
        for (std::uint64_t i = 1; i <= 20; ++i) {
            requests->Take(CreateKey(i % 2 == 0 ? i : 0, "iam"));
        }
        requests->Abandon();
        const int called = operations.called();
        operations.Join();
        EXPECT_EQ(operations.called(), called);
    }
}

}  // namespace
}  // namespace provhub::link
