// A token in memory with real keys, whose calls can be made to fail or to wait.
#ifndef PROVHUB_TESTS_SUPPORT_FAKE_HSM_H_
#define PROVHUB_TESTS_SUPPORT_FAKE_HSM_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/hsm/hsm.h"

namespace provhub::hsm {
enum class SignScheme;
}

namespace provhub::test {

// Behaves as hsm::Hsm says, durability aside; keys are OpenSSL's. Calls are named as the methods are:
// "GenerateKeyPair". Signing with a loaded key is the call "Sign".
class FakeHsm : public hsm::Hsm {
 public:
    // A fresh token: not initialised.
    explicit FakeHsm(std::string label = "fake");
    // Waits for calls that run.
    ~FakeHsm() override;

    // ---- For the test ----------------------------------------------------------------------------------------------

    enum class Fails { kBeforeItsWork, kAfterItsWork };

    // The `nth` call of `method` from now on (1 is the next) returns `status`, having done nothing or all of its work.
    void FailCall(const std::string& method, int nth, absl::Status status, Fails fails = Fails::kBeforeItsWork);

    // Holds every call of `method` at its beginning, as long as this object lives or until Release. MUST NOT outlive
    // the Hsm.
    class Hold {
     public:
        Hold(FakeHsm& hsm, std::string method);
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold() { Release(); }

        // Whether `calls` calls wait, before `limit` has passed.
        bool AwaitCalls(int calls, absl::Duration limit = absl::Seconds(10));
        void Release();

     private:
        FakeHsm& hsm_;
        const std::string method_;
        bool released_ = false;
    };

    // How often `method` was called, failures included.
    int Calls(const std::string& method) const;

    // An object as a kill may leave it behind: half a pair, without an id, unreadable. Under an id that is there
    // already it is added to what there is.
    void Add(const hsm::StoredObject& object);

    // As if the device forgot the login: every key call fails until Open.
    void LoseLogin();

    // ---- hsm::Hsm --------------------------------------------------------------------------------------------------

    std::string name() const override { return label_; }
    absl::StatusOr<hsm::TokenState> State() override;
    absl::Status VerifySoPin(const crypto::Secret& so_pin) override;
    absl::Status Initialise(const crypto::Secret& so_pin, const crypto::Secret& user_pin) override;
    absl::Status ChangeSoPin(const crypto::Secret& from, const crypto::Secret& to) override;
    absl::Status Open(const crypto::Secret& user_pin) override;
    absl::Status Close() override;
    absl::Status GenerateKeyPair(const hsm::ObjectId& id, absl::string_view label,
                                 crypto::KeyAlgorithm algorithm) override;
    absl::StatusOr<crypto::EvpPkeyPtr> LoadKey(const hsm::ObjectId& id) override;
    absl::Status StoreCertificate(const hsm::ObjectId& id, absl::string_view label, absl::string_view der,
                                  bool authority) override;
    absl::StatusOr<std::string> ReadCertificate(const hsm::ObjectId& id) override;
    absl::Status Destroy(const hsm::ObjectId& id) override;
    absl::StatusOr<std::vector<hsm::StoredObject>> List() override;
    absl::Status DestroyUnnamed() override;

 private:
    class Call;
    class Signer;

    struct Entry {
        hsm::StoredObject object;
        // Null for an object of Add.
        std::shared_ptr<EVP_PKEY> key;
        std::string certificate;
        bool authority = false;
    };

    struct Failure {
        // Calls still to go until the one that fails.
        int countdown;
        absl::Status status;
        Fails fails;
    };

    absl::Status CheckOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    absl::Status CheckInitialised() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    absl::Status CheckSoPin(const crypto::Secret& so_pin) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    absl::Status Error(absl::StatusCode code, absl::string_view what) const;
    Entry* Find(const hsm::ObjectId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Entry& FindOrAdd(const hsm::ObjectId& id, absl::string_view label) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    absl::StatusOr<std::string> Sign(const hsm::ObjectId& id, hsm::SignScheme scheme, absl::string_view data);

    const std::string label_;
    mutable absl::Mutex mutex_;
    bool initialised_ ABSL_GUARDED_BY(mutex_) = false;
    bool open_ ABSL_GUARDED_BY(mutex_) = false;
    crypto::Secret so_pin_ ABSL_GUARDED_BY(mutex_);
    crypto::Secret user_pin_ ABSL_GUARDED_BY(mutex_);
    std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);

    // Key calls that run; whether an ownership call runs or waits for them.
    int running_ ABSL_GUARDED_BY(mutex_) = 0;
    bool owned_ ABSL_GUARDED_BY(mutex_) = false;
    std::map<std::string, int> calls_ ABSL_GUARDED_BY(mutex_);
    std::map<std::string, int> holds_ ABSL_GUARDED_BY(mutex_);
    std::map<std::string, int> held_ ABSL_GUARDED_BY(mutex_);
    std::multimap<std::string, Failure> failures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_FAKE_HSM_H_
