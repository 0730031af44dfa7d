#include "common/provisioning/token_ownership.h"

#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/random.h"
#include "common/hsm/pin_file.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::provisioning {
namespace {

constexpr runtime::Log kLog("provisioning");

absl::Status RemoveFile(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return absl::ErrnoToStatus(errno, absl::StrCat("removing '", path, "'"));
    }
    return absl::OkStatus();
}

// The token's officer has the PIN `to` in the end, whichever of the two it had.
absl::Status MoveSoPin(hsm::Hsm& hsm, const crypto::Secret& from, const crypto::Secret& to) {
    const absl::Status status = hsm.ChangeSoPin(from, to);
    if (absl::IsPermissionDenied(status) && hsm.VerifySoPin(to).ok()) {
        return absl::OkStatus();
    }
    return status;
}

absl::Status DestroyAllObjects(cert::Token& token) {
    RETURN_IF_ERROR(cert::OpenToken(token));
    ASSIGN_OR_RETURN(const std::vector<hsm::StoredObject> objects, token.hsm->List());
    for (const hsm::StoredObject& object : objects) {
        if (!object.id.empty()) {
            RETURN_IF_ERROR(token.hsm->Destroy(object.id));
        }
    }
    return token.hsm->DestroyUnnamed();
}

// Runs `work` on every initialised token, and returns the first error.
absl::Status ForEachInitialised(const std::vector<std::unique_ptr<cert::Token>>& tokens,
                                absl::FunctionRef<absl::Status(cert::Token&)> work) {
    absl::Status first;
    for (const auto& token : tokens) {
        const auto state = token->hsm->State();
        absl::Status status = state.status();
        if (state.ok() && state->initialised) {
            status = work(*token);
        }
        first.Update(status);
    }
    return first;
}

}  // namespace

TokenOwnership::TokenOwnership(std::string working_dir, const std::vector<std::unique_ptr<cert::Token>>& tokens,
                               cert::CertStore& store)
    : release_path_(absl::StrCat(working_dir, "/release.pin")), tokens_(tokens), store_(store) {}

absl::Status TokenOwnership::CheckTakeable(const crypto::Secret& password) {
    RETURN_IF_ERROR(CheckDistinct());
    const auto release_pin = ReadReleasePin();
    if (!release_pin.ok() && !absl::IsNotFound(release_pin.status())) {
        return release_pin.status();
    }
    for (const auto& token : tokens_) {
        ASSIGN_OR_RETURN(const hsm::TokenState state, token->hsm->State());
        if (!state.initialised || (release_pin.ok() && token->hsm->VerifySoPin(*release_pin).ok())) {
            continue;
        }
        const absl::Status status = token->hsm->VerifySoPin(password);
        if (absl::IsPermissionDenied(status)) {
            return status::Annotate(
                status, absl::StrCat("wrong password: token '", token->name, "' belongs to the holder of another one"));
        }
        RETURN_IF_ERROR(status);
    }
    return absl::OkStatus();
}

absl::Status TokenOwnership::Take(const crypto::Secret& password) {
    std::map<std::string, crypto::Secret> user_pins;
    for (const auto& token : tokens_) {
        if (!user_pins.contains(token->user_pin_path)) {
            crypto::Secret pin = crypto::RandomPin();
            RETURN_IF_ERROR(hsm::WritePinFile(token->user_pin_path, pin, token->uid, token->gid));
            user_pins.emplace(token->user_pin_path, std::move(pin));
        }
    }
    for (const auto& token : tokens_) {
        const absl::Status status = TakeToken(*token, password, user_pins[token->user_pin_path]);
        if (!status.ok()) {
            return status::Annotate(status, absl::StrCat("take ownership of token '", token->name, "'"));
        }
    }
    return absl::OkStatus();
}

absl::Status TokenOwnership::TakeToken(cert::Token& token, const crypto::Secret& password,
                                       const crypto::Secret& user_pin) {
    ASSIGN_OR_RETURN(const hsm::TokenState before, token.hsm->State());
    const auto release_pin = ReadReleasePin();
    if (before.initialised && release_pin.ok() && token.hsm->VerifySoPin(*release_pin).ok()) {
        RETURN_IF_ERROR(token.hsm->Initialise(*release_pin, user_pin));
        RETURN_IF_ERROR(token.hsm->ChangeSoPin(*release_pin, password));
        RETURN_IF_ERROR(token.hsm->Open(user_pin));
    } else {
        RETURN_IF_ERROR(token.hsm->Initialise(password, user_pin));
    }
    ASSIGN_OR_RETURN(const hsm::TokenState after, token.hsm->State());
    RETURN_IF_ERROR(CheckDistinct());
    return store_.AddToken(token.name, after.serial);
}

absl::Status TokenOwnership::CheckDistinct() {
    // Some modules give every token the same serial number.
    std::map<std::pair<std::string, std::string>, std::string> names;
    for (const auto& token : tokens_) {
        ASSIGN_OR_RETURN(const hsm::TokenState state, token->hsm->State());
        if (!state.initialised) {
            continue;
        }
        const auto [other, added] = names.emplace(std::pair(state.label, state.serial), token->name);
        if (!added) {
            return absl::FailedPreconditionError(absl::StrCat("token '", token->name, "' is the same as token '",
                                                              other->second,
                                                              "': name it in one way in the configuration"));
        }
    }
    return absl::OkStatus();
}

void TokenOwnership::ForgetReleasePin() {
    if (const absl::Status status = RemoveFile(release_path_); !status.ok()) {
        kLog.Warning(status.message());
    }
}

absl::Status TokenOwnership::Release(const crypto::Secret& password) {
    ASSIGN_OR_RETURN(const crypto::Secret release_pin, ObtainReleasePin());
    return ForEachInitialised(tokens_, [&](cert::Token& token) {
        return status::Annotate(MoveSoPin(*token.hsm, password, release_pin),
                                absl::StrCat("release token '", token.name, "'"));
    });
}

absl::Status TokenOwnership::TakeBack(const crypto::Secret& password) {
    const auto release_pin = ReadReleasePin();
    if (absl::IsNotFound(release_pin.status())) {
        return absl::OkStatus();
    }
    RETURN_IF_ERROR(release_pin.status());
    RETURN_IF_ERROR(ForEachInitialised(tokens_, [&](cert::Token& token) -> absl::Status {
        RETURN_IF_ERROR(status::Annotate(MoveSoPin(*token.hsm, *release_pin, password),
                                         absl::StrCat("take token '", token.name, "' back")));
        return cert::OpenToken(token);
    }));
    return RemoveFile(release_path_);
}

absl::Status TokenOwnership::Erase() {
    ASSIGN_OR_RETURN(const crypto::Secret release_pin, ObtainReleasePin());
    RETURN_IF_ERROR(ForEachInitialised(tokens_, [&](cert::Token& token) {
        return status::Annotate(EraseToken(token, release_pin), absl::StrCat("erase token '", token.name, "'"));
    }));
    return RemovePinFiles();
}

absl::Status TokenOwnership::EraseToken(cert::Token& token, const crypto::Secret& release_pin) {
    absl::Status status = token.hsm->Initialise(release_pin, crypto::RandomPin());
    if (absl::IsPermissionDenied(status)) {
        kLog.Warning(absl::StrCat("token '", token.name,
                                  "' does not take the release PIN, its objects are destroyed one by one and its next "
                                  "owner needs its officer's PIN"));
        status = DestroyAllObjects(token);
    }
    RETURN_IF_ERROR(status);
    return token.hsm->Close();
}

absl::Status TokenOwnership::RemovePinFiles() {
    std::set<std::string> paths;
    for (const auto& token : tokens_) {
        paths.insert(token->user_pin_path);
    }
    for (const std::string& path : paths) {
        RETURN_IF_ERROR(RemoveFile(path));
    }
    return absl::OkStatus();
}

absl::StatusOr<crypto::Secret> TokenOwnership::ReadReleasePin() const {
    return hsm::ReadPinFile(release_path_);
}

absl::StatusOr<crypto::Secret> TokenOwnership::ObtainReleasePin() {
    auto pin = ReadReleasePin();
    if (!absl::IsNotFound(pin.status())) {
        return pin;
    }
    crypto::Secret made = crypto::RandomPin();
    RETURN_IF_ERROR(hsm::WritePinFile(release_path_, made, std::nullopt, std::nullopt));
    return made;
}

}  // namespace provhub::provisioning
