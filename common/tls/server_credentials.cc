#include "common/tls/server_credentials.h"

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace provhub::tls {
namespace {

absl::string_view View(const grpc_slice& slice) {
    return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

absl::string_view MethodOf(const grpc_metadata* metadata, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        if (View(metadata[i].key) == ":path") {
            return View(metadata[i].value);
        }
    }
    return {};
}

// What gRPC calls back. Lives as long as gRPC's credentials object, which outlives ours.
class Callbacks {
 public:
    Callbacks(std::shared_ptr<const IdentitySource> identity, std::shared_ptr<const TrustAnchors> anchors,
              std::shared_ptr<CallCheck> check)
        : identity_(std::move(identity)), anchors_(std::move(anchors)), check_(std::move(check)) {}

    static grpc_ssl_certificate_config_reload_status Fetch(void* self, grpc_ssl_server_certificate_config** config) {
        return static_cast<Callbacks*>(self)->Fetch(config);
    }

    static void Process(void* self, grpc_auth_context* context, const grpc_metadata* metadata, std::size_t size,
                        grpc_process_auth_metadata_done_cb done, void* done_argument) {
        const auto answer = [done, done_argument](const absl::Status& status) {
            done(done_argument, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
                 status.ok() ? nullptr : std::string(status.message()).c_str());
        };
        static_cast<Callbacks*>(self)->check_->Check(context, MethodOf(metadata, size), answer);
    }

    static void Destroy(void* self) { delete static_cast<Callbacks*>(self); }

 private:
    grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
        const auto current = identity_->Current();
        if (!current.ok()) {
            return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
        }
        const auto anchors = anchors_->Current();
        absl::MutexLock lock(&mutex_);
        if (fetched_ == *current && fetched_anchors_ == anchors) {
            return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
        }
        fetched_ = *current;
        fetched_anchors_ = anchors;
        std::string anchors_pem;
        for (const crypto::Certificate& anchor : anchors->certificates) {
            anchors_pem += anchor.Pem();
        }
        const grpc_ssl_pem_key_cert_pair pair{fetched_->key.c_str(), fetched_->chain_pem.c_str()};
        *config = grpc_ssl_server_certificate_config_create(anchors_pem.c_str(), &pair, 1);
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
    }

    const std::shared_ptr<const IdentitySource> identity_;
    const std::shared_ptr<const TrustAnchors> anchors_;
    const std::shared_ptr<CallCheck> check_;
    absl::Mutex mutex_;
    // What gRPC has been given last.
    std::shared_ptr<const Identity> fetched_ ABSL_GUARDED_BY(mutex_);
    std::shared_ptr<const TrustAnchors::Set> fetched_anchors_ ABSL_GUARDED_BY(mutex_);
};

class WrappedCredentials final : public grpc::ServerCredentials {
 public:
    // Takes `credentials`.
    explicit WrappedCredentials(grpc_server_credentials* credentials) : credentials_(credentials) {}
    ~WrappedCredentials() override { grpc_server_credentials_release(credentials_); }

    // The check is the one processor.
    void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
    int AddPortToServer(const std::string& address, grpc_server* server) override {
        return grpc_server_add_http2_port(server, address.c_str(), credentials_);
    }

    grpc_server_credentials* const credentials_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> IdentityServerCredentials(std::shared_ptr<const IdentitySource> identity,
                                                                   std::shared_ptr<const TrustAnchors> anchors,
                                                                   ClientCertificate client_certificate,
                                                                   std::shared_ptr<CallCheck> check) {
    auto callbacks = std::make_unique<Callbacks>(std::move(identity), std::move(anchors), std::move(check));
    const auto request = client_certificate == ClientCertificate::kRequested
                             ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY
                             : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    grpc_server_credentials* const credentials = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, &Callbacks::Fetch, callbacks.get()));
    grpc_server_credentials_set_auth_metadata_processor(
        credentials, {.process = &Callbacks::Process, .destroy = &Callbacks::Destroy, .state = callbacks.release()});
    return std::make_shared<WrappedCredentials>(credentials);
}

}  // namespace provhub::tls
