// A server that answers CreateKey by itself: what gRPC alone costs.
#ifndef PROVHUB_TESTS_BENCH_DIRECT_SERVICE_H_
#define PROVHUB_TESTS_BENCH_DIRECT_SERVICE_H_

#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::bench {

class DirectService final : public iamanager::v6::IAMCertificateService::CallbackService {
 private:
    grpc::ServerUnaryReactor* CreateKey(grpc::CallbackServerContext* context,
                                        const iamanager::v6::CreateKeyRequest* request,
                                        iamanager::v6::CreateKeyResponse* response) override;
};

}  // namespace provhub::bench

#endif  // PROVHUB_TESTS_BENCH_DIRECT_SERVICE_H_
