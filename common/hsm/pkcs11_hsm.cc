#include "common/hsm/pkcs11_hsm.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/hsm/pkcs11_error.h"
#include "common/hsm/softhsm_guard.h"
#include "common/hsm/softhsm_store.h"
#include "common/hsm/token_key.h"
#include "common/hsm/token_objects.h"
#include "common/hsm/token_owner.h"
#include "common/hsm/turnstile.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

const absl::Status& StatusOf(const absl::Status& status) {
    return status;
}

template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
}

// Whether a session couldn't be had because the token isn't where it was.
bool IsTokenLost(const absl::Status& status) {
    return IsOneOf(status, {CKR_TOKEN_NOT_PRESENT, CKR_DEVICE_REMOVED, CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_RECOGNIZED});
}

bool IsStaleHandle(const absl::Status& status) {
    return IsOneOf(status, {CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID});
}

}  // namespace

class Pkcs11Hsm : public Hsm {
 public:
    Pkcs11Hsm(TokenLocator locator, std::optional<SoftHsmGuard> guard, std::string lock_path)
        : title_(locator.title()),
          one_writer_(guard.has_value()),
          owner_(std::move(locator), std::move(guard), std::move(lock_path)) {}

    std::string name() const override { return owner_.locator().name(); }
    absl::StatusOr<TokenState> State() override { return owner_.State(); }
    absl::Status VerifySoPin(const crypto::Secret& so_pin) override { return owner_.VerifySoPin(so_pin); }
    absl::Status Initialise(const crypto::Secret& so_pin, const crypto::Secret& user_pin) override {
        return owner_.Initialise(so_pin, user_pin);
    }
    absl::Status ChangeSoPin(const crypto::Secret& from, const crypto::Secret& to) override {
        return owner_.ChangeSoPin(from, to);
    }
    absl::Status Open(const crypto::Secret& user_pin) override { return owner_.Open(user_pin); }
    absl::Status Close() override { return owner_.Close(); }

    absl::Status GenerateKeyPair(const ObjectId& id, absl::string_view label, crypto::KeyAlgorithm algorithm) override;
    absl::StatusOr<crypto::EvpPkeyPtr> LoadKey(const ObjectId& id) override;
    absl::Status StoreCertificate(const ObjectId& id, absl::string_view label, absl::string_view der,
                                  bool authority) override;
    absl::StatusOr<std::string> ReadCertificate(const ObjectId& id) override;
    absl::Status Destroy(const ObjectId& id) override;
    absl::StatusOr<std::vector<StoredObject>> List() override;
    absl::Status DestroyUnnamed() override;

 private:
    class Signer;

    // When an object handle was found: it is good for one login, and as long as nothing was destroyed since (a module
    // may give its number to another object).
    struct Epoch {
        std::uint64_t login;
        std::uint64_t destroyed;
        bool operator==(const Epoch&) const = default;
    };

    enum class Access { kSign, kRead, kWrite };
    // One of Turnstile's turns, or none.
    using ObjectTurn = std::variant<std::monostate, Turnstile::Together, Turnstile::Alone>;

    // SoftHSM hands out objects that another thread is about to make, and then fails in both threads: there whoever
    // makes or destroys objects does it while nobody looks for any.
    void TakeTurn(Access access, ObjectTurn& turn);

    // Runs `work(objects, epoch)` with a session of its own. When the login turns out to be lost, which PKCS #11 says
    // before it does anything, logs in again and runs it once more.
    template <typename Work>
    auto WithObjects(Access access, const Work& work) -> decltype(work(std::declval<const TokenObjects&>(), Epoch{}));
    struct Attempt {
        std::uint64_t login = 0;
        bool started = false;
    };
    template <typename Result, typename Work>
    Result RunOnce(Access access, const Work& work, Attempt& attempt);

    const std::string title_;
    const bool one_writer_;
    Turnstile objects_;
    TokenOwner owner_;
    std::atomic<std::uint64_t> destroyed_ = 0;
};

void Pkcs11Hsm::TakeTurn(Access access, ObjectTurn& turn) {
    if (!one_writer_) {
        return;
    }
    if (access == Access::kRead) {
        turn.emplace<Turnstile::Together>(objects_);
    } else if (access == Access::kWrite) {
        turn.emplace<Turnstile::Alone>(objects_);
    }
}

template <typename Result, typename Work>
Result Pkcs11Hsm::RunOnce(Access access, const Work& work, Attempt& attempt) {
    const crypto::OpenSslErrorsDropped dropped;
    ASSIGN_OR_RETURN(SessionPool::Lease lease, owner_.pool().Acquire(attempt.login));
    const Pkcs11Session session = lease.session();
    absl::Status user = session.CheckUser();
    if (!user.ok()) {
        lease.Discard();
        return user;
    }
    attempt.started = true;
    ObjectTurn turn;
    TakeTurn(access, turn);
    Result result = work(TokenObjects(session, title_), Epoch{attempt.login, destroyed_.load()});
    if (RvOf(StatusOf(result))) {
        lease.Discard();
    }
    return result;
}

template <typename Work>
auto Pkcs11Hsm::WithObjects(Access access, const Work& work)
    -> decltype(work(std::declval<const TokenObjects&>(), Epoch{})) {
    using Result = decltype(work(std::declval<const TokenObjects&>(), Epoch{}));
    Attempt attempt;
    Result result = RunOnce<Result>(access, work, attempt);
    const bool login_lost = IsLoginLost(StatusOf(result));
    const bool token_lost = !attempt.started && IsTokenLost(StatusOf(result));
    if (!login_lost && !token_lost) {
        return result;
    }
    RETURN_IF_ERROR(owner_.Recover(attempt.login));
    return RunOnce<Result>(access, work, attempt);
}

// Signs with one key, whose handle it remembers.
class Pkcs11Hsm::Signer : public TokenSigner {
 public:
    Signer(Pkcs11Hsm& hsm, ObjectId id) : hsm_(hsm), id_(std::move(id)) {}

    absl::StatusOr<std::string> Sign(SignScheme scheme, absl::string_view data) override {
        return hsm_.WithObjects(Access::kSign,
                                [&](const TokenObjects& objects, Epoch epoch) -> absl::StatusOr<std::string> {
                                    if (const auto known = Remembered(epoch)) {
                                        auto signature = objects.Sign(scheme, *known, data);
                                        if (!IsStaleHandle(signature.status())) {
                                            return signature;
                                        }
                                    }
                                    ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE key, FindKey(objects));
                                    Remember(key, epoch);
                                    return objects.Sign(scheme, key, data);
                                });
    }

 private:
    absl::StatusOr<CK_OBJECT_HANDLE> FindKey(const TokenObjects& objects) {
        ObjectTurn turn;
        hsm_.TakeTurn(Access::kRead, turn);
        return objects.Find(id_, CKO_PRIVATE_KEY);
    }

    std::optional<CK_OBJECT_HANDLE> Remembered(Epoch epoch) {
        absl::MutexLock lock(&mutex_);
        return epoch_ == epoch ? std::optional(key_) : std::nullopt;
    }

    void Remember(CK_OBJECT_HANDLE key, Epoch epoch) {
        absl::MutexLock lock(&mutex_);
        key_ = key;
        epoch_ = epoch;
    }

    Pkcs11Hsm& hsm_;
    const ObjectId id_;
    absl::Mutex mutex_;
    CK_OBJECT_HANDLE key_ ABSL_GUARDED_BY(mutex_) = 0;
    std::optional<Epoch> epoch_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Pkcs11Hsm::GenerateKeyPair(const ObjectId& id, absl::string_view label, crypto::KeyAlgorithm algorithm) {
    return WithObjects(Access::kWrite, [&](const TokenObjects& objects, Epoch) -> absl::Status {
        RETURN_IF_ERROR(objects.GenerateKeyPair(id, label, algorithm));
        return owner_.Sync();
    });
}

absl::StatusOr<crypto::EvpPkeyPtr> Pkcs11Hsm::LoadKey(const ObjectId& id) {
    ASSIGN_OR_RETURN(
        const crypto::EvpPkeyPtr public_key,
        WithObjects(Access::kRead, [&](const TokenObjects& objects, Epoch) { return objects.PublicKey(id); }));
    return MakeTokenKey(public_key.get(), std::make_shared<Signer>(*this, id));
}

absl::Status Pkcs11Hsm::StoreCertificate(const ObjectId& id, absl::string_view label, absl::string_view der,
                                         bool authority) {
    return WithObjects(Access::kWrite, [&](const TokenObjects& objects, Epoch) -> absl::Status {
        RETURN_IF_ERROR(objects.StoreCertificate(id, label, der, authority));
        absl::Status synced = owner_.Sync();
        if (!synced.ok()) {
            objects.DestroyCertificate(id).IgnoreError();
        }
        return synced;
    });
}

absl::StatusOr<std::string> Pkcs11Hsm::ReadCertificate(const ObjectId& id) {
    return WithObjects(Access::kRead, [&](const TokenObjects& objects, Epoch) { return objects.ReadCertificate(id); });
}

absl::Status Pkcs11Hsm::Destroy(const ObjectId& id) {
    return WithObjects(Access::kWrite, [&](const TokenObjects& objects, Epoch) -> absl::Status {
        const absl::Status status = objects.Destroy(id);
        ++destroyed_;
        RETURN_IF_ERROR(status);
        return owner_.Sync();
    });
}

absl::StatusOr<std::vector<StoredObject>> Pkcs11Hsm::List() {
    return WithObjects(Access::kRead, [](const TokenObjects& objects, Epoch) { return objects.List(); });
}

absl::Status Pkcs11Hsm::DestroyUnnamed() {
    return WithObjects(Access::kWrite, [&](const TokenObjects& objects, Epoch) -> absl::Status {
        const absl::Status status = objects.DestroyUnnamed();
        ++destroyed_;
        RETURN_IF_ERROR(status);
        return owner_.Sync();
    });
}

namespace {

absl::Status MakeStateDirectory(const std::string& path) {
    std::error_code error;
    if (std::filesystem::create_directories(path, error)) {
        std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
    }
    if (error) {
        return absl::ErrnoToStatus(error.value(), absl::StrCat("the directory ", path, " can't be made"));
    }
    return absl::OkStatus();
}

absl::Status CheckStore(const SoftHsmStore& store) {
    std::error_code error;
    if (!std::filesystem::is_directory(store.path(), error)) {
        return absl::FailedPreconditionError(
            absl::StrCat("SoftHSM's token directory ", store.path(),
                         " does not exist: make it, or correct directories.tokendir in SoftHSM's configuration"));
    }
    return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Hsm>> CreatePkcs11Hsm(const TokenSelector& selector, const std::string& state_dir) {
    const crypto::OpenSslErrorsDropped dropped;
    RETURN_IF_ERROR(CheckSelector(selector));
    RETURN_IF_ERROR(MakeStateDirectory(state_dir));
    std::optional<SoftHsmGuard> guard;
    std::string lock_path = absl::StrCat(state_dir, "/pkcs11.lock");
    const std::optional<SoftHsmStore> store = SoftHsmStore::Locate(selector.library);
    if (store) {
        RETURN_IF_ERROR(CheckStore(*store));
        guard.emplace(*store, state_dir);
        lock_path = absl::StrCat(store->path(), "/provhub.lock");
    }
    const auto repair = [&guard](const Pkcs11Module& module) -> absl::StatusOr<bool> {
        if (!guard) {
            return false;
        }
        ASSIGN_OR_RETURN(const std::vector<TokenInSlot> visible, module.Tokens());
        return guard->Restore(visible);
    };
    std::shared_ptr<const Pkcs11Module> module;
    {
        ASSIGN_OR_RETURN(const runtime::LockFile lock, LockTokens(lock_path));
        ASSIGN_OR_RETURN(module, Pkcs11Module::Load(selector.library, repair));
    }
    auto hsm =
        std::make_unique<Pkcs11Hsm>(TokenLocator(std::move(module), selector, store), std::move(guard), lock_path);
    RETURN_IF_ERROR(hsm->State().status());
    return hsm;
}

}  // namespace provhub::hsm
