// A PKCS #11 module that is another one, with faults: a test arms them through provhub_test_fail. Loading it anew
// disarms them.
//
// The module behind it is named by PROVHUB_TEST_PKCS11.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

namespace {

struct Fault {
    int countdown;
    CK_RV rv;
};

std::mutex mutex;
// More than one call of a function can be told to fail.
std::multimap<std::string, Fault> faults;
CK_FUNCTION_LIST* behind = nullptr;
CK_FUNCTION_LIST list;

// What the call is to return instead of being passed on.
CK_RV Failure(const char* function) {
    const std::lock_guard<std::mutex> lock(mutex);
    auto [it, end] = faults.equal_range(function);
    CK_RV rv = CKR_OK;
    while (it != end) {
        if (--it->second.countdown > 0) {
            ++it;
        } else {
            rv = it->second.rv;
            it = faults.erase(it);
        }
    }
    return rv;
}

bool IsInitialised(CK_SLOT_ID slot) {
    CK_TOKEN_INFO info{};
    return behind->C_GetTokenInfo(slot, &info) == CKR_OK && (info.flags & CKF_TOKEN_INITIALIZED) != 0;
}

template <auto Member>
struct Forward;

template <typename... Args, CK_RV (*CK_FUNCTION_LIST::*Member)(Args...)>
struct Forward<Member> {
    static inline const char* name = nullptr;

    static CK_RV Call(Args... args) {
        const CK_RV rv = Failure(name);
        return rv != CKR_OK ? rv : (behind->*Member)(args...);
    }
};

template <auto Member>
void Wrap(const char* name) {
    Forward<Member>::name = name;
    list.*Member = &Forward<Member>::Call;
}

// As tpm2-pkcs11 does: a token is initialised once.
CK_RV InitTokenOnce(CK_SLOT_ID slot, CK_UTF8CHAR* pin, CK_ULONG pin_size, CK_UTF8CHAR* label) {
    const CK_RV rv = Failure("C_InitToken");
    if (rv != CKR_OK) {
        return rv;
    }
    return IsInitialised(slot) ? CKR_ARGUMENTS_BAD : behind->C_InitToken(slot, pin, pin_size, label);
}

#define WRAP(function) Wrap<&CK_FUNCTION_LIST::function>(#function)

}  // namespace

extern "C" {

// The `nth` call of `function` from now on (1 is the next) returns `rv` and does nothing.
__attribute__((visibility("default"))) void provhub_test_fail(const char* function, int nth, unsigned long rv) {
    const std::lock_guard<std::mutex> lock(mutex);
    faults.emplace(function, Fault{nth, rv});
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** result) {
    void* handle = dlopen(std::getenv("PROVHUB_TEST_PKCS11"), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const auto get =
        handle == nullptr ? nullptr : reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
    if (get == nullptr || get(&behind) != CKR_OK) {
        return CKR_GENERAL_ERROR;
    }
    {
        const std::lock_guard<std::mutex> lock(mutex);
        faults.clear();
    }
    list = *behind;
    WRAP(C_OpenSession);
    WRAP(C_Login);
    WRAP(C_InitPIN);
    WRAP(C_SetPIN);
    WRAP(C_FindObjectsInit);
    WRAP(C_FindObjects);
    WRAP(C_GetAttributeValue);
    WRAP(C_CreateObject);
    WRAP(C_DestroyObject);
    WRAP(C_GenerateKeyPair);
    WRAP(C_SignInit);
    WRAP(C_Sign);
    list.C_InitToken = InitTokenOnce;
    *result = &list;
    return CKR_OK;
}

}  // extern "C"
