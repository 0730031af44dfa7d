#include "mainnode/hub/call_errors.h"

#include "absl/strings/str_cat.h"
#include "common/status/shown.h"

namespace provhub::hub {
namespace {

constexpr char kNotSent[] = "the request was not sent";
constexpr char kSent[] = "the request was sent, its outcome is unknown";
constexpr int kLastCode = static_cast<int>(absl::StatusCode::kUnauthenticated);

std::string About(absl::string_view node_id, const node::Method& method) {
    return absl::StrCat("node '", node_id, "': ", method.name, ": ");
}

}  // namespace

absl::Status UnknownNode(absl::string_view node_id) {
    return absl::NotFoundError(
        absl::StrCat("node '", status::Shown(node_id), "' is not known: no node of this ID has ever registered"));
}

absl::Status NotConnected(absl::string_view node_id) {
    return absl::UnavailableError(absl::StrCat("node '", node_id, "' is not connected; ", kNotSent));
}

absl::Status TooManyCalls(absl::string_view node_id, std::size_t calls) {
    return absl::ResourceExhaustedError(
        absl::StrCat("node '", node_id, "': ", calls, " calls wait for this node already; ", kNotSent));
}

absl::Status TooLarge(absl::string_view node_id, const node::Method& method, std::size_t bytes, std::size_t limit) {
    return absl::InvalidArgumentError(absl::StrCat(About(node_id, method), "the request has ", bytes,
                                                   " bytes, at most ", limit, " can be forwarded; ", kNotSent));
}

absl::Status CancelledUnsent(absl::string_view node_id, const node::Method& method) {
    return absl::CancelledError(absl::StrCat(About(node_id, method), "the caller has gone; ", kNotSent));
}

absl::Status CancelledSent(absl::string_view node_id, const node::Method& method) {
    return absl::CancelledError(absl::StrCat(About(node_id, method), "the caller has gone; ", kSent));
}

absl::Status TimedOutUnsent(absl::string_view node_id, const node::Method& method) {
    return absl::DeadlineExceededError(
        absl::StrCat(About(node_id, method), "the time was up before the node could be asked; ", kNotSent));
}

absl::Status TimedOutSent(absl::string_view node_id, const node::Method& method) {
    return absl::DeadlineExceededError(absl::StrCat(About(node_id, method), "no answer in time; ", kSent));
}

absl::Status OfOtherMake(absl::string_view node_id, const node::Method& method) {
    return absl::UnimplementedError(absl::StrCat(
        About(node_id, method), "its software is of other make and knows the AosEdge contract alone; ", kNotSent));
}

absl::Status LostUnsent(absl::string_view node_id, const node::Method& method) {
    return absl::UnavailableError(absl::StrCat(About(node_id, method), "the connection to the node ended; ", kNotSent));
}

absl::Status LostSent(absl::string_view node_id, const node::Method& method) {
    return absl::AbortedError(absl::StrCat(About(node_id, method), "the connection to the node ended; ", kSent));
}

absl::Status RefusedByNode(absl::string_view node_id, std::int32_t code, absl::string_view message) {
    const bool known = code > 0 && code <= kLastCode;
    return absl::Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                        absl::StrCat("node '", node_id, "': ", message));
}

absl::Status WrongReply(absl::string_view node_id, const node::Method& method) {
    return absl::InternalError(
        absl::StrCat(About(node_id, method), "the node answered with a message of another kind; ", kSent));
}

}  // namespace provhub::hub
