// Which operations of a node may run side by side.
#ifndef PROVHUB_COMMON_NODE_OPERATION_GATE_H_
#define PROVHUB_COMMON_NODE_OPERATION_GATE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "common/node/method_table.h"

namespace provhub::node {

// What an operation wants to itself while it runs.
struct Claim {
    Concurrency concurrency = Concurrency::kExclusive;
    // For kPerType: names of things that no two operations may use at once.
    std::vector<std::string> keys;
};

// First come, first served, among operations that can't run together. Thread-safe; no thread waits in it.
class OperationGate {
    struct State;

 public:
    // An operation that is let in. Its end lets the next ones in; their start runs on the thread that ends it. May
    // outlive the gate.
    class Turn {
     public:
        Turn(Turn&& other) noexcept : state_(std::move(other.state_)), number_(other.number_) {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() { End(); }

        void End();

     private:
        friend class OperationGate;
        Turn(std::shared_ptr<State> state, std::uint64_t number) : state_(std::move(state)), number_(number) {}

        std::shared_ptr<State> state_;
        std::uint64_t number_;
    };
    using Start = absl::AnyInvocable<void(Turn)>;

    OperationGate();

    // Runs `start` when it is the operation's turn, possibly before this returns. `start` MUST NOT block.
    void Enter(Claim claim, Start start);

 private:
    struct Waiting {
        std::uint64_t number;
        Claim claim;
        Start start;
    };
    struct State {
        absl::Mutex mutex;
        std::uint64_t next_number ABSL_GUARDED_BY(mutex) = 0;
        std::map<std::uint64_t, Claim> running ABSL_GUARDED_BY(mutex);
        std::deque<Waiting> waiting ABSL_GUARDED_BY(mutex);
    };

    // Takes out of `waiting` what can run now.
    static std::vector<Waiting> Admit(State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex);
    static void StartAdmitted(const std::shared_ptr<State>& state);

    const std::shared_ptr<State> state_;
};

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_OPERATION_GATE_H_
