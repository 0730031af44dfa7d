#include "mainnode/join/join_tokens.h"

#include <Poco/Data/Session.h>
#include <google/protobuf/util/time_util.h>
#include <openssl/crypto.h>

#include <array>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/random.h"
#include "common/crypto/sha256.h"
#include "common/status/macros.h"
#include "common/status/shown.h"

namespace provhub::join {
namespace {

using google::protobuf::util::TimeUtil;
using Poco::Data::Session;
using Poco::Data::Keywords::into;
using Poco::Data::Keywords::now;
using Poco::Data::Keywords::use;

// Times are microseconds since 1970, 0 where there is none; hashes are SHA-256 in hexadecimal.
constexpr std::array kSchema = {
    "CREATE TABLE join_tokens ("
    "id TEXT PRIMARY KEY NOT NULL, "
    "hash TEXT UNIQUE NOT NULL, "
    "node_id TEXT NOT NULL, "
    "created INTEGER NOT NULL, "
    "expires INTEGER NOT NULL, "
    "used_by TEXT NOT NULL DEFAULT '', "
    "used INTEGER NOT NULL DEFAULT 0, "
    "rejoin_hash TEXT NOT NULL DEFAULT '', "
    "rejoin_until INTEGER NOT NULL DEFAULT 0"
    ") WITHOUT ROWID",
};

constexpr registry::SqliteFormat kFormat = {.name = "join token store",
                                            .version = 1,
                                            .schema = kSchema,
                                            .advice = "restore it, or move it away and create new tokens"};

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kIdBytes = 6;
constexpr absl::Duration kKeepExpired = absl::Hours(24);
// Of what a stream presents; longer is no secret of ours.
constexpr std::size_t kMaxPresented = 64;

std::string NewSecret() {
    std::string bytes = crypto::RandomBytes(kSecretBytes);
    std::string text = absl::WebSafeBase64Escape(bytes);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return text;
}

std::string ForPeople(std::int64_t micros) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", absl::FromUnixMicros(micros), absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<std::unique_ptr<JoinTokens>> JoinTokens::Open(const std::string& path, Clock clock) {
    ASSIGN_OR_RETURN(auto file, registry::SqliteFile::Open(path, kFormat));
    return std::unique_ptr<JoinTokens>(new JoinTokens(std::move(file), std::move(clock)));
}

absl::StatusOr<JoinTokens::Created> JoinTokens::Create(absl::Duration ttl, const std::string& node_id) {
    if (ttl < absl::Seconds(1) || ttl > kMaxTtl) {
        return absl::InvalidArgumentError(absl::StrCat("the token's life time is ", absl::FormatDuration(ttl),
                                                       ", expected 1s to ", absl::FormatDuration(kMaxTtl)));
    }
    Created result;
    result.token = NewSecret();
    std::string id = absl::BytesToHexString(crypto::RandomBytes(kIdBytes));
    std::string hash = crypto::Sha256Hex(result.token);
    std::string node = node_id;
    const absl::Time time = clock_();
    std::int64_t created = absl::ToUnixMicros(time);
    std::int64_t expires = absl::ToUnixMicros(time + ttl);
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(file_->Run([&](Session& session) -> absl::Status {
        std::int64_t forgotten = absl::ToUnixMicros(time - kKeepExpired);
        session << "DELETE FROM join_tokens WHERE expires < ? AND rejoin_until < ?", use(forgotten), use(created), now;
        int count = 0;
        session << "SELECT COUNT(*) FROM join_tokens WHERE expires >= ?", into(count), use(created), now;
        if (count >= kMaxTokens) {
            return absl::ResourceExhaustedError(absl::StrCat("there are ", count, " join tokens; revoke some"));
        }
        session << "INSERT INTO join_tokens (id, hash, node_id, created, expires) VALUES (?, ?, ?, ?, ?)", use(id),
            use(hash), use(node), use(created), use(expires), now;
        return absl::OkStatus();
    }));
    result.info.set_id(id);
    result.info.set_node_id(node_id);
    *result.info.mutable_created() = TimeUtil::MicrosecondsToTimestamp(created);
    *result.info.mutable_expires() = TimeUtil::MicrosecondsToTimestamp(expires);
    return result;
}

absl::StatusOr<std::vector<v1::JoinToken>> JoinTokens::List() {
    std::vector<v1::JoinToken> tokens;
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(file_->Run([&](Session& session) {
        std::vector<std::string> ids;
        std::vector<std::string> nodes;
        std::vector<std::int64_t> created;
        std::vector<std::int64_t> expires;
        std::vector<std::string> used_by;
        std::vector<std::int64_t> used;
        session << "SELECT id, node_id, created, expires, used_by, used FROM join_tokens ORDER BY created, id",
            into(ids), into(nodes), into(created), into(expires), into(used_by), into(used), now;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            v1::JoinToken& token = tokens.emplace_back();
            token.set_id(ids[i]);
            token.set_node_id(nodes[i]);
            *token.mutable_created() = TimeUtil::MicrosecondsToTimestamp(created[i]);
            *token.mutable_expires() = TimeUtil::MicrosecondsToTimestamp(expires[i]);
            token.set_used_by(used_by[i]);
            if (used[i] != 0) {
                *token.mutable_used() = TimeUtil::MicrosecondsToTimestamp(used[i]);
            }
        }
        return absl::OkStatus();
    }));
    return tokens;
}

absl::Status JoinTokens::Revoke(const std::string& id) {
    std::string key = id;
    absl::MutexLock lock(&mutex_);
    return file_->Run([&](Session& session) -> absl::Status {
        int count = 0;
        session << "SELECT COUNT(*) FROM join_tokens WHERE id = ?", into(count), use(key), now;
        if (count == 0) {
            return absl::NotFoundError(absl::StrCat("there is no join token '", status::Shown(id), "'"));
        }
        session << "DELETE FROM join_tokens WHERE id = ?", use(key), now;
        return absl::OkStatus();
    });
}

absl::StatusOr<std::string> JoinTokens::Redeem(const std::string& node_id, const Presented& presented) {
    absl::MutexLock lock(&mutex_);
    if (!presented.rejoin_secret.empty()) {
        ASSIGN_OR_RETURN(const bool may_rejoin, MayRejoin(node_id, presented.rejoin_secret));
        if (may_rejoin) {
            return std::string();
        }
        if (presented.token.empty()) {
            return absl::UnauthenticatedError(absl::StrCat(
                "the rejoin secret that node '", node_id,
                "' shows is not valid, or not any more; create a join token and put it where the node's joinTokenPath "
                "says"));
        }
    }
    if (presented.token.empty()) {
        return absl::UnauthenticatedError(
            absl::StrCat("node '", node_id,
                         "' shows no join token, which this main node requires; create one and put it where the "
                         "node's joinTokenPath says"));
    }
    return UseToken(node_id, presented.token);
}

absl::StatusOr<bool> JoinTokens::MayRejoin(const std::string& node_id, absl::string_view secret) {
    int count = 0;
    RETURN_IF_ERROR(file_->Run([&](Session& session) {
        std::string hash = crypto::Sha256Hex(secret.substr(0, kMaxPresented));
        std::string node = node_id;
        std::int64_t time = absl::ToUnixMicros(clock_());
        session << "SELECT COUNT(*) FROM join_tokens WHERE rejoin_hash = ? AND used_by = ? AND rejoin_until > ?",
            into(count), use(hash), use(node), use(time), now;
        return absl::OkStatus();
    }));
    return count > 0;
}

absl::StatusOr<std::string> JoinTokens::UseToken(const std::string& node_id, absl::string_view token) {
    std::string secret;
    RETURN_IF_ERROR(file_->Run([&](Session& session) -> absl::Status {
        std::string hash = crypto::Sha256Hex(token.substr(0, kMaxPresented));
        std::vector<std::string> ids;
        std::string bound_to;
        std::int64_t expires = 0;
        std::string used_by;
        session << "SELECT id FROM join_tokens WHERE hash = ?", into(ids), use(hash), now;
        if (ids.empty()) {
            return absl::UnauthenticatedError(
                absl::StrCat("the join token that node '", node_id, "' shows is not known here; create a new one"));
        }
        std::string& id = ids.front();
        session << "SELECT node_id, expires, used_by FROM join_tokens WHERE id = ?", into(bound_to), into(expires),
            into(used_by), use(id), now;
        if (!bound_to.empty() && bound_to != node_id) {
            return absl::PermissionDeniedError(
                absl::StrCat("join token ", id, " is for node '", bound_to, "', not for node '", node_id, "'"));
        }
        if (!used_by.empty()) {
            return absl::PermissionDeniedError(absl::StrCat("join token ", id, ", which node '", node_id,
                                                            "' shows, was used by node '", used_by,
                                                            "' already; create a new one"));
        }
        const absl::Time time = clock_();
        std::int64_t used = absl::ToUnixMicros(time);
        if (expires <= used) {
            return absl::UnauthenticatedError(absl::StrCat("join token ", id, ", which node '", node_id,
                                                           "' shows, expired at ", ForPeople(expires),
                                                           "; create a new one"));
        }
        secret = NewSecret();
        std::string node = node_id;
        std::string rejoin_hash = crypto::Sha256Hex(secret);
        std::int64_t rejoin_until = absl::ToUnixMicros(time + kRejoinTtl);
        session << "UPDATE join_tokens SET used_by = ?, used = ?, rejoin_hash = ?, rejoin_until = ? WHERE id = ?",
            use(node), use(used), use(rejoin_hash), use(rejoin_until), use(id), now;
        return absl::OkStatus();
    }));
    return secret;
}

absl::Status JoinTokens::Forget(const std::string& node_id) {
    std::string node = node_id;
    absl::MutexLock lock(&mutex_);
    return file_->Run([&](Session& session) {
        session << "UPDATE join_tokens SET rejoin_hash = '', rejoin_until = 0 WHERE used_by = ? AND rejoin_hash != ''",
            use(node), now;
        return absl::OkStatus();
    });
}

}  // namespace provhub::join
