// A gRPC server on one address, set up as every server of ours is.
#ifndef PROVHUB_COMMON_SERVICE_LISTENER_H_
#define PROVHUB_COMMON_SERVICE_LISTENER_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace provhub::service {

// The largest message that a server of ours takes. Also gRPC's own default, so that of peers of other make.
inline constexpr int kMaxMessageBytes = 4 * 1024 * 1024;

struct ListenerOptions {
    // For messages: "public" or "protected".
    std::string name;
    // As ParseListenAddress takes it.
    std::string address;
    std::shared_ptr<grpc::ServerCredentials> credentials;
    // MUST outlive the listener.
    std::vector<grpc::Service*> services;
};

// Serves the given services, health and reflection. Shares its address with no other process. Notices a dead client
// within about 20 seconds, and lets clients ping every 5 seconds without being at work. A handshake may take 10
// seconds, a connection may be without calls for 5 minutes and have 10,000 calls at a time.
class Listener {
 public:
    // Serving when this returns, but NOT_SERVING by the health service.
    // Errors: InvalidArgument (address), FailedPrecondition (cannot listen there, and why).
    static absl::StatusOr<std::unique_ptr<Listener>> Start(const ListenerOptions& options);
    // Ends every call that is left.
    ~Listener();

    // The port that was chosen where the address has port 0.
    int port() const { return port_; }

    // What the health service says from now on, of the whole server and of each service.
    void SetServing(bool serving);

    // Takes no connections and calls any more and waits until those that run have ended; cuts them off at `deadline`.
    void Shutdown(absl::Time deadline);

 private:
    Listener(std::string name, std::unique_ptr<grpc::Server> server, int port);

    const std::string name_;
    const std::unique_ptr<grpc::Server> server_;
    const int port_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_LISTENER_H_
