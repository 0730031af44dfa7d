#include "common/hsm/pkcs11_module.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/crypto/openssl.h"
#include "common/hsm/pkcs11_error.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

constexpr int kSlotListAttempts = 5;

using CString = std::unique_ptr<char, crypto::Deleter<std::free>>;

absl::StatusOr<std::string> CanonicalPath(const std::string& library) {
    if (library.find('/') == std::string::npos) {
        return library;
    }
    const CString real(realpath(library.c_str(), nullptr));
    if (real == nullptr) {
        return absl::ErrnoToStatus(errno, absl::StrCat("PKCS #11 library ", library));
    }
    return std::string(real.get());
}

absl::StatusOr<CK_FUNCTION_LIST*> OpenLibrary(const std::string& path) {
    // Never unloaded: libraries leave handlers for the exit of the process behind.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): one for each thread in glibc and musl.
        const char* reason = dlerror();
        return absl::FailedPreconditionError(absl::StrCat("PKCS #11 library ", path, " can't be loaded: ", reason));
    }
    const auto get_function_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
    if (get_function_list == nullptr) {
        return absl::FailedPreconditionError(
            absl::StrCat(path, " is not a PKCS #11 library: it has no C_GetFunctionList"));
    }
    CK_FUNCTION_LIST* functions = nullptr;
    const CK_RV rv = get_function_list(&functions);
    if (rv != CKR_OK || functions == nullptr) {
        return absl::FailedPreconditionError(absl::StrCat(path, ": C_GetFunctionList: ", RvName(rv)));
    }
    return functions;
}

}  // namespace

// Every library of the process, by its path. Nothing is locked while a library is at work: whoever comes meanwhile
// waits for `busy` to end.
class Pkcs11Module::Registry {
 public:
    static Registry& Instance() {
        static auto* const registry = new Registry();
        return *registry;
    }

    absl::StatusOr<Pkcs11Module*> Acquire(const std::string& path, const Repair& repair) {
        if (Pkcs11Module* module = Share(path)) {
            return module;
        }
        auto made = Make(path, repair);
        absl::MutexLock lock(&mutex_);
        Entry& entry = entries_[path];
        entry.busy = false;
        if (!made.ok()) {
            return made.status();
        }
        entry.module = *std::move(made);
        entry.users = 1;
        return entry.module.get();
    }

    void Release(const std::string& path) {
        std::unique_ptr<Pkcs11Module> last;
        {
            absl::MutexLock lock(&mutex_);
            Entry& entry = entries_[path];
            if (--entry.users > 0) {
                return;
            }
            entry.busy = true;
            last = std::move(entry.module);
        }
        last->Finalise();
        absl::MutexLock lock(&mutex_);
        entries_[path].busy = false;
    }

 private:
    struct Entry {
        bool busy = false;
        int users = 0;
        std::unique_ptr<Pkcs11Module> module;
    };

    // Null when there is none yet: then the entry is busy until the caller has made one.
    Pkcs11Module* Share(const std::string& path) {
        absl::MutexLock lock(&mutex_);
        Entry& entry = entries_[path];
        mutex_.Await(absl::Condition(
            +[](Entry* e) { return !e->busy; }, &entry));
        if (entry.module == nullptr) {
            entry.busy = true;
            return nullptr;
        }
        ++entry.users;
        return entry.module.get();
    }

    static absl::StatusOr<std::unique_ptr<Pkcs11Module>> Make(const std::string& path, const Repair& repair) {
        ASSIGN_OR_RETURN(CK_FUNCTION_LIST * functions, OpenLibrary(path));
        std::unique_ptr<Pkcs11Module> module(new Pkcs11Module(path, functions));
        RETURN_IF_ERROR(module->Initialise());
        auto repaired = repair(*module);
        if (repaired.ok() && *repaired) {
            module->Finalise();
            RETURN_IF_ERROR(module->Initialise());
        } else if (!repaired.ok()) {
            module->Finalise();
            return repaired.status();
        }
        return module;
    }

    absl::Mutex mutex_;
    // Entries stay where they are once made.
    std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::shared_ptr<const Pkcs11Module>> Pkcs11Module::Load(const std::string& library,
                                                                       const Repair& repair) {
    ASSIGN_OR_RETURN(std::string path, CanonicalPath(library));
    ASSIGN_OR_RETURN(Pkcs11Module * module, Registry::Instance().Acquire(path, repair));
    return std::shared_ptr<const Pkcs11Module>(module,
                                               [path](const Pkcs11Module*) { Registry::Instance().Release(path); });
}

absl::StatusOr<std::vector<CK_SLOT_ID>> Pkcs11Module::Slots() const {
    CK_RV rv = CKR_OK;
    for (int attempt = 0; attempt < kSlotListAttempts; ++attempt) {
        CK_ULONG count = 0;
        // Asking for the count alone also makes a library look for new slots (PKCS #11 v2.40 §5.5 C_GetSlotList).
        rv = functions_->C_GetSlotList(CK_TRUE, nullptr, &count);
        if (rv != CKR_OK) {
            break;
        }
        std::vector<CK_SLOT_ID> slots(count);
        rv = functions_->C_GetSlotList(CK_TRUE, slots.data(), &count);
        if (rv == CKR_OK) {
            slots.resize(count);
            return slots;
        }
        if (rv != CKR_BUFFER_TOO_SMALL) {
            break;
        }
    }
    return Pkcs11Status(path_, "C_GetSlotList", rv);
}

absl::StatusOr<std::vector<TokenInSlot>> Pkcs11Module::Tokens() const {
    ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, Slots());
    std::vector<TokenInSlot> tokens;
    for (const CK_SLOT_ID slot : slots) {
        TokenInSlot token{slot, {}};
        if (functions_->C_GetTokenInfo(slot, &token.info) == CKR_OK) {
            tokens.push_back(token);
        }
    }
    return tokens;
}

absl::Status Pkcs11Module::Initialise() {
    CK_C_INITIALIZE_ARGS arguments{};
    arguments.flags = CKF_OS_LOCKING_OK;
    const CK_RV rv = functions_->C_Initialize(&arguments);
    ours_ = rv == CKR_OK;
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? absl::OkStatus() : Pkcs11Status(path_, "C_Initialize", rv);
}

void Pkcs11Module::Finalise() {
    if (std::exchange(ours_, false)) {
        functions_->C_Finalize(nullptr);
    }
}

}  // namespace provhub::hsm
