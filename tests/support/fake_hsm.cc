#include "tests/support/fake_hsm.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hsm/token_key.h"
#include "common/status/macros.h"

namespace provhub::test {
namespace {

using crypto::Deleter;
using crypto::EvpPkeyCtxPtr;
using crypto::EvpPkeyPtr;
using hsm::SignScheme;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

constexpr std::size_t kMinPin = 4;
constexpr std::size_t kMaxPin = 255;
constexpr unsigned int kRsaBits = 2048;

bool IsPin(const crypto::Secret& pin) {
    return pin.size() >= kMinPin && pin.size() <= kMaxPin;
}

EVP_PKEY* MakeKey(crypto::KeyAlgorithm algorithm) {
    return algorithm == crypto::KeyAlgorithm::kRsa2048 ? EVP_RSA_gen(kRsaBits) : EVP_EC_gen("P-384");
}

// r || s of a DER signature, each half as long as the order.
std::string ToRaw(const std::string& der, std::size_t half) {
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size())));
    std::string raw(2 * half, '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, static_cast<int>(half));
    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + half, static_cast<int>(half));
    return raw;
}

absl::StatusOr<std::string> SignInSoftware(EVP_PKEY* key, SignScheme scheme, absl::string_view data) {
    const EvpPkeyCtxPtr context(EVP_PKEY_CTX_new(key, nullptr));
    bool good = EVP_PKEY_sign_init(context.get()) == 1;
    if (scheme != SignScheme::kEcdsa) {
        const int padding = scheme == SignScheme::kRsaRaw ? RSA_NO_PADDING : RSA_PKCS1_PADDING;
        good = good && EVP_PKEY_CTX_set_rsa_padding(context.get(), padding) == 1;
    }
    std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
    std::size_t size = signature.size();
    good = good && EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                 reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
    if (!good) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "EVP_PKEY_sign");
    }
    signature.resize(size);
    return scheme == SignScheme::kEcdsa ? ToRaw(signature, static_cast<std::size_t>(EVP_PKEY_get_bits(key) + 7) / 8)
                                        : signature;
}

}  // namespace

// One call from its beginning to its end: counts it, lets it wait its turn, and makes it fail where the test said so.
class FakeHsm::Call {
 public:
    enum class Kind { kAny, kKey, kOwnership };

    Call(FakeHsm& hsm, const std::string& method, Kind kind) : hsm_(hsm), kind_(kind) {
        absl::MutexLock lock(&hsm_.mutex_);
        TakeTurn();
        ++hsm_.calls_[method];
        TakeFailure(method);
        ++hsm_.held_[method];
        const auto released = [this, &method]()
                                  ABSL_EXCLUSIVE_LOCKS_REQUIRED(hsm_.mutex_) { return hsm_.holds_[method] == 0; };
        hsm_.mutex_.Await(absl::Condition(&released));
        --hsm_.held_[method];
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        absl::MutexLock lock(&hsm_.mutex_);
        if (kind_ == Kind::kOwnership) {
            hsm_.owned_ = false;
        } else {
            --hsm_.running_;
        }
    }

    absl::Status Before() const { return StatusAt(Fails::kBeforeItsWork); }
    absl::Status After() const { return StatusAt(Fails::kAfterItsWork); }

 private:
    void TakeTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(hsm_.mutex_) {
        if (kind_ == Kind::kAny) {
            ++hsm_.running_;
            return;
        }
        const auto not_owned = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(hsm_.mutex_) { return !hsm_.owned_; };
        hsm_.mutex_.Await(absl::Condition(&not_owned));
        if (kind_ == Kind::kKey) {
            ++hsm_.running_;
            return;
        }
        hsm_.owned_ = true;
        const auto quiet = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(hsm_.mutex_) { return hsm_.running_ == 0; };
        hsm_.mutex_.Await(absl::Condition(&quiet));
    }

    void TakeFailure(const std::string& method) ABSL_EXCLUSIVE_LOCKS_REQUIRED(hsm_.mutex_) {
        auto [it, end] = hsm_.failures_.equal_range(method);
        while (it != end) {
            if (--it->second.countdown > 0) {
                ++it;
                continue;
            }
            failure_ = it->second;
            it = hsm_.failures_.erase(it);
        }
    }

    absl::Status StatusAt(Fails fails) const {
        return failure_ && failure_->fails == fails ? failure_->status : absl::OkStatus();
    }

    FakeHsm& hsm_;
    const Kind kind_;
    std::optional<Failure> failure_;
};

class FakeHsm::Signer : public hsm::TokenSigner {
 public:
    Signer(FakeHsm& hsm, hsm::ObjectId id) : hsm_(hsm), id_(std::move(id)) {}

    absl::StatusOr<std::string> Sign(SignScheme scheme, absl::string_view data) override {
        return hsm_.Sign(id_, scheme, data);
    }

 private:
    FakeHsm& hsm_;
    const hsm::ObjectId id_;
};

FakeHsm::Hold::Hold(FakeHsm& hsm, std::string method) : hsm_(hsm), method_(std::move(method)) {
    absl::MutexLock lock(&hsm_.mutex_);
    ++hsm_.holds_[method_];
}

bool FakeHsm::Hold::AwaitCalls(int calls, absl::Duration limit) {
    absl::MutexLock lock(&hsm_.mutex_);
    const auto there = [this, calls]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(hsm_.mutex_) { return hsm_.held_[method_] >= calls; };
    return hsm_.mutex_.AwaitWithTimeout(absl::Condition(&there), limit);
}

void FakeHsm::Hold::Release() {
    absl::MutexLock lock(&hsm_.mutex_);
    if (!std::exchange(released_, true)) {
        --hsm_.holds_[method_];
    }
}

FakeHsm::FakeHsm(std::string label) : label_(std::move(label)) {}

FakeHsm::~FakeHsm() {
    absl::MutexLock lock(&mutex_);
    const auto quiet = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ == 0 && !owned_; };
    mutex_.Await(absl::Condition(&quiet));
}

void FakeHsm::FailCall(const std::string& method, int nth, absl::Status status, Fails fails) {
    absl::MutexLock lock(&mutex_);
    failures_.emplace(method, Failure{nth, std::move(status), fails});
}

int FakeHsm::Calls(const std::string& method) const {
    absl::MutexLock lock(&mutex_);
    const auto it = calls_.find(method);
    return it == calls_.end() ? 0 : it->second;
}

void FakeHsm::Add(const hsm::StoredObject& object) {
    absl::MutexLock lock(&mutex_);
    if (object.id.empty()) {
        entries_.push_back(Entry{object, nullptr, "", false});
        return;
    }
    hsm::StoredObject& stored = FindOrAdd(object.id, object.label).object;
    stored.has_private_key |= object.has_private_key;
    stored.has_public_key |= object.has_public_key;
    stored.has_certificate |= object.has_certificate;
    stored.unreadable |= object.unreadable;
}

void FakeHsm::LoseLogin() {
    absl::MutexLock lock(&mutex_);
    open_ = false;
}

absl::StatusOr<hsm::TokenState> FakeHsm::State() {
    const Call call(*this, "State", Call::Kind::kAny);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    if (!initialised_) {
        return hsm::TokenState{};
    }
    return hsm::TokenState{true, !user_pin_.empty(), label_, "0123456789abcdef", "Provhub", "fake"};
}

absl::Status FakeHsm::VerifySoPin(const crypto::Secret& so_pin) {
    const Call call(*this, "VerifySoPin", Call::Kind::kOwnership);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckInitialised());
    RETURN_IF_ERROR(CheckSoPin(so_pin));
    return call.After();
}

absl::Status FakeHsm::Initialise(const crypto::Secret& so_pin, const crypto::Secret& user_pin) {
    const Call call(*this, "Initialise", Call::Kind::kOwnership);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    if (!IsPin(so_pin) || !IsPin(user_pin)) {
        return Error(absl::StatusCode::kInvalidArgument, "a PIN has 4 to 255 characters");
    }
    if (initialised_) {
        RETURN_IF_ERROR(CheckSoPin(so_pin));
    }
    entries_.clear();
    so_pin_ = so_pin.Clone();
    user_pin_ = user_pin.Clone();
    initialised_ = true;
    open_ = true;
    return call.After();
}

absl::Status FakeHsm::ChangeSoPin(const crypto::Secret& from, const crypto::Secret& to) {
    const Call call(*this, "ChangeSoPin", Call::Kind::kOwnership);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckInitialised());
    if (!IsPin(to)) {
        return Error(absl::StatusCode::kInvalidArgument, "a PIN has 4 to 255 characters");
    }
    RETURN_IF_ERROR(CheckSoPin(from));
    so_pin_ = to.Clone();
    return call.After();
}

absl::Status FakeHsm::Open(const crypto::Secret& user_pin) {
    const Call call(*this, "Open", Call::Kind::kOwnership);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckInitialised());
    if (!open_ && !user_pin_.Equals(user_pin)) {
        return Error(absl::StatusCode::kPermissionDenied, "wrong user PIN");
    }
    open_ = true;
    return call.After();
}

absl::Status FakeHsm::Close() {
    const Call call(*this, "Close", Call::Kind::kOwnership);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    open_ = false;
    return call.After();
}

absl::Status FakeHsm::GenerateKeyPair(const hsm::ObjectId& id, absl::string_view label,
                                      crypto::KeyAlgorithm algorithm) {
    const Call call(*this, "GenerateKeyPair", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    if (id.empty()) {
        return Error(absl::StatusCode::kInvalidArgument, "a key pair needs an id");
    }
    const std::shared_ptr<EVP_PKEY> key(MakeKey(algorithm), Deleter<EVP_PKEY_free>());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckOpen());
    if (Find(id) != nullptr) {
        return Error(absl::StatusCode::kAlreadyExists, "the id is taken");
    }
    Entry& entry = FindOrAdd(id, label);
    entry.object.has_private_key = true;
    entry.object.has_public_key = true;
    entry.key = key;
    return call.After();
}

absl::StatusOr<EvpPkeyPtr> FakeHsm::LoadKey(const hsm::ObjectId& id) {
    const Call call(*this, "LoadKey", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckOpen());
    const Entry* entry = Find(id);
    if (entry == nullptr || entry->key == nullptr) {
        return Error(absl::StatusCode::kNotFound, "no key pair has this id");
    }
    return hsm::MakeTokenKey(entry->key.get(), std::make_shared<Signer>(*this, id));
}

absl::Status FakeHsm::StoreCertificate(const hsm::ObjectId& id, absl::string_view label, absl::string_view der,
                                       bool authority) {
    const Call call(*this, "StoreCertificate", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckOpen());
    if (id.empty()) {
        return Error(absl::StatusCode::kInvalidArgument, "a certificate needs an id");
    }
    Entry& entry = FindOrAdd(id, label);
    if (entry.object.has_certificate) {
        return Error(absl::StatusCode::kAlreadyExists, "a certificate has this id");
    }
    entry.object.has_certificate = true;
    entry.certificate = std::string(der);
    entry.authority = authority;
    return call.After();
}

absl::StatusOr<std::string> FakeHsm::ReadCertificate(const hsm::ObjectId& id) {
    const Call call(*this, "ReadCertificate", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckOpen());
    const Entry* entry = Find(id);
    if (entry == nullptr || !entry->object.has_certificate) {
        return Error(absl::StatusCode::kNotFound, "no certificate has this id");
    }
    return entry->certificate;
}

absl::Status FakeHsm::Destroy(const hsm::ObjectId& id) {
    const Call call(*this, "Destroy", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckOpen());
    if (id.empty()) {
        return Error(absl::StatusCode::kInvalidArgument, "objects without an id are destroyed by DestroyUnnamed");
    }
    std::erase_if(entries_, [&id](const Entry& entry) { return entry.object.id == id; });
    return call.After();
}

absl::StatusOr<std::vector<hsm::StoredObject>> FakeHsm::List() {
    const Call call(*this, "List", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckOpen());
    std::vector<hsm::StoredObject> objects;
    std::ranges::transform(entries_, std::back_inserter(objects), &Entry::object);
    return objects;
}

absl::Status FakeHsm::DestroyUnnamed() {
    const Call call(*this, "DestroyUnnamed", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckOpen());
    std::erase_if(entries_, [](const Entry& entry) { return entry.object.id.empty(); });
    return call.After();
}

absl::Status FakeHsm::CheckInitialised() const {
    return initialised_ ? absl::OkStatus()
                        : Error(absl::StatusCode::kFailedPrecondition, "the token is not initialised");
}

absl::Status FakeHsm::CheckOpen() const {
    RETURN_IF_ERROR(CheckInitialised());
    return open_ ? absl::OkStatus() : Error(absl::StatusCode::kFailedPrecondition, "the token is not open");
}

absl::Status FakeHsm::CheckSoPin(const crypto::Secret& so_pin) const {
    return so_pin_.Equals(so_pin) ? absl::OkStatus() : Error(absl::StatusCode::kPermissionDenied, "wrong SO PIN");
}

absl::Status FakeHsm::Error(absl::StatusCode code, absl::string_view what) const {
    return absl::Status(code, absl::StrCat("token '", label_, "': ", what));
}

FakeHsm::Entry* FakeHsm::Find(const hsm::ObjectId& id) {
    const auto it = std::ranges::find_if(entries_, [&id](const Entry& entry) { return entry.object.id == id; });
    return it == entries_.end() ? nullptr : &*it;
}

FakeHsm::Entry& FakeHsm::FindOrAdd(const hsm::ObjectId& id, absl::string_view label) {
    if (Entry* entry = Find(id)) {
        return *entry;
    }
    Entry& entry = entries_.emplace_back();
    entry.object.id = id;
    entry.object.label = std::string(label);
    return entry;
}

absl::StatusOr<std::string> FakeHsm::Sign(const hsm::ObjectId& id, SignScheme scheme, absl::string_view data) {
    const Call call(*this, "Sign", Call::Kind::kKey);
    RETURN_IF_ERROR(call.Before());
    std::shared_ptr<EVP_PKEY> key;
    {
        absl::MutexLock lock(&mutex_);
        RETURN_IF_ERROR(CheckOpen());
        const Entry* entry = Find(id);
        if (entry == nullptr || entry->key == nullptr) {
            return Error(absl::StatusCode::kNotFound, "no key pair has this id");
        }
        key = entry->key;
    }
    return SignInSoftware(key.get(), scheme, data);
}

}  // namespace provhub::test
