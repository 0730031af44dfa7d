// A node whose operations the test carries out by hand.
#ifndef PROVHUB_TESTS_SUPPORT_SCRIPTED_ENDPOINT_H_
#define PROVHUB_TESTS_SUPPORT_SCRIPTED_ENDPOINT_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"

namespace provhub::test {

struct ScriptedCall {
    node::Request request;
    node::CallContext context;
    node::Done done;
};

// Thread-safe. Calls wait in the order of their arrival until the test takes them.
class ScriptedEndpoint final : public node::NodeEndpoint {
 public:
    // Answers every call inside Call from now on.
    void AnswerAtOnce(std::function<node::Outcome(const node::Request&)> answer);

    void Call(node::Request request, node::CallContext context, node::Done done) override;

    // Null when none comes within `limit`.
    std::unique_ptr<ScriptedCall> Next(absl::Duration limit = absl::Seconds(10));
    // Calls that Next has not taken.
    std::size_t waiting() const;

 private:
    mutable absl::Mutex mutex_;
    std::function<node::Outcome(const node::Request&)> answer_ ABSL_GUARDED_BY(mutex_);
    std::deque<std::unique_ptr<ScriptedCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_SCRIPTED_ENDPOINT_H_
