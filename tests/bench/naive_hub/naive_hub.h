// A hub as one writes it first: gRPC's synchronous API, a thread for each stream, an answer matched by its type. The
// baseline that the real one is compared with.
#ifndef PROVHUB_TESTS_BENCH_NAIVE_HUB_NAIVE_HUB_H_
#define PROVHUB_TESTS_BENCH_NAIVE_HUB_NAIVE_HUB_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <memory>

namespace provhub::bench {

class NaiveHub {
 public:
    explicit NaiveHub(const std::shared_ptr<grpc::ServerCredentials>& credentials);
    // Cuts what is open.
    ~NaiveHub();

    // Serves nodes and callers alike.
    int port() const { return port_; }

 private:
    class Nodes;
    class Registrations;
    class Certificates;

    const std::unique_ptr<Nodes> nodes_;
    const std::unique_ptr<Registrations> registrations_;
    const std::unique_ptr<Certificates> certificates_;
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

}  // namespace provhub::bench

#endif  // PROVHUB_TESTS_BENCH_NAIVE_HUB_NAIVE_HUB_H_
