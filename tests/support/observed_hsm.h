// An Hsm that lets a test step in at every call.
#ifndef PROVHUB_TESTS_SUPPORT_OBSERVED_HSM_H_
#define PROVHUB_TESTS_SUPPORT_OBSERVED_HSM_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/hsm/hsm.h"

namespace provhub::test {

// Passes every call on to another Hsm, which MUST outlive it. `before` runs first, with the method's name; an error of
// it is the result of the call, which then does nothing. `after` runs when the call has done its work; an error of it
// is the result then.
class ObservedHsm final : public hsm::Hsm {
 public:
    using Observer = std::function<absl::Status(const std::string& method)>;

    ObservedHsm(hsm::Hsm& hsm, Observer before, Observer after)
        : hsm_(hsm), before_(std::move(before)), after_(std::move(after)) {}

    std::string name() const override { return hsm_.name(); }
    absl::StatusOr<hsm::TokenState> State() override {
        return Pass<absl::StatusOr<hsm::TokenState>>("State", [&] { return hsm_.State(); });
    }
    absl::Status VerifySoPin(const crypto::Secret& so_pin) override {
        return Pass<absl::Status>("VerifySoPin", [&] { return hsm_.VerifySoPin(so_pin); });
    }
    absl::Status Initialise(const crypto::Secret& so_pin, const crypto::Secret& user_pin) override {
        return Pass<absl::Status>("Initialise", [&] { return hsm_.Initialise(so_pin, user_pin); });
    }
    absl::Status ChangeSoPin(const crypto::Secret& from, const crypto::Secret& to) override {
        return Pass<absl::Status>("ChangeSoPin", [&] { return hsm_.ChangeSoPin(from, to); });
    }
    absl::Status Open(const crypto::Secret& user_pin) override {
        return Pass<absl::Status>("Open", [&] { return hsm_.Open(user_pin); });
    }
    absl::Status Close() override {
        return Pass<absl::Status>("Close", [&] { return hsm_.Close(); });
    }
    absl::Status GenerateKeyPair(const hsm::ObjectId& id, absl::string_view label,
                                 crypto::KeyAlgorithm algorithm) override {
        return Pass<absl::Status>("GenerateKeyPair", [&] { return hsm_.GenerateKeyPair(id, label, algorithm); });
    }
    absl::StatusOr<crypto::EvpPkeyPtr> LoadKey(const hsm::ObjectId& id) override {
        return Pass<absl::StatusOr<crypto::EvpPkeyPtr>>("LoadKey", [&] { return hsm_.LoadKey(id); });
    }
    absl::Status StoreCertificate(const hsm::ObjectId& id, absl::string_view label, absl::string_view der,
                                  bool authority) override {
        return Pass<absl::Status>("StoreCertificate",
                                  [&] { return hsm_.StoreCertificate(id, label, der, authority); });
    }
    absl::StatusOr<std::string> ReadCertificate(const hsm::ObjectId& id) override {
        return Pass<absl::StatusOr<std::string>>("ReadCertificate", [&] { return hsm_.ReadCertificate(id); });
    }
    absl::Status Destroy(const hsm::ObjectId& id) override {
        return Pass<absl::Status>("Destroy", [&] { return hsm_.Destroy(id); });
    }
    absl::StatusOr<std::vector<hsm::StoredObject>> List() override {
        return Pass<absl::StatusOr<std::vector<hsm::StoredObject>>>("List", [&] { return hsm_.List(); });
    }
    absl::Status DestroyUnnamed() override {
        return Pass<absl::Status>("DestroyUnnamed", [&] { return hsm_.DestroyUnnamed(); });
    }

 private:
    template <typename Result, typename Work>
    Result Pass(const std::string& method, Work work) {
        if (absl::Status status = before_(method); !status.ok()) {
            return status;
        }
        Result result = work();
        if (absl::Status status = after_(method); !status.ok()) {
            return status;
        }
        return result;
    }

    hsm::Hsm& hsm_;
    const Observer before_;
    const Observer after_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_OBSERVED_HSM_H_
