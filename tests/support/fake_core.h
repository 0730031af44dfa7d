// A node without tokens, for tests of what is built on top of it.
#ifndef PROVHUB_TESTS_SUPPORT_FAKE_CORE_H_
#define PROVHUB_TESTS_SUPPORT_FAKE_CORE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/cert/cert_directory.h"
#include "common/node/identity.h"
#include "common/node/node_core.h"
#include "tests/support/scripted_endpoint.h"
#include "tests/support/temp_dir.h"

namespace provhub::test {

// Holds the certificates that a test adds. Thread-safe.
class FakeCertDirectory final : public cert::CertDirectory {
 public:
    explicit FakeCertDirectory(std::vector<std::string> types) : types_(std::move(types)) {}

    // Also tells the subscribers.
    void Add(const cert::CertRecord& record);

    std::vector<std::string> Types() const override { return types_; }
    absl::StatusOr<cert::CertRecord> Get(absl::string_view type, absl::string_view issuer_der,
                                         absl::string_view serial) const override;
    absl::StatusOr<std::vector<cert::CertRecord>> List() const override;
    runtime::Subscription Subscribe(std::function<void(const cert::CertRecord&)> listener) override {
        return listeners_.Add(std::move(listener));
    }

 private:
    const std::vector<std::string> types_;
    mutable absl::Mutex mutex_;
    std::vector<cert::CertRecord> records_ ABSL_GUARDED_BY(mutex_);
    runtime::Listeners<cert::CertRecord> listeners_;
};

// A real CurrentNode on files of its own; its operations are the test's to carry out.
class FakeCore final : public node::NodeCore {
 public:
    explicit FakeCore(const std::string& node_id, bool main_node = true);

    node::CurrentNode& current_node() override { return *current_node_; }
    FakeCertDirectory& certificates() override { return certificates_; }
    ScriptedEndpoint& operations() override { return operations_; }
    absl::StatusOr<tls::Identity> LoadIdentity(const cert::CertRecord& record) override;

    // What LoadIdentity answers for the certificate with this serial number. Otherwise its key is broken.
    void SetIdentity(const std::string& serial, tls::Identity identity);

 private:
    TempDir dir_;
    std::unique_ptr<node::CurrentNode> current_node_;
    FakeCertDirectory certificates_{{"online", "iam"}};
    ScriptedEndpoint operations_;
    absl::Mutex mutex_;
    std::map<std::string, tls::Identity> identities_ ABSL_GUARDED_BY(mutex_);
};

// An identity that a test sets. Thread-safe.
class FakeIdentity final : public node::Identity {
 public:
    // FailedPrecondition until it is set.
    void SetSystem(node::SystemIdentity system);
    // Also tells the subscribers.
    void SetSubjects(std::vector<std::string> subjects);

    absl::StatusOr<node::SystemIdentity> System() const override;
    absl::StatusOr<std::vector<std::string>> Subjects() const override;
    runtime::Subscription SubscribeSubjects(std::function<void(const std::vector<std::string>&)> listener) override {
        return listeners_.Add(std::move(listener));
    }

 private:
    mutable absl::Mutex mutex_;
    absl::StatusOr<node::SystemIdentity> system_ ABSL_GUARDED_BY(mutex_) =
        absl::FailedPreconditionError("no identifier is configured");
    std::vector<std::string> subjects_ ABSL_GUARDED_BY(mutex_);
    runtime::Listeners<std::vector<std::string>> listeners_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_FAKE_CORE_H_
