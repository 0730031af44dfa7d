// A node in a directory of its own, on tokens that outlive its processes.
#ifndef PROVHUB_TESTS_COMPONENT_NODE_TEST_NODE_H_
#define PROVHUB_TESTS_COMPONENT_NODE_TEST_NODE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "common/node/method_table.h"
#include "common/node/node_core.h"
#include "provhub/config/v1/config.pb.h"
#include "tests/support/fake_hsm.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/observed_hsm.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_ca.h"

namespace provhub::test {

inline constexpr char kPassword[] = "correct horse";

// A call that is under way.
class RunningCall {
 public:
    // Fails the test and gives an error when no answer comes.
    node::Outcome Await();
    bool Answered() const { return state_->answered.HasBeenNotified(); }

 private:
    friend class TestNode;
    struct State {
        absl::Notification answered;
        node::Outcome outcome = absl::UnknownError("no answer");
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

// What outlives a process: its files, and the CA.
struct TestSite {
    const TempDir dir;
    const TestCa root{"Root"};
    const TestCa intermediate{root, "Intermediate"};
};

// Types: "online" (EC, clientAuth, maxItems 2) and "offline" (RSA, maxItems 1) on the token "cloud", "iam" (EC) and
// "disk" (EC, self-signed) on the token "core". The trust anchor is that of `ca`. Tokens are FakeHsms unless the test
// gives others.
class TestNode {
 public:
    // On a site of its own.
    TestNode() : TestNode(std::make_shared<TestSite>()) {}
    explicit TestNode(std::shared_ptr<const TestSite> site);

    // ---- Set before Boot -------------------------------------------------------------------------------------------

    config::v1::Config config;
    bool provisioning_mode = true;
    // Run at every call of every token, see ObservedHsm.
    ObservedHsm::Observer before = [](const std::string&) { return absl::OkStatus(); };
    ObservedHsm::Observer after = [](const std::string&) { return absl::OkStatus(); };
    // What opens a token; the FakeHsm of its label where this is not set.
    std::function<absl::StatusOr<std::unique_ptr<hsm::Hsm>>(const hsm::TokenSelector&, const std::string&)> open_token;

    // Has the types on the tokens of a real module.
    void UseModule(const std::string& library);
    // Drops the other types from `config`.
    void KeepTypes(const std::vector<std::string>& types);

    // ---- The process -----------------------------------------------------------------------------------------------

    // Ends the process that runs and starts another one.
    absl::Status Boot();
    void Stop();

    node::NodeCore& core() { return *core_; }
    node::CurrentNode& node() { return core_->current_node(); }
    ManualScheduler& scheduler() { return scheduler_; }
    FakeHsm& token(const std::string& label) { return *tokens_.at(label); }
    const TempDir& dir() const { return site_->dir; }
    const TestCa& ca() const { return site_->intermediate; }
    const TestCa& root() const { return site_->root; }

    // ---- Calls -----------------------------------------------------------------------------------------------------

    RunningCall Begin(node::Request request, node::CallContext context = {});
    node::Outcome Call(node::Request request) { return Begin(std::move(request)).Await(); }

    absl::Status Start(const std::string& password = kPassword);
    absl::Status Finish(const std::string& password = kPassword);
    absl::Status Deprovision(const std::string& password = kPassword);
    absl::Status Pause();
    absl::Status Resume();
    absl::StatusOr<std::string> CreateKey(const std::string& type, const std::string& password = kPassword,
                                          const std::string& subject = "unit-1");
    absl::StatusOr<iamanager::v6::CertInfo> ApplyCert(const std::string& type, const std::string& pem);
    absl::StatusOr<std::vector<std::string>> Types();

    // CreateKey, a certificate of `ca` and ApplyCert.
    absl::Status Enrol(const std::string& type);
    // Start, Enrol every type, Finish.
    absl::Status Provision();

    // ---- What is to be seen ----------------------------------------------------------------------------------------

    // Leaf and intermediate, PEM.
    std::string Chain(const std::string& csr) const;
    std::vector<cert::CertRecord> Certificates();
    // Objects of a token under their label, those of every kind that it has.
    std::vector<hsm::StoredObject> Objects(const std::string& label);
    // Every certificate that the directory has is on its token and its key signs for it. For FakeHsms.
    void ExpectEveryIdentityWorks();

 private:
    const std::shared_ptr<const TestSite> site_;
    std::map<std::string, std::unique_ptr<FakeHsm>> tokens_;
    // Of a real module, as long as a process uses them.
    std::vector<std::unique_ptr<hsm::Hsm>> devices_;
    ManualScheduler scheduler_{4};
    std::unique_ptr<node::NodeCore> core_;
};

node::Request StartRequest(const std::string& password);
node::Request FinishRequest(const std::string& password);
node::Request DeprovisionRequest(const std::string& password);
node::Request CreateKeyRequest(const std::string& type, const std::string& password, const std::string& subject);
node::Request ApplyCertRequest(const std::string& type, const std::string& pem);

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_COMPONENT_NODE_TEST_NODE_H_
